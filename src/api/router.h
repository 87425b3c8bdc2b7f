/* router.h: from method and path to a route. Only for the api room. */
#ifndef FARTHING_API_ROUTER_H
#define FARTHING_API_ROUTER_H

#include "api/exchange.h"

struct router;

/* A tree of the segments of every route. */
struct router *router_new(const struct route_table *const *tables);
void router_free(struct router *router);

/* The route of a raw path, with the raw segments that stand for its parameters. One slash at the end counts
 * as absent. A literal segment wins over a parameter, unless the method is only known to the other
 * (conventions section 1). NULL when there is none. Costs a comparison a segment. */
const struct route *router_find(const struct router *router, enum http_method method, struct text path,
                                struct text parameters[ROUTE_PARAMETERS_MAX]);

/* Routes are numbered from 0, in the order of their tables. */
unsigned router_count(const struct router *router);
const struct route *router_route(const struct router *router, unsigned number);
/* The number of a route that router_find has found. */
unsigned router_number(const struct router *router, const struct route *route);

#endif
