/* index_question.h: what an engine's index of searched fields is asked, and what it tells. Only for the
 * store. */
#ifndef FARTHING_STORE_INDEX_QUESTION_H
#define FARTHING_STORE_INDEX_QUESTION_H

#include "base/case_fold.h"
#include "model/entity.h"

/* What is asked of the index of searched fields: rows of an environment whose fields have certain texts. */
struct index_condition {
    const struct field *field; /* FIELD_SEARCHED */
    enum case_fold_place place;
    struct text folded;
};

struct index_question {
    const struct entity *entity;
    int64_t scope;
    struct text status; /* unset: any */
    const struct index_condition *conditions;
    size_t condition_count;
    /* Either a page in the order of creation, of rows that meet all conditions; or the keys of all rows among
     * which those that match are. */
    bool wants_page, is_descending;
    int64_t offset, limit;
    int64_t keys_max; /* unless it is a page: more is no help */
};

struct index_answer {
    int64_t total; /* that match */
    int64_t *keys; /* of rows (row_key.h), in the arena */
    size_t key_count;
    /* Of a page: these are its rows and others of the same instants, because the index does not know in which
     * order those come. So many of them, once sorted, come before the page. */
    int64_t skip;
};

enum index_result {
    INDEX_ANSWERED,
    INDEX_NO_HELP, /* reading the rows is as good */
    INDEX_FAILED,
};

#endif
