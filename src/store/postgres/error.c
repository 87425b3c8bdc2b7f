/* error.c: what an error of the server means for the caller, and for the batch (PostgreSQL's documentation,
 * appendix A, "PostgreSQL Error Codes"). */
#include "store/postgres/handle.h"

#include "store/write.h"

#include <string.h>

#define UNIQUE_VIOLATION   "23505"
#define NOT_NULL_VIOLATION "23502"

struct meaning {
    const char *sqlstate; /* the code, or the beginning of several */
    enum store_state state;
    const char *reason;
};

/* What goes away by itself, or by the operator's hand. */
static const struct meaning meanings[] = {
    {"25006", STORE_READ_ONLY, "read_only"},
    {"40001", STORE_WELL, "busy"}, /* serialization failure */
    {"40P01", STORE_WELL, "busy"}, /* deadlock */
    {"53100", STORE_DISK_FULL, "disk_full"},
    {"53200", STORE_WELL, "out_of_memory"},
    {"53300", STORE_UNREACHABLE, "too_many_connections"},
    {"53", STORE_WELL, "out_of_memory"},
    {"55P03", STORE_WELL, "busy"},    /* a lock was not had in time */
    {"57014", STORE_WELL, "timeout"}, /* a statement was not done in time */
    {"57P0", STORE_UNREACHABLE, "database_unavailable"},
    {"58", STORE_IO_ERROR, "io_error"},
    {"08", STORE_UNREACHABLE, "database_unavailable"},
};

/* While a session is opened, libpq tells no code. */
static const char *const words_of_too_many[] = {"too many clients", "too many connections",
                                                "connection slots"};
static const char *const words_of_read_only[] = {"session is read-only", "server is in hot standby mode"};

static bool says_any(const char *message, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strstr(message, words[i]))
            return true;
    return false;
}

static const struct meaning *meaning_of(const struct postgres_error *error)
{
    static const struct meaning unreachable = {"", STORE_UNREACHABLE, "database_unavailable"},
                                too_many = {"", STORE_UNREACHABLE, "too_many_connections"},
                                read_only = {"", STORE_READ_ONLY, "read_only"};

    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0] && error->sqlstate[0]; i++)
        if (strncmp(error->sqlstate, meanings[i].sqlstate, strlen(meanings[i].sqlstate)) == 0)
            return &meanings[i];
    if (!error->is_lost)
        return NULL;
    if (says_any(error->message, words_of_too_many, sizeof words_of_too_many / sizeof *words_of_too_many))
        return &too_many;
    if (says_any(error->message, words_of_read_only, sizeof words_of_read_only / sizeof *words_of_read_only))
        return &read_only;
    return &unreachable;
}

/* A unique index is called after its table and its last column: customers_external_id. */
static struct text conflict_column_of(const struct postgres_error *error)
{
    size_t table = strlen(error->table);

    if (strncmp(error->constraint, error->table, table) != 0 || error->constraint[table] != '_')
        return text_from_string(error->constraint);
    struct text column = text_from_string(error->constraint + table + 1);

    return text_equal(column, TEXT("pkey")) ? TEXT("id") : column;
}

const struct failure *postgres_failure(const struct postgres_error *error, struct arena *arena)
{
    const struct meaning *meaning = meaning_of(error);

    if (error->has_missed)
        return write_is_gone(arena, error->write);
    if (strcmp(error->sqlstate, UNIQUE_VIOLATION) == 0 && error->write)
        return write_conflict(arena, error->write, arena_copy(arena, conflict_column_of(error)));
    if (!meaning)
        return failure_new(arena, FAILURE_DATABASE, TEXT("the database failed; the server's log says how"));
    return failure_add(
        failure_new(arena, FAILURE_SERVICE_UNAVAILABLE,
                    TEXT("the database cannot be used right now; nothing was changed, try again later")),
        arena, TEXT("reason"), text_from_string(meaning->reason));
}

bool postgres_error_is_conflict(const struct postgres_error *error)
{
    return strcmp(error->sqlstate, "40001") == 0 || strcmp(error->sqlstate, "40P01") == 0;
}

bool postgres_error_is_of_chain(const struct postgres_error *error)
{
    return strcmp(error->sqlstate, NOT_NULL_VIOLATION) == 0 && strcmp(error->table, "audit_chains") == 0;
}

bool postgres_error_is_everybodys(const struct postgres_error *error)
{
    const struct meaning *meaning = meaning_of(error);

    return error->is_lost || (meaning && meaning->state != STORE_WELL) ||
           strncmp(error->sqlstate, "53", 2) == 0;
}

enum store_state postgres_error_state(const struct postgres_error *error)
{
    const struct meaning *meaning = meaning_of(error);

    return meaning ? meaning->state : STORE_WELL;
}
