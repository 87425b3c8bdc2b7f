/* throttle.h: who guesses passwords or keys is slowed down (conventions sections 3.2 and 22.1). What fails is
 * counted for a client's address and for the e-mail that was tried, whether there is such a user or not.
 * Only for the api room. */
#ifndef FARTHING_API_THROTTLE_H
#define FARTHING_API_THROTTLE_H

#include "api/exchange.h"

/* Makes the buckets of struct api as the configuration says. */
void throttle_configure(struct api *api, const struct api_config *config);
void throttle_free(struct api *api);

/* Before a password is looked at: takes an attempt from the address and, unless it is empty, from the e-mail.
 * NULL, or a failure (429). Not on the admin socket. Any thread that has the exchange. */
const struct failure *throttle_attempt(struct exchange *exchange, struct text email);
/* The attempt was a right one: it does not count. */
void throttle_forgive(struct exchange *exchange, struct text email);

/* What is told to whom `failure` (401) was to be told: that, or, when credentials were sent and the address
 * has sent too many wrong ones, that it is too many (429). Who has a right key is let in from any address. */
const struct failure *throttle_credentials(struct exchange *exchange, const struct failure *failure);

#endif
