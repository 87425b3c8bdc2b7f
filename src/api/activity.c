/* activity.c: /v1/activity: who has changed what, and when. Not in the published contract (docs/audit.md). */
#include "domain/activity.h"
#include "api/paging.h"
#include "api/resources.h"
#include "base/instant.h"
#include "model/entity_json.h"

struct search {
    struct page paging;
    struct activity_filter filter;
    struct activity_page page;
};

/* ---- list ---- */

static const struct failure *read_text(struct exchange *exchange, const char *name, struct text *value)
{
    const struct failure *failure = exchange_query(exchange, text_from_string(name), value);

    if (!text_is_set(*value))
        *value = text_empty;
    return failure;
}

static const struct failure *read_options(struct exchange *exchange, struct search *search)
{
    struct activity_filter *filter = &search->filter;
    struct list_options options;
    struct failure *invalid = NULL;
    const struct failure *failure = paging_read_query(exchange, &options);

    if (failure)
        return failure;
    if (options.is_ascending)
        failure_add_field(&invalid, exchange->arena, TEXT("order"), TEXT("must be desc, the newest first"));
    search->paging = options.page;
    filter->limit = options.page.limit;
    filter->offset = options.page.offset;
    filter->start_time = options.start_time == INSTANT_UNSET ? INSTANT_MIN_US : options.start_time;
    filter->end_time = options.end_time == INSTANT_UNSET ? INSTANT_MAX_US : options.end_time;
    return invalid;
}

static const struct failure *parse_list(struct exchange *exchange)
{
    struct search *search = ARENA_NEW(exchange->arena, struct search);
    struct activity_filter *filter = &search->filter;
    const struct {
        const char *name;
        struct text *value;
    } texts[] = {
        {"entity_type", &filter->entity_type}, {"entity_id", &filter->entity_id},
        {"actor_id", &filter->actor_id},       {"action", &filter->action},
        {"request_id", &filter->request_id},
    };
    const struct failure *failure = NULL;

    exchange->input = exchange->result = search;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && !failure; i++)
        failure = read_text(exchange, texts[i].name, texts[i].value);
    return failure ? failure : read_options(exchange, search);
}

/* `allowance` must live as long as the viewer. */
static struct activity_viewer viewer_of(const struct exchange *exchange,
                                        struct environment_allowance *allowance)
{
    *allowance = exchange_allowance(exchange);
    return (struct activity_viewer){
        .sees_all_keys = exchange_actor(exchange).is_super_admin,
        .may_see_environment = allowance->identities->has_allow_list ? environment_allows : NULL,
        .context = allowance,
    };
}

static const struct failure *run_list(struct exchange *exchange, struct transaction *transaction)
{
    struct search *search = exchange->result;
    struct environment_allowance allowance;
    const struct activity_viewer viewer = viewer_of(exchange, &allowance);
    enum activity_effort effort = exchange->is_slow ? ACTIVITY_THOROUGH : ACTIVITY_QUICK;

    activity_search(transaction, &viewer, &search->filter, effort, &search->page);
    /* A trail that is longer than a loop may look at. */
    if (!transaction->failure && search->page.searched_until != INSTANT_UNSET)
        exchange->is_slow = true;
    return NULL;
}

static void write_activity(struct exchange *exchange, struct json_writer *writer,
                           const struct activity *activity)
{
    json_begin_object(writer);
    entity_write_members(writer, &activity_entity, activity, exchange->call.scope);
    json_end_object(writer);
}

static void render_list(struct exchange *exchange, struct json_writer *writer)
{
    const struct search *search = exchange->result;
    const struct activity *items = search->page.items.records;

    json_begin_object(writer);
    json_key(writer, TEXT("items"));
    json_begin_array(writer);
    for (size_t i = 0; i < search->page.items.count; i++)
        write_activity(exchange, writer, &items[i]);
    json_end_array(writer);
    paging_write(writer, &search->paging, search->page.total);
    if (search->page.searched_until != INSTANT_UNSET) {
        json_key(writer, TEXT("searched_until"));
        json_value_begin(writer);
        buffer_append_char(writer->buffer, '"');
        instant_append(writer->buffer, search->page.searched_until);
        buffer_append_char(writer->buffer, '"');
    }
    json_end_object(writer);
}

/* ---- get ---- */

static const struct failure *run_get(struct exchange *exchange, struct transaction *transaction)
{
    struct environment_allowance allowance;
    const struct activity_viewer viewer = viewer_of(exchange, &allowance);

    exchange->result = ARENA_NEW(exchange->arena, struct activity);
    return activity_get(transaction, &viewer, exchange->parameters[0], exchange->result);
}

static void render_get(struct exchange *exchange, struct json_writer *writer)
{
    write_activity(exchange, writer, exchange->result);
}

/* ---- the table ---- */

static const struct query_parameter list_parameters[] = {
    {TEXT_LITERAL("entity_type"),
     TEXT_LITERAL("Only changes of such entities: `customer`, `secret`, `user`.")},
    {TEXT_LITERAL("entity_id"), TEXT_LITERAL("Only changes of this one.")},
    {TEXT_LITERAL("actor_id"), TEXT_LITERAL("Only what this user has done.")},
    {TEXT_LITERAL("action"), TEXT_LITERAL("Only `created`, `updated` or `archived`.")},
    {TEXT_LITERAL("request_id"), TEXT_LITERAL("Only what was done in this request.")},
    {TEXT_LITERAL("start_time"), TEXT_LITERAL("Done then or later.")},
    {TEXT_LITERAL("end_time"), TEXT_LITERAL("Done then or earlier.")},
    PAGING_PARAMETERS,
    {{NULL, 0}, {NULL, 0}},
};
static const struct reply_schema activity_reply = {.entity = &activity_entity};
static const struct field page_fields[] = {
    {FIELD(struct activity_page, searched_until, FIELD_INSTANT), .flags = FIELD_OMIT_UNSET},
};
static const struct reply_schema activity_page_reply = {
    .entity = &activity_entity,
    .page_name = TEXT_LITERAL("ListActivityResponse"),
    .page_fields = page_fields,
    .page_field_count = 1,
};

static const struct route routes[] = {
    {.method = HTTP_GET,
     .path = TEXT_LITERAL("/v1/activity"),
     .permission = {TEXT_LITERAL("activity"), PERMISSION_READ},
     .without_environment = true,
     .lane = LANE_READ,
     .status = 200,
     .parse = parse_list,
     .run = run_list,
     .render = render_list,
     .operation_id = TEXT_LITERAL("listActivity"),
     .summary = TEXT_LITERAL("List what was changed, by whom and when; newest first"),
     .tag = TEXT_LITERAL("Activity"),
     .reply = &activity_page_reply,
     .query_parameters = list_parameters},
    {.method = HTTP_GET,
     .path = TEXT_LITERAL("/v1/activity/{id}"),
     .permission = {TEXT_LITERAL("activity"), PERMISSION_READ},
     .without_environment = true,
     .lane = LANE_READ,
     .status = 200,
     .run = run_get,
     .render = render_get,
     .operation_id = TEXT_LITERAL("getActivity"),
     .summary = TEXT_LITERAL("Get one change"),
     .tag = TEXT_LITERAL("Activity"),
     .reply = &activity_reply},
};

const struct route_table activity_routes = ROUTE_TABLE(routes);
