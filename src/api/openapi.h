/* openapi.h: the API description (OpenAPI 3.0.3), derived from the routes and the entities. Only for the api
 * room. */
#ifndef FARTHING_API_OPENAPI_H
#define FARTHING_API_OPENAPI_H

#include "api/route.h"
#include "base/buffer.h"

/* Appends the description of every route that has an operation id. */
void openapi_write(struct buffer *buffer, const struct route_table *const *tables);

#endif
