/* caller.h: who makes a request, and what they may do (conventions sections 3 and 6). */
#ifndef FARTHING_ACCESS_CALLER_H
#define FARTHING_ACCESS_CALLER_H

#include "base/text.h"
#include "model/role.h"
#include "model/scope.h"

enum caller_kind {
    CALLER_PERSON, /* a user, or whoever holds a key from the configuration */
    CALLER_SERVICE_ACCOUNT,
    CALLER_PORTAL, /* a customer, by a portal token: acts on their own behalf alone */
};

struct caller {
    struct scope scope;      /* without an environment (SCOPE_NONE) while none is chosen */
    struct text user_id;     /* whom writes are put down to */
    struct text key_id;      /* of an API key's record; empty otherwise */
    struct text customer_id; /* of a portal token; empty otherwise */
    role_set roles;
    enum caller_kind kind;
    bool is_tenant_suspended; /* reads stay open, writes are refused */
    int64_t expires_at_us;    /* INSTANT_UNSET: never */
    /* Of a user, what tokens of before end with. */
    int64_t password_set_at_us; /* INSTANT_UNSET: it has no password */
    bool is_first_password;
};

#endif
