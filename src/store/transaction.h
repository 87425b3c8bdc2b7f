/* transaction.h: what the lanes and the write sets share. Only for the store and its tests. */
#ifndef FARTHING_STORE_TRANSACTION_H
#define FARTHING_STORE_TRANSACTION_H

#include "base/buffer.h"
#include "store/engine.h"

void transaction_init(struct transaction *transaction, struct connection *connection, struct arena *arena,
                      const struct call *call);

/* Keeps the connection's last error as the transaction's failure, unless it has one. */
void transaction_fail(struct transaction *transaction);

/* The failure of a transaction that waits for an answer (STEP_PENDING): nobody is ever told of it. */
extern const struct failure transaction_pending;

/* The query's text with what stands in braces replaced (struct query), for that connection, in the arena. */
struct text query_expand(const struct query *query, const struct connection *connection, struct arena *arena);

/* The statement of a query on the transaction's connection; NULL on a failure, which is kept. */
struct statement *query_statement(struct transaction *transaction, const struct query *query);

/* Writes the write set with the audit and outbox rows that follow from it. `scratch` is emptied and used.
 * NULL when all is written; on a failure some of it may be, and the lane must roll the command back. */
const struct failure *transaction_flush(struct transaction *transaction, struct buffer *scratch);

/* Runs a command of the write lane and flushes what it did. NULL when all is written, with the changes that
 * the command's caller is to hear of; on a failure some of it may be, as with transaction_flush. */
const struct failure *transaction_run_command(struct connection *connection, struct store_command *command,
                                              struct buffer *scratch);

#endif
