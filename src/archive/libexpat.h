/* libexpat.h: the library that reads XML, loaded when it is used. Only for the archive room. */
#ifndef FARTHING_ARCHIVE_LIBEXPAT_H
#define FARTHING_ARCHIVE_LIBEXPAT_H

#include "base/arena.h"

#include <expat.h>

#define LIBEXPAT_FUNCTIONS(FUNCTION)                                                                         \
    FUNCTION(Parse)                                                                                          \
    FUNCTION(ParserCreate)                                                                                   \
    FUNCTION(ParserFree)                                                                                     \
    FUNCTION(SetCharacterDataHandler)                                                                        \
    FUNCTION(SetElementHandler)                                                                              \
    FUNCTION(SetStartDoctypeDeclHandler)                                                                     \
    FUNCTION(SetUserData)                                                                                    \
    FUNCTION(StopParser)

/* Called as libexpat.ParserCreate(NULL). */
extern struct libexpat {
#define LIBEXPAT_MEMBER(name) __typeof__ (&(XML_##name))(name);
    LIBEXPAT_FUNCTIONS(LIBEXPAT_MEMBER)
#undef LIBEXPAT_MEMBER
} libexpat;

/* Loads the library, once. False with a one-line reason: how to get it. */
bool libexpat_load(struct arena *arena, struct text *reason);

#endif
