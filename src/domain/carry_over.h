/* carry_over.h: what must outlive a database that is put back from a backup (`farthing restore`): what the
 * one in its place has been told since, and nobody would tell again. Keys that were revoked stay revoked,
 * customers who were erased stay erased, and what was delivered is not sent twice. */
#ifndef FARTHING_DOMAIN_CARRY_OVER_H
#define FARTHING_DOMAIN_CARRY_OVER_H

#include "store/store.h"

enum { CARRY_OVER_EVENTS_MAX = 1000 }; /* are compared at once */

/* Something that is named by its id, in an environment. */
struct carried {
    struct text id;
    struct text environment_id;
};

/* The keys that are not published: struct carried, without the environment. */
struct record_list carry_over_revoked_keys(struct transaction *transaction);
/* The customers who were erased, as far back as the audit trail goes: struct carried. */
struct record_list carry_over_erased_customers(struct transaction *transaction);

/* An event of the outbox. */
struct carried_event {
    int64_t sequence;
    int64_t scope;
    struct text id;
    int64_t published_at;
    struct text webhook_message_id;
};

/* The events behind a sequence that wait to be delivered, at most CARRY_OVER_EVENTS_MAX: struct
 * carried_event. */
struct record_list carry_over_waiting_events(struct transaction *transaction, int64_t after);
/* Those of them that were delivered here. */
struct record_list carry_over_delivered_events(struct transaction *transaction,
                                               const struct record_list *waiting);
/* Takes over that they were. Write lane only. */
const struct failure *carry_over_deliveries(struct transaction *transaction,
                                            const struct record_list *delivered);

#endif
