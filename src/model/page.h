/* page.h: the part of a list that a request asks for (conventions section 16). */
#ifndef FARTHING_MODEL_PAGE_H
#define FARTHING_MODEL_PAGE_H

#include <stdint.h>

enum { PAGE_LIMIT_DEFAULT = 50, PAGE_LIMIT_MAX = 1000 };

struct page {
    int64_t limit;  /* 1 to PAGE_LIMIT_MAX */
    int64_t offset; /* not negative */
};

#endif
