#include "domain/customer_blockers.h"

/* Nothing that is served yet needs its customer: mappings, invoices, payments and taxes are left untouched.
 * Subscriptions (whatever is not cancelled) come first, then wallets (active and frozen ones). */
customer_blocker *const customer_blockers[] = {
    NULL,
};
