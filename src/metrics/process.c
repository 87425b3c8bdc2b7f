/* process.c: what the operating system knows about this process. */
#include "base/instant.h"
#include "metrics/internal.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NANOSECONDS_PER_MICROSECOND = 1000 };

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

static void sample_memory(struct metrics_samples *samples)
{
    FILE *file = fopen("/proc/self/statm", "re");
    int64_t pages, resident_pages;

    samples->virtual_bytes = samples->resident_bytes = -1;
    if (!file)
        return;
    if (fscanf(file, "%" SCNd64 " %" SCNd64, &pages, &resident_pages) == 2) {
        int64_t page_bytes = sysconf(_SC_PAGESIZE);

        samples->virtual_bytes = pages * page_bytes;
        samples->resident_bytes = resident_pages * page_bytes;
    }
    fclose(file);
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
