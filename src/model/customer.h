/* customer.h: who is billed (10-customers sections 1 and 2). */
#ifndef FARTHING_MODEL_CUSTOMER_H
#define FARTHING_MODEL_CUSTOMER_H

#include "model/entity.h"

struct customer {
    struct text id;
    struct text external_id; /* the caller's own key; matched byte by byte */
    struct text name;
    struct text email;
    struct text contact; /* unset until it is given once */
    struct text address_line1;
    struct text address_line2;
    struct text address_city;
    struct text address_state;
    struct text address_postal_code;
    struct text address_country; /* ISO 3166-1 alpha-2 */
    struct text timezone;        /* IANA name */
    struct text metadata;        /* JSON object of strings; unset is null, which differs from {} */
    ENTITY_BASE_MEMBERS;
};

extern const struct entity customer_entity;

#endif
