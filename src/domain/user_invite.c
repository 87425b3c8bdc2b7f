/* user_invite.c: conventions section 22.5, 80-admin section 2. */
#include "domain/users.h"

struct number {
    int64_t count;
};
static const struct field number_fields[] = {{FIELD(struct number, count, FIELD_INTEGER)}};
static const struct entity number_entity = {
    .name = TEXT_LITERAL("user"),
    ENTITY_FIELDS(number_fields),
    .struct_size = sizeof(struct number),
};

STORE_QUERY(count_of_users, &number_entity,
            "SELECT COUNT(*) FROM users WHERE tenant_id = $1 AND status = 'published'");
STORE_QUERY(user_of_email, &user_entity,
            "SELECT {columns} FROM users WHERE email = $1 AND email <> '' AND status = 'published'");

const struct failure *user_check_invitation(const struct actor *actor, const struct user *creation,
                                            struct arena *arena)
{
    bool holds_super_admin = actor->roles & role_bit(role_find(role_super_admin));

    if (!user_is_service_account(creation) && !holds_super_admin)
        return failure_new(arena, FAILURE_PERMISSION_DENIED,
                           TEXT("only a caller with the role super_admin may invite a user"));
    if (!roles_cover(actor->roles, roles_from_json(creation->roles, arena)))
        return failure_new(arena, FAILURE_PERMISSION_DENIED,
                           TEXT("the roles grant more than those of the caller"));
    return NULL;
}

/* The index decides; whoever is told of the e-mail rather than of the limit can do something about it. */
static const struct failure *check_email(struct transaction *transaction, struct text email)
{
    struct user other;

    if (email.length == 0 || !query_record(transaction, &user_of_email, VALUES(value_text(email)), &other))
        return NULL;
    return failure_add(failure_new(transaction->arena, FAILURE_ALREADY_EXISTS,
                                   TEXT("there is already a user with this email")),
                       transaction->arena, TEXT("email"), email);
}

static const struct failure *check_limit(struct transaction *transaction, int64_t limit)
{
    struct number number = {0};

    query_record(transaction, &count_of_users, VALUES(value_text(transaction->call->scope->tenant_id)),
                 &number);
    if (number.count < limit)
        return NULL;
    return failure_new(
        transaction->arena, FAILURE_INVALID_OPERATION,
        arena_format(transaction->arena,
                     "the tenant may have %lld users, service accounts included, and has them already; the "
                     "server's setting users-per-tenant-max says how many",
                     (long long)limit));
}

const struct failure *user_check_room(struct transaction *transaction, const struct user *creation,
                                      const struct tenant_limits *limits)
{
    const struct failure *failure = check_email(transaction, creation->email);

    return failure ? failure : check_limit(transaction, limits->users);
}

const struct failure *user_invite(struct transaction *transaction, const struct user *creation,
                                  const struct tenant_limits *limits, struct user *created)
{
    transaction_take_turns(transaction, STORE_TURNS_USERS);
    const struct failure *failure = user_check_room(transaction, creation, limits);

    return failure ? failure
                   : user_create(transaction, transaction->call->scope->tenant_id, creation, created);
}
