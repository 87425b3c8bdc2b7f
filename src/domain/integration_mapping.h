/* integration_mapping.h: what a provider calls an entity of ours (10-customers section 9). */
#ifndef FARTHING_DOMAIN_INTEGRATION_MAPPING_H
#define FARTHING_DOMAIN_INTEGRATION_MAPPING_H

#include "model/integration_mapping.h"
#include "store/store.h"

/* Inserts a mapping of the caller's scope: everything but id, status and stamps is the caller's. */
const struct failure *integration_mapping_create(struct transaction *transaction,
                                                 const struct integration_mapping *creation,
                                                 struct integration_mapping *created);
/* Archives a published mapping of the caller's scope. */
const struct failure *integration_mapping_archive(struct transaction *transaction, struct text id);

#endif
