/* failure_details.h: what a failure says in its details. */
#ifndef FARTHING_TESTS_FAILURE_DETAILS_H
#define FARTHING_TESTS_FAILURE_DETAILS_H

#include "base/buffer.h"
#include "model/failure.h"

/* All of them: `name: value`, each on a line. Empty without a failure. */
static inline struct text failure_details(struct arena *arena, const struct failure *failure)
{
    struct buffer buffer = {0};

    for (const struct failure_detail *detail = failure ? failure->details : NULL; detail;
         detail = detail->next)
        buffer_append_format(&buffer, "%.*s: %.*s\n", TEXT_FORMAT(detail->name), TEXT_FORMAT(detail->value));
    struct text details = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return details;
}

/* The value of a failure's detail; unset when there is none of this name. */
static inline struct text failure_detail_value(const struct failure *failure, const char *name)
{
    for (const struct failure_detail *entry = failure->details; entry; entry = entry->next)
        if (text_equal(entry->name, text_from_string(name)))
            return entry->value;
    return text_none;
}

#endif
