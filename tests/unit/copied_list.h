/* copied_list.h: whether `farthing copy` knows a table (store/copy/copied_table.h). */
#ifndef FARTHING_TESTS_COPIED_LIST_H
#define FARTHING_TESTS_COPIED_LIST_H

#include "store/copy/copied_table.h"

/* Copied, or left out on purpose. */
static inline bool is_listed(struct text table)
{
    for (size_t i = 0; i < COPIED_TABLE_COUNT; i++)
        if (text_equal(copied_tables[i].name, table))
            return true;
    for (const struct text *name = uncopied_tables; text_is_set(*name); name++)
        if (text_equal(*name, table))
            return true;
    return false;
}

#endif
