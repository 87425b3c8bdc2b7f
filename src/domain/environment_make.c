/* environment_make.c: conventions section 22.2. */
#include "domain/environments.h"
#include "model/entity_json.h"

struct number {
    int64_t count;
};
static const struct field number_fields[] = {{FIELD(struct number, count, FIELD_INTEGER)}};
static const struct entity number_entity = {
    .name = TEXT_LITERAL("environment"),
    ENTITY_FIELDS(number_fields),
    .struct_size = sizeof(struct number),
};

STORE_QUERY(count_of_type, &number_entity,
            "SELECT COUNT(*) FROM environments WHERE tenant_id = $1 AND type = $2 AND status = 'published'");

const struct failure *environment_read(const struct json_value *object, struct arena *arena,
                                       struct environment *creation)
{
    struct failure *failure = NULL;

    *creation = (struct environment){0};
    fields_read_json(environment_entity.fields, environment_entity.field_count, object, creation, arena,
                     &failure);
    return failure;
}

static const struct failure *check_limit(struct transaction *transaction, struct text type,
                                         const struct tenant_limits *limits)
{
    int64_t limit = text_equal(type, TEXT("production")) ? limits->production_environments
                                                         : limits->development_environments;
    struct number number = {0};

    query_record(transaction, &count_of_type,
                 VALUES(value_text(transaction->call->scope->tenant_id), value_text(type)), &number);
    if (number.count < limit)
        return NULL;
    struct arena *arena = transaction->arena;

    return failure_add(failure_new(arena, FAILURE_VALIDATION,
                                   arena_format(arena,
                                                "the tenant may have %lld environments of type %.*s, and has "
                                                "them already",
                                                (long long)limit, TEXT_FORMAT(type))),
                       arena, TEXT("type"), type);
}

const struct failure *environment_make(struct transaction *transaction, const struct environment *creation,
                                       const struct tenant_limits *limits, struct environment *created)
{
    struct scope scope;

    transaction_take_turns(transaction, STORE_TURNS_ENVIRONMENTS);
    const struct failure *failure = check_limit(transaction, creation->type, limits);

    return failure ? failure
                   : environment_create(transaction, transaction->call->scope->tenant_id, creation->name,
                                        creation->type, created, &scope);
}
