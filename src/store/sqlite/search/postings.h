/* postings.h: the documents of a segment that have texts in their fields. Only for the driver. */
#ifndef FARTHING_STORE_SQLITE_SEARCH_POSTINGS_H
#define FARTHING_STORE_SQLITE_SEARCH_POSTINGS_H

#include "store/sqlite/search/tables.h"

/* Numbers of documents, ascending. Allocated with malloc. */
struct search_numbers {
    uint32_t *numbers;
    size_t count, capacity;
};

void search_numbers_free(struct search_numbers *numbers);

/* The number of the field among those that are searched. */
unsigned search_field_number(const struct entity *entity, const struct field *field);

/* Whether a condition can be asked about: its text is neither empty nor very long. */
bool search_can_find(const struct index_condition *condition);

/* Whether its text is shorter than a term: then all that segments have of terms that begin with it is read.
 */
bool search_is_short(const struct index_condition *condition);

/* The documents of [first, end) that meet all conditions, of which each can be asked about (search_can_find);
 * void ones among them. INDEX_NO_HELP: to read the rows takes no longer. */
enum index_result search_postings(struct search_tables *tables, const struct search_segment *segment,
                                  const struct index_condition *conditions, size_t count, uint32_t first,
                                  uint32_t end, struct search_numbers *found);

#endif
