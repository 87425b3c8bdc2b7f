/* search.h: the index of what is searched, and the functions that queries of the embedded database call. Only
 * for the driver.
 *
 * A table of searched rows, T, has beside it T_search_* (tables.h), where its searched texts are found by
 * terms of three code points with their positions (term.h, block.h), and T_unindexed: the rows that were
 * changed since. Triggers note changes, so that a write costs no more than that; sqlite_index_searched takes
 * them in (update.c), merging segments as they become many (merge.h). An answer (find.c) is what the segments
 * tell, without what is void, and what the noted rows tell themselves: so it is exact, however old the index
 * is, and of one snapshot. */
#ifndef FARTHING_STORE_SQLITE_SEARCH_SEARCH_H
#define FARTHING_STORE_SQLITE_SEARCH_SEARCH_H

#include "store/sqlite/sqlite.h"

/* Functions of SQL, for every connection:
 * case_fold_matches(text, folded, place): base/case_fold.h;
 * has_entries(map, object): whether a JSON object of strings has all entries of another;
 * row_key(id): row_key.h;
 * index_findings(table): how the index of a table differs from the table, as a JSON array of texts
 * (verify.c). False on a failure. */
bool sqlite_add_functions(struct connection *connection);

/* As `ask_index`, `reads_whole` and `index_searched` of struct engine. */
enum index_result sqlite_ask_index(struct connection *connection, const struct index_question *question,
                                   struct arena *arena, struct index_answer *answer);
bool sqlite_reads_whole(struct connection *connection, const struct entity *entity, const struct scope *scope,
                        struct text status);
bool sqlite_index_searched(struct connection *connection, const struct entity *entity, bool is_alone,
                           int64_t *count, bool *is_more);

/* Compares the index with the rows of the table, all of both; what differs is appended to `findings`, a line
 * each, at most `count_max`. Takes some seconds for a million rows. False on a failure. */
bool sqlite_verify_index(struct connection *connection, const struct entity *entity, unsigned count_max,
                         struct buffer *findings);

#endif
