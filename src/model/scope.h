/* scope.h: where a row lives: one environment of one tenant. In the database the pair is interned to one
 * integer, which leads every index (docs/architecture.md). */
#ifndef FARTHING_MODEL_SCOPE_H
#define FARTHING_MODEL_SCOPE_H

#include "base/text.h"

struct scope {
    int64_t number; /* the interned pair; SCOPE_NONE for what belongs to no environment */
    struct text tenant_id;
    struct text environment_id;
};

enum { SCOPE_NONE = 0 };

#endif
