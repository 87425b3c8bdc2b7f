#include "script.h"

#include "domain/customers.h"
#include "domain/idempotency.h"
#include "machine.h"
#include "store/list_query.h"
#include "store/migration.h"
#include "store/sqlite/sqlite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the book ---- */

size_t book_published(const struct book *book)
{
    size_t count = 0;

    for (size_t i = 0; i < book->customer_count; i++)
        count += strcmp(book->customers[i].status, "published") == 0;
    return count;
}

static struct book_customer *seek(struct book *book, const char *external_id)
{
    for (size_t i = 0; i < book->customer_count; i++)
        if (strcmp(book->customers[i].external_id, external_id) == 0)
            return &book->customers[i];
    return NULL;
}

struct book_customer *book_find(struct book *book, const char *external_id)
{
    struct book_customer *customer = seek(book, external_id);

    if (customer)
        return customer;
    fail_msg("the book has no customer %s", external_id);
    abort();
}

static void write_down(struct book *book, const char *external_id, const char *name, size_t metadata_bytes)
{
    struct book_customer *customer = seek(book, external_id);

    if (!customer) {
        assert_true(book->customer_count < BOOK_CUSTOMERS_MAX);
        customer = &book->customers[book->customer_count++];
    }
    *customer = (struct book_customer){.status = "published", .metadata_bytes = metadata_bytes};
    snprintf(customer->external_id, BOOK_NAME_BYTES, "%s", external_id);
    snprintf(customer->name, BOOK_NAME_BYTES, "%s", name);
}

const char book_query[] =
    "SELECT coalesce(group_concat(line, ''), '') || (SELECT count(*) FROM idempotency_records) FROM "
    "(SELECT external_id || '|' || name || '|' || status || '|' || ifnull(length(metadata), 0) || ';' AS "
    "line "
    "FROM customers ORDER BY external_id)";

static int compare_customers(const void *left, const void *right)
{
    const struct book_customer *one = left, *other = right;

    return strcmp(one->external_id, other->external_id);
}

struct text book_text(const struct book *book, struct arena *arena)
{
    struct book *sorted = arena_allocate(arena, sizeof *sorted);
    struct buffer buffer = {0};

    *sorted = *book;
    qsort(sorted->customers, sorted->customer_count, sizeof sorted->customers[0], compare_customers);
    for (size_t i = 0; i < sorted->customer_count; i++) {
        const struct book_customer *customer = &sorted->customers[i];

        buffer_append_format(&buffer, "%s|%s|%s|%zu;", customer->external_id, customer->name,
                             customer->status, customer->metadata_bytes);
    }
    buffer_append_format(&buffer, "%u", book->kept_replies);
    struct text text = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return text;
}

/* ---- sessions ---- */

void state_copy(struct state *to, const struct state *from)
{
    struct disk disk = to->disk;

    disk_copy(&disk, &from->disk);
    *to = *from;
    to->disk = disk;
}

void state_free(struct state *state)
{
    disk_free(&state->disk);
}

/* Whose call it is from now on. */
static void take_place(struct session *session)
{
    const struct state *state = session->state;
    struct store_fixture *fixture = &session->fixture;

    fixture->scope = (struct scope){.number = state->scope,
                                    .tenant_id = text_from_string(state->tenant_id),
                                    .environment_id = text_from_string(state->environment_id)};
    fixture->call = (struct call){.scope = &fixture->scope,
                                  .actor_id = text_from_string(state->user_id),
                                  .request_id = TEXT("request"),
                                  .now_us = FIXTURE_NOW_US};
}

/* The store looks at its files by their paths as well. */
static void make_place_holder(struct store_fixture *fixture)
{
    int fd;

    fixture_directory(fixture);
    fd = open(fixture->database, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "", 1), 1);
    close(fd);
}

void session_begin(struct session *session, struct state *state)
{
    *session = (struct session){.state = state};
    make_place_holder(&session->fixture);
    take_place(session);
}

void session_end(struct session *session)
{
    fixture_remove(&session->fixture);
}

/* Customers have a random key since, so that each migration of one would be another database. */
static const char old_rows[] =
    "INSERT INTO tenants (id, name, created_at, updated_at, created_by, updated_by) VALUES ('old_tenant', "
    "'Old', 1, 1, "
    "'', '');"
    "INSERT INTO environments (id, tenant_id, name, type, created_at, updated_at, created_by, updated_by) "
    "VALUES "
    "('old_environment', 'old_tenant', 'Old', 'development', 1, 1, '', '');"
    "INSERT INTO users (id, tenant_id, created_at, updated_at, created_by, updated_by) VALUES ('old_user', "
    "'old_tenant', 1, 1, '', '');"
    "INSERT INTO scopes VALUES (1, 'old_tenant', 'old_environment');"
    "INSERT INTO audit_log (scope, entity_type, entity_id, action, actor_id, request_id, occurred_at, "
    "changes) "
    "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 200) "
    "SELECT 0, 'tenant', 'old_tenant', 'updated', '', '', n, '{}' FROM numbers;";

void state_make_old(struct state *state)
{
    char pragmas[96];
    struct session session;
    sqlite3 *handle;

    machine_start(&state->disk);
    session_begin(&session, state);
    snprintf(pragmas, sizeof pragmas, "PRAGMA application_id=%d; PRAGMA user_version=1",
             SQLITE_APPLICATION_ID);
    assert_int_equal(sqlite3_open(session.fixture.database, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, "PRAGMA journal_mode=WAL", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, sqlite_migrations[0].sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, old_rows, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, pragmas, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(handle), SQLITE_OK);
    session_end(&session);
    machine_look(&state->disk);
    state->is_installed = true;
    state->scope = 1;
    snprintf(state->tenant_id, sizeof state->tenant_id, "old_tenant");
    snprintf(state->environment_id, sizeof state->environment_id, "old_environment");
    snprintf(state->user_id, sizeof state->user_id, "old_user");
}

static void be_in_trouble(struct session *session, const char *trouble)
{
    if (!session->trouble)
        session->trouble = trouble;
}

/* Takes note of a fault, and ends it. */
static void notice_fault(struct session *session)
{
    session->has_failed |= machine_has_failed();
    if (session->has_failed)
        machine_repair();
}

bool session_open(struct session *session)
{
    struct text reason;

    for (int attempt = 0; attempt < 2 && !session->fixture.store; attempt++) {
        session->fixture.store = fixture_try_open(&session->fixture, &reason);
        if (session->fixture.store)
            break;
        notice_fault(session);
        if (!session->has_failed || attempt > 0)
            be_in_trouble(session, "the database cannot be opened");
    }
    return session->fixture.store != NULL;
}

void session_close(struct session *session)
{
    if (session->fixture.store)
        store_close(session->fixture.store);
    session->fixture.store = NULL;
}

/* ---- steps ---- */

static void note_acknowledged(struct probe *probe)
{
    if (!probe->command.failure)
        machine_note_acknowledged();
}

/* Does one thing. False when it was refused, which only a fault may be the cause of. */
static bool do_step(struct session *session, struct probe *probe,
                    const struct failure *(*use)(struct probe *, struct transaction *),
                    const char *external_id, void *context)
{
    probe_init(probe, &session->fixture, use, external_id);
    probe->context = context;
    probe->on_done = note_acknowledged;
    if (!session->state->is_installed)
        probe->command.call = &session->fixture.system_call;
    assert_true(store_submit(session->fixture.store, &probe->command));
    probe_wait(probe);
    bool is_done = !probe->command.failure;

    if (!is_done && !session->has_failed && !machine_has_failed())
        be_in_trouble(session, "refused without a fault");
    return is_done;
}

static bool create(struct session *session, const char *external_id)
{
    struct probe probe;
    bool is_done = do_step(session, &probe, probe_create, external_id, NULL);

    if (is_done)
        write_down(&session->state->book, external_id, "Acme", 0);
    probe_free(&probe);
    return is_done;
}

static const struct failure *install(struct probe *probe, struct transaction *transaction)
{
    return fixture_install(probe->fixture, transaction);
}

static void write_text(char to[BOOK_NAME_BYTES], struct text text)
{
    snprintf(to, BOOK_NAME_BYTES, "%.*s", TEXT_FORMAT(text));
}

static void install_tenant(struct session *session)
{
    struct probe probe;
    const struct tenant_opening *opening = &session->fixture.installation.opening;

    if (do_step(session, &probe, install, NULL, NULL)) {
        struct state *state = session->state;

        state->is_installed = true;
        state->scope = opening->scope.number;
        write_text(state->tenant_id, opening->scope.tenant_id);
        write_text(state->environment_id, opening->scope.environment_id);
        write_text(state->user_id, opening->user.id);
        take_place(session);
    }
    probe_free(&probe);
}

bool session_go_on(struct session *session, const char *external_id)
{
    take_place(session);
    if (!session->state->is_installed)
        install_tenant(session);
    return session->state->is_installed && create(session, external_id);
}

/* A customer, and then another one whose external id is taken: all of it must be undone. */
static const struct failure *create_in_vain(struct probe *probe, struct transaction *transaction)
{
    struct customer_creation creation = fixture_creation(probe->external_id);
    const struct failure *failure = customer_create(transaction, &creation, &probe->customer);

    if (!failure)
        failure = transaction_apply(transaction);
    creation.customer.external_id = text_from_string(probe->context);
    return failure ? failure : customer_create(transaction, &creation, &probe->customer);
}

/* Several commands that share a transaction, of which one has to be undone. */
static void create_together(struct session *session, const char *const *external_ids, unsigned count,
                            char *taken)
{
    struct probe probes[8], vain;
    struct gate gate;

    assert_true(count <= 8);
    gate_close(&gate, &session->fixture);
    for (unsigned i = 0; i < count; i++) {
        probe_init(&probes[i], &session->fixture, probe_create, external_ids[i]);
        probes[i].on_done = note_acknowledged;
        assert_true(store_submit(session->fixture.store, &probes[i].command));
    }
    probe_init(&vain, &session->fixture, create_in_vain, "in vain");
    vain.context = taken;
    assert_true(store_submit(session->fixture.store, &vain.command));
    gate_open(&gate);
    probe_wait(&vain);
    if (!vain.command.failure)
        be_in_trouble(session, "a taken external id was given away");
    probe_free(&vain);
    for (unsigned i = 0; i < count; i++) {
        probe_wait(&probes[i]);
        if (!probes[i].command.failure)
            write_down(&session->state->book, external_ids[i], "Acme", 0);
        else if (!session->has_failed && !machine_has_failed())
            be_in_trouble(session, "refused without a fault");
        probe_free(&probes[i]);
    }
}

/* ---- steps by external id ---- */

/* The id of the probe's customer, who must be published. */
static const struct failure *find(struct probe *probe, struct transaction *transaction)
{
    return customer_get_by_external_id(transaction, text_from_string(probe->external_id), &probe->customer);
}

static const struct failure *change(struct probe *probe, struct transaction *transaction)
{
    struct json_error error;
    struct customer_change change;
    const struct json_value *object = json_read(transaction->arena, text_from_string(probe->context), &error);
    const struct failure *failure = customer_read_change(object, transaction->arena, &change);

    if (!failure)
        failure = find(probe, transaction);
    return failure ? failure : customer_update(transaction, probe->customer.id, &change, &probe->customer);
}

static void rename_customer(struct session *session, const char *external_id, const char *new_external_id)
{
    char json[128];
    struct probe probe;

    snprintf(json, sizeof json, "{\"external_id\":\"%s\"}", new_external_id);
    if (do_step(session, &probe, change, external_id, json)) {
        struct book_customer *customer = book_find(&session->state->book, external_id);

        snprintf(customer->external_id, BOOK_NAME_BYTES, "%s", new_external_id);
        customer->metadata_bytes = strlen("{\"old_external_ids\":\"\"}") + strlen(external_id);
    }
    probe_free(&probe);
}

static void change_name(struct session *session, const char *external_id, const char *name)
{
    char json[128];
    struct probe probe;

    snprintf(json, sizeof json, "{\"name\":\"%s\",\"email\":\"%s@example.com\"}", name, external_id);
    if (do_step(session, &probe, change, external_id, json)) {
        struct book_customer *customer = book_find(&session->state->book, external_id);

        snprintf(customer->name, BOOK_NAME_BYTES, "%s", name);
        if (probe.customer.metadata.length != customer->metadata_bytes)
            be_in_trouble(session, "a change was answered with what is not there");
    }
    probe_free(&probe);
}

static const struct failure *archive(struct probe *probe, struct transaction *transaction)
{
    const struct failure *failure = find(probe, transaction);

    return failure ? failure : customer_archive(transaction, probe->customer.id);
}

static void archive_customer(struct session *session, const char *external_id)
{
    struct probe probe;

    if (do_step(session, &probe, archive, external_id, NULL))
        book_find(&session->state->book, external_id)->status = "archived";
    probe_free(&probe);
}

static const struct failure *erase(struct probe *probe, struct transaction *transaction)
{
    struct customer_erasure erasure;
    const struct failure *failure = find(probe, transaction);

    return failure ? failure : customer_erase(transaction, probe->customer.id, &erasure);
}

static void erase_customer(struct session *session, const char *external_id)
{
    struct probe probe;

    if (do_step(session, &probe, erase, external_id, NULL)) {
        struct book_customer *customer = book_find(&session->state->book, external_id);

        write_text(customer->external_id, probe.customer.id);
        snprintf(customer->name, BOOK_NAME_BYTES, "(erased)");
        customer->status = "archived";
        customer->metadata_bytes = 0;
    }
    probe_free(&probe);
}

/* ---- steps that are about many ---- */

struct rows {
    const char *const *external_ids;
    unsigned count;
    const char *name;
};

static const struct failure *import(struct probe *probe, struct transaction *transaction)
{
    const struct rows *rows = probe->context;
    const struct customer_import_options options = {.may_update = true};
    const struct failure *failure = NULL, *refusal = NULL;

    for (unsigned i = 0; i < rows->count && !failure; i++) {
        enum customer_import_outcome outcome;
        struct json_error error;
        struct text row = arena_format(transaction->arena, "{\"external_id\":\"%s\",\"name\":\"%s\"}",
                                       rows->external_ids[i], rows->name);

        failure = customer_import(transaction, json_read(transaction->arena, row, &error), &options, &outcome,
                                  &refusal);
        if (!failure)
            failure = refusal;
    }
    return failure;
}

static void import_rows(struct session *session, const char *const *external_ids, unsigned count,
                        const char *name)
{
    struct rows rows = {external_ids, count, name};
    struct probe probe;

    if (do_step(session, &probe, import, NULL, &rows))
        for (unsigned i = 0; i < count; i++) {
            const struct book_customer *known = seek(&session->state->book, external_ids[i]);

            write_down(&session->state->book, external_ids[i], name, known ? known->metadata_bytes : 0);
        }
    probe_free(&probe);
}

/* A customer, and the reply to the request that made it. */
static const struct failure *create_and_keep(struct probe *probe, struct transaction *transaction)
{
    struct idempotency_record *record = ARENA_NEW(transaction->arena, struct idempotency_record);

    *record = (struct idempotency_record){.id = text_from_string(probe->external_id),
                                          .request_hash = TEXT("hash"),
                                          .status_code = 201,
                                          .reply = TEXT("reply"),
                                          .created_at = FIXTURE_NOW_US};
    const struct failure *failure = probe_create(probe, transaction);

    if (!failure)
        idempotency_keep(transaction, record, NULL);
    return failure;
}

static void create_with_reply(struct session *session, const char *external_id)
{
    struct probe probe;

    if (do_step(session, &probe, create_and_keep, external_id, NULL)) {
        write_down(&session->state->book, external_id, "Acme", 0);
        session->state->book.kept_replies++;
    }
    probe_free(&probe);
}

static const struct failure *discard(struct probe *probe, struct transaction *transaction)
{
    size_t count;

    (void)probe;
    return idempotency_discard(transaction, FIXTURE_NOW_US + 1, &count);
}

static void discard_replies(struct session *session)
{
    struct probe probe;

    if (do_step(session, &probe, discard, NULL, NULL))
        session->state->book.kept_replies = 0;
    probe_free(&probe);
}

static const struct failure *take_into_index(struct probe *probe, struct transaction *transaction)
{
    int64_t count;
    bool is_more;

    return store_index_searched(probe->fixture->store, transaction, &customer_entity, &count, &is_more);
}

static void index_customers(struct session *session)
{
    struct probe probe;

    do_step(session, &probe, take_into_index, NULL, NULL);
    probe_free(&probe);
}

enum { LARGE_CUSTOMERS = 3, LARGE_BYTES = 12 * 1000 };

static const struct failure *create_large(struct probe *probe, struct transaction *transaction)
{
    char *metadata = arena_allocate(transaction->arena, LARGE_BYTES);
    const struct failure *failure = NULL;

    memset(metadata, 'x', LARGE_BYTES);
    memcpy(metadata, "{\"a\":\"", 6);
    memcpy(metadata + LARGE_BYTES - 2, "\"}", 2);
    for (unsigned i = 0; i < LARGE_CUSTOMERS && !failure; i++) {
        struct text name = arena_format(transaction->arena, "%s-%u", probe->external_id, i);
        struct customer_creation creation = fixture_creation("");

        creation.customer.external_id = name;
        creation.customer.metadata = (struct text){metadata, LARGE_BYTES};
        failure = customer_create(transaction, &creation, ARENA_NEW(transaction->arena, struct customer));
    }
    return failure;
}

static void create_large_ones(struct session *session, const char *prefix)
{
    struct probe probe;

    if (do_step(session, &probe, create_large, prefix, NULL))
        for (unsigned i = 0; i < LARGE_CUSTOMERS; i++) {
            char external_id[BOOK_NAME_BYTES];

            snprintf(external_id, sizeof external_id, "%s-%u", prefix, i);
            write_down(&session->state->book, external_id, "Acme", LARGE_BYTES);
        }
    probe_free(&probe);
}

/* ---- reading ---- */

struct counting {
    int64_t total, named;
};

static int64_t count_customers(struct transaction *transaction, const char *name)
{
    const struct page page = {.limit = 1};
    struct list_query list;
    int64_t total = 0;

    list_query_begin(&list, transaction, &customer_entity);
    list_query_where(&list, TEXT("status"), LIST_EQUAL, value_text(TEXT("published")));
    if (name)
        list_query_where(&list, TEXT("name"), LIST_CONTAINS, value_text(text_from_string(name)));
    list_query_run(&list, &page, &total);
    return total;
}

static const struct failure *count(void *context, struct transaction *transaction)
{
    struct counting *counting = context;

    counting->total = count_customers(transaction, NULL);
    counting->named = count_customers(transaction, "acme");
    return NULL;
}

/* What is read without a failure is right. */
static void read_customers(struct session *session)
{
    struct store_fixture *fixture = &session->fixture;
    const struct book *book = &session->state->book;
    struct counting counting = {0};
    int64_t named = 0;
    const struct failure *failure =
        store_read(fixture->store, &fixture->arena, &fixture->call, count, &counting);

    for (size_t i = 0; i < book->customer_count; i++)
        named += strcmp(book->customers[i].status, "published") == 0 &&
                 strcmp(book->customers[i].name, "Acme") == 0;
    if (!failure && (counting.total != (int64_t)book_published(book) || counting.named != named))
        be_in_trouble(session, "a search has found something else than there is");
    if (failure && !session->has_failed && !machine_has_failed())
        be_in_trouble(session, "a search was refused without a fault");
}

static const struct failure *get(void *context, struct transaction *transaction)
{
    struct probe *probe = context;

    return find(probe, transaction);
}

static void read_customer(struct session *session, const char *external_id)
{
    struct store_fixture *fixture = &session->fixture;
    struct probe probe = {.external_id = external_id};
    const struct book_customer *known = seek(&session->state->book, external_id);
    const struct failure *failure = store_read(fixture->store, &fixture->arena, &fixture->call, get, &probe);

    if (known && !failure &&
        (probe.customer.metadata.length != known->metadata_bytes ||
         !text_equal(probe.customer.name, text_from_string(known->name))))
        be_in_trouble(session, "a customer was read who is not as the one that is there");
    if (known && failure && failure->code == FAILURE_NOT_FOUND)
        be_in_trouble(session, "a customer who is there was not found");
}

/* ---- the parts ---- */

static void run_make(struct session *session)
{
    for (int attempt = 0; attempt < 2 && !session->state->is_installed; attempt++) {
        install_tenant(session);
        notice_fault(session);
    }
    if (!session->state->is_installed) {
        be_in_trouble(session, "the first tenant cannot be made");
        return;
    }
    create(session, "first");
    create(session, "second");
}

static void run_change(struct session *session)
{
    static const char *const together[] = {"together-1", "together-2", "together-3", "together-4"};
    static const char *const rows[] = {"row-1", "row-2", "row-3", "first", "row-4", "row-5"};

    create(session, "alone-1");
    create(session, "alone-2");
    create_together(session, together, 4, (char[]){"second"});
    index_customers(session);
    import_rows(session, rows, 6, "Imported");
    rename_customer(session, "alone-1", "alone-3");
    read_customers(session);
    change_name(session, "together-2", "Renamed");
    archive_customer(session, "together-1");
    create_with_reply(session, "replied-1");
    if (session->midway) {
        state_copy(session->midway, session->state);
        machine_look(&session->midway->disk);
    }
    create_with_reply(session, "replied-2");
    index_customers(session);
    erase_customer(session, "together-3");
    discard_replies(session);
    create_with_reply(session, "replied-3");
    index_customers(session);
    read_customers(session);
}

static const struct failure *do_nothing(struct probe *probe, struct transaction *transaction)
{
    (void)probe;
    (void)transaction;
    return NULL;
}

/* The disk is done with what waits for it, and the store goes on with what it does then. */
static void let_syncs_go(struct session *session)
{
    enum { ATTEMPTS_MAX = 1000, WAIT_US = 100 };

    machine_hold_syncs(false);
    for (int attempt = 0; attempt < ATTEMPTS_MAX && machine_has_snapshot() &&
                          store_state(session->fixture.store) != STORE_SYNC_FAILED;
         attempt++) {
        struct probe probe;

        do_step(session, &probe, do_nothing, NULL, NULL);
        probe_free(&probe);
        usleep(WAIT_US);
    }
}

/* The log is full after the first ones; more are committed while the disk is busy. */
static void run_copy_back(struct session *session)
{
    enum { COMMITS = 90 }; /* more than the log holds before it is copied back */

    machine_hold_syncs(true);
    create_large_ones(session, "large-a");
    for (unsigned i = 0; i < COMMITS; i++) {
        char external_id[BOOK_NAME_BYTES];

        snprintf(external_id, sizeof external_id, "filling-%u", i);
        create(session, external_id);
    }
    create_large_ones(session, "large-b");
    change_name(session, "second", "While it syncs");
    let_syncs_go(session);
    create(session, "afterwards-1"); /* begins the log anew */
    change_name(session, "large-a-0", "Changed");
    read_customer(session, "large-b-1");
    archive_customer(session, "first");
    create(session, "afterwards-2");
}

static void run_recover(struct session *session)
{
    create(session, "recovered-1");
    read_customers(session);
    archive_customer(session, "alone-2");
    index_customers(session);
}

/* Opening it was the most of it. */
static void run_migrate(struct session *session)
{
    create(session, "migrated-1");
    read_customers(session);
}

const struct part parts[PARTS] = {
    [PART_MAKE] = {"making a database", run_make},
    [PART_CHANGE] = {"changes", run_change},
    [PART_COPY_BACK] = {"a log that is copied back", run_copy_back},
    [PART_RECOVER] = {"recovery", run_recover},
    [PART_MIGRATE] = {"a migration", run_migrate},
};

void session_run(struct session *session, const struct part *part)
{
    machine_record(session->journal);
    if (session_open(session)) {
        part->run(session);
        machine_hold_syncs(false);
        notice_fault(session);
        /* Whatever has failed, the store goes on. */
        if (session->has_failed && !session_go_on(session, "after the fault"))
            be_in_trouble(session, "the store does not go on after the fault");
    }
    machine_record(NULL);
    if (session->journal) {
        session->unclosed_position = session->journal->count;
        machine_record(session->journal);
    }
    session_close(session);
    machine_record(NULL);
    notice_fault(session);
}
