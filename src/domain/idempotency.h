/* idempotency.h: the replies that were given to requests with an Idempotency-Key (conventions section 21).
 * What makes two requests the same, and what a reply is, the caller decides. */
#ifndef FARTHING_DOMAIN_IDEMPOTENCY_H
#define FARTHING_DOMAIN_IDEMPOTENCY_H

#include "model/idempotency_record.h"
#include "store/store.h"

enum { IDEMPOTENCY_DISCARDED_MAX = 100 }; /* records that one command removes: a millisecond */

/* Reads the record of this id, so that it stays as it is until the commit. Write lane only. False when there
 * is none. */
bool idempotency_find(struct transaction *transaction, struct text id, struct idempotency_record *record);

/* Keeps a record, made now, in the place of `previous` (of the same id; NULL: there was none). That another
 * transaction has kept one of this id meanwhile fails the command with FAILURE_ALREADY_EXISTS. The record
 * must live as long as the transaction's arena. */
void idempotency_keep(struct transaction *transaction, struct idempotency_record *record,
                      const struct idempotency_record *previous);

/* Removes the oldest records that were made before `kept_since_us`, at most IDEMPOTENCY_DISCARDED_MAX. *count
 * is how many. */
const struct failure *idempotency_discard(struct transaction *transaction, int64_t kept_since_us,
                                          size_t *count);

#endif
