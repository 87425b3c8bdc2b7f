/* What providers call customers: mappings that come along with a change, whose a provider's id is, and links
 * beside archiving, in either order. */
#include "store_fixture.h"

#include "domain/connections.h"
#include "domain/integration_mapping.h"

STORE_FIXTURE_OF_FILE()

static const struct json_value *read_object(const char *json)
{
    struct json_error error;
    const struct json_value *object = json_read(&fixture.arena, text_from_string(json), &error);

    if (!object)
        fail_msg("%s", error.reason);
    return object;
}

static struct customer make(const char *external_id)
{
    struct customer customer;

    assert_null(fixture_create(&fixture, external_id, &customer));
    return customer;
}

static const struct failure *run_connect(void *context, struct transaction *transaction)
{
    const struct envelope_keys keys = {{{.id = TEXT("key")}}, 1};
    struct connection_record created;

    return connection_create(transaction, &keys, context, &created);
}

static void connect_to(const char *json)
{
    struct connection_creation creation;

    assert_null(connection_read_creation(read_object(json), &fixture.arena, &creation));
    assert_null(store_write(fixture.store, &fixture.arena, &fixture.call, run_connect, &creation));
}

/* ---- changes ---- */

struct updating {
    struct text id;
    struct customer_change change;
    struct record_list integrations;
};

static const struct failure *run_update(void *context, struct transaction *transaction)
{
    struct updating *updating = context;
    struct customer customer;
    const struct failure *failure = customer_update(transaction, updating->id, &updating->change, &customer);

    return failure ? failure
                   : customer_integrations_written(transaction, updating->id, &updating->integrations);
}

/* Gives the customer these mappings, an hour later than the last time; the list is what it has then. */
static const struct failure *give(const struct customer *customer, const char *elements,
                                  struct record_list *integrations)
{
    struct updating updating = {.id = customer->id};
    struct text body = arena_format(&fixture.arena, "{\"integration_entity_mapping\":%s}", elements);
    const struct failure *failure = customer_read_change(read_object(arena_string(&fixture.arena, body)),
                                                         &fixture.arena, &updating.change);

    fixture.call.now_us += INT64_C(3600000000);
    if (!failure)
        failure = store_write(fixture.store, &fixture.arena, &fixture.call, run_update, &updating);
    if (!failure)
        *integrations = updating.integrations;
    return failure;
}

static void test_a_change_puts_mappings_one_for_each_provider(void **state)
{
    struct customer customer = make("acme");
    struct record_list list;

    (void)state;
    assert_null(
        give(&customer,
             "[{\"provider_type\":\"stripe\",\"provider_entity_id\":\"cus_1\",\"metadata\":{\"a\":1}},"
             "{\"provider_type\":\"tabs\",\"provider_entity_id\":\"t_1\"}]",
             &list));
    assert_int_equal(list.count, 2);
    assert_null(give(&customer, "[{\"provider_type\":\"stripe\",\"provider_entity_id\":\"cus_2\"}]", &list));
    const struct integration_mapping *mappings = list.records;

    assert_int_equal(list.count, 2);
    const struct integration_mapping *stripe =
        &mappings[text_equal(mappings[0].provider_type, TEXT("stripe")) ? 0 : 1];

    assert_text(stripe->provider_entity_id, "cus_2");
    assert_false(text_is_set(stripe->metadata));
    assert_int_equal(stripe->updated_at, fixture.call.now_us);
    assert_int_equal(stripe->created_at, fixture.call.now_us - INT64_C(3600000000));
    assert_null(give(&customer, "[]", &list));
    assert_int_equal(list.count, 2);
    assert_text(fixture_select(&fixture, "SELECT count(*) FROM entity_integration_mappings"), "2;");
}

static const struct failure *run_archive(void *context, struct transaction *transaction)
{
    const struct customer *customer = context;

    return customer_archive(transaction, customer->id);
}

static void archive(struct customer *customer)
{
    assert_null(store_write(fixture.store, &fixture.arena, &fixture.call, run_archive, customer));
}

static void test_whose_a_provider_s_id_is(void **state)
{
    static const char mapping[] = "[{\"provider_type\":\"stripe\",\"provider_entity_id\":\"cus_1\"}]";
    struct customer one = make("one"), other = make("other");
    struct record_list list;

    (void)state;
    assert_null(give(&one, mapping, &list));
    const struct failure *failure = give(&other, mapping, &list);
    struct text expected =
        arena_format(&fixture.arena, "provider_type: stripe\nprovider_entity_id: cus_1\nentity_id: %.*s\n",
                     TEXT_FORMAT(one.id));

    assert_int_equal(failure->code, FAILURE_ALREADY_EXISTS);
    assert_text(failure_details(&fixture.arena, failure), arena_string(&fixture.arena, expected));
    archive(&one);
    assert_null(give(&other, mapping, &list));
    assert_int_equal(list.count, 1);
    assert_text(fixture_select(&fixture, "SELECT status FROM entity_integration_mappings ORDER BY id"),
                "archived;published;");
}

/* ---- links ---- */

struct linking {
    struct integration_mapping link, linked;
};

static const struct failure *run_link(void *context, struct transaction *transaction)
{
    struct linking *linking = context;

    return integration_link(transaction, &linking->link, &linking->linked);
}

static const struct failure *link_customer(const struct customer *customer)
{
    struct linking linking = {0};
    struct text body = arena_format(&fixture.arena,
                                    "{\"entity_type\":\"customer\",\"entity_id\":\"%.*s\",\"provider_type\":"
                                    "\"stripe\",\"provider_entity_id\":\"cus_1\"}",
                                    TEXT_FORMAT(customer->id));

    assert_null(integration_link_read(read_object(arena_string(&fixture.arena, body)), &fixture.arena,
                                      &linking.link));
    return store_write(fixture.store, &fixture.arena, &fixture.call, run_link, &linking);
}

static void test_a_link_and_archiving_have_an_order(void **state)
{
    struct customer first = make("first"), second = make("second");

    (void)state;
    assert_int_equal(link_customer(&first)->code, FAILURE_INVALID_OPERATION);
    connect_to(
        "{\"name\":\"n\",\"provider_type\":\"stripe\",\"encrypted_secret_data\":{\"secret_key\":\"s\"}}");
    /* Linked, then archived: the mapping stays as it was. */
    assert_null(link_customer(&first));
    archive(&first);
    assert_text(fixture_select(&fixture, "SELECT status FROM entity_integration_mappings"), "published;");
    /* Archived, then linked: it is not found, and nothing was written. */
    archive(&second);
    assert_int_equal(link_customer(&second)->code, FAILURE_NOT_FOUND);
    assert_text(fixture_select(&fixture, "SELECT status FROM entity_integration_mappings"), "published;");
}

/* ---- providers ---- */

static void test_each_provider_is_described(void **state)
{
    unsigned count = 0;

    (void)state;
    for (const struct provider *provider = providers; provider->name.data; provider++, count++) {
        assert_true(text_equal(provider->name, provider_names[count]));
        assert_ptr_equal(provider_find(provider->name), provider);
        for (const struct provider_secret *secret = provider->secrets; secret && secret->name.data; secret++)
            assert_ptr_equal(provider_find_secret(provider, secret->name), secret);
        /* What it can do is what can be linked. */
        assert_true(provider->is_linkable || !provider->has_capabilities);
    }
    assert_int_equal(count, 16);
    assert_false(text_is_set(provider_names[count]));
    assert_null(provider_find(TEXT("paypal")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_a_change_puts_mappings_one_for_each_provider),
        FIXTURE_TEST(test_whose_a_provider_s_id_is),
        FIXTURE_TEST(test_a_link_and_archiving_have_an_order),
        FIXTURE_TEST(test_each_provider_is_described),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
