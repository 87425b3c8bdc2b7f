/* inspect.c: what the database is, for those who only ask. */
#include "store/postgres/handle.h"

enum { VERSION_MAJOR = 10000 };

struct text postgres_name_of(const struct postgres_connection *connection, struct arena *arena)
{
    const char *host = libpq.PQhost(connection->handle), *port = libpq.PQport(connection->handle);

    return arena_format(arena, "%s%s%s/%s", host ? host : "", port && *port ? ":" : "", port ? port : "",
                        libpq.PQdb(connection->handle));
}

static struct text parameter(const struct postgres_connection *connection, const char *name,
                             struct arena *arena)
{
    return arena_copy(arena, text_from_string(libpq.PQparameterStatus(connection->handle, name)));
}

static void ask_facts(struct postgres_connection *connection, struct store_facts *facts, struct arena *arena)
{
    facts->name = postgres_name_of(connection, arena);
    facts->role = arena_copy(arena, text_from_string(libpq.PQuser(connection->handle)));
    facts->server_version = parameter(connection, "server_version", arena);
    facts->encoding = parameter(connection, "server_encoding", arena);
}

static bool is_usable(struct postgres_connection *connection, struct store_facts *facts, struct arena *arena,
                      struct text *reason)
{
    int oldest_reader;

    if (!postgres_schema_version(connection, &facts->schema_version, &oldest_reader, arena, reason) ||
        !postgres_is_whole(connection, arena, reason))
        return false;
    if (facts->schema_version == 0)
        return postgres_may_create(connection, arena, reason);
    facts->installation_id = postgres_first_tenant(connection, arena);
    return true;
}

bool postgres_inspect(struct text url, struct store_facts *facts, struct arena *arena, struct text *reason)
{
    if (!postgres_check_url(url, arena, reason))
        return false;
    int version = libpq.PQlibVersion();

    facts->library_version = arena_format(arena, "%d.%d", version / VERSION_MAJOR, version % VERSION_MAJOR);
    struct postgres_connection *connection = postgres_connection_new(arena_string(arena, url), false);

    connection->is_quiet = true;
    bool is_right = postgres_connect(connection);

    if (!is_right)
        *reason = postgres_cannot_use(&connection->error, arena);
    else
        ask_facts(connection, facts, arena);
    is_right = is_right && is_usable(connection, facts, arena, reason);
    postgres_connection_free(connection);
    return is_right;
}
