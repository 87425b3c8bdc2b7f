#include "api/openapi.h"
#include "api/paging.h"
#include "api/search.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { STATUS_TEXT_MAX = 16, SCHEMAS_MAX = 256 };

static const struct text error_schema = TEXT_LITERAL("ErrorResponse");

static void string_member(struct json_writer *writer, const char *key, struct text value)
{
    json_put_string(writer, text_from_string(key), value);
}

static void begin_member(struct json_writer *writer, const char *key)
{
    json_key(writer, text_from_string(key));
    json_begin_object(writer);
}

static void write_reference(struct json_writer *writer, struct text schema)
{
    struct arena arena;

    arena_init(&arena);
    string_member(writer, "$ref", arena_format(&arena, "#/components/schemas/%.*s", TEXT_FORMAT(schema)));
    arena_free(&arena);
}

/* What stands beside a reference does not count, unless it is in a list. */
static void write_nullable_reference(struct json_writer *writer, struct text schema)
{
    json_put_bool(writer, TEXT("nullable"), true);
    json_key(writer, TEXT("allOf"));
    json_begin_array(writer);
    json_begin_object(writer);
    write_reference(writer, schema);
    json_end_object(writer);
    json_end_array(writer);
}

/* ---- schemas ---- */

static void write_values(struct json_writer *writer, const struct text *values)
{
    json_key(writer, TEXT("enum"));
    json_begin_array(writer);
    for (; values->data; values++)
        json_string(writer, *values);
    json_end_array(writer);
}

static void write_string_schema(struct json_writer *writer, const struct field *field)
{
    string_member(writer, "type", TEXT("string"));
    if (field->length_max) {
        json_put_int64(writer, TEXT("maxLength"), (int64_t)field->length_max);
    }
    if (field->values)
        write_values(writer, field->values);
}

/* Of an object, or of each element of an array. */
static void write_object_schema(struct json_writer *writer, const struct field *field)
{
    if (field->shape)
        write_reference(writer, field->shape->schema);
    else if (field->type == FIELD_JSON_OBJECT) /* what is in an array can be anything */
        string_member(writer, "type", TEXT("object"));
}

static void write_field_schema(struct json_writer *writer, const struct field *field)
{
    json_key(writer, field->name);
    json_begin_object(writer);
    switch (field->type) {
    case FIELD_BOOLEAN:
        string_member(writer, "type", TEXT("boolean"));
        break;
    case FIELD_INTEGER:
        string_member(writer, "type", TEXT("integer"));
        break;
    case FIELD_INSTANT:
        string_member(writer, "type", TEXT("string"));
        string_member(writer, "format", TEXT("date-time"));
        break;
    case FIELD_STRING_MAP:
        string_member(writer, "type", TEXT("object"));
        json_put_bool(writer, TEXT("nullable"), true);
        begin_member(writer, "additionalProperties");
        string_member(writer, "type", TEXT("string"));
        json_end_object(writer);
        break;
    case FIELD_STRING_LIST:
        string_member(writer, "type", TEXT("array"));
        begin_member(writer, "items");
        string_member(writer, "type", TEXT("string"));
        json_end_object(writer);
        break;
    case FIELD_JSON_OBJECT:
        write_object_schema(writer, field);
        break;
    case FIELD_JSON_ARRAY:
        string_member(writer, "type", TEXT("array"));
        begin_member(writer, "items");
        write_object_schema(writer, field);
        json_end_object(writer);
        break;
    default:
        write_string_schema(writer, field);
        break;
    }
    if (field->flags & FIELD_NULLABLE) {
        json_put_bool(writer, TEXT("nullable"), true);
    }
    json_end_object(writer);
}

/* The properties that have one of `flags` and none of `not_flags`; all of them when `flags` is 0. */
static void write_properties(struct json_writer *writer, const struct field *fields, size_t count,
                             unsigned flags, unsigned not_flags)
{
    for (size_t i = 0; i < count; i++)
        if ((!flags || fields[i].flags & flags) && !(fields[i].flags & not_flags))
            write_field_schema(writer, &fields[i]);
}

static bool is_required_reply(const struct field *field)
{
    return !(field->flags & (FIELD_INTERNAL | FIELD_OMIT_UNSET | FIELD_OMIT_EMPTY));
}

static bool is_required_input(const struct field *field)
{
    return (field->flags & FIELD_INPUT) && (field->flags & FIELD_REQUIRED);
}

static void write_required(struct json_writer *writer, const struct field *fields, size_t count,
                           bool (*is_required)(const struct field *field))
{
    for (size_t i = 0; i < count; i++)
        if (is_required(&fields[i]))
            json_string(writer, fields[i].name);
}

static void write_list_schema(struct json_writer *writer, struct text name, struct text schema)
{
    json_key(writer, name);
    json_begin_object(writer);
    string_member(writer, "type", TEXT("array"));
    begin_member(writer, "items");
    write_reference(writer, schema);
    json_end_object(writer);
    json_end_object(writer);
}

static struct text schema_name(const struct reply_schema *reply)
{
    return text_is_set(reply->name) ? reply->name : reply->entity->schema;
}

static void write_members(struct json_writer *writer, const struct member_schema *member)
{
    for (; member && member->name.data; member++) {
        if (member->is_list) {
            write_list_schema(writer, member->name, schema_name(member->schema));
            continue;
        }
        json_key(writer, member->name);
        json_begin_object(writer);
        if (member->is_nullable)
            write_nullable_reference(writer, schema_name(member->schema));
        else
            write_reference(writer, schema_name(member->schema));
        json_end_object(writer);
    }
}

static void write_reply_required(struct json_writer *writer, const struct reply_schema *reply)
{
    json_key(writer, TEXT("required"));
    json_begin_array(writer);
    write_required(writer, reply->entity->fields, reply->entity->field_count, is_required_reply);
    write_required(writer, reply->fields, reply->field_count, is_required_reply);
    for (const struct member_schema *member = reply->members; member && member->name.data; member++)
        json_string(writer, member->name);
    json_end_array(writer);
}

static void write_reply_schema(struct json_writer *writer, const struct reply_schema *reply)
{
    json_key(writer, schema_name(reply));
    json_begin_object(writer);
    string_member(writer, "type", TEXT("object"));
    write_reply_required(writer, reply);
    begin_member(writer, "properties");
    write_properties(writer, reply->entity->fields, reply->entity->field_count, 0, FIELD_INTERNAL);
    write_properties(writer, reply->fields, reply->field_count, 0, FIELD_INTERNAL);
    if (reply->list_entity)
        write_list_schema(writer, reply->list_name, reply->list_entity->schema);
    write_members(writer, reply->members);
    json_end_object(writer);
    json_end_object(writer);
}

static void write_page_schema(struct json_writer *writer, const struct reply_schema *reply)
{
    json_key(writer, reply->page_name);
    json_begin_object(writer);
    string_member(writer, "type", TEXT("object"));
    json_key(writer, TEXT("required"));
    json_raw(writer, TEXT("[\"items\",\"pagination\"]"));
    begin_member(writer, "properties");
    write_list_schema(writer, TEXT("items"), schema_name(reply));
    json_key(writer, TEXT("pagination"));
    json_raw(
        writer,
        TEXT("{\"type\":\"object\",\"required\":[\"total\",\"limit\",\"offset\"],\"properties\":{\"total\":{"
             "\"type\":\"integer\"},\"limit\":{\"type\":\"integer\"},\"offset\":{\"type\":\"integer\"}}}"));
    write_properties(writer, reply->page_fields, reply->page_field_count, 0, FIELD_INTERNAL);
    json_end_object(writer);
    json_end_object(writer);
}

/* The tables of the members that an object in a request has. */
enum { TABLES_MAX = 4 };
struct field_tables {
    struct {
        const struct field *fields;
        size_t count;
        bool is_change; /* none need be given */
    } tables[TABLES_MAX];
    size_t count;
};

static void add_table(struct field_tables *tables, const struct field *fields, size_t count, bool is_change)
{
    tables->tables[tables->count].fields = fields;
    tables->tables[tables->count].count = count;
    tables->tables[tables->count++].is_change = is_change;
}

static struct field_tables tables_of_body(const struct body_schema *body)
{
    struct field_tables tables = {.count = 0};

    if (body->entity)
        add_table(&tables, body->entity->fields, body->entity->field_count, body->is_change);
    if (body->options)
        add_table(&tables, body->options, *body->option_count, false);
    if (body->is_search) {
        add_table(&tables, paging_fields, PAGING_FIELDS, false);
        add_table(&tables, search_fields, SEARCH_FIELDS, false);
    }
    return tables;
}

static void write_input_required(struct json_writer *writer, const struct field_tables *tables)
{
    json_key(writer, TEXT("required"));
    json_begin_array(writer);
    for (size_t i = 0; i < tables->count; i++)
        if (!tables->tables[i].is_change)
            write_required(writer, tables->tables[i].fields, tables->tables[i].count, is_required_input);
    json_end_array(writer);
}

/* `parent` has a member that is an object of its own; NULL: there is none. */
static void write_input_schema(struct json_writer *writer, struct text name,
                               const struct field_tables *tables, const struct body_schema *parent)
{
    json_key(writer, name);
    json_begin_object(writer);
    string_member(writer, "type", TEXT("object"));
    write_input_required(writer, tables);
    begin_member(writer, "properties");
    for (size_t i = 0; i < tables->count; i++)
        write_properties(writer, tables->tables[i].fields, tables->tables[i].count, FIELD_INPUT, 0);
    if (parent) {
        json_key(writer, parent->member_name);
        json_begin_object(writer);
        write_reference(writer, parent->member->name);
        json_end_object(writer);
    }
    json_end_object(writer);
    json_end_object(writer);
}

static void write_error_schema(struct json_writer *writer)
{
    json_key(writer, error_schema);
    json_raw(writer, TEXT("{\"type\":\"object\",\"required\":[\"code\",\"message\",\"http_status_code\","
                          "\"success\",\"error\"],"
                          "\"properties\":{\"code\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"},"
                          "\"http_status_code\":{\"type\":\"integer\"},\"details\":{\"type\":\"object\"},"
                          "\"success\":{\"type\":\"boolean\"},\"error\":{\"type\":\"object\",\"properties\":{"
                          "\"message\":{\"type\":\"string\"},\"internal_error\":{\"type\":\"string\"},"
                          "\"details\":{\"type\":\"object\"}}}}}"));
}

struct written {
    struct text names[SCHEMAS_MAX];
    unsigned count;
};

/* Whether a schema of this name comes for the first time. */
static bool is_new(struct written *written, struct text name)
{
    for (unsigned i = 0; i < written->count; i++)
        if (text_equal(written->names[i], name))
            return false;
    assert(written->count < SCHEMAS_MAX);
    written->names[written->count++] = name;
    return true;
}

/* A schema, and those that it refers to: how deep, the tables of the routes say. */
static void write_reply_schemas(struct json_writer *writer, const struct reply_schema *reply,
                                struct written *written)
{
    if (is_new(written, schema_name(reply)))
        write_reply_schema(writer, reply);
    if (text_is_set(reply->page_name) && is_new(written, reply->page_name))
        write_page_schema(writer, reply);
    if (reply->list_entity && is_new(written, reply->list_entity->schema))
        write_reply_schema(writer, &(struct reply_schema){.entity = reply->list_entity});
    for (const struct member_schema *member = reply->members; member && member->name.data; member++)
        write_reply_schemas(writer, member->schema, written);
}

/* The schemas that fields refer to. */
static void write_shapes(struct json_writer *writer, const struct field_tables *tables,
                         struct written *written)
{
    for (size_t i = 0; i < tables->count; i++)
        for (size_t j = 0; j < tables->tables[i].count; j++) {
            const struct object_shape *shape = tables->tables[i].fields[j].shape;
            struct field_tables inner = {.count = 0};

            if (!shape || !is_new(written, shape->schema))
                continue;
            add_table(&inner, shape->fields, shape->field_count, false);
            write_input_schema(writer, shape->schema, &inner, NULL);
            write_shapes(writer, &inner, written);
        }
}

static void write_body_schemas(struct json_writer *writer, const struct body_schema *body,
                               struct written *written)
{
    const struct field_tables tables = tables_of_body(body);

    if (!is_new(written, body->name))
        return;
    write_input_schema(writer, body->name, &tables, body->member ? body : NULL);
    write_shapes(writer, &tables, written);
}

static void write_schemas_of(struct json_writer *writer, const struct route *route, struct written *written)
{
    for (const struct body_schema *body = route->body; body; body = body->member)
        write_body_schemas(writer, body, written);
    if (route->reply)
        write_reply_schemas(writer, route->reply, written);
}

/* ---- operations ---- */

static void write_content(struct json_writer *writer, struct text schema)
{
    begin_member(writer, "content");
    begin_member(writer, "application/json");
    begin_member(writer, "schema");
    write_reference(writer, schema);
    json_end_object(writer);
    json_end_object(writer);
    json_end_object(writer);
}

static void write_string_type(struct json_writer *writer)
{
    begin_member(writer, "schema");
    string_member(writer, "type", TEXT("string"));
    json_end_object(writer);
}

/* The header that tells a reply that was given before, where there are such. */
static void write_replay_header(struct json_writer *writer)
{
    begin_member(writer, "headers");
    begin_member(writer, "Idempotent-Replayed");
    string_member(
        writer, "description",
        TEXT("`true`: a request with the same Idempotency-Key was given this reply before, and nothing "
             "was done again."));
    write_string_type(writer);
    json_end_object(writer);
    json_end_object(writer);
}

static void write_response(struct json_writer *writer, int status, const char *description,
                           struct text schema, bool is_replayable)
{
    char text[STATUS_TEXT_MAX];

    snprintf(text, sizeof text, "%d", status);
    begin_member(writer, text);
    string_member(writer, "description", text_from_string(description));
    if (is_replayable)
        write_replay_header(writer);
    write_content(writer, schema);
    json_end_object(writer);
}

static void write_empty_response(struct json_writer *writer, int status)
{
    char text[STATUS_TEXT_MAX];

    snprintf(text, sizeof text, "%d", status);
    begin_member(writer, text);
    string_member(writer, "description", TEXT("Done"));
    json_end_object(writer);
}

static void write_responses(struct json_writer *writer, const struct route *route)
{
    bool is_replayable = route_is_idempotent(route);

    begin_member(writer, "responses");
    if (route->reply)
        write_response(writer, route->status, "Success",
                       text_is_set(route->reply->page_name) ? route->reply->page_name
                                                            : schema_name(route->reply),
                       is_replayable);
    else
        write_empty_response(writer, route->status);
    write_response(writer, 400, "The request is not valid", error_schema, is_replayable);
    if (route->access != ACCESS_PUBLIC)
        write_response(writer, 401, "No valid credentials", error_schema, false);
    write_response(writer, 403, "Not permitted", error_schema, false);
    if (route->may_miss || text_find(route->path, '{') < route->path.length)
        write_response(writer, 404, "There is no such thing", error_schema, is_replayable);
    if (is_replayable)
        write_response(writer, 409,
                       "A unique value is taken, or the Idempotency-Key was used for another request",
                       error_schema, true);
    else if (route->lane == LANE_WRITE)
        write_response(writer, 409, "A unique value is taken", error_schema, false);
    write_response(writer, 429, "Too many requests, or too many that failed", error_schema, false);
    write_response(writer, 503, "The database cannot be used right now", error_schema, false);
    json_end_object(writer);
}

static void write_parameter(struct json_writer *writer, struct text name, struct text place,
                            struct text description)
{
    json_begin_object(writer);
    string_member(writer, "name", name);
    string_member(writer, "in", place);
    json_put_bool(writer, TEXT("required"), text_equal(place, TEXT("path")));
    if (text_is_set(description))
        string_member(writer, "description", description);
    write_string_type(writer);
    json_end_object(writer);
}

static void write_parameters(struct json_writer *writer, const struct route *route)
{
    struct text rest = route->path;

    json_key(writer, TEXT("parameters"));
    json_begin_array(writer);
    for (;;) {
        rest = text_from(rest, text_find(rest, '{') + 1);
        if (rest.length == 0)
            break;
        write_parameter(writer, text_slice(rest, 0, text_find(rest, '}')), TEXT("path"), text_none);
    }
    for (const struct query_parameter *query = route->query_parameters; query && query->name.data; query++)
        write_parameter(writer, query->name, TEXT("query"), query->description);
    if (route_is_idempotent(route))
        write_parameter(
            writer, TEXT("Idempotency-Key"), TEXT("header"),
            TEXT("Makes it safe to send the request again: 1 to 255 visible ASCII characters that "
                 "nobody can guess, such as a UUID. The same request with the same key gets the "
                 "reply that the first one got; another request with it is a 409."));
    json_end_array(writer);
}

static void write_operation(struct json_writer *writer, const struct route *route)
{
    static const char *const methods[] = {"get", "post", "put", "delete"};

    begin_member(writer, methods[route->method]);
    string_member(writer, "operationId", route->operation_id);
    string_member(writer, "summary", route->summary);
    json_key(writer, TEXT("tags"));
    json_begin_array(writer);
    json_string(writer, route->tag);
    json_end_array(writer);
    if (route->access == ACCESS_PUBLIC || route->access == ACCESS_PORTAL) {
        json_key(writer, TEXT("security"));
        json_raw(writer, route->access == ACCESS_PUBLIC ? TEXT("[]") : TEXT("[{\"SessionToken\":[]}]"));
    }
    write_parameters(writer, route);
    if (route->body) {
        begin_member(writer, "requestBody");
        json_put_bool(writer, TEXT("required"), true);
        write_content(writer, route->body->name);
        json_end_object(writer);
    }
    write_responses(writer, route);
    json_end_object(writer);
}

static bool is_described(const struct route *route)
{
    return text_is_set(route->operation_id);
}

/* All operations of one path, when `route` is the first of the table with that path. */
static void write_path(struct json_writer *writer, const struct route_table *table, const struct route *route)
{
    for (const struct route *earlier = table->routes; earlier < route; earlier++)
        if (is_described(earlier) && text_equal(earlier->path, route->path))
            return;
    json_key(writer, route->path);
    json_begin_object(writer);
    for (size_t i = 0; i < table->count; i++)
        if (is_described(&table->routes[i]) && text_equal(table->routes[i].path, route->path))
            write_operation(writer, &table->routes[i]);
    json_end_object(writer);
}

static void write_components(struct json_writer *writer, const struct route_table *const *tables)
{
    struct written written = {0};

    begin_member(writer, "components");
    begin_member(writer, "securitySchemes");
    begin_member(writer, "ApiKeyAuth");
    string_member(writer, "type", TEXT("apiKey"));
    string_member(writer, "name", TEXT("x-api-key"));
    string_member(writer, "in", TEXT("header"));
    json_end_object(writer);
    begin_member(writer, "SessionToken");
    string_member(writer, "type", TEXT("apiKey"));
    string_member(writer, "name", TEXT("X-Session-Token"));
    string_member(writer, "in", TEXT("header"));
    json_end_object(writer);
    json_end_object(writer);
    begin_member(writer, "schemas");
    write_error_schema(writer);
    for (; *tables; tables++)
        for (size_t i = 0; i < (*tables)->count; i++)
            write_schemas_of(writer, &(*tables)->routes[i], &written);
    json_end_object(writer);
    json_end_object(writer);
}

void openapi_write(struct buffer *buffer, const struct route_table *const *tables)
{
    struct json_writer writer;

    json_writer_init(&writer, buffer);
    json_begin_object(&writer);
    string_member(&writer, "openapi", TEXT("3.0.3"));
    begin_member(&writer, "info");
    string_member(&writer, "title", TEXT("Farthing"));
    string_member(&writer, "version", TEXT(FARTHING_VERSION));
    json_end_object(&writer);
    json_key(&writer, TEXT("security"));
    json_raw(&writer, TEXT("[{\"ApiKeyAuth\":[]}]"));
    begin_member(&writer, "paths");
    for (const struct route_table *const *table = tables; *table; table++)
        for (size_t i = 0; i < (*table)->count; i++)
            if (is_described(&(*table)->routes[i]))
                write_path(&writer, *table, &(*table)->routes[i]);
    json_end_object(&writer);
    write_components(&writer, tables);
    json_end_object(&writer);
}
