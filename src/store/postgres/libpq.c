#include "store/postgres/libpq.h"

#include "base/shared_library.h"

#include <pthread.h>

#define LIBPQ_FILE "libpq.so.5"

struct libpq libpq;

static pthread_once_t loaded = PTHREAD_ONCE_INIT;
static const char *missing; /* what could not be loaded; NULL: nothing */

static const struct shared_function functions[] = {
#define LIBPQ_ROW(name) {#name, (void **)&libpq.name},
    LIBPQ_FUNCTIONS(LIBPQ_ROW)
#undef LIBPQ_ROW
};

static void load(void)
{
    missing = shared_library_load(LIBPQ_FILE, functions, sizeof functions / sizeof functions[0]);
}

bool libpq_load(struct arena *arena, struct text *reason)
{
    pthread_once(&loaded, load);
    if (missing)
        *reason =
            arena_format(arena,
                         "PostgreSQL's client library cannot be loaded (%s is missing); install it: apt-get "
                         "install libpq5 (14 or newer)",
                         missing);
    return !missing;
}
