#include "load_histogram.h"

#include <assert.h>
#include <err.h>
#include <stdlib.h>

void histogram_init(struct histogram *histogram)
{
    *histogram = (struct histogram){.counts = calloc(HISTOGRAM_US_MAX + 1, sizeof *histogram->counts)};
    if (histogram->counts == NULL)
        err(1, "histogram");
}

void histogram_add(struct histogram *histogram, int64_t latency_ns)
{
    assert(latency_ns >= 0);
    int64_t latency_us = (latency_ns + 999) / 1000;
    histogram->counts[latency_us < HISTOGRAM_US_MAX ? latency_us : HISTOGRAM_US_MAX]++;
    histogram->total++;
    histogram->sum_ns += latency_ns;
    if (latency_ns > histogram->greatest_ns)
        histogram->greatest_ns = latency_ns;
}

int64_t histogram_quantile_us(const struct histogram *histogram, double fraction)
{
    assert(fraction >= 0 && fraction <= 1);
    double wanted = fraction * (double)histogram->total;
    uint64_t seen = 0;
    for (int64_t latency_us = 0; latency_us < HISTOGRAM_US_MAX; latency_us++) {
        seen += histogram->counts[latency_us];
        if (seen > 0 && (double)seen >= wanted)
            return latency_us;
    }
    return (histogram->greatest_ns + 999) / 1000;
}
