/* internal.h: what the files of the metrics room share. Nobody else includes it. */
#ifndef FARTHING_METRICS_INTERNAL_H
#define FARTHING_METRICS_INTERNAL_H

#include "metrics/metrics.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };
/* Of the numbers that are kept. Microseconds are told in seconds, as Prometheus has it. */
enum metric_unit { METRIC_PLAIN, METRIC_MICROSECONDS };

enum metric_source {
    METRIC_OF_CELLS,   /* a member of struct metrics_cells, or an array of them, one a value of the label */
    METRIC_OF_SAMPLES, /* the same of struct metrics_samples */
    METRIC_OF_ROUTES,  /* http_requests */
    METRIC_OF_BUILD,   /* the constant 1, with what was built as its labels */
};

struct metric {
    const char *name;
    enum metric_type type;
    enum metric_unit unit;
    enum metric_source source;
    size_t offset;
    const char *label;         /* NULL: none */
    const char *const *values; /* of the label; ended by NULL */
    /* The first and the last bound of a histogram that are told: where its values are expected. */
    int64_t bound_min, bound_max;
    const char *help;
};

/* All metrics, in the order of the exposition; ended by one without a name. */
extern const struct metric metrics_table[];

/* The label of a column of http_requests: "200". NULL for one that is not in use. */
const char *metrics_status_label(unsigned slot);

/* Adds up what all threads have counted; of http_requests only the first `route_count` rows. To be freed. */
struct metrics_cells *metrics_sum(unsigned route_count);
/* The largest number of threads that have counted at the same time: as many have cells. */
unsigned metrics_thread_count(void);

#endif
