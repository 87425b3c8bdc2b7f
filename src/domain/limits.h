/* limits.h: how much of some things a tenant may have, as the operator has set it. */
#ifndef FARTHING_DOMAIN_LIMITS_H
#define FARTHING_DOMAIN_LIMITS_H

#include <stdint.h>

enum {
    LIMIT_USERS_DEFAULT = 10,             /* conventions section 22.5 */
    LIMIT_ENVIRONMENTS_DEFAULT = 1000000, /* as good as none (section 22.2) */
};

struct tenant_limits {
    int64_t users;                    /* published ones, service accounts included */
    int64_t development_environments; /* environments of type development */
    int64_t production_environments;
};

#endif
