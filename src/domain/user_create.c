/* user_create.c: conventions sections 6.1 and 22.5. */
#include "base/ulid.h"
#include "domain/auths.h"
#include "domain/records.h"
#include "domain/users.h"
#include "model/entity_json.h"
#include "model/format.h"
#include "model/role.h"

const struct text user_type_user = TEXT_LITERAL("user");
const struct text user_type_service_account = TEXT_LITERAL("service_account");

static const struct text user_types[] = {TEXT_LITERAL("user"), TEXT_LITERAL("service_account"), {NULL, 0}};
const struct field user_creation_fields[] = {
    {FIELD(struct user, type, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED, .values = user_types},
    {FIELD(struct user, email, FIELD_TEXT), .flags = FIELD_INPUT, .length_max = 255, .check = format_email},
    {FIELD(struct user, name, FIELD_TEXT), .flags = FIELD_INPUT, .length_max = 255},
    {FIELD(struct user, roles, FIELD_STRING_LIST), .flags = FIELD_INPUT},
};
const size_t user_creation_field_count = sizeof user_creation_fields / sizeof user_creation_fields[0];

void user_check_roles(const struct user *user, struct text given, struct arena *arena,
                      struct failure **failure)
{
    unsigned holder = user_is_service_account(user) ? ROLE_OF_SERVICE_ACCOUNTS : ROLE_OF_USERS;
    struct json_error error;
    const struct json_value *roles = json_read(arena, given, &error);
    const struct json_value *role = json_first(roles);

    /* Or else a user could be as large as a body. */
    if (roles->count > role_count()) {
        failure_add_field(failure, arena, TEXT("roles"), TEXT("must not name more roles than there are"));
        return;
    }
    for (uint32_t i = 0; i < roles->count; i++, role = json_next(role)) {
        const struct role *known = role_find(role->text);

        if (!known || !(known->holders & holder))
            failure_add_field(failure, arena, TEXT("roles"),
                              arena_format(arena,
                                           "must be roles that a %s may have (%.*s), which \"%.*s\" is not",
                                           holder == ROLE_OF_USERS ? "user" : "service account",
                                           TEXT_FORMAT(roles_of(holder, arena)), TEXT_FORMAT(role->text)));
        else if (text_equal(role->text, role_super_admin) && roles->count > 1)
            failure_add_field(failure, arena, TEXT("roles"), TEXT("super_admin includes every other role"));
    }
}

/* The rules between fields, when each of them is right. */
static const struct failure *complete(struct user *creation, struct arena *arena)
{
    struct failure *failure = NULL;
    bool is_person = text_equal(creation->type, user_type_user),
         has_roles = creation->roles.length > 0 && !text_equal(creation->roles, TEXT("[]"));

    if (is_person && creation->email.length == 0)
        failure_add_field(&failure, arena, TEXT("email"), TEXT("is required for a user"));
    if (!is_person && creation->email.length > 0)
        failure_add_field(&failure, arena, TEXT("email"), TEXT("is not for a service account"));
    if (!is_person && !has_roles)
        failure_add_field(&failure, arena, TEXT("roles"), TEXT("must be given for a service account"));
    if (has_roles)
        user_check_roles(creation, creation->roles, arena, &failure);
    else
        creation->roles = TEXT("[\"super_admin\"]");
    if (creation->email.length)
        creation->email = email_lower_case(creation->email, arena);
    return failure;
}

static const struct failure *read_creation(const struct json_value *object, bool is_type_required,
                                           struct arena *arena, struct user *creation)
{
    struct field type = user_creation_fields[0];
    struct failure *failure = NULL;

    *creation = (struct user){0};
    if (!is_type_required) {
        type.flags &= ~(unsigned)FIELD_REQUIRED;
        type.fallback = user_type_user;
    }
    fields_read_json(&type, 1, object, creation, arena, &failure);
    fields_read_json(user_creation_fields + 1, user_creation_field_count - 1, object, creation, arena,
                     &failure);
    return failure ? failure : complete(creation, arena);
}

const struct failure *user_read_creation(const struct json_value *object, struct arena *arena,
                                         struct user *creation)
{
    return read_creation(object, false, arena, creation);
}

const struct failure *user_read_invitation(const struct json_value *object, struct arena *arena,
                                           struct user *creation)
{
    return read_creation(object, true, arena, creation);
}

const struct failure *user_read_roles(const struct json_value *object, struct arena *arena,
                                      struct user *change)
{
    static const struct field roles = {FIELD(struct user, roles, FIELD_STRING_LIST), .flags = FIELD_INPUT};
    struct failure *failure = NULL;

    *change = (struct user){.type = user_type_user};
    fields_read_json(&roles, 1, object, change, arena, &failure);
    if (!failure && (change->roles.length == 0 || text_equal(change->roles, TEXT("[]"))))
        failure_add_field(&failure, arena, TEXT("roles"), TEXT("must name at least one role"));
    if (!failure)
        user_check_roles(change, change->roles, arena, &failure);
    return failure;
}

const struct failure *user_create(struct transaction *transaction, struct text tenant_id,
                                  const struct user *creation, struct user *created)
{
    const struct call *call = transaction->call;

    *created = *creation;
    created->id = ulid_make_id(transaction->arena, user_entity.id_prefix, call->now_us);
    created->tenant_id = tenant_id;
    RECORD_STAMP_CREATED(created, call);
    transaction_insert(transaction, NULL, &user_entity, created);
    return NULL;
}
