/* disk.h: the files of one database as a disk has them, in memory, and the journal of what was done to them.
 */
#ifndef FARTHING_TESTS_FAULTS_DISK_H
#define FARTHING_TESTS_FAULTS_DISK_H

#include <stdbool.h>
#include <stddef.h>

/* The database, its write-ahead log, and the rollback journal that SQLite has before there is a log. */
enum disk_name { DISK_DATABASE, DISK_LOG, DISK_ROLLBACK, DISK_NAMES };

struct disk_file {
    bool is_there;
    unsigned char *bytes;
    size_t size, capacity;
};

struct disk {
    struct disk_file files[DISK_NAMES];
};

/* `to` becomes what `from` is; it must be zero or a disk. */
void disk_copy(struct disk *to, const struct disk *from);
void disk_free(struct disk *disk);

enum disk_event_kind {
    DISK_CREATE,
    DISK_WRITE,
    DISK_TRUNCATE,
    DISK_DELETE,
    DISK_SYNC,         /* what was done to the file so far is safe, and so are the names of all files */
    DISK_SYNC_FAILED,  /* what was written since the last sync the system has forgotten to write */
    DISK_ACKNOWLEDGED, /* somebody was told that all that came before is safe */
};

struct disk_event {
    enum disk_event_kind kind;
    enum disk_name name;
    size_t offset;        /* of a write; of a truncation: the new size */
    size_t length;        /* of a write */
    unsigned char *bytes; /* of a write; the event's own */
};

/* Does to the disk what the event tells: of a write, its first `length` bytes. */
void disk_do(struct disk *disk, const struct disk_event *event, size_t length);

/* In the order of their happening. */
struct disk_journal {
    struct disk_event *events;
    size_t count, capacity;
};

/* Takes a copy of the bytes. */
void disk_journal_add(struct disk_journal *journal, const struct disk_event *event);
/* Empties and frees. */
void disk_journal_free(struct disk_journal *journal);

#endif
