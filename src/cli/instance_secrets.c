/* instance_secrets.c: the secrets of an instance: from settings, from the data directory's file, or made; and
 * whether they are the ones that the database was used with. */
#include "cli/instance.h"

#include "base/instant.h"
#include "base/log.h"
#include "cli/secrets_file.h"
#include "domain/connections.h"
#include "domain/server_secrets.h"

#include <openssl/crypto.h>
#include <sys/stat.h>

/* ---- from settings and the file ---- */

static void take_given(struct secret_set *set, enum secret_purpose purpose, struct text given,
                       struct text previous)
{
    struct secret_ring *ring = &set->rings[purpose];

    if (!text_is_set(given))
        return;
    ring->is_given = true;
    secret_ring_add(ring, purpose, given, INT64_MIN, SECRET_WITHOUT_END);
    if (text_is_set(previous))
        secret_ring_add(ring, purpose, previous, INT64_MIN, SECRET_WITHOUT_END);
}

static bool is_complete(const struct secret_set *set)
{
    bool is_complete = true;

    for (unsigned i = 0; i < SECRET_PURPOSES; i++)
        is_complete &= set->rings[i].count > 0;
    return is_complete;
}

static void warn_of_mode(const struct data_directory *directory)
{
    struct stat status;

    if (stat(directory->secrets_path.data, &status) == 0 && status.st_mode & 077)
        LOG_WARNING("other users can read the secrets; chmod 600 it",
                    LOG_TEXT("file", directory->secrets_path));
}

bool secret_set_of_place(const struct data_directory *directory, const struct place *place,
                         struct secret_set *set, struct arena *arena, struct text *reason)
{
    bool is_there;

    *set = (struct secret_set){0};
    take_given(set, SECRET_SIGNING, place->auth_secret, place->auth_secret_previous);
    take_given(set, SECRET_ENCRYPTION, place->encryption_key, place->encryption_key_previous);
    if (is_complete(set)) /* a file that is there as well is not needed, and may be wrong */
        return true;
    if (!secrets_file_read(directory, set, &is_there, arena, reason))
        return false;
    if (is_there)
        warn_of_mode(directory);
    return true;
}

/* ---- whether they are the database's ---- */

struct comparison {
    const struct secret_set *set;
    const char *path;    /* of the file */
    bool records;        /* the database is told of our keys where it knows none, or older ones */
    bool accepts;        /* ... or others */
    struct arena *arena; /* for the failure */
};

static const struct failure *refuse(const struct comparison *comparison, enum secret_purpose purpose,
                                    struct text known)
{
    static const char advice[] =
        "copy the file from another server of this database or from a backup, or set auth-secret and "
        "encryption-key as they are there; `farthing secret accept` goes on without, and then everybody has "
        "to "
        "log in again and what was encrypted is lost";
    const struct secret_ring *ring = &comparison->set->rings[purpose];
    const char *name = secret_purpose_name(purpose);
    struct text message =
        ring->count == 0
            ? arena_format(comparison->arena,
                           "there is no file %s, and the database was used with one whose %s key is %.*s; %s",
                           comparison->path, name, TEXT_FORMAT(known), advice)
            : arena_format(comparison->arena,
                           "the %s key of %s is %.*s, but the database was used with %.*s; %s", name,
                           ring->is_given ? "the settings" : comparison->path, SECRET_ID_LENGTH,
                           ring->keys[0].id, TEXT_FORMAT(known), advice);

    return failure_new(comparison->arena, FAILURE_INVALID_OPERATION, message);
}

/* A key that the database knows and that is on our list as an older one: our list is the newer, and the
 * database was not told because the power failed in between. */
static const struct failure *compare(void *context, struct transaction *transaction)
{
    const struct comparison *comparison = context;

    if (comparison->records)
        transaction_take_turns(transaction, STORE_TURNS_INSTALLATION);
    for (unsigned i = 0; i < SECRET_PURPOSES; i++) {
        const struct secret_ring *ring = &comparison->set->rings[i];
        struct text name = text_from_string(secret_purpose_name((enum secret_purpose)i)),
                    known = server_secret_key_id(transaction, name);

        if (text_is_set(known) && !comparison->accepts && !secret_ring_has(ring, known))
            return refuse(comparison, (enum secret_purpose)i, known);
        if (comparison->records)
            server_secret_record(
                transaction, name,
                arena_copy(transaction->arena, (struct text){ring->keys[0].id, SECRET_ID_LENGTH}));
    }
    return NULL;
}

static bool is_database_s(struct store *store, struct comparison *comparison, struct text *reason)
{
    const struct call call = {.actor_id = text_empty, .request_id = text_empty, .now_us = instant_now_us()};
    const struct failure *failure = store_read(store, comparison->arena, &call, compare, comparison);

    if (failure)
        *reason = failure->message;
    return !failure;
}

bool secrets_fit(struct store *store, const struct data_directory *directory, const struct secret_set *set,
                 struct arena *arena, struct text *reason)
{
    struct comparison comparison = {.set = set, .path = directory->secrets_path.data, .arena = arena};

    return is_database_s(store, &comparison, reason);
}

/* ---- whether what is encrypted can be read ---- */

struct lacking {
    const struct secret_ring *ring;
    struct connections_unreadable found;
};

static const struct failure *look_for_lacking(void *context, struct transaction *transaction)
{
    struct lacking *lacking = context;
    struct text ids = TEXT("[");

    for (unsigned i = 0; i < lacking->ring->count; i++)
        ids = arena_format(transaction->arena, "%.*s%s\"%.*s\"", TEXT_FORMAT(ids), i ? "," : "",
                           SECRET_ID_LENGTH, lacking->ring->keys[i].id);
    connections_count_unreadable(transaction, arena_format(transaction->arena, "%.*s]", TEXT_FORMAT(ids)),
                                 &lacking->found);
    return transaction->failure;
}

struct text secrets_lacking(struct store *store, const struct secret_set *set, struct arena *arena)
{
    const struct call call = {.actor_id = text_empty, .request_id = text_empty, .now_us = instant_now_us()};
    struct lacking lacking = {.ring = &set->rings[SECRET_ENCRYPTION]};

    if (store_read(store, arena, &call, look_for_lacking, &lacking) || lacking.found.count == 0)
        return text_none;
    return arena_format(
        arena,
        "the secrets of %lld connections are encrypted with a key that is not here, such as "
        "%.*s: put its line back into the file secrets, or give it as encryption-key-previous; "
        "without it these connections must be deleted and made again",
        (long long)lacking.found.count, TEXT_FORMAT(lacking.found.key_id));
}

static void tell_of_lacking(struct store *store, const struct secret_set *set, struct arena *arena)
{
    struct text lacking = secrets_lacking(store, set, arena);

    if (text_is_set(lacking))
        LOG_ERROR("secrets cannot be read", LOG_TEXT("reason", lacking));
}

/* ---- all together ---- */

static void make_missing(struct secret_set *set)
{
    struct secret_set made;

    secret_set_make(&made, instant_now_us());
    for (unsigned i = 0; i < SECRET_PURPOSES; i++)
        if (set->rings[i].count == 0)
            set->rings[i] = made.rings[i];
    OPENSSL_cleanse(&made, sizeof made);
}

static struct comparison comparison_of(const struct instance *instance, const struct secret_set *set,
                                       struct arena *arena)
{
    return (struct comparison){.set = set,
                               .path = instance->directory.secrets_path.data,
                               .accepts = instance->place.accepts_secrets,
                               .arena = arena};
}

bool instance_make_secrets(const struct instance *instance, struct secret_set *set, bool *is_made,
                           struct arena *arena, struct text *reason)
{
    struct comparison comparison = comparison_of(instance, set, arena);

    *is_made = false;
    if (is_complete(set))
        return true;
    if (!is_database_s(instance->store, &comparison, reason))
        return false;
    make_missing(set);
    *is_made = secrets_file_write(&instance->directory, set, arena, reason);
    return *is_made;
}

const struct failure *instance_record_secrets(const struct instance *instance, const struct secret_set *set,
                                              struct transaction *transaction)
{
    struct comparison comparison = comparison_of(instance, set, transaction->arena);

    comparison.records = true;
    return compare(&comparison, transaction);
}

bool instance_find_secrets(const struct instance *instance, const struct secret_set *set, struct arena *arena,
                           struct text *reason)
{
    if (is_complete(set))
        return secrets_fit(instance->store, &instance->directory, set, arena, reason);
    *reason = arena_format(arena, "there is no file %s yet; `farthing serve` makes it",
                           instance->directory.secrets_path.data);
    return false;
}

void instance_use_secrets(struct instance *instance, const struct secret_set *set, struct arena *arena)
{
    tell_of_lacking(instance->store, set, arena);
    instance->secrets = secrets_new(set);
}

/* ---- while it runs ---- */

static bool is_same(const struct secret_set *a, const struct secret_set *b, struct arena *arena)
{
    return text_equal(secret_set_write(a, arena), secret_set_write(b, arena));
}

static bool take_anew(struct instance *instance, struct secret_set *set, struct arena *arena,
                      struct text *reason)
{
    struct secret_set *in_use = ARENA_NEW(arena, struct secret_set);

    if (!secret_set_of_place(&instance->directory, &instance->place, set, arena, reason))
        return false;
    secrets_copy(instance->secrets, in_use);
    if (!is_complete(set)) {
        *reason = arena_format(arena, "there is no file %s", instance->directory.secrets_path.data);
        return false;
    }
    if (is_same(set, in_use, arena))
        return true;
    if (!secrets_fit(instance->store, &instance->directory, set, arena, reason))
        return false;
    secrets_replace(instance->secrets, set);
    tell_of_lacking(instance->store, set, arena);
    LOG_INFO(
        "the secrets were read anew",
        LOG_TEXT("signing", ((struct text){set->rings[SECRET_SIGNING].keys[0].id, SECRET_ID_LENGTH})),
        LOG_TEXT("encryption", ((struct text){set->rings[SECRET_ENCRYPTION].keys[0].id, SECRET_ID_LENGTH})));
    return true;
}

bool instance_reload_secrets(struct instance *instance, struct arena *arena, struct text *reason)
{
    struct secret_set *set = ARENA_NEW(arena, struct secret_set);

    secrets_begin_change(instance->secrets);
    bool is_taken = take_anew(instance, set, arena, reason);

    secrets_end_change(instance->secrets);
    OPENSSL_cleanse(set, sizeof *set);
    return is_taken;
}
