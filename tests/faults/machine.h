/* machine.h: a machine with a disk of its own for the database: a file system for SQLite that lies in memory,
 * is written down as it changes, and fails when it is told to.
 *
 * It holds one database, whatever its path. What SQLite calls goes there, and so do the calls by which the
 * store itself waits for the disk: the program is linked with --wrap for fdatasync and sync_file_range. The
 * store looks at its files by their paths, too: an empty file must lie there. */
#ifndef FARTHING_TESTS_FAULTS_MACHINE_H
#define FARTHING_TESTS_FAULTS_MACHINE_H

#include "disk.h"

#include <stdint.h>

/* What goes wrong, at one of the calls that can. */
enum fault {
    FAULT_NONE,
    FAULT_ERROR,        /* EIO; a file cannot be opened */
    FAULT_SHORT_WRITE,  /* a part of a write is done, and the disk is full; other calls as before */
    FAULT_FULL,         /* this call, if it needs room, and every other one for a while */
    FAULT_SYNC_FORGETS, /* a sync fails, and what it was for will never be written; other calls as before */
    FAULT_ALLOCATION,   /* SQLite is not given memory */
    FAULT_ALLOCATION_LACK, /* the same for a while */
    FAULTS
};
extern const char *const fault_names[FAULTS];

/* Once, before anything of SQLite is used. `seed` is what its randomness and the program's follow from. */
void machine_install(uint64_t seed);

/* Starts with what the disk holds; nothing of the store may be open. Everything is counted from here on. */
void machine_start(const struct disk *disk);
/* What the disk holds, with all that was written. */
void machine_look(struct disk *disk);

/* From here on what happens is written down there; NULL: nowhere. The journal may be looked at after that. */
void machine_record(struct disk_journal *journal);
void machine_note_acknowledged(void);

/* Has the call of this number since machine_start, from 1 on, fail; of a fault of allocations, this
 * allocation. */
void machine_break(enum fault fault, uint64_t number);
/* Nothing fails any more. */
void machine_repair(void);
/* Whether the fault has come about. */
bool machine_has_failed(void);

/* Since machine_start. */
struct machine_counts {
    uint64_t calls;       /* that may fail */
    uint64_t allocations; /* SQLite's */
};
struct machine_counts machine_counts(void);
/* What the call of this number was. */
enum machine_call {
    CALL_OPEN,
    CALL_DELETE,
    CALL_READ,
    CALL_WRITE,
    CALL_TRUNCATE,
    CALL_SYNC,
    CALL_WRITE_OUT, /* sync_file_range, which makes nothing safe */
    CALL_MAP        /* of the log's index, which is in memory */
};
enum machine_call machine_call_of(uint64_t number);

/* The store's thread that waits for the disk has to wait until it is let go. */
void machine_hold_syncs(bool is_held);
/* Whether somebody who only reads has a snapshot. */
bool machine_has_snapshot(void);

#endif
