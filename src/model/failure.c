#include "model/failure.h"

struct failure *failure_new(struct arena *arena, enum failure_code code, struct text message)
{
    struct failure *failure = ARENA_NEW(arena, struct failure);

    failure->code = code;
    failure->message = message;
    failure->details_end = &failure->details;
    return failure;
}

struct failure *failure_add(struct failure *failure, struct arena *arena, struct text name, struct text value)
{
    for (const struct failure_detail *detail = failure->details; detail; detail = detail->next)
        if (text_equal(detail->name, name))
            return failure;
    struct failure_detail *detail = ARENA_NEW(arena, struct failure_detail);

    detail->name = name;
    detail->value = value;
    *failure->details_end = detail;
    failure->details_end = &detail->next;
    return failure;
}

struct failure *failure_copy(const struct failure *failure, struct arena *arena)
{
    struct failure *copy = failure_new(arena, failure->code, arena_copy(arena, failure->message));

    for (const struct failure_detail *detail = failure->details; detail; detail = detail->next)
        failure_add(copy, arena, arena_copy(arena, detail->name), arena_copy(arena, detail->value));
    return copy;
}
