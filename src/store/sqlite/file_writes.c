/* file_writes.c: what SQLite does between two writes of a file: it offers the processor. A commit and a
 * checkpoint write hundreds of pages in a row, which takes milliseconds and calls nothing else of ours. And
 * why the system has refused one is remembered. */
#include "store/sqlite/sqlite.h"

#include "base/processor.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

enum { WRITES_BETWEEN_OFFERS = 16 /* some 50 us */ };

static _Thread_local int write_errno;

int sqlite_write_errno(void)
{
    return write_errno;
}

static ssize_t write_and_offer(int fd, const void *bytes, size_t length, off_t offset)
{
    static _Thread_local unsigned write_count;

    if (++write_count % WRITES_BETWEEN_OFFERS == 0)
        processor_offer();
    ssize_t written = pwrite(fd, bytes, length, offset);

    if (written >= 0)
        write_errno = 0;
    else if (errno != EINTR) /* after which it is tried again */
        write_errno = errno;
    return written;
}

void sqlite_offer_between_writes(void)
{
    static const char *const names[] = {"pwrite", "pwrite64"}; /* it uses one of them */
    sqlite3_vfs *files = sqlite3_vfs_find(NULL);

    assert(files->iVersion >= 3);
    static_assert(sizeof(off_t) == sizeof(int64_t), "both are the same call");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        files->xSetSystemCall(files, names[i], (sqlite3_syscall_ptr)write_and_offer);
}
