/* environment_clone.c: 80-admin section 5. */
#include "base/ulid.h"
#include "domain/environments.h"
#include "model/entity_json.h"

#define CLONING_FIELD(member) .offset = offsetof(struct environment_cloning, member), .flags = FIELD_INPUT

const struct field environment_cloning_fields[] = {
    {.name = TEXT_LITERAL("target_environment_id"), .type = FIELD_TEXT, CLONING_FIELD(target_environment_id)},
    {.name = TEXT_LITERAL("name"), .type = FIELD_TEXT, CLONING_FIELD(target.name), .length_max = 50},
    {.name = TEXT_LITERAL("type"), .type = FIELD_TEXT, CLONING_FIELD(target.type), .length_max = 20},
};
const size_t environment_cloning_field_count =
    sizeof environment_cloning_fields / sizeof environment_cloning_fields[0];

/* Neither is there. */
static const struct failure *refuse_nothing(struct arena *arena)
{
    struct failure *failure = NULL;

    failure_add_field(&failure, arena, TEXT("target_environment_id"),
                      TEXT("is required, or else name and type of a new environment"));
    return failure;
}

const struct failure *environment_read_cloning(const struct json_value *object, struct arena *arena,
                                               struct environment_cloning *cloning)
{
    struct failure *failure = NULL;
    const struct json_value *name = json_member(object, TEXT("name")),
                            *type = json_member(object, TEXT("type"));
    bool has_name = name && name->type != JSON_NULL, has_type = type && type->type != JSON_NULL;

    *cloning = (struct environment_cloning){0};
    fields_read_json(environment_cloning_fields, 1, object, cloning, arena, &failure);
    if (failure || cloning->target_environment_id.length > 0)
        return failure;
    return has_name || has_type ? environment_read(object, arena, &cloning->target) : refuse_nothing(arena);
}

/* One kind of what an environment has: copies all of it from the one into the other. */
typedef const struct failure *copy_kind(struct transaction *transaction, const struct environment *source,
                                        const struct environment *target);

/* The kinds that are copied, in the order in which they need each other, ended by NULL. There is none yet:
 * features and plans come with the issues that bring them, a line each. Customers, keys and settings are not
 * copied (80-admin section 5). */
static copy_kind *const kinds[] = {NULL};

static const struct failure *find_target(struct transaction *transaction, const struct environment *source,
                                         const struct environment_cloning *cloning,
                                         const struct tenant_limits *limits, struct environment *target)
{
    struct failure *failure = NULL;

    if (cloning->target_environment_id.length == 0)
        return environment_make(transaction, &cloning->target, limits, target);
    if (!text_equal(cloning->target_environment_id, source->id))
        return environment_get(transaction, cloning->target_environment_id, target);
    failure_add_field(&failure, transaction->arena, TEXT("target_environment_id"),
                      TEXT("must be another environment than the one that is cloned"));
    return failure;
}

const struct failure *environment_clone(struct transaction *transaction, struct text source_id,
                                        const struct environment_cloning *cloning,
                                        const struct tenant_limits *limits, struct environment_clone *clone)
{
    int64_t now_us = transaction->call->now_us;
    struct environment source;
    const struct failure *failure = environment_get(transaction, source_id, &source);

    if (!failure)
        failure = find_target(transaction, &source, cloning, limits, &clone->target);
    for (copy_kind *const *kind = kinds; *kind && !failure; kind++)
        failure = (*kind)(transaction, &source, &clone->target);
    if (failure)
        return failure;
    clone->workflow_id = ulid_make_id(
        transaction->arena,
        arena_string(transaction->arena, arena_format(transaction->arena, "wf_EnvironmentCloneWorkflow_%.*s",
                                                      TEXT_FORMAT(source.id))),
        now_us);
    clone->run_id = ulid_make_id(transaction->arena, "run", now_us);
    return NULL;
}
