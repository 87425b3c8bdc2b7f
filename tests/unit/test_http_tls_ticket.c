/* The keys of session tickets: they change, the last ones still open tickets, and older ones do not. */
#include "cmocka_all.h"

#include "base/instant.h"
#include "http/tls.h"

#include <string.h>

enum { SECRET_BYTES = 32 };

static const int64_t period_us = HTTP_TLS_TICKET_KEY_SECONDS * (int64_t)MICROSECONDS_PER_SECOND;

static bool is_same(const struct http_ticket_key *a, const struct http_ticket_key *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static void test_rotation(void **state)
{
    struct http_tickets tickets;

    (void)state;
    http_tickets_init(&tickets);
    const int64_t start_us = tickets.current_since_us;
    const struct http_ticket_key first = tickets.current, unused = tickets.previous;

    assert_false(is_same(&first, &unused));
    assert_int_not_equal(memcmp(first.cipher_key, first.mac_key, SECRET_BYTES), 0);
    http_tickets_rotate(&tickets, start_us + period_us - 1);
    assert_true(is_same(&tickets.current, &first) && is_same(&tickets.previous, &unused));
    http_tickets_rotate(&tickets, start_us + period_us);
    assert_true(is_same(&tickets.previous, &first));
    assert_false(is_same(&tickets.current, &first));
    const struct http_ticket_key second = tickets.current;

    http_tickets_rotate(&tickets, start_us + 2 * period_us);
    assert_true(is_same(&tickets.previous, &second));
    assert_false(is_same(&tickets.current, &second));
    http_tickets_free(&tickets);
}

static void test_a_long_pause(void **state)
{
    struct http_tickets tickets;

    (void)state;
    http_tickets_init(&tickets);
    const struct http_ticket_key first = tickets.current;

    http_tickets_rotate(&tickets, tickets.current_since_us + 2 * period_us);
    assert_false(is_same(&tickets.current, &first) || is_same(&tickets.previous, &first));
    assert_false(is_same(&tickets.current, &tickets.previous));
    http_tickets_free(&tickets);
}

static void test_they_are_wiped(void **state)
{
    static struct http_tickets tickets;
    static const struct http_ticket_key nothing;

    (void)state;
    http_tickets_init(&tickets);
    http_tickets_free(&tickets);
    assert_true(is_same(&tickets.current, &nothing) && is_same(&tickets.previous, &nothing));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_a_long_pause),
        cmocka_unit_test(test_they_are_wiped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
