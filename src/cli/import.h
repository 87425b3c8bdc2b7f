/* import.h: between the files of `farthing import`. Only for the cli room.
 *
 * The design. This process reads the file and sends its rows, as the API takes customers, one JSON object a
 * line, to the server over its admin socket; the server runs each request as one command of its write lane,
 * by the rules of POST /v1/customers. A few connections carry a chunk each, so that the server always has one
 * to go on with. Whatever happens, a chunk can be sent again and a file imported again: external_id decides
 * what is there already. (The other design was to hand the file to the server as it is and have it read CSV:
 * less to convert, but then a parser of strange files and the rejects would be in the server.) */
#ifndef FARTHING_CLI_IMPORT_H
#define FARTHING_CLI_IMPORT_H

#include "base/buffer.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "import/csv_reader.h"
#include "import/line_reader.h"
#include "import/row_json.h"

#include <stdio.h>

enum {
    IMPORT_CHUNK_ROWS = 64,          /* of a request: some 2 ms of the writer's time */
    IMPORT_CHUNK_BYTES = 256 * 1024, /* a chunk of so many is sent, whatever its rows */
    IMPORT_CONNECTIONS = 4,          /* chunks under way */
    IMPORT_RETRY_MS_FIRST = 50,      /* doubled with each try … */
    IMPORT_RETRY_MS_MAX = 2000,      /* … up to this */
    IMPORT_SILENT_MS_MAX = 1000,     /* a server that is waited for longer is told of */
};

/* ---- import_options.c ---- */

struct import_options {
    struct text file; /* "-": standard input */
    struct text name; /* of it, for a person */
    bool is_json;
    struct column_map map;
    bool has_rules; /* so that JSON Lines have to be rewritten */
    struct text rejects;
    const struct text *members; /* that a row of JSON Lines may have, ended by an unset text */
    struct text query;          /* `update=true&…`, for the request */
    struct text tenant, environment;
    bool is_check, has_json_summary;
    int64_t retry_seconds;
};

/* Reads the flags. False after saying what is wrong with them. */
bool import_options_read(struct invocation *invocation, struct import_options *options);

/* ---- import_rejects.c ---- */

/* The file of the refused rows: made with the first of them. */
struct import_rejects {
    struct text path;
    struct text columns; /* CSV: the header of the rows, and what separates them */
    char separator;
    bool is_json;
    char *path_string;
    FILE *file;
    int error; /* why it could not be written; 0: all is well */
    struct arena row_arena;
};

void import_rejects_init(struct import_rejects *rejects, struct text path, bool is_json, struct arena *arena);
/* To be asked before anything is imported: whether nothing is lost when the file is written. An existing file
 * must be empty or of an earlier run, and none of the data directory's own. False with a reason. */
bool import_rejects_spare(const struct import_rejects *rejects, struct text data, struct arena *arena,
                          struct text *reason);
/* The same: whether the file could be written. False with a reason. */
bool import_rejects_check(struct import_rejects *rejects, struct arena *arena, struct text *reason);
/* `row` as it stands in the file; when it is not CSV with those columns, `is_quoted` makes it one field. */
void import_rejects_add(struct import_rejects *rejects, uint64_t line, struct text field, struct text reason,
                        struct text row, bool is_quoted);
/* False when the file could not be written: `error`. */
bool import_rejects_close(struct import_rejects *rejects);
/* Removes the file that an earlier run has left: for a run that has refused nothing. Whether there was one.
 */
bool import_rejects_remove_stale(const struct import_rejects *rejects);

/* ---- import_link.c ---- */

/* Where a row of a chunk is from. One that was refused here is not sent: it waits for those in front of it,
 * so that the refused rows come in the order of the file. */
struct import_origin {
    uint64_t line;
    size_t start, length; /* in the chunk's originals */
    bool is_refused;
    bool is_quoted;       /* as import_rejects_add has it */
    size_t reason_length; /* the reason stands behind the row in the originals */
    struct text field;    /* lives as long as the import */
};

/* Rows that go to the server together. */
struct import_chunk {
    int fd; /* -1: not connected */
    bool is_under_way;
    struct buffer rows;      /* a JSON object a line */
    struct buffer originals; /* as they stand in the file */
    struct import_origin origins[IMPORT_CHUNK_ROWS];
    size_t row_count;
    struct buffer received;
};

struct json_value;
struct import_link;

/* What the server answered to a chunk: 200 and its body. */
typedef void import_answered(void *context, const struct import_chunk *chunk, const struct json_value *body);
/* What a person is to know of while it happens: the server is waited for. */
typedef void import_told(void *context, struct text message);

struct import_link {
    struct text socket_path, target, request_id;
    int64_t retry_seconds;
    const volatile int *interruptions; /* while it is not 0, nothing is tried again */
    import_answered *answered;
    import_told *told;
    void *context;
    struct import_chunk chunks[IMPORT_CONNECTIONS];
    unsigned current;    /* the one that is being filled */
    struct arena arena;  /* of one reply */
    struct text failure; /* why the link has broken: nothing more can be sent */
    struct buffer failure_buffer;
};

void import_link_init(struct import_link *link);
void import_link_free(struct import_link *link);

/* The chunk to be filled. */
struct import_chunk *import_link_chunk(struct import_link *link);
/* Sends it, and waits for the answer to the oldest one when all are under way. False when the link has
 * broken. */
bool import_link_send(struct import_link *link);
/* Waits for all answers. */
bool import_link_finish(struct import_link *link);

/* ---- import_progress.c ---- */

struct import_counts {
    uint64_t rows; /* read */
    uint64_t created, updated, unchanged, different, refused;
};

/* Shows how far it is, when it is time again. `size_bytes` is 0 when it is not known. */
void import_progress_show(struct progress *progress, const struct import_counts *counts, uint64_t read_bytes,
                          uint64_t size_bytes);

/* "1,234,567" */
struct text import_number(struct arena *arena, uint64_t number);

/* ---- import_rows.c ---- */

struct import {
    struct import_options options;
    struct arena *arena; /* of the command */
    struct arena row_arena;
    struct file_source *source;
    struct csv_reader csv;
    struct line_reader lines;
    struct import_link link;
    struct import_rejects rejects;
    struct progress progress;
    struct import_counts counts;
    struct text environment_id;
    struct text id; /* of this import: the request id of all that it writes */
    bool is_whole;  /* the file was read to its end */
    struct text failure;
    struct text way_out; /* what is to be done before the import can go on; empty: nothing */
    struct unknown_members unknown;
    uint64_t line_end_rows, line_end_line; /* rows with a line end in a field, and the first one's line */
};

/* Each of these puts the row that was just read into the current chunk, which is sent when it is full: as one
 * to be imported, if it can be, or as one that the reader has refused. False when the link has broken. */
bool import_take_row(struct import *import);
bool import_take_refused_row(struct import *import);
/* The same behind ROW_LOST; says in `failure` and `way_out` why the import ends there. */
void import_take_lost_row(struct import *import);
/* Why the reader gave no row. */
const char *import_reason(const struct import *import);
/* The link's `answered`: counts, and the rows that were refused. `context` is the import. */
import_answered import_answer;

/* ---- import_summary.c ---- */

struct import_summary {
    const struct import_options *options;
    const struct import_counts *counts;
    struct text id, environment_id;
    bool is_whole;
    double seconds;
    struct arena *arena;
};

/* Rows that were read and of which nothing is known: those that were under way when the import broke. */
uint64_t import_not_sent(const struct import_counts *counts);
/* To standard output, for a person or as JSON, as the options say. */
void import_summary_print(const struct import_summary *summary);

#endif
