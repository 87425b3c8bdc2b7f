#include "domain/check.h"

#include "store/row_key.h"

#define FINDING(sql) TEXT_LITERAL("SELECT CAST(finding AS TEXT) AS finding FROM (" sql ") LIMIT 20")

/* How far two rows of an id may be from each other, and from where the id belongs. A `+` before the id keeps
 * SQLite from making an index of all ids of its own; the few rows around are at hand. */
#define FURTHER "15"
_Static_assert(ROW_KEY_PROBES - 1 == 15, "as it stands in texts");

#define RESTORE "go back to a backup (farthing restore), and keep a copy of the data directory as it is"
#define TELL    "keep a copy of the data directory and report it: nothing that Farthing does leads here"

const struct check checks[] = {
    {TEXT_LITERAL("pages and indexes"),
     FINDING(
         "SELECT integrity_check AS finding FROM pragma_integrity_check(20) WHERE integrity_check <> 'ok'"),
     TEXT_LITERAL(RESTORE)},
    {TEXT_LITERAL("rows that others refer to"),
     FINDING("SELECT \"table\" || ' row ' || coalesce(rowid, '?') || ' refers to a row of ' || parent || ' "
             "that is "
             "not there' AS finding FROM pragma_foreign_key_check"),
     TEXT_LITERAL(TELL)},
    {TEXT_LITERAL("customers and their keys"),
     FINDING(
         "SELECT c.id || ' has no key, and was not erased' AS finding FROM customers c LEFT JOIN "
         "customer_keys k ON +k.id = c.id AND k.key BETWEEN c.key - " FURTHER " AND c.key + " FURTHER
         " WHERE k.key IS NULL AND NOT (c.name = '(erased)' AND c.external_id = c.id) UNION ALL SELECT "
         "k.id || ' has a key and is not there' FROM customer_keys k LEFT JOIN customers c ON +c.id = k.id "
         "AND c.key BETWEEN k.key - " FURTHER " AND k.key + " FURTHER " WHERE c.key IS NULL"),
     TEXT_LITERAL(TELL)},
    {TEXT_LITERAL("external ids"),
     FINDING(
         "SELECT external_id || ' is the external id of ' || count(*) || ' customers' AS finding FROM "
         "customers NOT INDEXED WHERE status = 'published' GROUP BY scope, external_id HAVING count(*) > 1"),
     TEXT_LITERAL(RESTORE)},
    {TEXT_LITERAL("former external ids"),
     FINDING(
         "SELECT a.id || ' is of ' || a.customer_id || ', who is not there' AS finding FROM customer_aliases "
         "a "
         "WHERE NOT EXISTS (SELECT 1 FROM customers c WHERE c.id = a.customer_id AND c.scope = a.scope AND "
         "c.key BETWEEN row_key(a.customer_id) AND row_key(a.customer_id) + " FURTHER ")"),
     TEXT_LITERAL(TELL)},
    {TEXT_LITERAL("integration mappings"),
     FINDING(
         "SELECT m.id || ' is of ' || m.entity_id || ', who is not there' AS finding FROM "
         "entity_integration_mappings m WHERE m.entity_type = 'customer' AND NOT EXISTS (SELECT 1 FROM "
         "customers c WHERE c.id = m.entity_id AND c.scope = m.scope AND c.key BETWEEN row_key(m.entity_id) "
         "AND row_key(m.entity_id) + " FURTHER ")"),
     TEXT_LITERAL(TELL)},
    {TEXT_LITERAL("counts of lists"),
     FINDING("SELECT 'environment ' || scope || ' is said to have ' || said || ' customers that are ' || "
             "status || "
             "', and has ' || there AS finding FROM (SELECT scope, status, sum(said) AS said, sum(there) AS "
             "there "
             "FROM (SELECT scope, status, count AS said, 0 AS there FROM row_counts WHERE entity_type = "
             "'customer' UNION ALL SELECT scope, status, 0, count(*) FROM customers GROUP BY scope, status) "
             "GROUP "
             "BY scope, status) WHERE said <> there"),
     TEXT_LITERAL(TELL)},
    {TEXT_LITERAL("the index of searches"),
     FINDING("SELECT value AS finding FROM json_each(index_findings('customers'))"), TEXT_LITERAL(TELL)},
    {TEXT_LITERAL("events and their changes"),
     FINDING(
         "SELECT e.id || ' tells of a change that the audit trail does not have' AS finding FROM "
         "system_events e WHERE e.created_at >= (SELECT min(occurred_at) FROM audit_log WHERE sequence > 0) "
         "AND NOT EXISTS (SELECT 1 FROM audit_log a WHERE a.scope = e.scope AND a.entity_id = e.entity_id "
         "AND a.occurred_at = e.created_at)"),
     TEXT_LITERAL(TELL)},
    {TEXT_LITERAL("environments"),
     FINDING(
         "SELECT 'environment ' || s.environment_id || ' is not there' AS finding FROM scopes s LEFT JOIN "
         "environments e ON e.id = s.environment_id AND e.tenant_id = s.tenant_id WHERE e.id IS NULL"),
     TEXT_LITERAL(TELL)},
};
const size_t check_count = sizeof checks / sizeof checks[0];

struct finding {
    struct text finding;
};
static const struct field finding_fields[] = {{FIELD(struct finding, finding, FIELD_TEXT)}};
static const struct entity finding_entity = {
    .name = TEXT_LITERAL("finding"),
    ENTITY_FIELDS(finding_fields),
    .struct_size = sizeof(struct finding),
};

const struct text *check_run(struct transaction *transaction, const struct check *check, size_t *count)
{
    const struct query query = {.text = check->question, .entity = &finding_entity, .is_composed = true};
    struct record_list list = query_records(transaction, &query, NULL, 0);
    const struct finding *findings = list.records;
    struct text *texts = ARENA_ARRAY(transaction->arena, struct text, list.count + 1);

    *count = 0;
    for (size_t i = 0; i < list.count; i++)
        texts[(*count)++] = findings[i].finding;
    if (transaction->failure)
        texts[(*count)++] = transaction->failure->message;
    transaction->failure = NULL; /* the next question may be answered all the same */
    return texts;
}

static const struct field total_fields[] = {
    {FIELD(struct check_totals, tenants, FIELD_INTEGER)},
    {FIELD(struct check_totals, environments, FIELD_INTEGER)},
    {FIELD(struct check_totals, customers, FIELD_INTEGER)},
    {FIELD(struct check_totals, events, FIELD_INTEGER)},
    {FIELD(struct check_totals, changes, FIELD_INTEGER)},
};
static const struct entity total_entity = {
    .name = TEXT_LITERAL("totals"),
    ENTITY_FIELDS(total_fields),
    .struct_size = sizeof(struct check_totals),
};

void check_totals(struct transaction *transaction, struct check_totals *totals)
{
    static const struct query query = {
        TEXT_LITERAL(
            "SELECT (SELECT count(*) FROM tenants) AS tenants, (SELECT count(*) FROM environments) AS "
            "environments, (SELECT count(*) FROM customers) AS customers, (SELECT count(*) FROM "
            "system_events) AS events, (SELECT count(*) FROM audit_log) AS changes"),
        &total_entity, true};

    *totals = (struct check_totals){0};
    query_record(transaction, &query, NULL, 0, totals);
    transaction->failure = NULL;
}
