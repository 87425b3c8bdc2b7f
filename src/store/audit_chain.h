/* audit_chain.h: the chain to which a connection appends (store/audit.h). Only for the store. */
#ifndef FARTHING_STORE_AUDIT_CHAIN_H
#define FARTHING_STORE_AUDIT_CHAIN_H

#include "store/audit.h"
#include "store/engine.h"

/* The connection's chain, as the database has it: what was appended since is forgotten, as after a rollback.
 */
static inline void audit_chain_forget(struct connection *connection)
{
    connection->head = connection->stored_head;
}

/* The database has it now: after a commit. */
static inline void audit_chain_keep(struct connection *connection)
{
    connection->stored_head = connection->head;
}

/* Takes up a chain where the database has it. */
void audit_chain_continue(struct connection *connection, int64_t chain, int64_t position, struct text hash);

/* Fills in the place of a row at the end of the connection's chain, `hash` into the buffer. The chain ends
 * with it from then on. */
void audit_chain_append(struct connection *connection, struct audit_row *row, struct buffer *scratch,
                        char hash[SHA256_HEX_LENGTH]);

/* Before a commit: writes the head, if anything was appended. It fails when the head in the database is not
 * the one from which was gone on. */
const struct failure *audit_chain_write_head(struct connection *connection, struct arena *arena);

#endif
