/* auth.h: how people prove who they are (conventions sections 22.1 and 23), and which secrets the servers of
 * the database share. */
#ifndef FARTHING_MODEL_AUTH_H
#define FARTHING_MODEL_AUTH_H

#include "model/entity.h"

struct auth {
    struct text id;
    struct text user_id;
    struct text provider; /* "flexprice": a password of our own, under the name that clients know */
    struct text token;    /* the hash of the password, which says how it was made */
    /* updated_at is when the password was set: it only grows, and another hash of the same one leaves it. */
    ENTITY_BASE_MEMBERS;
};

/* One row a purpose; what it is for is its id. */
struct server_secret {
    struct text id;     /* signing, encryption */
    struct text key_id; /* of the present key */
    ENTITY_BASE_MEMBERS;
};

extern const struct entity auth_entity;
extern const struct entity server_secret_entity;
extern const struct text auth_provider_password;

#endif
