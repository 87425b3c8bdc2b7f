/* audit.c: the hashes of the audit trail, the chain to which a connection appends, and the end of rows that
 * were kept long enough. */
#include "store/audit_chain.h"
#include "store/write.h"

#include <endian.h>

/* ---- rows ---- */

static const struct field audit_row_fields[] = {
    {FIELD(struct audit_row, sequence, FIELD_INTEGER)},    {FIELD(struct audit_row, chain, FIELD_INTEGER)},
    {FIELD(struct audit_row, position, FIELD_INTEGER)},    {FIELD(struct audit_row, scope, FIELD_INTEGER)},
    {FIELD(struct audit_row, tenant_id, FIELD_TEXT)},      {FIELD(struct audit_row, entity_type, FIELD_TEXT)},
    {FIELD(struct audit_row, entity_id, FIELD_TEXT)},      {FIELD(struct audit_row, action, FIELD_TEXT)},
    {FIELD(struct audit_row, actor_id, FIELD_TEXT)},       {FIELD(struct audit_row, request_id, FIELD_TEXT)},
    {FIELD(struct audit_row, occurred_at, FIELD_INSTANT)}, {FIELD(struct audit_row, changes, FIELD_TEXT)},
    {FIELD(struct audit_row, hash, FIELD_TEXT)},
};
const struct entity audit_row_entity = {
    .name = TEXT_LITERAL("audit_row"),
    ENTITY_FIELDS(audit_row_fields),
    .struct_size = sizeof(struct audit_row),
};

static const struct field audit_chain_row_fields[] = {
    {FIELD(struct audit_chain_row, chain, FIELD_INTEGER)},
    {FIELD(struct audit_chain_row, position, FIELD_INTEGER)},
    {FIELD(struct audit_chain_row, hash, FIELD_TEXT)},
    {FIELD(struct audit_chain_row, first_position, FIELD_INTEGER)},
    {FIELD(struct audit_chain_row, first_hash, FIELD_TEXT)},
    {FIELD(struct audit_chain_row, last_sequence, FIELD_INTEGER)},
};
const struct entity audit_chain_row_entity = {
    .name = TEXT_LITERAL("audit_chain"),
    ENTITY_FIELDS(audit_chain_row_fields),
    .struct_size = sizeof(struct audit_chain_row),
};

/* ---- hashes ---- */

static void append_number(struct buffer *buffer, uint64_t number)
{
    uint64_t bytes = htobe64(number);

    buffer_append_bytes(buffer, &bytes, sizeof bytes);
}

static void append_integer_value(struct buffer *buffer, int64_t value)
{
    append_number(buffer, sizeof value);
    append_number(buffer, (uint64_t)value);
}

static void append_text_value(struct buffer *buffer, struct text value)
{
    append_number(buffer, value.length);
    buffer_append(buffer, value);
}

void audit_digest(const struct audit_row *row, struct buffer *scratch, uint8_t digest[SHA256_BYTES])
{
    buffer_clear(scratch);
    append_integer_value(scratch, row->chain);
    append_integer_value(scratch, row->position);
    append_integer_value(scratch, row->scope);
    append_text_value(scratch, row->tenant_id);
    append_text_value(scratch, row->entity_type);
    append_text_value(scratch, row->entity_id);
    append_text_value(scratch, row->action);
    append_text_value(scratch, row->actor_id);
    append_text_value(scratch, row->request_id);
    append_integer_value(scratch, row->occurred_at);
    append_text_value(scratch, row->changes);
    sha256(buffer_text(scratch), digest);
}

void audit_link(struct text previous_hash, const uint8_t digest[SHA256_BYTES], char hash[SHA256_HEX_LENGTH])
{
    char bytes[2 * sizeof(uint64_t) + SHA256_HEX_LENGTH + SHA256_BYTES];
    struct buffer buffer = {.data = bytes, .capacity = sizeof bytes};
    uint8_t link[SHA256_BYTES];

    /* A stored hash may be anything when somebody has changed it. */
    append_text_value(&buffer, text_slice(previous_hash, 0,
                                          previous_hash.length < SHA256_HEX_LENGTH ? previous_hash.length
                                                                                   : SHA256_HEX_LENGTH));
    append_text_value(&buffer, (struct text){(const char *)digest, SHA256_BYTES});
    sha256(buffer_text(&buffer), link);
    hex_encode(link, sizeof link, hash);
}

/* ---- the chain of a connection ---- */

void audit_chain_continue(struct connection *connection, int64_t chain, int64_t position, struct text hash)
{
    struct audit_head *head = &connection->stored_head;

    *head = (struct audit_head){.chain = chain, .position = position};
    head->hash_length = hash.length < sizeof head->hash ? hash.length : sizeof head->hash;
    if (hash.length)
        memcpy(head->hash, hash.data, head->hash_length);
    audit_chain_forget(connection);
}

static struct text head_hash(const struct audit_head *head)
{
    return (struct text){head->hash, head->hash_length};
}

void audit_chain_append(struct connection *connection, struct audit_row *row, struct buffer *scratch,
                        char hash[SHA256_HEX_LENGTH])
{
    struct audit_head *head = &connection->head;
    uint8_t digest[SHA256_BYTES];

    row->chain = head->chain;
    row->position = ++head->position;
    audit_digest(row, scratch, digest);
    audit_link(head_hash(head), digest, hash);
    memcpy(head->hash, hash, SHA256_HEX_LENGTH);
    head->hash_length = SHA256_HEX_LENGTH;
    row->hash = head_hash(head);
}

/* A head that is not the one from which was gone on becomes NULL, which the database refuses: two writers of
 * one chain would break it. */
STORE_QUERY(move_head, NULL,
            "UPDATE audit_chains SET position = CASE WHEN position = $4 AND hash = $5 THEN position + $2 "
            "END, hash = $3 "
            "WHERE chain = $1");

const struct failure *audit_chain_write_head(struct connection *connection, struct arena *arena)
{
    const struct audit_head *head = &connection->head, *stored = &connection->stored_head;
    struct transaction transaction;

    if (head->position == stored->position)
        return NULL;
    transaction_init(&transaction, connection, arena, NULL);
    return transaction_execute(
        &transaction, &move_head,
        VALUES(value_integer(head->chain), value_integer(head->position - stored->position),
               value_text(head_hash(head)), value_integer(stored->position), value_text(head_hash(stored))));
}

/* ---- the end of old rows ---- */

STORE_QUERY(oldest_rows, &audit_row_entity,
            "SELECT {columns} FROM audit_log WHERE sequence > 0 ORDER BY sequence LIMIT $1");
STORE_QUERY(move_beginning, NULL,
            "UPDATE audit_chains SET first_position = $2, first_hash = $3 WHERE chain = $1 AND "
            "first_position < $2");
STORE_QUERY(delete_rows, NULL,
            "DELETE FROM audit_log WHERE sequence >= $1 AND sequence <= $2 AND occurred_at < $3");

/* Whether no later one of the rows is of the same chain. */
static bool is_last_of_chain(const struct audit_row *rows, size_t count, size_t index)
{
    for (size_t i = index + 1; i < count; i++)
        if (rows[i].chain == rows[index].chain)
            return false;
    return true;
}

const struct failure *audit_remove_oldest(struct transaction *transaction, int64_t until_us,
                                          int64_t count_max, int64_t *removed)
{
    const struct failure *failure = NULL;
    size_t count = 0;

    *removed = 0;
    transaction_take_turns(transaction, STORE_TURNS_RETENTION);
    struct record_list list = query_records(transaction, &oldest_rows, VALUES(value_integer(count_max)));
    const struct audit_row *rows = list.records;

    while (count < list.count && rows[count].occurred_at < until_us)
        count++;
    for (size_t i = 0; i < count && !failure; i++)
        if (is_last_of_chain(rows, count, i))
            failure =
                transaction_execute(transaction, &move_beginning,
                                    VALUES(value_integer(rows[i].chain), value_integer(rows[i].position + 1),
                                           value_text(rows[i].hash)));
    if (count == 0 || failure)
        return failure ? failure : transaction->failure;
    *removed = (int64_t)count;
    return transaction_execute(transaction, &delete_rows,
                               VALUES(value_integer(rows[0].sequence),
                                      value_integer(rows[count - 1].sequence), value_instant(until_us)));
}
