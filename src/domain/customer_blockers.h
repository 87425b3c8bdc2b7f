/* customer_blockers.h: what keeps a customer from being deleted (10-customers section 7). Only for the domain
 * room and its tests.
 *
 * A domain whose records need their customer adds one function to the table in customer_blockers.c, and makes
 * such a record only after customer_get_published in the same transaction: that locks the customer's row, as
 * deleting does, so that neither can slip in beside the other. */
#ifndef FARTHING_DOMAIN_CUSTOMER_BLOCKERS_H
#define FARTHING_DOMAIN_CUSTOMER_BLOCKERS_H

#include "domain/customers.h"

/* Looks for what still needs the customer, whose row is locked. NULL, or FAILURE_INVALID_OPERATION that names
 * it and says what to do first. */
typedef const struct failure *customer_blocker(struct transaction *transaction,
                                               const struct customer *customer);

/* In the order in which they are asked, ended by NULL. */
extern customer_blocker *const customer_blockers[];

/* customer_archive with another table. */
const struct failure *customer_archive_unless(struct transaction *transaction, struct text id,
                                              customer_blocker *const *blockers);

#endif
