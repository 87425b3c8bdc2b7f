/* script.h: what is done to a store while its machine fails: a script of a few parts, each from opening the
 * database to closing it, and a book of what was acknowledged. */
#ifndef FARTHING_TESTS_FAULTS_SCRIPT_H
#define FARTHING_TESTS_FAULTS_SCRIPT_H

#include "unit/store_fixture.h"

#include "disk.h"

enum { BOOK_CUSTOMERS_MAX = 256, BOOK_NAME_BYTES = 40 };

/* ---- what was acknowledged ---- */

struct book_customer {
    char external_id[BOOK_NAME_BYTES]; /* of one that is erased: its id */
    char name[BOOK_NAME_BYTES];
    const char *status;
    size_t metadata_bytes;
};

struct book {
    struct book_customer customers[BOOK_CUSTOMERS_MAX];
    size_t customer_count;
    unsigned kept_replies;
};

/* How many customers are published. */
size_t book_published(const struct book *book);
/* The customer, who must be there. */
struct book_customer *book_find(struct book *book, const char *external_id);
/* What a query for all of this tells, by the external id: "external_id|name|status|bytes;" for each customer,
 * and the number of kept replies. */
extern const char book_query[];
struct text book_text(const struct book *book, struct arena *arena);

/* ---- the script ---- */

/* Where a part of the script begins: a disk, and the environment and book that belong to it. */
struct state {
    struct disk disk;
    struct book book;
    bool is_installed;
    char tenant_id[BOOK_NAME_BYTES], environment_id[BOOK_NAME_BYTES], user_id[BOOK_NAME_BYTES];
    int64_t scope;
};
void state_copy(struct state *to, const struct state *from);
void state_free(struct state *state);
/* Makes it one of a database of the first schema, with an environment and a trail. */
void state_make_old(struct state *state);

/* One run of a part. */
struct session {
    struct store_fixture fixture; /* its directory holds an empty file in the place of the database */
    struct state *state;          /* becomes what was acknowledged; the disk is the machine's meanwhile */
    struct state *midway;         /* becomes the state amid the part, disk included; NULL: is not wanted */
    const char *trouble;          /* what is wrong with how the store took a fault; NULL: nothing */
    bool has_failed;              /* the fault came about */
    struct disk_journal *journal; /* NULL: none is kept */
    size_t unclosed_position;     /* the journal's, when closing began */
};

void session_begin(struct session *session, struct state *state);
void session_end(struct session *session);

/* Opens the database, at the second attempt after a fault. False: not even then; `trouble` says so. */
bool session_open(struct session *session);
void session_close(struct session *session);
/* Creates a customer, in a tenant that is made if there is none: whether the store takes writes. */
bool session_go_on(struct session *session, const char *external_id);

struct part {
    const char *name;
    /* Between opening and closing. A step that fails because the machine does is passed over. */
    void (*run)(struct session *session);
};
/* Making a database; changes of all kinds; a log that is copied back in steps; what a process finds that
 * comes after a power cut, which begins at the state midway of the second part; and the migration of a
 * database of the first schema (state_make_old). Each of the others begins where the one before has ended. */
enum { PART_MAKE, PART_CHANGE, PART_COPY_BACK, PART_RECOVER, PART_MIGRATE, PARTS };
extern const struct part parts[PARTS];

/* Runs a part from the state on, on a machine that was started with its disk. */
void session_run(struct session *session, const struct part *part);

#endif
