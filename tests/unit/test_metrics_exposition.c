/* The text format: what stands in a scrape, line by line. Its grammar is checked by a real parser in
 * tests/api. */
#include "cmocka_all.h"

#include "metrics/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct buffer out;

static const struct metrics_route routes[] = {
    {TEXT_LITERAL("unmatched"), TEXT_LITERAL("GET")},
    {TEXT_LITERAL("/v1/{id}"), TEXT_LITERAL("POST")},
    {TEXT_LITERAL("a\"b\\c\nd"), TEXT_LITERAL("PUT")},
};

static void scrape(const struct metrics_samples *samples)
{
    buffer_clear(&out);
    metrics_write(&out, samples, routes, sizeof routes / sizeof routes[0]);
    buffer_append_char(&out, '\0');
}

static const struct metrics_samples no_samples = {.version = "1.2.3", .sqlite_version = "3.40.1"};

static void expect_line(const char *line)
{
    char with_ends[256];

    snprintf(with_ends, sizeof with_ends, "\n%s\n", line);
    if (!strstr(out.data, with_ends))
        fail_msg("there is no line %s in\n%s", line, out.data);
}

static void expect_absent(const char *part)
{
    if (strstr(out.data, part))
        fail_msg("there is %s in\n%s", part, out.data);
}

static void test_requests_by_route_and_status(void **state)
{
    struct metrics_cells *cells = metrics_here();

    (void)state;
    metrics_add(&cells->http_requests[0][metrics_status_slot(404)], 7);
    metrics_add(&cells->http_requests[1][metrics_status_slot(201)], 2);
    metrics_add(&cells->http_requests[1][metrics_status_slot(599)], 1);
    metrics_add(&cells->http_requests[2][metrics_status_slot(200)], 1);
    scrape(&no_samples);
    expect_line("farthing_http_requests_total{route=\"unmatched\",method=\"GET\",status=\"404\"} 7");
    expect_line("farthing_http_requests_total{route=\"/v1/{id}\",method=\"POST\",status=\"201\"} 2");
    expect_line("farthing_http_requests_total{route=\"/v1/{id}\",method=\"POST\",status=\"other\"} 1");
    expect_line("farthing_http_requests_total{route=\"a\\\"b\\\\c\\nd\",method=\"PUT\",status=\"200\"} 1");
    expect_absent("route=\"unmatched\",method=\"GET\",status=\"200\"");
    expect_line("farthing_build_info{version=\"1.2.3\",sqlite=\"3.40.1\"} 1");
}

static void test_durations_in_seconds(void **state)
{
    struct metrics_histogram *reads = &metrics_here()->http_request_duration_us[METRICS_LANE_READ];

    (void)state;
    metrics_observe(reads, 3); /* below the first bound that is told */
    metrics_observe(reads, 9);
    metrics_observe(reads, 1500000);
    metrics_observe(reads, INT64_C(1) << 40); /* above the last one */
    scrape(&no_samples);
    expect_absent("lane=\"read\",le=\"0.000006\"");
    expect_line("farthing_http_request_duration_seconds_bucket{lane=\"read\",le=\"0.000008\"} 1");
    expect_line("farthing_http_request_duration_seconds_bucket{lane=\"read\",le=\"0.000012\"} 2");
    expect_line("farthing_http_request_duration_seconds_bucket{lane=\"read\",le=\"1.048576\"} 2");
    expect_line("farthing_http_request_duration_seconds_bucket{lane=\"read\",le=\"1.572864\"} 3");
    expect_line("farthing_http_request_duration_seconds_bucket{lane=\"read\",le=\"33.554432\"} 3");
    expect_line("farthing_http_request_duration_seconds_bucket{lane=\"read\",le=\"+Inf\"} 4");
    expect_line("farthing_http_request_duration_seconds_sum{lane=\"read\"} 1099513.127788");
    expect_line("farthing_http_request_duration_seconds_count{lane=\"read\"} 4");
    expect_line("farthing_http_request_duration_seconds_count{lane=\"write\"} 0");
}

static void test_plain_histogram(void **state)
{
    (void)state;
    metrics_observe(&metrics_here()->writer_batch_commands, 1);
    metrics_observe(&metrics_here()->writer_batch_commands, 1024);
    scrape(&no_samples);
    expect_line("farthing_writer_batch_commands_bucket{le=\"1\"} 1");
    expect_line("farthing_writer_batch_commands_bucket{le=\"768\"} 1");
    expect_line("farthing_writer_batch_commands_bucket{le=\"1024\"} 2");
    expect_line("farthing_writer_batch_commands_bucket{le=\"+Inf\"} 2");
    expect_line("farthing_writer_batch_commands_sum 1025");
}

/* A gauge that is being counted up here and down there is never told as a huge number. */
static void test_gauges(void **state)
{
    (void)state;
    metrics_subtract(&metrics_here()->writer_commands_waiting, 1);
    scrape(&no_samples);
    expect_line("farthing_writer_commands_waiting 0");
    metrics_add(&metrics_here()->writer_commands_waiting, 6);
    scrape(&no_samples);
    expect_line("farthing_writer_commands_waiting 5");
}

static void test_samples(void **state)
{
    struct metrics_samples samples = no_samples;

    (void)state;
    samples.database_bytes = 12345;
    samples.wal_bytes = -1; /* not known */
    samples.cpu_us = 2500000;
    samples.log_lines_dropped[METRICS_LOG_ACCESS] = 3;
    scrape(&samples);
    expect_line("farthing_database_size_bytes 12345");
    expect_absent("\nfarthing_database_wal_size_bytes ");
    expect_absent("# TYPE farthing_database_wal_size_bytes ");
    expect_line("process_cpu_seconds_total 2.5");
    expect_line("farthing_log_lines_dropped_total{log=\"process\"} 0");
    expect_line("farthing_log_lines_dropped_total{log=\"access\"} 3");
}

static void test_process_samples(void **state)
{
    struct metrics_samples samples = no_samples;
    int files[10];

    (void)state;
    metrics_sample_process(&samples);
    assert_true(samples.resident_bytes > 100 * 1000);
    assert_true(samples.virtual_bytes >= samples.resident_bytes);
    assert_true(samples.cpu_us > 0);
    assert_true(samples.start_us > INT64_C(1577836800000000)); /* 2020 */
    assert_true(samples.descriptors_max > 10);
    int64_t before = samples.descriptors_open;

    for (int i = 0; i < 10; i++)
        files[i] = dup(0);
    metrics_sample_process(&samples);
    assert_int_equal(samples.descriptors_open, before + 10);
    for (int i = 0; i < 10; i++)
        close(files[i]);
}

/* Prometheus' conventions: a counter ends in _total, a unit is a base unit, a label is not part of a name. */
static void test_table_follows_the_conventions(void **state)
{
    (void)state;
    for (const struct metric *metric = metrics_table; metric->name; metric++) {
        struct text name = text_from_string(metric->name);
        bool is_total = text_ends_with(name, TEXT("_total"));

        assert_int_equal(is_total, metric->type == METRIC_COUNTER);
        assert_true(text_starts_with(name, TEXT("farthing_")) || text_starts_with(name, TEXT("process_")));
        assert_true(text_ends_with(text_from_string(metric->help), TEXT(".")));
        if (metric->unit == METRIC_MICROSECONDS)
            assert_non_null(strstr(metric->name, "_seconds"));
        assert_null(strstr(metric->name, "microseconds"));
        for (const struct metric *other = metric + 1; other->name; other++)
            assert_string_not_equal(metric->name, other->name);
    }
}

static int free_buffer(void **state)
{
    (void)state;
    buffer_free(&out);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_by_route_and_status),
        cmocka_unit_test(test_durations_in_seconds),
        cmocka_unit_test(test_plain_histogram),
        cmocka_unit_test(test_gauges),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_process_samples),
        cmocka_unit_test(test_table_follows_the_conventions),
    };

    return cmocka_run_group_tests(tests, NULL, free_buffer);
}
