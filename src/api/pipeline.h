/* pipeline.h: the way of a request through the api room, from the HTTP server's call to the reply. Only for
 * the api room. */
#ifndef FARTHING_API_PIPELINE_H
#define FARTHING_API_PIPELINE_H

#include "api/exchange.h"

/* on_head and on_request of struct http_handler; the state is a struct api_loop. */
bool pipeline_on_head(void *loop_state, struct http_exchange *http);
void pipeline_on_request(void *loop_state, struct http_exchange *http);

#endif
