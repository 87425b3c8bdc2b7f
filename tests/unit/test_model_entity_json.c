/* JSON into records and back, by the fields' descriptions alone. */
#include "cmocka_all.h"

#include "failure_details.h"
#include "model/customer.h"
#include "model/entity_json.h"
#include "model/integration_mapping.h"
#include "model/role.h"
#include "model/secret.h"
#include "model/tenancy.h"

#include <stdlib.h>

static struct arena arena;

static int empty_arena(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static const struct json_value *parse(struct text json)
{
    struct json_error error;
    const struct json_value *value = json_read(&arena, json, &error);

    if (!value)
        fail_msg("%s at byte %zu", error.reason, error.offset);
    return value;
}

/* What reading `json` as a customer reports. */
static struct failure *read_text(struct text json, struct customer *customer)
{
    struct failure *failure = NULL;

    memset(customer, 0x5a, sizeof *customer);
    fields_read_json(customer_entity.fields, customer_entity.field_count, parse(json), customer, &arena,
                     &failure);
    return failure;
}

static struct failure *read_customer(const char *json, struct customer *customer)
{
    return read_text(text_from_string(json), customer);
}

static void expect_details(const char *json, const char *details)
{
    struct customer customer;
    struct failure *failure = read_customer(json, &customer);

    assert_true((failure != NULL) == (*details != '\0'));
    if (failure)
        assert_int_equal(failure->code, FAILURE_VALIDATION);
    assert_text(failure_details(&arena, failure), details);
}

/* A text of `count` times `unit`. */
static const char *repeat(const char *unit, size_t count)
{
    size_t length = strlen(unit);
    char *text = arena_allocate(&arena, length * count + 1);

    for (size_t i = 0; i < count; i++)
        memcpy(text + i * length, unit, length);
    text[length * count] = '\0';
    return text;
}

static struct text format(const char *pattern, const char *value)
{
    struct buffer buffer = {0};
    const char *mark = strchr(pattern, '@');

    buffer_append_bytes(&buffer, pattern, (size_t)(mark - pattern));
    buffer_append(&buffer, text_from_string(value));
    buffer_append(&buffer, text_from_string(mark + 1));
    buffer_append_char(&buffer, '\0');
    struct text made = arena_copy(&arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return (struct text){made.data, made.length - 1};
}

#define MINIMUM "\"external_id\":\"acme\",\"name\":\"Acme\""

/* ---- reading ---- */

static void test_absent_fields_get_their_fallback(void **state)
{
    struct customer customer;

    (void)state;
    assert_null(read_customer("{" MINIMUM "}", &customer));
    assert_text(customer.external_id, "acme");
    assert_true(text_is_set(customer.email) && customer.email.length == 0);
    assert_false(text_is_set(customer.contact));
    assert_true(text_is_set(customer.address_line1) && customer.address_line1.length == 0);
    assert_text(customer.timezone, "UTC");
    assert_false(text_is_set(customer.metadata));
    /* What is no input is left alone. */
    assert_int_equal(customer.created_at, 0x5a5a5a5a5a5a5a5a);
}

static void test_null_is_absent(void **state)
{
    struct customer customer;

    (void)state;
    assert_null(read_customer(
        "{" MINIMUM ",\"email\":null,\"contact\":null,\"timezone\":null,\"metadata\":null}", &customer));
    assert_text(customer.timezone, "UTC");
    assert_true(text_is_set(customer.email));
    assert_false(text_is_set(customer.contact) || text_is_set(customer.metadata));
    expect_details("{\"external_id\":null,\"name\":\"n\"}", "external_id: is required\n");
}

static void test_empty_text_is_absent_for_optional_fields(void **state)
{
    struct customer customer;

    (void)state;
    assert_null(read_customer("{" MINIMUM ",\"email\":\"\",\"contact\":\"\",\"timezone\":\"\","
                              "\"address_country\":\"\"}",
                              &customer));
    assert_text(customer.timezone, "UTC");
    assert_false(text_is_set(customer.contact));
    expect_details("{\"external_id\":\"\",\"name\":\"\"}",
                   "external_id: must not be empty\nname: must not be empty\n");
    assert_null(
        read_customer("{\"external_id\":\" \",\"name\":\"\\t\"}", &customer)); /* blank is not empty */
}

static void test_failures_come_together_in_the_order_of_the_fields(void **state)
{
    struct customer customer;
    struct failure *failure;

    (void)state;
    expect_details("{}", "external_id: is required\nname: is required\n");
    failure = read_customer("{}", &customer);
    assert_text(failure->message, "several fields are not valid; details names each");
    failure = read_customer("{\"name\":\"n\"}", &customer);
    assert_text(failure->message, "external_id is required");
    expect_details("{\"timezone\":\"utc\",\"contact\":\"123456789012345678901\",\"address_country\":\"us\","
                   "\"email\":\"x@localhost\"}",
                   "external_id: is required\nname: is required\n"
                   "email: must be one e-mail address such as name@example.com, without a display name\n"
                   "contact: must be at most 20 characters long\n"
                   "address_country: must be an ISO 3166-1 alpha-2 country code in upper case, such as DE\n"
                   "timezone: must be a time zone of the IANA database, such as Europe/Berlin\n");
}

static void test_wrong_types_name_field_and_expected_type(void **state)
{
    (void)state;
    expect_details("{\"external_id\":1,\"name\":[\"n\"],\"metadata\":\"m\"}",
                   "external_id: must be a string, not number\nfield: external_id\nexpected: string\n"
                   "name: must be a string, not array\n"
                   "metadata: must be an object of strings, not string\n");
    expect_details("{" MINIMUM ",\"contact\":true}",
                   "contact: must be a string, not boolean\nfield: contact\nexpected: string\n");
    expect_details("{" MINIMUM ",\"metadata\":{\"a\":{}}}",
                   "metadata.a: must be a string, not object\nfield: metadata.a\nexpected: string\n");
}

static void test_lengths_are_counted_in_code_points(void **state)
{
    struct customer customer;

    (void)state;
    for (int i = 0; i < 3; i++) {
        const char *unit = (const char *[]){"x", "\xc3\xa4", "\xf0\x9f\x98\x80"}[i];

        assert_null(
            read_text(format("{\"external_id\":\"a\",\"name\":\"@\"}", repeat(unit, 255)), &customer));
        assert_int_equal(customer.name.length, 255 * strlen(unit));
        struct failure *failure =
            read_text(format("{\"external_id\":\"a\",\"name\":\"@\"}", repeat(unit, 256)), &customer);

        assert_text(failure_details(&arena, failure), "name: must be at most 255 characters long\n");
    }
}

static void test_unknown_members_are_ignored_and_the_last_duplicate_wins(void **state)
{
    struct customer customer;

    (void)state;
    assert_null(read_customer("{" MINIMUM ",\"id\":\"cust_mine\",\"status\":\"deleted\",\"extra\":[{}],"
                              "\"created_at\":3,\"tenant_id\":1,\"name\":\"Last\"}",
                              &customer));
    assert_text(customer.name, "Last");
    assert_null(read_customer("{\"name\":3," MINIMUM "}", &customer)); /* only the last one has to be right */
    expect_details("{" MINIMUM ",\"name\":null}", "name: is required\n");
}

/* As many as a body has room for; the record's own are found among them, wherever they stand. */
static void test_an_object_of_very_many_members(void **state)
{
    struct buffer buffer = {0};
    struct customer customer;

    (void)state;
    buffer_append(&buffer, TEXT("{\"name\":3"));
    for (unsigned i = 0; i < 100000; i++) {
        buffer_append_format(&buffer, ",\"%x\":0,\"namf\":0", i);
        if (i == 50000)
            buffer_append(&buffer, TEXT("," MINIMUM ",\"email\":\"a@b.example\""));
    }
    buffer_append(&buffer, TEXT(",\"name\":\"Last\"}"));
    assert_null(read_text(buffer_text(&buffer), &customer));
    assert_text(customer.name, "Last");
    assert_text(customer.email, "a@b.example");
    buffer_free(&buffer);
}

static void test_members_of_what_is_no_object(void **state)
{
    struct customer customer;

    (void)state;
    assert_non_null(read_customer("[]", &customer));
}

/* ---- metadata ---- */

static struct failure *read_metadata(struct text metadata, struct customer *customer)
{
    const char *string = arena_string(&arena, metadata);

    return read_text(format("{" MINIMUM ",\"metadata\":@}", string), customer);
}

static void test_metadata_is_made_compact(void **state)
{
    struct customer customer;

    (void)state;
    assert_null(read_metadata(
        TEXT("{ \"b\" : \"\\u0041\\n\" , \"a\" : null, \"b\": \"2\", \"c\\\"\": \"\" }"), &customer));
    assert_text(customer.metadata, "{\"a\":\"\",\"b\":\"2\",\"c\\\"\":\"\"}");
    assert_null(read_metadata(TEXT("{}"), &customer));
    assert_text(customer.metadata, "{}");
    assert_non_null(read_metadata(TEXT("{\"\":\"x\"}"), &customer));
    assert_non_null(read_metadata(TEXT("[]"), &customer));
}

static struct text metadata_of_keys(unsigned count, unsigned copies)
{
    struct buffer buffer = {0};

    buffer_append_char(&buffer, '{');
    for (unsigned copy = 0; copy < copies; copy++)
        for (unsigned i = 0; i < count; i++)
            buffer_append_format(&buffer, "%s\"k%u\":\"%u\"", i + copy ? "," : "", i, copy);
    buffer_append_char(&buffer, '}');
    struct text made = arena_copy(&arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return made;
}

static void expect_metadata(struct text metadata, const char *details)
{
    struct customer customer;
    struct failure *failure = read_metadata(metadata, &customer);

    assert_text(failure_details(&arena, failure), details);
}

static void test_metadata_has_at_most_256_keys(void **state)
{
    (void)state;
    expect_metadata(metadata_of_keys(256, 1), "");
    expect_metadata(metadata_of_keys(257, 1), "metadata: must have at most 256 keys\n");
    expect_metadata(metadata_of_keys(256, 4), ""); /* duplicates do not count */
    expect_metadata(metadata_of_keys(1, 1025), "metadata: must have at most 256 keys\n"); /* up to a point */
}

static void test_metadata_keys_have_at_most_255_characters(void **state)
{
    (void)state;
    expect_metadata(format("{\"@\":\"\"}", repeat("x", 255)), "");
    expect_metadata(format("{\"@\":\"\"}", repeat("\xc3\xa4", 255)), "");
    expect_metadata(format("{\"@\":\"\"}", repeat("x", 256)),
                    "metadata: has a key of more than 255 characters\n");
    expect_metadata(format("{\"@\":\"\"}", repeat("\xc3\xa4", 256)),
                    "metadata: has a key of more than 255 characters\n");
}

/* However long the key, the reply stays short. */
static void test_long_key_of_a_wrong_type_is_not_echoed(void **state)
{
    (void)state;
    expect_metadata(format("{\"@\":3}", repeat("x", 100000)),
                    "metadata: has a key of more than 255 characters\n");
}

static void test_metadata_values_have_at_most_16384_bytes(void **state)
{
    (void)state;
    expect_metadata(format("{\"a\":\"@\"}", repeat("x", 16384)), "");
    expect_metadata(format("{\"a\":\"@\"}", repeat("\xc3\xa4", 8192)), "");
    expect_metadata(format("{\"a\":\"@\"}", repeat("x", 16385)),
                    "metadata.a: must be at most 16384 bytes long\n");
    expect_metadata(format("{\"a\":\"@\"}", repeat("\\u00e4", 8193)),
                    "metadata.a: must be at most 16384 bytes long\n");
}

static void test_metadata_has_at_most_65536_bytes(void **state)
{
    /* Four values of 16,382 bytes with keys of one byte, and a last one that makes up the rest. */
    const char *filler = repeat("x", 16382);
    struct text four = arena_format(&arena, "\"a\":\"%s\",\"b\":\"%s\",\"c\":\"%s\",\"d\":\"%s\"", filler,
                                    filler, filler, filler);

    (void)state;
    expect_metadata(arena_format(&arena, "{%.*s,\"e\":\"123\"}", TEXT_FORMAT(four)), "");
    expect_metadata(arena_format(&arena, "{%.*s,\"e\":\"1234\"}", TEXT_FORMAT(four)),
                    "metadata: must be at most 65536 bytes long in all\n");
    /* Escapes are not content. */
    expect_metadata(arena_format(&arena, "{%.*s,\"e\":\"\\n\\n\\n\"}", TEXT_FORMAT(four)), "");
}

/* ---- lists, instants, booleans ---- */

/* With roles, as an operator may give them. */
static struct failure *read_secret(const char *json, struct secret *secret)
{
    static const struct field roles = {FIELD(struct secret, roles, FIELD_STRING_LIST), .flags = FIELD_INPUT,
                                       .values = role_ids};
    struct failure *failure = NULL;

    *secret = (struct secret){0};
    fields_read_json(&roles, 1, parse(text_from_string(json)), secret, &arena, &failure);
    fields_read_json(secret_entity.fields, secret_entity.field_count, parse(text_from_string(json)), secret,
                     &arena, &failure);
    return failure;
}

#define KEY "\"name\":\"n\",\"type\":\"private_key\""

static void test_lists_of_strings(void **state)
{
    struct secret secret;

    (void)state;
    assert_null(read_secret("{" KEY "}", &secret));
    assert_false(text_is_set(secret.roles));
    assert_null(read_secret("{" KEY ",\"roles\":[ \"all_reader\" , \"event_reader\"]}", &secret));
    assert_text(secret.roles, "[\"all_reader\",\"event_reader\"]");
    assert_null(read_secret("{" KEY ",\"roles\":[]}", &secret));
    assert_text(secret.roles, "[]");
    assert_text(failure_details(&arena, read_secret("{" KEY ",\"roles\":\"all_reader\"}", &secret)),
                "roles: must be an array of strings, not string\nfield: roles\nexpected: array\n");
    assert_text(
        failure_details(&arena, read_secret("{" KEY ",\"roles\":[\"all_reader\",\"king\"]}", &secret)),
        "roles[1]: must be one of all_reader, all_writer, event_ingestor, event_reader, super_admin\n");
    assert_text(failure_details(&arena, read_secret("{" KEY ",\"roles\":[7]}", &secret)),
                "roles[0]: must be a string, not number\nfield: roles[0]\nexpected: string\n");
    assert_text(failure_details(&arena, read_secret("{\"name\":\"n\",\"type\":\"king\"}", &secret)),
                "type: must be one of private_key, publishable_key\n");
}

/* The details of a failure are searched one by one: without a bound, a list of bad elements costs its square.
 */
static void test_only_the_first_bad_element_of_a_list_is_reported(void **state)
{
    struct secret secret;

    (void)state;
    struct text json = format("{" KEY ",\"roles\":[@7]}", repeat("7,", 1000 * 1000));

    assert_text(failure_details(&arena, read_secret(json.data, &secret)),
                "roles[0]: must be a string, not number\nfield: roles[0]\nexpected: string\n");
}

/* ---- integers, members ---- */

struct shape {
    int64_t count;
    struct text city;
};
static const struct field shape_fields[] = {
    {FIELD(struct shape, count, FIELD_INTEGER), .flags = FIELD_INPUT},
    {FIELD(struct shape, city, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED, .length_max = 3},
};

static void expect_count(const char *json, int64_t count, const char *details)
{
    struct shape shape = {0};
    struct failure *failure = NULL;

    fields_read_json(shape_fields, 1, parse(text_from_string(json)), &shape, &arena, &failure);
    assert_text(failure_details(&arena, failure), details);
    assert_true(shape.count == count);
}

static void test_integers(void **state)
{
    static const char *const rule = "count: " FIELD_INTEGER_RULE "\n";

    (void)state;
    expect_count("{}", 0, "");
    expect_count("{\"count\":null}", 0, "");
    expect_count("{\"count\":-7}", -7, "");
    expect_count("{\"count\":9223372036854775807}", INT64_MAX, "");
    expect_count("{\"count\":9223372036854775808}", 0, rule);
    expect_count("{\"count\":1.0}", 0, rule);
    expect_count("{\"count\":1e3}", 0, rule);
    expect_count("{\"count\":\"7\"}", 0,
                 "count: must be an integer, not string\nfield: count\nexpected: number\n");
}

static bool read_member(const char *json, struct failure **failure)
{
    struct shape shape = {0};

    *failure = NULL;
    return fields_read_member(shape_fields, 2, parse(text_from_string(json)), TEXT("address"), &shape, &arena,
                              failure);
}

static void test_members_that_are_objects(void **state)
{
    struct failure *failure;

    (void)state;
    assert_false(read_member("{}", &failure));
    assert_false(read_member("{\"address\":null}", &failure));
    assert_null(failure);
    assert_true(read_member("{\"address\":{\"city\":\"x\"}}", &failure));
    assert_null(failure);
    assert_true(read_member("{\"address\":7}", &failure));
    assert_text(failure_details(&arena, failure),
                "address: must be an object, not number\nfield: address\nexpected: object\n");
    read_member("{\"address\":{\"count\":\"x\",\"city\":\"long\"}}", &failure);
    assert_text(failure_details(&arena, failure),
                "address.count: must be an integer, not string\nfield: address.count\nexpected: number\n"
                "address.city: must be at most 3 characters long\n");
}

static void test_instants(void **state)
{
    struct secret secret;

    (void)state;
    assert_null(read_secret("{" KEY "}", &secret));
    assert_true(secret.expires_at == INSTANT_UNSET);
    assert_null(read_secret("{" KEY ",\"expires_at\":\"1970-01-01T01:00:00.5+01:00\"}", &secret));
    assert_int_equal(secret.expires_at, 500000);
    assert_text(failure_details(&arena, read_secret("{" KEY ",\"expires_at\":\"tomorrow\"}", &secret)),
                "expires_at: must be an RFC 3339 timestamp such as 2026-01-02T03:04:05Z\n");
    assert_text(
        failure_details(&arena, read_secret("{" KEY ",\"expires_at\":5}", &secret)),
        "expires_at: must be an RFC 3339 timestamp, not number\nfield: expires_at\nexpected: string\n");
}

/* ---- writing ---- */

static const struct scope scope = {7, TEXT_LITERAL("tenant_1"), TEXT_LITERAL("env_1")};

static struct text write_record(const struct entity *entity, const void *record, bool is_event)
{
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    if (is_event)
        entity_write_event_members(&writer, entity, record, &scope);
    else
        entity_write_members(&writer, entity, record, &scope);
    json_end_object(&writer);
    struct text written = arena_copy(&arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return written;
}

static struct customer example(void)
{
    return (struct customer){.id = TEXT("cust_1"),
                             .external_id = TEXT("acme"),
                             .name = TEXT("A \"c\"\n"),
                             .email = TEXT(""),
                             .address_line1 = TEXT(""),
                             .address_line2 = TEXT(""),
                             .address_city = TEXT("Pune"),
                             .address_state = TEXT(""),
                             .address_postal_code = TEXT(""),
                             .address_country = TEXT(""),
                             .timezone = TEXT("UTC"),
                             .status = TEXT("published"),
                             .created_at = 1500000,
                             .updated_at = 2000000,
                             .created_by = TEXT("user_1"),
                             .updated_by = TEXT("user_1")};
}

#define CUSTOMER_HEAD                                                                                        \
    "{\"id\":\"cust_1\",\"external_id\":\"acme\",\"name\":\"A \\\"c\\\"\\n\",\"email\":\"\","
#define CUSTOMER_MIDDLE                                                                                      \
    "\"address_line1\":\"\",\"address_line2\":\"\",\"address_city\":\"Pune\",\"address_state\":\"\","        \
    "\"address_postal_code\":\"\",\"address_country\":\"\",\"timezone\":\"UTC\","
#define CUSTOMER_TAIL                                                                                        \
    ",\"environment_id\":\"env_1\",\"tenant_id\":\"tenant_1\",\"status\":\"published\","                     \
    "\"created_at\":\"1970-01-01T00:00:01.5Z\",\"updated_at\":\"1970-01-01T00:00:02Z\","                     \
    "\"created_by\":\"user_1\",\"updated_by\":\"user_1\"}"

static void test_unset_is_null_unless_it_is_left_out(void **state)
{
    struct customer customer = example();

    (void)state;
    assert_text(write_record(&customer_entity, &customer, false),
                CUSTOMER_HEAD CUSTOMER_MIDDLE "\"metadata\":null" CUSTOMER_TAIL);
    customer.metadata = TEXT("{}");
    customer.contact = TEXT("");
    assert_text(write_record(&customer_entity, &customer, false),
                CUSTOMER_HEAD "\"contact\":\"\"," CUSTOMER_MIDDLE "\"metadata\":{}" CUSTOMER_TAIL);
}

static void test_whole_seconds_and_empty_objects(void **state)
{
    struct integration_mapping mapping = {.id = TEXT("eim_1"),
                                          .entity_id = TEXT("e"),
                                          .entity_type = TEXT("customer"),
                                          .provider_type = TEXT("stripe"),
                                          .provider_entity_id = TEXT("cus_9"),
                                          .metadata = TEXT("{}"),
                                          .status = TEXT("published"),
                                          .created_at = 1999999,
                                          .updated_at = -1,
                                          .created_by = TEXT(""),
                                          .updated_by = TEXT("")};

    (void)state;
    assert_text(
        write_record(&integration_mapping_entity, &mapping, false),
        "{\"id\":\"eim_1\",\"entity_id\":\"e\",\"entity_type\":\"customer\",\"provider_type\":\"stripe\","
        "\"provider_entity_id\":\"cus_9\",\"environment_id\":\"env_1\",\"tenant_id\":\"tenant_1\","
        "\"status\":\"published\",\"created_at\":\"1970-01-01T00:00:01Z\","
        "\"updated_at\":\"1969-12-31T23:59:59Z\",\"created_by\":\"\",\"updated_by\":\"\"}");
    mapping.metadata = TEXT("{\"a\":1}");
    struct text written = write_record(&integration_mapping_entity, &mapping, false);

    assert_non_null(memmem(written.data, written.length, ",\"metadata\":{\"a\":1},", 20));
}

static void test_internal_fields_are_never_written(void **state)
{
    struct secret secret = {.id = TEXT("secret_1"),
                            .name = TEXT("n"),
                            .type = TEXT("private_key"),
                            .provider = TEXT("flexprice"),
                            .value = TEXT("hash"),
                            .display_id = TEXT("sk_01***AV"),
                            .roles = TEXT("[]"),
                            .user_type = TEXT("user"),
                            .user_id = TEXT("user_1"),
                            .expires_at = INSTANT_UNSET,
                            .last_used_at = INSTANT_UNSET,
                            .status = TEXT("published"),
                            .created_by = TEXT(""),
                            .updated_by = TEXT("")};

    (void)state;
    assert_text(write_record(&secret_entity, &secret, false),
                "{\"id\":\"secret_1\",\"name\":\"n\",\"type\":\"private_key\",\"provider\":\"flexprice\","
                "\"display_id\":\"sk_01***AV\",\"user_type\":\"user\",\"user_id\":\"user_1\","
                "\"status\":\"published\",\"created_at\":\"1970-01-01T00:00:00Z\","
                "\"updated_at\":\"1970-01-01T00:00:00Z\"}");
}

static void test_event_members(void **state)
{
    struct customer customer = example();

    (void)state;
    assert_text(
        write_record(&customer_entity, &customer, true),
        "{\"id\":\"cust_1\",\"external_id\":\"acme\",\"name\":\"A \\\"c\\\"\\n\",\"address_city\":\"Pune\","
        "\"timezone\":\"UTC\",\"environment_id\":\"env_1\",\"status\":\"published\","
        "\"updated_at\":\"1970-01-01T00:00:02Z\"}");
    customer.metadata = TEXT("{}");
    customer.contact = TEXT("+49");
    assert_text(write_record(&customer_entity, &customer, true),
                "{\"id\":\"cust_1\",\"external_id\":\"acme\",\"name\":\"A \\\"c\\\"\\n\",\"contact\":\"+49\","
                "\"address_city\":\"Pune\",\"timezone\":\"UTC\",\"environment_id\":\"env_1\","
                "\"status\":\"published\",\"updated_at\":\"1970-01-01T00:00:02Z\"}");
}

/* What was written is read back as it was. */
static void test_round_trip(void **state)
{
    static const char *const examples[] = {
        "{\"external_id\":\"a\\\\b/\\u0001\",\"name\":\"\\ud83d\\ude00 "
        "\\u00e4\",\"email\":\"a@b.c\",\"contact\":\"1\","
        "\"address_line1\":\"1\",\"address_line2\":\"2\",\"address_city\":\"3\",\"address_state\":\"4\","
        "\"address_postal_code\":\"5\",\"address_country\":\"DE\",\"timezone\":\"Europe/Berlin\","
        "\"metadata\":{\"k\\u0007\":\"\\\"\",\"\\u2028\":null}}",
        "{" MINIMUM ",\"metadata\":{}}",
        "{" MINIMUM "}",
    };

    (void)state;
    for (unsigned i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        struct customer first, second;

        assert_null(read_customer(examples[i], &first));
        first.id = first.created_by = first.updated_by = TEXT("x");
        first.status = TEXT("published");
        first.created_at = first.updated_at = 0;
        assert_null(read_text(write_record(&customer_entity, &first, false), &second));
        for (size_t j = 0; j < customer_entity.field_count; j++)
            if (customer_entity.fields[j].flags & FIELD_INPUT)
                assert_true(field_equal(&customer_entity.fields[j], &first, &second));
    }
}

#define JSON_TEST(name) cmocka_unit_test_teardown(name, empty_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        JSON_TEST(test_absent_fields_get_their_fallback),
        JSON_TEST(test_null_is_absent),
        JSON_TEST(test_empty_text_is_absent_for_optional_fields),
        JSON_TEST(test_failures_come_together_in_the_order_of_the_fields),
        JSON_TEST(test_wrong_types_name_field_and_expected_type),
        JSON_TEST(test_lengths_are_counted_in_code_points),
        JSON_TEST(test_unknown_members_are_ignored_and_the_last_duplicate_wins),
        JSON_TEST(test_an_object_of_very_many_members),
        JSON_TEST(test_members_of_what_is_no_object),
        JSON_TEST(test_metadata_is_made_compact),
        JSON_TEST(test_metadata_has_at_most_256_keys),
        JSON_TEST(test_metadata_keys_have_at_most_255_characters),
        JSON_TEST(test_long_key_of_a_wrong_type_is_not_echoed),
        JSON_TEST(test_metadata_values_have_at_most_16384_bytes),
        JSON_TEST(test_metadata_has_at_most_65536_bytes),
        JSON_TEST(test_lists_of_strings),
        JSON_TEST(test_only_the_first_bad_element_of_a_list_is_reported),
        JSON_TEST(test_integers),
        JSON_TEST(test_members_that_are_objects),
        JSON_TEST(test_instants),
        JSON_TEST(test_unset_is_null_unless_it_is_left_out),
        JSON_TEST(test_whole_seconds_and_empty_objects),
        JSON_TEST(test_internal_fields_are_never_written),
        JSON_TEST(test_event_members),
        JSON_TEST(test_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
