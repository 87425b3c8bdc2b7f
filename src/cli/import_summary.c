/* import_summary.c: what an import came to. Its counts add up to the rows. */
#include "cli/import.h"

#include "json/writer.h"

uint64_t import_not_sent(const struct import_counts *counts)
{
    return counts->rows - counts->created - counts->updated - counts->unchanged - counts->different -
           counts->refused;
}

static void write_count(struct json_writer *writer, const char *name, uint64_t count)
{
    json_put_int64(writer, text_from_string(name), (int64_t)count);
}

static void print_json(const struct import_summary *summary)
{
    const struct import_counts *counts = summary->counts;
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    json_put_string(&writer, TEXT("import_id"), summary->id);
    json_put_string(&writer, TEXT("environment_id"), summary->environment_id);
    json_put_bool(&writer, TEXT("dry_run"), summary->options->is_check);
    json_put_bool(&writer, TEXT("complete"), summary->is_whole);
    write_count(&writer, "rows", counts->rows);
    write_count(&writer, "created", counts->created);
    write_count(&writer, "updated", counts->updated);
    write_count(&writer, "unchanged", counts->unchanged);
    write_count(&writer, "different", counts->different);
    write_count(&writer, "refused", counts->refused);
    write_count(&writer, "not_sent", import_not_sent(counts));
    write_count(&writer, "duration_ms", (uint64_t)(summary->seconds * 1000));
    json_end_object(&writer);
    printf("%.*s\n", TEXT_FORMAT(buffer_text(&buffer)));
    buffer_free(&buffer);
}

static void print_line(const struct import_summary *summary, uint64_t count, const char *what)
{
    if (count)
        printf("%11.*s %s\n", TEXT_FORMAT(import_number(summary->arena, count)), what);
}

static void print_text(const struct import_summary *summary)
{
    const struct import_counts *counts = summary->counts;
    struct arena *arena = summary->arena;
    bool is_check = summary->options->is_check;
    uint64_t rate = (uint64_t)((double)counts->rows / summary->seconds);

    printf("%s %.*s: %.*s rows in %.1f s, %.*s/s (%.*s, %.*s)\n", is_check ? "checked" : "imported",
           TEXT_FORMAT(summary->options->name), TEXT_FORMAT(import_number(arena, counts->rows)),
           summary->seconds, TEXT_FORMAT(import_number(arena, rate)), TEXT_FORMAT(summary->environment_id),
           TEXT_FORMAT(summary->id));
    print_line(summary, counts->created, is_check ? "would be created" : "created");
    print_line(summary, counts->updated, is_check ? "would be updated" : "updated");
    print_line(summary, counts->unchanged, "there already");
    print_line(summary, counts->different, "there already with other values (--update changes them)");
    if (counts->refused)
        print_line(summary, counts->refused,
                   arena_string(arena, arena_format(arena, "refused, see %.*s",
                                                    TEXT_FORMAT(summary->options->rejects))));
    print_line(summary, import_not_sent(counts), "not sent, or sent without an answer");
}

void import_summary_print(const struct import_summary *summary)
{
    if (summary->options->has_json_summary)
        print_json(summary);
    else
        print_text(summary);
}
