#include "model/failure.h"

struct failure *failure_new(struct arena *arena, enum failure_code code, struct text message)
{
    struct failure *failure = ARENA_NEW(arena, struct failure);

    failure->code = code;
    failure->message = message;
    failure->details_end = &failure->details;
    return failure;
}

bool failure_names(const struct failure *failure, struct text name)
{
    for (const struct failure_detail *detail = failure->details; detail; detail = detail->next)
        if (text_equal(detail->name, name))
            return true;
    return false;
}

static struct failure *add(struct failure *failure, struct arena *arena, struct text name, struct text value,
                           bool is_json)
{
    if (failure_names(failure, name))
        return failure;
    struct failure_detail *detail = ARENA_NEW(arena, struct failure_detail);

    detail->name = name;
    detail->value = value;
    detail->is_json = is_json;
    *failure->details_end = detail;
    failure->details_end = &detail->next;
    return failure;
}

struct failure *failure_add(struct failure *failure, struct arena *arena, struct text name, struct text value)
{
    return add(failure, arena, name, value, false);
}

struct failure *failure_add_json(struct failure *failure, struct arena *arena, struct text name,
                                 struct text json)
{
    return add(failure, arena, name, json, true);
}

struct failure *failure_copy(const struct failure *failure, struct arena *arena)
{
    struct failure *copy = failure_new(arena, failure->code, arena_copy(arena, failure->message));

    for (const struct failure_detail *detail = failure->details; detail; detail = detail->next)
        add(copy, arena, arena_copy(arena, detail->name), arena_copy(arena, detail->value), detail->is_json);
    return copy;
}

static const struct text overloaded =
    TEXT_LITERAL("the server has no memory left for large replies; try again later");

struct failure *failure_overloaded(struct arena *arena)
{
    return failure_add(failure_new(arena, FAILURE_SERVICE_UNAVAILABLE, overloaded), arena, TEXT("reason"),
                       TEXT("overloaded"));
}

bool failure_is_overloaded(const struct failure *failure)
{
    return failure->message.data == overloaded.data;
}
