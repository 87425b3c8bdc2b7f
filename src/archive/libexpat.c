#include "archive/libexpat.h"

#include "base/shared_library.h"

#include <pthread.h>

#define LIBEXPAT_FILE "libexpat.so.1"

struct libexpat libexpat;

static pthread_once_t loaded = PTHREAD_ONCE_INIT;
static const char *missing; /* what could not be loaded; NULL: nothing */

static const struct shared_function functions[] = {
#define LIBEXPAT_ROW(name) {"XML_" #name, (void **)&libexpat.name},
    LIBEXPAT_FUNCTIONS(LIBEXPAT_ROW)
#undef LIBEXPAT_ROW
};

static void load(void)
{
    missing = shared_library_load(LIBEXPAT_FILE, functions, sizeof functions / sizeof functions[0]);
}

bool libexpat_load(struct arena *arena, struct text *reason)
{
    pthread_once(&loaded, load);
    if (missing)
        *reason = arena_format(
            arena,
            "S3 needs a library that cannot be loaded (%s is missing); install it: apt-get install libexpat1",
            missing);
    return !missing;
}
