/* copy_report.c: what `farthing copy` has done, or would do. */
#include "cli/copy.h"
#include "cli/import.h"
#include "json/writer.h"

#include <stdio.h>

enum { HASH_SHOWN = 16 };

static struct text hex(const char hash[SHA256_HEX_LENGTH], size_t length)
{
    return (struct text){hash, length};
}

static int64_t total_rows(const struct store_copy_result *result)
{
    int64_t total = 0;

    for (size_t i = 0; i < result->table_count; i++)
        total += result->tables[i].source_rows;
    return total;
}

/* ---- for a program ---- */

static void write_table(struct json_writer *writer, const struct store_copy_result *result,
                        const struct store_copy_table *table)
{
    json_begin_object(writer);
    json_put_string(writer, TEXT("table"), table->name);
    json_put_int64(writer, TEXT("rows"), table->source_rows);
    if (result->is_compared) {
        json_put_int64(writer, TEXT("target_rows"), table->target_rows);
        json_put_string(writer, TEXT("hash"), hex(table->source_hash, SHA256_HEX_LENGTH));
        json_put_string(writer, TEXT("target_hash"), hex(table->target_hash, SHA256_HEX_LENGTH));
        json_put_bool(writer, TEXT("ok"), table->is_same);
    }
    json_end_object(writer);
}

static void print_json(const struct copy_report *report)
{
    static const char *const secrets[] = {
        [COPY_SECRETS_NONE] = "none",
        [COPY_SECRETS_THERE] = "copied",
        [COPY_SECRETS_TO_BRING] = "to_bring",
    };
    const struct store_copy_result *result = report->result;
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    json_put_string(&writer, TEXT("from"), result->source_name);
    json_put_string(&writer, TEXT("to"), result->target_name);
    json_put_bool(&writer, TEXT("resumed"), result->is_resumed);
    json_put_int64(&writer, TEXT("copied_rows"), result->copied_rows);
    json_put_int64(&writer, TEXT("duration_ms"), (int64_t)(report->seconds * 1000));
    json_put_int64(&writer, TEXT("pause_ms"), report->is_bulk ? 0 : (int64_t)(report->pause_seconds * 1000));
    json_put_bool(&writer, TEXT("finished"), result->is_compared && result->is_same && !report->is_bulk);
    if (result->is_compared)
        json_put_bool(&writer, TEXT("ok"), result->is_same);
    if (report->work == STORE_COPY_ROWS)
        json_put_string(&writer, TEXT("secrets"), text_from_string(secrets[report->secrets]));
    json_key(&writer, TEXT("tables"));
    json_begin_array(&writer);
    for (size_t i = 0; i < result->table_count; i++)
        write_table(&writer, result, &result->tables[i]);
    json_end_array(&writer);
    json_end_object(&writer);
    printf("%.*s\n", TEXT_FORMAT(buffer_text(&buffer)));
    buffer_free(&buffer);
}

/* ---- for a person ---- */

static void print_table(const struct store_copy_result *result, const struct store_copy_table *table,
                        struct arena *arena)
{
    printf("%-27.*s %13.*s", TEXT_FORMAT(table->name),
           TEXT_FORMAT(import_number(arena, (uint64_t)table->source_rows)));
    if (result->is_compared)
        printf("  %.*s  %s", TEXT_FORMAT(hex(table->source_hash, HASH_SHOWN)),
               table->is_same ? "ok" : "DIFFERS");
    if (result->is_compared && !table->is_same)
        printf(": the target has %.*s rows, %.*s",
               TEXT_FORMAT(import_number(arena, (uint64_t)table->target_rows)),
               TEXT_FORMAT(hex(table->target_hash, HASH_SHOWN)));
    putchar('\n');
}

static void print_secrets(const struct copy_report *report)
{
    if (report->secrets == COPY_SECRETS_THERE)
        printf("the secrets are with it\n");
    else if (report->secrets == COPY_SECRETS_TO_BRING && report->from->is_url)
        printf(
            "its servers need the secrets: the file `secrets` of a data directory of the servers until now, "
            "unless settings give them\n");
    else if (report->secrets == COPY_SECRETS_TO_BRING)
        printf("its servers need the secrets: copy %.*s into the data directory of each (mode 0600)\n",
               TEXT_FORMAT(report->from->directory.secrets_path));
}

static void print_end(const struct copy_report *report, struct arena *arena)
{
    const struct store_copy_result *result = report->result;
    struct text rows = import_number(arena, (uint64_t)total_rows(result));

    if (report->work == STORE_COPY_COUNT) {
        printf("%.*s rows would %s into %.*s\n", TEXT_FORMAT(rows),
               result->is_resumed ? "go on to be copied" : "be copied", TEXT_FORMAT(result->target_name));
    } else if (!result->is_same) {
        printf("the two are NOT the same\n");
    } else if (report->work == STORE_COPY_COMPARE) {
        printf("%.*s rows: the two are the same\n", TEXT_FORMAT(rows));
    } else if (report->is_bulk) {
        printf("%.*s rows are in %.*s after %.1f s. It waits for what comes after them: the same command "
               "without --bulk "
               "brings that, while nobody writes to the source\n",
               TEXT_FORMAT(rows), TEXT_FORMAT(result->target_name), report->seconds);
    } else {
        printf("%.*s rows are in %.*s, and the same on both sides: %.*s copied%s in %.1f s, of which the "
               "source was held "
               "still for %.1f s\n",
               TEXT_FORMAT(rows), TEXT_FORMAT(result->target_name),
               TEXT_FORMAT(import_number(arena, (uint64_t)result->copied_rows)),
               result->is_resumed ? " now, the others before," : "", report->seconds, report->pause_seconds);
        print_secrets(report);
    }
}

void copy_report_print(const struct copy_report *report, bool is_json, struct arena *arena)
{
    if (is_json) {
        print_json(report);
        return;
    }
    for (size_t i = 0; i < report->result->table_count; i++)
        print_table(report->result, &report->result->tables[i], arena);
    print_end(report, arena);
}
