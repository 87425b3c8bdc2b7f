/* integration_mapping.h: what providers call entities of ours (10-customers sections 9 and 13). Everything is
 * about the caller's environment. */
#ifndef FARTHING_DOMAIN_INTEGRATION_MAPPING_H
#define FARTHING_DOMAIN_INTEGRATION_MAPPING_H

#include "model/integration_mapping.h"
#include "model/provider.h"
#include "store/store.h"
#include "json/reader.h"

/* ---- one ---- */

/* Inserts a mapping of the caller's scope: everything but id, status and stamps is the caller's. */
const struct failure *integration_mapping_create(struct transaction *transaction,
                                                 const struct integration_mapping *creation,
                                                 struct integration_mapping *created);
/* The published mapping of the entity of `wanted` at its provider; it stays as it is until the commit. False
 * when there is none. */
bool integration_mapping_find(struct transaction *transaction, const struct integration_mapping *wanted,
                              struct integration_mapping *mapping);
/* Archives a published mapping of the caller's scope. */
const struct failure *integration_mapping_archive(struct transaction *transaction, struct text id);

/* Makes `given` (its entity, provider, the provider's id and metadata) the published mapping of the entity at
 * the provider: what was there before is replaced, else there is a new one. *written is what is stored.
 *
 * Of customers, two that are published cannot be one at a provider: FAILURE_ALREADY_EXISTS, with the other's
 * id as `entity_id`. A mapping that an archived customer still has gives way, and is archived. */
const struct failure *integration_mapping_put(struct transaction *transaction,
                                              const struct integration_mapping *given,
                                              struct integration_mapping *written);

/* The failure that integration_mapping_put would give because of another customer; NULL when there is none.
 */
const struct failure *integration_mapping_check(struct transaction *transaction,
                                                const struct integration_mapping *given);

/* ---- those of a customer, given along with it (section 4.5) ---- */

struct customer_mappings {
    struct integration_mapping *mappings; /* provider_type, provider_entity_id and metadata */
    size_t count;
};

/* An element of `integration_entity_mapping`. */
extern const struct object_shape customer_mapping_shape;
/* Reads and validates the elements of `integration_entity_mapping` (NULL: none); needs no transaction. The
 * first rule that an element breaks is reported, as `integration_entity_mapping[0].provider_type`. */
const struct failure *customer_mappings_read(const struct json_value *elements, struct arena *arena,
                                             struct customer_mappings *mappings);
/* The failure that customer_mappings_apply would give, for a customer that exists or (an empty id) a new one.
 */
const struct failure *customer_mappings_check(struct transaction *transaction, struct text customer_id,
                                              const struct customer_mappings *mappings);
/* Puts each of them for a customer that exists, or that the same transaction makes. On a failure nothing of
 * it is in the write set, so that a use case that goes on after a refusal calls it before it writes. */
const struct failure *customer_mappings_apply(struct transaction *transaction, struct text customer_id,
                                              const struct customer_mappings *mappings);
/* Whether one of them is of a provider that knows the customer under another id, or not at all. Metadata
 * makes no difference. */
bool customer_mappings_differ(struct transaction *transaction, struct text customer_id,
                              const struct customer_mappings *mappings);

/* ---- linking (sections 13.2 to 13.4) ---- */

/* The fields of a request to link: what is mapped to what. */
extern const struct field integration_link_fields[];
extern const size_t integration_link_field_count;
/* Reads and validates one; needs no transaction. */
const struct failure *integration_link_read(const struct json_value *object, struct arena *arena,
                                            struct integration_mapping *link);
/* Puts the mapping, when the environment is connected to the provider (else FAILURE_INVALID_OPERATION) and
 * the entity exists (else FAILURE_NOT_FOUND). A customer is locked until the commit: one that is archived at
 * the same time is archived either before, and not found, or afterwards. */
const struct failure *integration_link(struct transaction *transaction,
                                       const struct integration_mapping *link,
                                       struct integration_mapping *linked);

/* The fields of a request to delink. */
extern const struct field integration_delink_fields[];
extern const size_t integration_delink_field_count;
const struct failure *integration_delink_read(const struct json_value *object, struct arena *arena,
                                              struct integration_mapping *link);
/* Archives the published mapping of the entity at the provider. */
const struct failure *integration_delink(struct transaction *transaction,
                                         const struct integration_mapping *link);

/* Adds a failure of `entity_type` when it is unset or none of what can be mapped. */
void integration_entity_check(struct text entity_type, struct arena *arena, struct failure **failure);
/* The published mappings of an entity, newest first: struct integration_mapping. */
struct record_list integration_mappings(struct transaction *transaction, struct text entity_type,
                                        struct text entity_id);

#endif
