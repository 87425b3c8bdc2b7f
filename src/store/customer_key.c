#include "store/customer_key.h"

#include "base/hash.h"
#include "base/random.h"
#include "store/write.h"
#include "json/writer.h"

static const struct field customer_key_fields[] = {
    {FIELD(struct customer_key, id, FIELD_TEXT)},
    {FIELD(struct customer_key, secret, FIELD_TEXT), .flags = FIELD_SECRET | FIELD_INTERNAL},
};
const struct entity customer_key_entity = {
    .name = TEXT_LITERAL("customer_key"),
    .label = TEXT_LITERAL("key of a customer"),
    .table = TEXT_LITERAL("customer_keys"),
    .scoping = SCOPED_BY_ENVIRONMENT,
    .has_no_trail = true,
    ENTITY_FIELDS(customer_key_fields),
    .struct_size = sizeof(struct customer_key),
};

STORE_QUERY(key_of_customer, &customer_key_entity,
            "SELECT {columns} FROM customer_keys WHERE {scope = $1 AND id = $2}");
STORE_QUERY(keys_of_customers, &customer_key_entity,
            "WITH ids (sought) AS ({elements of $2}) SELECT {columns} FROM (SELECT DISTINCT sought FROM ids) "
            "AS ids CROSS JOIN customer_keys WHERE scope = $1 AND {row has id sought}");
STORE_QUERY(destroy_key, NULL, "DELETE FROM customer_keys WHERE {scope = $1 AND id = $2}");

/* ---- keys ---- */

void customer_key_ahead(struct transaction *transaction, const struct scope *scope, struct text customer_id)
{
    query_ahead(transaction, &key_of_customer, VALUES(value_integer(scope->number), value_text(customer_id)));
}

static bool read_key(const struct customer_key *stored, struct envelope_key *key)
{
    key->id = stored->id;
    return hex_decode(stored->secret, key->bytes, sizeof key->bytes);
}

bool customer_key_find(struct transaction *transaction, const struct scope *scope, struct text customer_id,
                       struct envelope_key *key)
{
    struct customer_key stored;

    return query_record(transaction, &key_of_customer,
                        VALUES(value_integer(scope->number), value_text(customer_id)), &stored) &&
           read_key(&stored, key);
}

const struct failure *customer_key_store(struct transaction *transaction)
{
    struct write *write = transaction->customer_key_write;

    transaction->customer_key_write = NULL;
    return write ? write_row(transaction, write) : NULL;
}

/* The row is written behind those that it is needed for: a command that fails before it has changed anything
 * costs no other one of its batch a replay. */
static void make_key(struct transaction *transaction, const struct scope *scope, struct text customer_id,
                     struct envelope_key *key)
{
    struct customer_key *made = ARENA_NEW(transaction->arena, struct customer_key);
    char *secret = arena_allocate(transaction->arena, (size_t)2 * ENVELOPE_KEY_BYTES);
    struct write *write = ARENA_NEW(transaction->arena, struct write);

    random_bytes(key->bytes, sizeof key->bytes);
    hex_encode(key->bytes, sizeof key->bytes, secret);
    *made = (struct customer_key){customer_id, {secret, (size_t)2 * ENVELOPE_KEY_BYTES}};
    *write = (struct write){.scope = scope, .entity = &customer_key_entity, .record = made};
    key->id = customer_id;
    transaction->customer_key_write = write;
}

const struct envelope_keys *customer_key_take(struct transaction *transaction, const struct scope *scope,
                                              struct text customer_id, bool is_new)
{
    struct envelope_keys *taken = transaction->customer_key;

    if (taken && text_equal(taken->keys[0].id, customer_id))
        return taken;
    const struct failure *failure = customer_key_store(transaction);

    taken = ARENA_NEW(transaction->arena, struct envelope_keys);
    taken->count = 1;
    if (is_new || !customer_key_find(transaction, scope, customer_id, &taken->keys[0]))
        make_key(transaction, scope, customer_id, &taken->keys[0]);
    if (failure && !transaction->failure)
        transaction->failure = failure;
    transaction->customer_key = transaction->failure ? NULL : taken;
    return transaction->customer_key;
}

struct text customer_key_subject(const struct entity *entity, const void *record)
{
    return entity->customer_of ? entity->customer_of(record) : text_none;
}

/* The last write of the write set that tells of one, and of whom. */
static struct text subject_of_writes(const struct transaction *transaction, const struct write **write)
{
    struct text last = text_none;

    *write = NULL;
    for (const struct write *each = transaction->writes; each; each = each->next) {
        struct text subject = customer_key_subject(each->entity, each->record);

        if (!text_is_set(subject))
            continue;
        *write = each;
        last = subject;
    }
    return last;
}

bool customer_key_is_new(const struct write *write)
{
    return !write->before && text_equal(customer_key_subject(write->entity, write->record),
                                        entity_id(write->entity, write->record));
}

struct text customer_key_take_last(struct transaction *transaction, const struct envelope_keys **key)
{
    const struct write *write;
    struct text subject = subject_of_writes(transaction, &write);

    *key = transaction->customer_key;
    if (!text_is_set(subject))
        return *key ? (*key)->keys[0].id : text_none;
    *key = customer_key_take(transaction, write->scope, subject, customer_key_is_new(write));
    return *key ? subject : text_none;
}

const struct failure *customer_key_destroy(struct transaction *transaction, const struct scope *scope,
                                           struct text customer_id)
{
    transaction->customer_key = NULL;
    transaction->customer_key_write = NULL;
    transaction->connection->has_forgotten = true;
    return transaction_discard(transaction, &destroy_key,
                               VALUES(value_integer(scope->number), value_text(customer_id)));
}

/* ---- texts ---- */

#define SEALED_BEFORE "{\"sealed\":\""
#define SEALED_AFTER  "\"}"

const struct text customer_key_erased = TEXT_LITERAL("{\"erased\":true}");
const struct text customer_key_sealed_pattern = TEXT_LITERAL(SEALED_BEFORE "%");
static const struct text unreadable = TEXT_LITERAL("{\"unreadable\":true}");

struct text customer_key_seal(struct transaction *transaction, const struct envelope_keys *key,
                              struct text about, struct text plain)
{
    return arena_join(transaction->arena,
                      (const struct text[]){TEXT(SEALED_BEFORE),
                                            envelope_close(transaction->arena, key, about, plain),
                                            TEXT(SEALED_AFTER)},
                      3);
}

/* The envelope in a stored text; unset when it is a plain one. */
static struct text envelope_in(struct text stored)
{
    static const struct text before = TEXT_LITERAL(SEALED_BEFORE), after = TEXT_LITERAL(SEALED_AFTER);

    if (!text_starts_with(stored, before) || !text_ends_with(stored, after) ||
        stored.length < before.length + after.length)
        return text_none;
    return text_slice(stored, before.length, stored.length - before.length - after.length);
}

static void open_text(struct arena *arena, const struct sealed_text *sealed, const struct record_list *list)
{
    const struct customer_key *stored = list->records;
    struct text envelope = envelope_in(*sealed->text), plain;
    struct envelope_keys keys = {.count = 1};

    *sealed->text = customer_key_erased;
    for (size_t i = 0; i < list->count; i++)
        if (text_equal(stored[i].id, envelope_key_id(envelope))) {
            bool is_opened = read_key(&stored[i], &keys.keys[0]) &&
                             envelope_open(arena, &keys, sealed->about, envelope, &plain) == ENVELOPE_OPENED;

            *sealed->text = is_opened ? plain : unreadable;
            return;
        }
}

static bool is_of(const struct sealed_text *sealed, int64_t scope)
{
    return sealed->scope == scope && text_is_set(envelope_in(*sealed->text));
}

/* The keys of those texts of one environment, as far as they are still there. */
static struct record_list keys_of(struct transaction *transaction, const struct sealed_text *texts,
                                  size_t count, int64_t scope)
{
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_array(&writer);
    for (size_t i = 0; i < count; i++)
        if (is_of(&texts[i], scope))
            json_string(&writer, envelope_key_id(envelope_in(*texts[i].text)));
    json_end_array(&writer);
    struct text ids = arena_copy(transaction->arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return query_records(transaction, &keys_of_customers, VALUES(value_integer(scope), value_text(ids)));
}

void customer_key_open(struct transaction *transaction, const struct sealed_text *texts, size_t count)
{
    for (size_t first = 0; first < count && !transaction->failure; first++) {
        int64_t scope = texts[first].scope;

        if (!is_of(&texts[first], scope))
            continue;
        struct record_list list = keys_of(transaction, &texts[first], count - first, scope);

        for (size_t i = first; i < count && !transaction->failure; i++)
            if (is_of(&texts[i], scope))
                open_text(transaction->arena, &texts[i], &list);
    }
}
