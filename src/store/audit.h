/* audit.h: the rows of the audit trail, and the hashes that make a changed or missing one show.
 *
 * Rows stand in chains. A chain has one writer at a time: the embedded database has one chain, each session
 * that writes to a PostgreSQL database has its own while it lasts. The rows of a chain are numbered without
 * gaps
 * (`position`, from 1 on), and in the order of `sequence`. Each holds a hash over the hash of the one before
 * it and over its own values; the row of the chain in `audit_chains`, its head, holds the last position and
 * hash, and is written in the same transaction. `sequence` is given by the database and not known in time: it
 * is not hashed.
 *
 * Chain 0 is what was written before there were hashes. */
#ifndef FARTHING_STORE_AUDIT_H
#define FARTHING_STORE_AUDIT_H

#include "base/buffer.h"
#include "base/hash.h"
#include "store/store.h"

enum { AUDIT_CHAIN_UNHASHED = 0, AUDIT_CHAIN_EMBEDDED = 1 };

struct audit_row {
    int64_t sequence;
    int64_t chain;
    int64_t position;
    int64_t scope;         /* SCOPE_NONE: about what belongs to a tenant, or to nobody */
    struct text tenant_id; /* whose it is then; otherwise empty */
    struct text entity_type;
    struct text entity_id;
    struct text action;
    struct text actor_id;
    struct text request_id;
    int64_t occurred_at;
    struct text changes; /* JSON: {"before": {...}, "after": {...}} */
    struct text hash;    /* lower-case hexadecimal; empty in AUDIT_CHAIN_UNHASHED */
};
extern const struct entity audit_row_entity;

struct audit_chain_row {
    int64_t chain;
    int64_t position; /* of the last row; 0: none yet */
    struct text hash;
    int64_t first_position; /* rows before it were removed, when they had been kept long enough */
    struct text first_hash; /* of the last of those; empty: none was removed */
    int64_t last_sequence;  /* of AUDIT_CHAIN_UNHASHED: of its last row */
};
extern const struct entity audit_chain_row_entity;

/* SHA-256 over the row's values without `sequence` and `hash`, each behind its length in 8 bytes, big-endian;
 * numbers are 8 bytes, big-endian. `scratch` is emptied and used. */
void audit_digest(const struct audit_row *row, struct buffer *scratch, uint8_t digest[SHA256_BYTES]);
/* The hash of a row: SHA-256, in hexadecimal, over the hash of the row before it (empty for the first) and
 * the row's digest, each behind its length in the same way. */
void audit_link(struct text previous_hash, const uint8_t digest[SHA256_BYTES], char hash[SHA256_HEX_LENGTH]);

/* Removes the oldest rows that are from before `until_us`, at most `count_max`, and moves the beginnings of
 * their chains. `removed` is how many they were. Goes by the order in which they were written: stops at the
 * first one that is younger. Write lane only. */
const struct failure *audit_remove_oldest(struct transaction *transaction, int64_t until_us,
                                          int64_t count_max, int64_t *removed);

#endif
