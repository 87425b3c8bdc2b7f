#include "domain/activity.h"
#include "domain/environments.h"
#include "model/secret.h"
#include "store/customer_key.h"
#include "json/writer.h"

#define ID_PREFIX "activity_"

static const struct field activity_fields[] = {
    {FIELD(struct activity, id, FIELD_TEXT)},
    {FIELD(struct activity, entity_type, FIELD_TEXT)},
    {FIELD(struct activity, entity_id, FIELD_TEXT)},
    {FIELD(struct activity, action, FIELD_TEXT)},
    {FIELD(struct activity, actor_id, FIELD_TEXT)},
    {FIELD(struct activity, request_id, FIELD_TEXT)},
    {FIELD(struct activity, occurred_at, FIELD_INSTANT)},
    {FIELD(struct activity, changes, FIELD_JSON_OBJECT)},
};
const struct entity activity_entity = {
    .name = TEXT_LITERAL("activity"),
    .label = TEXT_LITERAL("activity"),
    .schema = TEXT_LITERAL("ActivityResponse"),
    ENTITY_FIELDS(activity_fields),
    .struct_size = sizeof(struct activity),
};

/* An item of the page with what was counted beside it, which is the same in each row: how many rows of the
 * environment and of the tenant were looked at, how many of them are wanted, and when the oldest of the
 * former was written. A page without items is one row without an id. */
struct found {
    int64_t seen, matching, oldest;
    int64_t tenant_seen, tenant_matching, tenant_oldest;
    struct text id;
    struct text entity_type;
    struct text entity_id;
    struct text action;
    struct text actor_id;
    struct text request_id;
    int64_t occurred_at;
    struct text changes;
};
static const struct field found_fields[] = {
    {FIELD(struct found, seen, FIELD_INTEGER)},
    {FIELD(struct found, matching, FIELD_INTEGER)},
    {FIELD(struct found, oldest, FIELD_INSTANT)},
    {FIELD(struct found, tenant_seen, FIELD_INTEGER)},
    {FIELD(struct found, tenant_matching, FIELD_INTEGER)},
    {FIELD(struct found, tenant_oldest, FIELD_INSTANT)},
    {FIELD(struct found, id, FIELD_TEXT)},
    {FIELD(struct found, entity_type, FIELD_TEXT)},
    {FIELD(struct found, entity_id, FIELD_TEXT)},
    {FIELD(struct found, action, FIELD_TEXT)},
    {FIELD(struct found, actor_id, FIELD_TEXT)},
    {FIELD(struct found, request_id, FIELD_TEXT)},
    {FIELD(struct found, occurred_at, FIELD_INSTANT)},
    {FIELD(struct found, changes, FIELD_JSON_OBJECT)},
};
static const struct entity found_entity = {
    .name = TEXT_LITERAL("activity"),
    ENTITY_FIELDS(found_fields),
    .struct_size = sizeof(struct found),
};

/* ---- queries ---- */

#define COLUMNS                                                                                              \
    "'" ID_PREFIX "' || a.sequence AS id, a.entity_type, a.entity_id, a.action, a.actor_id, a.request_id, "  \
    "a.occurred_at, a.changes"
/* struct activity_viewer: $8 and $10 are whether all keys and all environments are shown. */
#define IS_SHOWN                                                                                             \
    "($8 OR entity_type <> 'secret' OR entity_id IN (SELECT id FROM secrets WHERE user_id = $9)) AND "       \
    "($10 OR entity_type <> 'environment' OR entity_id IN ({elements of $11}))"
#define MATCHES                                                                                              \
    "($3 = '' OR entity_type = $3) AND ($4 = '' OR entity_id = $4) AND ($5 = '' OR actor_id = $5) AND "      \
    "($6 = '' OR action = $6) AND ($7 = '' OR request_id = $7) AND " IS_SHOWN
#define IN_TIME "occurred_at >= $1 AND occurred_at <= $2 ORDER BY occurred_at DESC, sequence DESC LIMIT "

/* The newest rows of an environment that an index finds, and those of a tenant: with what MATCHES looks at,
 * or as the index alone has them. */
#define WHOLE "sequence, occurred_at, entity_type, entity_id, actor_id, action, request_id"
#define BARE  "sequence, occurred_at"
#define OF_ENVIRONMENT(columns, by, limit)                                                                   \
    "(SELECT " columns " FROM audit_log WHERE scope = $13 AND " by IN_TIME limit ") e"
#define OF_TENANT(limit)                                                                                     \
    "(SELECT " WHOLE                                                                                         \
    " FROM audit_log WHERE scope = 0 AND tenant_id = $14 AND tenant_id <> '' AND " IN_TIME limit ") t"

#define COUNT(from)                                                                                          \
    "SELECT count(*) AS seen, count(CASE WHEN " MATCHES                                                      \
    " THEN 1 END) AS matching, min(occurred_at) AS oldest FROM " from
#define COUNT_ALL(from) "SELECT count(*) AS seen, count(*) AS matching, min(occurred_at) AS oldest FROM " from

/* One statement, so that what is counted and what is shown are of one moment (conventions section 16). */
#define SEARCH(count_of_environment, list_of_environment)                                                    \
    "SELECT c.seen, c.matching, c.oldest, d.seen AS tenant_seen, d.matching AS tenant_matching, d.oldest "   \
    "AS tenant_oldest, " COLUMNS " FROM (" count_of_environment ") c CROSS JOIN (" COUNT(OF_TENANT(          \
        "$19")) ") d LEFT JOIN (SELECT sequence, occurred_at FROM " list_of_environment                      \
                " UNION ALL SELECT sequence, occurred_at FROM " OF_TENANT(                                   \
                    "$17") " WHERE " MATCHES " ORDER BY occurred_at DESC, sequence DESC LIMIT $15 OFFSET "   \
                           "$16) p ON 1 = 1 LEFT JOIN audit_log a ON a.sequence = p.sequence ORDER BY "      \
                           "p.occurred_at DESC, p.sequence DESC"
/* Rows that must be looked at, and rows that the index has found to be wanted. */
#define LOOK(by)                                                                                             \
    SEARCH(COUNT(OF_ENVIRONMENT(WHOLE, by, "$18")), OF_ENVIRONMENT(WHOLE, by, "$12") " WHERE " MATCHES)
#define TAKE(by) SEARCH(COUNT_ALL(OF_ENVIRONMENT(BARE, by, "$18")), OF_ENVIRONMENT(BARE, by, "$12"))

/* What is looked for first, with an index for each. */
enum index { BY_ENTITY, BY_ACTOR, BY_ACTION, BY_ENTITY_TYPE, BY_TIME, INDEXES };

#define ENTITY      "entity_id = $4 AND "
#define ACTOR       "actor_id = $5 AND "
#define ACTION      "action = $6 AND action <> 'created' AND "
#define ENTITY_TYPE "entity_type = $3 AND "

STORE_QUERY(look_by_entity, &found_entity, LOOK(ENTITY));
STORE_QUERY(look_by_actor, &found_entity, LOOK(ACTOR));
STORE_QUERY(look_by_action, &found_entity, LOOK(ACTION));
STORE_QUERY(look_by_entity_type, &found_entity, LOOK(ENTITY_TYPE));
STORE_QUERY(look_by_time, &found_entity, LOOK(""));
STORE_QUERY(take_by_entity, &found_entity, TAKE(ENTITY));
STORE_QUERY(take_by_actor, &found_entity, TAKE(ACTOR));
STORE_QUERY(take_by_action, &found_entity, TAKE(ACTION));
STORE_QUERY(take_by_entity_type, &found_entity, TAKE(ENTITY_TYPE));
STORE_QUERY(take_by_time, &found_entity, TAKE(""));

STORE_QUERY(get_activity, &activity_entity,
            "SELECT " COLUMNS " FROM audit_log a WHERE a.sequence = $1 AND (a.scope = $2 OR (a.scope = 0 AND "
            "a.tenant_id = $3 AND a.tenant_id <> ''))");

STORE_QUERY(activity_by_entities, &activity_entity,
            "SELECT " COLUMNS
            " FROM audit_log a WHERE a.scope = $1 AND a.entity_id IN ({elements of $2}) ORDER BY a.sequence");

STORE_QUERY(key_by_id, &secret_entity, "SELECT {columns} FROM secrets WHERE {scope = $1 AND id = $2}");

static const struct query *const looks[INDEXES] = {&look_by_entity, &look_by_actor, &look_by_action,
                                                   &look_by_entity_type, &look_by_time};
static const struct query *const takes[INDEXES] = {&take_by_entity, &take_by_actor, &take_by_action,
                                                   &take_by_entity_type, &take_by_time};

/* ---- searching ---- */

/* Most rows were written when something was created, and no index finds those by that. */
static enum index index_of(const struct activity_filter *filter)
{
    if (filter->entity_id.length)
        return BY_ENTITY;
    if (filter->actor_id.length)
        return BY_ACTOR;
    if (filter->action.length && !text_equal(filter->action, TEXT("created")))
        return BY_ACTION;
    if (filter->entity_type.length)
        return BY_ENTITY_TYPE;
    return BY_TIME;
}

/* Whether the index finds exactly the filter's. */
static bool is_found_by(const struct activity_filter *filter, enum index index)
{
    unsigned wanted = (filter->entity_type.length > 0) + (filter->entity_id.length > 0) +
                      (filter->actor_id.length > 0) + (filter->action.length > 0) +
                      (filter->request_id.length > 0);

    return wanted == (index != BY_TIME);
}

/* SCOPE_NONE has the rows of all tenants: whoever is in no environment sees those of none. */
static struct value environment_of(const struct transaction *transaction)
{
    int64_t number = transaction->call->scope->number;

    return value_integer(number == SCOPE_NONE ? -1 : number);
}

/* What is wanted, by whom. */
struct wish {
    const struct activity_filter *filter;
    const struct activity_viewer *viewer;
    struct text environment_ids; /* JSON: those that the viewer may see, unless it is all */
    enum index index;
};

/* Whether the index finds exactly what is wanted of the environment's, all of which the viewer may see: of
 * what is kept from some viewers, only keys are an environment's. */
static bool is_found(const struct wish *wish)
{
    return wish->viewer->sees_all_keys && is_found_by(wish->filter, wish->index);
}

static struct record_list ask(struct transaction *transaction, const struct wish *wish, int64_t seen_max,
                              int64_t tenant_seen_max)
{
    const struct activity_filter *filter = wish->filter;
    bool is_taken = is_found(wish), is_all_of_tenant = is_taken && wish->index == BY_TIME;
    int64_t shown = filter->offset > seen_max - filter->limit ? seen_max : filter->offset + filter->limit;

    if (wish->viewer->may_see_environment)
        is_all_of_tenant = false;
    return query_records(
        transaction, is_taken ? takes[wish->index] : looks[wish->index],
        VALUES(value_instant(filter->start_time), value_instant(filter->end_time),
               value_text(filter->entity_type), value_text(filter->entity_id), value_text(filter->actor_id),
               value_text(filter->action), value_text(filter->request_id),
               value_boolean(wish->viewer->sees_all_keys), value_text(transaction->call->actor_id),
               value_boolean(!wish->viewer->may_see_environment), value_text(wish->environment_ids),
               /* Where everything that is looked at is wanted, no more need be looked at than is shown. */
               value_integer(is_taken ? shown : seen_max), environment_of(transaction),
               value_text(transaction->call->scope->tenant_id), value_integer(filter->limit),
               value_integer(filter->offset),
               value_integer(is_all_of_tenant && shown < tenant_seen_max ? shown : tenant_seen_max),
               value_integer(seen_max), value_integer(tenant_seen_max)));
}

/* ---- what was found ---- */

static void take_count(struct activity_page *page, int64_t seen, int64_t seen_max, int64_t matching,
                       int64_t oldest)
{
    page->total += matching;
    if (seen == seen_max && oldest > page->searched_until)
        page->searched_until = oldest;
}

/* Rows that belong to no environment tell of no customer. */
static void open_changes(struct transaction *transaction, struct activity *items, size_t count)
{
    struct sealed_text *texts = ARENA_ARRAY(transaction->arena, struct sealed_text, count);

    for (size_t i = 0; i < count; i++)
        texts[i] =
            (struct sealed_text){transaction->call->scope->number, items[i].entity_id, &items[i].changes};
    customer_key_open(transaction, texts, count);
}

static void take_items(struct activity_page *page, const struct found *found, size_t count,
                       struct arena *arena)
{
    struct activity *items = arena_allocate_zero(arena, count * sizeof *items);

    for (size_t i = 0; i < count && text_is_set(found[i].id); i++, page->items.count++)
        items[i] = (struct activity){
            .id = found[i].id,
            .entity_type = found[i].entity_type,
            .entity_id = found[i].entity_id,
            .action = found[i].action,
            .actor_id = found[i].actor_id,
            .request_id = found[i].request_id,
            .occurred_at = found[i].occurred_at,
            .changes = found[i].changes,
        };
    page->items.records = items;
}

/* A JSON array of the environments that the viewer may see; an empty one for whoever may see all. */
static struct text environment_ids_of(struct transaction *transaction, const struct activity_viewer *viewer)
{
    static const struct page all = {.limit = INT64_MAX};
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_array(&writer);
    if (viewer->may_see_environment) {
        struct record_list list =
            environment_page(transaction, &all, viewer->may_see_environment, viewer->context);
        const struct environment *environments = list.records;

        for (size_t i = 0; i < list.count; i++)
            json_string(&writer, environments[i].id);
    }
    json_end_array(&writer);
    struct text ids = arena_copy(transaction->arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return ids;
}

void activity_search(struct transaction *transaction, const struct activity_viewer *viewer,
                     const struct activity_filter *filter, enum activity_effort effort,
                     struct activity_page *page)
{
    const struct wish wish = {filter, viewer, environment_ids_of(transaction, viewer), index_of(filter)};
    bool is_thorough = effort == ACTIVITY_THOROUGH;
    int64_t looked_at_max = is_thorough ? ACTIVITY_LOOKED_AT_MAX : ACTIVITY_QUICK_MAX,
            seen_max = is_thorough && is_found(&wish) ? ACTIVITY_COUNTED_MAX : looked_at_max;
    struct record_list list = ask(transaction, &wish, seen_max, looked_at_max);
    const struct found *first = list.records;

    *page = (struct activity_page){.searched_until = INSTANT_UNSET};
    if (list.count == 0)
        return; /* the transaction has failed, or waits */
    take_count(page, first->seen, seen_max, first->matching, first->oldest);
    take_count(page, first->tenant_seen, looked_at_max, first->tenant_matching, first->tenant_oldest);
    take_items(page, first, list.count, transaction->arena);
    open_changes(transaction, page->items.records, page->items.count);
}

static bool is_own_key(struct transaction *transaction, struct text id)
{
    struct secret key;

    return query_record(transaction, &key_by_id,
                        VALUES(value_integer(transaction->call->scope->number), value_text(id)), &key) &&
           text_equal(key.user_id, transaction->call->actor_id);
}

static bool is_shown(struct transaction *transaction, const struct activity_viewer *viewer,
                     const struct activity *activity)
{
    if (text_equal(activity->entity_type, secret_entity.name))
        return viewer->sees_all_keys || is_own_key(transaction, activity->entity_id);
    if (text_equal(activity->entity_type, environment_entity.name))
        return !viewer->may_see_environment ||
               viewer->may_see_environment(viewer->context, activity->entity_id);
    return true;
}

const struct failure *activity_get(struct transaction *transaction, const struct activity_viewer *viewer,
                                   struct text id, struct activity *activity)
{
    static const struct text prefix = TEXT_LITERAL(ID_PREFIX);
    uint64_t sequence;

    if (text_starts_with(id, prefix) && text_to_uint64(text_from(id, prefix.length), &sequence) &&
        sequence <= INT64_MAX &&
        query_record(transaction, &get_activity,
                     VALUES(value_integer((int64_t)sequence), environment_of(transaction),
                            value_text(transaction->call->scope->tenant_id)),
                     activity) &&
        is_shown(transaction, viewer, activity)) {
        open_changes(transaction, activity, 1);
        return NULL;
    }
    return failure_add(failure_new(transaction->arena, FAILURE_NOT_FOUND, TEXT("there is no such activity")),
                       transaction->arena, TEXT("id"), id);
}

struct record_list activity_of_entities(struct transaction *transaction, struct text entity_ids)
{
    struct record_list list =
        query_records(transaction, &activity_by_entities,
                      VALUES(value_integer(transaction->call->scope->number), value_text(entity_ids)));

    open_changes(transaction, list.records, list.count);
    return list;
}
