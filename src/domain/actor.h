/* actor.h: what a use case must know of whoever it acts for, beside the id in the call. */
#ifndef FARTHING_DOMAIN_ACTOR_H
#define FARTHING_DOMAIN_ACTOR_H

#include "model/role.h"

#include <stdbool.h>

struct actor {
    role_set roles;
    bool is_super_admin; /* has that role, and is a person */
};

#endif
