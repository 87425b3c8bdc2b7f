/* auth_find.c: what logging in looks for. */
#include "domain/auths.h"
#include "domain/records.h"

static const struct field login_fields[] = {
    {FIELD(struct login, user_id, FIELD_TEXT)},
    {FIELD(struct login, tenant_id, FIELD_TEXT)},
    {FIELD(struct login, password_hash, FIELD_TEXT)},
    {FIELD(struct login, password_set_at, FIELD_INSTANT)},
};
static const struct entity login_entity = {
    .name = TEXT_LITERAL("login"),
    ENTITY_FIELDS(login_fields),
    .struct_size = sizeof(struct login),
};

STORE_QUERY(
    login_by_email, &login_entity,
    "SELECT a.user_id, u.tenant_id, a.token, a.updated_at FROM users u JOIN auths a ON a.user_id = u.id "
    "WHERE u.email = $1 AND u.email <> '' AND u.status = 'published' AND u.type = 'user' "
    "AND a.status = 'published' AND a.provider = 'flexprice'");
STORE_QUERY(auth_of_user, &auth_entity,
            "SELECT {columns} FROM auths WHERE user_id = $1 AND status = 'published' {lock}");

bool auth_find(struct transaction *transaction, struct text email, struct login *login)
{
    return query_record(transaction, &login_by_email, VALUES(value_text(email)), login);
}

void auth_replace_hash(struct transaction *transaction, const struct login *login, struct text password_hash)
{
    struct auth *before = ARENA_NEW(transaction->arena, struct auth);
    struct auth *after = ARENA_NEW(transaction->arena, struct auth);

    if (!query_record(transaction, &auth_of_user, VALUES(value_text(login->user_id)), before) ||
        !text_equal(before->token, login->password_hash))
        return;
    *after = *before;
    after->token = password_hash;
    transaction_update(transaction, NULL, &auth_entity, before, after);
}
