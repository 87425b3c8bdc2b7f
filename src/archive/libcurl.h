/* libcurl.h: the library for HTTP, loaded when it is used. Only for the archive room. */
#ifndef FARTHING_ARCHIVE_LIBCURL_H
#define FARTHING_ARCHIVE_LIBCURL_H

#include "base/arena.h"

#include <curl/curl.h>

#define LIBCURL_FUNCTIONS(FUNCTION)                                                                          \
    FUNCTION(easy_cleanup)                                                                                   \
    FUNCTION(easy_getinfo)                                                                                   \
    FUNCTION(easy_header)                                                                                    \
    FUNCTION(easy_init)                                                                                      \
    FUNCTION(easy_perform)                                                                                   \
    FUNCTION(easy_reset)                                                                                     \
    FUNCTION(easy_setopt)                                                                                    \
    FUNCTION(easy_strerror)                                                                                  \
    FUNCTION(global_init)                                                                                    \
    FUNCTION(slist_append)                                                                                   \
    FUNCTION(slist_free_all)                                                                                 \
    FUNCTION(version_info)

/* Called as libcurl.easy_init(). */
extern struct libcurl {
#define LIBCURL_MEMBER(name) __typeof__ (&(curl_##name))(name);
    LIBCURL_FUNCTIONS(LIBCURL_MEMBER)
#undef LIBCURL_MEMBER
} libcurl;

/* Loads and sets up the library, once. False with a one-line reason: how to get it. */
bool libcurl_load(struct arena *arena, struct text *reason);

#endif
