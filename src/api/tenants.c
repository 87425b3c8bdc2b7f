/* tenants.c: /v1/tenants (conventions section 22.3). */
#include "domain/tenants.h"
#include "api/customer_usage.h"
#include "api/resources.h"
#include "domain/tenant_billing.h"
#include "model/entity_json.h"

/* ---- how a tenant looks ---- */

static void write_fields(struct json_writer *writer, const struct field *fields, size_t count,
                         const struct billing_details *details, bool with_empty)
{
    for (const struct field *field = fields; field < fields + count; field++)
        if (with_empty || field_text_of(field, details).length > 0) {
            json_put_string(writer, field->name, field_text_of(field, details));
        }
}

void tenant_write(struct json_writer *writer, const struct tenant *tenant, struct arena *arena)
{
    struct billing_details details;

    billing_details_load(tenant->billing_details, arena, &details);
    json_begin_object(writer);
    entity_write_members(writer, &tenant_entity, tenant, NULL);
    json_key(writer, TEXT("billing_details"));
    json_begin_object(writer);
    write_fields(writer, billing_fields, billing_field_count, &details, false);
    json_key(writer, TEXT("address"));
    json_begin_object(writer);
    write_fields(writer, billing_address_fields, billing_address_field_count, &details, true);
    json_end_object(writer);
    json_end_object(writer);
    json_end_object(writer);
}

static void render(struct exchange *exchange, struct json_writer *writer)
{
    tenant_write(writer, exchange->result, exchange->arena);
}

/* ---- get ---- */

static const struct failure *parse_get(struct exchange *exchange)
{
    exchange->result = ARENA_NEW(exchange->arena, struct tenant);
    if (text_equal(exchange->parameters[0], exchange->caller.scope.tenant_id))
        return NULL;
    return failure_new(exchange->arena, FAILURE_PERMISSION_DENIED,
                       TEXT("a tenant can only be read by its own users"));
}

static const struct failure *run_get(struct exchange *exchange, struct transaction *transaction)
{
    return tenant_get_own(transaction, exchange->result);
}

/* ---- update ---- */

static const struct failure *parse_update(struct exchange *exchange)
{
    exchange->input = ARENA_NEW(exchange->arena, struct tenant_change);
    exchange->result = ARENA_NEW(exchange->arena, struct tenant);
    return tenant_read_change(exchange->body, exchange->arena, exchange->input);
}

static const struct failure *run_update(struct exchange *exchange, struct transaction *transaction)
{
    return tenant_update(transaction, exchange->input, exchange->result);
}

/* ---- billing ---- */

/* What the tenant is as a customer of whoever runs the server; without a result it is none. */
static const struct failure *run_billing(struct exchange *exchange, struct transaction *transaction)
{
    const struct scope *billing = &exchange->loop->api->tenant_billing.scope;
    struct customer *customer = ARENA_NEW(exchange->arena, struct customer);

    exchange->result = billing->number && tenant_billing_customer(transaction, billing,
                                                                  exchange->caller.scope.tenant_id, customer)
                           ? customer
                           : NULL;
    return NULL;
}

static void render_billing(struct exchange *exchange, struct json_writer *writer)
{
    const struct customer *customer = exchange->result;

    json_begin_object(writer);
    json_key(writer, TEXT("usage"));
    if (customer)
        customer_usage_write(writer, customer->id);
    else
        json_null(writer);
    json_key(writer, TEXT("subscriptions"));
    json_raw(writer, customer ? TEXT("[]") : TEXT("null"));
    json_end_object(writer);
}

/* ---- the table ---- */

static const struct body_schema address_body = {.name = TEXT_LITERAL("Address"),
                                                .options = billing_address_fields,
                                                .option_count = &billing_address_field_count};
static const struct body_schema billing_body = {
    .name = TEXT_LITERAL("TenantBillingDetails"),
    .options = billing_fields,
    .option_count = &billing_field_count,
    .member_name = TEXT_LITERAL("address"),
    .member = &address_body,
};
static const struct body_schema update_body = {
    .name = TEXT_LITERAL("UpdateTenantRequest"),
    .options = tenant_change_fields,
    .option_count = &tenant_change_field_count,
    .member_name = TEXT_LITERAL("billing_details"),
    .member = &billing_body,
};

struct billing_reply {
    struct text subscriptions;
};
static const struct field billing_reply_fields[] = {
    {FIELD(struct billing_reply, subscriptions, FIELD_JSON_ARRAY), .flags = FIELD_NULLABLE},
};
static const struct entity billing_reply_entity = {
    .name = TEXT_LITERAL("tenant_billing"),
    .schema = TEXT_LITERAL("TenantBillingUsage"),
    ENTITY_FIELDS(billing_reply_fields),
    .struct_size = sizeof(struct billing_reply),
};
static const struct member_schema billing_members[] = {
    {TEXT_LITERAL("usage"), &customer_usage_reply, .is_nullable = true},
    {.schema = NULL},
};
static const struct reply_schema billing_reply = {.entity = &billing_reply_entity,
                                                  .members = billing_members};
static const struct field details_field[] = {
    {FIELD(struct tenant, billing_details, FIELD_JSON_OBJECT)},
};

const struct reply_schema tenant_reply = {
    .entity = &tenant_entity, .fields = details_field, .field_count = 1};

#define BILLING_ROUTE(route_path, id)                                                                        \
    {                                                                                                        \
        .method = HTTP_GET, .path = TEXT_LITERAL(route_path),                                                \
        .permission = {TEXT_LITERAL("tenant"), PERMISSION_READ}, .without_environment = true,                \
        .lane = LANE_READ, .status = 200, .run = run_billing, .render = render_billing,                      \
        .operation_id = TEXT_LITERAL(id),                                                                    \
        .summary = TEXT_LITERAL("What the tenant itself has used and is subscribed to"),                     \
        .tag = TEXT_LITERAL("Tenants"), .reply = &billing_reply                                              \
    }

static const struct route routes[] = {
    {.method = HTTP_GET,
     .path = TEXT_LITERAL("/v1/tenants/{id}"),
     .without_environment = true,
     .lane = LANE_READ,
     .status = 200,
     .parse = parse_get,
     .run = run_get,
     .render = render,
     .operation_id = TEXT_LITERAL("getTenantById"),
     .summary = TEXT_LITERAL("Get one's own tenant"),
     .tag = TEXT_LITERAL("Tenants"),
     .reply = &tenant_reply},
    {.method = HTTP_PUT,
     .path = TEXT_LITERAL("/v1/tenants/update"),
     .permission = {TEXT_LITERAL("tenant"), PERMISSION_WRITE},
     .without_environment = true,
     .lane = LANE_WRITE,
     .status = 200,
     .has_body = true,
     .parse = parse_update,
     .run = run_update,
     .render = render,
     .operation_id = TEXT_LITERAL("updateTenant"),
     .summary = TEXT_LITERAL("Change one's own tenant"),
     .tag = TEXT_LITERAL("Tenants"),
     .body = &update_body,
     .reply = &tenant_reply},
    BILLING_ROUTE("/v1/tenant/billing", "getTenantBillingUsage"),
    BILLING_ROUTE("/v1/tenants/billing", "getTenantBillingUsageOfTenants"),
};

const struct route_table tenant_routes = ROUTE_TABLE(routes);
