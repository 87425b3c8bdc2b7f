/* admin_outbox.c: the outbox for the operator, over the admin socket: what `farthing outbox` talks to. */
#include "api/resources.h"
#include "domain/outbox.h"
#include "domain/tenancy.h"
#include "model/entity_json.h"

enum { LIST_DEFAULT = 50, LIST_MAX = 1000, FOLLOW_MAX = 200, MICROSECONDS_PER_MILLISECOND = 1000 };

struct outbox_question {
    struct text tenant, environment; /* id or name; both unset: all */
    int64_t limit, after;
};

struct outbox_answer {
    bool is_of_one; /* environment: `scope` */
    struct scope scope;
    struct record_list events; /* struct outbox_event */
};

static const struct failure *read_names(struct exchange *exchange, struct outbox_question *question)
{
    const struct failure *failure = exchange_query(exchange, TEXT("tenant"), &question->tenant);

    return failure ? failure : exchange_query(exchange, TEXT("environment"), &question->environment);
}

static const struct failure *parse_list(struct exchange *exchange)
{
    struct outbox_question *question = ARENA_NEW(exchange->arena, struct outbox_question);
    const struct failure *failure = read_names(exchange, question);

    exchange->input = question;
    return failure
               ? failure
               : exchange_query_number(exchange, TEXT("limit"), 1, LIST_MAX, LIST_DEFAULT, &question->limit);
}

static const struct failure *parse_follow(struct exchange *exchange)
{
    struct outbox_question *question = ARENA_NEW(exchange->arena, struct outbox_question);
    const struct failure *failure = read_names(exchange, question);

    exchange->input = question;
    return failure ? failure
                   : exchange_query_number(exchange, TEXT("after"), 0, INT64_MAX, 0, &question->after);
}

static const struct failure *find_scope(struct exchange *exchange, struct transaction *transaction,
                                        struct outbox_answer *answer)
{
    const struct outbox_question *question = exchange->input;

    answer->is_of_one = text_is_set(question->tenant) || text_is_set(question->environment);
    return answer->is_of_one
               ? environment_find_named(transaction, question->tenant, question->environment, &answer->scope)
               : NULL;
}

static const struct failure *run_list(struct exchange *exchange, struct transaction *transaction)
{
    const struct outbox_question *question = exchange->input;
    struct outbox_answer *answer = ARENA_NEW(exchange->arena, struct outbox_answer);
    const struct failure *failure = find_scope(exchange, transaction, answer);

    exchange->result = answer;
    if (!failure)
        answer->events =
            outbox_newest(transaction, answer->is_of_one ? &answer->scope : NULL, question->limit);
    return failure;
}

static const struct failure *run_follow(struct exchange *exchange, struct transaction *transaction)
{
    const struct outbox_question *question = exchange->input;
    struct outbox_answer *answer = ARENA_NEW(exchange->arena, struct outbox_answer);
    const struct failure *failure = find_scope(exchange, transaction, answer);

    exchange->result = answer;
    if (!failure)
        answer->events = outbox_after(transaction, question->after, FOLLOW_MAX);
    return failure;
}

static void write_event(struct json_writer *writer, const struct outbox_event *event)
{
    json_begin_object(writer);
    entity_write_members(writer, &outbox_event_entity, event, NULL);
    json_end_object(writer);
}

static void render_list(struct exchange *exchange, struct json_writer *writer)
{
    const struct outbox_answer *answer = exchange->result;
    const struct outbox_event *events = answer->events.records;

    json_begin_object(writer);
    json_key(writer, TEXT("items"));
    json_begin_array(writer);
    for (size_t i = 0; i < answer->events.count; i++)
        write_event(writer, &events[i]);
    json_end_array(writer);
    json_end_object(writer);
}

/* Every event has its place, so that the follower sees gaps; only those that are asked for are shown. */
static void render_follow(struct exchange *exchange, struct json_writer *writer)
{
    const struct outbox_answer *answer = exchange->result;
    const struct outbox_event *events = answer->events.records;

    json_begin_object(writer);
    json_key(writer, TEXT("items"));
    json_begin_array(writer);
    for (size_t i = 0; i < answer->events.count; i++) {
        bool is_wanted =
            !answer->is_of_one || text_equal(events[i].environment_id, answer->scope.environment_id);

        json_begin_object(writer);
        json_put_int64(writer, TEXT("sequence"), events[i].sequence);
        json_put_int64(writer, TEXT("age_ms"),
                       (exchange->call.now_us - events[i].created_at) / MICROSECONDS_PER_MILLISECOND);
        if (is_wanted) {
            json_key(writer, TEXT("event"));
            write_event(writer, &events[i]);
        }
        json_end_object(writer);
    }
    json_end_array(writer);
    json_put_bool(writer, TEXT("more"), answer->events.count == FOLLOW_MAX);
    json_end_object(writer);
}

static const struct route routes[] = {
    {.method = HTTP_GET,
     .path = TEXT_LITERAL("/admin/outbox"),
     .access = ACCESS_ADMIN,
     .lane = LANE_READ,
     .status = 200,
     .parse = parse_list,
     .run = run_list,
     .render = render_list},
    {.method = HTTP_GET,
     .path = TEXT_LITERAL("/admin/outbox/follow"),
     .access = ACCESS_ADMIN,
     .lane = LANE_READ,
     .status = 200,
     .parse = parse_follow,
     .run = run_follow,
     .render = render_follow},
};

const struct route_table admin_outbox_routes = ROUTE_TABLE(routes);
