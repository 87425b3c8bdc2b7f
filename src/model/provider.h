/* provider.h: the services that an environment can be connected to, each described once: what it can be
 * linked and synchronized with, and which secrets it takes (10-customers sections 13 and 14, 70-webhooks
 * section 3). */
#ifndef FARTHING_MODEL_PROVIDER_H
#define FARTHING_MODEL_PROVIDER_H

#include "base/text.h"

/* What can be synchronized, in the order in which it is shown. */
enum sync_subject {
    SYNC_PLAN,
    SYNC_SUBSCRIPTION,
    SYNC_INVOICE,
    SYNC_CUSTOMER,
    SYNC_PAYMENT,
    SYNC_DEAL,
    SYNC_QUOTE,
    SYNC_PRICE, /* not among those that section 13.5 shows of a connection */
    SYNC_SUBJECTS,
};
enum { SYNC_SUBJECTS_SHOWN = SYNC_PRICE };

enum sync_direction { SYNC_INBOUND = 1 << 0, SYNC_OUTBOUND = 1 << 1 };

extern const struct text sync_subject_names[SYNC_SUBJECTS];

/* A secret that a provider takes; the list of a provider ends with an unset name. */
struct provider_secret {
    struct text name;
    bool is_required;
    const char *(*check)(struct text value); /* NULL or a reason, which must not repeat the value */
};

struct provider {
    struct text name;
    bool is_linkable;            /* entities can be mapped to what it calls them */
    bool may_be_many;            /* an environment may have several connections to it */
    bool has_capabilities;       /* it synchronizes something, so that it is in GET /v1/integrations/config */
    uint8_t base[SYNC_SUBJECTS]; /* what it can do: bits of enum sync_direction */
    const struct provider_secret *secrets; /* NULL: any */
    struct text required_sync; /* a text in the group of its name in sync_config that it needs; unset: none */
};

/* Ended by one without a name. */
extern const struct provider providers[];
/* Their names, ended by an unset text: for the rule of a field. */
extern const struct text provider_names[];

/* NULL when there is none of that name. */
const struct provider *provider_find(struct text name);
/* The secret of that name; NULL when the provider has none. Not for a provider that takes any. */
const struct provider_secret *provider_find_secret(const struct provider *provider, struct text name);

/* What can be mapped to something of a provider's (section 13.1), ended by an unset text. */
extern const struct text integration_entity_types[];

#endif
