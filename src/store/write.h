/* write.h: one change of a write set, between the files that write it. Only for the store. */
#ifndef FARTHING_STORE_WRITE_H
#define FARTHING_STORE_WRITE_H

#include "store/transaction.h"

struct write {
    struct write *next;
    const struct scope *scope; /* NULL: belongs to no environment */
    const struct entity *entity;
    const void *before; /* NULL: an insert */
    const void *record;
    bool is_erasure; /* of what is known of a customer: transaction_erase */
};

/* Whether an update changes the column. The id never changes. */
bool write_changes(const struct write *write, size_t index);

/* The value that a field's column has. */
struct value write_column_value(const struct field *field, const void *record);
/* write_row.c: the row itself. NULL when it is written, or on its way (struct engine). */
const struct failure *write_row(struct transaction *transaction, const struct write *write);
/* What a caller is told when another row has the value that the column must have alone. */
const struct failure *write_conflict(struct arena *arena, const struct write *write, struct text column);
/* ... and when the row that the use case has read is not there any more. */
const struct failure *write_is_gone(struct arena *arena, const struct write *write);

/* write_trail.c: the audit row and the outbox row. `scratch` is emptied and used. */
const struct failure *write_trail(struct transaction *transaction, const struct write *write,
                                  struct buffer *scratch);

/* Runs a statement that returns no rows. */
const struct failure *transaction_execute(struct transaction *transaction, const struct query *query,
                                          const struct value *parameters, size_t parameter_count);

#endif
