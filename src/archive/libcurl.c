#include "archive/libcurl.h"

#include "base/shared_library.h"

#include <pthread.h>

#define LIBCURL_FILE "libcurl.so.4"

enum { VERSION_MIN = 0x075800 }; /* 7.88.0: earlier ones sign S3's requests wrongly */

struct libcurl libcurl;

static pthread_once_t loaded = PTHREAD_ONCE_INIT;
static const char *missing; /* what could not be loaded; NULL: nothing */

static const struct shared_function functions[] = {
#define LIBCURL_ROW(name) {"curl_" #name, (void **)&libcurl.name},
    LIBCURL_FUNCTIONS(LIBCURL_ROW)
#undef LIBCURL_ROW
};

static void load(void)
{
    missing = shared_library_load(LIBCURL_FILE, functions, sizeof functions / sizeof functions[0]);
    if (!missing && libcurl.version_info(CURLVERSION_NOW)->version_num < VERSION_MIN)
        missing = "a version that is new enough";
    if (!missing && libcurl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        missing = "memory for it";
}

bool libcurl_load(struct arena *arena, struct text *reason)
{
    pthread_once(&loaded, load);
    if (missing)
        *reason =
            arena_format(arena,
                         "S3 needs a library that cannot be loaded (%s is missing); install it: apt-get "
                         "install libcurl4 (7.88 or newer)",
                         missing);
    return !missing;
}
