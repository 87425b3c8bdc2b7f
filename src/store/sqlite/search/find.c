/* find.c: answers questions from the index, as of the connection's snapshot (search.h). */
#include "store/sqlite/search/postings.h"
#include "store/sqlite/search/search.h"
#include "store/sqlite/search/walk.h"

#include "base/instant.h"
#include "store/sqlite/handle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { NOTED_MAX = 20000 }; /* rows that no segment has, before reading the table is as good */

/* Where segments have a row that was changed since. */
struct noted_place {
    struct search_place place;
    bool is_found; /* and not void, in one of the segments that were looked at */
};

struct noted {
    struct noted_place *old;  /* by their keys */
    struct search_place *now; /* where those are that match, by place */
    size_t old_count, now_count;
};

struct finding {
    struct search_tables *tables;
    const struct index_question *question;
    struct arena *arena;
    struct noted noted;
    struct search_found *founds;
    size_t found_count;
    int64_t total;
    int64_t documents, documents_of_all; /* in segments: that may match, and of all environments */
};

/* ---- rows that no segment has as they are ---- */

static bool row_matches(const struct finding *finding, sqlite3_stmt *statement)
{
    const struct index_question *question = finding->question;

    if (sqlite3_column_type(statement, SEARCH_NOTED_SCOPE) == SQLITE_NULL ||
        (text_is_set(question->status) &&
         !text_equal(search_text(statement, SEARCH_NOTED_STATUS), question->status)))
        return false;
    for (size_t i = 0; i < question->condition_count; i++) {
        const struct index_condition *condition = &question->conditions[i];
        unsigned number = search_field_number(question->entity, condition->field);
        struct text text = search_text(statement, SEARCH_NOTED_TEXTS + (int)number);

        if (!case_fold_matches(text, condition->folded, condition->place))
            return false;
    }
    return true;
}

static int by_place(const void *a, const void *b)
{
    return search_place_compare(a, b);
}

static int by_key(const void *a, const void *b)
{
    int64_t one = ((const struct noted_place *)a)->place.key,
            other = ((const struct noted_place *)b)->place.key;

    return (one > other) - (one < other);
}

static bool has_noted(const struct noted *noted, int64_t key)
{
    const struct noted_place sought = {.place.key = key};

    return noted->old_count > 0 && bsearch(&sought, noted->old, noted->old_count, sizeof sought, by_key);
}

static void take_noted(struct finding *finding, sqlite3_stmt *statement)
{
    struct noted *noted = &finding->noted;
    int64_t key = sqlite3_column_int64(statement, SEARCH_NOTED_KEY),
            scope = sqlite3_column_int64(statement, SEARCH_NOTED_OLD_SCOPE);

    if (scope != finding->question->scope)
        return;
    if (!sqlite3_column_int(statement, SEARCH_NOTED_IS_NEW))
        noted->old[noted->old_count++].place = (struct search_place){
            scope, arena_copy(finding->arena, search_text(statement, SEARCH_NOTED_OLD_STATUS)),
            sqlite3_column_int64(statement, SEARCH_NOTED_OLD_CREATED), key};
    if (row_matches(finding, statement))
        noted->now[noted->now_count++] = (struct search_place){
            scope, arena_copy(finding->arena, search_text(statement, SEARCH_NOTED_STATUS)),
            sqlite3_column_int64(statement, SEARCH_NOTED_CREATED), key};
}

/* *is_few is false when there are too many to look at. */
static bool read_noted(struct finding *finding, bool *is_few)
{
    struct noted *noted = &finding->noted;
    sqlite3_stmt *statement =
        SEARCH_STATEMENT(finding->tables, SEARCH_NOTED, finding->question->scope, NOTED_MAX + 1);
    size_t count = 0, capacity = 0;
    int code = SQLITE_ERROR;

    while (statement && count <= NOTED_MAX && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        if (count++ == capacity) {
            struct noted_place *old = noted->old;
            struct search_place *now = noted->now;

            capacity = capacity ? capacity * 4 : 64;
            noted->old = ARENA_ARRAY(finding->arena, struct noted_place, capacity);
            noted->now = ARENA_ARRAY(finding->arena, struct search_place, capacity);
            if (noted->old_count)
                memcpy(noted->old, old, noted->old_count * sizeof *old);
            if (noted->now_count)
                memcpy(noted->now, now, noted->now_count * sizeof *now);
        }
        take_noted(finding, statement);
        search_offer(finding->tables);
    }
    *is_few = count <= NOTED_MAX;
    if (noted->old_count)
        qsort(noted->old, noted->old_count, sizeof *noted->old, by_key);
    if (noted->now_count)
        qsort(noted->now, noted->now_count, sizeof *noted->now, by_place);
    return statement && search_end(statement, code);
}

/* ---- what segments have ---- */

/* Where the segment has a noted row as it was before; *is_there is false when it has not, or when another one
 * has it: in one segment only it is not void. */
static bool find_old(struct finding *finding, const struct search_found *found, struct noted_place *old,
                     uint32_t *number, bool *is_there)
{
    *is_there = false;
    if (old->is_found || !text_equal(old->place.status, found->status))
        return true;
    search_offer(finding->tables);
    return search_documents_find(finding->tables, found->segment->number, &old->place, number, is_there);
}

static enum index_result count_all(struct finding *finding, struct search_found *found)
{
    if (!search_void_read(finding->tables, found->segment, &found->voided))
        return INDEX_FAILED;
    for (size_t i = 0; i < finding->noted.old_count; i++) {
        struct noted_place *old = &finding->noted.old[i];
        uint32_t number;
        bool is_there;

        if (!find_old(finding, found, old, &number, &is_there))
            return INDEX_FAILED;
        if (!is_there || number >= found->voided.count || search_bit(&found->voided, number))
            continue;
        search_bits_set(&found->voided, number);
        old->is_found = true;
    }
    found->size = found->end - found->first;
    finding->total += found->size - search_bits_count(&found->voided, found->first, found->end);
    return INDEX_ANSWERED;
}

/* Few were found: each one tells whether its row is noted. */
static bool remove_noted_by_key(struct finding *finding, struct search_found *found)
{
    struct search_documents documents = {0};
    size_t kept = 0;

    for (size_t i = 0; i < found->numbers.count; i++) {
        uint32_t number = found->numbers.numbers[i];

        search_offer(finding->tables);
        if (number - documents.first >= documents.count &&
            !search_documents_read(finding->tables, found->segment->number, number, &documents))
            return false;
        struct search_place place = search_document(&documents, number - documents.first);

        if (!has_noted(&finding->noted, place.key))
            found->numbers.numbers[kept++] = number;
    }
    found->numbers.count = kept;
    return true;
}

static int by_number(const void *a, const void *b)
{
    uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;

    return (one > other) - (one < other);
}

/* Many were found: each noted row tells where it was. */
static bool remove_noted_by_place(struct finding *finding, struct search_found *found)
{
    uint32_t *numbers = ARENA_ARRAY(finding->arena, uint32_t, finding->noted.old_count);
    size_t count = 0, next = 0, kept = 0;

    for (size_t i = 0; i < finding->noted.old_count; i++) {
        bool is_there;

        if (!find_old(finding, found, &finding->noted.old[i], &numbers[count], &is_there))
            return false;
        count += is_there;
    }
    if (count)
        qsort(numbers, count, sizeof *numbers, by_number);
    for (size_t i = 0; i < found->numbers.count; i++) {
        uint32_t number = found->numbers.numbers[i];

        if (i % SEARCH_NUMBERS_BETWEEN_OFFERS == 0)
            search_offer(finding->tables);
        while (next < count && numbers[next] < number)
            next++;
        if (next == count || numbers[next] != number)
            found->numbers.numbers[kept++] = number;
    }
    found->numbers.count = kept;
    return true;
}

static bool remove_void(struct finding *finding, struct search_found *found)
{
    if (!search_void_remove(finding->tables, found->segment, found->numbers.numbers, &found->numbers.count))
        return false;
    return found->numbers.count <= finding->noted.old_count ? remove_noted_by_key(finding, found)
                                                            : remove_noted_by_place(finding, found);
}

static enum index_result find_in_range(struct finding *finding, struct search_found *found)
{
    const struct index_question *question = finding->question;

    if (question->condition_count == 0)
        return count_all(finding, found);
    enum index_result result =
        search_postings(finding->tables, found->segment, question->conditions, question->condition_count,
                        found->first, found->end, &found->numbers);

    if (result == INDEX_ANSWERED && !remove_void(finding, found))
        result = INDEX_FAILED;
    found->has_numbers = true;
    found->size = (int64_t)found->numbers.count;
    finding->total += found->size;
    return result;
}

/* Where the segment has the rows of a status. */
static bool add_range(struct finding *finding, const struct search_segment *segment, struct text status)
{
    struct search_found *found = &finding->founds[finding->found_count];

    found->segment = segment;
    found->status = status;
    if (!search_documents_range(finding->tables, segment->number, finding->question->scope, status,
                                &found->first, &found->end) ||
        found->end > segment->document_count)
        return false;
    finding->found_count += found->first < found->end;
    finding->documents += found->end - found->first;
    return true;
}

static bool add_ranges(struct finding *finding, const struct search_segment *segment)
{
    finding->documents_of_all += segment->document_count;
    if (text_is_set(finding->question->status))
        return add_range(finding, segment, finding->question->status);
    for (const struct text *status = entity_statuses; status->data; status++)
        if (!add_range(finding, segment, *status))
            return false;
    return true;
}

/* A row of one environment is read in the time that it takes to read a short text's terms in so many
 * documents of all of them. */
static bool is_worth_it(const struct finding *finding)
{
    const int64_t row_documents = 300;

    for (size_t i = 0; i < finding->question->condition_count; i++)
        if (search_is_short(&finding->question->conditions[i]) &&
            finding->documents < finding->documents_of_all / row_documents)
            return false;
    return true;
}

static void add_noted(struct finding *finding)
{
    if (finding->noted.now_count == 0)
        return;
    finding->founds[finding->found_count++] = (struct search_found){
        .places = finding->noted.now,
        .size = (int64_t)finding->noted.now_count,
    };
    finding->total += (int64_t)finding->noted.now_count;
}

static unsigned status_count(void)
{
    unsigned count = 0;

    while (entity_statuses[count].data)
        count++;
    return count;
}

static enum index_result find_all(struct finding *finding)
{
    struct search_segment *segments;
    enum index_result result = INDEX_ANSWERED;
    size_t count;

    if (!search_segments(finding->tables, SEARCH_LIVE, finding->arena, &segments, &count))
        return INDEX_FAILED;
    finding->founds = ARENA_ARRAY(finding->arena, struct search_found, count * status_count() + 2);
    for (size_t i = 0; i < count; i++)
        if (!add_ranges(finding, &segments[i]))
            return INDEX_FAILED;
    if (!is_worth_it(finding))
        return INDEX_NO_HELP;
    for (size_t i = 0; result == INDEX_ANSWERED && i < finding->found_count; i++)
        result = find_in_range(finding, &finding->founds[i]);
    add_noted(finding);
    return result;
}

static void free_found(struct finding *finding)
{
    for (size_t i = 0; i < finding->found_count; i++) {
        search_numbers_free(&finding->founds[i].numbers);
        search_bits_free(&finding->founds[i].voided);
    }
}

/* ---- the answer ---- */

/* Keys and when their rows were created. */
struct keys {
    struct arena *arena;
    int64_t *keys, *instants;
    size_t count, capacity;
};

static int64_t *larger(struct arena *arena, const int64_t *old, size_t count, size_t capacity)
{
    int64_t *items = ARENA_ARRAY(arena, int64_t, capacity);

    if (count)
        memcpy(items, old, count * sizeof *old);
    return items;
}

static void add_key(struct keys *keys, const struct search_place *place)
{
    if (keys->count == keys->capacity) {
        keys->capacity = keys->capacity ? keys->capacity * 2 : 128;
        keys->keys = larger(keys->arena, keys->keys, keys->count, keys->capacity);
        keys->instants = larger(keys->arena, keys->instants, keys->count, keys->capacity);
    }
    keys->keys[keys->count] = place->key;
    keys->instants[keys->count++] = place->created_at_us;
}

/* Takes `count` keys from where the walks are, and those of the same instant as the last of them. */
static bool take_keys(struct search_walks *walks, int64_t count, struct keys *keys)
{
    struct search_place place;
    bool is_there;

    for (;; search_walks_pass(walks)) {
        if (!search_walks_look(walks, &place, &is_there))
            return false;
        if (!is_there ||
            ((int64_t)keys->count >= count && place.created_at_us != keys->instants[keys->count - 1]))
            return true;
        add_key(keys, &place);
    }
}

static int by_value(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;

    return (one > other) - (one < other);
}

/* Keys of one instant into the order of their rows, which the table's index of creation tells. */
static bool order_ties(const struct finding *finding, int64_t *keys, size_t count, int64_t created_at_us)
{
    const struct index_question *question = finding->question;
    sqlite3_stmt *statement =
        SEARCH_STATEMENT(finding->tables, question->is_descending ? SEARCH_TIES_DESCENDING : SEARCH_TIES,
                         question->scope, created_at_us);
    int64_t *sorted = larger(finding->arena, keys, count, count);
    size_t found = 0;
    int code = SQLITE_ERROR;

    if (!statement)
        return false;
    qsort(sorted, count, sizeof *sorted, by_value);
    sqlite3_bind_text(statement, 3, question->status.data, (int)question->status.length, SQLITE_STATIC);
    while (found < count && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t key = sqlite3_column_int64(statement, 0);

        if (bsearch(&key, sorted, count, sizeof *sorted, by_value))
            keys[found++] = key;
    }
    return search_end(statement, code) && found == count;
}

/* Those of the first instant and of the last one, which the page may begin and end amid. */
static bool order_ends(const struct finding *finding, const struct keys *keys)
{
    size_t first_end = 1, last = keys->count;

    while (first_end < keys->count && keys->instants[first_end] == keys->instants[0])
        first_end++;
    while (last > first_end && keys->instants[last - 1] == keys->instants[keys->count - 1])
        last--;
    return (first_end < 2 || order_ties(finding, keys->keys, first_end, keys->instants[0])) &&
           (keys->count - last < 2 ||
            order_ties(finding, keys->keys + last, keys->count - last, keys->instants[keys->count - 1]));
}

static bool take_page(struct search_walks *walks, const struct finding *finding, struct index_answer *answer)
{
    const struct index_question *question = finding->question;
    struct keys keys = {.arena = finding->arena};

    if (answer->created_at_us == INSTANT_UNSET || question->limit <= 0)
        return true;
    if (!take_keys(walks, answer->skip + question->limit, &keys) || keys.count < (size_t)answer->skip ||
        !order_ends(finding, &keys))
        return false;
    answer->keys = keys.keys + answer->skip;
    answer->key_count = keys.count - (size_t)answer->skip;
    if (answer->key_count > (size_t)question->limit)
        answer->key_count = (size_t)question->limit;
    return true;
}

static bool take(struct finding *finding, struct index_answer *answer, bool *is_few)
{
    const struct index_question *question = finding->question;
    struct keys keys = {.arena = finding->arena};
    struct search_walks walks;

    *answer = (struct index_answer){.total = finding->total};
    search_walks_begin(&walks, finding->tables, question->is_descending, finding->founds,
                       finding->found_count, finding->arena);
    if (question->wish != INDEX_KEYS)
        return search_walks_go_to(&walks, question->offset, &answer->created_at_us, &answer->skip) &&
               (question->wish == INDEX_PLACE || take_page(&walks, finding, answer));
    *is_few = finding->total <= question->keys_max;
    if (*is_few && !take_keys(&walks, INT64_MAX, &keys))
        return false;
    answer->keys = keys.keys;
    answer->key_count = keys.count;
    return true;
}

/* The question without the conditions that the index knows nothing of. */
static struct index_question answerable(const struct index_question *question, struct arena *arena)
{
    struct index_question asked = *question;
    struct index_condition *conditions =
        ARENA_ARRAY(arena, struct index_condition, question->condition_count + 1);

    asked.conditions = conditions;
    asked.condition_count = 0;
    for (size_t i = 0; i < question->condition_count; i++)
        if (search_can_find(&question->conditions[i]))
            conditions[asked.condition_count++] = question->conditions[i];
    return asked;
}

enum index_result sqlite_ask_index(struct connection *connection, const struct index_question *question,
                                   struct arena *arena, struct index_answer *answer)
{
    const struct index_question asked = answerable(question, arena);
    struct finding finding = {
        .tables = search_tables_of(connection, question->entity),
        .question = &asked,
        .arena = arena,
    };
    bool is_few = true;

    if (asked.wish == INDEX_KEYS ? asked.condition_count == 0
                                 : asked.condition_count < question->condition_count)
        return INDEX_NO_HELP;
    if (!read_noted(&finding, &is_few))
        return INDEX_FAILED;
    if (!is_few)
        return INDEX_NO_HELP;
    enum index_result result = find_all(&finding);

    if (result == INDEX_ANSWERED && !take(&finding, answer, &is_few))
        result = INDEX_FAILED;
    free_found(&finding);
    if (result == INDEX_FAILED && search_is_damaged(finding.tables))
        return INDEX_NO_HELP;
    return is_few ? result : INDEX_NO_HELP;
}

/* Following an index to each row takes about twice as long. */
bool sqlite_reads_whole(struct connection *connection, const struct entity *entity, const struct scope *scope,
                        struct text status)
{
    struct search_tables *tables = search_tables_of(connection, entity);
    sqlite3_stmt *statement = SEARCH_STATEMENT(tables, SEARCH_IS_MOST, scope->number);

    if (!text_is_set(status))
        status = text_empty;
    if (statement)
        sqlite3_bind_text(statement, 2, status.data, (int)status.length, SQLITE_STATIC);
    bool is_most =
        statement && sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_int(statement, 0) != 0;

    sqlite3_reset(statement);
    return is_most;
}
