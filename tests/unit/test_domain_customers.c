/* Customers: the worked examples of the specification, the rules on tax metadata, what is not supported. */
#include "store_fixture.h"

#include "base/ulid.h"
#include "domain/integration_mapping.h"
#include "domain/tax_metadata.h"
#include "failure_details.h"
#include "model/entity_json.h"

STORE_FIXTURE_OF_FILE()

static const struct failure *read_creation(const char *json, struct customer_creation *creation)
{
    struct json_error error;
    const struct json_value *object = json_read(&fixture.arena, text_from_string(json), &error);

    if (!object)
        fail_msg("%s", error.reason);
    return customer_read_creation(object, &fixture.arena, creation);
}

/* Creates what `json` asks for, on behalf of `call`. */
static const struct failure *create(const struct call *call, const char *json, struct customer *created)
{
    struct fixture_creating creating;
    const struct failure *failure = read_creation(json, &creating.creation);

    if (!failure)
        failure = store_write(fixture.store, &fixture.arena, call, fixture_run_create, &creating);
    *created = creating.customer;
    return failure;
}

static void expect_refused(const char *json, const char *details)
{
    struct customer_creation creation;
    const struct failure *failure = read_creation(json, &creation);

    assert_text(failure_details(&fixture.arena, failure), details);
    assert_true(!failure || failure->code == FAILURE_VALIDATION);
}

/* ---- the worked examples ---- */

static void test_example_1_minimal_create(void **state)
{
    struct customer customer;

    (void)state;
    assert_null(create(&fixture.call, "{\"external_id\":\"acme\",\"name\":\"Acme\"}", &customer));
    const struct text empty[] = {
        customer.email,         customer.address_line1,       customer.address_line2,  customer.address_city,
        customer.address_state, customer.address_postal_code, customer.address_country};

    for (unsigned i = 0; i < sizeof empty / sizeof empty[0]; i++)
        assert_true(text_is_set(empty[i]) && empty[i].length == 0);
    assert_text(customer.timezone, "UTC");
    assert_text(customer.status, "published");
    assert_false(text_is_set(customer.metadata) || text_is_set(customer.contact));
    assert_true(text_equal(customer.created_by, fixture.call.actor_id));
    assert_true(text_equal(customer.updated_by, fixture.call.actor_id));
    assert_true(customer.created_at == FIXTURE_NOW_US && customer.updated_at == FIXTURE_NOW_US);
    assert_true(text_starts_with(customer.id, TEXT("cust_")));
    assert_int_equal(customer.id.length, strlen("cust_") + ULID_TEXT_LENGTH);
}

static const struct failure *run_environment(void *context, struct transaction *transaction)
{
    return environment_create(transaction, fixture.scope.tenant_id, TEXT("Live"), TEXT("production"),
                              ARENA_NEW(transaction->arena, struct environment), context);
}

static struct call in_another_environment(struct scope *scope)
{
    struct call call = fixture.call;

    assert_null(store_write(fixture.store, &fixture.arena, &fixture.system_call, run_environment, scope));
    assert_true(scope->number != fixture.scope.number);
    call.scope = scope;
    return call;
}

static void test_example_2_duplicate(void **state)
{
    static const char body[] = "{\"external_id\":\"acme\",\"name\":\"Acme\"}";
    struct customer customer;
    struct scope scope;

    (void)state;
    assert_null(create(&fixture.call, body, &customer));
    const struct failure *failure = create(&fixture.call, body, &customer);

    assert_int_equal(failure->code, FAILURE_ALREADY_EXISTS);
    assert_text(failure_details(&fixture.arena, failure), "external_id: acme\n");
    struct call other = in_another_environment(&scope);

    assert_null(create(&other, body, &customer));
    assert_null(create(&fixture.call, "{\"external_id\":\"Acme\",\"name\":\"case matters\"}", &customer));
}

static void test_example_3_all_wrong_at_once(void **state)
{
    struct customer_creation creation;
    static const char *const names[] = {"external_id",     "name",    "email", "contact",
                                        "address_country", "timezone"};
    const struct failure *failure = read_creation(
        "{\"email\":\"x@localhost\",\"address_country\":\"us\",\"contact\":\"123456789012345678901\","
        "\"timezone\":\"utc\"}",
        &creation);
    const struct failure_detail *detail = failure->details;

    (void)state;
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++, detail = detail->next)
        assert_text(detail->name, names[i]);
    assert_null(detail);
}

#define WITH_METADATA(metadata) "{\"external_id\":\"a\",\"name\":\"n\",\"metadata\":" metadata "}"

static void test_example_4_pan_mismatch(void **state)
{
    struct customer customer;

    (void)state;
    expect_refused(WITH_METADATA("{\"gstin\":\"29QWERT1234P1Z5\",\"pan\":\"ZXCVB1234P\"}"),
                   "metadata.pan: must be characters 3 to 12 of gstin\npan_from_gstin: QWERT1234P\n");
    assert_null(create(&fixture.call, WITH_METADATA("{\"gstin\":\"29QWERT1234P1Z5\",\"pan\":\"qwert1234p\"}"),
                       &customer));
    assert_text(customer.metadata, "{\"gstin\":\"29QWERT1234P1Z5\",\"pan\":\"qwert1234p\"}");
}

static const struct failure *run_archive(void *context, struct transaction *transaction)
{
    return customer_archive(transaction, *(struct text *)context);
}

static void begin(struct store_reader **reader, struct transaction *transaction, const struct call *call)
{
    struct text reason;

    *reader = store_reader_open(fixture.store, &fixture.arena, &reason);
    assert_non_null(*reader);
    store_reader_begin(*reader, transaction, &fixture.arena, call);
}

static void test_example_8_delete_and_reuse(void **state)
{
    static const char body[] = "{\"external_id\":\"acme\",\"name\":\"Acme\"}";
    struct customer first, second, found;
    struct store_reader *reader;
    struct transaction transaction;

    (void)state;
    assert_null(create(&fixture.call, body, &first));
    assert_null(store_write(fixture.store, &fixture.arena, &fixture.call, run_archive, &first.id));
    begin(&reader, &transaction, &fixture.call);
    assert_null(customer_get(&transaction, first.id, &found));
    assert_text(found.status, "archived");
    assert_int_equal(customer_get_by_external_id(&transaction, TEXT("acme"), &found)->code,
                     FAILURE_NOT_FOUND);
    assert_int_equal(store_write(fixture.store, &fixture.arena, &fixture.call, run_archive, &first.id)->code,
                     FAILURE_NOT_FOUND);
    assert_null(create(&fixture.call, body, &second));
    assert_false(text_equal(first.id, second.id));
    store_reader_begin(reader, &transaction, &fixture.arena, &fixture.call);
    assert_null(customer_get_by_external_id(&transaction, TEXT("acme"), &found));
    assert_true(text_equal(found.id, second.id));
    store_reader_close(reader);
}

static struct text linked_to; /* what the provider calls the customer */

static const struct failure *run_link(void *context, struct transaction *transaction)
{
    const struct customer *customer = context;
    const struct integration_mapping mapping = {.entity_id = customer->id,
                                                .entity_type = TEXT("customer"),
                                                .provider_type = TEXT("stripe"),
                                                .provider_entity_id = linked_to,
                                                .metadata = TEXT("{}")};

    return integration_mapping_create(transaction, &mapping,
                                      ARENA_NEW(transaction->arena, struct integration_mapping));
}

static void test_example_12_integrations(void **state)
{
    struct customer customer;
    struct store_reader *reader;
    struct transaction transaction;

    (void)state;
    assert_null(create(&fixture.call, "{\"external_id\":\"acme\",\"name\":\"Acme\"}", &customer));
    begin(&reader, &transaction, &fixture.call);
    assert_int_equal(customer_integrations(&transaction, customer.id).count, 0);
    linked_to = TEXT("cus_9");
    assert_null(store_write(fixture.store, &fixture.arena, &fixture.call, run_link, &customer));
    store_reader_begin(reader, &transaction, &fixture.arena, &fixture.call);
    struct record_list list = customer_integrations(&transaction, customer.id);
    const struct integration_mapping *mapping = list.records;

    assert_int_equal(list.count, 1);
    assert_text(mapping->provider_entity_id, "cus_9");
    /* One published mapping of a provider. */
    linked_to = TEXT("cus_10");
    const struct failure *failure =
        store_write(fixture.store, &fixture.arena, &fixture.call, run_link, &customer);

    assert_int_equal(failure->code, FAILURE_ALREADY_EXISTS);
    assert_text(failure_details(&fixture.arena, failure), "provider_type: stripe\n");
    store_reader_close(reader);
}

/* ---- scopes ---- */

static void test_other_environments_see_nothing(void **state)
{
    struct customer customer, found;
    struct scope scope;
    struct store_reader *reader;
    struct transaction transaction;

    (void)state;
    assert_null(create(&fixture.call, "{\"external_id\":\"acme\",\"name\":\"Acme\"}", &customer));
    struct call other = in_another_environment(&scope);

    begin(&reader, &transaction, &other);
    assert_int_equal(customer_get(&transaction, customer.id, &found)->code, FAILURE_NOT_FOUND);
    assert_non_null(customer_get_by_external_id(&transaction, TEXT("acme"), &found));
    assert_int_equal(customer_integrations(&transaction, customer.id).count, 0);
    assert_int_equal(store_write(fixture.store, &fixture.arena, &other, run_archive, &customer.id)->code,
                     FAILURE_NOT_FOUND);
    store_reader_close(reader);
}

/* ---- what is read beside the fields ---- */

static void test_rules_of_tax_metadata(void **state)
{
    (void)state;
    expect_refused(WITH_METADATA("{\"gstin\":\"\",\"pan\":\" \",\"hsn_sac\":\"\\t\"}"), "");
    expect_refused(WITH_METADATA("{\"gstin\":\" 29qwert1234p1z5 \"}"),
                   ""); /* trimmed and upper-cased to check */
    expect_refused(WITH_METADATA("{\"pan\":\"abcde1234f\",\"hsn_sac\":\"998314\",\"place_of_supply\":\"?\"}"),
                   "");
    expect_refused(WITH_METADATA("{\"hsn_sac\":\"1234567\"}"),
                   "metadata.hsn_sac: must be 4, 6 or 8 digits\n");
    expect_refused(
        WITH_METADATA("{\"gstin\":\"x\",\"pan\":\"y\",\"hsn_sac\":\"z\"}"),
        "metadata.gstin: must be a GSTIN of 15 characters: 2 digits, 5 letters, 4 digits, a letter, a "
        "letter or digit, Z, a letter or digit\n"
        "metadata.pan: must be a PAN of 10 characters: 5 letters, 4 digits, a letter\n"
        "metadata.hsn_sac: must be 4, 6 or 8 digits\n");
    expect_refused(WITH_METADATA("{\"gstin\":null}"), "");
    assert_null(tax_metadata_check(text_none, &fixture.arena));
    assert_null(tax_metadata_check(TEXT("{}"), &fixture.arena));
}

static void test_what_is_stored_is_as_sent(void **state)
{
    struct customer customer;

    (void)state;
    assert_null(create(&fixture.call, WITH_METADATA("{\"gstin\":\" 29qwert1234p1z5 \"}"), &customer));
    assert_text(fixture_select(&fixture, "SELECT metadata FROM customers"),
                "{\"gstin\":\" 29qwert1234p1z5 \"};");
}

#define WITH_OPTION(option) "{\"external_id\":\"a\",\"name\":\"n\"," option "}"

static void test_unsupported_inputs_are_refused(void **state)
{
    (void)state;
    expect_refused(WITH_OPTION("\"tax_rate_overrides\":[],\"integration_entity_mapping\":[],"
                               "\"onboarding_workflow_name\":\"\",\"skip_onboarding_workflow\":true"),
                   "");
    expect_refused(WITH_OPTION("\"tax_rate_overrides\":null,\"integration_entity_mapping\":null,"
                               "\"onboarding_workflow_name\":null,\"skip_onboarding_workflow\":null"),
                   "");
    expect_refused(WITH_OPTION("\"tax_rate_overrides\":[{}],\"integration_entity_mapping\":[{}]"),
                   "tax_rate_overrides: is not supported yet: leave it out, or send []\n");
    expect_refused(WITH_OPTION("\"integration_entity_mapping\":[1]"),
                   "integration_entity_mapping[0]: must be an object, not number\n");
    expect_refused(WITH_OPTION("\"onboarding_workflow_name\":\"w\""),
                   "onboarding_workflow_name: is not supported yet: leave it out, or send \"\"\n");
    expect_refused(WITH_OPTION("\"tax_rate_overrides\":{},\"skip_onboarding_workflow\":\"yes\""),
                   "tax_rate_overrides: must be an array, not object\nfield: tax_rate_overrides\n"
                   "expected: array\nskip_onboarding_workflow: must be a boolean, not string\n");
}

/* The declarative rules come first, then tax rates, mappings, and reserved metadata keys. */
static void test_groups_of_rules_fail_in_their_order(void **state)
{
    (void)state;
    expect_refused("{\"name\":\"n\",\"tax_rate_overrides\":[1],\"metadata\":{\"pan\":\"x\"}}",
                   "external_id: is required\n");
    expect_refused(
        "{\"external_id\":\"a\",\"name\":\"n\",\"tax_rate_overrides\":[1],\"metadata\":{\"pan\":\"x\"}}",
        "tax_rate_overrides: is not supported yet: leave it out, or send []\n");
    expect_refused("{\"external_id\":\"a\",\"name\":\"n\",\"integration_entity_mapping\":[1],\"metadata\":"
                   "{\"pan\":\"x\"}}",
                   "integration_entity_mapping[0]: must be an object, not number\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_example_1_minimal_create),
        FIXTURE_TEST(test_example_2_duplicate),
        FIXTURE_TEST(test_example_3_all_wrong_at_once),
        FIXTURE_TEST(test_example_4_pan_mismatch),
        FIXTURE_TEST(test_example_8_delete_and_reuse),
        FIXTURE_TEST(test_example_12_integrations),
        FIXTURE_TEST(test_other_environments_see_nothing),
        FIXTURE_TEST(test_rules_of_tax_metadata),
        FIXTURE_TEST(test_what_is_stored_is_as_sent),
        FIXTURE_TEST(test_unsupported_inputs_are_refused),
        FIXTURE_TEST(test_groups_of_rules_fail_in_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
