/* server_secrets.h: which secrets the servers of the database have. The database knows a key by an id alone
 * (access/secrets.h). */
#ifndef FARTHING_DOMAIN_SERVER_SECRETS_H
#define FARTHING_DOMAIN_SERVER_SECRETS_H

#include "model/auth.h"
#include "store/store.h"

/* The id of the present key of a purpose ("signing"); an unset text when none was ever recorded. */
struct text server_secret_key_id(struct transaction *transaction, struct text purpose);

/* Makes it `key_id` from now on. Nothing is written when it is that already. */
void server_secret_record(struct transaction *transaction, struct text purpose, struct text key_id);

#endif
