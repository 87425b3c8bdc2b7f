/* patience.c: what takes too long takes it once (postgres.h). */
#include "store/postgres/handle.h"

#include "base/instant.h"

#include <string.h>

static const char limits_sql[] = "SELECT set_config('lock_timeout', $1::bigint::text, true), "
                                 "set_config('statement_timeout', $2::bigint::text, true)";

/* Nearly: the statement may have begun a little later than we believe. */
static bool has_taken(const struct patience *patience, int milliseconds)
{
    return monotonic_now_us() > postgres_after(patience->begun_us, milliseconds - milliseconds / 10);
}

void patience_begin(struct patience *patience)
{
    patience->begun_us = monotonic_now_us();
}

bool patience_is_tried(struct patience *patience, const struct postgres_error *error)
{
    int limit_ms = patience->until_us ? POSTGRES_HURRIED_STATEMENT_MS : POSTGRES_STATEMENT_TIMEOUT_MS;
    bool is_tried = strcmp(error->sqlstate, SQLSTATE_LOCK_NOT_AVAILABLE) == 0 ||
                    (strcmp(error->sqlstate, SQLSTATE_CANCELED) == 0 && has_taken(patience, limit_ms));

    if (is_tried && !patience->until_us)
        patience->until_us = postgres_after(monotonic_now_us(), POSTGRES_HURRY_MS);
    return is_tried;
}

bool patience_is_over(const struct patience *patience)
{
    return patience->until_us && monotonic_now_us() > patience->until_us;
}

static void send_limits(struct postgres_connection *connection, int lock_ms, int statement_ms)
{
    postgres_send(postgres_kept_statement(connection, limits_sql),
                  VALUES(value_integer(lock_ms), value_integer(statement_ms)),
                  (struct awaited){.kind = AWAITED_OTHER});
}

void patience_send_limits(const struct patience *patience, struct postgres_connection *connection)
{
    if (patience->until_us)
        send_limits(connection, POSTGRES_HURRIED_LOCK_MS, POSTGRES_HURRIED_STATEMENT_MS);
}

void patience_send_commit_limits(const struct patience *patience, struct postgres_connection *connection)
{
    if (patience->until_us)
        send_limits(connection, POSTGRES_LOCK_TIMEOUT_MS, POSTGRES_STATEMENT_TIMEOUT_MS);
}

const struct failure *patience_failure(struct arena *arena)
{
    return failure_add(failure_new(arena, FAILURE_SERVICE_UNAVAILABLE,
                                   TEXT("others have held locks or kept the database busy for too long; "
                                        "nothing was changed, try again")),
                       arena, TEXT("reason"), TEXT("busy"));
}
