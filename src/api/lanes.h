/* lanes.h: where a route's functions are run: on the loop, in the store's lanes, in the pool for slow work
 * (docs/architecture.md). Only for the api room. */
#ifndef FARTHING_API_LANES_H
#define FARTHING_API_LANES_H

#include "api/exchange.h"

/* Runs the exchange's route, whose `parse` has succeeded, and sends the reply: before this returns, or later,
 * by a task of the exchange's loop. */
void lanes_run(struct exchange *exchange);

#endif
