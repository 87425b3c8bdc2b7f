/* soundness.h: whether a store is whole, and whether it holds what it must, after whatever has happened to
 * its disk. */
#ifndef FARTHING_TESTS_FAULTS_SOUNDNESS_H
#define FARTHING_TESTS_FAULTS_SOUNDNESS_H

#include "script.h"

enum verdict {
    SOUND,
    LOST,      /* it holds something else than it must */
    CORRUPTED, /* it does not open, is not whole, or does not go on */
};

struct finding {
    enum verdict verdict;
    char what[512];
    uint64_t digest; /* of all rows of all tables, as the store has them when it was opened */
};

/* Opens the disk's database with the store and looks at all of it; writes to it, closes it and looks again.
 * `book`: what it must hold; NULL: it is not known. */
struct finding check_soundness(const struct disk *disk, const struct book *book);

#endif
