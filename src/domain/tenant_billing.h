/* tenant_billing.h: tenants that are themselves customers of one of them, whoever runs the server (80-admin
 * section 4): a tenant is the customer whose external_id is the tenant's id, in one environment. Subscribing
 * these customers to a plan follows with the plans; until then a tenant has no subscriptions there, and uses
 * nothing that is metered. */
#ifndef FARTHING_DOMAIN_TENANT_BILLING_H
#define FARTHING_DOMAIN_TENANT_BILLING_H

#include "model/customer.h"
#include "store/store.h"

enum { TENANTS_LOOKED_AT_MAX = 50 }; /* at once */

/* A step on the way through all tenants, from the highest id, and so the newest, down. */
struct tenant_step {
    struct text below; /* in: ids that are lower; unset: all */
    int64_t made;      /* out: customers */
    struct text
        last_id; /* out: the lowest that was looked at, in the transaction's arena; unset: none is left */
};

/* The scope of the environment whose customers tenants are to be, which must be that tenant's.
 * FAILURE_NOT_FOUND when there is none such. */
const struct failure *tenant_billing_find(struct transaction *transaction, struct text tenant_id,
                                          struct text environment_id, struct scope *scope);

/* Looks at the next TENANTS_LOOKED_AT_MAX tenants and makes customers of those that were never one in the
 * billing scope. Each has the tenant's name, and the e-mail of the first of its people who has one, as they
 * are now: later changes are the billing tenant's to make. Left out are the billing tenant itself and, until
 * they go on, suspended tenants. The system does it, whoever calls. Write lane only; several processes take
 * turns. `billing` must live as long as the transaction. */
const struct failure *tenants_become_customers(struct transaction *transaction, const struct scope *billing,
                                               struct tenant_step *step);

/* The published customer that the tenant is, also when its external_id was changed since. False when there is
 * none. */
bool tenant_billing_customer(struct transaction *transaction, const struct scope *billing,
                             struct text tenant_id, struct customer *customer);

#endif
