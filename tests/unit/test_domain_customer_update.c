/* Changes of customers: the worked examples of the specification, field by field, and rows of an import. */
#include "store_fixture.h"

#include "domain/customer_blockers.h"
#include "failure_details.h"

STORE_FIXTURE_OF_FILE()

static const struct json_value *read_object(const char *json)
{
    struct json_error error;
    const struct json_value *object = json_read(&fixture.arena, text_from_string(json), &error);

    if (!object)
        fail_msg("%s", error.reason);
    return object;
}

struct updating {
    struct text id;
    struct customer_change change;
    struct customer customer;
};

static const struct failure *run_update(void *context, struct transaction *transaction)
{
    struct updating *updating = context;

    return customer_update(transaction, updating->id, &updating->change, &updating->customer);
}

/* Changes the customer, an hour later than the last time; it becomes what it is then. */
static const struct failure *update(struct customer *customer, const char *json)
{
    struct updating updating = {.id = customer->id};
    const struct failure *failure = customer_read_change(read_object(json), &fixture.arena, &updating.change);

    fixture.call.now_us += INT64_C(3600000000);
    if (!failure)
        failure = store_write(fixture.store, &fixture.arena, &fixture.call, run_update, &updating);
    if (!failure)
        *customer = updating.customer;
    return failure;
}

static void expect_refused(struct customer *customer, const char *json, const char *details)
{
    const struct failure *failure = update(customer, json);

    assert_non_null(failure);
    assert_int_equal(failure->code, FAILURE_VALIDATION);
    assert_text(failure_details(&fixture.arena, failure), details);
}

static struct customer make(const char *external_id)
{
    struct customer customer;

    assert_null(fixture_create(&fixture, external_id, &customer));
    return customer;
}

static void test_example_6_partial_update(void **state)
{
    struct customer customer = make("acme");
    int64_t created_at = customer.created_at;

    (void)state;
    assert_null(update(&customer, "{\"address_city\":\"Pune\",\"name\":null,\"unknown\":1}"));
    assert_text(customer.address_city, "Pune");
    assert_text(customer.name, "Acme");
    assert_int_equal(customer.created_at, created_at);
    assert_int_equal(customer.updated_at, fixture.call.now_us);
    assert_true(text_equal(customer.updated_by, fixture.call.actor_id));
    assert_null(update(&customer, "{\"metadata\":{\"a\":\"1\"}}"));
    assert_text(customer.metadata, "{\"a\":\"1\"}");
    assert_null(update(&customer, "{\"metadata\":{}}"));
    assert_text(customer.metadata, "{}");
    assert_null(update(&customer, "{\"metadata\":null}"));
    assert_text(customer.metadata, "{}");
}

static void test_example_7_rename(void **state)
{
    struct customer customer = make("acme");

    (void)state;
    assert_null(update(&customer, "{\"external_id\":\"acme-2\"}"));
    assert_text(customer.metadata, "{\"old_external_ids\":\"acme\"}");
    assert_null(update(&customer, "{\"external_id\":\"acme-3\"}"));
    assert_text(customer.metadata, "{\"old_external_ids\":\"acme,acme-2\"}");
    assert_null(update(&customer, "{\"external_id\":\"acme-3\"}")); /* unchanged: nothing to remember */
    assert_text(customer.metadata, "{\"old_external_ids\":\"acme,acme-2\"}");
    /* In one request with metadata: the stored list is carried over when the request has none. */
    assert_null(update(&customer, "{\"external_id\":\"acme-4\",\"metadata\":{\"k\":\"v\"}}"));
    assert_text(customer.metadata, "{\"k\":\"v\",\"old_external_ids\":\"acme,acme-2,acme-3\"}");
    assert_null(update(&customer, "{\"external_id\":\"acme-5\",\"metadata\":{\"old_external_ids\":\"x\"}}"));
    assert_text(customer.metadata, "{\"old_external_ids\":\"x,acme-4\"}");
    assert_text(fixture_select(&fixture, "SELECT external_id, metadata FROM customers"),
                "acme-5|{\"old_external_ids\":\"x,acme-4\"};");
}

static void test_what_empties_a_field(void **state)
{
    struct customer customer = make("acme");

    (void)state;
    assert_null(
        update(&customer, "{\"email\":\"a@b.co\",\"address_country\":\"DE\",\"address_line1\":\"x\"}"));
    assert_null(update(&customer, "{\"email\":\"\",\"address_country\":\"\",\"address_line1\":\"\"}"));
    assert_int_equal(customer.email.length + customer.address_country.length + customer.address_line1.length,
                     0);
    assert_false(text_is_set(customer.contact));
    assert_null(update(&customer, "{\"contact\":\"\"}"));
    assert_true(text_is_set(customer.contact) && customer.contact.length == 0);
    expect_refused(&customer, "{\"external_id\":\"\",\"name\":\"\",\"timezone\":\"\"}",
                   "external_id: must not be empty\nname: must not be empty\ntimezone: must not be empty\n");
}

static void test_refusals(void **state)
{
    struct customer customer = make("acme"), other = make("other");

    (void)state;
    expect_refused(&customer, "{\"metadata\":{\"hsn_sac\":\"1\"}}",
                   "metadata.hsn_sac: must be 4, 6 or 8 digits\n");
    expect_refused(&customer, "{\"integration_entity_mapping\":[{}]}",
                   "integration_entity_mapping[0].provider_type: is required\n"
                   "integration_entity_mapping[0].provider_entity_id: is required\n");
    assert_null(update(&customer, "{\"tax_rate_overrides\":5,\"integration_entity_mapping\":[]}"));
    const struct failure *failure = update(&other, "{\"external_id\":\"acme\"}");

    assert_int_equal(failure->code, FAILURE_ALREADY_EXISTS);
    assert_text(failure_details(&fixture.arena, failure), "external_id: acme\n");
    other.id = TEXT("cust_unknown");
    assert_int_equal(update(&other, "{}")->code, FAILURE_NOT_FOUND);
}

static const struct failure *run_archive(void *context, struct transaction *transaction)
{
    return customer_archive(transaction, *(struct text *)context);
}

static void archive(const struct customer *customer)
{
    struct text id = customer->id;

    assert_null(store_write(fixture.store, &fixture.arena, &fixture.call, run_archive, &id));
}

static void test_an_archived_customer_is_not_found(void **state)
{
    struct customer customer = make("acme");

    (void)state;
    archive(&customer);
    assert_int_equal(update(&customer, "{}")->code, FAILURE_NOT_FOUND);
}

static void test_nothing_changed_is_announced_all_the_same(void **state)
{
    struct customer customer = make("acme");

    (void)state;
    assert_null(update(&customer, "{}"));
    assert_int_equal(customer.updated_at, fixture.call.now_us);
    assert_text(fixture_select(&fixture, "SELECT event_name FROM system_events ORDER BY sequence"),
                "customer.created;customer.updated;");
}

/* Requests of one instant are done one after the other, and the clock may be set back. */
static void test_an_update_is_later_than_the_one_before(void **state)
{
    struct customer customer = make("acme");
    int64_t last = customer.updated_at;

    (void)state;
    for (int i = 0; i < 3; i++) {
        fixture.call.now_us = FIXTURE_NOW_US - INT64_C(2) * 3600000000; /* update() adds an hour */
        assert_null(update(&customer, "{}"));
        assert_int_equal(customer.updated_at, ++last);
    }
    assert_text(fixture_select(&fixture, "SELECT count(*) FROM system_events"), "4;");
}

/* ---- metadata that can be sent back ---- */

/* `{"key1":"VALUE",...}`: that many keys, and the last value of so many bytes. */
static const char *metadata_of(unsigned keys, unsigned value_bytes)
{
    struct buffer buffer = {0};

    buffer_append(&buffer, TEXT("{\"metadata\":{"));
    for (unsigned i = 0; i < keys; i++) {
        buffer_append_format(&buffer, "%s\"%03u\":\"", i ? "," : "", i);
        for (unsigned k = 0; k < value_bytes; k++)
            buffer_append_char(&buffer, 'v');
        buffer_append_char(&buffer, '"');
    }
    buffer_append(&buffer, TEXT("}}"));
    const char *json = arena_string(&fixture.arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return json;
}

static void expect_sendable(struct customer *customer)
{
    struct text json = arena_format(&fixture.arena, "{\"metadata\":%.*s}", TEXT_FORMAT(customer->metadata));
    struct customer before = *customer;

    assert_null(update(customer, arena_string(&fixture.arena, json)));
    assert_true(text_equal(customer->metadata, before.metadata));
}

static bool has_former_ids(const struct customer *customer)
{
    return json_member(read_object(arena_string(&fixture.arena, customer->metadata)),
                       TEXT("old_external_ids")) != NULL;
}

static void test_metadata_with_former_ids_has_at_most_256_keys(void **state)
{
    struct customer customer = make("a");

    (void)state;
    assert_null(update(&customer, metadata_of(256, 1)));
    assert_null(update(&customer, "{\"external_id\":\"b\"}"));
    assert_false(has_former_ids(&customer)); /* there is no room for one more */
    expect_sendable(&customer);
    assert_null(update(&customer, metadata_of(255, 1)));
    assert_null(update(&customer, "{\"external_id\":\"c\"}"));
    assert_true(has_former_ids(&customer));
    expect_sendable(&customer);
    assert_text(fixture_select(&fixture, "SELECT external_id FROM customer_aliases ORDER BY valid_to"),
                "a;b;");
}

static void test_metadata_with_former_ids_has_at_most_65536_bytes(void **state)
{
    struct customer customer = make("former-1");

    (void)state;
    /* 64 keys of three bytes with 1,020 each leave 64 bytes: the name of the list takes 16 of them. */
    assert_null(update(&customer, metadata_of(64, 1020)));
    for (unsigned i = 2; i <= 8; i++) {
        struct text json = arena_format(&fixture.arena, "{\"external_id\":\"former-%u\"}", i);

        assert_null(update(&customer, arena_string(&fixture.arena, json)));
        expect_sendable(&customer);
    }
    assert_text(
        json_member(read_object(arena_string(&fixture.arena, customer.metadata)), TEXT("old_external_ids"))
            ->text,
        "former-3,former-4,former-5,former-6,former-7");
    /* Without room for a single one there is no list. */
    assert_null(update(&customer, metadata_of(64, 1021)));
    assert_null(update(&customer, "{\"external_id\":\"former-9\"}"));
    assert_false(has_former_ids(&customer));
    expect_sendable(&customer);
}

/* ---- former external ids ---- */

struct resolving {
    struct text external_id;
    struct customer customer;
    struct record_list aliases;
};

static const struct failure *run_resolve(void *context, struct transaction *transaction)
{
    struct resolving *resolving = context;

    return customer_resolve_external_id(transaction, resolving->external_id, &resolving->customer);
}

/* The id of the customer that is meant; unset when there is none. */
static struct text resolve(const char *external_id)
{
    struct resolving resolving = {.external_id = text_from_string(external_id)};
    const struct failure *failure =
        store_read(fixture.store, &fixture.arena, &fixture.call, run_resolve, &resolving);

    assert_true(!failure || failure->code == FAILURE_NOT_FOUND);
    return failure ? text_none : resolving.customer.id;
}

#define assert_resolved(external_id, customer) assert_true(text_equal(resolve(external_id), (customer).id))

static void test_a_former_external_id_leads_to_its_customer(void **state)
{
    struct customer first = make("a"), second;

    (void)state;
    assert_false(text_is_set(resolve("nobody")));
    assert_null(update(&first, "{\"external_id\":\"b\"}"));
    assert_resolved("a", first);
    assert_resolved("b", first);
    second = make("a"); /* whose it is now */
    assert_resolved("a", second);
    assert_null(update(&second, "{\"external_id\":\"c\"}"));
    assert_resolved("a", second); /* who gave it up last */
    archive(&second);
    assert_resolved("a", first);
    assert_false(text_is_set(resolve("c")));
    archive(&first);
    assert_false(text_is_set(resolve("a")));
}

static void test_a_former_external_id_of_another_environment_is_not_found(void **state)
{
    struct customer customer = make("a");
    struct scope other = fixture.scope;

    (void)state;
    assert_null(update(&customer, "{\"external_id\":\"b\"}"));
    other.number++;
    fixture.call.scope = &other;
    assert_false(text_is_set(resolve("a")));
}

static const struct failure *run_list_aliases(void *context, struct transaction *transaction)
{
    struct resolving *resolving = context;

    resolving->aliases = customer_aliases(transaction, resolving->customer.id, 2);
    return NULL;
}

/* Requests are stamped when they arrive, and may be done in another order. */
static void test_times_of_one_external_id_do_not_overlap(void **state)
{
    struct customer first = make("a"), second;
    int64_t arrived_us = fixture.call.now_us;

    (void)state;
    assert_null(update(&first, "{\"external_id\":\"b\"}"));
    fixture.call.now_us = arrived_us; /* it came before the other, and waited */
    second = make("a");
    fixture.call.now_us = arrived_us - INT64_C(3600000000) + 1;
    assert_null(update(&second, "{\"external_id\":\"c\"}"));
    assert_true(second.created_at < first.updated_at && second.updated_at < first.updated_at);
    assert_text(fixture_select(&fixture,
                               "SELECT count(*) FROM customer_aliases AS one JOIN customer_aliases AS "
                               "other ON one.id < other.id AND one.external_id = other.external_id "
                               "WHERE one.valid_from < other.valid_to AND other.valid_from < "
                               "one.valid_to"),
                "0;");
    assert_text(fixture_select(&fixture, "SELECT count(*) FROM customer_aliases WHERE valid_from > valid_to"),
                "0;");
    assert_resolved("a", second);
}

static void test_aliases_come_with_their_time_the_last_one_first(void **state)
{
    struct customer customer = make("a");
    struct resolving resolving = {.customer = customer};
    int64_t created_at = customer.created_at;

    (void)state;
    assert_null(update(&customer, "{\"external_id\":\"b\"}"));
    int64_t renamed_at = customer.updated_at;

    assert_null(update(&customer, "{\"name\":\"B\"}"));
    assert_null(update(&customer, "{\"external_id\":\"c\"}"));
    assert_null(store_read(fixture.store, &fixture.arena, &fixture.call, run_list_aliases, &resolving));
    const struct customer_alias *aliases = resolving.aliases.records;

    assert_int_equal(resolving.aliases.count, 2);
    assert_text(aliases[0].external_id, "b");
    assert_true(aliases[0].valid_from == renamed_at && aliases[0].valid_to == customer.updated_at);
    assert_text(aliases[1].external_id, "a");
    assert_true(aliases[1].valid_from == created_at && aliases[1].valid_to == renamed_at);
    /* The customer's own row of the trail tells of it already. */
    assert_text(fixture_select(&fixture, "SELECT count(*) FROM audit_log WHERE entity_type <> 'customer' AND "
                                         "entity_type LIKE 'customer%'"),
                "0;");
}

/* ---- what stands in the way of deleting ---- */

static struct text seen_by_second;

static const struct failure *blocked(struct transaction *transaction, const struct customer *customer)
{
    return failure_add(failure_new(transaction->arena, FAILURE_INVALID_OPERATION,
                                   TEXT("the customer has a subscription that is not cancelled; cancel it")),
                       transaction->arena, TEXT("customer_id"), customer->id);
}

static const struct failure *lets_it_go(struct transaction *transaction, const struct customer *customer)
{
    (void)transaction;
    seen_by_second = customer->id;
    return NULL;
}

struct archiving {
    struct text id;
    customer_blocker *const *blockers;
};

static const struct failure *run_archive_unless(void *context, struct transaction *transaction)
{
    const struct archiving *archiving = context;

    return customer_archive_unless(transaction, archiving->id, archiving->blockers);
}

static const struct failure *archive_unless(struct text id, customer_blocker *const *blockers)
{
    struct archiving archiving = {id, blockers};

    return store_write(fixture.store, &fixture.arena, &fixture.call, run_archive_unless, &archiving);
}

static void test_the_first_blocker_decides(void **state)
{
    static customer_blocker *const refuses[] = {blocked, lets_it_go, NULL}, *const agrees[] = {lets_it_go,
                                                                                               NULL};
    struct customer customer = make("acme");

    (void)state;
    seen_by_second = text_none;
    const struct failure *failure = archive_unless(customer.id, refuses);

    assert_int_equal(failure->code, FAILURE_INVALID_OPERATION);
    assert_true(text_equal(failure->details->value, customer.id));
    assert_false(text_is_set(seen_by_second));
    assert_text(fixture_select(&fixture, "SELECT status, updated_at - created_at FROM customers"),
                "published|0;");
    assert_text(fixture_select(&fixture, "SELECT event_name FROM system_events"), "customer.created;");
    assert_null(archive_unless(customer.id, agrees));
    assert_true(text_equal(seen_by_second, customer.id));
    assert_text(fixture_select(&fixture, "SELECT status FROM customers"), "archived;");
}

/* What is not there, or not there any more, is not asked about. */
static void test_blockers_are_asked_about_published_customers(void **state)
{
    static customer_blocker *const refuses[] = {blocked, NULL};
    struct customer customer = make("acme");

    (void)state;
    archive(&customer);
    assert_int_equal(archive_unless(customer.id, refuses)->code, FAILURE_NOT_FOUND);
    assert_int_equal(archive_unless(TEXT("cust_nobody"), refuses)->code, FAILURE_NOT_FOUND);
}

/* ---- import ---- */

struct importing {
    const char *const *rows; /* ended by NULL */
    struct customer_import_options options;
    enum customer_import_outcome outcomes[8];
};

static const struct failure *run_import(void *context, struct transaction *transaction)
{
    struct importing *importing = context;
    const struct failure *failure = NULL, *refusal;

    for (size_t i = 0; importing->rows[i] && !failure; i++)
        failure = customer_import(transaction, read_object(importing->rows[i]), &importing->options,
                                  &importing->outcomes[i], &refusal);
    return failure;
}

static void test_rows_of_one_transaction_see_each_other(void **state)
{
    static const char *const rows[] = {"{\"external_id\":\"a\",\"name\":\"A\"}",
                                       "{\"external_id\":\"a\",\"name\":\"A\"}",
                                       "{\"external_id\":\"a\",\"name\":\"B\"}",
                                       "{\"external_id\":\"a\"}",
                                       "{\"external_id\":\"b\"}",
                                       NULL};
    struct importing importing = {.rows = rows, .options.may_update = true};

    (void)state;
    fixture.call.quiet_events = true;
    assert_null(store_write(fixture.store, &fixture.arena, &fixture.call, run_import, &importing));
    assert_int_equal(importing.outcomes[0], IMPORT_CREATED);
    assert_int_equal(importing.outcomes[1], IMPORT_UNCHANGED);
    assert_int_equal(importing.outcomes[2], IMPORT_UPDATED);
    assert_int_equal(importing.outcomes[3], IMPORT_UNCHANGED);
    assert_int_equal(importing.outcomes[4], IMPORT_REFUSED);
    assert_text(fixture_select(&fixture, "SELECT external_id, name FROM customers"), "a|B;");
    assert_text(fixture_select(&fixture, "SELECT action FROM audit_log WHERE entity_type = 'customer'"),
                "created;updated;");
    assert_text(fixture_select(&fixture, "SELECT count(*) FROM system_events"), "0;");
}

static const struct failure *run_import_and_fail(void *context, struct transaction *transaction)
{
    const struct failure *failure = run_import(context, transaction);

    return failure ? failure : failure_new(transaction->arena, FAILURE_INTERNAL, TEXT("afterwards"));
}

/* What was applied before a command fails is undone with it. */
static void test_a_failed_command_leaves_nothing(void **state)
{
    static const char *const rows[] = {"{\"external_id\":\"a\",\"name\":\"A\"}", NULL};
    struct importing importing = {.rows = rows};

    (void)state;
    assert_non_null(
        store_write(fixture.store, &fixture.arena, &fixture.call, run_import_and_fail, &importing));
    assert_text(fixture_select(&fixture, "SELECT count(*) FROM customers"), "0;");
    assert_text(fixture_select(&fixture, "SELECT count(*) FROM audit_log WHERE entity_type = 'customer'"),
                "0;");
}

#define TEST(function) FIXTURE_TEST(function)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_example_6_partial_update),
        TEST(test_example_7_rename),
        TEST(test_what_empties_a_field),
        TEST(test_refusals),
        TEST(test_an_archived_customer_is_not_found),
        TEST(test_nothing_changed_is_announced_all_the_same),
        TEST(test_an_update_is_later_than_the_one_before),
        TEST(test_a_former_external_id_leads_to_its_customer),
        TEST(test_a_former_external_id_of_another_environment_is_not_found),
        TEST(test_metadata_with_former_ids_has_at_most_256_keys),
        TEST(test_metadata_with_former_ids_has_at_most_65536_bytes),
        TEST(test_times_of_one_external_id_do_not_overlap),
        TEST(test_aliases_come_with_their_time_the_last_one_first),
        TEST(test_the_first_blocker_decides),
        TEST(test_blockers_are_asked_about_published_customers),
        TEST(test_rows_of_one_transaction_see_each_other),
        TEST(test_a_failed_command_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
