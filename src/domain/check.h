/* check.h: whether a database is sound, and what it holds hangs together: for `farthing check`. Reads
 * everything, of an embedded database that nobody writes to. */
#ifndef FARTHING_DOMAIN_CHECK_H
#define FARTHING_DOMAIN_CHECK_H

#include "store/store.h"

enum { CHECK_FINDINGS_MAX = 20 }; /* of each check are kept */

/* One thing that is looked at. */
struct check {
    struct text title; /* "customers and their keys" */
    struct text
        question; /* SQL with the column `finding`: a row for each thing that is wrong, if none all is well */
    struct text advice; /* what to do about it */
};

/* All checks, in the order in which they are to be made; the first one that finds something may be why later
 * ones do. */
extern const struct check checks[];
extern const size_t check_count;

/* What a check finds, at most CHECK_FINDINGS_MAX texts; *count is how many there are. A question that cannot
 * be asked (a damaged file) is a finding. */
const struct text *check_run(struct transaction *transaction, const struct check *check, size_t *count);

/* How many there are, for people. */
struct check_totals {
    int64_t tenants, environments, customers, events, changes;
};
void check_totals(struct transaction *transaction, struct check_totals *totals);

#endif
