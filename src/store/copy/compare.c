/* compare.c: whether both sides hold the same. */
#include "store/copy/run.h"

#include <pthread.h>
#include <string.h>

bool run_scan(struct copy *copy, struct side *side, size_t index, struct scan *scan,
              void (*take)(void *context, const struct entity *row, const void *record,
                           const uint8_t digest[SHA256_BYTES]),
              void *context)
{
    struct progress at = run_beginning(index);
    struct copied_rows rows = {.table = &copied_tables[index], .row = copy->rows[index]};
    struct arena places;
    bool is_last = false, is_read = true;

    arena_init(&places);
    while (is_read && !is_last) {
        is_read = run_read_chunk(side, &at, &rows, &is_last);
        if (!is_read || rows.count == 0)
            break;
        for (size_t i = 0; i < rows.count; i++) {
            row_hash_add(&scan->hash, rows.row, copied_record(&rows, i));
            if (take)
                take(context, rows.row, copied_record(&rows, i), scan->hash.last);
        }
        scan->row_count += (int64_t)rows.count;
        arena_reset(&places);
        run_step_to(&at, side, &rows, &places);
        if (side != &copy->source)
            continue;
        copy->state.done_rows += (int64_t)rows.count;
        run_tell(copy);
    }
    arena_free(&places);
    return is_read;
}

void run_scan_free(struct scan *scan)
{
    row_hash_free(&scan->hash);
    digest_map_free(&scan->digests);
}

void run_take_scans(struct store_copy_table *table, const struct scan *source, const struct scan *target)
{
    row_hash_hex(&source->hash, table->source_hash);
    row_hash_hex(&target->hash, table->target_hash);
    table->source_rows = source->row_count;
    table->target_rows = target->row_count;
    table->is_same = source->row_count == target->row_count &&
                     memcmp(table->source_hash, table->target_hash, SHA256_HEX_LENGTH) == 0;
}

void run_begin_comparing(struct copy *copy)
{
    copy->state = (struct store_copy_state){.phase = STORE_COPY_COMPARING};
    for (size_t i = 0; i < COPIED_TABLE_COUNT; i++)
        copy->state.total_rows += copy->result->tables[i].source_rows;
    copy->result->is_same = true;
}

/* ---- both at once ---- */

struct target_scan {
    struct copy *copy;
    size_t index;
    struct scan scan;
    bool is_read;
};

static void *scan_target(void *context)
{
    struct target_scan *target = context;

    target->is_read = run_scan(target->copy, &target->copy->target, target->index, &target->scan, NULL, NULL);
    return NULL;
}

static bool compare_table(struct copy *copy, size_t index)
{
    struct target_scan target = {.copy = copy, .index = index};
    struct scan source = {0};
    pthread_t thread;
    bool is_aside = pthread_create(&thread, NULL, scan_target, &target) == 0;
    bool is_read = run_scan(copy, &copy->source, index, &source, NULL, NULL);

    if (is_aside)
        pthread_join(thread, NULL);
    else
        scan_target(&target);
    run_take_scans(&copy->result->tables[index], &source, &target.scan);
    run_scan_free(&source);
    run_scan_free(&target.scan);
    if (!is_read)
        return run_cannot_read(copy, &copy->source);
    return target.is_read || run_cannot_read(copy, &copy->target);
}

bool run_compare(struct copy *copy)
{
    struct store_copy_result *result = copy->result;

    run_begin_comparing(copy);
    for (size_t i = 0; i < COPIED_TABLE_COUNT; i++) {
        copy->state.what = copied_tables[i].name;
        if (!compare_table(copy, i))
            return false;
        result->is_same = result->is_same && result->tables[i].is_same;
    }
    result->is_compared = true;
    return true;
}
