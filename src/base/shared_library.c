#include "base/shared_library.h"

#include <dlfcn.h>

const char *shared_library_load(const char *file, const struct shared_function *functions, size_t count)
{
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);

    if (!library)
        return file;
    for (size_t i = 0; i < count; i++) {
        *functions[i].address = dlsym(library, functions[i].name);
        if (!*functions[i].address)
            return functions[i].name;
    }
    return NULL;
}
