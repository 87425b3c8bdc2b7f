/* postgres_outcome.c: what became of a commit, as the engine finds it out in the database of
 * $FARTHING_DATABASE:
 *
 *     farthing-postgres-outcome SESSION-ID COMMIT-NUMBER
 *
 * Prints `done`, `not done` or `unknown`, and fails when there is no session to look with. */
#include "store/postgres/handle.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argument_count, char **arguments)
{
    static const char *const words[] = {
        [COMMIT_DONE] = "done",
        [COMMIT_NOT_DONE] = "not done",
        [COMMIT_UNKNOWN] = "unknown",
    };
    struct arena arena;
    struct text reason;

    arena_init(&arena);
    if (argument_count != 3 || !getenv("FARTHING_DATABASE") || !libpq_load(&arena, &reason)) {
        fputs("usage: FARTHING_DATABASE=URL farthing-postgres-outcome SESSION-ID COMMIT-NUMBER\n", stderr);
        return 2;
    }
    struct postgres_connection *connection = postgres_connection_new(getenv("FARTHING_DATABASE"), true);
    bool is_connected = postgres_connect(connection);

    if (is_connected)
        puts(words[commit_record_outcome(connection, arguments[1], strtoll(arguments[2], NULL, 10))]);
    else
        fprintf(stderr, "%s\n", connection->error.message);
    postgres_connection_free(connection);
    arena_free(&arena);
    return is_connected ? EXIT_SUCCESS : EXIT_FAILURE;
}
