/* The list of what is copied, against the migrated schema; and the hash by which two tables are compared.
 * (The list against PostgreSQL's schema: tests/support/postgres_schema.c. Copies: tests/api/test_copy.py.) */
#include "store_fixture.h"

#include "copied_list.h"
#include "store/copy/digest_map.h"
#include "store/copy/row_hash.h"

STORE_FIXTURE_OF_FILE()

/* ---- the list ---- */

static void test_every_table_is_copied_or_left_out_on_purpose(void **state)
{
    struct text tables = fixture_select(
        &fixture, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
    unsigned count = 0;

    (void)state;
    for (; tables.length > 0; count++) {
        size_t end = text_find(tables, ';');

        if (!is_listed(text_slice(tables, 0, end)))
            fail_msg("%.*s is not in store/copy/copied_table.c", TEXT_FORMAT(text_slice(tables, 0, end)));
        tables = text_from(tables, end + 1);
    }
    assert_true(count > COPIED_TABLE_COUNT);
}

/* But the row keys, which the target makes anew. */
static void test_every_column_is_copied(void **state)
{
    (void)state;
    for (size_t i = 0; i < COPIED_TABLE_COUNT; i++) {
        const struct entity *row = copied_row_entity(&copied_tables[i], &fixture.arena);
        struct text columns = fixture_select(
            &fixture, arena_string(&fixture.arena,
                                   arena_format(&fixture.arena,
                                                "SELECT name FROM pragma_table_info('%.*s') WHERE name <> "
                                                "'key' ORDER BY name",
                                                TEXT_FORMAT(copied_tables[i].name))));
        size_t count = 0;

        for (; columns.length > 0; count++) {
            size_t end = text_find(columns, ';');
            const struct field *field = entity_field(row, text_slice(columns, 0, end));

            if (!field || field == &row->fields[COPIED_PLACE])
                fail_msg("%.*s.%.*s is not copied", TEXT_FORMAT(copied_tables[i].name),
                         TEXT_FORMAT(text_slice(columns, 0, end)));
            columns = text_from(columns, end + 1);
        }
        assert_int_equal(count, row->field_count - COPIED_COLUMNS);
    }
}

/* ---- the hash ---- */

static const char *json_of(const char *json)
{
    struct buffer buffer = {0};

    row_hash_append_json(&buffer, text_from_string(json), &fixture.arena);
    char *said = arena_string(&fixture.arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return said;
}

static void test_json_counts_by_what_it_says(void **state)
{
    static const char *const same[][2] = {
        {"{\"b\":1,\"aa\":2}", "{ \"aa\": 2, \"b\": 1 }"},
        {"{\"a\":1,\"a\":2}", "{\"a\":2}"},
        {"\"\\u00e9\\n\"", "\"\xc3\xa9\\n\""},
        {"[1.50, 100, 1e2, 0.0010, -0]", "[1.5,1e2,100.0,1e-3,0]"},
        {"[10, -1E+1]", "[1e1,-10.0]"},
        {"{\"a\":{\"c\":[],\"b\":{}}}", "{\"a\":{\"b\":{},\"c\":[]}}"},
    };
    static const char *const others[][2] = {
        {"1", "10"},
        {"0", "-1"},
        {"1", "\"1\""},
        {"[1,0]", "[10]"},
        {"null", "\"null\""},
        {"[1,2]", "[2,1]"},
        {"0.1", "0.01"},
        {"{\"a\":0}", "{\"a\":1}"},
        {"{\"a\":\"\"}", "{}"},
        {"12", "21"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof same / sizeof same[0]; i++)
        assert_string_equal(json_of(same[i][0]), json_of(same[i][1]));
    for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_string_not_equal(json_of(others[i][0]), json_of(others[i][1]));
    assert_string_equal(json_of("no JSON"), "no JSON");
}

struct probe_row {
    int64_t place;
    struct text name, other;
    int64_t at;
};
static const struct field probe_fields[] = {
    {FIELD(struct probe_row, place, FIELD_INTEGER)},
    {FIELD(struct probe_row, name, FIELD_TEXT)},
    {FIELD(struct probe_row, other, FIELD_TEXT)},
    {FIELD(struct probe_row, at, FIELD_INSTANT)},
};
static const struct entity probe_entity = {ENTITY_FIELDS(probe_fields),
                                           .struct_size = sizeof(struct probe_row)};

static struct text hash_of(const struct probe_row *rows, size_t count)
{
    struct row_hash hash = {0};
    char *hex = arena_allocate(&fixture.arena, SHA256_HEX_LENGTH);

    for (size_t i = 0; i < count; i++)
        row_hash_add(&hash, &probe_entity, &rows[i]);
    row_hash_hex(&hash, hex);
    row_hash_free(&hash);
    return (struct text){hex, SHA256_HEX_LENGTH};
}

static void test_the_order_of_rows_does_not_count_and_all_else_does(void **state)
{
    const struct probe_row one = {1, TEXT("a"), TEXT("b"), 5}, two = {2, TEXT("c"), text_none, INSTANT_UNSET};
    const struct probe_row elsewhere = {9, TEXT("a"), TEXT("b"), 5};
    const struct probe_row others[] = {{2, TEXT("c"), TEXT(""), INSTANT_UNSET},
                                       {2, TEXT("c"), text_none, 0},
                                       {2, text_none, TEXT("c"), INSTANT_UNSET},
                                       {2, TEXT("d"), text_none, INSTANT_UNSET},
                                       {2, TEXT(""), TEXT("c"), INSTANT_UNSET}};
    struct text both = hash_of((const struct probe_row[]){one, two}, 2);

    (void)state;
    assert_true(text_equal(both, hash_of((const struct probe_row[]){two, one}, 2)));
    assert_true(text_equal(both, hash_of((const struct probe_row[]){two, elsewhere}, 2)));
    assert_false(text_equal(both, hash_of((const struct probe_row[]){one, one}, 2)));
    assert_false(text_equal(both, hash_of((const struct probe_row[]){one, two, two}, 3)));
    assert_false(text_equal(both, hash_of(&one, 1)));
    for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(text_equal(both, hash_of((const struct probe_row[]){one, others[i]}, 2)));
    assert_text(hash_of(NULL, 0), "0000000000000000000000000000000000000000000000000000000000000000");
}

/* Sums that carry over from word to word: by a row added so often that every word has overflown. */
static void test_sums_carry(void **state)
{
    enum { TIMES = 5 };
    const struct probe_row row = {1, TEXT("carry"), TEXT("b"), 5};
    uint8_t digest[SHA256_BYTES], sum[SHA256_BYTES] = {0};
    char hex[SHA256_HEX_LENGTH];
    unsigned carry;

    (void)state;
    assert_true(hex_decode(hash_of(&row, 1), digest, sizeof digest));
    for (unsigned time = 0; time < TIMES; time++) {
        carry = 0;
        for (size_t i = SHA256_BYTES; i-- > 0; carry >>= 8) {
            carry += (unsigned)sum[i] + digest[i];
            sum[i] = (uint8_t)carry;
        }
    }
    hex_encode(sum, sizeof sum, hex);
    const struct probe_row rows[TIMES] = {row, row, row, row, row};

    assert_true(text_equal(hash_of(rows, TIMES), (struct text){hex, sizeof hex}));
}

/* In whatever order: what was added and taken away again leaves nothing, not even of its carries. */
static void test_what_is_taken_away_leaves_nothing(void **state)
{
    enum { ROWS = 40 };
    static const char names[ROWS][2] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    struct row_hash hash = {0};
    char hex[SHA256_HEX_LENGTH];

    (void)state;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < ROWS; i++) {
            const struct probe_row row = {i, text_from_string(names[i]), text_none,
                                          round == 0 ? i : ROWS - 1 - i};

            if (round == 0)
                row_hash_add(&hash, &probe_entity, &row);
            else
                row_hash_subtract(
                    &hash, &probe_entity,
                    &(struct probe_row){i, text_from_string(names[ROWS - 1 - i]), text_none, row.at});
        }
    row_hash_hex(&hash, hex);
    row_hash_free(&hash);
    assert_true(text_equal((struct text){hex, sizeof hex}, hash_of(NULL, 0)));
}

static void test_digests_are_found_by_their_keys(void **state)
{
    enum { KEYS = 5000 };
    const uint64_t step = UINT64_C(0x9E3779B97F4A7C15);
    struct digest_map map = {0};

    (void)state;
    assert_null(digest_map_find(&map, step));
    for (uint64_t i = 0; i < KEYS; i++) /* the first is 0, and some are next to each other */
        digest_map_add(&map, i % 2 ? i * step : i, 2 * i);
    assert_int_equal(map.count, KEYS);
    for (uint64_t i = 0; i < KEYS; i++)
        assert_int_equal(digest_map_find(&map, i % 2 ? i * step : i)->digest, 2 * i);
    assert_null(digest_map_find(&map, KEYS * step));
    digest_map_free(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_table_is_copied_or_left_out_on_purpose),
        cmocka_unit_test(test_every_column_is_copied),
        cmocka_unit_test(test_json_counts_by_what_it_says),
        cmocka_unit_test(test_the_order_of_rows_does_not_count_and_all_else_does),
        cmocka_unit_test(test_sums_carry),
        cmocka_unit_test(test_what_is_taken_away_leaves_nothing),
        cmocka_unit_test(test_digests_are_found_by_their_keys),
    };

    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
