/* faulty_disk.h: SQLite's default file system with errors on demand. */
#ifndef FARTHING_TESTS_FAULTY_DISK_H
#define FARTHING_TESTS_FAULTY_DISK_H

#include <sqlite3.h>
#include <stdatomic.h>

/* What each kind of access answers instead of being done; SQLITE_OK: it is done. */
static atomic_int fault_of_writes, fault_of_reads, fault_of_syncs;
/* Of a fault of syncs: how many more of them fail; 0: all. */
static atomic_int failing_syncs;

struct faulty_file {
    sqlite3_file base;
    sqlite3_file *real; /* lies behind this struct */
};

static inline sqlite3_file *real_file(sqlite3_file *file)
{
    return ((struct faulty_file *)file)->real;
}

static int faulty_close(sqlite3_file *file)
{
    return real_file(file)->pMethods->xClose(real_file(file));
}

static int faulty_read(sqlite3_file *file, void *bytes, int length, sqlite3_int64 offset)
{
    int fault = atomic_load(&fault_of_reads);

    return fault ? fault : real_file(file)->pMethods->xRead(real_file(file), bytes, length, offset);
}

static int faulty_write(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 offset)
{
    int fault = atomic_load(&fault_of_writes);

    return fault ? fault : real_file(file)->pMethods->xWrite(real_file(file), bytes, length, offset);
}

static int faulty_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return real_file(file)->pMethods->xTruncate(real_file(file), size);
}

static int faulty_sync(sqlite3_file *file, int flags)
{
    int fault = atomic_load(&fault_of_syncs);

    if (fault && atomic_load(&failing_syncs) > 0 && atomic_fetch_sub(&failing_syncs, 1) == 1)
        atomic_store(&fault_of_syncs, SQLITE_OK);
    return fault ? fault : real_file(file)->pMethods->xSync(real_file(file), flags);
}

static int faulty_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_file(file)->pMethods->xFileSize(real_file(file), size);
}

static int faulty_lock(sqlite3_file *file, int level)
{
    return real_file(file)->pMethods->xLock(real_file(file), level);
}

static int faulty_unlock(sqlite3_file *file, int level)
{
    return real_file(file)->pMethods->xUnlock(real_file(file), level);
}

static int faulty_check_lock(sqlite3_file *file, int *result)
{
    return real_file(file)->pMethods->xCheckReservedLock(real_file(file), result);
}

static int faulty_control(sqlite3_file *file, int operation, void *argument)
{
    return real_file(file)->pMethods->xFileControl(real_file(file), operation, argument);
}

static int faulty_sector_size(sqlite3_file *file)
{
    return real_file(file)->pMethods->xSectorSize(real_file(file));
}

static int faulty_characteristics(sqlite3_file *file)
{
    return real_file(file)->pMethods->xDeviceCharacteristics(real_file(file));
}

static int faulty_map(sqlite3_file *file, int page, int page_bytes, int extend, void volatile **memory)
{
    return real_file(file)->pMethods->xShmMap(real_file(file), page, page_bytes, extend, memory);
}

static int faulty_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return real_file(file)->pMethods->xShmLock(real_file(file), offset, count, flags);
}

static void faulty_barrier(sqlite3_file *file)
{
    real_file(file)->pMethods->xShmBarrier(real_file(file));
}

static int faulty_unmap(sqlite3_file *file, int remove)
{
    return real_file(file)->pMethods->xShmUnmap(real_file(file), remove);
}

static sqlite3_vfs *real_disk;

static int faulty_open(sqlite3_vfs *disk, const char *name, sqlite3_file *file, int flags, int *flags_out)
{
    static const sqlite3_io_methods methods = {
        .iVersion = 2, /* without memory-mapped pages, which no access would go through */
        .xClose = faulty_close,
        .xRead = faulty_read,
        .xWrite = faulty_write,
        .xTruncate = faulty_truncate,
        .xSync = faulty_sync,
        .xFileSize = faulty_size,
        .xLock = faulty_lock,
        .xUnlock = faulty_unlock,
        .xCheckReservedLock = faulty_check_lock,
        .xFileControl = faulty_control,
        .xSectorSize = faulty_sector_size,
        .xDeviceCharacteristics = faulty_characteristics,
        .xShmMap = faulty_map,
        .xShmLock = faulty_shm_lock,
        .xShmBarrier = faulty_barrier,
        .xShmUnmap = faulty_unmap,
    };
    struct faulty_file *faulty = (struct faulty_file *)file;

    (void)disk;
    faulty->real = (sqlite3_file *)(faulty + 1);
    faulty->base.pMethods = NULL;
    int code = real_disk->xOpen(real_disk, name, faulty->real, flags, flags_out);

    if (faulty->real->pMethods)
        faulty->base.pMethods = &methods;
    return code;
}

/* From now on every database that is opened lies on the faulty disk. */
static inline void faulty_disk_install(void)
{
    static sqlite3_vfs disk;

    real_disk = sqlite3_vfs_find(NULL);
    disk = *real_disk;
    disk.zName = "faulty";
    disk.szOsFile += (int)sizeof(struct faulty_file);
    disk.xOpen = faulty_open;
    sqlite3_vfs_register(&disk, 1);
}

static inline void faulty_disk_repair(void)
{
    atomic_store(&fault_of_writes, SQLITE_OK);
    atomic_store(&fault_of_reads, SQLITE_OK);
    atomic_store(&fault_of_syncs, SQLITE_OK);
    atomic_store(&failing_syncs, 0);
}

#endif
