/* customers.h: what can be done with customers (10-customers). */
#ifndef FARTHING_DOMAIN_CUSTOMERS_H
#define FARTHING_DOMAIN_CUSTOMERS_H

#include "model/customer.h"
#include "model/integration_mapping.h"
#include "store/store.h"
#include "json/reader.h"

/* A request to create a customer: its fields, and what goes along with them (section 4.1). */
struct customer_creation {
    struct customer customer;
    const struct json_value *tax_rate_overrides;
    const struct json_value *integration_entity_mapping;
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

/* Creates a customer in the caller's scope and gives it back as stored. A taken external_id fails the
 * command. */
const struct failure *customer_create(struct transaction *transaction,
                                      const struct customer_creation *creation, struct customer *created);

/* A customer of the caller's scope, archived ones included (section 5). */
const struct failure *customer_get(struct transaction *transaction, struct text id,
                                   struct customer *customer);
/* A published customer of the caller's scope. */
const struct failure *customer_get_by_external_id(struct transaction *transaction, struct text external_id,
                                                  struct customer *customer);

/* Archives a published customer; its external id is free again (section 7, without the checks of domains to
 * come). */
const struct failure *customer_archive(struct transaction *transaction, struct text id);

/* The published integration mappings of a customer, newest first (section 9): struct integration_mapping. */
struct record_list customer_integrations(struct transaction *transaction, struct text customer_id);

#endif
