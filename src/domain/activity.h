/* activity.h: the audit trail as a tenant sees it: what was changed in one of its environments, and beside
 * that what belongs to the tenant itself (its users, environments, and the tenant). */
#ifndef FARTHING_DOMAIN_ACTIVITY_H
#define FARTHING_DOMAIN_ACTIVITY_H

#include "store/store.h"

/* How many rows, newest first, a search looks at: those that its index finds, and as many of the tenant's
 * own. So none takes longer than that, however long the trail is. */
enum activity_effort {
    ACTIVITY_QUICK,    /* some milliseconds: it may be on a loop */
    ACTIVITY_THOROUGH, /* up to a second */
};
enum {
    ACTIVITY_QUICK_MAX = 5000,
    /* The effort is thorough, and what the index finds is what is wanted: rows are counted unseen. */
    ACTIVITY_COUNTED_MAX = 1000 * 1000,
    ACTIVITY_LOOKED_AT_MAX = 100 * 1000, /* otherwise */
};

struct activity {
    struct text id; /* "activity_123" */
    struct text entity_type;
    struct text entity_id;
    struct text action; /* created, updated, archived, erased */
    struct text actor_id;
    struct text request_id;
    int64_t occurred_at;
    /* {"before": {...}, "after": {...}}; of a created or erased one only the latter; {"erased": true} when it
     * told of a customer who is erased */
    struct text changes;
};
extern const struct entity activity_entity;

/* Who looks. Nobody learns from the trail what the routes of the entities themselves would not tell: nothing
 * of an environment that is kept from them (conventions section 6.4), and of API keys, unless they may see
 * all, only what was done to their own (section 22.4). */
struct activity_viewer {
    bool sees_all_keys; /* else those whose user is the call's actor */
    /* NULL: all of the tenant's environments. */
    bool (*may_see_environment)(void *context, struct text environment_id);
    void *context;
};

/* An empty text: any. */
struct activity_filter {
    struct text entity_type, entity_id, actor_id, action, request_id;
    int64_t start_time, end_time; /* both inclusive */
    int64_t limit, offset;
};

struct activity_page {
    struct record_list items; /* struct activity, newest first */
    int64_t total;            /* of the rows that were looked at */
    /* When the oldest of these was written; INSTANT_UNSET: there are no older ones, and the total is exact.
     */
    int64_t searched_until;
};

/* What the viewer may see of the trail of the call's environment and tenant; items and total are of one
 * moment. */
void activity_search(struct transaction *transaction, const struct activity_viewer *viewer,
                     const struct activity_filter *filter, enum activity_effort effort,
                     struct activity_page *page);
/* One of these. FAILURE_NOT_FOUND also for what is another's, or kept from the viewer. */
const struct failure *activity_get(struct transaction *transaction, const struct activity_viewer *viewer,
                                   struct text id, struct activity *activity);
/* All that was done to some entities of the call's environment, in the order of its writing, for whoever may
 * see everything: a JSON array of their ids. */
struct record_list activity_of_entities(struct transaction *transaction, struct text entity_ids);

#endif
