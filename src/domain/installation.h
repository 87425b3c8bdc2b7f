/* installation.h: what a new database starts with: a tenant, its first user, an environment and a key. */
#ifndef FARTHING_DOMAIN_INSTALLATION_H
#define FARTHING_DOMAIN_INSTALLATION_H

#include "domain/api_keys.h"
#include "domain/tenancy.h"

struct installation {
    bool is_new; /* false: there is a tenant already, and nothing was made */
    /* Its tenant is the first one, whose id tells this installation from every other, wherever the database
     * is moved to; the rest is only there when it is new. */
    struct tenant_opening opening;
    struct secret secret;
    struct text plain_key; /* unset: none was made; the only place where the key itself ever is */
};

/* Whose installation it is. */
struct founding {
    struct text tenant_name;   /* UTF-8 of 1 to 100 characters */
    struct text email;         /* of the first user, in lower case; unset: none */
    struct text password_hash; /* which needs an e-mail; unset: the first user cannot log in */
    bool is_without_key;       /* nobody would see it: whoever needs one makes it later */
};

/* Looks for the first tenant. False when there is none. */
bool installation_find(struct transaction *transaction, struct installation *installation);

/* Makes the first tenant, and a key unless there is to be none, in a database that has no tenant. */
const struct failure *installation_create(struct transaction *transaction, const struct founding *founding,
                                          struct installation *installation);

#endif
