/* Replies kept for whoever sends a request again: which routes do it, and what the black-box tests cannot
 * bring about. */
#include "store_fixture.h"

#include "api/exchange.h"
#include "api/idempotency.h"
#include "domain/idempotency.h"

#define HOUR_US (INT64_C(60) * 60 * 1000 * 1000)

STORE_FIXTURE_OF_FILE()

/* ---- the routes ---- */

/* A new POST is idempotent, unless its row says that it need not be. */
static void test_every_post_is_idempotent_or_says_that_it_is_not(void **state)
{
    unsigned posts = 0;

    (void)state;
    for (const struct route_table *const *table = route_tables; *table; table++)
        for (size_t i = 0; i < (*table)->count; i++) {
            const struct route *route = &(*table)->routes[i];

            /* The reply is there before the commit: nothing can be added to it behind the lane. */
            assert_false(route_is_idempotent(route) && route->work_after);
            if (route->method != HTTP_POST) {
                assert_false(route_is_idempotent(route));
                continue;
            }
            posts++;
            if (route_is_idempotent(route) == route->ignores_idempotency_key)
                fail_msg("POST %.*s neither writes nor says .ignores_idempotency_key",
                         TEXT_FORMAT(route->path));
        }
    assert_true(posts >= 7);
}

/* ---- a route of ours ---- */

static unsigned runs;
static size_t reply_bytes;
static const struct failure *(*use_case)(struct exchange *, struct transaction *);

static const struct failure *run_route(struct exchange *exchange, struct transaction *transaction)
{
    runs++;
    return use_case ? use_case(exchange, transaction) : NULL;
}

static void render_route(struct exchange *exchange, struct json_writer *writer)
{
    char *bytes = arena_allocate(exchange->arena, reply_bytes);

    memset(bytes, 'x', reply_bytes);
    json_raw(writer, (struct text){bytes, reply_bytes});
}

static const struct route route = {.method = HTTP_POST,
                                   .path = TEXT_LITERAL("/v1/things"),
                                   .lane = LANE_WRITE,
                                   .status = 201,
                                   .run = run_route,
                                   .render = render_route};

/* One request, from its header to what the lane has done. */
struct sent {
    struct http_header header;
    struct http_exchange http;
    struct api api;
    struct api_loop loop;
    struct call call;
    struct exchange exchange;
    const struct failure *failure;
};

static const struct failure *run_sent(void *context, struct transaction *transaction)
{
    struct sent *sent = context;

    return idempotency_run(&sent->exchange, transaction);
}

static const struct failure *keep_sent(void *context, struct transaction *transaction)
{
    struct sent *sent = context;

    return idempotency_keep_failure(&sent->exchange, transaction);
}

/* As the pipeline does it. */
static struct sent *send_at(int64_t now_us, const char *key, const char *body)
{
    struct sent *sent = ARENA_NEW(&fixture.arena, struct sent);

    sent->header = (struct http_header){TEXT("Idempotency-Key"), text_from_string(key)};
    sent->http.request = (struct http_request){.method = HTTP_POST,
                                               .method_name = TEXT("POST"),
                                               .path = route.path,
                                               .headers = &sent->header,
                                               .header_count = 1,
                                               .body = text_from_string(body)};
    sent->api.config = api_config_default();
    sent->api.store = fixture.store;
    sent->loop.api = &sent->api;
    sent->exchange = (struct exchange){.http = &sent->http,
                                       .loop = &sent->loop,
                                       .arena = &fixture.arena,
                                       .route = &route,
                                       .status = route.status,
                                       .call = fixture.call};
    sent->exchange.call.now_us = now_us;
    assert_null(idempotency_begin(&sent->exchange));
    assert_non_null(sent->exchange.idempotency);
    sent->failure = store_write(fixture.store, &fixture.arena, &sent->exchange.call, run_sent, sent);
    if (sent->failure && idempotency_looks_again(&sent->exchange, sent->failure)) {
        idempotency_prepare_failure(&sent->exchange, sent->failure);
        sent->failure = store_write(fixture.store, &fixture.arena, &sent->exchange.call, keep_sent, sent);
    }
    buffer_free(&sent->loop.body);
    return sent;
}

static struct sent *send_again(const char *key, const char *body)
{
    return send_at(FIXTURE_NOW_US, key, body);
}

static void begin(size_t bytes, const struct failure *(*use)(struct exchange *, struct transaction *))
{
    runs = 0;
    reply_bytes = bytes;
    use_case = use;
}

static struct text count_records(void)
{
    return fixture_select(&fixture, "SELECT count(*) FROM idempotency_records");
}

static void test_a_reply_that_is_too_large_is_done_once_all_the_same(void **state)
{
    (void)state;
    begin(IDEMPOTENCY_REPLY_BYTES_MAX + 1, NULL);
    struct sent *first = send_again("key", "{}");

    assert_null(first->failure);
    assert_false(first->exchange.idempotency->reply.is_replayed);
    assert_int_equal(first->exchange.idempotency->reply.body.length, IDEMPOTENCY_REPLY_BYTES_MAX + 1);
    assert_text(fixture_select(&fixture, "SELECT status_code, reply FROM idempotency_records"), "201|-;");
    struct sent *again = send_again("key", "{}");

    assert_int_equal(runs, 1);
    assert_int_equal(again->failure->code, FAILURE_ALREADY_EXISTS);
    assert_false(idempotency_looks_again(&again->exchange, again->failure));
    assert_text(failure_detail_value(again->failure, "Idempotency-Key"), "was used for this request");
    assert_text(count_records(), "1;");
}

static void test_the_largest_reply_is_kept(void **state)
{
    (void)state;
    begin(IDEMPOTENCY_REPLY_BYTES_MAX, NULL);
    send_again("key", "{}");
    struct sent *again = send_again("key", "{}");

    assert_null(again->failure);
    assert_true(again->exchange.idempotency->reply.is_replayed);
    assert_int_equal(again->exchange.idempotency->reply.body.length, IDEMPOTENCY_REPLY_BYTES_MAX);
    assert_int_equal(runs, 1);
}

/* ---- which refusals are kept ---- */

static enum failure_code refused_with;

static const struct failure *refuse(struct exchange *exchange, struct transaction *transaction)
{
    (void)transaction;
    return failure_new(exchange->arena, refused_with, TEXT("refused"));
}

static void test_refusals_are_kept_when_trying_again_would_not_help(void **state)
{
    static const enum failure_code codes[] = {
        FAILURE_VALIDATION,       FAILURE_INVALID_OPERATION, FAILURE_NOT_FOUND,
        FAILURE_ALREADY_EXISTS,   FAILURE_UNAUTHENTICATED,   FAILURE_PERMISSION_DENIED,
        FAILURE_VERSION_CONFLICT, FAILURE_TOO_MANY_REQUESTS, FAILURE_DATABASE,
        FAILURE_INTERNAL,         FAILURE_NOT_IMPLEMENTED,   FAILURE_SERVICE_UNAVAILABLE,
    };
    enum { KEPT = 4 };

    (void)state;
    begin(2, refuse);
    for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        char key[16];

        snprintf(key, sizeof key, "key-%u", i);
        refused_with = codes[i];
        runs = 0;
        struct sent *first = send_again(key, "{}"), *again = send_again(key, "{}");

        assert_int_equal(runs, i < KEPT ? 1 : 2);
        assert_int_equal(again->exchange.idempotency->reply.is_replayed, i < KEPT);
        if (i < KEPT)
            assert_true(
                text_equal(first->exchange.idempotency->reply.body, again->exchange.idempotency->reply.body));
        else
            assert_int_equal(again->failure->code, codes[i]);
    }
}

/* A twin was quicker: what it has kept is the answer, whatever ours ran into. */
static void test_a_refusal_gives_way_to_what_was_kept_meanwhile(void **state)
{
    (void)state;
    begin(2, NULL);
    struct sent *twin = send_again("key", "{}"), *late = send_again("other", "{}");

    late->exchange.idempotency = twin->exchange.idempotency;
    idempotency_prepare_failure(&late->exchange,
                                failure_new(&fixture.arena, FAILURE_NOT_FOUND, TEXT("too late")));
    assert_null(store_write(fixture.store, &fixture.arena, &late->exchange.call, keep_sent, late));
    assert_true(late->exchange.idempotency->reply.is_replayed);
    assert_int_equal(late->exchange.idempotency->reply.status, 201);
    assert_text(count_records(), "2;");
    buffer_free(&late->loop.body);
}

/* ---- a use case that fails after it was written ---- */

static const struct failure *create_taken(struct exchange *exchange, struct transaction *transaction)
{
    struct customer_creation *creation = ARENA_NEW(exchange->arena, struct customer_creation);

    *creation = fixture_creation("taken");
    return customer_create(transaction, creation, ARENA_NEW(exchange->arena, struct customer));
}

static void test_what_the_use_case_has_written_goes_with_its_record(void **state)
{
    (void)state;
    assert_null(fixture_create(&fixture, "taken", NULL));
    begin(2, create_taken);
    struct sent *first = send_again("key", "{}");

    assert_null(first->failure);
    assert_int_equal(first->exchange.idempotency->reply.status, 409);
    assert_text(fixture_select(&fixture, "SELECT status_code FROM idempotency_records"), "409;");
    send_again("key", "{}");
    assert_int_equal(runs, 1);
}

/* ---- age ---- */

static void test_a_record_that_is_too_old_is_replaced(void **state)
{
    const int64_t day_us = 24 * HOUR_US;

    (void)state;
    begin(2, NULL);
    send_at(FIXTURE_NOW_US, "key", "{}");
    assert_true(send_at(FIXTURE_NOW_US + day_us, "key", "{}")->exchange.idempotency->reply.is_replayed);
    assert_false(send_at(FIXTURE_NOW_US + day_us + 1, "key", "{}")->exchange.idempotency->reply.is_replayed);
    assert_int_equal(runs, 2);
    assert_true(send_at(FIXTURE_NOW_US + 2 * day_us, "key", "{}")->exchange.idempotency->reply.is_replayed);
    /* Another request may have the key by then. */
    struct sent *other = send_at(FIXTURE_NOW_US + 4 * day_us, "key", "{\"other\": true}");

    assert_null(other->failure);
    assert_int_equal(runs, 3);
    assert_text(count_records(), "1;");
}

static size_t discarded;

static const struct failure *clean_up(void *context, struct transaction *transaction)
{
    const struct api api = {.config = api_config_default()};

    (void)context;
    return idempotency_clean_up(&api, FIXTURE_NOW_US, transaction, &discarded);
}

static void test_cleaning_up_takes_the_old_ones_step_by_step(void **state)
{
    enum { OLD = 2 * IDEMPOTENCY_DISCARDED_MAX + 1, YOUNG = 3 };

    (void)state;
    begin(2, NULL);
    for (unsigned i = 0; i < OLD + YOUNG; i++) {
        char key[16];

        snprintf(key, sizeof key, "key-%u", i);
        send_at(FIXTURE_NOW_US - (i < OLD ? 25 : 23) * HOUR_US, key, "{}");
    }
    for (unsigned left = OLD;; left -= (unsigned)discarded) {
        char expected[16];

        snprintf(expected, sizeof expected, "%u;", left + YOUNG);
        assert_text(count_records(), expected);
        assert_null(store_write(fixture.store, &fixture.arena, &fixture.system_call, clean_up, NULL));
        assert_int_equal(discarded, left < IDEMPOTENCY_DISCARDED_MAX ? left : IDEMPOTENCY_DISCARDED_MAX);
        if (discarded == 0)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_post_is_idempotent_or_says_that_it_is_not),
        FIXTURE_TEST(test_a_reply_that_is_too_large_is_done_once_all_the_same),
        FIXTURE_TEST(test_the_largest_reply_is_kept),
        FIXTURE_TEST(test_refusals_are_kept_when_trying_again_would_not_help),
        FIXTURE_TEST(test_a_refusal_gives_way_to_what_was_kept_meanwhile),
        FIXTURE_TEST(test_what_the_use_case_has_written_goes_with_its_record),
        FIXTURE_TEST(test_a_record_that_is_too_old_is_replaced),
        FIXTURE_TEST(test_cleaning_up_takes_the_old_ones_step_by_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
