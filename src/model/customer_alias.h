/* customer_alias.h: an external id that a customer had before (10-customers section 6.3). */
#ifndef FARTHING_MODEL_CUSTOMER_ALIAS_H
#define FARTHING_MODEL_CUSTOMER_ALIAS_H

#include "model/entity.h"

/* Several customers may have had the same one, and one of them more than once. */
struct customer_alias {
    struct text id;
    struct text customer_id;
    struct text external_id;
    int64_t valid_from; /* when it became the customer's */
    int64_t valid_to;   /* when another one took its place; no longer part of the time */
};

extern const struct entity customer_alias_entity;

#endif
