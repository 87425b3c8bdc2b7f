/* load_histogram.h: counts of latencies, one counter a microsecond, so that percentiles are exact. */
#ifndef FARTHING_BENCH_LOAD_HISTOGRAM_H
#define FARTHING_BENCH_LOAD_HISTOGRAM_H

#include <stdint.h>

/* Latencies from here on share the last counter; the greatest one is still kept exactly. */
enum { HISTOGRAM_US_MAX = 4 * 1000 * 1000 };

struct histogram {
    uint32_t
        *counts; /* HISTOGRAM_US_MAX + 1 counters; the pages that no latency falls on are never touched */
    uint64_t total;
    int64_t greatest_ns;
    int64_t sum_ns;
};

/* Makes an empty histogram; ends the process when there is no memory. Lives until the process ends. */
void histogram_init(struct histogram *histogram);
void histogram_add(struct histogram *histogram, int64_t latency_ns);
/* The latency in microseconds, rounded up, that `fraction` (0 to 1) of those counted do not exceed. 0 when
 * nothing was counted. */
int64_t histogram_quantile_us(const struct histogram *histogram, double fraction);

#endif
