/* log_limit.c: the log is not filled with one line over and over while a server is away or refuses. */
#include "store/postgres/handle.h"

#include "base/instant.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { KINDS_MAX = 16, FIELDS_MAX = 4 };

struct kind {
    char name[ERROR_NAME_BYTES];
    struct log_limit limit;
    int64_t left_out;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct kind kinds[KINDS_MAX];

bool log_limit_take(struct log_limit *limit, int burst)
{
    int64_t now_us = monotonic_now_us();
    int64_t from_us = limit->taken_until_us > now_us ? limit->taken_until_us : now_us;

    if (from_us > postgres_after(now_us, (burst - 1) * POSTGRES_LOG_EVERY_MS))
        return false;
    limit->taken_until_us = postgres_after(from_us, POSTGRES_LOG_EVERY_MS);
    return true;
}

/* The kind of that name; a new one takes the place of the one of which nothing was said for longest. */
static struct kind *find_kind(const char *name)
{
    struct kind *oldest = &kinds[0];

    for (struct kind *kind = kinds; kind < kinds + KINDS_MAX; kind++) {
        if (strcmp(kind->name, name) == 0)
            return kind;
        if (kind->limit.taken_until_us < oldest->limit.taken_until_us)
            oldest = kind;
    }
    *oldest = (struct kind){0};
    snprintf(oldest->name, sizeof oldest->name, "%s", name);
    return oldest;
}

/* -1: nothing is to be said; otherwise how often it was not. */
static int64_t take_left_out(const char *name)
{
    int64_t left_out = -1;

    pthread_mutex_lock(&mutex);
    struct kind *kind = find_kind(name);

    if (log_limit_take(&kind->limit, 1)) {
        left_out = kind->left_out;
        kind->left_out = 0;
    } else {
        kind->left_out++;
    }
    pthread_mutex_unlock(&mutex);
    return left_out;
}

void postgres_log(enum log_level level, const char *kind, const char *message, const struct log_field *fields,
                  unsigned count)
{
    struct log_field all[FIELDS_MAX];
    int64_t left_out = take_left_out(kind);

    assert(count < FIELDS_MAX);
    if (left_out < 0)
        return;
    if (count)
        memcpy(all, fields, count * sizeof *fields);
    all[count] = LOG_INTEGER("left_out", left_out);
    log_write(level, message, all, count + (left_out > 0));
}
