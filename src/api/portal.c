/* portal.c: links to the customer portal, and what the portal asks on behalf of a customer (10-customers
 * section 12, 80-admin section 12). */
#include "access/token.h"
#include "api/resources.h"
#include "domain/customers.h"
#include "model/entity_json.h"

enum { HOUR_SECONDS = 60 * 60 };

/* ---- a link ---- */

struct portal_link {
    struct text url;
    struct text token;
    int64_t expires_at;
};
static const struct field link_fields[] = {
    {FIELD(struct portal_link, url, FIELD_TEXT)},
    {FIELD(struct portal_link, token, FIELD_TEXT)},
    {FIELD(struct portal_link, expires_at, FIELD_INSTANT)},
};
static const struct entity link_entity = {
    .name = TEXT_LITERAL("portal_link"),
    .schema = TEXT_LITERAL("CustomerPortalSession"),
    ENTITY_FIELDS(link_fields),
    .struct_size = sizeof(struct portal_link),
};

static const struct failure *parse_link(struct exchange *exchange)
{
    exchange->result = ARENA_NEW(exchange->arena, struct portal_link);
    return exchange->loop->api->secrets.secrets
               ? NULL
               : failure_new(exchange->arena, FAILURE_SERVICE_UNAVAILABLE,
                             TEXT("there is no portal while no server runs"));
}

static const struct failure *run_link(struct exchange *exchange, struct transaction *transaction)
{
    const struct api *api = exchange->loop->api;
    struct portal_link *link = exchange->result;
    int64_t now_us = exchange->call.now_us, lifetime_seconds = api->config.portal_token_hours * HOUR_SECONDS;
    struct customer customer;
    const struct failure *failure =
        customer_get_by_external_id(transaction, exchange->parameters[0], &customer);

    if (failure)
        return failure;
    const struct portal_token portal = {
        .customer_id = customer.id,
        .external_customer_id = customer.external_id,
        .tenant_id = exchange->call.scope->tenant_id,
        .environment_id = exchange->call.scope->environment_id,
    };

    link->token =
        token_issue_portal(api->secrets.secrets, &portal, now_us, lifetime_seconds, exchange->arena);
    link->url = arena_format(exchange->arena, "%.*s%stoken=%.*s", TEXT_FORMAT(api->config.portal_url),
                             api->config.is_portal_token_in_fragment ? "#" : "?", TEXT_FORMAT(link->token));
    link->expires_at = (now_us / MICROSECONDS_PER_SECOND + lifetime_seconds) * MICROSECONDS_PER_SECOND;
    return NULL;
}

static void render_link(struct exchange *exchange, struct json_writer *writer)
{
    json_begin_object(writer);
    entity_write_members(writer, &link_entity, exchange->result, NULL);
    json_end_object(writer);
}

/* ---- the customer ---- */

/* A session ends with its customer (10-customers section 7). */
static const struct failure *or_ended(struct exchange *exchange, const struct failure *failure)
{
    if (!failure || failure->code != FAILURE_NOT_FOUND)
        return failure;
    return failure_new(exchange->arena, FAILURE_UNAUTHENTICATED,
                       TEXT("the session's customer was deleted; the session has ended with it"));
}

static const struct failure *run_get(struct exchange *exchange, struct transaction *transaction)
{
    exchange->result = ARENA_NEW(exchange->arena, struct customer);
    return or_ended(exchange,
                    customer_get_published(transaction, exchange->caller.customer_id, exchange->result));
}

static const struct failure *parse_update(struct exchange *exchange)
{
    exchange->input = ARENA_NEW(exchange->arena, struct customer_change);
    exchange->result = ARENA_NEW(exchange->arena, struct customer);
    return customer_read_own_change(exchange->body, exchange->arena, exchange->input);
}

static const struct failure *run_update(struct exchange *exchange, struct transaction *transaction)
{
    return or_ended(exchange, customer_update(transaction, exchange->caller.customer_id, exchange->input,
                                              exchange->result));
}

static void render_customer(struct exchange *exchange, struct json_writer *writer)
{
    json_begin_object(writer);
    entity_write_members(writer, &customer_entity, exchange->result, exchange->call.scope);
    json_end_object(writer);
}

/* ---- the table ---- */

#define OWN_TEXT(member, max)                                                                                \
    {                                                                                                        \
        FIELD(struct customer, member, FIELD_TEXT), .flags = FIELD_INPUT, .length_max = (max)                \
    }

static const struct field update_fields[] = {
    OWN_TEXT(name, 255),          OWN_TEXT(email, 255),
    OWN_TEXT(contact, 20),        OWN_TEXT(address_line1, 255),
    OWN_TEXT(address_line2, 255), OWN_TEXT(address_city, 100),
    OWN_TEXT(address_state, 100), OWN_TEXT(address_postal_code, 20),
    OWN_TEXT(address_country, 2), OWN_TEXT(timezone, 50),
};
static const size_t update_field_count = sizeof update_fields / sizeof update_fields[0];
static const struct body_schema update_body = {.name = TEXT_LITERAL("UpdatePortalCustomerRequest"),
                                               .options = update_fields,
                                               .option_count = &update_field_count};
static const struct reply_schema link_reply = {.entity = &link_entity};
static const struct reply_schema customer_reply = {.name = TEXT_LITERAL("PortalCustomer"),
                                                   .entity = &customer_entity};

/* Whoever can make a link can act as the customer: reading alone is not enough for that. */
#define LINK_ROUTE(route_method, id)                                                                         \
    {                                                                                                        \
        .method = (route_method), .path = TEXT_LITERAL("/v1/customers/portal/{external_id}"),                \
        .permission = {TEXT_LITERAL("customer"), PERMISSION_WRITE}, .lane = LANE_READ, .status = 200,        \
        .ignores_idempotency_key = true, /* a link is a signature, of which nothing is stored */             \
            .parse = parse_link, .run = run_link, .render = render_link, .operation_id = TEXT_LITERAL(id),   \
        .summary = TEXT_LITERAL("Make a link to the portal of a customer"), .tag = TEXT_LITERAL("Portal"),   \
        .reply = &link_reply                                                                                 \
    }

static const struct route routes[] = {
    LINK_ROUTE(HTTP_GET, "getCustomerPortalLink"),
    LINK_ROUTE(HTTP_POST, "createCustomerPortalLink"),
    {.method = HTTP_GET,
     .path = TEXT_LITERAL("/v1/customer/portal/info"),
     .access = ACCESS_PORTAL,
     .lane = LANE_READ,
     .status = 200,
     .run = run_get,
     .render = render_customer,
     .operation_id = TEXT_LITERAL("getPortalCustomer"),
     .summary = TEXT_LITERAL("Get the customer whose portal it is"),
     .tag = TEXT_LITERAL("Portal"),
     .reply = &customer_reply},
    {.method = HTTP_PUT,
     .path = TEXT_LITERAL("/v1/customer/portal/info"),
     .access = ACCESS_PORTAL,
     .permission = {.action = PERMISSION_WRITE},
     .lane = LANE_WRITE,
     .status = 200,
     .has_body = true,
     .parse = parse_update,
     .run = run_update,
     .render = render_customer,
     .operation_id = TEXT_LITERAL("updatePortalCustomer"),
     .summary = TEXT_LITERAL("Change the customer whose portal it is"),
     .tag = TEXT_LITERAL("Portal"),
     .body = &update_body,
     .reply = &customer_reply},
};

const struct route_table portal_routes = ROUTE_TABLE(routes);
