#include "store/postgres/libpq.h"

#include <dlfcn.h>
#include <pthread.h>

#define LIBPQ_FILE "libpq.so.5"

struct libpq libpq;

static pthread_once_t loaded = PTHREAD_ONCE_INIT;
static const char *missing; /* what could not be loaded; NULL: nothing */

static const struct {
    const char *name;
    void **member;
} functions[] = {
#define LIBPQ_ROW(name) {#name, (void **)&libpq.name},
    LIBPQ_FUNCTIONS(LIBPQ_ROW)
#undef LIBPQ_ROW
};

static void load(void)
{
    void *library = dlopen(LIBPQ_FILE, RTLD_NOW | RTLD_LOCAL);

    if (!library) {
        missing = LIBPQ_FILE;
        return;
    }
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        *functions[i].member = dlsym(library, functions[i].name);
        if (!*functions[i].member)
            missing = functions[i].name;
    }
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
