/* audit_trail.h: the audit trail as it is checked (domain/audit_check.h): heads, and rows in the order in
 * which they were written. Read in slices, so that no snapshot is held for long. */
#ifndef FARTHING_DOMAIN_AUDIT_TRAIL_H
#define FARTHING_DOMAIN_AUDIT_TRAIL_H

#include "store/audit.h"

enum { AUDIT_SLICE_ROWS_MAX = 250 };

/* What the trail must hold. */
struct audit_extent {
    int64_t
        last_sequence; /* of the last row that there is: every row that the heads hold is at or before it */
    int64_t since;     /* when the oldest tenant was made, of which it tells; INSTANT_UNSET: there is none */
};

/* The chains, as struct audit_chain_row. */
struct record_list audit_heads(struct transaction *transaction, struct audit_extent *extent);

/* The next rows behind `after`, up to `until`: struct audit_row. Less than AUDIT_SLICE_ROWS_MAX: these are
 * the last. */
struct record_list audit_rows(struct transaction *transaction, int64_t after, int64_t until);

#endif
