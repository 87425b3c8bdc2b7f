/* random.h: bytes of the operating system's cryptographic generator (getrandom(2)). */
#ifndef FARTHING_BASE_RANDOM_H
#define FARTHING_BASE_RANDOM_H

#include <stddef.h>

/* Fills `bytes`. Never returns weak bytes: it waits for the system's pool at boot, and ends the process when
 * the system has no generator. */
void random_bytes(void *bytes, size_t length);

#endif
