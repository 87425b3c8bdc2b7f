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
    enum index_wish {
        INDEX_KEYS,  /* of all rows among which those that match are */
        INDEX_PAGE,  /* keys of the rows of a page in the order of creation */
        INDEX_PLACE, /* where in the order of creation such a page begins */
    } wish;
    int64_t keys_max;      /* of INDEX_KEYS: more is no help */
    int64_t offset, limit; /* of a page */
    bool is_descending;
};

struct index_answer {
    int64_t total; /* that match */
    int64_t *keys; /* of rows (row_key.h), in the arena; in no order */
    size_t key_count;
    /* INDEX_PLACE: the page begins so many rows behind the first one of this instant; INSTANT_UNSET: there
     * are no rows from its offset on. */
    int64_t created_at_us, skip;
};

enum index_result {
    INDEX_ANSWERED,
    INDEX_NO_HELP, /* reading the rows is as good */
    INDEX_FAILED,
};

#endif
