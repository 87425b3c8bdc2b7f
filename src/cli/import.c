/* import.c: `farthing import customers FILE`. import.h says how it works. */
#include "cli/import.h"
#include "cli/interruption.h"

#include "base/instant.h"
#include "base/ulid.h"
#include "cli/admin_client.h"
#include "cli/admin_host.h"
#include "cli/commands.h"

#include <string.h>

/* ---- the rows ---- */

static void tell(void *context, struct text message)
{
    struct import *import = context;

    progress_end(&import->progress);
    remark("%.*s", TEXT_FORMAT(message));
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

    while (goes_on && !*import->link.interruptions) {
        switch (import->options.is_json ? line_read(&import->lines) : csv_read(&import->csv)) {
        case ROW_READ:
            import->counts.rows++;
            goes_on = import_take_row(import);
            break;
        case ROW_REFUSED:
            import->counts.rows++;
            goes_on = import_take_refused_row(import);
            break;
        case ROW_LOST:
            import->counts.rows++;
            import_take_lost_row(import);
            goes_on = false;
            break;
        case ROW_END:
            import->is_whole = true;
            goes_on = false;
            break;
        case ROW_FAILED:
            import->failure = arena_format(import->arena, "%.*s %s", TEXT_FORMAT(import->options.name),
                                           import_reason(import));
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

    switch (csv_read_header(csv)) {
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
        remark("columns are separated by %s", csv->separator == ';' ? "semicolons" : "tabs");
    import->rejects.separator = csv->separator;
    import->rejects.columns = arena_copy(import->arena, csv->raw);
    if (!column_map_bind(map, csv->fields, csv->field_count, &reason))
        return complain(EXIT_USAGE, "%s %.*s", name, TEXT_FORMAT(reason));
    if (map->ignored.length)
        remark("columns that go nowhere: %.*s (--map or --unmapped metadata keep them)",
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
    link->answered = import_answer;
    link->told = tell;
    link->context = import;
    if (import_link_send(link) && import_link_finish(link))
        return EXIT_DONE;
    return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(link->failure));
}

static enum exit_code open_source(struct import *import, struct text data)
{
    struct import_options *options = &import->options;
    struct text reason;

    import->source = file_source_open(options->file, import->link.interruptions, import->arena, &reason);
    if (!import->source)
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    if (file_source_is(import->source, options->rejects, import->arena))
        return complain(EXIT_USAGE, "--rejects would write over %.*s itself", TEXT_FORMAT(options->file));
    if (!import_rejects_spare(&import->rejects, data, import->arena, &reason))
        return complain(EXIT_USAGE, "%.*s", TEXT_FORMAT(reason));
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
        remark("members that go nowhere: %.*s", TEXT_FORMAT(unknown));
    if (import->line_end_rows)
        remark("%.*s %s a line break inside a field, the first one on line %llu: perhaps a quote "
               "that does not belong there",
               TEXT_FORMAT(import_number(import->arena, import->line_end_rows)),
               import->line_end_rows == 1 ? "row has" : "rows have",
               (unsigned long long)import->line_end_line);
    if (import->is_whole && !import->options.is_check && !import->counts.refused &&
        import_rejects_remove_stale(&import->rejects))
        remark("no row is refused any more: removed %.*s", TEXT_FORMAT(import->rejects.path));
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

    progress_end(&import->progress);
    warn(import);
    import_summary_print(&summary);
    if (!print_out())
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

static enum exit_code run(struct import *import, const struct place *place)
{
    struct admin_host host;
    struct text reason;
    enum exit_code code = open_source(import, place->data);

    if (code != EXIT_DONE)
        return code;
    if (!admin_host_open(&host, place, import->arena, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    code = open_link(import, host.socket_path);
    if (code == EXIT_DONE) {
        progress_start(&import->progress);
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
    import.link.interruptions = interruption_catch(); /* ends it behind the chunks that are under way */
    const struct place place = place_of(&invocation->settings);
    enum exit_code code = run(&import, &place);

    import_link_free(&import.link);
    if (import.source) {
        csv_reader_free(&import.csv);
        line_reader_free(&import.lines);
        file_source_close(import.source);
    }
    arena_free(&import.row_arena);
    return code;
}
