/* import.c: `farthing import customers FILE`. import.h says how it works. */
#include "cli/import.h"

#include "base/instant.h"
#include "base/ulid.h"
#include "cli/admin_client.h"
#include "cli/admin_host.h"
#include "cli/commands.h"
#include "import/csv_reader.h"
#include "import/line_reader.h"
#include "import/row_json.h"
#include "json/reader.h"

#include <signal.h>
#include <string.h>

struct import {
    struct import_options options;
    struct arena *arena; /* of the command */
    struct arena row_arena;
    struct file_source *source;
    struct csv_reader csv;
    struct line_reader lines;
    struct import_link link;
    struct import_rejects rejects;
    struct import_progress progress;
    struct import_counts counts;
    struct text environment_id;
    struct text id; /* of this import: the request id of all that it writes */
    bool is_whole;  /* the file was read to its end */
    struct text failure;
    struct text way_out; /* what is to be done before the import can go on; empty: nothing */
    struct unknown_members unknown;
    uint64_t line_end_rows, line_end_line; /* rows with a line end in a field, and the first one's line */
};

static volatile sig_atomic_t interruptions;

/* The first one ends the import behind the chunks that are under way; the second one ends the process. */
static void on_interruption(int signal_number)
{
    (void)signal_number;
    interruptions = 1;
}

static void catch_interruptions(void)
{
    struct sigaction action = {.sa_handler = on_interruption, .sa_flags = (int)SA_RESETHAND};

    interruptions = 0;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* ---- answers ---- */

static uint64_t count_of(const struct json_value *body, struct text name)
{
    const struct json_value *value = json_member(body, name);
    uint64_t count = 0;

    return value && value->type == JSON_NUMBER && text_to_uint64(value->text, &count) ? count : 0;
}

static struct text text_of(const struct json_value *object, struct text name)
{
    const struct json_value *value = json_member(object, name);

    return value && value->type == JSON_STRING ? value->text : text_empty;
}

static void refuse(struct import *import, const struct import_chunk *chunk,
                   const struct import_origin *origin, struct text field, struct text reason)
{
    struct text row = text_slice(buffer_text(&chunk->originals), origin->start, origin->length);

    import->counts.refused++;
    import_rejects_add(&import->rejects, origin->line, field, reason, row, origin->is_quoted);
}

/* The rows that the server refused and those that were refused here, in their order. */
static void take_refusals(struct import *import, const struct import_chunk *chunk,
                          const struct json_value *refused)
{
    uint32_t left = refused ? refused->count : 0;
    const struct json_value *refusal = left ? json_first(refused) : NULL;
    uint64_t sent = 0;

    for (size_t i = 0; i < chunk->row_count; i++) {
        const struct import_origin *origin = &chunk->origins[i];

        if (origin->is_refused) {
            refuse(import, chunk, origin, origin->field,
                   text_slice(buffer_text(&chunk->originals), origin->start + origin->length,
                              origin->reason_length));
            continue;
        }
        if (left && count_of(refusal, TEXT("row")) == sent) {
            refuse(import, chunk, origin, text_of(refusal, TEXT("field")), text_of(refusal, TEXT("reason")));
            refusal = --left ? json_next(refusal) : NULL;
        }
        sent++;
    }
}

static void on_answer(void *context, const struct import_chunk *chunk, const struct json_value *body)
{
    struct import *import = context;

    if (!text_is_set(import->environment_id))
        import->environment_id = arena_copy(import->arena, text_of(body, TEXT("environment_id")));
    import->counts.created += count_of(body, TEXT("created"));
    import->counts.updated += count_of(body, TEXT("updated"));
    import->counts.unchanged += count_of(body, TEXT("unchanged"));
    import->counts.different += count_of(body, TEXT("different"));
    take_refusals(import, chunk, json_member(body, TEXT("refused")));
}

static void tell(void *context, struct text message)
{
    struct import *import = context;

    import_progress_end(&import->progress);
    fprintf(stderr, "farthing: %.*s\n", TEXT_FORMAT(message));
}

/* ---- rows ---- */

static uint64_t line_of(const struct import *import)
{
    return import->options.is_json ? import->lines.line : import->csv.line;
}

static struct text original_of(const struct import *import)
{
    return import->options.is_json ? import->lines.raw : import->csv.raw;
}

static const char *reason_of(const struct import *import)
{
    return import->options.is_json ? import->lines.reason : import->csv.reason;
}

/* Notes what goes nowhere: the API ignores it, but a person may have misspelled it. */
static void note_members(struct import *import)
{
    struct json_error error;
    const struct json_value *object = json_read(&import->row_arena, import->lines.raw, &error);

    if (object && object->type == JSON_OBJECT)
        unknown_members_note(&import->unknown, &import->options.map, object);
}

static void note_line_ends(struct import *import)
{
    if (import->csv.last_line == import->csv.line ||
        !row_json_has_line_end(&import->options.map, import->csv.fields))
        return;
    if (import->line_end_rows++ == 0)
        import->line_end_line = import->csv.line;
}

/* Appends the row to `rows`. False with the refusal. */
static bool write_row(struct import *import, struct buffer *rows, struct row_refusal *refusal)
{
    const struct import_options *options = &import->options;

    if (!options->is_json) {
        if (!row_json_write(&options->map, import->csv.fields, import->csv.field_count, rows, refusal))
            return false;
        note_line_ends(import);
        return true;
    }
    note_members(import);
    if (!options->has_rules) {
        buffer_append(rows, import->lines.raw);
        return true;
    }
    return row_json_rename(&options->map, import->lines.raw, &import->row_arena, rows, refusal);
}

/* Puts the row into the current chunk as one that is sent or, with a reason, as one that is refused. The
 * chunk is sent when it is full. False when the link has broken. */
static bool add_row(struct import *import, struct text row, struct text field, struct text reason,
                    bool is_quoted)
{
    struct import_chunk *chunk = import_link_chunk(&import->link);

    chunk->origins[chunk->row_count++] = (struct import_origin){.line = line_of(import),
                                                                .start = chunk->originals.length,
                                                                .length = row.length,
                                                                .is_refused = text_is_set(reason),
                                                                .is_quoted = is_quoted,
                                                                .reason_length = reason.length,
                                                                .field = field};
    buffer_append(&chunk->originals, row);
    buffer_append(&chunk->originals, reason);
    if (chunk->row_count < IMPORT_CHUNK_ROWS && chunk->rows.length < IMPORT_CHUNK_BYTES &&
        chunk->originals.length < IMPORT_CHUNK_BYTES)
        return true;
    return import_link_send(&import->link);
}

/* "has more fields than the header (lines 3 to 7)": where a row is not where it seems to be. */
static struct text with_lines(struct import *import, struct text reason)
{
    if (import->options.is_json || import->csv.last_line == import->csv.line)
        return reason;
    return arena_format(&import->row_arena, "%.*s (lines %llu to %llu)", TEXT_FORMAT(reason),
                        (unsigned long long)import->csv.line, (unsigned long long)import->csv.last_line);
}

static bool take_row(struct import *import)
{
    struct import_chunk *chunk = import_link_chunk(&import->link);
    struct row_refusal refusal;
    size_t length = chunk->rows.length;

    arena_reset(&import->row_arena);
    if (write_row(import, &chunk->rows, &refusal)) {
        buffer_append_char(&chunk->rows, '\n');
        return add_row(import, original_of(import), text_empty, text_none, false);
    }
    struct text reason = arena_format(&import->row_arena, "%.*s%s%s", TEXT_FORMAT(refusal.field),
                                      refusal.field.length ? " " : "", refusal.reason);

    chunk->rows.length = length;
    return add_row(import, original_of(import), refusal.field, with_lines(import, reason), false);
}

static bool take_refused_row(struct import *import)
{
    arena_reset(&import->row_arena);
    return add_row(import, original_of(import), text_empty,
                   with_lines(import, text_from_string(reason_of(import))), true);
}

/* The row up to the end of the line on which its quote opens: what follows is of no row in particular. */
static struct text lost_row(const struct csv_reader *csv)
{
    size_t end = 0;

    for (uint64_t line = csv->line; end < csv->raw.length; end++)
        if (csv->raw.data[end] == '\n' && line++ == csv->quote_line)
            break;
    return text_slice(csv->raw, 0, end);
}

static void take_lost_row(struct import *import)
{
    const struct csv_reader *csv = &import->csv;

    arena_reset(&import->row_arena);
    add_row(import, lost_row(csv), text_empty,
            arena_format(&import->row_arena, "%s (lines %llu to %llu); nothing from here on was imported",
                         csv->reason, (unsigned long long)csv->line, (unsigned long long)csv->last_line),
            true);
    import->failure =
        arena_format(import->arena, "%.*s, line %llu, %s: nothing from there on was imported",
                     TEXT_FORMAT(import->options.name), (unsigned long long)csv->quote_line, csv->reason);
    import->way_out = TEXT("put that line right and ");
}

static void show_progress(struct import *import)
{
    uint64_t read_bytes, size_bytes;

    file_source_position(import->source, &read_bytes, &size_bytes);
    import_progress_show(&import->progress, &import->counts, read_bytes, size_bytes);
}

/* Reads and sends until the end, a failure or an interruption. */
static void run_rows(struct import *import)
{
    bool goes_on = true;

    while (goes_on && !interruptions) {
        switch (import->options.is_json ? line_read(&import->lines) : csv_read(&import->csv)) {
        case ROW_READ:
            import->counts.rows++;
            goes_on = take_row(import);
            break;
        case ROW_REFUSED:
            import->counts.rows++;
            goes_on = take_refused_row(import);
            break;
        case ROW_LOST:
            import->counts.rows++;
            take_lost_row(import);
            goes_on = false;
            break;
        case ROW_END:
            import->is_whole = true;
            goes_on = false;
            break;
        case ROW_FAILED:
            import->failure =
                arena_format(import->arena, "%.*s %s", TEXT_FORMAT(import->options.name), reason_of(import));
            goes_on = false;
            break;
        }
        show_progress(import);
    }
    /* What was read before a failure goes in. */
    if (!text_is_set(import->link.failure) && import_link_chunk(&import->link)->row_count > 0)
        import_link_send(&import->link);
    if (!import_link_finish(&import->link)) {
        import->failure = arena_copy(import->arena, import->link.failure);
        import->way_out = text_empty;
        import->is_whole = false;
    }
}

/* ---- before the rows ---- */

static enum exit_code open_csv(struct import *import)
{
    struct column_map *map = &import->options.map;
    struct csv_reader *csv = &import->csv;
    const char *name = arena_string(import->arena, import->options.name);
    struct text reason;

    csv_detect_separator(csv);
    switch (csv_read(csv)) {
    case ROW_READ:
        break;
    case ROW_END:
        return complain(EXIT_FAILED, "%s is empty: there is not even a header", name);
    case ROW_FAILED:
        return complain(EXIT_FAILED, "%s %s", name, csv->reason);
    default:
        return complain(EXIT_FAILED, "%s: the header, on line %llu, %s", name, (unsigned long long)csv->line,
                        csv->reason);
    }
    if (csv->separator != ',')
        fprintf(stderr, "farthing: columns are separated by %s\n",
                csv->separator == ';' ? "semicolons" : "tabs");
    import->rejects.separator = csv->separator;
    import->rejects.columns = arena_copy(import->arena, csv->raw);
    if (!column_map_bind(map, csv->fields, csv->field_count, &reason))
        return complain(EXIT_USAGE, "%s %.*s", name, TEXT_FORMAT(reason));
    if (map->ignored.length)
        fprintf(stderr, "farthing: columns that go nowhere: %.*s (--map or --unmapped metadata keep them)\n",
                TEXT_FORMAT(map->ignored));
    return EXIT_DONE;
}

/* Asks the server for the environment before anything is read: with a chunk of no rows. */
static enum exit_code open_link(struct import *import, struct text socket_path)
{
    struct import_link *link = &import->link;

    link->socket_path = socket_path;
    link->target = arena_format(import->arena, "/admin/import/customers%s%.*s",
                                import->options.is_check ? "/check" : "", TEXT_FORMAT(import->options.query));
    link->request_id = import->id;
    link->retry_seconds = import->options.retry_seconds;
    link->interruptions = &interruptions;
    link->answered = on_answer;
    link->told = tell;
    link->context = import;
    if (import_link_send(link) && import_link_finish(link))
        return EXIT_DONE;
    return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(link->failure));
}

static enum exit_code open_source(struct import *import)
{
    struct import_options *options = &import->options;
    struct text reason;

    import->source = file_source_open(options->file, import->arena, &reason);
    if (!import->source)
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    if (file_source_is(import->source, options->rejects, import->arena))
        return complain(EXIT_USAGE, "--rejects would write over %.*s itself", TEXT_FORMAT(options->file));
    if (!import_rejects_check(&import->rejects, import->arena, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    csv_reader_init(&import->csv, file_source_bytes(import->source));
    line_reader_init(&import->lines, file_source_bytes(import->source));
    if (!options->is_json)
        return open_csv(import);
    column_map_bind_names(&options->map);
    return EXIT_DONE;
}

/* ---- the end ---- */

static void warn(struct import *import)
{
    struct text unknown = unknown_members_list(&import->unknown);

    if (unknown.length)
        fprintf(stderr, "farthing: members that go nowhere: %.*s\n", TEXT_FORMAT(unknown));
    if (import->line_end_rows)
        fprintf(stderr,
                "farthing: %.*s %s a line break inside a field, the first one on line %llu: perhaps a quote "
                "that does not belong there\n",
                TEXT_FORMAT(import_number(import->arena, import->line_end_rows)),
                import->line_end_rows == 1 ? "row has" : "rows have",
                (unsigned long long)import->line_end_line);
    if (import->is_whole && !import->options.is_check && !import->counts.refused &&
        import_rejects_remove_stale(&import->rejects))
        fprintf(stderr, "farthing: no row is refused any more: removed %.*s\n",
                TEXT_FORMAT(import->rejects.path));
}

static enum exit_code conclude(struct import *import)
{
    struct import_summary summary = {
        .options = &import->options,
        .counts = &import->counts,
        .id = import->id,
        .environment_id = import->environment_id,
        .is_whole = import->is_whole,
        .seconds = (double)(monotonic_now_us() - import->progress.started_us) / 1e6,
        .arena = import->arena,
    };
    enum exit_code code = import->counts.refused ? EXIT_FAILED : EXIT_DONE;

    import_progress_end(&import->progress);
    warn(import);
    import_summary_print(&summary);
    if (fflush(stdout) != 0)
        code = EXIT_FAILED;
    if (!import_rejects_close(&import->rejects))
        code = complain(EXIT_FAILED, "the refused rows could not be written to %.*s: %s",
                        TEXT_FORMAT(import->rejects.path), strerror(import->rejects.error));
    if (import->is_whole)
        return code;
    return complain(EXIT_FAILED, "%.*s; %.*srun the same command again to go on",
                    TEXT_FORMAT(text_is_set(import->failure) ? import->failure : TEXT("interrupted")),
                    TEXT_FORMAT(import->way_out));
}

/* ---- the command ---- */

static enum exit_code run(struct import *import, struct text data_path)
{
    struct admin_host host;
    struct text reason;
    enum exit_code code = open_source(import);

    if (code != EXIT_DONE)
        return code;
    if (!admin_host_open(&host, data_path, import->arena, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    code = open_link(import, host.socket_path);
    if (code == EXIT_DONE) {
        import_progress_start(&import->progress);
        run_rows(import);
        code = conclude(import);
    }
    admin_host_close(&host);
    return code;
}

enum exit_code command_import_customers(struct invocation *invocation)
{
    struct import import = {.arena = &invocation->arena};

    if (!import_options_read(invocation, &import.options))
        return EXIT_USAGE;
    arena_init(&import.row_arena);
    import.id = ulid_make_id(import.arena, "import", instant_now_us());
    import_rejects_init(&import.rejects, import.options.rejects, import.options.is_json, import.arena);
    import.unknown = (struct unknown_members){.known = import.options.members, .arena = import.arena};
    import_link_init(&import.link);
    catch_interruptions();
    enum exit_code code = run(&import, invocation_value(invocation, "data"));

    import_link_free(&import.link);
    if (import.source) {
        csv_reader_free(&import.csv);
        line_reader_free(&import.lines);
        file_source_close(import.source);
    }
    arena_free(&import.row_arena);
    return code;
}
