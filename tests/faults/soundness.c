#include "soundness.h"

#include "unit/audit_trail.h"

#include "machine.h"

#include "model/customer.h"
#include "store/sqlite/search/search.h"

#include <string.h>

/* What must be: each query finds nothing. */
static const struct {
    const char *what, *query;
} invariants[] = {
    {"integrity", "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'"},
    {"foreign keys", "SELECT \"table\" FROM pragma_foreign_key_check"},
    {"counts of rows",
     "SELECT scope FROM (SELECT scope, status, count(*) AS count FROM customers GROUP BY 1, 2) "
     "AS counted FULL JOIN row_counts USING (scope, status) "
     "WHERE ifnull(counted.count, 0) <> ifnull(row_counts.count, 0)"},
    {"keys of customers",
     "SELECT c.id FROM customers c FULL JOIN customer_keys k ON k.id = c.id AND k.scope = c.scope "
     "WHERE c.id IS NULL OR (k.id IS NULL) <> (c.name = '(erased)' AND c.external_id = c.id)"},
    {"audit rows of customers", "SELECT id FROM customers c WHERE NOT EXISTS (SELECT 1 FROM audit_log a "
                                "WHERE a.scope = c.scope AND a.entity_id = c.id AND a.action = 'created')"},
    {"audit rows of events",
     "SELECT id FROM system_events e WHERE NOT EXISTS (SELECT 1 FROM audit_log a WHERE a.scope = e.scope AND "
     "a.entity_id = e.entity_id AND a.occurred_at = e.created_at)"},
    {"unique external ids", "SELECT external_id FROM customers WHERE status = 'published' "
                            "GROUP BY scope, external_id HAVING count(*) > 1"},
    {"replies without their customer",
     "SELECT id FROM idempotency_records WHERE id NOT IN (SELECT external_id "
     "FROM customers)"},
};

/* ---- past the store ---- */

static struct finding corrupted(struct finding *finding, const char *what, const char *detail)
{
    finding->verdict = CORRUPTED;
    snprintf(finding->what, sizeof finding->what, "%s: %s", what, detail ? detail : "?");
    return *finding;
}

/* The first column of the first row, in the arena; unset when there is none, and in *is_done whether it could
 * be asked. */
static struct text ask(sqlite3 *handle, const char *query, struct arena *arena, bool *is_done)
{
    sqlite3_stmt *statement;
    struct text answer = text_none;

    *is_done = sqlite3_prepare_v2(handle, query, -1, &statement, NULL) == SQLITE_OK;
    if (!*is_done)
        return answer;
    if (sqlite3_step(statement) == SQLITE_ROW)
        answer = arena_copy(arena, text_from_string((const char *)sqlite3_column_text(statement, 0)));
    *is_done = sqlite3_finalize(statement) == SQLITE_OK;
    return answer;
}

static bool hold_invariants(sqlite3 *handle, struct arena *arena, struct finding *finding)
{
    for (size_t i = 0; i < sizeof invariants / sizeof invariants[0]; i++) {
        bool is_done;
        struct text offence = ask(handle, invariants[i].query, arena, &is_done);

        if (!is_done || text_is_set(offence)) {
            corrupted(finding, invariants[i].what,
                      is_done ? arena_string(arena, offence) : sqlite3_errmsg(handle));
            return false;
        }
    }
    return true;
}

/* ---- all that it holds ---- */

static void digest_bytes(uint64_t *digest, const unsigned char *bytes, size_t length)
{
    uint64_t word;

    for (; length >= sizeof word; length -= sizeof word, bytes += sizeof word) {
        memcpy(&word, bytes, sizeof word);
        *digest = (*digest ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        *digest ^= *digest >> 29;
    }
    for (; length > 0; length--, bytes++)
        *digest = (*digest ^ *bytes) * UINT64_C(0x100000001b3);
}

static bool digest_rows(sqlite3 *handle, const char *query, uint64_t *digest)
{
    sqlite3_stmt *statement;

    if (sqlite3_prepare_v2(handle, query, -1, &statement, NULL) != SQLITE_OK)
        return false;
    digest_bytes(digest, (const unsigned char *)query, strlen(query));
    while (sqlite3_step(statement) == SQLITE_ROW)
        for (int column = 0; column < sqlite3_column_count(statement); column++) {
            const unsigned char *bytes = sqlite3_column_blob(statement, column);
            int length = sqlite3_column_bytes(statement, column);
            uint64_t shape = (uint64_t)sqlite3_column_type(statement, column) << 32 | (unsigned)length;

            digest_bytes(digest, (const unsigned char *)&shape, sizeof shape);
            if (bytes)
                digest_bytes(digest, bytes, (size_t)length);
        }
    return sqlite3_finalize(statement) == SQLITE_OK;
}

/* Also the tables behind virtual ones. */
static bool digest_tables(sqlite3 *handle, struct arena *arena, uint64_t *digest)
{
    static const char schema[] = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name",
                      tables[] =
                          "SELECT 'SELECT * FROM ' || name FROM sqlite_schema WHERE type = 'table' AND "
                          "sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name";
    sqlite3_stmt *statement;
    bool is_done = digest_rows(handle, schema, digest) &&
                   sqlite3_prepare_v2(handle, tables, -1, &statement, NULL) == SQLITE_OK;

    if (!is_done)
        return false;
    while (is_done && sqlite3_step(statement) == SQLITE_ROW) {
        struct text query = text_from_string((const char *)sqlite3_column_text(statement, 0));

        is_done = digest_rows(handle, arena_string(arena, query), digest);
    }
    return sqlite3_finalize(statement) == SQLITE_OK && is_done;
}

/* ---- the whole ---- */

static sqlite3 *open_beside(struct session *session, int flags)
{
    sqlite3 *handle;

    if (sqlite3_open_v2(session->fixture.database, &handle, flags, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(handle));
    sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return handle;
}

static bool holds_book(sqlite3 *handle, const struct book *book, struct arena *arena, struct finding *finding)
{
    bool is_done;
    struct text held = ask(handle, book_query, arena, &is_done), expected = book_text(book, arena);

    if (is_done && text_equal(held, expected))
        return true;
    size_t same = 0;

    while (same < held.length && same < expected.length && held.data[same] == expected.data[same])
        same++;
    same -= same > 40 ? 40 : same;
    finding->verdict = LOST;
    snprintf(finding->what, sizeof finding->what, "it holds ...%.80s..., acknowledged was ...%.80s...",
             arena_string(arena, text_from(held, same)), arena_string(arena, text_from(expected, same)));
    return false;
}

/* Whose the database is, from itself. */
static void find_place(sqlite3 *handle, struct state *state, struct arena *arena)
{
    bool is_done;
    struct text place = ask(handle,
                            "SELECT scope || ' ' || tenant_id || ' ' || environment_id || ' ' || "
                            "(SELECT id FROM users LIMIT 1) FROM scopes LIMIT 1",
                            arena, &is_done);
    long long scope;

    state->is_installed =
        text_is_set(place) && sscanf(arena_string(arena, place), "%lld %39s %39s %39s", &scope,
                                     state->tenant_id, state->environment_id, state->user_id) == 4;
    state->scope = state->is_installed ? scope : 0;
}

static bool looks_sound(struct session *session, const struct book *book, struct finding *finding)
{
    struct arena *arena = &session->fixture.arena;
    sqlite3 *handle = open_beside(session, SQLITE_OPEN_READONLY);
    bool is_sound = hold_invariants(handle, arena, finding);

    if (is_sound && !digest_tables(handle, arena, &finding->digest)) {
        corrupted(finding, "reading all rows", sqlite3_errmsg(handle));
        is_sound = false;
    }
    is_sound = is_sound && (!book || holds_book(handle, book, arena, finding));
    find_place(handle, session->state, arena);
    sqlite3_close(handle);
    return is_sound;
}

static void look_at_index(struct session *session, struct finding *finding)
{
    struct arena *arena = &session->fixture.arena;
    struct buffer findings = {0};
    struct text reason = text_none;
    struct connection *connection =
        sqlite_connection_open(text_from_string(session->fixture.database), SQLITE_AT_REST, arena, &reason);

    if (!connection)
        corrupted(finding, "opening it at rest", arena_string(arena, reason));
    else if (!sqlite_verify_index(connection, &customer_entity, 1, &findings) || findings.length > 0)
        corrupted(finding, "index of searches", arena_string(arena, buffer_text(&findings)));
    buffer_free(&findings);
    if (connection)
        sqlite_connection_close(connection);
}

/* The database alone, without the log, as it is copied; and the index of searches. */
static void look_after_closing(struct session *session, struct finding *finding)
{
    struct arena *arena = &session->fixture.arena;
    struct disk disk = {0};

    machine_look(&disk);
    if (disk.files[DISK_LOG].is_there)
        corrupted(finding, "closing", "the log is still there");
    disk_free(&disk);
    if (finding->verdict != SOUND)
        return;
    sqlite3 *handle = open_beside(session, SQLITE_OPEN_READONLY);
    bool is_done;
    struct text found = ask(handle, "SELECT id FROM customers WHERE external_id = 'later'", arena, &is_done);

    if (!text_is_set(found))
        corrupted(finding, "going on", "what was created then is not there");
    sqlite3_close(handle);
    if (finding->verdict == SOUND)
        look_at_index(session, finding);
}

struct finding check_soundness(const struct disk *disk, const struct book *book)
{
    struct finding finding = {.verdict = SOUND};
    static struct state state;
    struct session session;

    machine_start(disk);
    state.is_installed = false;
    state.book.customer_count = 0;
    session_begin(&session, &state);
    if (!session_open(&session)) {
        corrupted(&finding, "opening", session.trouble);
    } else if (looks_sound(&session, book, &finding)) {
        size_t faults = trail_fault_count(session.fixture.store, &session.fixture.arena, NULL, NULL);

        if (faults > 0)
            corrupted(&finding, "the audit trail", "it is not whole");
        else if (!session_go_on(&session, "later"))
            corrupted(&finding, "going on", "a create was refused");
    }
    session_close(&session);
    if (finding.verdict == SOUND)
        look_after_closing(&session, &finding);
    session_end(&session);
    return finding;
}
