/* newer_changes.h: what was acknowledged since a copy of an embedded database was made, as its audit trail
 * tells: for `farthing migrate --rollback`. The databases may be of any version of the program. */
#ifndef FARTHING_DOMAIN_NEWER_CHANGES_H
#define FARTHING_DOMAIN_NEWER_CHANGES_H

#include "store/store.h"

/* The sequence of the last row of the audit trail; 0: there is none. */
int64_t newer_changes_end(struct transaction *transaction);

/* Changes of one kind. */
struct newer_changes {
    struct text entity_type; /* "customer" */
    struct text action;      /* "created" */
    int64_t count;
    int64_t since; /* when the first of them was made */
};

/* The changes behind that sequence, or later than `time_us` (a trail whose rows were all kept long enough
 * begins anew), that somebody asked for; not what the server does by itself. struct newer_changes, the
 * earliest first. */
struct record_list newer_changes_of(struct transaction *transaction, int64_t sequence, int64_t time_us);

#endif
