/* tenancy.h: tenants, their environments, and their users (conventions sections 22.2, 22.3, 22.5, 23). */
#ifndef FARTHING_MODEL_TENANCY_H
#define FARTHING_MODEL_TENANCY_H

#include "model/entity.h"

struct tenant {
    struct text id;
    struct text name;
    struct text internal_status; /* trialing, active, suspended (conventions section 6.3) */
    struct text billing_details; /* JSON object */
    struct text metadata;
    ENTITY_BASE_MEMBERS;
};

struct environment {
    struct text id;
    struct text tenant_id;
    struct text name;
    struct text type; /* development, production */
    ENTITY_BASE_MEMBERS;
};

struct user {
    struct text id;
    struct text tenant_id;
    struct text email; /* unset for a service account and for the user made at init */
    struct text name;
    struct text type;  /* user, service_account */
    struct text roles; /* JSON array of role ids */
    struct text metadata;
    ENTITY_BASE_MEMBERS;
};

extern const struct entity tenant_entity;
extern const struct entity environment_entity;
extern const struct entity user_entity;

#endif
