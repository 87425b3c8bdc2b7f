/* observe.h: what is noted about a request when its reply is given: numbers for /metrics, a line for the
 * access log. Only for the api room. */
#ifndef FARTHING_API_OBSERVE_H
#define FARTHING_API_OBSERVE_H

#include "api/exchange.h"

/* Labels a row of the request counters for each route, after the router was made. */
void observe_routes(struct api *api);

/* Once a request, before its reply is handed to the HTTP server. */
void observe_reply(struct exchange *exchange, int status, size_t body_bytes);

/* metrics.c: whether a caller may see the metrics. */
const struct failure *metrics_check_access(struct exchange *exchange);

#endif
