/* caller.h: who makes a request, and what they may do (conventions sections 3 and 6). */
#ifndef FARTHING_ACCESS_CALLER_H
#define FARTHING_ACCESS_CALLER_H

#include "base/text.h"
#include "model/scope.h"

/* Roles as a set of bits, in the order of the table in permission.c. */
typedef uint32_t role_set;

struct caller {
    struct scope scope;
    struct text user_id;
    struct text key_id;
    role_set roles;
    bool is_service_account;
    bool is_tenant_suspended; /* reads stay open, writes are refused */
    int64_t expires_at_us;    /* INSTANT_UNSET: never */
};

#endif
