/* route.h: an endpoint is one row of its resource's table and one function or two. Only for the api room. */
#ifndef FARTHING_API_ROUTE_H
#define FARTHING_API_ROUTE_H

#include "access/permission.h"
#include "http/http.h"
#include "model/entity.h"
#include "store/store.h"
#include "json/writer.h"

struct exchange;

/* Where a route's `run` is executed (docs/architecture.md). */
enum lane {
    LANE_NONE,  /* nothing to run: no transaction */
    LANE_READ,  /* on the loop, in the batch's snapshot */
    LANE_WRITE, /* on the writer's thread, in a batch that commits together */
};

enum access {
    ACCESS_KEY,    /* a caller that holds the permission */
    ACCESS_PORTAL, /* a customer, by the token of a session */
    ACCESS_PUBLIC, /* anybody */
    ACCESS_ADMIN,  /* whoever can open the admin socket; elsewhere the route does not exist */
    ACCESS_NOBODY, /* a path that is not served yet, listed so that it is not read as an id */
    /* The operator's monitoring: by the admin socket, by a listener of its own, or with a token that was
     * configured; elsewhere the route does not exist. */
    ACCESS_METRICS,
};

/* The body of a request, for the API description: the input fields of an entity, and fields beside them. */
struct body_schema {
    struct text name;            /* "CreateCustomerRequest" */
    const struct entity *entity; /* NULL: only the fields beside it */
    bool is_change;              /* of an entity that exists: nothing of it need be given */
    const struct field *options;
    const size_t *option_count;
    bool is_search; /* it takes what every search takes (search.h) */
    /* A member that is an object of its own; unset: none. */
    struct text member_name; /* "billing_details" */
    const struct body_schema *member;
};

/* What comes back: an entity, and what hangs on it; or a page of such (conventions section 16). */
struct reply_schema {
    struct text name;                /* unset: the entity's */
    const struct entity *entity;     /* its members */
    struct text page_name;           /* "ListUsersResponse"; unset: one of them */
    const struct field *page_fields; /* of the page, beside `items` and `pagination` */
    size_t page_field_count;
    struct text list_name; /* of a list: "integrations" */
    const struct entity *list_entity;
    const struct field *fields; /* members beside the entity's */
    size_t field_count;
    const struct member_schema *members; /* ended by an unset name */
};

/* A member that is an object or a list of objects. */
struct member_schema {
    struct text name;
    const struct reply_schema *schema;
    bool is_list;
    bool is_nullable;
};

struct query_parameter {
    struct text name;
    struct text description;
};

struct route {
    enum http_method method;
    struct text path; /* "/v1/customers/{id}" */
    enum access access;
    struct permission permission;
    bool without_environment; /* a caller that is bound to no environment need not name one (section 4) */
    enum lane lane;
    int status;            /* of success */
    bool has_body;         /* a JSON object is read before anything runs */
    bool is_body_optional; /* ... which is {} when there is no body */
    bool has_raw_body;     /* `parse` reads the body, which is something else */
    bool is_probe;         /* asked every few seconds by what watches the server: not in the access log */
    bool looks_first;      /* LANE_WRITE: struct store_command */
    bool is_background;    /* LANE_WRITE: lets other writes go first (struct store_command) */
    /* A POST that changes nothing worth a replay, as a login or a search, or nothing of the database: no
     * reply of it is kept for whoever sends it again with the same Idempotency-Key. */
    bool ignores_idempotency_key;

    /* Reads the body and the query; outside any transaction. */
    const struct failure *(*parse)(struct exchange *exchange);
    /* The use case, in the lane's transaction. */
    const struct failure *(*run)(struct exchange *exchange, struct transaction *transaction);
    /* What is too slow for a loop and for a transaction, on a thread of the pool (slow_pool.h): between
     * `parse` and the lane, and between the lane (when it has succeeded) and the reply. The exchange is
     * theirs alone meanwhile; there is no transaction. NULL: nothing. */
    const struct failure *(*work_before)(struct exchange *exchange);
    const struct failure *(*work_after)(struct exchange *exchange);
    /* Writes the reply's body, from what `run` has found, and changes nothing: on the loop, or, when the
     * reply is kept (api/idempotency.h) or the exchange is_slow, behind `run` on the lane's thread. NULL: no
     * body. */
    void (*render)(struct exchange *exchange, struct json_writer *writer);
    struct text media_type; /* unset: JSON */

    /* For the API description. Without an operation id the route is not described. */
    struct text operation_id;
    struct text summary;
    struct text tag;
    bool may_miss; /* a 404 without a parameter in the path: its query or body names what there may not be */
    const struct body_schema *body;
    const struct reply_schema *reply;
    const struct query_parameter *query_parameters; /* ended by an unset name */
};

/* Whether a reply of the route is kept for whoever sends the request again with the same Idempotency-Key:
 * every POST that writes (conventions section 21, ruling 8). */
static inline bool route_is_idempotent(const struct route *route)
{
    return route->method == HTTP_POST && route->lane == LANE_WRITE && !route->ignores_idempotency_key;
}

struct route_table {
    const struct route *routes;
    size_t count;
};

#define ROUTE_TABLE(array)                                                                                   \
    {                                                                                                        \
        (array), sizeof(array) / sizeof((array)[0])                                                          \
    }

/* The tables of all resources, ended by one without routes. */
extern const struct route_table *const route_tables[];

#endif
