/* exposition.c: Prometheus' text format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). */
#include "metrics/internal.h"

#include <assert.h>
#include <stdlib.h>

enum { MICROSECONDS_PER_SECOND_UNSIGNED = 1000 * 1000, FRACTION_DIGITS = 6 };

/* One scrape. */
struct scrape {
    struct buffer *out;
    const struct metrics_cells *cells;
    const struct metrics_samples *samples;
    const struct metrics_route *routes;
    unsigned route_count;
};

/* ---- numbers ---- */

static void put_seconds(struct buffer *out, uint64_t microseconds)
{
    char digits[FRACTION_DIGITS];
    uint64_t fraction = microseconds % MICROSECONDS_PER_SECOND_UNSIGNED;
    size_t length = FRACTION_DIGITS;

    buffer_append_uint64(out, microseconds / MICROSECONDS_PER_SECOND_UNSIGNED);
    if (fraction == 0)
        return;
    for (size_t i = FRACTION_DIGITS; i > 0; i--, fraction /= 10)
        digits[i - 1] = (char)('0' + fraction % 10);
    while (digits[length - 1] == '0')
        length--;
    buffer_append_char(out, '.');
    buffer_append_bytes(out, digits, length);
}

static void put_value(struct buffer *out, const struct metric *metric, uint64_t value)
{
    if (metric->unit == METRIC_MICROSECONDS)
        put_seconds(out, value);
    else
        buffer_append_uint64(out, value);
}

static uint64_t value_of(const metrics_cell *cell)
{
    return atomic_load_explicit(cell, memory_order_relaxed);
}

/* A gauge that threads count up and down may be seen between the two halves of a change. */
static uint64_t gauge_value(uint64_t sum)
{
    return (int64_t)sum < 0 ? 0 : sum;
}

/* ---- names and labels ---- */

static const char *const type_names[] = {"counter", "gauge", "histogram"};

static void put(struct buffer *out, const char *string)
{
    buffer_append(out, text_from_string(string));
}

static void put_head(struct buffer *out, const struct metric *metric)
{
    buffer_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name,
                         type_names[metric->type]);
}

/* The format's escapes for the value of a label. */
static void put_label(struct buffer *out, const char *name, struct text value)
{
    put(out, name);
    buffer_append(out, TEXT("=\""));
    for (size_t i = 0; i < value.length; i++) {
        char byte = value.data[i];

        if (byte == '\\' || byte == '"')
            buffer_append_char(out, '\\');
        if (byte == '\n')
            buffer_append(out, TEXT("\\n"));
        else
            buffer_append_char(out, byte);
    }
    buffer_append_char(out, '"');
}

/* The name of a series up to its value; `value` is that of the metric's label, if it has one. */
static void put_series(struct buffer *out, const struct metric *metric, const char *suffix, const char *value)
{
    put(out, metric->name);
    put(out, suffix);
    if (metric->label) {
        buffer_append_char(out, '{');
        put_label(out, metric->label, text_from_string(value));
        buffer_append_char(out, '}');
    }
    buffer_append_char(out, ' ');
}

/* ---- the kinds of series ---- */

static void put_bucket(struct buffer *out, const struct metric *metric, const char *value, int64_t bound,
                       uint64_t count)
{
    put(out, metric->name);
    buffer_append(out, TEXT("_bucket{"));
    if (metric->label) {
        put_label(out, metric->label, text_from_string(value));
        buffer_append_char(out, ',');
    }
    buffer_append(out, TEXT("le=\""));
    if (bound > 0)
        put_value(out, metric, (uint64_t)bound);
    else
        buffer_append(out, TEXT("+Inf"));
    buffer_append(out, TEXT("\"} "));
    buffer_append_uint64(out, count);
    buffer_append_char(out, '\n');
}

/* Buckets are cumulative here, and the count is what they add up to, so that both always agree. */
static void put_histogram(struct buffer *out, const struct metric *metric, const char *value,
                          const struct metrics_histogram *histogram)
{
    uint64_t count = 0;

    for (unsigned bucket = 0; bucket < METRICS_BUCKETS; bucket++) {
        int64_t bound = metrics_bucket_bound(bucket);

        count += value_of(&histogram->buckets[bucket]);
        if (bound >= metric->bound_min && bound <= metric->bound_max)
            put_bucket(out, metric, value, bound, count);
    }
    put_bucket(out, metric, value, 0, count);
    put_series(out, metric, "_sum", value);
    put_value(out, metric, value_of(&histogram->sum));
    buffer_append_char(out, '\n');
    put_series(out, metric, "_count", value);
    buffer_append_uint64(out, count);
    buffer_append_char(out, '\n');
}

static void put_number(struct buffer *out, const struct metric *metric, const char *value, uint64_t number)
{
    put_series(out, metric, "", value);
    put_value(out, metric, number);
    buffer_append_char(out, '\n');
}

/* The member of the metric that belongs to the index-th value of its label. */
static void put_counted(const struct scrape *scrape, const struct metric *metric, unsigned index,
                        const char *value)
{
    const char *member = (const char *)scrape->cells + metric->offset;

    if (metric->type == METRIC_HISTOGRAM) {
        put_histogram(scrape->out, metric, value,
                      (const struct metrics_histogram *)(const void *)member + index);
        return;
    }
    uint64_t number = value_of((const metrics_cell *)(const void *)member + index);

    put_number(scrape->out, metric, value, metric->type == METRIC_GAUGE ? gauge_value(number) : number);
}

static int64_t sample_of(const struct scrape *scrape, const struct metric *metric, unsigned index)
{
    const char *member = (const char *)scrape->samples + metric->offset;

    return ((const int64_t *)(const void *)member)[index];
}

static void put_sample(const struct scrape *scrape, const struct metric *metric, unsigned index,
                       const char *value)
{
    int64_t number = sample_of(scrape, metric, index);

    if (number >= 0)
        put_number(scrape->out, metric, value, (uint64_t)number);
}

static void put_route(const struct scrape *scrape, const struct metric *metric, unsigned row)
{
    struct buffer *out = scrape->out;

    for (unsigned slot = 0; slot < METRICS_STATUS_SLOTS; slot++) {
        uint64_t count = value_of(&scrape->cells->http_requests[row][slot]);

        if (count == 0)
            continue;
        put(out, metric->name);
        buffer_append_char(out, '{');
        put_label(out, "route", scrape->routes[row].path);
        buffer_append_char(out, ',');
        put_label(out, "method", scrape->routes[row].method);
        buffer_append_char(out, ',');
        put_label(out, "status", text_from_string(metrics_status_label(slot)));
        buffer_append(out, TEXT("} "));
        buffer_append_uint64(out, count);
        buffer_append_char(out, '\n');
    }
}

static void put_build(const struct scrape *scrape, const struct metric *metric)
{
    put(scrape->out, metric->name);
    buffer_append_char(scrape->out, '{');
    put_label(scrape->out, "version", text_from_string(scrape->samples->version));
    buffer_append_char(scrape->out, ',');
    put_label(scrape->out, "sqlite", text_from_string(scrape->samples->sqlite_version));
    buffer_append(scrape->out, TEXT("} 1\n"));
}

/* What this server does not have, or cannot tell, is left out as a whole. */
static bool is_known(const struct scrape *scrape, const struct metric *metric)
{
    return metric->source != METRIC_OF_SAMPLES || metric->label || sample_of(scrape, metric, 0) >= 0;
}

static void put_metric(const struct scrape *scrape, const struct metric *metric)
{
    static const char *const no_values[] = {"", NULL};

    if (!is_known(scrape, metric))
        return;
    put_head(scrape->out, metric);
    if (metric->source == METRIC_OF_BUILD) {
        put_build(scrape, metric);
        return;
    }
    if (metric->source == METRIC_OF_ROUTES) {
        for (unsigned row = 0; row < scrape->route_count; row++)
            put_route(scrape, metric, row);
        return;
    }
    const char *const *values = metric->label ? metric->values : no_values;

    for (unsigned i = 0; values[i]; i++)
        if (metric->source == METRIC_OF_CELLS)
            put_counted(scrape, metric, i, values[i]);
        else
            put_sample(scrape, metric, i, values[i]);
}

void metrics_write(struct buffer *out, const struct metrics_samples *samples,
                   const struct metrics_route *routes, unsigned route_count)
{
    struct metrics_cells *cells = metrics_sum(route_count);
    const struct scrape scrape = {out, cells, samples, routes, route_count};

    for (const struct metric *metric = metrics_table; metric->name; metric++)
        put_metric(&scrape, metric);
    free(cells);
}
