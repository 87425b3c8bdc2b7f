/* shared_library.h: a library that is loaded when it is used: whoever does without it neither needs it nor
 * pays for it. */
#ifndef FARTHING_BASE_SHARED_LIBRARY_H
#define FARTHING_BASE_SHARED_LIBRARY_H

#include <stddef.h>

struct shared_function {
    const char *name;
    void **address; /* where its address is put */
};

/* Loads a library for the rest of the process's life and finds its functions. NULL when all are there; else
 * the name of what is missing, the file or a function. */
const char *shared_library_load(const char *file, const struct shared_function *functions, size_t count);

#endif
