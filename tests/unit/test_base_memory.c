/* Memory when the system gives none: the reserve, and how it is set aside again. In processes of their own,
 * whose limits are theirs. */
#include "cmocka_all.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/memory_account.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MIB = 1024 * 1024, WAIT_MS_MAX = 20000, STEP_MS = 10 };

static rlim_t address_space(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (!file || fscanf(file, "%lu", &pages) != 1)
        abort();
    fclose(file);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static void limit_address_space(rlim_t bytes)
{
    struct rlimit limit;

    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_AS, &limit);
}

/* Whether it is short until the time is over. */
static bool stays_short(int wait_ms)
{
    const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};

    for (; wait_ms > 0 && memory_is_short(); wait_ms -= STEP_MS)
        nanosleep(&step, NULL);
    return wait_ms <= 0;
}

/* What a child returns is the number of the first thing that was not as it should be. */
static int use_reserve(void)
{
    struct memory_account account = {.bytes_max = MIB};

    memory_reserve();
    if (memory_is_short() || !memory_account_has_room(&account, 1))
        return 1;
    limit_address_space(address_space() - 4 * MIB);
    char *taken = memory_take(8 * MIB);

    memset(taken, 'x', 8 * MIB);
    taken = memory_resize(taken, 12 * MIB);
    if (taken[8 * MIB - 1] != 'x')
        return 2;
    if (!stays_short(3 * MEMORY_RENEW_MS) || memory_account_has_room(&account, 1))
        return 3;
    limit_address_space(RLIM_INFINITY);
    if (stays_short(WAIT_MS_MAX) || !memory_account_has_room(&account, 1))
        return 4;
    limit_address_space(address_space() - 4 * MIB); /* and once more */
    memory_take(8 * MIB);
    return memory_is_short() ? 0 : 5;
}

static int use_more_than_the_reserve(void)
{
    memory_reserve();
    limit_address_space(address_space());
    memory_take(MEMORY_RESERVE_BYTES + MIB);
    return 0;
}

static int use_none_that_was_set_aside(void)
{
    limit_address_space(address_space());
    memory_take(8 * MIB);
    return 0;
}

static int status_of(int (*run)(void))
{
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0};

        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        log_configure(LOG_FORMAT_LOGFMT, LOG_LEVEL_ERROR);
        _exit(run());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void test_the_reserve_is_used_and_set_aside_again(void **state)
{
    (void)state;
    int status = status_of(use_reserve);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_the_process_ends_when_all_is_used(void **state)
{
    (void)state;
    int more = status_of(use_more_than_the_reserve), none = status_of(use_none_that_was_set_aside);

    assert_true(WIFSIGNALED(more) && WTERMSIG(more) == SIGABRT);
    assert_true(WIFSIGNALED(none) && WTERMSIG(none) == SIGABRT);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum {
    HAS_LIMITS = 0
}; /* a sanitizer has far more addresses than there is memory, and an allocator of its own */
#else
enum { HAS_LIMITS = 1 };
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_reserve_is_used_and_set_aside_again),
        cmocka_unit_test(test_the_process_ends_when_all_is_used),
    };

    return HAS_LIMITS ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
