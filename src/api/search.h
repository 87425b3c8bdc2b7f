/* search.h: a list as a query string or a body asks for it (conventions sections 16 to 18), for every
 * resource. Only for the api room. */
#ifndef FARTHING_API_SEARCH_H
#define FARTHING_API_SEARCH_H

#include "api/exchange.h"
#include "domain/search.h"

/* What a resource adds to what every search takes. */
struct search_shape {
    const struct entity *entity;
    const struct text *expandable; /* ended by an unset text */
    const struct field *fields;    /* into the filter's own struct */
    size_t field_count;
    const struct text
        *keys; /* those of the fields that name single rows, or lists of such; ended by an unset text */
};

struct searched {
    struct search search;
    bool is_expanded; /* `expand` names something */
};

/* Reads the body, or the query string of a route without one: what every search takes into *searched, the
 * resource's fields into `filter`. All that is wrong with fields is told at once; then what sort and expand
 * name is looked at. Says of the exchange whether it is slow: unless it asks for the newest rows, or for a
 * few by their names. */
const struct failure *search_read(struct exchange *exchange, const struct search_shape *shape,
                                  struct searched *searched, void *filter);

/* What every search takes beside what every list does (paging_fields). */
extern const struct field search_fields[];
enum { SEARCH_FIELDS = 3 };

#endif
