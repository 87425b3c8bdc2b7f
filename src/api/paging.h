/* paging.h: lists in pages (conventions section 16). Only for the api room. */
#ifndef FARTHING_API_PAGING_H
#define FARTHING_API_PAGING_H

#include "api/exchange.h"
#include "store/list_query.h"

/* What every list takes (section 17.1): limit, offset, order, start_time, end_time and sort. */
extern const struct field paging_fields[];
enum { PAGING_FIELDS = 6 };
/* An entry of `sort`. */
extern const struct object_shape paging_sort_shape;

/* The same as it was read, as far as a resource wants it. */
struct list_options {
    struct page page;
    bool is_ascending;              /* `order`: of created_at, the default sort; otherwise the newest first */
    int64_t start_time, end_time;   /* inclusive at both ends; INSTANT_UNSET: open */
    const struct json_value *sorts; /* `sort` of a body; NULL: none */
};

/* `limit`, `offset` and `order`, and `start_time` and `end_time`, of a query string. */
const struct failure *paging_read_query(struct exchange *exchange, struct list_options *options);
/* The same, and `sort`, of a body. What is wrong is added to *failure. */
void paging_read_body(struct exchange *exchange, struct list_options *options, struct failure **failure);
/* The same of any object. */
void paging_read_object(struct exchange *exchange, const struct json_value *object,
                        struct list_options *options, struct failure **failure);

/* The parameters of the query string that these read, and those that are among `fields`, as the object that a
 * body would be, so that both have the same rules. Lists are repeated or joined by commas (ruling 11); `sort`
 * is `name` or `name:asc,created_at:desc`, in the direction of `order` unless it says. */
const struct failure *paging_query_object(struct exchange *exchange, const struct field *fields,
                                          size_t field_count, const struct json_value **object);

/* The entries of `sort`, {"field","direction"} each, in the arena, *count of them: 8 at most. `fields`, ended
 * by an unset text, are those that the resource can be sorted by. */
const struct failure *paging_read_sorts(struct exchange *exchange, const struct json_value *sorts,
                                        const struct text *fields, const struct list_sort **result,
                                        size_t *count);

/* The same for all fields that the search language knows of an entity. */
const struct failure *paging_read_entity_sorts(struct exchange *exchange, const struct json_value *sorts,
                                               const struct entity *entity, const struct list_sort **result,
                                               size_t *count);

/* `"pagination": {total, limit, offset}`, where the offset is that of the next page. */
void paging_write(struct json_writer *writer, const struct page *page, int64_t total);

/* For the API description: what paging_read_query reads. */
#define PAGING_PARAMETERS                                                                                    \
    {TEXT_LITERAL("limit"), TEXT_LITERAL("How many at most: 1 to 1000; 50 unless said.")},                   \
    {                                                                                                        \
        TEXT_LITERAL("offset"), TEXT_LITERAL("How many to leave out before the first.")                      \
    }
#define ORDER_PARAMETERS                                                                                     \
    {TEXT_LITERAL("order"), TEXT_LITERAL("`desc` (the newest first, unless said) or `asc`.")},               \
        {TEXT_LITERAL("start_time"), TEXT_LITERAL("Created then or later.")},                                \
    {                                                                                                        \
        TEXT_LITERAL("end_time"), TEXT_LITERAL("Created then or earlier.")                                   \
    }
#define SORT_PARAMETER                                                                                       \
    {                                                                                                        \
        TEXT_LITERAL("sort"), TEXT_LITERAL("Fields, as `name` or `name:desc,created_at:asc`.")               \
    }
#define FILTERS_PARAMETER                                                                                    \
    {                                                                                                        \
        TEXT_LITERAL("filters"), TEXT_LITERAL("JSON: conditions, as in a search.")                           \
    }

#endif
