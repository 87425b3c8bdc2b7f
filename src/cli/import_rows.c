/* import_rows.c: rows on their way: from a reader into a chunk, and what the server answered to it. */
#include "cli/import.h"

#include "json/reader.h"

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

void import_answer(void *context, const struct import_chunk *chunk, const struct json_value *body)
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

/* ---- rows ---- */

static uint64_t line_of(const struct import *import)
{
    return import->options.is_json ? import->lines.line : import->csv.line;
}

static struct text original_of(const struct import *import)
{
    return import->options.is_json ? import->lines.raw : import->csv.raw;
}

const char *import_reason(const struct import *import)
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

bool import_take_row(struct import *import)
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

bool import_take_refused_row(struct import *import)
{
    arena_reset(&import->row_arena);
    return add_row(import, original_of(import), text_empty,
                   with_lines(import, text_from_string(import_reason(import))), true);
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

void import_take_lost_row(struct import *import)
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
