/* records.h: the base columns of a record (conventions section 12), set when it is created or changed. */
#ifndef FARTHING_DOMAIN_RECORDS_H
#define FARTHING_DOMAIN_RECORDS_H

#include "model/entity.h"
#include "store/store.h"

/* Published, made and changed now by the caller, or changed alone. An update is later than the one before in
 * any case, so that the newer of two snapshots can be told, and so that it always changes something: the
 * clock may have been set back, and requests of one instant are done one after the other. Macros, because the
 * columns are members of every entity's struct. */
#define RECORD_STAMP_CREATED(record, the_call)                                                               \
    ((record)->status = status_published, (record)->created_at = (record)->updated_at = (the_call)->now_us,  \
     (record)->created_by = (record)->updated_by = (the_call)->actor_id)

#define RECORD_STAMP_UPDATED(record, the_call)                                                               \
    ((record)->updated_at =                                                                                  \
         (record)->updated_at < (the_call)->now_us ? (the_call)->now_us : (record)->updated_at + 1,          \
     (record)->updated_by = (the_call)->actor_id)

#endif
