#include "base/memory.h"

#include "base/instant.h"
#include "base/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

atomic_bool memory_has_no_reserve; /* set while one that was set aside is given up */

static pthread_mutex_t reserve_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static void *reserve;                                             /* NULL: there is none */
static int64_t tried_us;                                          /* to renew it; monotonic */

/* Never touched, so that it takes address space (and of what a strict kernel promises), but no memory. */
static bool set_aside(void)
{
    void *mapped =
        mmap(NULL, MEMORY_RESERVE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    reserve = mapped == MAP_FAILED ? NULL : mapped;
    return reserve != NULL;
}

void memory_reserve(void)
{
    pthread_mutex_lock(&reserve_mutex);
    if (!reserve)
        set_aside();
    pthread_mutex_unlock(&reserve_mutex);
}

void memory_use_reserve(void)
{
    pthread_mutex_lock(&reserve_mutex);
    bool is_there = reserve != NULL;

    if (is_there) {
        munmap(reserve, MEMORY_RESERVE_BYTES);
        reserve = NULL;
        tried_us = monotonic_now_us();
        atomic_store(&memory_has_no_reserve, true);
    }
    pthread_mutex_unlock(&reserve_mutex);
    if (is_there)
        LOG_WARNING(
            "the system gives no memory: the reserve is used, and writes are refused until there is more");
}

bool memory_renew_reserve(void)
{
    int64_t now_us = monotonic_now_us();
    bool is_renewed = false;

    pthread_mutex_lock(&reserve_mutex);
    bool is_due = !reserve && now_us - tried_us >= MEMORY_RENEW_MS * INT64_C(1000);

    if (is_due) {
        tried_us = now_us;
        is_renewed = set_aside();
    }
    if (reserve)
        atomic_store(&memory_has_no_reserve, false);
    bool is_there = reserve != NULL;

    pthread_mutex_unlock(&reserve_mutex);
    if (is_renewed)
        LOG_INFO("there is memory again");
    return is_there;
}

void *memory_resize(void *memory, size_t bytes)
{
    void *resized = realloc(memory, bytes);

    /* Another thread may have given the reserve up in between, so that there is some all the same. */
    if (!resized) {
        memory_use_reserve();
        resized = realloc(memory, bytes);
    }
    if (!resized)
        abort();
    return resized;
}

void *memory_take(size_t bytes)
{
    return memory_resize(NULL, bytes);
}
