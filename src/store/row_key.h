/* row_key.h: the integer under which the embedded database stores the row of an id. Only for the store,
 * for what checks a database, and for their tests.
 *
 * A table that is found by its id through an index costs two walks down a tree, and with millions of rows two
 * pages that are not in the cache; a table whose own key follows from the id costs one. So rows of an
 * environment are stored under row_key(id), the column `key`. Ids of one process never share a key (at most
 * 2^20 in a millisecond), others may: then the row takes the next free key, at most ROW_KEY_PROBES - 1
 * further on. A look-up reads that range and compares the id, so the range is all that may never change: it
 * is part of the file's format. */
#ifndef FARTHING_STORE_ROW_KEY_H
#define FARTHING_STORE_ROW_KEY_H

#include "base/text.h"

enum { ROW_KEY_PROBES = 16 };

/* `$key2` in the text of a statement stands for the row key of the second value. */
#define ROW_KEY_PARAMETER "$key"

/* The first key to try for an id; from 0 to 2^62 - 1. For an id that ends in a ULID: 42 bits of its
 * milliseconds (enough until 2109; they wrap then) above the lowest 20 bits of its random part, so that new
 * rows go to the end of the table. For any other id: a hash of its bytes (FNV-1a). */
int64_t row_key(struct text id);

#endif
