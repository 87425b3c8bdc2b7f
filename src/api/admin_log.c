/* admin_log.c: the level of the log, shown and changed while the server runs: what `farthing log level` talks
 * to. */
#include "api/resources.h"
#include "base/log.h"
#include "model/entity_json.h"

static const struct failure *parse_level(struct exchange *exchange)
{
    const struct json_value *value = json_member(exchange->body, TEXT("level"));
    enum log_level *level = ARENA_NEW(exchange->arena, enum log_level);
    struct failure *failure = NULL;

    exchange->input = level;
    if (value && value->type == JSON_STRING && log_level_find(value->text, level))
        return NULL;
    failure_add_field(&failure, exchange->arena, TEXT("level"),
                      TEXT("must be debug, info, warning or error"));
    return failure;
}

static void tell(enum log_level from, enum log_level to)
{
    LOG_INFO("log level changed", LOG_TEXT("from", log_level_name(from)), LOG_TEXT("to", log_level_name(to)));
}

/* The change is told of while the more talkative of the two levels is in force. */
static void render_level(struct exchange *exchange, struct json_writer *writer)
{
    const enum log_level *to = exchange->input;
    enum log_level from = log_get_level();

    if (to && *to > from)
        tell(from, *to);
    if (to)
        log_set_level(*to);
    if (to && *to < from)
        tell(from, *to);
    json_begin_object(writer);
    json_put_string(writer, TEXT("level"), log_level_name(log_get_level()));
    json_end_object(writer);
}

static const struct route routes[] = {
    {.method = HTTP_GET,
     .path = TEXT_LITERAL("/admin/log"),
     .access = ACCESS_ADMIN,
     .lane = LANE_NONE,
     .status = 200,
     .render = render_level},
    {.method = HTTP_PUT,
     .path = TEXT_LITERAL("/admin/log"),
     .access = ACCESS_ADMIN,
     .lane = LANE_NONE,
     .status = 200,
     .has_body = true,
     .parse = parse_level,
     .render = render_level},
};

const struct route_table admin_log_routes = ROUTE_TABLE(routes);
