/* machine_shim.c: a machine that goes wrong while a program runs, as a test says: preloaded (LD_PRELOAD), it
 * has the clock step, writes of a database's files fail, and files that are written anew wait before. What is
 * to happen is in the file that $MACHINE_SHIM names, which the test changes at any time. For tests alone. */
#undef _FILE_OFFSET_BITS /* which would make one function of two */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* The file, in the machine's own byte order. */
struct orders {
    int64_t clock_ahead_us;  /* of the real one */
    int64_t write_errno;     /* 0: writes succeed */
    int64_t rewrite_wait_us; /* before a file is emptied to be written */
};

static const volatile struct orders *orders;

__attribute__((constructor)) static void read_orders(void)
{
    const char *path = getenv("MACHINE_SHIM");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = file >= 0 ? mmap(NULL, sizeof *orders, PROT_READ, MAP_SHARED, file, 0) : MAP_FAILED;

    if (file >= 0)
        close(file);
    if (mapped != MAP_FAILED)
        orders = mapped;
}

/* The names of the parameters of the C library's functions are not ours.
 * NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);

    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);

    if (result == 0 && orders && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t now_us = (int64_t)now->tv_sec * 1000000 + now->tv_nsec / 1000 + orders->clock_ahead_us;

        now->tv_sec = (time_t)(now_us / 1000000);
        now->tv_nsec = now_us % 1000000 * 1000;
    }
    return result;
}

time_t time(time_t *result)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (result)
        *result = now.tv_sec;
    return now.tv_sec;
}

/* SQLite writes its files with these, and nothing else of ours does. */
static int refuses(void)
{
    if (!orders || orders->write_errno == 0)
        return 0;
    errno = (int)orders->write_errno;
    return 1;
}

static ssize_t write_at(int file, const void *bytes, size_t length, off_t offset)
{
    static ssize_t (*real)(int, const void *, size_t, off_t);

    if (refuses())
        return -1;
    if (!real)
        real = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
    return real(file, bytes, length, offset);
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t offset)
{
    return write_at(file, bytes, length, offset);
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t offset)
{
    return write_at(file, bytes, length, offset);
}

static int open_file(const char *path, int flags, mode_t mode)
{
    static int (*real)(const char *, int, ...);

    if (!real)
        real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    if (orders && (flags & O_TRUNC) && orders->rewrite_wait_us > 0)
        usleep((useconds_t)orders->rewrite_wait_us);
    return real(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list arguments;

    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;

    va_end(arguments);
    return open_file(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list arguments;

    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;

    va_end(arguments);
    return open_file(path, flags, mode);
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
