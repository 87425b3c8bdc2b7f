/* admin_customer_search.c: lists and searches of customers for the operator, over the admin socket: what
 * `farthing customer list|search` talk to. Body and reply are those of POST /v1/customers/search. */
#include "api/customers.h"
#include "api/resources.h"
#include "domain/tenancy.h"

struct operator_search {
    struct text tenant, environment; /* id or name; both unset: the only environment there is */
    struct customer_search search;
};

struct operator_page {
    struct scope scope;
    struct customer_page page;
};

static const struct failure *parse_search(struct exchange *exchange)
{
    struct operator_search *asked = ARENA_NEW(exchange->arena, struct operator_search);
    const struct failure *failure = exchange_query(exchange, TEXT("tenant"), &asked->tenant);

    exchange->input = asked;
    exchange->result = ARENA_NEW(exchange->arena, struct operator_page);
    if (!failure)
        failure = exchange_query(exchange, TEXT("environment"), &asked->environment);
    return failure ? failure : customers_read_search(exchange, &asked->search);
}

static const struct failure *run_search(struct exchange *exchange, struct transaction *transaction)
{
    const struct operator_search *asked = exchange->input;
    struct operator_page *found = exchange->result;
    const struct failure *failure =
        environment_find_named(transaction, asked->tenant, asked->environment, &found->scope);

    if (failure)
        return failure;
    exchange->call.scope = &found->scope; /* an operator has none of their own */
    customers_find(transaction, &asked->search, &found->page);
    return NULL;
}

static void render_search(struct exchange *exchange, struct json_writer *writer)
{
    const struct operator_search *asked = exchange->input;
    const struct operator_page *found = exchange->result;

    customers_write_page(writer, &asked->search, &found->page, &found->scope);
}

static const struct route routes[] = {
    {.method = HTTP_POST,
     .path = TEXT_LITERAL("/admin/customers/search"),
     .access = ACCESS_ADMIN,
     .lane = LANE_READ,
     .status = 200,
     .has_body = true,
     .ignores_idempotency_key = true,
     .parse = parse_search,
     .run = run_search,
     .render = render_search},
};

const struct route_table admin_customer_search_routes = ROUTE_TABLE(routes);
