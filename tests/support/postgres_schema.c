/* postgres_schema.c: holds the PostgreSQL database of $FARTHING_DATABASE, which must be migrated, against the
 * program:
 *
 *     farthing-postgres-schema
 *
 * Every query of the program can be prepared, for a session that reads and for one that writes, and none of
 * them reads a large table from end to end; every field of every entity has its column, and every column its
 * field; a unique field ends a unique index that is called after it; every table is copied, with every
 * column, or left out on purpose (store/copy/copied_table.h). Prints what differs, a line each, and
 * how much was looked at; fails if anything differs. */
#include "store/postgres/handle.h"
#include "store/transaction.h"
#include "unit/copied_list.h"
#include "unit/entity_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From STORE_QUERY. */
extern const struct query *const __start_store_queries[];
extern const struct query *const __stop_store_queries[];

enum { SQL_BYTES_MAX = 4096, PARAMETERS_MAX = STORE_QUERY_PARAMETERS_MAX };

static unsigned differences, queries, fields;
static struct arena arena;

static void differs(const char *what, struct text where)
{
    printf("%s: %.*s\n", what, TEXT_FORMAT(where));
    differences++;
}

/* The rows of a statement: columns joined by `|`, rows ended by a line end. Unset on an error, which is told.
 */
static struct text rows_of(struct postgres_connection *connection, const char *sql)
{
    struct buffer buffer = {0};

    if (!postgres_connect(connection) || !postgres_leave_pipeline(connection)) {
        differs("cannot connect", text_from_string(connection->error.message));
        return text_none;
    }
    PGresult *result = libpq.PQexec(connection->handle, sql);

    if (libpq.PQresultStatus(result) != PGRES_TUPLES_OK) {
        differs(sql, text_from_string(libpq.PQerrorMessage(connection->handle)));
        libpq.PQclear(result);
        return text_none;
    }
    for (int row = 0; row < libpq.PQntuples(result); row++)
        buffer_append_format(&buffer, "%s\n", libpq.PQgetvalue(result, row, 0));
    libpq.PQclear(result);
    struct text rows = arena_copy(&arena, buffer_text(&buffer));

    buffer_free(&buffer);
    postgres_disconnect(connection);
    return rows;
}

/* ---- queries ---- */

static void prepare_all(bool is_writer)
{
    struct postgres_connection *connection = postgres_connection_new(getenv("FARTHING_DATABASE"), is_writer);
    const struct call call = {0};

    if (!postgres_connect(connection))
        differs("cannot connect", text_from_string(connection->error.message));
    for (const struct query *const *query = __start_store_queries; query < __stop_store_queries; query++) {
        struct transaction transaction;
        const struct value values[PARAMETERS_MAX] = {0}; /* NULL suits every type */
        size_t count = 0;

        if (!*query)
            continue;
        while (memmem((*query)->text.data, (*query)->text.length,
                      arena_format(&arena, "$%zu", count + 1).data, count + 1 < 10 ? 2 : 3))
            count++;
        transaction_init(&transaction, &connection->base, &arena, &call);
        postgres_forget_error(connection);
        struct statement *statement = query_statement(&transaction, *query);

        /* A command of a transaction that is thrown away: what it would write is wrong on purpose. */
        postgres_send_text(connection, "BEGIN");
        postgres_send(statement, values, count, (struct awaited){.kind = AWAITED_OTHER});
        if (!postgres_finish(connection) && strncmp(connection->error.sqlstate, "23", 2) != 0)
            differs(connection->error.message, (*query)->text);
        postgres_forget_error(connection);
        postgres_send_text(connection, "ROLLBACK");
        postgres_finish(connection);
        queries++;
    }
    postgres_connection_free(connection);
}

/* How PostgreSQL would run the query with whatever parameters. */
static struct text plan_of(struct postgres_connection *connection, const struct query *query)
{
    char sql[SQL_BYTES_MAX];
    struct buffer parameters = {0};
    struct text text = query_expand(query, &connection->base, &arena);

    for (unsigned i = 1; memmem(text.data, text.length, arena_format(&arena, "$%u", i).data, i < 10 ? 2 : 3);
         i++)
        buffer_append_format(&parameters, "%sNULL", i > 1 ? ", " : "");
    buffer_append_char(&parameters, '\0');
    snprintf(sql, sizeof sql,
             "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; PREPARE looked_at AS %.*s; "
             "EXPLAIN EXECUTE looked_at%s%s%s",
             TEXT_FORMAT(text), parameters.length > 1 ? "(" : "", parameters.data,
             parameters.length > 1 ? ")" : "");
    buffer_free(&parameters);
    return rows_of(connection, sql);
}

static void look_at_plans(struct postgres_connection *connection)
{
    static const char *const scans[] = {
        "Seq Scan on customers",           "Seq Scan on entity_integration_mappings",
        "Seq Scan on audit_log",           "Seq Scan on system_events",
        "Seq Scan on idempotency_records", "Seq Scan on customer_aliases"};

    for (const struct query *const *query = __start_store_queries; query < __stop_store_queries; query++) {
        if (!*query)
            continue;
        struct text plan = plan_of(connection, *query);

        for (unsigned i = 0; i < sizeof scans / sizeof *scans; i++)
            if (text_is_set(plan) && memmem(plan.data, plan.length, scans[i], strlen(scans[i])))
                differs("reads a large table from end to end", (*query)->text);
    }
}

/* Searches of the audit trail, and the index that was made for each. */
static void look_at_searches(struct postgres_connection *connection)
{
    static const struct {
        const char *query, *index;
    } expected[] = {
        {"entity_id = $4 AND occ", "audit_log_by_entity on"},
        {"actor_id = $5 AND occ", "audit_log_by_actor on"},
        {"action = $6 AND action <>", "audit_log_by_action on"},
        {"entity_type = $3 AND occ", "audit_log_by_entity_type on"},
        {"scope = $9 AND occ", "audit_log_by_time on"},
        {"tenant_id = $9 AND ", "audit_log_by_tenant on"},
        {"tenant_id = $10 AND ", "audit_log_by_tenant on"},
        {"entity_id = $5 AND occ", "audit_log_by_entity on"},
        {"scope = $4 AND actor_id = $5 AND occ", "audit_log_by_actor on"},
        {"action = $5 AND action <>", "audit_log_by_action on"},
        {"entity_type = $5 AND occ", "audit_log_by_entity_type on"},
        {"scope = $4 AND occ", "audit_log_by_time on"},
    };

    for (const struct query *const *query = __start_store_queries; query < __stop_store_queries; query++) {
        if (!*query || !strstr((*query)->text.data, "FROM audit_log"))
            continue;
        struct text plan = plan_of(connection, *query);

        for (unsigned i = 0; i < sizeof expected / sizeof *expected; i++)
            if (strstr((*query)->text.data, expected[i].query) &&
                !(text_is_set(plan) &&
                  memmem(plan.data, plan.length, expected[i].index, strlen(expected[i].index))))
                differs(expected[i].index, (*query)->text);
    }
}

/* ---- tables ---- */

static const char *type_of(const struct field *field)
{
    switch (field->type) {
    case FIELD_INSTANT:
        return "timestamp with time zone";
    case FIELD_INTEGER:
        return "bigint";
    case FIELD_BOOLEAN:
        return "boolean";
    case FIELD_STRING_MAP:
    case FIELD_STRING_LIST:
    case FIELD_JSON_OBJECT:
        return "jsonb";
    default:
        return "text";
    }
}

static struct text name_of(const struct entity *entity, struct text column)
{
    return arena_format(&arena, "%.*s.%.*s", TEXT_FORMAT(entity->table), TEXT_FORMAT(column));
}

/* Lines "name type collation", the scope aside. */
static struct text columns_of(struct postgres_connection *connection, const struct entity *entity)
{
    char sql[SQL_BYTES_MAX];

    snprintf(sql, sizeof sql,
             "SELECT column_name || ' ' || data_type || coalesce(' ' || collation_name, '') "
             "FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = '%.*s' "
             "AND column_name <> 'scope' ORDER BY column_name",
             TEXT_FORMAT(entity->table));
    return rows_of(connection, sql);
}

static bool has_line(struct text lines, struct text line)
{
    struct text wanted = arena_format(&arena, "%.*s\n", TEXT_FORMAT(line));

    for (struct text rest = lines; rest.length > 0; rest = text_from(rest, text_find(rest, '\n') + 1))
        if (text_starts_with(rest, wanted))
            return true;
    return false;
}

static void compare_columns(struct postgres_connection *connection, const struct entity *entity)
{
    struct text columns = columns_of(connection, entity);

    for (size_t i = 0; i < entity->field_count; i++) {
        const struct field *field = &entity->fields[i];
        const char *type = type_of(field);

        if (!field_is_column(field))
            continue;
        fields++;
        if (!has_line(columns, arena_format(&arena, "%.*s %s%s", TEXT_FORMAT(field->name), type,
                                            strcmp(type, "text") == 0 ? " C" : "")))
            differs("no such column, of another type, or not in the order of its bytes",
                    name_of(entity, field->name));
    }
    for (struct text rest = columns; rest.length > 0; rest = text_from(rest, text_find(rest, '\n') + 1)) {
        struct text column = text_slice(rest, 0, text_find(rest, ' '));
        const struct field *field = entity_field(entity, column);

        if (!field || !field_is_column(field))
            differs("a column, but not described", name_of(entity, column));
    }
}

static void compare_unique_fields(struct postgres_connection *connection, const struct entity *entity)
{
    for (size_t i = 0; i < entity->field_count; i++) {
        const struct field *field = &entity->fields[i];
        char sql[SQL_BYTES_MAX];

        if (!(field->flags & FIELD_UNIQUE))
            continue;
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
                 "WHERE i.indisunique AND c.relname = '%.*s_%.*s' AND "
                 "pg_get_indexdef(i.indexrelid, i.indnkeyatts, true) = '%.*s'",
                 TEXT_FORMAT(entity->table), TEXT_FORMAT(field->name), TEXT_FORMAT(field->name));
        if (!text_equal(rows_of(connection, sql), TEXT("1\n")))
            differs("no unique index that it ends and gives its name", name_of(entity, field->name));
    }
}

/* ---- what is copied ---- */

static void look_at_tables(struct postgres_connection *connection)
{
    struct text tables =
        rows_of(connection, "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()");

    for (struct text rest = tables; rest.length > 0; rest = text_from(rest, text_find(rest, '\n') + 1))
        if (!is_listed(text_slice(rest, 0, text_find(rest, '\n'))))
            differs("is not in store/copy/copied_table.c", text_slice(rest, 0, text_find(rest, '\n')));
}

static void compare_copied(struct postgres_connection *connection, const struct copied_table *table)
{
    const struct entity *row = copied_row_entity(table, &arena);
    char sql[SQL_BYTES_MAX];
    size_t count = 0;

    snprintf(sql, sizeof sql,
             "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() AND "
             "table_name = '%.*s'",
             TEXT_FORMAT(table->name));
    for (struct text rest = rows_of(connection, sql); rest.length > 0;
         rest = text_from(rest, text_find(rest, '\n') + 1)) {
        struct text column = text_slice(rest, 0, text_find(rest, '\n'));

        count++;
        if (!entity_field(row, column))
            differs("a column that is not copied",
                    arena_format(&arena, "%.*s.%.*s", TEXT_FORMAT(table->name), TEXT_FORMAT(column)));
    }
    if (count != row->field_count - COPIED_COLUMNS)
        differs("a column that is not there is copied", table->name);
}

int main(void)
{
    struct text reason;

    arena_init(&arena);
    if (!getenv("FARTHING_DATABASE") || !libpq_load(&arena, &reason)) {
        fputs("set FARTHING_DATABASE to a migrated PostgreSQL database; libpq must be there\n", stderr);
        return 2;
    }
    prepare_all(false);
    prepare_all(true);
    struct postgres_connection *connection = postgres_connection_new(getenv("FARTHING_DATABASE"), false);

    look_at_plans(connection);
    look_at_searches(connection);
    for (unsigned i = 0; i < ENTITY_COUNT; i++) {
        compare_columns(connection, entities[i]);
        compare_unique_fields(connection, entities[i]);
    }
    look_at_tables(connection);
    for (size_t i = 0; i < COPIED_TABLE_COUNT; i++)
        compare_copied(connection, &copied_tables[i]);
    postgres_connection_free(connection);
    printf("%u statements, %u fields, %u differences\n", queries, fields, differences);
    arena_free(&arena);
    return differences || queries == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
