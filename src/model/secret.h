/* secret.h: the record of an API key (conventions sections 3.2, 22.4, 23). The key itself is never stored. */
#ifndef FARTHING_MODEL_SECRET_H
#define FARTHING_MODEL_SECRET_H

#include "model/entity.h"

struct secret {
    struct text id;
    struct text name;
    struct text type;       /* private_key, publishable_key */
    struct text provider;   /* "flexprice": keys of our own API, under the name that clients know */
    struct text value;      /* lower-case hex SHA-256 of the whole key */
    struct text display_id; /* sk_01***AV */
    struct text roles;      /* JSON array, copied from the owner when the key is made */
    struct text user_type;
    struct text user_id;
    int64_t expires_at;
    int64_t last_used_at;
    ENTITY_BASE_MEMBERS;
};

extern const struct entity secret_entity;
extern const struct text secret_type_private;
extern const struct text secret_type_publishable;

#endif
