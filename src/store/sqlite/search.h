/* search.h: the index of trigrams of what is searched, and the functions that queries of the embedded
 * database call. Only for the driver.
 *
 * A table of searched rows, T, has beside it T_trigrams (FTS5: for each key the searched fields, folded) and
 * T_unindexed (the keys of rows that were changed since). Triggers note changes, so that a write costs no
 * more than that; sqlite_index_searched takes them into the index. A query for a part of a text takes the
 * keys that the index has for its trigrams, and those that are noted, and looks at the rows themselves: so it
 * tells what is there, however old the index is. */
#ifndef FARTHING_STORE_SQLITE_SEARCH_H
#define FARTHING_STORE_SQLITE_SEARCH_H

#include "store/sqlite/sqlite.h"

/* Functions of SQL, for every connection:
 * case_fold_matches(text, folded, place): base/case_fold.h;
 * has_entries(map, object): whether a JSON object of strings has all entries of another;
 * row_key(id): row_key.h;
 * searched_text(scope, text, ...): what the index keeps of a row. False on a failure. */
bool sqlite_add_functions(struct connection *connection);

/* As `candidates`, `reads_whole` and `index_searched` of struct engine. */
struct text sqlite_candidates(struct connection *connection, const struct entity *entity,
                              const struct scope *scope, const struct text *folded, size_t count,
                              struct arena *arena);
bool sqlite_reads_whole(struct connection *connection, const struct entity *entity,
                        const struct scope *scope);
bool sqlite_index_searched(struct connection *connection, const struct entity *entity, int64_t count_max,
                           int64_t *count);

/* What is known of how common trigrams are. Frees it. */
struct trigram_sample;
void sqlite_sample_free(struct trigram_sample *sample);

#endif
