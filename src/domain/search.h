/* search.h: the search language of lists (conventions sections 16 and 17), for every entity: what may be
 * asked follows from the entity's description. */
#ifndef FARTHING_DOMAIN_SEARCH_H
#define FARTHING_DOMAIN_SEARCH_H

#include "model/failure.h"
#include "store/list_query.h"
#include "json/reader.h"

/* Section 17.2. */
enum { SEARCH_CONDITIONS_MAX = 50, SEARCH_MEMBERS_MAX = 1000 };

struct search_condition {
    struct text field;
    enum list_comparison comparison;
    struct value value;
};

struct search {
    struct page page;
    struct text status;           /* unset: published */
    bool is_ascending;            /* `order`: of created_at, behind the sorts */
    int64_t start_time, end_time; /* of created_at, inclusive; INSTANT_UNSET: open */
    const struct search_condition *conditions;
    size_t condition_count;
    const struct list_sort *sorts;
    size_t sort_count;
};

/* Whether a list of the entity can be sorted by the field, and conditions can be about it. */
bool search_knows(const struct entity *entity, struct text field);
/* The names of all such fields, "id, name", in the arena. */
struct text search_field_names(const struct entity *entity, struct arena *arena);

/* A condition. */
extern const struct object_shape search_condition_shape;

/* Reads conditions ({field, operator, data_type, value} each; NULL: none) about an entity into the arena.
 * What is wrong is added to *failure by its path, an unknown field also as `field`. */
void search_read_conditions(const struct entity *entity, const struct json_value *filters,
                            struct arena *arena, struct search *search, struct failure **failure);

/* Puts the search into a list that has begun; the page is for whoever runs it. */
void search_apply(const struct search *search, struct list_query *list);

/* Whether nothing is asked for but the newest published rows, and few of them, or those of so many names
 * (`key_count`; 0: any): what takes no longer than a few gets, whatever there is. */
bool search_is_quick(const struct search *search, size_t key_count);

#endif
