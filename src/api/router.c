#include "api/router.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENTS_MAX = 16 };

struct node {
    struct node *next; /* the next literal beside this one */
    struct node *literals;
    struct node *parameter;
    struct text segment; /* of a literal */
    const struct route *routes[HTTP_OTHER];
};

struct router {
    struct node root;
    struct route *rows; /* copies of all tables, one after the other: a route's place is its number */
    unsigned row_count;
};

struct segments {
    struct text items[SEGMENTS_MAX];
    unsigned count;
};

/* Splits "/v1/customers/x" into its segments. False when there are too many for any route. */
static bool split(struct text path, struct segments *segments)
{
    segments->count = 0;
    if (path.length == 0 || path.data[0] != '/')
        return false;
    if (path.length > 1 && path.data[path.length - 1] == '/')
        path.length--;
    path = text_from(path, 1);
    for (;;) {
        size_t end = text_find(path, '/');

        if (segments->count == SEGMENTS_MAX)
            return false;
        segments->items[segments->count++] = text_slice(path, 0, end);
        if (end == path.length)
            return true;
        path = text_from(path, end + 1);
    }
}

static bool is_parameter(struct text segment)
{
    return segment.length > 0 && segment.data[0] == '{';
}

static struct node *new_node(struct text segment)
{
    struct node *node = calloc(1, sizeof *node);

    if (!node)
        abort();
    node->segment = segment;
    return node;
}

static struct node *find_literal(const struct node *node, struct text segment)
{
    struct node *literal = node->literals;

    while (literal && !text_equal(literal->segment, segment))
        literal = literal->next;
    return literal;
}

static struct node *descend(struct node *node, struct text segment)
{
    if (is_parameter(segment)) {
        if (!node->parameter)
            node->parameter = new_node(segment);
        return node->parameter;
    }
    struct node *literal = find_literal(node, segment);

    if (!literal) {
        literal = new_node(segment);
        literal->next = node->literals;
        node->literals = literal;
    }
    return literal;
}

static void add(struct router *router, const struct route *route)
{
    struct segments segments;
    struct node *node = &router->root;
    bool fits = split(route->path, &segments);
    unsigned parameters = 0;

    assert(fits);
    for (unsigned i = 0; i < segments.count; i++) {
        parameters += is_parameter(segments.items[i]);
        node = descend(node, segments.items[i]);
    }
    assert(parameters <= ROUTE_PARAMETERS_MAX);
    assert(!node->routes[route->method]); /* two rows for one endpoint */
    node->routes[route->method] = route;
}

static struct route *copy_rows(const struct route_table *const *tables, unsigned *count)
{
    struct route *rows = NULL;

    *count = 0;
    for (; *tables; tables++) {
        rows = reallocarray(rows, *count + (*tables)->count, sizeof *rows);
        if (!rows)
            abort();
        memcpy(rows + *count, (*tables)->routes, (*tables)->count * sizeof *rows);
        *count += (unsigned)(*tables)->count;
    }
    return rows;
}

struct router *router_new(const struct route_table *const *tables)
{
    struct router *router = calloc(1, sizeof *router);

    if (!router)
        abort();
    router->rows = copy_rows(tables, &router->row_count);
    for (unsigned i = 0; i < router->row_count; i++)
        add(router, &router->rows[i]);
    return router;
}

unsigned router_count(const struct router *router)
{
    return router->row_count;
}

const struct route *router_route(const struct router *router, unsigned number)
{
    assert(number < router->row_count);
    return &router->rows[number];
}

unsigned router_number(const struct router *router, const struct route *route)
{
    assert(route >= router->rows && route < router->rows + router->row_count);
    return (unsigned)(route - router->rows);
}

static void free_children(struct node *node)
{
    for (struct node *literal = node->literals, *next; literal; literal = next) {
        next = literal->next;
        free_children(literal);
        free(literal);
    }
    if (node->parameter) {
        free_children(node->parameter);
        free(node->parameter);
    }
}

void router_free(struct router *router)
{
    free_children(&router->root);
    free(router->rows);
    free(router);
}

/* At most one turn back a segment, and paths are short. */
static const struct route *match(const struct node *node, const struct segments *segments, unsigned index,
                                 enum http_method method, struct text *parameters)
{
    if (index == segments->count)
        return node->routes[method];
    struct text segment = segments->items[index];
    const struct node *literal = find_literal(node, segment);
    const struct route *route = literal ? match(literal, segments, index + 1, method, parameters) : NULL;

    if (route || !node->parameter || segment.length == 0)
        return route;
    *parameters = segment;
    route = match(node->parameter, segments, index + 1, method, parameters + 1);
    if (!route) /* what did not lead to a route must not look like a parameter of the one that is found */
        *parameters = text_none;
    return route;
}

const struct route *router_find(const struct router *router, enum http_method method, struct text path,
                                struct text parameters[ROUTE_PARAMETERS_MAX])
{
    struct segments segments;

    if (method >= HTTP_OTHER || !split(path, &segments))
        return NULL;
    return match(&router->root, &segments, 0, method, parameters);
}
