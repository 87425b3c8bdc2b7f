/* integrations.c: /v1/integrations (10-customers section 13). */
#include "api/paging.h"
#include "api/resources.h"
#include "domain/connections.h"
#include "domain/integration_mapping.h"
#include "model/entity_json.h"

static void write_mapping(struct json_writer *writer, const struct integration_mapping *mapping,
                          const struct scope *scope)
{
    json_begin_object(writer);
    entity_write_members(writer, &integration_mapping_entity, mapping, scope);
    json_end_object(writer);
}

/* ---- linking ---- */

static const struct failure *parse_link(struct exchange *exchange)
{
    exchange->input = ARENA_NEW(exchange->arena, struct integration_mapping);
    exchange->result = ARENA_NEW(exchange->arena, struct integration_mapping);
    return integration_link_read(exchange->body, exchange->arena, exchange->input);
}

static const struct failure *run_link(struct exchange *exchange, struct transaction *transaction)
{
    return integration_link(transaction, exchange->input, exchange->result);
}

static void render_link(struct exchange *exchange, struct json_writer *writer)
{
    json_begin_object(writer);
    json_key(writer, TEXT("mapping"));
    write_mapping(writer, exchange->result, exchange->call.scope);
    json_end_object(writer);
}

/* ---- delinking ---- */

/* A text that the request gives in its body or, because many clients drop the body of a DELETE, in its query.
 */
static const struct failure *add_naming(struct exchange *exchange, const struct field *field,
                                        struct json_writer *writer)
{
    const struct json_value *value = json_member(exchange->body, field->name);
    struct text text;

    if (value && value->type != JSON_NULL) {
        json_key(writer, field->name);
        json_copy(writer, value);
        return NULL;
    }
    const struct failure *failure = exchange_query(exchange, field->name, &text);

    if (!failure && text_is_set(text)) {
        json_put_string(writer, field->name, text);
    }
    return failure;
}

static const struct failure *read_naming(struct exchange *exchange, struct integration_mapping *link)
{
    struct buffer buffer = {0};
    struct json_writer writer;
    struct json_error error;
    const struct failure *failure = NULL;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    for (size_t i = 0; i < integration_delink_field_count && !failure; i++)
        failure = add_naming(exchange, &integration_delink_fields[i], &writer);
    json_end_object(&writer);
    const struct json_value *object =
        json_read(exchange->arena, arena_copy(exchange->arena, buffer_text(&buffer)), &error);

    buffer_free(&buffer);
    return failure ? failure : integration_delink_read(object, exchange->arena, link);
}

static const struct failure *parse_delink(struct exchange *exchange)
{
    exchange->input = ARENA_NEW(exchange->arena, struct integration_mapping);
    return read_naming(exchange, exchange->input);
}

static const struct failure *run_delink(struct exchange *exchange, struct transaction *transaction)
{
    return integration_delink(transaction, exchange->input);
}

struct message {
    struct text message;
};
static const struct field message_fields[] = {{FIELD(struct message, message, FIELD_TEXT)}};
static const struct entity message_entity = {
    .name = TEXT_LITERAL("message"),
    .schema = TEXT_LITERAL("SuccessResponse"),
    ENTITY_FIELDS(message_fields),
    .struct_size = sizeof(struct message),
};

static void render_delink(struct exchange *exchange, struct json_writer *writer)
{
    const struct message message = {TEXT("the entity is not linked to the provider any more")};

    json_begin_object(writer);
    entity_write_members(writer, &message_entity, &message, exchange->call.scope);
    json_end_object(writer);
}

/* ---- the mappings of an entity ---- */

static const struct failure *parse_mappings(struct exchange *exchange)
{
    struct integration_mapping *wanted = ARENA_NEW(exchange->arena, struct integration_mapping);
    struct failure *problem = NULL;
    const struct failure *failure = exchange_query(exchange, TEXT("entity_type"), &wanted->entity_type);

    exchange->input = wanted;
    exchange->result = ARENA_NEW(exchange->arena, struct record_list);
    if (!failure)
        failure = exchange_query(exchange, TEXT("entity_id"), &wanted->entity_id);
    if (failure)
        return failure;
    integration_entity_check(wanted->entity_type, exchange->arena, &problem);
    if (!text_is_set(wanted->entity_id))
        failure_add_field(&problem, exchange->arena, TEXT("entity_id"), TEXT("is required"));
    return problem;
}

static const struct failure *run_mappings(struct exchange *exchange, struct transaction *transaction)
{
    const struct integration_mapping *wanted = exchange->input;

    *(struct record_list *)exchange->result =
        integration_mappings(transaction, wanted->entity_type, wanted->entity_id);
    return NULL;
}

/* All of them in one page, which says so by its zeros (conventions section 16). */
static void render_mappings(struct exchange *exchange, struct json_writer *writer)
{
    static const struct page whole = {.limit = 0, .offset = 0};
    const struct record_list *list = exchange->result;
    const struct integration_mapping *mappings = list->records;

    json_begin_object(writer);
    json_key(writer, TEXT("items"));
    json_begin_array(writer);
    for (size_t i = 0; i < list->count; i++)
        write_mapping(writer, &mappings[i], exchange->call.scope);
    json_end_array(writer);
    paging_write(writer, &whole, (int64_t)list->count);
    json_end_object(writer);
}

/* ---- what is synchronized ---- */

static const struct failure *run_config(struct exchange *exchange, struct transaction *transaction)
{
    exchange->result = ARENA_NEW(exchange->arena, struct record_list);
    *(struct record_list *)exchange->result = connections_synchronized(transaction);
    return NULL;
}

static void write_switches(struct json_writer *writer, enum sync_subject subject, bool inbound, bool outbound)
{
    json_key(writer, sync_subject_names[subject]);
    json_begin_object(writer);
    json_put_bool(writer, TEXT("inbound"), inbound);
    json_put_bool(writer, TEXT("outbound"), outbound);
    json_end_object(writer);
}

static void write_base(struct json_writer *writer, const struct provider *provider)
{
    json_key(writer, TEXT("base_config"));
    json_begin_object(writer);
    for (unsigned i = 0; i < SYNC_SUBJECTS; i++)
        write_switches(writer, (enum sync_subject)i, provider->base[i] & SYNC_INBOUND,
                       provider->base[i] & SYNC_OUTBOUND);
    json_end_object(writer);
}

static bool is_on(const struct json_value *subject, struct text direction)
{
    const struct json_value *value = json_member(subject, direction);

    return value && value->type == JSON_TRUE;
}

static void write_current(struct json_writer *writer, const struct connection_sync *connection,
                          struct arena *arena)
{
    struct text config =
        text_is_set(connection->sync_config) ? connection->sync_config : connection_sync_default;
    struct json_error error;
    const struct json_value *object = json_read(arena, config, &error);

    json_key(writer, TEXT("current_config"));
    json_begin_object(writer);
    for (unsigned i = 0; i < SYNC_SUBJECTS_SHOWN; i++) {
        const struct json_value *subject = object ? json_member(object, sync_subject_names[i]) : NULL;

        if (subject)
            write_switches(writer, (enum sync_subject)i, is_on(subject, TEXT("inbound")),
                           is_on(subject, TEXT("outbound")));
    }
    json_end_object(writer);
}

static void render_config(struct exchange *exchange, struct json_writer *writer)
{
    const struct record_list *list = exchange->result;
    const struct connection_sync *connections = list->records;

    json_begin_object(writer);
    json_key(writer, TEXT("integrations"));
    json_begin_array(writer);
    for (size_t i = 0; i < list->count; i++) {
        const struct provider *provider = provider_find(connections[i].provider_type);

        json_begin_object(writer);
        json_put_string(writer, TEXT("provider"), provider->name);
        write_base(writer, provider);
        write_current(writer, &connections[i], exchange->arena);
        json_end_object(writer);
    }
    json_end_array(writer);
    json_end_object(writer);
}

/* ---- the table ---- */

static const struct body_schema link_body = {.name = TEXT_LITERAL("LinkIntegrationMappingRequest"),
                                             .options = integration_link_fields,
                                             .option_count = &integration_link_field_count};
static const struct body_schema delink_body = {.name = TEXT_LITERAL("DelinkIntegrationMappingRequest"),
                                               .options = integration_delink_fields,
                                               .option_count = &integration_delink_field_count};

static const struct entity link_entity = {.name = TEXT_LITERAL("link"),
                                          .schema = TEXT_LITERAL("LinkIntegrationMappingResponse")};
static const struct entity config_entity = {.name = TEXT_LITERAL("config"),
                                            .schema = TEXT_LITERAL("IntegrationConfigResponse")};
struct config_shape {
    struct text provider, base_config, current_config;
};
static const struct field config_fields[] = {
    {FIELD(struct config_shape, provider, FIELD_TEXT)},
    {FIELD(struct config_shape, base_config, FIELD_JSON_OBJECT)},
    {FIELD(struct config_shape, current_config, FIELD_JSON_OBJECT)},
};
static const struct entity config_entry_entity = {
    .name = TEXT_LITERAL("config_entry"),
    .schema = TEXT_LITERAL("IntegrationConfigEntry"),
    ENTITY_FIELDS(config_fields),
    .struct_size = sizeof(struct config_shape),
};

static const struct reply_schema mapping_reply = {.entity = &integration_mapping_entity};
static const struct member_schema link_members[] = {{TEXT_LITERAL("mapping"), &mapping_reply, false},
                                                    {.schema = NULL}};
static const struct reply_schema link_reply = {.entity = &link_entity, .members = link_members};
static const struct reply_schema delink_reply = {.entity = &message_entity};
static const struct reply_schema mappings_reply = {.entity = &integration_mapping_entity,
                                                   .page_name =
                                                       TEXT_LITERAL("ListEntityIntegrationMappingsResponse")};
static const struct reply_schema config_entry_reply = {.entity = &config_entry_entity};
static const struct member_schema config_members[] = {
    {TEXT_LITERAL("integrations"), &config_entry_reply, true}, {.schema = NULL}};
static const struct reply_schema config_reply = {.entity = &config_entity, .members = config_members};

static const struct query_parameter mappings_parameters[] = {
    {TEXT_LITERAL("entity_type"), TEXT_LITERAL("What the entity is: `customer`. Required.")},
    {TEXT_LITERAL("entity_id"), TEXT_LITERAL("Its id. Required.")},
    {{NULL, 0}, {NULL, 0}},
};
static const struct query_parameter delink_parameters[] = {
    {TEXT_LITERAL("entity_type"), TEXT_LITERAL("As in the body, for clients that cannot send one.")},
    {TEXT_LITERAL("entity_id"), TEXT_LITERAL("The same.")},
    {TEXT_LITERAL("provider_type"), TEXT_LITERAL("The same.")},
    {{NULL, 0}, {NULL, 0}},
};

#define INTEGRATION_ROUTE(route_method, route_path, act, route_lane, id, text)                               \
    .method = (route_method), .path = TEXT_LITERAL(route_path),                                              \
    .permission = {TEXT_LITERAL("integration"), (act)}, .lane = (route_lane), .status = 200,                 \
    .operation_id = TEXT_LITERAL(id), .summary = TEXT_LITERAL(text), .tag = TEXT_LITERAL("Integrations")

static const struct route routes[] = {
    {INTEGRATION_ROUTE(HTTP_POST, "/v1/integrations/link", PERMISSION_WRITE, LANE_WRITE,
                       "linkIntegrationMapping", "Say what a provider calls an entity"),
     .may_miss = true, .has_body = true, .looks_first = true, .parse = parse_link, .run = run_link,
     .render = render_link, .body = &link_body, .reply = &link_reply},
    {INTEGRATION_ROUTE(HTTP_DELETE, "/v1/integrations/link", PERMISSION_WRITE, LANE_WRITE,
                       "delinkIntegrationMapping", "Archive the mapping of an entity to a provider"),
     .may_miss = true, .has_body = true, .is_body_optional = true, .parse = parse_delink, .run = run_delink,
     .render = render_delink, .body = &delink_body, .reply = &delink_reply,
     .query_parameters = delink_parameters},
    {INTEGRATION_ROUTE(HTTP_GET, "/v1/integrations/mappings", PERMISSION_READ, LANE_READ,
                       "getEntityIntegrationMappings", "List the mappings of an entity"),
     .parse = parse_mappings, .run = run_mappings, .render = render_mappings, .reply = &mappings_reply,
     .query_parameters = mappings_parameters},
    {INTEGRATION_ROUTE(HTTP_GET, "/v1/integrations/config", PERMISSION_READ, LANE_READ,
                       "getIntegrationConfig", "What providers can synchronize, and what is switched on"),
     .run = run_config, .render = render_config, .reply = &config_reply},
};

const struct route_table integration_routes = ROUTE_TABLE(routes);
