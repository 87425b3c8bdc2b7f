/* The audit trail's hashes, and what is removed from it when it was kept long enough. */
#include "store_fixture.h"

#include "audit_trail.h"

STORE_FIXTURE_OF_FILE()

static size_t fault_count(void)
{
    return trail_fault_count(fixture.store, &fixture.arena, NULL, NULL);
}

/* Whoever computes a hash from the description must come to the same: tests/api/audit_chains.py did. */
static void test_what_is_hashed_never_changes(void **state)
{
    const struct audit_row row = {
        .sequence = 12345,
        .chain = 3,
        .position = 7,
        .scope = -1,
        .tenant_id = TEXT("tenant_t"),
        .entity_type = TEXT("customer"),
        .entity_id = TEXT("cust_\xc3\xa9"),
        .action = TEXT("updated"),
        .actor_id = TEXT("user_u"),
        .request_id = TEXT("request"),
        .occurred_at = FIXTURE_NOW_US,
        .changes = TEXT("{\"after\":{\"name\":\"N\"}}"),
        .hash = TEXT("nothing"),
    };
    struct buffer scratch = {0};
    uint8_t digest[SHA256_BYTES];
    char hash[SHA256_HEX_LENGTH];

    (void)state;
    audit_digest(&row, &scratch, digest);
    hex_encode(digest, sizeof digest, hash);
    assert_memory_equal(hash, "824aaf1c3d70a87921f5e14017a3406a8e7f3e2c6ebb8e57ba40fb81186b2cbb",
                        sizeof hash);
    audit_link(text_empty, digest, hash);
    assert_memory_equal(hash, "6540bb05fa8a112b53396b13449d9eaf69ce26c9ad2cec3bbc9da2a36d7748e8",
                        sizeof hash);
    audit_link((struct text){hash, sizeof hash}, digest, hash);
    assert_memory_equal(hash, "e06792bbb41cea6ad3319357e3cf274a81db0ec0189ea20375427d1a9d6a8d58",
                        sizeof hash);
    buffer_free(&scratch);
}

static void create_at(const char *external_id, int64_t now_us)
{
    struct call call = fixture.call;

    call.now_us = now_us;
    struct fixture_creating creating = {.creation = fixture_creation(external_id)};

    assert_null(store_write(fixture.store, &fixture.arena, &call, fixture_run_create, &creating));
}

static void test_the_chain_goes_on_after_a_restart(void **state)
{
    (void)state;
    create_at("a", FIXTURE_NOW_US);
    store_close(fixture.store);
    fixture_reopen(&fixture);
    create_at("b", FIXTURE_NOW_US);
    assert_int_equal(fault_count(), 0);
    assert_text(fixture_select(&fixture, "SELECT chain, position FROM audit_chains"), "0|0;1|6;");
}

struct removal {
    int64_t until_us, count_max, removed;
};

static const struct failure *run_removal(void *context, struct transaction *transaction)
{
    struct removal *removal = context;

    return audit_remove_oldest(transaction, removal->until_us, removal->count_max, &removal->removed);
}

static int64_t remove_oldest(int64_t until_us, int64_t count_max)
{
    struct removal removal = {until_us, count_max, -1};

    assert_null(store_write_in_background(fixture.store, &fixture.arena, &fixture.system_call, run_removal,
                                          &removal));
    return removal.removed;
}

static void test_the_oldest_rows_are_removed_and_the_rest_is_whole(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++)
        create_at((const char *[]){"a", "b", "c", "d", "e", "f"}[i], FIXTURE_NOW_US + i);
    /* Four rows of the installation, and six. */
    assert_int_equal(remove_oldest(FIXTURE_NOW_US, 100), 0);
    assert_int_equal(remove_oldest(FIXTURE_NOW_US + 1, 2), 2);
    assert_int_equal(fault_count(), 0);
    assert_int_equal(remove_oldest(FIXTURE_NOW_US + 3, 100), 5);
    assert_int_equal(fault_count(), 0);
    assert_text(fixture_select(&fixture, "SELECT position FROM audit_log"), "8;9;10;");
    assert_text(
        fixture_select(&fixture, "SELECT position, first_position, length(first_hash) FROM audit_chains"),
        "0|1|0;10|8|64;");
    assert_int_equal(remove_oldest(INT64_MAX, 100), 3);
    assert_int_equal(fault_count(), 0);
    create_at("g", FIXTURE_NOW_US);
    assert_int_equal(fault_count(), 0);
    assert_text(fixture_select(&fixture, "SELECT position FROM audit_log"), "11;");
}

/* The order is that of writing: a clock that was wrong for a while has nothing removed out of turn. */
static void test_a_young_row_keeps_the_ones_behind_it(void **state)
{
    (void)state;
    create_at("young", FIXTURE_NOW_US + 1000);
    create_at("old", FIXTURE_NOW_US - 1000);
    assert_int_equal(remove_oldest(FIXTURE_NOW_US + 1, 100), 4);
    assert_int_equal(remove_oldest(FIXTURE_NOW_US + 1, 100), 0);
    assert_int_equal(fault_count(), 0);
}

static void remove_some_and_write(void *context)
{
    (void)context;
    assert_int_equal(remove_oldest(INT64_MAX, 5), 5);
    create_at("meanwhile", FIXTURE_NOW_US);
}

static void test_rows_that_go_or_come_during_a_check_are_no_fault(void **state)
{
    (void)state;
    create_at("a", FIXTURE_NOW_US);
    create_at("b", FIXTURE_NOW_US);
    assert_int_equal(trail_fault_count(fixture.store, &fixture.arena, remove_some_and_write, NULL), 0);
    assert_int_equal(fault_count(), 0);
}

/* Rows that are removed before a slice that would have had them. */
static void test_a_gap_that_retention_has_made_is_none(void **state)
{
    const char hash[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    struct audit_check *check = audit_check_new();
    struct audit_chain_row head = {.chain = 4, .position = 9, .hash = TEXT(hash), .first_position = 1};
    const struct audit_link row = {.sequence = 9, .chain = 4, .position = 9, .hash = TEXT(hash)};
    size_t count;

    (void)state;
    audit_check_head(check, &head);
    audit_check_row(check, &row);
    head.first_position = 8;
    audit_check_head_again(check, &head);
    /* Of the gap from 1 to 8, retention explains the first seven. */
    assert_int_equal(audit_check_end(check), 1);
    const struct audit_finding *finding = audit_check_findings(check, &count);

    assert_int_equal(count, 1);
    assert_int_equal(finding->fault, AUDIT_ROWS_MISSING);
    assert_int_equal(finding->first_position, 8);
    assert_int_equal(finding->last_position, 8);
    audit_check_free(check);
}

static void test_a_trail_without_its_head_is_gone_on_with_and_found(void **state)
{
    (void)state;
    store_close(fixture.store);
    fixture_execute(&fixture, "DROP TRIGGER audit_chains_are_kept; DELETE FROM audit_chains WHERE chain = 1");
    fixture_reopen(&fixture);
    create_at("a", FIXTURE_NOW_US);
    assert_true(fault_count() > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_hashed_never_changes),
        FIXTURE_TEST(test_the_chain_goes_on_after_a_restart),
        FIXTURE_TEST(test_the_oldest_rows_are_removed_and_the_rest_is_whole),
        FIXTURE_TEST(test_a_young_row_keeps_the_ones_behind_it),
        FIXTURE_TEST(test_rows_that_go_or_come_during_a_check_are_no_fault),
        cmocka_unit_test(test_a_gap_that_retention_has_made_is_none),
        FIXTURE_TEST(test_a_trail_without_its_head_is_gone_on_with_and_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
