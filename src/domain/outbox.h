/* outbox.h: the outbox for an operator's eyes: events that were written with the changes they tell of, to be
 * delivered. */
#ifndef FARTHING_DOMAIN_OUTBOX_H
#define FARTHING_DOMAIN_OUTBOX_H

#include "store/store.h"

struct outbox_event {
    int64_t sequence; /* grows with the time of writing; on PostgreSQL a later one may be seen earlier */
    struct text id;
    struct text event_name;
    int64_t scope;
    struct text tenant_id;
    struct text environment_id;
    struct text entity_type;
    struct text entity_id;
    int64_t created_at;
    int64_t published_at; /* INSTANT_UNSET: not yet */
    int64_t failure_count;
    struct text failure_reason;
    struct text payload; /* JSON object, as it was sent; {"erased":true} of an erased customer */
};
extern const struct entity outbox_event_entity;

/* The newest events, newest first: of one environment, or of all without a scope. */
struct record_list outbox_newest(struct transaction *transaction, const struct scope *scope, int64_t limit);
/* The next events behind a sequence, of all environments. */
struct record_list outbox_after(struct transaction *transaction, int64_t sequence, int64_t limit);
/* All events about some entities of an environment, in the order of their writing: a JSON array of ids. */
struct record_list outbox_of_entities(struct transaction *transaction, const struct scope *scope,
                                      struct text entity_ids);

#endif
