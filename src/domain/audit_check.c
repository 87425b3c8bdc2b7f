#include "domain/audit_check.h"

#include "base/instant.h"

#include <stdlib.h>

struct hash {
    char bytes[SHA256_HEX_LENGTH];
    size_t length;
};

struct head {
    bool is_there;
    int64_t position, first_position, last_sequence;
    struct hash hash, first_hash;
};

struct chain {
    int64_t number;
    struct head before, after; /* the rows were read */
    int64_t next_position;
    struct hash stored, computed; /* of the row before: as it has it, and as it should have it */
    bool is_previous_known;       /* not behind a gap */
    int64_t row_count;
    int64_t first_position, first_sequence, first_occurred_at; /* of the first row; 0: none was read */
    int64_t newest_position, newest_sequence;                  /* of rows that are not in the first head */
};

struct expectation {
    int64_t chain, position;
    struct hash hash;
};

struct audit_check {
    struct chain *chains;
    size_t chain_count;
    struct expectation *expectations;
    size_t expectation_count;
    struct audit_finding *findings;
    size_t finding_count, kept_count;
    int64_t row_count, uncomparable_count;
    int64_t since, oldest_row; /* audit_check_since; the oldest row's instant */
};

struct audit_check *audit_check_new(void)
{
    struct audit_check *check = calloc(1, sizeof *check);

    if (!check || !(check->findings = calloc(AUDIT_FINDINGS_MAX, sizeof *check->findings)))
        abort();
    check->since = INSTANT_UNSET;
    check->oldest_row = INSTANT_MAX_US;
    return check;
}

void audit_check_free(struct audit_check *check)
{
    free(check->chains);
    free(check->expectations);
    free(check->findings);
    free(check);
}

/* A zeroed element at the end of an array. */
static void *grow(void *array, size_t *count, size_t size)
{
    char *grown = realloc(array, (*count + 1) * size);

    if (!grown)
        abort();
    memset(grown + *count * size, 0, size);
    ++*count;
    return grown;
}

static struct chain *find_chain(const struct audit_check *check, int64_t number)
{
    for (size_t i = 0; i < check->chain_count; i++)
        if (check->chains[i].number == number)
            return &check->chains[i];
    return NULL;
}

static struct chain *make_chain(struct audit_check *check, int64_t number)
{
    struct chain *chain = find_chain(check, number);

    if (chain)
        return chain;
    check->chains = grow(check->chains, &check->chain_count, sizeof *check->chains);
    chain = &check->chains[check->chain_count - 1];
    chain->number = number;
    return chain;
}

/* Of what somebody may have stored in the place of a hash, no more than a hash has. */
static struct hash hash_of(struct text text)
{
    struct hash hash = {.length = text.length < SHA256_HEX_LENGTH ? text.length : SHA256_HEX_LENGTH};

    if (hash.length)
        memcpy(hash.bytes, text.data, hash.length);
    return hash;
}

static bool is_equal(const struct hash *a, const struct hash *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

static void find(struct audit_check *check, struct audit_finding finding)
{
    check->finding_count++;
    if (check->kept_count < AUDIT_FINDINGS_MAX)
        check->findings[check->kept_count++] = finding;
}

/* ---- heads ---- */

static struct head head_of(const struct audit_chain_row *row)
{
    return (struct head){
        .is_there = true,
        .position = row->position,
        .first_position = row->first_position,
        .last_sequence = row->last_sequence,
        .hash = hash_of(row->hash),
        .first_hash = hash_of(row->first_hash),
    };
}

void audit_check_head(struct audit_check *check, const struct audit_chain_row *head)
{
    struct chain *chain = make_chain(check, head->chain);

    chain->before = head_of(head);
    chain->next_position = head->first_position;
    chain->stored = chain->computed = chain->before.first_hash;
    chain->is_previous_known = true;
}

void audit_check_head_again(struct audit_check *check, const struct audit_chain_row *head)
{
    make_chain(check, head->chain)->after = head_of(head);
}

void audit_check_expect(struct audit_check *check, int64_t chain, int64_t position, struct text hash)
{
    check->expectations = grow(check->expectations, &check->expectation_count, sizeof *check->expectations);
    check->expectations[check->expectation_count - 1] =
        (struct expectation){.chain = chain, .position = position, .hash = hash_of(hash)};
}

/* ---- rows ---- */

static struct hash link_from(const struct hash *previous, const struct audit_link *row)
{
    struct hash hash = {.length = SHA256_HEX_LENGTH};

    audit_link((struct text){previous->bytes, previous->length}, row->digest, hash.bytes);
    return hash;
}

/* When the row before has lost its hash, but not its values, that one is named, and not this one as well. */
static bool is_linked(struct chain *chain, const struct audit_link *row, const struct hash *stored)
{
    struct hash from_stored = link_from(&chain->stored, row),
                from_computed = link_from(&chain->computed, row);

    chain->computed = is_equal(&from_computed, stored) ? from_computed : from_stored;
    return is_equal(&from_stored, stored) || is_equal(&from_computed, stored);
}

/* Rows of before there were hashes have their numbers alone. */
static bool is_unhashed(const struct chain *chain, const struct audit_link *row)
{
    return row->hash.length == 0 && row->sequence <= chain->before.last_sequence;
}

static void compare_expectations(struct audit_check *check, int64_t chain, int64_t position, int64_t sequence,
                                 const struct hash *stored)
{
    for (size_t i = 0; i < check->expectation_count; i++) {
        const struct expectation *expected = &check->expectations[i];

        if (expected->chain == chain && expected->position == position && !is_equal(&expected->hash, stored))
            find(check, (struct audit_finding){AUDIT_REWRITTEN, sequence, chain, position, position});
    }
}

static void check_next(struct audit_check *check, struct chain *chain, const struct audit_link *row)
{
    struct hash stored = hash_of(row->hash);
    bool is_right = chain->number == AUDIT_CHAIN_UNHASHED
                        ? is_unhashed(chain, row)
                        : !chain->is_previous_known || is_linked(chain, row, &stored);

    if (!is_right)
        find(check, (struct audit_finding){AUDIT_ROW_CHANGED, row->sequence, chain->number, row->position,
                                           row->position});
    compare_expectations(check, chain->number, row->position, row->sequence, &stored);
    if (!chain->first_position) {
        chain->first_position = row->position;
        chain->first_sequence = row->sequence;
        chain->first_occurred_at = row->occurred_at;
    }
    if (!chain->is_previous_known)
        chain->computed = stored;
    chain->stored = stored;
    chain->is_previous_known = true;
    chain->next_position = row->position + 1;
}

void audit_check_row(struct audit_check *check, const struct audit_link *row)
{
    struct chain *chain = find_chain(check, row->chain);

    check->row_count++;
    if (row->occurred_at < check->oldest_row)
        check->oldest_row = row->occurred_at;
    if (!chain) { /* unless it is new */
        find(check, (struct audit_finding){AUDIT_ROW_FOREIGN, row->sequence, row->chain, row->position,
                                           row->position});
        return;
    }
    chain->row_count++;
    if (row->position > chain->before.position) { /* unless it is new */
        if (row->position > chain->newest_position) {
            chain->newest_position = row->position;
            chain->newest_sequence = row->sequence;
        }
        return;
    }
    if (row->position < chain->next_position) {
        find(check, (struct audit_finding){AUDIT_ROW_EXTRA, row->sequence, row->chain, row->position,
                                           row->position});
        return;
    }
    if (row->position > chain->next_position) {
        find(check, (struct audit_finding){AUDIT_ROWS_MISSING, 0, row->chain, chain->next_position,
                                           row->position - 1});
        chain->is_previous_known = false;
    }
    check_next(check, chain, row);
}

/* ---- the end ---- */

static void end_chain(struct audit_check *check, struct chain *chain)
{
    const struct head *before = &chain->before, *after = &chain->after;

    if (!before->is_there) /* it is new */
        return;
    if (!after->is_there) {
        find(check, (struct audit_finding){AUDIT_HEAD_CHANGED, 0, chain->number, before->position,
                                           before->position});
        return;
    }
    if (chain->next_position <= before->position)
        find(check, (struct audit_finding){AUDIT_ROWS_MISSING, 0, chain->number, chain->next_position,
                                           before->position});
    else if (!is_equal(&chain->stored, &before->hash) && !is_equal(&chain->computed, &before->hash))
        find(check, (struct audit_finding){AUDIT_HEAD_CHANGED, 0, chain->number, before->position,
                                           before->position});
    if (chain->newest_position > after->position)
        find(check, (struct audit_finding){AUDIT_ROW_EXTRA, chain->newest_sequence, chain->number,
                                           after->position + 1, chain->newest_position});
}

/* A head that was kept elsewhere is in its chain, or before what retention has left of it. */
static void end_expectation(struct audit_check *check, const struct expectation *expected)
{
    const struct chain *chain = find_chain(check, expected->chain);
    int64_t last_position = chain && chain->before.is_there ? chain->before.position : 0;
    int64_t first_position = chain ? chain->before.first_position : 1;

    if (last_position < expected->position)
        find(check, (struct audit_finding){AUDIT_CUT_OFF, 0, expected->chain, last_position + 1,
                                           expected->position});
    else if (expected->position > 0 && expected->position == first_position - 1)
        compare_expectations(check, expected->chain, expected->position, 0, &chain->before.first_hash);
    else if (expected->position > 0 && expected->position < first_position)
        check->uncomparable_count++;
}

/* Whether it was only that rows were written, or removed by retention, while they were read. */
static bool is_excused(const struct audit_check *check, struct audit_finding *finding)
{
    const struct chain *chain = find_chain(check, finding->chain);

    if (finding->fault == AUDIT_ROW_FOREIGN)
        return chain && chain->after.is_there && !chain->before.is_there &&
               finding->last_position <= chain->after.position;
    if (finding->fault != AUDIT_ROWS_MISSING || !chain || !chain->after.is_there ||
        finding->first_position >= chain->after.first_position)
        return false;
    finding->first_position = chain->after.first_position;
    return finding->first_position > finding->last_position;
}

static void drop_excused(struct audit_check *check)
{
    size_t kept = 0;

    for (size_t i = 0; i < check->kept_count; i++)
        if (!is_excused(check, &check->findings[i]))
            check->findings[kept++] = check->findings[i];
    check->finding_count -= check->kept_count - kept;
    check->kept_count = kept;
}

/* Of a chain that there was when the first heads were read. */
static int64_t marked_position(const struct chain *chain)
{
    return chain->after.first_position > chain->before.first_position ? chain->after.first_position
                                                                      : chain->before.first_position;
}

static bool has_marks(const struct audit_check *check)
{
    for (size_t i = 0; i < check->chain_count; i++)
        if (marked_position(&check->chains[i]) > 1)
            return true;
    return false;
}

void audit_check_since(struct audit_check *check, int64_t since)
{
    check->since = since;
}

/* A trail that was emptied, with its heads, begins anew with whatever is written next. Where rows are known
 * to be missing, these are named, and no mark would be. */
static void end_since(struct audit_check *check)
{
    if (check->finding_count == 0 && check->since != INSTANT_UNSET && check->since < check->oldest_row &&
        !has_marks(check))
        find(check, (struct audit_finding){.fault = AUDIT_UNACCOUNTED});
}

size_t audit_check_end(struct audit_check *check)
{
    for (size_t i = 0; i < check->chain_count; i++)
        end_chain(check, &check->chains[i]);
    for (size_t i = 0; i < check->expectation_count; i++)
        end_expectation(check, &check->expectations[i]);
    drop_excused(check);
    end_since(check);
    return check->finding_count;
}

const struct audit_finding *audit_check_findings(const struct audit_check *check, size_t *count)
{
    *count = check->kept_count;
    return check->findings;
}

struct text audit_fault_name(enum audit_fault fault)
{
    static const struct text names[] = {
        [AUDIT_ROW_CHANGED] = TEXT_LITERAL("changed"),
        [AUDIT_ROWS_MISSING] = TEXT_LITERAL("missing"),
        [AUDIT_ROW_EXTRA] = TEXT_LITERAL("extra"),
        [AUDIT_ROW_FOREIGN] = TEXT_LITERAL("foreign"),
        [AUDIT_HEAD_CHANGED] = TEXT_LITERAL("head_changed"),
        [AUDIT_REWRITTEN] = TEXT_LITERAL("rewritten"),
        [AUDIT_CUT_OFF] = TEXT_LITERAL("cut_off"),
        [AUDIT_UNACCOUNTED] = TEXT_LITERAL("unaccounted"),
    };

    return names[fault];
}

static struct audit_beginning beginning_of(const struct chain *chain)
{
    int64_t first_position = chain->first_position ? chain->first_position : chain->before.position + 1;
    struct audit_beginning beginning = {
        .chain = chain->number,
        .removed_count = first_position - 1,
        .row_count = chain->first_position ? chain->row_count : 0,
        .first_position = chain->first_position,
        .first_sequence = chain->first_sequence,
        .first_occurred_at = chain->first_occurred_at,
    };

    if (beginning.removed_count > 0)
        beginning.before =
            first_position <= marked_position(chain) ? AUDIT_BEFORE_RETENTION : AUDIT_BEFORE_UNACCOUNTED;
    return beginning;
}

bool audit_check_beginning(const struct audit_check *check, size_t index, struct audit_beginning *beginning)
{
    for (size_t i = 0; i < check->chain_count; i++)
        if (check->chains[i].before.is_there && index-- == 0) {
            *beginning = beginning_of(&check->chains[i]);
            return true;
        }
    return false;
}

bool audit_check_is_complete(const struct audit_check *check)
{
    struct audit_beginning beginning;
    bool is_complete = check->row_count > 0;

    for (size_t i = 0; audit_check_beginning(check, i, &beginning); i++)
        is_complete = is_complete && beginning.removed_count == 0;
    return is_complete;
}

int64_t audit_check_row_count(const struct audit_check *check)
{
    return check->row_count;
}

int64_t audit_check_chain_count(const struct audit_check *check)
{
    int64_t count = 0;

    for (size_t i = 0; i < check->chain_count; i++)
        count += check->chains[i].row_count > 0;
    return count;
}

int64_t audit_check_uncomparable_count(const struct audit_check *check)
{
    return check->uncomparable_count;
}
