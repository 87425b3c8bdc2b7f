/* sign_up.c: conventions section 22.1. */
#include "base/ulid.h"
#include "domain/auths.h"
#include "domain/records.h"

STORE_QUERY(any_auth, &auth_entity, "SELECT {columns} FROM auths WHERE status = 'published' LIMIT 1");

struct text email_lower_case(struct text email, struct arena *arena)
{
    char *copy = arena_string(arena, email);

    for (size_t i = 0; i < email.length; i++)
        if (copy[i] >= 'A' && copy[i] <= 'Z')
            copy[i] = (char)(copy[i] - 'A' + 'a');
    return (struct text){copy, email.length};
}

bool auth_is_any(struct transaction *transaction)
{
    struct auth auth;

    return query_record(transaction, &any_auth, NULL, 0, &auth);
}

void auth_create(struct transaction *transaction, struct text user_id, struct text password_hash)
{
    struct auth *auth = ARENA_NEW(transaction->arena, struct auth);

    *auth = (struct auth){
        .id = ulid_make_id(transaction->arena, auth_entity.id_prefix, transaction->call->now_us),
        .user_id = user_id,
        .provider = auth_provider_password,
        .token = password_hash,
    };
    RECORD_STAMP_CREATED(auth, transaction->call);
    transaction_insert(transaction, NULL, &auth_entity, auth);
}

const struct failure *auth_sign_up(struct transaction *transaction, const struct sign_up *sign_up,
                                   struct tenant_opening *opening)
{
    const struct tenant_founder founder = {sign_up->email, sign_up->metadata};

    if (sign_up->is_first_only) {
        transaction_take_turns(transaction, STORE_TURNS_SIGN_UP);
        if (auth_is_any(transaction))
            return failure_new(transaction->arena, FAILURE_PERMISSION_DENIED,
                               TEXT("signing up is closed; ask whoever runs this server for an account"));
    }
    const struct failure *failure = tenant_open_for(transaction, sign_up->tenant_name, &founder, opening);

    if (!failure)
        auth_create(transaction, opening->user.id, sign_up->password_hash);
    return failure;
}
