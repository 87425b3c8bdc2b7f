/* failure.h: why something was not done, in words that a person can act on. One failure has exactly one code
 * (ruling 3); `api` turns it into a status and the error envelope. */
#ifndef FARTHING_MODEL_FAILURE_H
#define FARTHING_MODEL_FAILURE_H

#include "base/arena.h"
#include "base/text.h"

/* The codes of conventions section 7.2, and 401, which has none of its own. */
enum failure_code {
    FAILURE_VALIDATION,
    FAILURE_INVALID_OPERATION,
    FAILURE_UNAUTHENTICATED,
    FAILURE_PERMISSION_DENIED,
    FAILURE_NOT_FOUND,
    FAILURE_ALREADY_EXISTS,
    FAILURE_VERSION_CONFLICT,
    FAILURE_TOO_MANY_REQUESTS,
    FAILURE_DATABASE,
    FAILURE_INTERNAL,
    FAILURE_NOT_IMPLEMENTED,
    FAILURE_SERVICE_UNAVAILABLE,
};

/* One entry of `details`: a JSON path or a name, and a short reason or value. */
struct failure_detail {
    struct failure_detail *next;
    struct text name;
    struct text value;
    bool is_json; /* the value is JSON text rather than a text */
};

struct failure {
    enum failure_code code;
    struct text message;
    struct failure_detail *details; /* in the order they were added */
    struct failure_detail **details_end;
};

/* A failure in the arena. `message` must live as long as the arena (a literal, or made in it). */
struct failure *failure_new(struct arena *arena, enum failure_code code, struct text message);

/* A copy that lives in another arena, its texts included. */
struct failure *failure_copy(const struct failure *failure, struct arena *arena);

/* Whether there is a detail of that name. */
bool failure_names(const struct failure *failure, struct text name);
/* Adds a detail and returns the failure. The texts are borrowed. A second detail of one name is left out:
 * only the first failing rule of a field is reported (conventions section 7.3). */
struct failure *failure_add(struct failure *failure, struct arena *arena, struct text name,
                            struct text value);
/* The same with a number, an array or an object, as JSON text. */
struct failure *failure_add_json(struct failure *failure, struct arena *arena, struct text name,
                                 struct text json);

/* The server has no memory left for so much at once: FAILURE_SERVICE_UNAVAILABLE, reason `overloaded`. */
struct failure *failure_overloaded(struct arena *arena);
bool failure_is_overloaded(const struct failure *failure);

#endif
