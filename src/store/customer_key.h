/* customer_key.h: the key of each customer. What the audit trail and the outbox tell of a customer (struct
 * entity, customer_of), they hold encrypted under it, so that both stay as they were written, and to forget
 * the customer is to remove the key. Such a text is stored as
 *
 *     {"sealed":"<customer id>:<base64>"}                 (base/envelope.h)
 *
 * Rows from before there were keys are as they were: plain. */
#ifndef FARTHING_STORE_CUSTOMER_KEY_H
#define FARTHING_STORE_CUSTOMER_KEY_H

#include "base/envelope.h"
#include "store/store.h"

struct customer_key {
    struct text id;     /* the customer's */
    struct text secret; /* ENVELOPE_KEY_BYTES in hexadecimal */
};
extern const struct entity customer_key_entity;

/* ---- keys ---- */

/* Says that the customer's key will be needed (query_ahead). */
void customer_key_ahead(struct transaction *transaction, const struct scope *scope, struct text customer_id);

/* The customer's key, in the transaction's arena; made when there is none, which of a new customer is known
 * (`is_new`). NULL on a failure, which the transaction keeps. Write lane only. */
const struct envelope_keys *customer_key_take(struct transaction *transaction, const struct scope *scope,
                                              struct text customer_id, bool is_new);

/* The same for reading. False when there is no key, or on a failure, which the transaction keeps. */
bool customer_key_find(struct transaction *transaction, const struct scope *scope, struct text customer_id,
                       struct envelope_key *key);

struct write;

/* Writes the key that was made last, if it is not written yet. Only for the store, which does it behind the
 * changes of each write set. */
const struct failure *customer_key_store(struct transaction *transaction);

/* Whether the change makes the customer whom it tells of, who has no key yet then. Only for the store. */
bool customer_key_is_new(const struct write *write);

/* The customer whom a change tells of; unset when it tells of none. */
struct text customer_key_subject(const struct entity *entity, const void *record);

/* The customer whom the transaction's last change about one tells of, written or not yet: whom the command is
 * about, as what it takes away from others (an id of a provider) comes before. The key in *key, as
 * customer_key_take. Unset when they tell of none, or on a failure. Write lane only. */
struct text customer_key_take_last(struct transaction *transaction, const struct envelope_keys **key);

/* Removes the key, for good. Write lane only. */
const struct failure *customer_key_destroy(struct transaction *transaction, const struct scope *scope,
                                           struct text customer_id);

/* ---- texts ---- */

/* `plain`, JSON, as it is stored. `about` is what it belongs to: opening it takes the same. */
struct text customer_key_seal(struct transaction *transaction, const struct envelope_keys *key,
                              struct text about, struct text plain);

/* A stored text, and what it belongs to. */
struct sealed_text {
    int64_t scope;
    struct text about;
    struct text *text;
};

/* Makes each stored text what was sealed; one whose key is gone becomes {"erased":true}, and one that was
 * altered {"unreadable":true}. Plain ones stay. */
void customer_key_open(struct transaction *transaction, const struct sealed_text *texts, size_t count);

/* What customer_key_open makes of a text whose key is gone. */
extern const struct text customer_key_erased;
/* What sealed texts are LIKE. */
extern const struct text customer_key_sealed_pattern;

#endif
