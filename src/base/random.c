#include "base/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *bytes, size_t length)
{
    unsigned char *next = bytes;

    while (length > 0) {
        ssize_t count = getrandom(next, length, 0);

        if (count < 0) {
            if (errno == EINTR)
                continue;
            /* Ids and keys made of anything weaker would be worse than no server. */
            perror("getrandom");
            abort();
        }
        next += count;
        length -= (size_t)count;
    }
}
