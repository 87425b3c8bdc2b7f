/* instant.h: a moment as int64_t microseconds since 1970-01-01T00:00:00Z, and its RFC 3339 text (conventions
 * section 10: always `Z`; a fraction of up to 6 digits without trailing zeros, none when zero). */
#ifndef FARTHING_BASE_INSTANT_H
#define FARTHING_BASE_INSTANT_H

#include "base/buffer.h"
#include "base/text.h"

enum { INSTANT_TEXT_MAX = 27 }; /* 2026-01-02T03:04:05.123456Z */

#define MICROSECONDS_PER_SECOND INT64_C(1000000)

/* The range that has a four-digit year: 0000-01-01T00:00:00Z to 9999-12-31T23:59:59.999999Z. */
#define INSTANT_MIN_US INT64_C(-62167219200000000)
#define INSTANT_MAX_US INT64_C(253402300799999999)

/* The system's clock, cut to microseconds. Only `api`, `cli` and `jobs` read it; others take the instant as
 * an argument. */
int64_t instant_now_us(void);
/* A clock that never steps back, for deadlines and durations only. */
int64_t monotonic_now_us(void);

/* Appends the RFC 3339 text of an instant in the four-digit-year range (asserted). */
void instant_append(struct buffer *buffer, int64_t instant_us);
/* The same without a fraction, for entities of second resolution; the fraction is cut, not rounded. */
void instant_append_seconds(struct buffer *buffer, int64_t instant_us);

/* Reads RFC 3339 with `T`, explicit `Z` or +-hh:mm and an optional fraction (digits past the sixth are cut).
 * Refuses a date alone, a missing offset, second 60, hour 24, days that do not exist, and results outside the
 * range. */
bool instant_parse(struct text text, int64_t *instant_us);

#endif
