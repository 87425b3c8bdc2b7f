/* customers.h: what can be done with customers (10-customers). */
#ifndef FARTHING_DOMAIN_CUSTOMERS_H
#define FARTHING_DOMAIN_CUSTOMERS_H

#include "domain/integration_mapping.h"
#include "domain/search.h"
#include "model/customer.h"
#include "model/customer_alias.h"
#include "store/store.h"
#include "json/reader.h"

/* A request to create a customer: its fields, and what goes along with them (section 4.1). */
struct customer_creation {
    struct customer customer;
    const struct json_value *tax_rate_overrides;
    const struct json_value *integration_entity_mapping; /* as it was sent ... */
    struct customer_mappings mappings;                   /* ... and read (section 4.5) */
    bool skip_onboarding_workflow;
    struct text onboarding_workflow_name;
};

/* The fields of a creation beside those of the customer. */
extern const struct field customer_creation_options[];
extern const size_t customer_creation_option_count;

/* Reads and validates a creation (sections 4.1 to 4.3); needs no transaction. All fields that break a
 * declarative rule are reported together; the rules of section 4.6 follow in their order. The creation
 * borrows from `object`. */
const struct failure *customer_read_creation(const struct json_value *object, struct arena *arena,
                                             struct customer_creation *creation);

/* Creates a customer in the caller's scope, with its mappings, and gives it back as stored. A taken
 * external_id fails the command. */
const struct failure *customer_create(struct transaction *transaction,
                                      const struct customer_creation *creation, struct customer *created);

/* A request to change a customer (section 6.2): what is given, and which fields that are. */
struct customer_change {
    struct customer customer;
    uint64_t given; /* fields of customer_entity, by index */
    const struct json_value *integration_entity_mapping;
    struct customer_mappings mappings;
};

/* The fields of a change beside those of the customer. */
extern const struct field customer_change_options[];
extern const size_t customer_change_option_count;

/* Reads and validates a change; needs no transaction. The change borrows from `object`. */
const struct failure *customer_read_change(const struct json_value *object, struct arena *arena,
                                           struct customer_change *change);

/* The same for what customers may change of themselves: name, email, contact, address and timezone. The rest
 * is not looked at. */
const struct failure *customer_read_own_change(const struct json_value *object, struct arena *arena,
                                               struct customer_change *change);

/* Which customer is meant (section 6.1). Empty or unset: not said. */
struct customer_reference {
    struct text id;
    struct text external_id;
};
/* A failure when neither is said; needs no transaction. */
const struct failure *customer_reference_check(const struct customer_reference *reference,
                                               struct arena *arena);
/* The id of the customer that is meant: by its external id a published one, with both of them the same one.
 * An id alone is given back without a look. */
const struct failure *customer_identify(struct transaction *transaction,
                                        const struct customer_reference *reference, struct text *id);

/* Changes a published customer and gives it back as stored. It counts as changed even when nothing differs
 * (section 6.4). A former external_id is remembered in the metadata and as an alias (section 6.3). Mappings
 * that are given take the place of those at the same provider. */
const struct failure *customer_update(struct transaction *transaction, struct text id,
                                      const struct customer_change *change, struct customer *updated);

/* What `before` is with the change, who and when as they were. False when nothing differs; the order of
 * metadata's members makes no difference. */
bool customer_change_apply(const struct customer_change *change, const struct customer *before,
                           struct arena *arena, struct customer *after);

/* The scope of a customer that an operator names by its id alone; false when there is none. */
bool customer_find_scope(struct transaction *transaction, struct text id, struct scope *scope);
/* A customer of the caller's scope, archived ones included (section 5). */
const struct failure *customer_get(struct transaction *transaction, struct text id,
                                   struct customer *customer);
/* The same for what may still be changed: an archived customer is not found. */
const struct failure *customer_get_published(struct transaction *transaction, struct text id,
                                             struct customer *customer);
/* A published customer of the caller's scope. */
const struct failure *customer_get_by_external_id(struct transaction *transaction, struct text external_id,
                                                  struct customer *customer);

/* Says that it will be asked for (query_ahead). */
void customer_get_by_external_id_ahead(struct transaction *transaction, struct text external_id);

/* The customer that is meant by an external id, whoever has it now or had it before (section 6.3): the
 * published customer whose it is, else the published one that gave it up last. For usage that was sent under
 * it. */
const struct failure *customer_resolve_external_id(struct transaction *transaction, struct text external_id,
                                                   struct customer *customer);
/* The external ids that a customer had before, the last one first: struct customer_alias. */
struct record_list customer_aliases(struct transaction *transaction, struct text customer_id, int64_t limit);
/* Remembers the external id of `before`, which is no longer that of `after`. */
void customer_alias_add(struct transaction *transaction, const struct customer *before,
                        const struct customer *after);

/* Archives a published customer, unless something still needs it (domain/customer_blockers.h); its external
 * id is free again (section 7). */
const struct failure *customer_archive(struct transaction *transaction, struct text id);

/* All that is held of a customer, whatever its status, beside the customer itself. */
struct customer_export {
    struct record_list aliases;      /* struct customer_alias */
    struct record_list integrations; /* struct integration_mapping, archived ones too */
    struct record_list activity;     /* struct activity, the first one first */
    struct record_list events;       /* struct outbox_event, the same */
};
void customer_export(struct transaction *transaction, struct text id, struct customer_export *export);

struct customer_erasure {
    bool was_erased; /* before: nothing was left to do */
    int64_t integration_count;
    int64_t plain_activity_count; /* rows of the audit trail from before customers had keys, which stay as
                                     they are until the trail's retention removes them */
};
/* Forgets a customer for good. The row stays, archived, with nothing that tells of the person, so that what
 * was earned can still be counted; former external ids go, integration mappings lose what they say, and what
 * the audit trail, the outbox and kept replies tell can no longer be read. Refused while something needs the
 * customer, as deleting is. */
const struct failure *customer_erase(struct transaction *transaction, struct text id,
                                     struct customer_erasure *erasure);

/* What customers are sought by (section 8), beside what every list takes. */
struct customer_filter {
    struct search search;
    struct text customer_ids, external_ids; /* JSON arrays; unset or empty: any */
    struct text external_id, email;         /* empty: any */
    struct text metadata;                   /* entries that they must have; unset or empty: none */
};

/* The customers of the caller's scope that match, by their order and page: struct customer; and the number of
 * all that match. The email is compared without regard to case. */
struct record_list customer_search(struct transaction *transaction, const struct customer_filter *filter,
                                   int64_t *total);
/* The published integration mappings of several customers, by their customer's id, newest first. */
struct record_list customers_integrations(struct transaction *transaction,
                                          const struct record_list *customers);

/* The published integration mappings of a customer, newest first (section 9): struct integration_mapping. */
struct record_list customer_integrations(struct transaction *transaction, struct text customer_id);
enum { CUSTOMER_DELINKED_SHOWN_MAX = 100 };
/* The same with those that were archived, the newest CUSTOMER_DELINKED_SHOWN_MAX of them (section 9,
 * `integration_status=all`). */
struct record_list customer_integrations_of_every_status(struct transaction *transaction,
                                                         struct text customer_id);
/* All that there ever were, newest first; in the write lane they stay as they are until the commit. */
struct record_list customer_integrations_ever(struct transaction *transaction, struct text customer_id);
/* The published ones, for a use case that has just given the customer some: what is in the write set is
 * written before. Write lane only. */
const struct failure *customer_integrations_written(struct transaction *transaction, struct text customer_id,
                                                    struct record_list *integrations);
/* Says that the published ones will be asked for (query_ahead). */
void customer_integrations_ahead(struct transaction *transaction, struct text customer_id);

/* What importing a row came to. */
enum customer_import_outcome {
    IMPORT_CREATED,
    IMPORT_UPDATED,
    IMPORT_UNCHANGED, /* there already, the same */
    IMPORT_DIFFERENT, /* there already, with other values; updates were not asked for */
    IMPORT_REFUSED,
    IMPORT_OUTCOMES,
};

struct customer_import_options {
    bool may_update;
    bool is_check; /* says what would be done and does nothing: also in the read lane */
};

/* Says that this row will be imported (query_ahead), as what is there now and not in a row in between. */
void customer_import_ahead(struct transaction *transaction, const struct json_value *object);
/* Imports one customer, an object as for customer_read_creation; external_id decides whether it is there
 * already, and then only the fields that are given count, as in a change. What it writes is applied at once,
 * so that the next row of the same transaction sees it. *refusal is why a row was refused. The failure is of
 * the whole transaction. */
const struct failure *customer_import(struct transaction *transaction, const struct json_value *object,
                                      const struct customer_import_options *options,
                                      enum customer_import_outcome *outcome, const struct failure **refusal);

#endif
