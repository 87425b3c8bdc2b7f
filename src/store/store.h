/* store.h: the database: transactions, lanes and write sets, whatever engine is below.
 *
 * Reads run on the caller's thread through a store_reader, inside a snapshot that covers a batch of requests.
 * Writes are commands for the one writer thread: whatever is waiting shares a transaction and one sync of the
 * disk, and a command is answered after that. A use case sees neither: it gets a `struct transaction` and
 * runs in either lane.
 *
 * A transaction remembers the first thing that went wrong below it (`failure`), so that use cases need no
 * error path for a failing disk: their result is dropped and the failure is what the caller is told. */
#ifndef FARTHING_STORE_STORE_H
#define FARTHING_STORE_STORE_H

#include "base/arena.h"
#include "base/text.h"
#include "model/entity.h"
#include "model/failure.h"
#include "model/scope.h"

#include <stdatomic.h>

/* Limits. */
enum {
    STORE_WRITE_QUEUE_MAX = 10000,   /* commands that wait for the writer; more are refused */
    STORE_SLOW_QUEUE_MAX = 256,      /* reads that may take long and wait; beyond it, the same */
    STORE_SLOW_OWNER_MAX = 32,       /* of these, reads of one owner */
    STORE_READ_QUEUE_MAX = 10000,    /* the same, of commands that read */
    STORE_BATCH_COMMANDS_MAX = 1024, /* commands that share a transaction */
    STORE_BATCH_US_MAX = 5000,       /* how long a batch may run before it commits */
    STORE_TURN_US = 300,             /* of the writer, on a processor that is shared (base/processor.h) */
    STORE_BACKGROUND_BATCH = 2, /* commands in the background that share a transaction, with nobody waiting */
    STORE_CACHE_KIB = 32 * 1024,       /* page cache of each connection */
    STORE_CHECKPOINT_WAL_PAGES = 1500, /* the write-ahead log is copied back when it holds this many pages */
    STORE_RESTART_WAL_PAGES =
        16000, /* from here on the writer waits for readers, so that the log starts anew */
    STORE_LOG_BYTES_KEPT = 64 * 1024 * 1024, /* of a log that was longer and has begun anew */
    STORE_IDLE_CHECKPOINT_MS = 1000,         /* ... or when nothing was written for this long */
    STORE_BACKUP_LEASE_MS = 15000,
    STORE_FILES_CHECK_MS = 1000,   /* how often the files are looked for, when and where they should be */
    STORE_CACHE_AGE_MAX_MS = 3000, /* how long what is kept in memory holds without word from the database */
    STORE_CONNECTIONS_DEFAULT = 8, /* to a PostgreSQL database */
    STORE_CONNECTIONS_MIN = 2,
    STORE_CONNECTIONS_MAX = 512,
    STORE_QUERY_PARAMETERS_MAX = 128, /* a list of 50 conditions, two each, and what else there is */
};

struct buffer;
struct envelope_keys;
struct store;
struct store_reader;
struct connection; /* the engine's; of no concern outside the store */

/* On whose behalf and when: the same for everything that one request or command does. */
struct call {
    const struct scope *scope; /* the caller's; NULL for the operator */
    struct text actor_id;      /* user id; empty for the system */
    struct text request_id;
    int64_t now_us;    /* the one reading of the clock */
    bool quiet_events; /* what it changes is audited, but not announced: no outbox rows */
};

struct write;

/* A change, done, of an entity that processes keep in memory (struct entity, is_cached). */
struct store_change {
    const struct store_change *next;
    const struct entity *entity;
    const void *record; /* as it is now; in the transaction's arena */
};

struct transaction {
    struct connection *connection;
    struct arena *arena; /* what queries return lives here */
    const struct call *call;
    const struct failure *failure; /* the first failure below; sticky */
    struct write *writes;          /* the write set, in order */
    struct write **writes_end;
    struct store_change *changes;       /* written so far, the last one first */
    struct buffer *scratch;             /* the write lane's; NULL in the read lane */
    struct envelope_keys *customer_key; /* the one that was used last (store/customer_key.h); NULL: none */
    struct write *customer_key_write;   /* its row, to be written; NULL: it is */
    size_t arena_bytes_before;          /* that the arena had handed out when this began */
    /* Of a reader on a loop: more than this is not read there, and the failure is transaction_outgrown. 0:
     * all is. */
    size_t read_bytes_max;
};

/* What a transaction reads into an arena that counts somewhere (base/arena.h) is bounded: a part of what all
 * such arenas may have, and, beyond a little, by what of that is left. */
enum {
    STORE_READ_PART = 4,
    STORE_SMALL_READ_BYTES = 128 * 1024,
};
/* What was read is more than a loop should read: to be done again in the slow lane. Nobody is told of it. */
extern const struct failure transaction_outgrown;
/* How much it has read so far, with what else is in the arena since it began. */
static inline size_t transaction_read_bytes(const struct transaction *transaction)
{
    return transaction->arena->total_bytes - transaction->arena_bytes_before;
}

/* ---- queries ---- */

/* A query is one portable text; parameters are $1, $2, …. In braces stand `{columns}` for the columns of
 * `entity`, in order; `{scope = $1 AND id = $2}` for the one row of a table of environments that has this
 * id in this scope (`{a.id = $2}`: in whichever), which the engine finds its own way; `{elements of $2}` for
 * a query of the texts in a JSON array (`id IN ({elements of $2})`); and `{lock}`, at the end, when what is
 * read in the write lane must stay as it is until the commit, also where there are other writers. */
struct query {
    struct text text;
    const struct entity *entity;
    bool is_composed; /* put together for one request (store/list_query.h), not one of the program's texts */
};

/* Declares a query and lists it, so that a test can prepare every statement of the program on every engine.
 */
#define STORE_QUERY(query_name, result_entity, sql)                                                          \
    static const struct query query_name = {TEXT_LITERAL(sql), (result_entity), false};                      \
    static const struct query *const query_name##_listed __attribute__((used, section("store_queries"))) =   \
        &query_name

struct value {
    enum { VALUE_TEXT, VALUE_INTEGER, VALUE_INSTANT, VALUE_BOOLEAN } type;
    struct text text; /* unset is NULL */
    int64_t integer;  /* also an instant's microseconds (INSTANT_UNSET is NULL), and 0 or 1 */
};

static inline struct value value_text(struct text text)
{
    return (struct value){.type = VALUE_TEXT, .text = text};
}
static inline struct value value_integer(int64_t integer)
{
    return (struct value){.type = VALUE_INTEGER, .integer = integer};
}
static inline struct value value_instant(int64_t instant_us)
{
    return (struct value){.type = VALUE_INSTANT, .integer = instant_us};
}
static inline struct value value_boolean(bool boolean)
{
    return (struct value){.type = VALUE_BOOLEAN, .integer = boolean};
}
/* The parameters of a query: VALUES(value_integer(scope->number), value_text(id)). */
#define VALUES(...)                                                                                          \
    (const struct value[]){__VA_ARGS__}, sizeof((const struct value[]){__VA_ARGS__}) / sizeof(struct value)

/* Reads the first row into `record` (of the entity's struct); its texts live in the transaction's arena.
 * False when there is no row, or on a failure, which the transaction keeps. */
bool query_record(struct transaction *transaction, const struct query *query, const struct value *parameters,
                  size_t parameter_count, void *record);

/* Says that this query will be asked for in the same transaction, so that its answer can come along with an
 * earlier one's. Only a hint: it may do nothing, and the query need not be asked for after all. In the write
 * lane the first time that it is asked for is answered as of here, and every other time anew. */
void query_ahead(struct transaction *transaction, const struct query *query, const struct value *parameters,
                 size_t parameter_count);

/* All rows, as an array of the entity's struct in the transaction's arena. More of them than may be read, or
 * than there is memory for, are a failure, which the transaction keeps: FAILURE_VALIDATION, naming `limit`,
 * or failure_overloaded. */
struct record_list {
    void *records;
    size_t count;
};
struct record_list query_records(struct transaction *transaction, const struct query *query,
                                 const struct value *parameters, size_t parameter_count);
/* The rows of each of the numbers, which are the query's one parameter in turn; of a number without a row
 * none.
 */
struct record_list query_records_by_number(struct transaction *transaction, const struct query *query,
                                           const int64_t *numbers, size_t count);

/* ---- write sets ---- */

/* Each of these adds a change to the transaction's write set, which the lane flushes when the use case has
 * returned without failure. The audit row (what changed, from what to what) and the outbox row (a snapshot,
 * for entities that announce themselves) are derived from it in the same transaction. Records must live as
 * long as the transaction's arena. */

/* A new row. A taken unique value fails the command with FAILURE_ALREADY_EXISTS naming the field. `scope` may
 * be NULL for an entity that belongs to no environment. */
void transaction_insert(struct transaction *transaction, const struct scope *scope,
                        const struct entity *entity, const void *record);
/* The columns in which `after` differs from `before` are updated; nothing is written when none does. When the
 * status goes from published to another one, it counts as archiving. */
void transaction_update(struct transaction *transaction, const struct scope *scope,
                        const struct entity *entity, const void *before, const void *after);

/* The same for what is known of a customer who is forgotten: the trail tells that it was `erased` and what is
 * there now, and nothing of what was there before; `after` must hold nothing of the customer. */
void transaction_erase(struct transaction *transaction, const struct scope *scope,
                       const struct entity *entity, const void *before, const void *after);

/* Writes what the write set holds so far, so that the use case's later queries see it: for one that does many
 * things in turn. Write lane only. A failure must be what the use case returns. */
const struct failure *transaction_apply(struct transaction *transaction);

/* Runs a statement that removes or changes rows without a trail (`has_no_trail`). Write lane only. A
 * failure must be what the use case returns. */
const struct failure *transaction_discard(struct transaction *transaction, const struct query *query,
                                          const struct value *parameters, size_t parameter_count);

/* From here to the commit, no other transaction that takes turns about the same thing runs, in whatever
 * process: for a use case that looks whether there is something and makes it if there is not. Write lane
 * only. */
enum store_turns {
    STORE_TURNS_INSTALLATION = 1,
    STORE_TURNS_TENANTS,
    STORE_TURNS_ENVIRONMENTS,
    STORE_TURNS_USERS,
    STORE_TURNS_SIGN_UP,
    STORE_TURNS_RETENTION,
    STORE_TURNS_TENANT_CUSTOMERS,
};
void transaction_take_turns(struct transaction *transaction, enum store_turns turns);

/* The interned number of a pair, which is made at once when it is new. Write lane only. 0 on a failure. */
int64_t transaction_intern_scope(struct transaction *transaction, struct text tenant_id,
                                 struct text environment_id);

/* ---- the write lane ---- */

/* A command for the writer thread, embedded in the caller's own struct. */
struct store_command {
    struct store_command *next;
    struct arena *arena;     /* for everything `run` needs; stays the command's until `done` */
    const struct call *call; /* who and when; lives as long as the command */
    /* The use case, inside the batch's transaction. May be called again after its effects were rolled back,
     * and must then do the same again. NULL is success. */
    const struct failure *(*run)(struct store_command *command, struct transaction *transaction);
    /* Called once, on the writer's thread: after the commit is durable (failure NULL), or when nothing of it
     * was done. Must be quick: hand over to a loop. */
    void (*done)(struct store_command *command);
    const struct failure *failure;
    /* With `done`: what of the entities that processes keep in memory was changed, the last change first. */
    const struct store_change *changes;
    /* Of a command that reads: `run` is called once, and waits for each answer, instead of being called
     * again. */
    bool runs_once;
    /* It looks for what it is about to write: that a unique value is taken means that another transaction was
     * quicker since, and to look again helps. */
    bool looks_first;
    /* A part of something long that lets others go first: of these, one is run behind all other commands that
     * wait, and STORE_BACKGROUND_BATCH when none does. */
    bool is_background;
    /* Of a slow read. Those of one owner, whoever that is, wait for each other before others wait for them;
     * and when nobody waits for what it reads any more (NULL: somebody always does; set by any thread, lives
     * as long as the command), it is refused in place of being run, or ends, if it can be interrupted. */
    uint64_t owner;
    const atomic_bool *is_abandoned;
};

/* Hands a command to the writer. False when the queue is full or the store is closing: the command was not
 * taken. */
bool store_submit(struct store *store, struct store_command *command);

/* Runs a use case in the write lane and waits for it: for commands, tests and start-up, never on a loop. */
const struct failure *
store_write(struct store *store, struct arena *arena, const struct call *call,
            const struct failure *(*run)(void *context, struct transaction *transaction), void *context);

/* The same for a part of something long, which lets others go first. */
const struct failure *
store_write_in_background(struct store *store, struct arena *arena, const struct call *call,
                          const struct failure *(*run)(void *context, struct transaction *transaction),
                          void *context);

/* ---- the read lane ---- */

/* Whether reads run on the caller's thread, through a store_reader: those of the embedded database do. Others
 * are commands, as writes are, because they wait for a server. */
bool store_has_readers(const struct store *store);

/* Hands a command that reads to a store without readers. Its `run` is called again when answers that it asked
 * for are there, and must then do the same; it writes nothing. False when the queue is full. */
bool store_submit_read(struct store *store, struct store_command *command);

enum store_verdict {
    STORE_TAKEN,
    STORE_QUEUE_FULL,       /* too many wait, or the store is closing */
    STORE_OWNER_HAS_ENOUGH, /* too many of this owner wait; others' are still taken */
};

/* Hands a command to any store that reads and may take long: others that do may keep it waiting, in turns of
 * their owners, while those that do not pass by. `run` is called once. Anything but STORE_TAKEN: it was not
 * taken. */
enum store_verdict store_submit_slow_read(struct store *store, struct store_command *command);

/* Runs a use case that reads and waits for it: for commands, tests and start-up, never on a loop. */
const struct failure *store_read(struct store *store, struct arena *arena, const struct call *call,
                                 const struct failure *(*run)(void *context, struct transaction *transaction),
                                 void *context);

/* A reader for one thread. NULL and a reason (in `arena`) when it cannot be opened. */
struct store_reader *store_reader_open(struct store *store, struct arena *arena, struct text *reason);
void store_reader_close(struct store_reader *reader);

/* A transaction on a snapshot that holds every write acknowledged so far. Cheap when the reader's snapshot is
 * still current. */
void store_reader_begin(struct store_reader *reader, struct transaction *transaction, struct arena *arena,
                        const struct call *call);
/* Ends the snapshot. Before a thread blocks, so that the log can be copied back. */
void store_reader_end(struct store_reader *reader);

/* Has queries of the transaction end when `is_over`, asked every now and then on this thread, says so, which
 * fails it for the reason `timeout`; until the snapshot ends. */
void store_reader_limit(struct store_reader *reader, bool (*is_over)(void *context), void *context);

/* ---- the index of searched fields ---- */

/* Whether rows whose searched fields have changed are not in the index yet, as far as is known, or it was not
 * looked at for an hour; never where that happens with the change. Any thread; cheap. */
bool store_has_unindexed(const struct store *store);
/* Takes some of the entity's into it: fewer when others have written since the last time, because they wait
 * for this. How many it was in *count, whether there may be more in *is_more. Write lane only. */
const struct failure *store_index_searched(struct store *store, struct transaction *transaction,
                                           const struct entity *entity, int64_t *count, bool *is_more);

/* ---- the whole ---- */

/* Opens a database, makes or migrates the schema, and starts the threads that write. `database` is the path
 * of the database file in a data directory that the caller has locked (store/data_directory.h), or the URL of
 * a PostgreSQL database (postgres://…), to which there will be `connection_count` connections. NULL and a
 * one-line reason (in `arena`) on failure; a file that this process may not write is named in it, and nothing
 * is made beside it. */
struct store_options {
    unsigned connections;      /* to a PostgreSQL database */
    bool must_exist;           /* a PostgreSQL database without our tables is not given them, but refused */
    struct follower *follower; /* of the embedded database's log, borrowed (store/follower.h); NULL: nobody */
};
struct store *store_open_with(struct text database, const struct store_options *options, struct arena *arena,
                              struct text *reason);
/* The same with STORE_CONNECTIONS_DEFAULT; tables are made. */
struct store *store_open(struct text database, struct arena *arena, struct text *reason);
/* Whether the text names a PostgreSQL database rather than a file. */
static inline bool store_is_url(struct text database)
{
    return text_starts_with(database, TEXT("postgres://")) ||
           text_starts_with(database, TEXT("postgresql://"));
}
/* What the database is called in a log: without a password. */
struct text store_name(const struct store *store);

/* Told of a change that another process made to an entity that is kept in memory (`is_cached`): its name and
 * the row's id, both empty for "anything may have changed". It reads in the transaction, on a thread and a
 * session of the store's that do nothing else, so that no slow request is in the way; when that fails, it is
 * told again, of anything. */
typedef void store_change_listener(void *context, struct transaction *transaction, struct text entity_name,
                                   struct text id);
/* Has the listener told of all changes from now on, beginning with "anything". Nothing happens on the
 * embedded database, which no other process changes. Once. */
void store_listen(struct store *store, store_change_listener *listener, void *context);
/* Why a PostgreSQL server cannot be reached, as the last attempt has shown: for what is refused without
 * asking it. */
const struct failure *store_away_failure(struct store *store, struct arena *arena);
/* Whether what this process keeps in memory is sure to be no older than STORE_CACHE_AGE_MAX_MS. Any thread;
 * cheap. */
bool store_is_current(const struct store *store);

/* Waits for the commands under way, copies the log back and closes. All readers must be closed. */
void store_close(struct store *store);

/* What can be told of a database. */
struct store_facts {
    int schema_version; /* 0: it holds nothing of ours */
    /* Of a PostgreSQL database; unset of the embedded one, and as far as could not be asked. */
    struct text library_version; /* of the client library: "15.14" */
    struct text name;            /* as store_name */
    struct text role;            /* who we are to the server */
    struct text server_version;  /* as the server says it: "15.14 (Debian 15.14-0+deb12u1)" */
    struct text encoding;        /* "UTF8" */
    struct text installation_id; /* the first tenant's id (installation.h); unset: there is none */
};

/* Looks at a database without changing anything: the file in a data directory that the caller has locked, or
 * a PostgreSQL database by its URL; whether this program can use it, and what it is. `thorough` reads every
 * page of a file. False with a one-line reason (in `arena`), which says what to do about a PostgreSQL
 * database, when something is wrong; the facts then are what was learned before that. */
bool store_inspect(struct text database, bool thorough, struct store_facts *facts, struct arena *arena,
                   struct text *reason);

/* ---- copies ---- */

enum store_backup_state { STORE_BACKUP_NONE, STORE_BACKUP_RUNNING, STORE_BACKUP_DONE, STORE_BACKUP_FAILED };

struct store_backup {
    enum store_backup_state state;
    struct text path;
    bool is_copied; /* what is left is to wait for the disk and to read the copy again */
    int64_t page_bytes, page_count, pages_copied; /* 0: not known yet */
    struct text sha256;                           /* of the file; when it is done */
    int64_t finished_at;                          /* the same: microseconds since 1970 */
    struct text reason;                           /* why it has failed */
};

/* What the file is called behind its name until it is whole. */
#define STORE_BACKUP_PARTIAL ".partial"

/* Begins to copy the embedded database into a file, which must not exist, while everything goes on: what is
 * committed until it is done is in the copy, whole. At most `bytes_per_second`; 0: as fast as it goes beside
 * the rest. One at a time. False with a one-line reason; on PostgreSQL, whose own tools do that, always. Any
 * thread. */
bool store_backup_begin(struct store *store, struct text path, int64_t bytes_per_second, struct arena *arena,
                        struct text *reason);
/* How the last one is getting on. One that nobody asks for it for STORE_BACKUP_LEASE_MS is given up: whoever
 * wanted it has gone. Any thread. */
void store_backup_tell(struct store *store, struct store_backup *told, struct arena *arena);

/* Gives up the one into the file at `path`, should it be under way: it fails, soon. Any thread. */
void store_backup_cancel(struct store *store, struct text path);

/* Reads the file of an embedded database that nobody uses; nothing is changed. False with a one-line reason
 * when it cannot be opened. */
enum store_rest {
    STORE_REST_LOG, /* what its write-ahead log holds belongs to it; its directory is locked by the caller */
    STORE_REST_WHOLE, /* it was closed, and stands alone, perhaps where nothing can be written: a backup */
};
bool store_look(struct text path, enum store_rest rest, struct arena *arena, struct text *reason,
                void (*look)(void *context, struct transaction *transaction), void *context);

/* The sizes of the database file and of its write-ahead log (0 when there is none); -1 when they cannot be
 * told, as those of a server. Any thread. */
void store_file_bytes(const struct store *store, int64_t *database_bytes, int64_t *log_bytes);

/* For how many microseconds the embedded database's oldest snapshot of a reader has been held; 0: there is
 * none. -1 of a server's. Any thread. */
int64_t store_oldest_snapshot_us(struct store *store);

/* What is wrong below the database, as far as writing has shown. */
enum store_state {
    STORE_WELL,
    /* The last write failed for this, as its caller was told. Until one succeeds again: the writer tries by
     * itself every STORE_IDLE_CHECKPOINT_MS, so that it ends also when nobody dares to write. */
    STORE_DISK_FULL,
    STORE_IO_ERROR,
    STORE_READ_ONLY,
    STORE_UNREACHABLE, /* the PostgreSQL server does not answer, or lets nobody in */
    /* For good, until a restart. */
    STORE_SYNC_FAILED,      /* the disk has not taken what was copied into the database: the log is kept, and
                               grows; writes go on */
    STORE_DATABASE_REMOVED, /* a file of the database was removed, moved or replaced under the store: what is
                               written now nobody will find again. Writes fail with the reason
                               database_removed; reads go on. It is noticed within STORE_FILES_CHECK_MS:
                               writes acknowledged in that time are lost with the file */
};

/* Any thread; cheap. */
enum store_state store_state(const struct store *store);
/* "disk_full", as it stands in a failure's details; "ok" when all is well. */
const char *store_state_name(enum store_state state);

/* The version of the SQLite library in use: "3.40.1". */
const char *store_engine_version(void);

/* The version of the schema that this program writes into such a database. */
int store_schema_version(struct text database);

#endif
