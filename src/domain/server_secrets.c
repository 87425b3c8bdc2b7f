#include "domain/server_secrets.h"

#include "domain/records.h"

STORE_QUERY(secret_of_purpose, &server_secret_entity,
            "SELECT {columns} FROM server_secrets WHERE id = $1 AND status = 'published' {lock}");

struct text server_secret_key_id(struct transaction *transaction, struct text purpose)
{
    struct server_secret found;

    if (!query_record(transaction, &secret_of_purpose, VALUES(value_text(purpose)), &found))
        return text_none;
    return found.key_id;
}

void server_secret_record(struct transaction *transaction, struct text purpose, struct text key_id)
{
    struct server_secret *before = ARENA_NEW(transaction->arena, struct server_secret);
    struct server_secret *after = ARENA_NEW(transaction->arena, struct server_secret);

    if (query_record(transaction, &secret_of_purpose, VALUES(value_text(purpose)), before)) {
        if (text_equal(before->key_id, key_id))
            return;
        *after = *before;
        after->key_id = key_id;
        RECORD_STAMP_UPDATED(after, transaction->call);
        transaction_update(transaction, NULL, &server_secret_entity, before, after);
        return;
    }
    *after = (struct server_secret){.id = purpose, .key_id = key_id};
    RECORD_STAMP_CREATED(after, transaction->call);
    transaction_insert(transaction, NULL, &server_secret_entity, after);
}
