/* row_hash.h: what tells that two tables hold the same rows, whatever engine they are in. Only for the store.
 *
 * A table's hash is the sum, modulo 2^256, of the SHA-256 of each of its rows. So it does not depend on the
 * order in which they are read: the embedded database has no index by which it could give them in the order
 * of their ids, and sorting them would cost more than reading them. Rows are found by what is in them; a row
 * that is there twice, missing or changed makes another sum. (Against somebody who chooses rows so that the
 * sum stays, it is no proof; that is what the audit trail is for.)
 *
 * A row's bytes are those of its columns, each behind its length; a NULL is not an empty text. JSON that
 * PostgreSQL keeps as jsonb counts by what it says, since PostgreSQL writes it its own way: without spaces,
 * of equal keys the last one, keys in a fixed order, numbers without needless digits. */
#ifndef FARTHING_STORE_COPY_ROW_HASH_H
#define FARTHING_STORE_COPY_ROW_HASH_H

#include "base/buffer.h"
#include "base/hash.h"
#include "model/entity.h"

enum { ROW_HASH_WORDS = 4 };

struct row_hash {
    uint64_t words[ROW_HASH_WORDS]; /* the lowest one first */
    uint8_t last[SHA256_BYTES];     /* of the row that was added or taken away last */
    struct buffer scratch;
    struct arena arena;
};

/* From zero on; to be freed. */
void row_hash_free(struct row_hash *hash);
/* Adds a row: a record of `row`, whose first field is no column (copied_table.h). */
void row_hash_add(struct row_hash *hash, const struct entity *row, const void *record);
/* Takes one away again. */
void row_hash_subtract(struct row_hash *hash, const struct entity *row, const void *record);
/* In lower-case hexadecimal. */
void row_hash_hex(const struct row_hash *hash, char hex[SHA256_HEX_LENGTH]);

/* Appends JSON by what it says, or the text itself when it is none. `arena` is used. */
void row_hash_append_json(struct buffer *buffer, struct text json, struct arena *arena);

#endif
