/* audit_claim.c: which chain of the audit trail a session appends to (store/audit.h).
 *
 * Sessions of several processes write at the same time, and each must know the hash of the row before its own
 * without asking: so each has a chain to itself. An advisory lock says that it is taken, and goes with the
 * session, when all that the session has committed is there to be seen; the next session goes on where it
 * ended. There are never more chains than there were sessions at the same time. */
#include "store/audit_chain.h"
#include "store/postgres/handle.h"

enum { CLAIM_ATTEMPTS_MAX = 100, POSITION_COLUMN = 0, HASH_COLUMN = 1 };

/* POSTGRES_LOCKS, of those that have two numbers: the other one is the chain's. */
#define CHAIN_LOCK "1181905000"

static const char free_sql[] = "SELECT c.chain FROM audit_chains c WHERE c.chain > 0 AND NOT EXISTS (SELECT "
                               "1 FROM pg_locks l WHERE l.locktype "
                               "= 'advisory' AND l.database = (SELECT oid FROM pg_database WHERE datname = "
                               "current_database()) AND l.classid = " CHAIN_LOCK
                               " AND l.objid = c.chain AND l.objsubid = 2) ORDER BY c.chain LIMIT 1";
static const char make_sql[] = "INSERT INTO audit_chains (position, hash) VALUES (0, '') RETURNING chain";
static const char lock_sql[] =
    "SELECT 1::bigint WHERE pg_try_advisory_lock(" CHAIN_LOCK ", ($1::bigint)::integer)";
static const char head_sql[] = "SELECT position, hash FROM audit_chains WHERE chain = $1";

/* The number in the first column of the first row, 0 without a row. False on an error. */
static bool ask_number(struct postgres_connection *connection, const char *sql, const struct value *values,
                       size_t count, int64_t *number)
{
    struct statement *statement = postgres_kept_statement(connection, sql);
    enum step step = postgres_engine.start(statement, values, count);

    *number = step == STEP_ROW ? postgres_read_integer(statement->result, 0, 0) : 0;
    postgres_engine.end(statement);
    return step != STEP_FAILED && postgres_finish(connection);
}

/* A chain that nobody has, as far as one can see; a new one if need be. */
static bool find_chain(struct postgres_connection *connection, int64_t *chain)
{
    if (!ask_number(connection, free_sql, NULL, 0, chain))
        return false;
    return *chain || ask_number(connection, make_sql, NULL, 0, chain);
}

/* Where it ends, now that nobody else appends to it. False also when it has gone. */
static bool read_head(struct postgres_connection *connection, int64_t chain, bool *is_there)
{
    struct statement *statement = postgres_kept_statement(connection, head_sql);
    enum step step = postgres_engine.start(statement, VALUES(value_integer(chain)));

    *is_there = step == STEP_ROW;
    if (*is_there) {
        struct text hash = {libpq.PQgetvalue(statement->result, 0, HASH_COLUMN),
                            (size_t)libpq.PQgetlength(statement->result, 0, HASH_COLUMN)};

        audit_chain_continue(&connection->base, chain,
                             postgres_read_integer(statement->result, 0, POSITION_COLUMN), hash);
    }
    postgres_engine.end(statement);
    return step != STEP_FAILED && postgres_finish(connection);
}

bool postgres_claim_chain(struct postgres_connection *connection)
{
    for (unsigned attempt = 0; attempt < CLAIM_ATTEMPTS_MAX; attempt++) {
        int64_t chain, is_locked;
        bool is_there;

        if (!find_chain(connection, &chain) ||
            !ask_number(connection, lock_sql, VALUES(value_integer(chain)), &is_locked))
            return false;
        if (!is_locked)
            continue; /* another session was quicker */
        if (!read_head(connection, chain, &is_there))
            return false;
        if (is_there)
            return true;
    }
    postgres_lost(connection, "no chain of the audit trail is free");
    return false;
}
