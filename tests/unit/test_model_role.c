/* The roles of a configuration: what is refused and where, and what they grant beside those of every server.
 */
#include "cmocka_all.h"
#include "model/role.h"

#include <string.h>

static struct arena arena;

static const struct {
    const char *json, *reason;
} wrong[] = {
    {"", "1:1: "},
    {"{\"roles\": [\n  {\"id\": }]}", "2:10: "},
    {"[]", "1:1: this must be {\"roles\""},
    {"{\"role\": []}", "1:1: this must be {\"roles\""},
    {"{\"roles\": {}}", "1:11: this must be {\"roles\""},
    {"{\"roles\": [7]}", "1:12: roles[0] must be an object"},
    {"{\"roles\": [{}]}", "1:12: roles[0] has no id"},
    {"{\"roles\": [\n{\"id\": \"A\"}]}", "2:8: roles[0].id must be 1 to 50"},
    {"{\"roles\": [{\"id\": \"\\u0041\"}]}", "1:12: roles[0].id must be"},
    {"{\"roles\": [{\"id\": \"all_reader\"}]}",
     "1:19: roles[0].id \"all_reader\" is a role that every server"},
    {"{\"roles\": [{\"id\": \"a\", \"permission\": {}}]}", "1:24: roles[0]: \"permission\" is no member"},
    {"{\"roles\": [{\"id\": \"a\"}]}", "1:12: roles[0].permissions must be an object"},
    {"{\"roles\": [{\"id\": \"a\", \"permissions\": {}}]}", "1:39: roles[0].permissions must be an object"},
    {"{\"roles\": [{\"id\": \"a\", \"permissions\": {\"king\": [\"read\"]}}]}",
     "1:40: roles[0].permissions: \"king\" is nothing that can be granted"},
    {"{\"roles\": [{\"id\": \"a\", \"permissions\": {\"event\": []}}]}",
     "1:49: roles[0].permissions.event must be a list"},
    {"{\"roles\": [{\"id\": \"a\", \"permissions\": {\"event\": [\"delete\"]}}]}",
     "1:49: roles[0].permissions.event must be a list"},
    {"{\"roles\": [{\"id\": \"a\", \"name\": 7, \"permissions\": {\"event\": [\"read\"]}}]}",
     "1:32: roles[0].name must be a text"},
    {"{\"roles\": [{\"id\": \"a\", \"user_types\": [], \"permissions\": {\"event\": [\"read\"]}}]}",
     "1:38: roles[0].user_types must be"},
    {"{\"roles\": [{\"id\": \"a\", \"user_types\": [\"robot\"], \"permissions\": {\"event\": [\"read\"]}}]}",
     "1:38: roles[0].user_types must be"},
    {"{\"roles\": [{\"id\": \"a\", \"permissions\": {\"event\": [\"read\"]}},\n"
     "{\"id\": \"a\", \"permissions\": {\"event\": [\"read\"]}}]}",
     "2:8: roles[1].id \"a\" is the id of roles[0] already"},
};

static void test_what_is_wrong_and_where(void **state)
{
    struct role_list list;
    struct text reason;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(roles_read(text_from_string(wrong[i].json), &arena, &list, &reason));
        if (!text_starts_with(reason, text_from_string(wrong[i].reason)))
            fail_msg("%s: %.*s", wrong[i].json, TEXT_FORMAT(reason));
    }
}

static void test_there_is_room_for_so_many(void **state)
{
    struct text json = TEXT("{\"roles\": [");
    struct role_list list;
    struct text reason;

    (void)state;
    for (int i = 0; i <= ROLE_COUNT_MAX - ROLE_BUILT_IN_COUNT; i++) {
        struct text whole = arena_format(&arena, "%.*s]}", TEXT_FORMAT(json));

        assert_true(roles_read(whole, &arena, &list, &reason));
        assert_int_equal(list.count, i);
        json = arena_format(&arena, "%.*s%s{\"id\": \"r%d\", \"permissions\": {\"event\": [\"read\"]}}",
                            TEXT_FORMAT(json), i ? "," : "", i);
    }
    assert_false(roles_read(arena_format(&arena, "%.*s]}", TEXT_FORMAT(json)), &arena, &list, &reason));
    assert_true(text_starts_with(reason, TEXT("1:11: there can be at most 27 roles")));
}

static role_set set_of(const char *id)
{
    const struct role *role = role_find(text_from_string(id));

    assert_non_null(role);
    return role_bit(role);
}

/* Last of all: what was installed stays. */
static void test_they_stand_beside_those_of_every_server(void **state)
{
    static const char json[] =
        "{\"roles\": ["
        "{\"id\": \"support\", \"name\": \"Support\", \"description\": \"Helps\", \"user_types\": "
        "[\"user\"], "
        "\"permissions\": {\"customer\": [\"read\", \"write\"], \"event\": [\"read\"]}},"
        "{\"id\": \"auditor\", \"permissions\": {\"*\": [\"read\"]}, \"user_types\": null},"
        "{\"id\": \"zero\", \"permissions\": {\"*\": [\"*\"]}}]}";
    struct role_list list;
    struct text reason;

    (void)state;
    assert_true(roles_read(TEXT(json), &arena, &list, &reason));
    roles_install(&list);
    assert_int_equal(role_count(), 8);
    for (unsigned i = 0; i < role_count(); i++) {
        assert_true(text_equal(role_ids[i], role_at(i)->id));
        assert_true(i == 0 || strncmp(role_at(i - 1)->id.data, role_at(i)->id.data, 4) <= 0);
    }
    assert_false(text_is_set(role_ids[8]));
    role_set support = set_of("support"), auditor = set_of("auditor"), zero = set_of("zero");

    assert_true(roles_grant(support, TEXT("customer"), true) && roles_grant(support, TEXT("event"), false));
    assert_false(roles_grant(support, TEXT("event"), true) || roles_grant(support, TEXT("user"), false));
    assert_true(roles_grant(auditor, TEXT("user"), false));
    assert_false(roles_grant(auditor, TEXT("user"), true));
    assert_int_equal(role_find(TEXT("support"))->holders, ROLE_OF_USERS);
    assert_int_equal(role_find(TEXT("auditor"))->holders, ROLE_OF_USERS | ROLE_OF_SERVICE_ACCOUNTS);
    assert_true(text_equal(role_find(TEXT("auditor"))->name, TEXT("auditor")));
    assert_int_equal(roles_from_json(TEXT("[\"support\",\"all_reader\"]"), &arena),
                     support | set_of("all_reader"));
    /* Nobody gives what they do not have; and super_admin is more than all that can be granted. */
    assert_true(roles_cover(support, set_of("event_reader")) && roles_cover(auditor, set_of("all_reader")));
    assert_true(roles_cover(set_of("all_writer"), support) && roles_cover(zero, support | auditor));
    assert_false(roles_cover(support, set_of("event_ingestor")) || roles_cover(support, auditor));
    assert_false(roles_cover(auditor, support) || roles_cover(zero, set_of("super_admin")));
}

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_wrong_and_where),
        cmocka_unit_test(test_there_is_room_for_so_many),
        cmocka_unit_test(test_they_stand_beside_those_of_every_server),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
