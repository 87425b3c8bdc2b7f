#include "machine.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

enum {
    WHILE_CALLS = 25, /* how long a lack lasts */
    REGION_BYTES = 32 * 1024,
    REGIONS_MAX = 64, /* of the log's index: 4,096 pages each */
    SECTOR_BYTES = 4096,
    ALLOCATION_HEAD_BYTES = 16,
};

const char *const fault_names[FAULTS] = {
    [FAULT_NONE] = "none",
    [FAULT_ERROR] = "error",
    [FAULT_SHORT_WRITE] = "short write",
    [FAULT_FULL] = "disk full",
    [FAULT_SYNC_FORGETS] = "sync that forgets",
    [FAULT_ALLOCATION] = "allocation",
    [FAULT_ALLOCATION_LACK] = "lack of memory",
};

/* What SQLite has open: a file of the disk, or one without a name that nobody needs after a power cut. */
struct open_file {
    sqlite3_file base;
    struct open_file *next;
    struct disk_file *file; /* the disk's, or `nameless` */
    struct disk_file nameless;
    enum disk_name name;
    bool is_reader;
    int lock;
    bool has_index;
    unsigned shared, exclusive; /* locks of the log's index, a bit each */
};

static struct {
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    struct disk disk;
    struct disk_journal *journal; /* NULL: none is kept */
    struct open_file *open_files;
    void *regions[REGIONS_MAX];
    bool syncs_are_held;
    unsigned char *calls; /* an enum machine_call each */
    uint64_t call_count, call_capacity;
    enum fault fault;
    uint64_t fault_number;
    bool has_failed;
    uint64_t seed, random;
} machine = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Of allocations, which hold no lock. */
static atomic_uint_fast64_t allocation_count, failing_from, failing_until;
static atomic_bool allocation_has_failed;

/* ---- what fails ---- */

static bool is_due(enum fault fault, uint64_t length)
{
    return machine.fault == fault && machine.call_count >= machine.fault_number &&
           machine.call_count < machine.fault_number + length;
}

/* Counts a call. What goes wrong with it; FAULT_NONE: nothing. */
static enum fault count_call(enum machine_call call)
{
    enum fault fault = FAULT_NONE;

    if (machine.call_count == machine.call_capacity) {
        machine.call_capacity = machine.call_capacity ? 2 * machine.call_capacity : 1024;
        machine.calls = realloc(machine.calls, machine.call_capacity);
        assert(machine.calls);
    }
    machine.calls[machine.call_count++] = (unsigned char)call;
    if (is_due(FAULT_ERROR, 1))
        fault = FAULT_ERROR;
    else if (call == CALL_WRITE && is_due(FAULT_SHORT_WRITE, 1))
        fault = FAULT_SHORT_WRITE;
    else if (call == CALL_WRITE && is_due(FAULT_FULL, WHILE_CALLS))
        fault = FAULT_FULL;
    else if (call == CALL_SYNC && is_due(FAULT_SYNC_FORGETS, 1))
        fault = FAULT_SYNC_FORGETS;
    if (fault != FAULT_NONE)
        machine.has_failed = true;
    return fault;
}

static void happen(const struct open_file *open, const struct disk_event *event)
{
    if (open->file == &open->nameless) {
        struct disk alone = {.files[DISK_DATABASE] = open->nameless};

        disk_do(&alone, event, event->length);
        *open->file = alone.files[DISK_DATABASE];
        return;
    }
    disk_do(&machine.disk, event, event->length);
    if (machine.journal)
        disk_journal_add(machine.journal, event);
}

static void note(const struct disk_event *event)
{
    if (machine.journal)
        disk_journal_add(machine.journal, event);
}

/* ---- a file ---- */

static struct open_file *of(sqlite3_file *file)
{
    return (struct open_file *)file;
}

static int file_close(sqlite3_file *file)
{
    struct open_file *closed = of(file);

    pthread_mutex_lock(&machine.mutex);
    for (struct open_file **place = &machine.open_files; *place; place = &(*place)->next)
        if (*place == closed) {
            *place = closed->next;
            break;
        }
    pthread_mutex_unlock(&machine.mutex);
    free(closed->nameless.bytes);
    return SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *bytes, int length, sqlite3_int64 offset)
{
    int code = SQLITE_OK;

    pthread_mutex_lock(&machine.mutex);
    const struct disk_file *source = of(file)->file;
    size_t there = source->size > (size_t)offset ? source->size - (size_t)offset : 0;

    if (count_call(CALL_READ) != FAULT_NONE) {
        code = SQLITE_IOERR_READ;
    } else if (there < (size_t)length) {
        memset(bytes, 0, (size_t)length);
        code = SQLITE_IOERR_SHORT_READ;
    }
    if (code != SQLITE_IOERR_READ && there > 0)
        memcpy(bytes, source->bytes + offset, there < (size_t)length ? there : (size_t)length);
    pthread_mutex_unlock(&machine.mutex);
    return code;
}

static int file_write(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 offset)
{
    struct disk_event event = {
        .kind = DISK_WRITE, .name = of(file)->name, .offset = (size_t)offset, .length = (size_t)length};
    unsigned char *copy = malloc((size_t)length);

    assert(copy);
    event.bytes = memcpy(copy, bytes, (size_t)length);
    pthread_mutex_lock(&machine.mutex);
    enum fault fault = count_call(CALL_WRITE);

    if (fault == FAULT_SHORT_WRITE)
        event.length /= 2;
    if (fault == FAULT_NONE || fault == FAULT_SHORT_WRITE)
        happen(of(file), &event);
    pthread_mutex_unlock(&machine.mutex);
    free(copy);
    if (fault == FAULT_NONE)
        return SQLITE_OK;
    return fault == FAULT_ERROR ? SQLITE_IOERR_WRITE : SQLITE_FULL;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    const struct disk_event event = {.kind = DISK_TRUNCATE, .name = of(file)->name, .offset = (size_t)size};

    pthread_mutex_lock(&machine.mutex);
    enum fault fault = count_call(CALL_TRUNCATE);

    if (fault == FAULT_NONE)
        happen(of(file), &event);
    pthread_mutex_unlock(&machine.mutex);
    return fault == FAULT_NONE ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

/* With the mutex held. */
static bool sync_file(const struct open_file *open, enum disk_name name)
{
    enum fault fault = count_call(CALL_SYNC);
    const struct disk_event event = {.kind = fault == FAULT_NONE ? DISK_SYNC : DISK_SYNC_FAILED,
                                     .name = name};

    if ((!open || open->file != &open->nameless) && fault != FAULT_ERROR)
        note(&event);
    return fault == FAULT_NONE;
}

static int file_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    pthread_mutex_lock(&machine.mutex);
    bool is_synced = sync_file(of(file), of(file)->name);

    pthread_mutex_unlock(&machine.mutex);
    return is_synced ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    pthread_mutex_lock(&machine.mutex);
    *size = (sqlite3_int64)of(file)->file->size;
    pthread_mutex_unlock(&machine.mutex);
    return SQLITE_OK;
}

static int file_control(sqlite3_file *file, int operation, void *argument)
{
    (void)file;
    (void)operation;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *file)
{
    (void)file;
    return SECTOR_BYTES;
}

/* As of SQLite's own file system: what lies beside the bytes of a write stays as it is. */
static int file_characteristics(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* ---- locks of the database ---- */

/* With the mutex held: the highest lock that somebody else has. */
static int lock_of_others(const struct open_file *open)
{
    int highest = SQLITE_LOCK_NONE;

    for (const struct open_file *other = machine.open_files; other; other = other->next)
        if (other != open && other->file == open->file && other->lock > highest)
            highest = other->lock;
    return highest;
}

static int file_lock(sqlite3_file *file, int level)
{
    int code = SQLITE_OK;

    pthread_mutex_lock(&machine.mutex);
    int others = lock_of_others(of(file));

    if (level <= of(file)->lock)
        code = SQLITE_OK;
    else if ((level == SQLITE_LOCK_SHARED && others >= SQLITE_LOCK_PENDING) ||
             (level == SQLITE_LOCK_RESERVED && others >= SQLITE_LOCK_RESERVED) ||
             (level == SQLITE_LOCK_EXCLUSIVE && others >= SQLITE_LOCK_SHARED))
        code = SQLITE_BUSY;
    else
        of(file)->lock = level;
    pthread_mutex_unlock(&machine.mutex);
    return code;
}

static int file_unlock(sqlite3_file *file, int level)
{
    pthread_mutex_lock(&machine.mutex);
    if (of(file)->lock > level)
        of(file)->lock = level;
    pthread_mutex_unlock(&machine.mutex);
    return SQLITE_OK;
}

static int file_check_lock(sqlite3_file *file, int *result)
{
    pthread_mutex_lock(&machine.mutex);
    *result = of(file)->lock >= SQLITE_LOCK_RESERVED || lock_of_others(of(file)) >= SQLITE_LOCK_RESERVED;
    pthread_mutex_unlock(&machine.mutex);
    return SQLITE_OK;
}

/* ---- the log's index ---- */

static int index_map(sqlite3_file *file, int region, int region_bytes, int extend, void volatile **memory)
{
    int code = SQLITE_OK;

    assert(region_bytes == REGION_BYTES && region < REGIONS_MAX);
    pthread_mutex_lock(&machine.mutex);
    of(file)->has_index = true;
    if (count_call(CALL_MAP) != FAULT_NONE)
        code = SQLITE_IOERR_SHMMAP;
    else if (!machine.regions[region] && extend)
        machine.regions[region] = calloc(1, REGION_BYTES);
    *memory = code == SQLITE_OK ? machine.regions[region] : NULL;
    pthread_mutex_unlock(&machine.mutex);
    return code;
}

static int index_lock(sqlite3_file *file, int offset, int count, int flags)
{
    unsigned bits = ((1u << count) - 1) << offset, shared = 0, exclusive = 0;
    int code = SQLITE_OK;
    struct open_file *open = of(file);

    pthread_mutex_lock(&machine.mutex);
    for (const struct open_file *other = machine.open_files; other; other = other->next)
        if (other != open) {
            shared |= other->shared;
            exclusive |= other->exclusive;
        }
    if (flags & SQLITE_SHM_UNLOCK) {
        open->shared &= ~bits;
        open->exclusive &= ~bits;
    } else if (bits & exclusive || (flags & SQLITE_SHM_EXCLUSIVE && bits & shared)) {
        code = SQLITE_BUSY;
    } else if (flags & SQLITE_SHM_EXCLUSIVE) {
        open->exclusive |= bits;
    } else {
        open->shared |= bits;
    }
    pthread_mutex_unlock(&machine.mutex);
    return code;
}

static void index_barrier(sqlite3_file *file)
{
    (void)file;
    pthread_mutex_lock(&machine.mutex);
    pthread_mutex_unlock(&machine.mutex);
}

/* The last one to leave takes it along, as the first one to come finds it empty on a machine that was off. */
static int index_unmap(sqlite3_file *file, int remove)
{
    bool is_used = false;

    (void)remove;
    pthread_mutex_lock(&machine.mutex);
    of(file)->has_index = false;
    of(file)->shared = of(file)->exclusive = 0;
    for (const struct open_file *other = machine.open_files; other; other = other->next)
        is_used |= other->has_index;
    for (size_t i = 0; i < REGIONS_MAX && !is_used; i++) {
        free(machine.regions[i]);
        machine.regions[i] = NULL;
    }
    pthread_mutex_unlock(&machine.mutex);
    return SQLITE_OK;
}

/* ---- the file system ---- */

static const sqlite3_io_methods file_methods = {
    .iVersion = 2, /* without memory-mapped pages, which the store does not use */
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = index_map,
    .xShmLock = index_lock,
    .xShmBarrier = index_barrier,
    .xShmUnmap = index_unmap,
};

static bool ends_with(const char *path, const char *suffix)
{
    size_t length = strlen(path), suffix_length = strlen(suffix);

    return length >= suffix_length && strcmp(path + length - suffix_length, suffix) == 0;
}

static enum disk_name name_of(const char *path)
{
    if (ends_with(path, "-wal"))
        return DISK_LOG;
    return ends_with(path, "-journal") ? DISK_ROLLBACK : DISK_DATABASE;
}

static int machine_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *flags_out)
{
    struct open_file *opened = of(file);

    (void)vfs;
    *opened = (struct open_file){.name = path ? name_of(path) : DISK_DATABASE,
                                 .is_reader = (flags & SQLITE_OPEN_READONLY) != 0};
    opened->file = path ? &machine.disk.files[opened->name] : &opened->nameless;
    pthread_mutex_lock(&machine.mutex);
    bool is_opened = count_call(CALL_OPEN) == FAULT_NONE &&
                     (!path || opened->file->is_there || flags & SQLITE_OPEN_CREATE);

    if (is_opened) {
        if (path && !opened->file->is_there)
            happen(opened, &(struct disk_event){.kind = DISK_CREATE, .name = opened->name});
        opened->base.pMethods = &file_methods;
        opened->next = machine.open_files;
        machine.open_files = opened;
    }
    pthread_mutex_unlock(&machine.mutex);
    if (flags_out)
        *flags_out = flags;
    return is_opened ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int machine_delete(sqlite3_vfs *vfs, const char *path, int sync_directory)
{
    struct disk_event event = {.kind = DISK_DELETE, .name = name_of(path)};
    int code = SQLITE_OK;

    (void)vfs;
    pthread_mutex_lock(&machine.mutex);
    if (count_call(CALL_DELETE) != FAULT_NONE) {
        code = SQLITE_IOERR_DELETE;
    } else if (!machine.disk.files[event.name].is_there) {
        code = SQLITE_IOERR_DELETE_NOENT;
    } else {
        disk_do(&machine.disk, &event, 0);
        note(&event);
        event.kind = DISK_SYNC;
        if (sync_directory)
            note(&event);
    }
    pthread_mutex_unlock(&machine.mutex);
    return code;
}

static int machine_access(sqlite3_vfs *vfs, const char *path, int flags, int *result)
{
    (void)vfs;
    (void)flags;
    pthread_mutex_lock(&machine.mutex);
    *result = machine.disk.files[name_of(path)].is_there;
    pthread_mutex_unlock(&machine.mutex);
    return SQLITE_OK;
}

static int machine_full_path(sqlite3_vfs *vfs, const char *path, int size, char *full_path)
{
    (void)vfs;
    sqlite3_snprintf(size, full_path, "%s", path);
    return SQLITE_OK;
}

/* ---- randomness: the same in every run ---- */

/* With the mutex held: splitmix64. */
static uint64_t next_random(void)
{
    uint64_t bits = machine.random += UINT64_C(0x9e3779b97f4a7c15);

    bits = (bits ^ (bits >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ (bits >> 27)) * UINT64_C(0x94d049bb133111eb);
    return bits ^ (bits >> 31);
}

void __wrap_random_bytes(void *bytes, size_t length);
void __wrap_random_bytes(void *bytes, size_t length)
{
    pthread_mutex_lock(&machine.mutex);
    for (size_t i = 0; i < length; i++)
        ((unsigned char *)bytes)[i] = (unsigned char)next_random();
    pthread_mutex_unlock(&machine.mutex);
}

static int machine_randomness(sqlite3_vfs *vfs, int length, char *bytes)
{
    (void)vfs;
    __wrap_random_bytes(bytes, (size_t)length);
    return length;
}

/* ---- how the store itself waits for the disk ---- */

int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    (void)fd;
    pthread_mutex_lock(&machine.mutex);
    while (machine.syncs_are_held)
        pthread_cond_wait(&machine.changed, &machine.mutex);
    bool is_synced = sync_file(NULL, DISK_DATABASE);

    pthread_mutex_unlock(&machine.mutex);
    if (!is_synced)
        errno = EIO;
    return is_synced ? 0 : -1;
}

int __wrap_sync_file_range(int fd, off_t offset, off_t length, unsigned flags);
int __wrap_sync_file_range(int fd, off_t offset, off_t length, unsigned flags)
{
    (void)fd;
    (void)offset;
    (void)length;
    (void)flags;
    pthread_mutex_lock(&machine.mutex);
    bool is_done = count_call(CALL_WRITE_OUT) == FAULT_NONE;

    pthread_mutex_unlock(&machine.mutex);
    if (!is_done)
        errno = EIO;
    return is_done ? 0 : -1;
}

void machine_hold_syncs(bool is_held)
{
    pthread_mutex_lock(&machine.mutex);
    machine.syncs_are_held = is_held;
    pthread_cond_broadcast(&machine.changed);
    pthread_mutex_unlock(&machine.mutex);
}

bool machine_has_snapshot(void)
{
    bool has_snapshot = false;

    pthread_mutex_lock(&machine.mutex);
    for (const struct open_file *open = machine.open_files; open; open = open->next)
        has_snapshot |= open->is_reader && open->shared;
    pthread_mutex_unlock(&machine.mutex);
    return has_snapshot;
}

/* ---- memory ---- */

static bool is_given(void)
{
    uint64_t number = atomic_fetch_add(&allocation_count, 1) + 1;

    if (number < atomic_load(&failing_from) || number >= atomic_load(&failing_until))
        return true;
    atomic_store(&allocation_has_failed, true);
    return false;
}

/* Before each allocation lies its size. */
static void *allocate(int size)
{
    char *memory = is_given() ? malloc((size_t)size + ALLOCATION_HEAD_BYTES) : NULL;

    if (!memory)
        return NULL;
    memcpy(memory, &size, sizeof size);
    return memory + ALLOCATION_HEAD_BYTES;
}

static void release(void *memory)
{
    if (memory)
        free((char *)memory - ALLOCATION_HEAD_BYTES);
}

static int allocated_size(void *memory)
{
    int size = 0;

    if (memory)
        memcpy(&size, (char *)memory - ALLOCATION_HEAD_BYTES, sizeof size);
    return size;
}

static void *reallocate(void *memory, int size)
{
    char *moved = is_given()
                      ? realloc((char *)memory - ALLOCATION_HEAD_BYTES, (size_t)size + ALLOCATION_HEAD_BYTES)
                      : NULL;

    if (!moved)
        return NULL;
    memcpy(moved, &size, sizeof size);
    return moved + ALLOCATION_HEAD_BYTES;
}

static int round_up(int size)
{
    return (size + 7) & ~7;
}

static int memory_begin(void *context)
{
    (void)context;
    return SQLITE_OK;
}

static void memory_end(void *context)
{
    (void)context;
}

/* ---- the whole ---- */

void machine_install(uint64_t seed)
{
    static sqlite3_vfs vfs;
    static const sqlite3_mem_methods memory = {allocate, release,      reallocate, allocated_size,
                                               round_up, memory_begin, memory_end, NULL};

    machine.seed = machine.random = seed;
    /* As the store does it, which comes too late for it now. */
    sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_config(SQLITE_CONFIG_MALLOC, &memory);
    sqlite3_initialize();
    vfs = *sqlite3_vfs_find(NULL);
    vfs.szOsFile = (int)sizeof(struct open_file);
    vfs.zName = "machine";
    vfs.xOpen = machine_open;
    vfs.xDelete = machine_delete;
    vfs.xAccess = machine_access;
    vfs.xFullPathname = machine_full_path;
    vfs.xRandomness = machine_randomness;
    sqlite3_vfs_register(&vfs, 1);
}

void machine_start(const struct disk *disk)
{
    machine_repair();
    pthread_mutex_lock(&machine.mutex);
    assert(!machine.open_files);
    disk_copy(&machine.disk, disk);
    machine.call_count = 0;
    machine.random = machine.seed;
    pthread_mutex_unlock(&machine.mutex);
    atomic_store(&allocation_count, 0);
    sqlite3_randomness(0, NULL);
}

void machine_look(struct disk *disk)
{
    pthread_mutex_lock(&machine.mutex);
    disk_copy(disk, &machine.disk);
    pthread_mutex_unlock(&machine.mutex);
}

void machine_record(struct disk_journal *journal)
{
    pthread_mutex_lock(&machine.mutex);
    machine.journal = journal;
    pthread_mutex_unlock(&machine.mutex);
}

void machine_note_acknowledged(void)
{
    pthread_mutex_lock(&machine.mutex);
    note(&(struct disk_event){.kind = DISK_ACKNOWLEDGED});
    pthread_mutex_unlock(&machine.mutex);
}

void machine_break(enum fault fault, uint64_t number)
{
    pthread_mutex_lock(&machine.mutex);
    machine.fault = fault;
    machine.fault_number = number;
    pthread_mutex_unlock(&machine.mutex);
    if (fault != FAULT_ALLOCATION && fault != FAULT_ALLOCATION_LACK)
        return;
    atomic_store(&failing_from, number);
    atomic_store(&failing_until, number + (fault == FAULT_ALLOCATION ? 1 : WHILE_CALLS));
}

void machine_repair(void)
{
    pthread_mutex_lock(&machine.mutex);
    machine.fault = FAULT_NONE;
    machine.has_failed = false;
    pthread_mutex_unlock(&machine.mutex);
    atomic_store(&failing_from, UINT64_MAX);
    atomic_store(&failing_until, UINT64_MAX);
    atomic_store(&allocation_has_failed, false);
}

bool machine_has_failed(void)
{
    pthread_mutex_lock(&machine.mutex);
    bool has_failed = machine.has_failed || atomic_load(&allocation_has_failed);

    pthread_mutex_unlock(&machine.mutex);
    return has_failed;
}

struct machine_counts machine_counts(void)
{
    pthread_mutex_lock(&machine.mutex);
    struct machine_counts counts = {machine.call_count, atomic_load(&allocation_count)};

    pthread_mutex_unlock(&machine.mutex);
    return counts;
}

enum machine_call machine_call_of(uint64_t number)
{
    assert(number > 0 && number <= machine.call_count);
    return machine.calls[number - 1];
}
