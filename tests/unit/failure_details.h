/* failure_details.h: the details of a failure as one text: `name: value`, each on a line. */
#ifndef FARTHING_TESTS_FAILURE_DETAILS_H
#define FARTHING_TESTS_FAILURE_DETAILS_H

#include "base/buffer.h"
#include "model/failure.h"

/* Empty without a failure. */
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

#endif
