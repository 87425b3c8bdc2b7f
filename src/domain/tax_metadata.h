/* tax_metadata.h: the metadata keys that invoicing reads, and their rules (10-customers section 4.3). */
#ifndef FARTHING_DOMAIN_TAX_METADATA_H
#define FARTHING_DOMAIN_TAX_METADATA_H

#include "base/arena.h"
#include "model/failure.h"

/* Checks gstin, pan and hsn_sac in `metadata` (a JSON object of strings, or unset). NULL when all are right.
 */
const struct failure *tax_metadata_check(struct text metadata, struct arena *arena);

#endif
