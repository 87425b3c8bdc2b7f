/* Whether a connection may come in: how many there are, in all and of each client.
 *
 * The loops share this, because the system spreads the connections of one client over all of them. It is
 * touched when a connection comes and when it goes, never by a request. */
#include "http/internal.h"

#include "base/random.h"

#include <stdlib.h>

/* Clients with connections, in a hash table with linear probing. It grows before it is half full and never
 * shrinks: it has at most as many as there were connections at a time. */
enum { CLIENTS_CAPACITY_FIRST = 256 };

struct http_client_count {
    uint64_t key;
    unsigned connections; /* 0: a free place */
};

void http_admission_init(struct http_admission *admission)
{
    *admission = (struct http_admission){.client_capacity = CLIENTS_CAPACITY_FIRST};
    pthread_mutex_init(&admission->lock, NULL);
    random_bytes(&admission->hash_factor, sizeof admission->hash_factor);
    admission->hash_factor |= 1;
    admission->clients = calloc(admission->client_capacity, sizeof *admission->clients);
    if (!admission->clients)
        abort();
}

void http_admission_free(struct http_admission *admission)
{
    pthread_mutex_destroy(&admission->lock);
    free(admission->clients);
}

static size_t home_of(const struct http_admission *admission, uint64_t key)
{
    uint64_t hash = (key ^ key >> 32) * admission->hash_factor;

    return (hash >> 32) & (admission->client_capacity - 1);
}

/* The place of a client, or the free one where it would go. */
static size_t place_of(const struct http_admission *admission, uint64_t key)
{
    size_t place = home_of(admission, key);

    while (admission->clients[place].connections && admission->clients[place].key != key)
        place = (place + 1) & (admission->client_capacity - 1);
    return place;
}

static void grow(struct http_admission *admission)
{
    struct http_client_count *before = admission->clients;
    size_t capacity_before = admission->client_capacity;

    admission->client_capacity *= 2;
    admission->clients = calloc(admission->client_capacity, sizeof *admission->clients);
    if (!admission->clients)
        abort();
    for (size_t i = 0; i < capacity_before; i++)
        if (before[i].connections)
            admission->clients[place_of(admission, before[i].key)] = before[i];
    free(before);
}

/* Closes the gap that a client leaves, so that those behind it are still found. */
static void remove_client(struct http_admission *admission, size_t gap)
{
    size_t mask = admission->client_capacity - 1;

    for (size_t next = (gap + 1) & mask; admission->clients[next].connections; next = (next + 1) & mask) {
        size_t home = home_of(admission, admission->clients[next].key);

        if (((next - home) & mask) < ((next - gap) & mask))
            continue; /* the gap is before its home */
        admission->clients[gap] = admission->clients[next];
        gap = next;
    }
    admission->clients[gap].connections = 0;
    admission->client_count--;
}

static bool enter_client(struct http_admission *admission, uint64_t key, unsigned maximum)
{
    bool may_enter = true;

    pthread_mutex_lock(&admission->lock);
    struct http_client_count *client = &admission->clients[place_of(admission, key)];

    if (client->connections == 0) {
        *client = (struct http_client_count){key, 1};
        if (++admission->client_count * 2 > admission->client_capacity)
            grow(admission);
    } else if (client->connections < maximum) {
        client->connections++;
    } else {
        may_enter = false;
    }
    pthread_mutex_unlock(&admission->lock);
    return may_enter;
}

static void leave_client(struct http_admission *admission, uint64_t key)
{
    pthread_mutex_lock(&admission->lock);
    size_t place = place_of(admission, key);

    assert(admission->clients[place].connections > 0);
    if (--admission->clients[place].connections == 0)
        remove_client(admission, place);
    pthread_mutex_unlock(&admission->lock);
}

enum http_admittance http_admission_enter(struct http_server *server, const struct http_address *peer,
                                          bool *counts_for_client)
{
    struct http_admission *admission = &server->admission;
    const struct http_config *config = &server->config;

    *counts_for_client = config->connections_per_client_max > 0 && peer->kind == HTTP_ADDRESS_IP &&
                         !http_trust_includes(&config->trust, peer);
    if (atomic_fetch_add_explicit(&admission->connections, 1, memory_order_relaxed) >=
        config->connections_max) {
        atomic_fetch_sub_explicit(&admission->connections, 1, memory_order_relaxed);
        return HTTP_REFUSED_TOTAL;
    }
    if (!*counts_for_client ||
        enter_client(admission, http_address_client_key(peer), config->connections_per_client_max))
        return HTTP_ADMITTED;
    atomic_fetch_sub_explicit(&admission->connections, 1, memory_order_relaxed);
    return HTTP_REFUSED_CLIENT;
}

void http_admission_leave(struct http_server *server, const struct http_address *peer, bool counts_for_client)
{
    atomic_fetch_sub_explicit(&server->admission.connections, 1, memory_order_relaxed);
    if (counts_for_client)
        leave_client(&server->admission, http_address_client_key(peer));
}
