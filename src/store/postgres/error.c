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
    struct text message; /* unset: the usual one */
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
    {SQLSTATE_LOCK_NOT_AVAILABLE, STORE_WELL, "busy",
     TEXT_LITERAL("somebody else holds a lock on what this needs; nothing was changed, try again")},
    {SQLSTATE_CANCELED, STORE_WELL, "timeout",
     TEXT_LITERAL("the database has taken too long; nothing was changed, try again later")},
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
                                begun_anew = {"", STORE_WELL, "database_unavailable"},
                                too_many = {"", STORE_UNREACHABLE, "too_many_connections"},
                                read_only = {"", STORE_READ_ONLY, "read_only"};

    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0] && error->sqlstate[0]; i++)
        if (strncmp(error->sqlstate, meanings[i].sqlstate, strlen(meanings[i].sqlstate)) == 0)
            return &meanings[i];
    if (!error->is_lost)
        return NULL;
    if (strcmp(error->sqlstate, SQLSTATE_NO_STATEMENT) == 0 ||
        strcmp(error->sqlstate, SQLSTATE_NOT_SUPPORTED) == 0)
        return &begun_anew; /* the server is well, only this session was not */
    if (says_any(error->message, words_of_too_many, sizeof words_of_too_many / sizeof *words_of_too_many))
        return &too_many;
    if (says_any(error->message, words_of_read_only, sizeof words_of_read_only / sizeof *words_of_read_only))
        return &read_only;
    return &unreachable;
}

/* ---- for the operator ---- */

/* What helps against what PostgreSQL and its client library say, as far as they say it in English. */
static const struct {
    const char *words, *more_words, *advice; /* of the message; what to do, NULL: nobody knows */
} remedies[] = {
    {"password authentication failed", "",
     "correct the user and the password in the URL (special characters percent-encoded: %40 for @), in "
     "PGPASSWORD or in the password file"},
    {"no password supplied", "", "give it in the URL, in PGPASSWORD or in a password file (PGPASSFILE)"},
    {"no pg_hba.conf entry", "",
     "let this host, user and database in with a line of the server's pg_hba.conf"},
    {"authentication failed", "",
     "give user and password in the URL, or change the method in the server's pg_hba.conf"},
    {"database \"", " does not exist",
     "make it as PostgreSQL's administrator: CREATE DATABASE NAME OWNER ROLE ENCODING 'UTF8' TEMPLATE "
     "template0"},
    {"role \"", " does not exist",
     "make it as PostgreSQL's administrator: CREATE ROLE NAME LOGIN PASSWORD '...'"},
    {"permission denied for database", "", "GRANT CONNECT ON DATABASE NAME TO ROLE"},
    {"permission denied", "",
     "connect as the role that owns the tables, or give this one rights on all of them"},
    {"could not translate host name", "", "correct the host in the URL"},
    {"too many", "",
     "raise max_connections of the server or the CONNECTION LIMIT of the role, or lower "
     "--database-connections"},
    {"connection slots", "", "raise max_connections of the server, or lower --database-connections"},
    {"read-only", "", "name the primary, or all servers, in the URL: postgres://USER@HOST1,HOST2/DATABASE"},
    {"hot standby", "", "name the primary, or all servers, in the URL: postgres://USER@HOST1,HOST2/DATABASE"},
    {"certificate", "", "correct sslmode or sslrootcert in the URL"},
    {"SSL", "", "correct sslmode in the URL"},
    {"starting up", "", "try again when it has started"},
    {"in recovery mode", "", "try again when it has recovered"},
    {"shutting down", "", "try again when it runs"},
    {"FATAL", "", NULL},
    {" failed: ", "",
     "see whether the server runs and takes connections from here (listen_addresses, a "
     "firewall), and correct host and port in the URL"},
    {"timeout expired", "",
     "see whether the server can be reached from here, and correct host and port in the "
     "URL"},
};

/* Messages of several hosts say what is wrong with each: the first remedy is for any of them. */
static const char *remedy_of(const struct postgres_error *error)
{
    for (size_t i = 0; i < sizeof remedies / sizeof remedies[0]; i++)
        if (strstr(error->message, remedies[i].words) && strstr(error->message, remedies[i].more_words))
            return remedies[i].advice;
    return NULL;
}

struct text postgres_cannot_use(const struct postgres_error *error, struct arena *arena)
{
    const char *remedy = remedy_of(error);

    return arena_format(arena, "cannot use the PostgreSQL database: %s%s%s", error->message,
                        remedy ? "; " : "", remedy ? remedy : "");
}

/* ---- what becomes of an error ---- */

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
    struct text message =
        text_is_set(meaning->message)
            ? meaning->message
            : TEXT("the database cannot be used right now; nothing was changed, try again later");

    return failure_add(failure_new(arena, FAILURE_SERVICE_UNAVAILABLE, message), arena, TEXT("reason"),
                       text_from_string(meaning->reason));
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
