/* process.c: what the operating system knows about this process. */
#include "base/instant.h"
#include "metrics/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NANOSECONDS_PER_MICROSECOND = 1000, STATM_BYTES_MAX = 256 };

/* Since 6.2 the kernel says how many there are; before, they must be counted. */
static int64_t count_descriptors(void)
{
    struct stat status;
    int64_t count = -1; /* the one that is opened for counting */
    DIR *directory;

    if (stat("/proc/self/fd", &status) == 0 && status.st_size > 0)
        return status.st_size;
    directory = opendir("/proc/self/fd");
    if (!directory)
        return -1;
    for (const struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

/* "PAGES RESIDENT_PAGES …" */
static void sample_memory(struct metrics_samples *samples)
{
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    char bytes[STATM_BYTES_MAX];
    ssize_t length = file >= 0 ? read(file, bytes, sizeof bytes) : -1;
    struct text rest = {bytes, length > 0 ? (size_t)length : 0};
    size_t end = text_find(rest, ' ');
    uint64_t pages, resident_pages, page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);

    if (file >= 0)
        close(file);
    samples->virtual_bytes = samples->resident_bytes = -1;
    if (end == rest.length || !text_to_uint64(text_slice(rest, 0, end), &pages))
        return;
    rest = text_from(rest, end + 1);
    if (!text_to_uint64(text_slice(rest, 0, text_find(rest, ' ')), &resident_pages))
        return;
    samples->virtual_bytes = (int64_t)(pages * page_bytes);
    samples->resident_bytes = (int64_t)(resident_pages * page_bytes);
}

static int64_t clock_us(clockid_t clock)
{
    struct timespec now;

    return clock_gettime(clock, &now) == 0
               ? (int64_t)now.tv_sec * MICROSECONDS_PER_SECOND + now.tv_nsec / NANOSECONDS_PER_MICROSECOND
               : -1;
}

static int64_t start_us;

/* Before main: near enough to the start of the process. */
__attribute__((constructor)) static void remember_start(void)
{
    start_us = clock_us(CLOCK_REALTIME);
}

void metrics_sample_process(struct metrics_samples *samples)
{
    struct rlimit limit;

    sample_memory(samples);
    samples->cpu_us = clock_us(CLOCK_PROCESS_CPUTIME_ID);
    samples->start_us = start_us;
    samples->descriptors_open = count_descriptors();
    samples->descriptors_max = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (int64_t)limit.rlim_cur : -1;
}
