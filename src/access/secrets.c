#include "access/secrets.h"

#include "base/buffer.h"
#include "base/hash.h"
#include "base/random.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const purpose_names[SECRET_PURPOSES] = {
    [SECRET_SIGNING] = "signing", [SECRET_ENCRYPTION] = "encryption"};

const char *secret_purpose_name(enum secret_purpose purpose)
{
    return purpose_names[purpose];
}

bool secret_purpose_find(struct text name, enum secret_purpose *purpose)
{
    for (unsigned i = 0; i < SECRET_PURPOSES; i++)
        if (text_equal(name, text_from_string(purpose_names[i]))) {
            *purpose = (enum secret_purpose)i;
            return true;
        }
    return false;
}

static void derive(struct text key, struct text use, uint8_t derived[SHA256_BYTES])
{
    unsigned length = 0;

    if (HMAC(EVP_sha256(), key.data, (int)key.length, (const unsigned char *)use.data, use.length, derived,
             &length))
        return;
    fprintf(stderr, "farthing: OpenSSL cannot compute HMAC\n");
    abort();
}

struct text secret_derive(struct text key, struct text use, struct arena *arena)
{
    uint8_t *derived = arena_allocate(arena, SHA256_BYTES);

    derive(key, use, derived);
    return (struct text){(const char *)derived, SHA256_BYTES};
}

static struct text id_of(const struct secret_key *key)
{
    return (struct text){key->id, SECRET_ID_LENGTH};
}

/* A hash with a key would be guessed from a list of likely ones as easily as any other; a key of 32 random
 * bytes is on no list. The purpose goes in, so that nobody sees that one secret serves both. */
static void set_id(struct secret_key *key, enum secret_purpose purpose)
{
    uint8_t digest[SHA256_BYTES];
    char use[64];
    int length = snprintf(use, sizeof use, "farthing id of a %s key", purpose_names[purpose]);

    derive((struct text){(const char *)key->bytes, key->length}, (struct text){use, (size_t)length}, digest);
    hex_encode(digest, SECRET_ID_LENGTH / 2, key->id);
}

/* ---- rings ---- */

bool secret_ring_add(struct secret_ring *ring, enum secret_purpose purpose, struct text bytes,
                     int64_t created_at_us, int64_t honoured_until_us)
{
    struct secret_key *key = &ring->keys[ring->count];

    if (ring->count == SECRET_KEYS_MAX || bytes.length < SECRET_BYTES_MIN || bytes.length > SECRET_BYTES_MAX)
        return false;
    *key = (struct secret_key){
        .length = bytes.length, .created_at_us = created_at_us, .honoured_until_us = honoured_until_us};
    memcpy(key->bytes, bytes.data, bytes.length);
    set_id(key, purpose);
    ring->count++;
    return true;
}

static struct secret_key new_key(enum secret_purpose purpose, int64_t now_us)
{
    /* Whole seconds, as the file has it. */
    struct secret_key key = {.length = SECRET_BYTES,
                             .created_at_us = now_us - now_us % MICROSECONDS_PER_SECOND,
                             .honoured_until_us = SECRET_WITHOUT_END};

    random_bytes(key.bytes, key.length);
    set_id(&key, purpose);
    return key;
}

void secret_set_make(struct secret_set *set, int64_t now_us)
{
    *set = (struct secret_set){0};
    for (unsigned i = 0; i < SECRET_PURPOSES; i++) {
        set->rings[i].keys[0] = new_key((enum secret_purpose)i, now_us);
        set->rings[i].count = 1;
    }
}

/* The place in a full ring that may be taken: that of the oldest key that is not honoured. 0: there is none.
 */
static unsigned place_to_take(const struct secret_ring *ring, int64_t now_us)
{
    for (unsigned i = ring->count - 1; i > 0; i--)
        if (ring->keys[i].honoured_until_us <= now_us)
            return i;
    return 0;
}

static void end_grace(struct secret_ring *ring, int64_t grace_until_us)
{
    for (unsigned i = 0; i < ring->count; i++)
        if (ring->keys[i].honoured_until_us > grace_until_us)
            ring->keys[i].honoured_until_us = grace_until_us;
}

struct text secret_ring_dropped(const struct secret_ring *ring, int64_t now_us, int64_t grace_until_us)
{
    struct secret_ring rotated = *ring;

    end_grace(&rotated, grace_until_us);
    unsigned place = rotated.count < SECRET_KEYS_MAX ? 0 : place_to_take(&rotated, now_us);

    OPENSSL_cleanse(&rotated, sizeof rotated);
    return place > 0 ? id_of(&ring->keys[place]) : text_none;
}

bool secret_ring_rotate(struct secret_ring *ring, enum secret_purpose purpose, int64_t now_us,
                        int64_t grace_until_us)
{
    struct secret_ring rotated = *ring;

    end_grace(&rotated, grace_until_us);
    unsigned end = rotated.count < SECRET_KEYS_MAX ? rotated.count : place_to_take(&rotated, now_us);

    if (end == 0)
        return false;
    memmove(&rotated.keys[1], &rotated.keys[0], end * sizeof rotated.keys[0]);
    rotated.keys[0] = new_key(purpose, now_us);
    rotated.count += rotated.count < SECRET_KEYS_MAX;
    *ring = rotated;
    OPENSSL_cleanse(&rotated, sizeof rotated);
    return true;
}

bool secret_ring_has(const struct secret_ring *ring, struct text id)
{
    for (unsigned i = 0; i < ring->count; i++)
        if (text_equal(id_of(&ring->keys[i]), id))
            return true;
    return false;
}

/* ---- as a text: writing ---- */

static const struct text always = TEXT_LITERAL("always"), present = TEXT_LITERAL("present");

static void write_key(struct buffer *buffer, enum secret_purpose purpose, const struct secret_key *key,
                      bool is_present)
{
    char hex[2 * SECRET_BYTES_MAX];

    buffer_append_format(buffer, "%s %.*s ", purpose_names[purpose], TEXT_FORMAT(id_of(key)));
    instant_append_seconds(buffer, key->created_at_us);
    buffer_append_char(buffer, ' ');
    if (is_present)
        buffer_append(buffer, present);
    else if (key->honoured_until_us == SECRET_WITHOUT_END)
        buffer_append(buffer, always);
    else
        instant_append_seconds(buffer, key->honoured_until_us);
    hex_encode(key->bytes, key->length, hex);
    buffer_append_char(buffer, ' ');
    buffer_append_bytes(buffer, hex, 2 * key->length);
    buffer_append_char(buffer, '\n');
    OPENSSL_cleanse(hex, sizeof hex);
}

struct text secret_set_write(const struct secret_set *set, struct arena *arena)
{
    struct buffer buffer = {0};

    buffer_append(
        &buffer,
        TEXT("# The secrets of this installation. Whoever has them can log in as anybody: keep the file to\n"
             "# the server's user, and a copy of it in another place than those of the database. Servers\n"
             "# that share a database have the same file. `farthing secret rotate` changes it.\n"
             "#\n"
             "# purpose id made honoured-until key\n"));
    for (unsigned i = 0; i < SECRET_PURPOSES; i++)
        for (unsigned j = 0; j < set->rings[i].count && !set->rings[i].is_given; j++)
            write_key(&buffer, (enum secret_purpose)i, &set->rings[i].keys[j], j == 0);
    struct text text = arena_copy(arena, buffer_text(&buffer));

    OPENSSL_cleanse(buffer.data, buffer.capacity);
    buffer_free(&buffer);
    return text;
}

/* ---- as a text: reading ---- */

/* The word at the start of *rest, which then begins behind it and the space. */
static struct text next_word(struct text *rest)
{
    size_t end = text_find(*rest, ' ');
    struct text word = text_slice(*rest, 0, end);

    *rest = text_from(*rest, end < rest->length ? end + 1 : end);
    return word;
}

static bool read_until(struct text word, bool is_first, int64_t *until_us)
{
    *until_us = SECRET_WITHOUT_END;
    if (is_first || text_equal(word, present))
        return is_first && text_equal(word, present);
    return text_equal(word, always) || instant_parse(word, until_us);
}

static bool read_bytes(struct text word, uint8_t bytes[SECRET_BYTES_MAX])
{
    return word.length / 2 >= SECRET_BYTES_MIN && word.length / 2 <= SECRET_BYTES_MAX &&
           hex_decode(word, bytes, word.length / 2);
}

/* NULL, or what is wrong with the line. */
static const char *read_line(struct text line, struct secret_set *set)
{
    enum secret_purpose purpose;
    uint8_t bytes[SECRET_BYTES_MAX];
    int64_t created_at_us, until_us;

    if (!secret_purpose_find(next_word(&line), &purpose))
        return "begins with neither signing nor encryption";
    struct secret_ring *ring = &set->rings[purpose];
    struct text id = next_word(&line);

    if (ring->is_given)
        return NULL;
    if (!instant_parse(next_word(&line), &created_at_us))
        return "does not say when the key was made";
    if (!read_until(next_word(&line), ring->count == 0, &until_us))
        return "says `present` although it is not the first of its purpose, or is the first and does not, or "
               "names no instant";
    if (!read_bytes(line, bytes))
        return "has no key of 32 bytes or more in hexadecimal digits";
    bool is_added = secret_ring_add(ring, purpose, (struct text){(const char *)bytes, line.length / 2},
                                    created_at_us, until_us);

    OPENSSL_cleanse(bytes, sizeof bytes);
    if (!is_added)
        return "is one key too many";
    return text_equal(id_of(&ring->keys[ring->count - 1]), id) ? NULL : "has a key that its id does not fit";
}

static bool is_complete(const struct secret_set *set, struct arena *arena, struct text *reason)
{
    for (unsigned i = 0; i < SECRET_PURPOSES; i++)
        if (set->rings[i].count == 0) {
            *reason = arena_format(arena, "there is no %s key", purpose_names[i]);
            return false;
        }
    return true;
}

bool secret_set_read(struct text text, struct secret_set *set, struct arena *arena, struct text *reason)
{
    for (unsigned number = 1; text.length > 0; number++) {
        size_t end = text_find(text, '\n');
        struct text line = text_slice(text, 0, end);
        const char *complaint = line.length == 0 || line.data[0] == '#' ? NULL : read_line(line, set);

        if (complaint) {
            *reason = arena_format(arena, "line %u: %s", number, complaint);
            return false;
        }
        text = text_from(text, end < text.length ? end + 1 : end);
    }
    return is_complete(set, arena, reason);
}

/* ---- in use ---- */

struct secrets {
    pthread_rwlock_t lock;
    pthread_mutex_t change;
    struct secret_set set;
};

struct secrets *secrets_new(const struct secret_set *set)
{
    struct secrets *secrets = malloc(sizeof *secrets);

    if (!secrets)
        abort();
    pthread_rwlock_init(&secrets->lock, NULL);
    pthread_mutex_init(&secrets->change, NULL);
    secrets->set = *set;
    return secrets;
}

void secrets_free(struct secrets *secrets)
{
    if (!secrets)
        return;
    pthread_rwlock_destroy(&secrets->lock);
    pthread_mutex_destroy(&secrets->change);
    OPENSSL_cleanse(secrets, sizeof *secrets);
    free(secrets);
}

void secrets_begin_change(struct secrets *secrets)
{
    pthread_mutex_lock(&secrets->change);
}

void secrets_end_change(struct secrets *secrets)
{
    pthread_mutex_unlock(&secrets->change);
}

void secrets_replace(struct secrets *secrets, const struct secret_set *set)
{
    pthread_rwlock_wrlock(&secrets->lock);
    secrets->set = *set;
    pthread_rwlock_unlock(&secrets->lock);
}

void secrets_copy(struct secrets *secrets, struct secret_set *set)
{
    pthread_rwlock_rdlock(&secrets->lock);
    *set = secrets->set;
    pthread_rwlock_unlock(&secrets->lock);
}

unsigned secrets_honoured(struct secrets *secrets, enum secret_purpose purpose, int64_t now_us,
                          struct arena *arena, struct text keys[SECRET_KEYS_MAX])
{
    unsigned count = 0;

    pthread_rwlock_rdlock(&secrets->lock);
    const struct secret_ring *ring = &secrets->set.rings[purpose];

    assert(ring->count > 0);
    for (unsigned i = 0; i < ring->count; i++)
        if (i == 0 || now_us < ring->keys[i].honoured_until_us)
            keys[count++] =
                arena_copy(arena, (struct text){(const char *)ring->keys[i].bytes, ring->keys[i].length});
    pthread_rwlock_unlock(&secrets->lock);
    return count;
}

unsigned secrets_listed(struct secrets *secrets, enum secret_purpose purpose, struct arena *arena,
                        struct text ids[SECRET_KEYS_MAX], struct text keys[SECRET_KEYS_MAX])
{
    pthread_rwlock_rdlock(&secrets->lock);
    const struct secret_ring *ring = &secrets->set.rings[purpose];
    unsigned count = ring->count;

    for (unsigned i = 0; i < count; i++) {
        ids[i] = arena_copy(arena, id_of(&ring->keys[i]));
        keys[i] = arena_copy(arena, (struct text){(const char *)ring->keys[i].bytes, ring->keys[i].length});
    }
    pthread_rwlock_unlock(&secrets->lock);
    return count;
}
