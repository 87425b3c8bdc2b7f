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
#include "json/writer.h"

#include <signal.h>

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

static void refuse(struct import *import, uint64_t line, struct text field, struct text reason,
                   struct text original, bool is_quoted)
{
    import->counts.refused++;
    import_rejects_add(&import->rejects, line, field, reason, original, is_quoted);
}

static void on_answer(void *context, const struct import_chunk *chunk, const struct json_value *body)
{
    struct import *import = context;
    const struct json_value *refused = json_member(body, TEXT("refused"));
    const struct json_value *refusal = refused && refused->count ? json_first(refused) : NULL;

    if (!text_is_set(import->environment_id))
        import->environment_id = arena_copy(import->arena, text_of(body, TEXT("environment_id")));
    import->counts.created += count_of(body, TEXT("created"));
    import->counts.updated += count_of(body, TEXT("updated"));
    import->counts.unchanged += count_of(body, TEXT("unchanged"));
    import->counts.different += count_of(body, TEXT("different"));
    for (uint32_t i = 0; refusal && i < refused->count; i++, refusal = json_next(refusal)) {
        uint64_t row = count_of(refusal, TEXT("row"));

        if (row >= chunk->row_count)
            continue;
        const struct import_origin *origin = &chunk->origins[row];

        refuse(import, origin->line, text_of(refusal, TEXT("field")), text_of(refusal, TEXT("reason")),
               text_slice(buffer_text(&chunk->originals), origin->start, origin->length),
               import->options.is_json);
    }
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

/* Appends the row to `rows`. False with the refusal. */
static bool write_row(struct import *import, struct buffer *rows, struct row_refusal *refusal)
{
    const struct import_options *options = &import->options;

    if (!options->is_json)
        return row_json_write(&options->map, import->csv.fields, import->csv.field_count, rows, refusal);
    if (!options->has_rules) {
        buffer_append(rows, import->lines.raw);
        return true;
    }
    return row_json_rename(&options->map, import->lines.raw, &import->row_arena, rows, refusal);
}

/* Puts the row into the current chunk, which is sent when it is full. False when the link has broken. */
static bool take_row(struct import *import)
{
    struct import_chunk *chunk = import_link_chunk(&import->link);
    struct text original = original_of(import);
    struct row_refusal refusal;
    size_t length = chunk->rows.length;

    arena_reset(&import->row_arena);

    if (!write_row(import, &chunk->rows, &refusal)) {
        struct text reason = arena_format(&import->row_arena, "%.*s%s%s", TEXT_FORMAT(refusal.field),
                                          refusal.field.length ? " " : "", refusal.reason);

        chunk->rows.length = length;
        refuse(import, line_of(import), refusal.field, reason, original, import->options.is_json);
        return true;
    }
    buffer_append_char(&chunk->rows, '\n');
    chunk->origins[chunk->row_count++] =
        (struct import_origin){line_of(import), chunk->originals.length, original.length};
    buffer_append(&chunk->originals, original);
    if (chunk->row_count < IMPORT_CHUNK_ROWS && chunk->rows.length < IMPORT_CHUNK_BYTES)
        return true;
    return import_link_send(&import->link);
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
            refuse(import, line_of(import), text_empty, text_from_string(reason_of(import)),
                   original_of(import), true);
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

    switch (csv_read(csv)) {
    case ROW_READ:
        break;
    case ROW_END:
        return complain(EXIT_FAILED, "%s is empty: there is not even a header", name);
    default:
        return complain(EXIT_FAILED, "%s %s", name, csv->reason);
    }
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
    csv_reader_init(&import->csv, file_source_bytes(import->source));
    line_reader_init(&import->lines, file_source_bytes(import->source));
    if (!options->is_json)
        return open_csv(import);
    column_map_bind_names(&options->map);
    return EXIT_DONE;
}

/* ---- the summary ---- */

static void write_count(struct json_writer *writer, const char *name, uint64_t count)
{
    json_key(writer, text_from_string(name));
    json_int64(writer, (int64_t)count);
}

static void print_json(const struct import *import, double seconds)
{
    const struct import_counts *counts = &import->counts;
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    json_key(&writer, TEXT("import_id"));
    json_string(&writer, import->id);
    json_key(&writer, TEXT("environment_id"));
    json_string(&writer, import->environment_id);
    json_key(&writer, TEXT("dry_run"));
    json_bool(&writer, import->options.is_check);
    json_key(&writer, TEXT("complete"));
    json_bool(&writer, import->is_whole);
    write_count(&writer, "rows", counts->rows);
    write_count(&writer, "created", counts->created);
    write_count(&writer, "updated", counts->updated);
    write_count(&writer, "unchanged", counts->unchanged);
    write_count(&writer, "different", counts->different);
    write_count(&writer, "refused", counts->refused);
    write_count(&writer, "duration_ms", (uint64_t)(seconds * 1000));
    json_end_object(&writer);
    printf("%.*s\n", TEXT_FORMAT(buffer_text(&buffer)));
    buffer_free(&buffer);
}

static void print_line(const struct import *import, uint64_t count, const char *what)
{
    if (count)
        printf("%11.*s %s\n", TEXT_FORMAT(import_number(import->arena, count)), what);
}

static void print_text(const struct import *import, double seconds)
{
    const struct import_counts *counts = &import->counts;
    bool is_check = import->options.is_check;

    printf("%s %.*s: %.*s rows in %.1f s, %.*s/s (%.*s, %.*s)\n", is_check ? "checked" : "imported",
           TEXT_FORMAT(import->options.name), TEXT_FORMAT(import_number(import->arena, counts->rows)),
           seconds, TEXT_FORMAT(import_number(import->arena, (uint64_t)((double)counts->rows / seconds))),
           TEXT_FORMAT(import->environment_id), TEXT_FORMAT(import->id));
    print_line(import, counts->created, is_check ? "would be created" : "created");
    print_line(import, counts->updated, is_check ? "would be updated" : "updated");
    print_line(import, counts->unchanged, "there already");
    print_line(import, counts->different, "there already with other values (--update changes them)");
    if (counts->refused)
        print_line(import, counts->refused,
                   arena_string(import->arena, arena_format(import->arena, "refused, see %.*s",
                                                            TEXT_FORMAT(import->rejects.path))));
}

static enum exit_code conclude(struct import *import)
{
    double seconds = (double)(monotonic_now_us() - import->progress.started_us) / 1e6;
    enum exit_code code = import->counts.refused ? EXIT_FAILED : EXIT_DONE;

    import_progress_end(&import->progress);
    if (import->options.has_json_summary)
        print_json(import, seconds);
    else
        print_text(import, seconds);
    if (fflush(stdout) != 0)
        code = EXIT_FAILED;
    if (!import_rejects_close(&import->rejects))
        code = complain(EXIT_FAILED, "the refused rows could not be written to %.*s",
                        TEXT_FORMAT(import->rejects.path));
    if (import->is_whole)
        return code;
    if (text_is_set(import->failure))
        return complain(EXIT_FAILED, "%.*s; run the same command again to go on",
                        TEXT_FORMAT(import->failure));
    return complain(EXIT_FAILED, "interrupted; run the same command again to go on");
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
    import_rejects_init(&import.rejects, import.options.rejects, import.arena);
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
