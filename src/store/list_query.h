/* list_query.h: a page of a list together with the number of all rows that match, in one statement and so of
 * one moment (but for the number where a page lies beyond the end of all rows of a status, which may be of a
 * moment later); conditions and order are put together as the request has them.
 *
 *     struct list_query list;
 *     list_query_begin(&list, transaction, &customer_entity);
 *     list_query_where(&list, TEXT("status"), LIST_EQUAL, value_text(status_published));
 *     list_query_sort(&list, TEXT("created_at"), true);
 *     rows = list_query_run(&list, &page, &total);
 *
 * Names of fields are those of the entity's description (asserted): whoever passes on what a client sent
 * looks them up before. Values never get into the text, so that the statements are few. */
#ifndef FARTHING_STORE_LIST_QUERY_H
#define FARTHING_STORE_LIST_QUERY_H

#include "base/buffer.h"
#include "model/page.h"
#include "store/index_question.h"
#include "store/store.h"

enum { LIST_QUERY_SORTS_MAX = 9 }; /* 8 that are asked for, and the default */

enum list_comparison {
    LIST_EQUAL,
    LIST_UNEQUAL, /* of what is set */
    LIST_LESS,
    LIST_GREATER,
    LIST_AT_MOST,
    LIST_AT_LEAST,
    LIST_ONE_OF,     /* the value is a JSON array of texts */
    LIST_NOT_ONE_OF, /* of what is set; the same */
    /* The value is a folded text (base/case_fold.h), sought without regard to case. */
    LIST_CONTAINS,
    LIST_NOT_CONTAINS, /* of what is set */
    LIST_STARTS_WITH,
    LIST_ENDS_WITH,
    LIST_EQUAL_IGNORING_CASE,
    LIST_HAS_ENTRIES, /* of a map; the value is a JSON object of strings */
};

/* One entry of an order. */
struct list_sort {
    struct text field;
    bool is_descending;
};

enum { LIST_QUERY_NEEDLES_MAX = 8 };

struct list_query {
    struct transaction *transaction;
    const struct entity *entity;
    struct text conditions; /* in the transaction's arena */
    unsigned condition_count;
    struct text status;                                     /* the one that all rows have; unset: not said */
    struct index_condition needles[LIST_QUERY_NEEDLES_MAX]; /* texts that rows must have in searched fields */
    unsigned needle_count;
    struct text ids;               /* a JSON array of those that rows must be among; unset: not said */
    unsigned ids_number;           /* of their parameter */
    const struct field *ids_field; /* that has them */
    bool has_index;                /* a condition leads to few rows */
    bool reads_whole;              /* the table, because most of it is asked for */
    unsigned candidates; /* the parameter that has the keys of the rows among which they are; 0: none */
    unsigned begins_at;  /* the parameter that has the instant of the first row; 0: not known */
    struct {
        const struct field *field;
        bool is_descending;
    } sorts[LIST_QUERY_SORTS_MAX];
    unsigned sort_count;
    struct value values[STORE_QUERY_PARAMETERS_MAX];
    unsigned value_count;
};

/* A list of the rows of the caller's environment, or of the caller's tenant for an entity that belongs to a
 * tenant. There is none without that. */
void list_query_begin(struct list_query *list, struct transaction *transaction, const struct entity *entity);
/* One more condition that rows must meet. The tenant's and the environment's id of an entity can be asked
 * for, too. */
void list_query_where(struct list_query *list, struct text field_name, enum list_comparison comparison,
                      struct value value);
/* Sorts by one more field, behind those before; a second time by the same field changes nothing. Unset values
 * count as the largest. */
void list_query_sort(struct list_query *list, struct text field_name, bool is_descending);

/* The page's rows, an array of the entity's struct, and in *total the number of all. The id is the last thing
 * that is sorted by, in the direction of the one before, so that the order is one. */
struct record_list list_query_run(struct list_query *list, const struct page *page, int64_t *total);

/* The statement in the words of struct query, for a test of its plan; the last two parameters are the page.
 */
struct text list_query_text(const struct list_query *list);

#endif
