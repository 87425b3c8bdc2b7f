#include "domain/activity.h"
#include "domain/environments.h"
#include "model/secret.h"
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

/* How many rows were looked at, how many of them are wanted, and the oldest of the former. */
struct activity_count {
    int64_t seen, matching, oldest;
};
static const struct field activity_count_fields[] = {
    {FIELD(struct activity_count, seen, FIELD_INTEGER)},
    {FIELD(struct activity_count, matching, FIELD_INTEGER)},
    {FIELD(struct activity_count, oldest, FIELD_INSTANT)},
};
static const struct entity activity_count_entity = {
    .name = TEXT_LITERAL("activity_count"),
    ENTITY_FIELDS(activity_count_fields),
    .struct_size = sizeof(struct activity_count),
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
#define SEARCHED                                                                                             \
    "SELECT sequence, occurred_at, entity_type, entity_id, actor_id, action, request_id FROM audit_log "
#define IN_TIME "occurred_at >= $1 AND occurred_at <= $2 ORDER BY occurred_at DESC, sequence DESC LIMIT "

/* The newest rows of an environment that an index finds, and those of a tenant. */
#define OF_ENVIRONMENT(found) "(" SEARCHED "WHERE scope = $13 AND " found IN_TIME "$12) e"
#define OF_TENANT(tenant, limit)                                                                             \
    "(" SEARCHED "WHERE scope = 0 AND tenant_id = " tenant " AND tenant_id <> '' AND " IN_TIME limit ") t"

#define LIST(found)                                                                                          \
    "SELECT " COLUMNS " FROM (SELECT sequence, occurred_at FROM " OF_ENVIRONMENT(                            \
        found) " WHERE " MATCHES                                                                             \
               " UNION ALL SELECT sequence, occurred_at FROM " OF_TENANT(                                    \
                   "$14", "$17") " WHERE " MATCHES " ORDER BY occurred_at DESC, sequence DESC LIMIT $15 "    \
                                 "OFFSET $16) p JOIN audit_log a ON "                                        \
                                 "a.sequence = p.sequence ORDER BY a.occurred_at DESC, a.sequence DESC"
#define COUNT(from)                                                                                          \
    "SELECT count(*) AS seen, count(CASE WHEN " MATCHES                                                      \
    " THEN 1 END) AS matching, min(occurred_at) AS oldest FROM " from
/* Where the index has found all that is wanted, without looking at a row. */
#define COUNT_FOUND(found)                                                                                   \
    "SELECT count(*) AS seen, count(*) AS matching, min(occurred_at) AS oldest FROM (SELECT occurred_at "    \
    "FROM audit_log WHERE scope = $4 AND " found IN_TIME "$3) e"

/* What is looked for first, with an index for each. */
enum index { BY_ENTITY, BY_ACTOR, BY_ACTION, BY_ENTITY_TYPE, BY_TIME, INDEXES };

STORE_QUERY(list_by_entity, &activity_entity, LIST("entity_id = $4 AND "));
STORE_QUERY(list_by_actor, &activity_entity, LIST("actor_id = $5 AND "));
STORE_QUERY(list_by_action, &activity_entity, LIST("action = $6 AND action <> 'created' AND "));
STORE_QUERY(list_by_entity_type, &activity_entity, LIST("entity_type = $3 AND "));
STORE_QUERY(list_by_time, &activity_entity, LIST(""));
STORE_QUERY(count_by_entity, &activity_count_entity, COUNT(OF_ENVIRONMENT("entity_id = $4 AND ")));
STORE_QUERY(count_by_actor, &activity_count_entity, COUNT(OF_ENVIRONMENT("actor_id = $5 AND ")));
STORE_QUERY(count_by_action, &activity_count_entity,
            COUNT(OF_ENVIRONMENT("action = $6 AND action <> 'created' AND ")));
STORE_QUERY(count_by_entity_type, &activity_count_entity, COUNT(OF_ENVIRONMENT("entity_type = $3 AND ")));
STORE_QUERY(count_by_time, &activity_count_entity, COUNT(OF_ENVIRONMENT("")));
STORE_QUERY(count_found_by_entity, &activity_count_entity, COUNT_FOUND("entity_id = $5 AND "));
STORE_QUERY(count_found_by_actor, &activity_count_entity, COUNT_FOUND("actor_id = $5 AND "));
STORE_QUERY(count_found_by_action, &activity_count_entity,
            COUNT_FOUND("action = $5 AND action <> 'created' AND "));
STORE_QUERY(count_found_by_entity_type, &activity_count_entity, COUNT_FOUND("entity_type = $5 AND "));
STORE_QUERY(count_found_by_time, &activity_count_entity, COUNT_FOUND(""));
STORE_QUERY(count_of_tenant, &activity_count_entity, COUNT(OF_TENANT("$13", "$12")));

STORE_QUERY(get_activity, &activity_entity,
            "SELECT " COLUMNS " FROM audit_log a WHERE a.sequence = $1 AND (a.scope = $2 OR (a.scope = 0 AND "
            "a.tenant_id = $3 AND a.tenant_id <> ''))");

STORE_QUERY(key_by_id, &secret_entity, "SELECT {columns} FROM secrets WHERE {scope = $1 AND id = $2}");

static const struct query *const lists[INDEXES] = {&list_by_entity, &list_by_actor, &list_by_action,
                                                   &list_by_entity_type, &list_by_time};
static const struct query *const counts[INDEXES] = {&count_by_entity, &count_by_actor, &count_by_action,
                                                    &count_by_entity_type, &count_by_time};
static const struct query *const found_counts[INDEXES] = {&count_found_by_entity, &count_found_by_actor,
                                                          &count_found_by_action, &count_found_by_entity_type,
                                                          &count_found_by_time};

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

static struct text found_value(const struct activity_filter *filter, enum index index)
{
    switch (index) {
    case BY_ENTITY:
        return filter->entity_id;
    case BY_ACTOR:
        return filter->actor_id;
    case BY_ACTION:
        return filter->action;
    case BY_ENTITY_TYPE:
        return filter->entity_type;
    default:
        return text_empty;
    }
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

enum { FILTER_VALUES = 11, QUESTION_VALUES_MAX = 17, QUESTIONS = 3 };

/* What is wanted, by whom. */
struct wish {
    const struct activity_filter *filter;
    const struct activity_viewer *viewer;
    struct text environment_ids; /* JSON: those that the viewer may see, unless it is all */
    enum index index;
};

struct question {
    const struct query *query;
    struct value values[QUESTION_VALUES_MAX];
    size_t value_count;
};

/* Whether the index finds exactly what is wanted of the environment's, all of which the viewer may see: of
 * what is kept from some viewers, only keys are an environment's. */
static bool is_found(const struct wish *wish)
{
    return wish->viewer->sees_all_keys && is_found_by(wish->filter, wish->index);
}

static struct question question_of(const struct transaction *transaction, const struct query *query,
                                   const struct wish *wish)
{
    const struct activity_filter *filter = wish->filter;

    return (struct question){
        .query = query,
        .values = {value_instant(filter->start_time), value_instant(filter->end_time),
                   value_text(filter->entity_type), value_text(filter->entity_id),
                   value_text(filter->actor_id), value_text(filter->action), value_text(filter->request_id),
                   value_boolean(wish->viewer->sees_all_keys), value_text(transaction->call->actor_id),
                   value_boolean(!wish->viewer->may_see_environment), value_text(wish->environment_ids)},
        .value_count = FILTER_VALUES,
    };
}

static void add_value(struct question *question, struct value value)
{
    question->values[question->value_count++] = value;
}

static struct question count_question(const struct transaction *transaction, const struct wish *wish)
{
    const struct activity_filter *filter = wish->filter;
    struct question question = {.query = found_counts[wish->index]};

    if (!is_found(wish)) {
        question = question_of(transaction, counts[wish->index], wish);
        add_value(&question, value_integer(ACTIVITY_SEARCHED_MAX));
        add_value(&question, environment_of(transaction));
        return question;
    }
    add_value(&question, value_instant(filter->start_time));
    add_value(&question, value_instant(filter->end_time));
    add_value(&question, value_integer(ACTIVITY_SEARCHED_MAX));
    add_value(&question, environment_of(transaction));
    if (wish->index != BY_TIME)
        add_value(&question, value_text(found_value(filter, wish->index)));
    return question;
}

static struct question tenant_question(const struct transaction *transaction, const struct wish *wish)
{
    struct question question = question_of(transaction, &count_of_tenant, wish);

    add_value(&question, value_integer(ACTIVITY_SEARCHED_MAX));
    add_value(&question, value_text(transaction->call->scope->tenant_id));
    return question;
}

/* Where everything that is looked at is wanted, no more need be looked at than is shown. */
static struct question list_question(const struct transaction *transaction, const struct wish *wish)
{
    const struct activity_filter *filter = wish->filter;
    struct question question = question_of(transaction, lists[wish->index], wish);
    int64_t shown = filter->offset > ACTIVITY_SEARCHED_MAX - filter->limit ? ACTIVITY_SEARCHED_MAX
                                                                           : filter->offset + filter->limit;
    bool is_all_of_tenant = is_found(wish) && wish->index == BY_TIME && !wish->viewer->may_see_environment;

    add_value(&question, value_integer(is_found(wish) ? shown : ACTIVITY_SEARCHED_MAX));
    add_value(&question, environment_of(transaction));
    add_value(&question, value_text(transaction->call->scope->tenant_id));
    add_value(&question, value_integer(filter->limit));
    add_value(&question, value_integer(filter->offset));
    add_value(&question, value_integer(is_all_of_tenant ? shown : ACTIVITY_SEARCHED_MAX));
    return question;
}

static void take_count(struct activity_page *page, const struct activity_count *count)
{
    page->total += count->matching;
    if (count->seen == ACTIVITY_SEARCHED_MAX && count->oldest > page->searched_until)
        page->searched_until = count->oldest;
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
                     const struct activity_filter *filter, struct activity_page *page)
{
    const struct wish wish = {filter, viewer, environment_ids_of(transaction, viewer), index_of(filter)};
    const struct question questions[QUESTIONS] = {
        count_question(transaction, &wish),
        tenant_question(transaction, &wish),
        list_question(transaction, &wish),
    };

    *page = (struct activity_page){.searched_until = INSTANT_UNSET};
    for (unsigned i = 0; i < QUESTIONS; i++)
        query_ahead(transaction, questions[i].query, questions[i].values, questions[i].value_count);
    for (unsigned i = 0; i < QUESTIONS - 1; i++) {
        struct activity_count count = {.oldest = INSTANT_UNSET};

        if (query_record(transaction, questions[i].query, questions[i].values, questions[i].value_count,
                         &count))
            take_count(page, &count);
    }
    const struct question *last = &questions[QUESTIONS - 1];

    page->items = query_records(transaction, last->query, last->values, last->value_count);
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
        is_shown(transaction, viewer, activity))
        return NULL;
    return failure_add(failure_new(transaction->arena, FAILURE_NOT_FOUND, TEXT("there is no such activity")),
                       transaction->arena, TEXT("id"), id);
}
