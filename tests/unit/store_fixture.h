/* store_fixture.h: a store in a directory of its own, with a tenant and an environment; look-ups past it. */
#ifndef FARTHING_TESTS_STORE_FIXTURE_H
#define FARTHING_TESTS_STORE_FIXTURE_H

#include "cmocka_all.h"
#include "failure_details.h"

#include "base/buffer.h"
#include "base/envelope.h"
#include "base/hash.h"
#include "base/instant.h"
#include "domain/customers.h"
#include "domain/installation.h"
#include "store/store.h"

#include <semaphore.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FIXTURE_NOW_US INT64_C(1767323045123456) /* 2026-01-02T03:04:05.123456Z */

struct store_fixture {
    char directory[64];
    char database[96];
    struct arena arena;
    struct store *store;
    struct call system_call; /* the operator's */
    struct call call;        /* a user's of the environment */
    struct scope scope;
    struct installation installation;
};

/* ---- past the store ---- */

static inline void fixture_file(const struct store_fixture *fixture, const char *suffix, char path[128])
{
    snprintf(path, 128, "%s%s", fixture->database, suffix);
}

/* The size of the database's file with `suffix` ("-wal"); -1 when there is none. */
static inline long long fixture_file_bytes(const struct store_fixture *fixture, const char *suffix)
{
    char path[128];
    struct stat status;

    fixture_file(fixture, suffix, path);
    return stat(path, &status) == 0 ? (long long)status.st_size : -1;
}

/* SQL's opened(about, stored): what was sealed with a customer's key (store/customer_key.h), in the same
 * database; NULL when it cannot be opened, and what is plain as it is. */
static inline void fixture_opened(sqlite3_context *context, int count, sqlite3_value **values)
{
    static const char before[] = "{\"sealed\":\"", after[] = "\"}";
    struct text about = text_from_string((const char *)sqlite3_value_text(values[0])),
                stored = text_from_string((const char *)sqlite3_value_text(values[1])), plain;
    struct envelope_keys keys = {.count = 1};
    sqlite3_stmt *statement;
    struct arena arena;

    (void)count;
    if (!text_starts_with(stored, text_from_string(before))) {
        sqlite3_result_value(context, values[1]);
        return;
    }
    stored = text_slice(stored, strlen(before), stored.length - strlen(before) - strlen(after));
    keys.keys[0].id = envelope_key_id(stored);
    assert_int_equal(sqlite3_prepare_v2(sqlite3_context_db_handle(context),
                                        "SELECT secret FROM customer_keys WHERE id = ?", -1, &statement,
                                        NULL),
                     SQLITE_OK);
    sqlite3_bind_text(statement, 1, keys.keys[0].id.data, (int)keys.keys[0].id.length, SQLITE_STATIC);
    arena_init(&arena);
    if (sqlite3_step(statement) == SQLITE_ROW &&
        hex_decode(text_from_string((const char *)sqlite3_column_text(statement, 0)), keys.keys[0].bytes,
                   ENVELOPE_KEY_BYTES) &&
        envelope_open(&arena, &keys, about, stored, &plain) == ENVELOPE_OPENED)
        sqlite3_result_text(context, plain.data, (int)plain.length, SQLITE_TRANSIENT);
    arena_free(&arena);
    sqlite3_finalize(statement);
}

/* The rows of a query on a connection of its own: columns joined by `|`, rows ended by `;`, NULL as `-`. */
static inline struct text fixture_select(struct store_fixture *fixture, const char *sql)
{
    struct buffer buffer = {0};
    sqlite3 *handle;
    sqlite3_stmt *statement;

    assert_int_equal(sqlite3_open_v2(fixture->database, &handle, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(
        sqlite3_create_function(handle, "opened", 2, SQLITE_UTF8, NULL, fixture_opened, NULL, NULL),
        SQLITE_OK);
    if (sqlite3_prepare_v2(handle, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(handle));
    while (sqlite3_step(statement) == SQLITE_ROW) {
        for (int column = 0; column < sqlite3_column_count(statement); column++) {
            const char *value = (const char *)sqlite3_column_text(statement, column);

            if (column)
                buffer_append_char(&buffer, '|');
            buffer_append(&buffer, text_from_string(value ? value : "-"));
        }
        buffer_append_char(&buffer, ';');
    }
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    sqlite3_close(handle);
    struct text rows = arena_copy(&fixture->arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return rows;
}

/* Statements on a connection of its own; the store must be closed. */
static inline void fixture_execute(struct store_fixture *fixture, const char *sql)
{
    sqlite3 *handle;

    assert_int_equal(sqlite3_open(fixture->database, &handle), SQLITE_OK);
    if (sqlite3_exec(handle, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(handle));
    sqlite3_close(handle);
}

/* ---- the store ---- */

/* A directory without a database. */
static inline void fixture_directory(struct store_fixture *fixture)
{
    *fixture = (struct store_fixture){.directory = "/tmp/farthing-test-XXXXXX"};
    assert_non_null(mkdtemp(fixture->directory));
    snprintf(fixture->database, sizeof fixture->database, "%s/farthing.db", fixture->directory);
    fixture->system_call =
        (struct call){.actor_id = TEXT(""), .request_id = TEXT("request"), .now_us = FIXTURE_NOW_US};
}

/* NULL and *reason when the store cannot be opened. */
static inline struct store *fixture_try_open(struct store_fixture *fixture, struct text *reason)
{
    *reason = text_none;
    return store_open(text_from_string(fixture->database), &fixture->arena, reason);
}

static inline void fixture_reopen(struct store_fixture *fixture)
{
    struct text reason;

    fixture->store = fixture_try_open(fixture, &reason);
    if (!fixture->store)
        fail_msg("%.*s", TEXT_FORMAT(reason));
}

static inline const struct failure *fixture_install(void *context, struct transaction *transaction)
{
    struct store_fixture *fixture = context;

    return installation_create(transaction, &(struct founding){TEXT("Acme")}, &fixture->installation);
}

static inline void fixture_open(struct store_fixture *fixture)
{
    fixture_directory(fixture);
    fixture_reopen(fixture);
    assert_null(
        store_write(fixture->store, &fixture->arena, &fixture->system_call, fixture_install, fixture));
    fixture->scope = fixture->installation.opening.scope;
    fixture->call = (struct call){.scope = &fixture->scope,
                                  .actor_id = fixture->installation.opening.user.id,
                                  .request_id = TEXT("request"),
                                  .now_us = FIXTURE_NOW_US};
}

static inline void fixture_remove(struct store_fixture *fixture)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    char path[128];

    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        fixture_file(fixture, suffixes[i], path);
        unlink(path);
    }
    assert_int_equal(rmdir(fixture->directory), 0);
    arena_free(&fixture->arena);
}

static inline void fixture_close(struct store_fixture *fixture)
{
    if (fixture->store)
        store_close(fixture->store);
    fixture->store = NULL;
    fixture_remove(fixture);
}

/* For a file whose helpers all need the fixture: one called `fixture`, made anew by FIXTURE_TEST for each
 * test. */
#define STORE_FIXTURE_OF_FILE()                                                                              \
    static struct store_fixture fixture;                                                                     \
                                                                                                             \
    static int open_fixture(void **state)                                                                    \
    {                                                                                                        \
        (void)state;                                                                                         \
        fixture_open(&fixture);                                                                              \
        return 0;                                                                                            \
    }                                                                                                        \
                                                                                                             \
    static int close_fixture(void **state)                                                                   \
    {                                                                                                        \
        (void)state;                                                                                         \
        fixture_close(&fixture);                                                                             \
        return 0;                                                                                            \
    }
#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

/* A test with a fixture of its own as its state. */
#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

static inline int fixture_set_up(void **state)
{
    struct store_fixture *fixture = calloc(1, sizeof *fixture);

    fixture_open(fixture);
    *state = fixture;
    return 0;
}

static inline int fixture_tear_down(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

/* A customer that has only what it must have. */
static inline struct customer_creation fixture_creation(const char *external_id)
{
    return (struct customer_creation){.customer = {.external_id = text_from_string(external_id),
                                                   .name = TEXT("Acme"),
                                                   .email = TEXT(""),
                                                   .address_line1 = TEXT(""),
                                                   .address_line2 = TEXT(""),
                                                   .address_city = TEXT(""),
                                                   .address_state = TEXT(""),
                                                   .address_postal_code = TEXT(""),
                                                   .address_country = TEXT(""),
                                                   .timezone = TEXT("UTC")}};
}

struct fixture_creating {
    struct customer_creation creation;
    struct customer customer;
};

static inline const struct failure *fixture_run_create(void *context, struct transaction *transaction)
{
    struct fixture_creating *creating = context;

    return customer_create(transaction, &creating->creation, &creating->customer);
}

/* Creates a customer and waits for it. */
static inline const struct failure *fixture_create(struct store_fixture *fixture, const char *external_id,
                                                   struct customer *customer)
{
    struct fixture_creating creating = {.creation = fixture_creation(external_id)};
    const struct failure *failure =
        store_write(fixture->store, &fixture->arena, &fixture->call, fixture_run_create, &creating);

    if (customer)
        *customer = creating.customer;
    return failure;
}

/* ---- what goes wrong ---- */

static inline void fixture_expect_unavailable(const struct failure *failure, const char *reason)
{
    assert_non_null(failure);
    assert_int_equal(failure->code, FAILURE_SERVICE_UNAVAILABLE);
    assert_non_null(failure->details);
    assert_text(failure->details->name, "reason");
    assert_text(failure->details->value, reason);
}

static inline void fixture_sleep_ms(unsigned ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000L}, NULL);
}

/* Waits, without writing anything, until the store has come to the state. */
static inline void fixture_wait_for_state(struct store_fixture *fixture, enum store_state state)
{
    enum { WAIT_MS_MAX = 30000, STEP_MS = 10 };

    for (unsigned waited_ms = 0; store_state(fixture->store) != state; waited_ms += STEP_MS) {
        if (waited_ms >= WAIT_MS_MAX)
            fail_msg("the state is %s", store_state_name(store_state(fixture->store)));
        fixture_sleep_ms(STEP_MS);
    }
}

/* ---- commands of which several wait at once ---- */

struct probe {
    struct store_command command;
    struct arena arena;
    struct store_fixture *fixture;
    const struct failure *(*use)(struct probe *probe, struct transaction *transaction);
    const char *external_id; /* of the customer that `use` creates */
    struct customer customer;
    unsigned runs, dones;
    unsigned done_order; /* from 1 */
    sem_t done;
    void (*on_done)(struct probe *probe);
    void *context;
};

/* Written by the writer's thread alone; read after the probes are done. */
static unsigned probes_done;

static inline const struct failure *probe_run(struct store_command *command, struct transaction *transaction)
{
    struct probe *probe = (struct probe *)command;

    probe->runs++;
    return probe->use(probe, transaction);
}

static inline void probe_done(struct store_command *command)
{
    struct probe *probe = (struct probe *)command;

    probe->dones++;
    probe->done_order = ++probes_done;
    if (probe->on_done)
        probe->on_done(probe);
    sem_post(&probe->done);
}

static inline void probe_init(struct probe *probe, struct store_fixture *fixture,
                              const struct failure *(*use)(struct probe *, struct transaction *),
                              const char *external_id)
{
    *probe = (struct probe){.fixture = fixture, .use = use, .external_id = external_id};
    probe->command = (struct store_command){
        .arena = &probe->arena, .call = &fixture->call, .run = probe_run, .done = probe_done};
    sem_init(&probe->done, 0, 0);
}

static inline void probe_wait(struct probe *probe)
{
    while (sem_wait(&probe->done) != 0)
        continue;
}

static inline void probe_free(struct probe *probe)
{
    sem_destroy(&probe->done);
    arena_free(&probe->arena);
}

/* Creates the probe's customer. */
static inline const struct failure *probe_create(struct probe *probe, struct transaction *transaction)
{
    struct customer_creation creation = fixture_creation(probe->external_id);

    return customer_create(transaction, &creation, &probe->customer);
}

/* A command that holds the writer until it is let go, so that what is submitted meanwhile waits together. */
struct gate {
    struct probe probe;
    sem_t entered, open;
};

static inline const struct failure *gate_run(struct probe *probe, struct transaction *transaction)
{
    struct gate *gate = (struct gate *)probe;

    (void)transaction;
    sem_post(&gate->entered);
    while (sem_wait(&gate->open) != 0)
        continue;
    return NULL;
}

/* Also when its batch could not even begin. */
static inline void gate_done(struct probe *probe)
{
    sem_post(&((struct gate *)probe)->entered);
}

static inline void gate_close(struct gate *gate, struct store_fixture *fixture)
{
    probe_init(&gate->probe, fixture, gate_run, NULL);
    gate->probe.on_done = gate_done;
    sem_init(&gate->entered, 0, 0);
    sem_init(&gate->open, 0, 0);
    assert_true(store_submit(fixture->store, &gate->probe.command));
    while (sem_wait(&gate->entered) != 0)
        continue;
}

static inline void gate_open(struct gate *gate)
{
    sem_post(&gate->open);
    probe_wait(&gate->probe);
    sem_destroy(&gate->entered);
    sem_destroy(&gate->open);
    probe_free(&gate->probe);
}

#endif
