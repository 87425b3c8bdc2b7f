/* Our JSON reader against jansson (support/json_compare.h) on documents made by a generator, on the same
 * documents damaged, and on the fuzzer's corpus.
 *
 * JSON_DIFFERENTIAL_SEED=<number> replaces the seed, JSON_DIFFERENTIAL_ROUNDS=<number> the number of
 * generated documents. Both are printed, so that a failure can be repeated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "support/json_compare.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEED = 8259,
    ROUNDS = 6000,
    DAMAGED_PER_ROUND = 12,
    DAMAGES_MAX = 3, /* of one document */
    GENERATED_DEPTH_MAX = 6,
    PARTS_MAX = 5, /* of an array, object or string */
    CORPUS_FILES_MIN = 24,
};

static uint64_t random_state;

/* splitmix64: the same numbers on every machine. */
static uint64_t random_number(void)
{
    uint64_t number = random_state += UINT64_C(0x9E3779B97F4A7C15);

    number = (number ^ number >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    number = (number ^ number >> 27) * UINT64_C(0x94D049BB133111EB);
    return number ^ number >> 31;
}

static size_t below(size_t limit)
{
    return random_number() % limit;
}

static struct text pick(const struct text *texts, size_t count)
{
    return texts[below(count)];
}

#define PICK(array) pick((array), sizeof(array) / sizeof *(array))

static void append_space(struct buffer *document)
{
    static const struct text spaces[] = {TEXT_LITERAL(" "), TEXT_LITERAL("\n"), TEXT_LITERAL("\r\n\t"),
                                         TEXT_LITERAL("    ")};

    if (below(4) == 0)
        buffer_append(document, PICK(spaces));
}

static void append_number(struct buffer *document)
{
    static const struct text numbers[] = {
        TEXT_LITERAL("0"),
        TEXT_LITERAL("-0"),
        TEXT_LITERAL("1.10"),
        TEXT_LITERAL("-0.0"),
        TEXT_LITERAL("1e3"),
        TEXT_LITERAL("1E-400"),
        TEXT_LITERAL("1e400"),
        TEXT_LITERAL("0.1e+007"),
        TEXT_LITERAL("9223372036854775807"),
        TEXT_LITERAL("9223372036854775808"),
        TEXT_LITERAL("123456789012345678901234567890"),
    };

    if (below(2))
        buffer_append(document, PICK(numbers));
    else
        buffer_append_int64(document, (int64_t)random_number() >> below(64));
}

static void append_string(struct buffer *document)
{
    static const struct text parts[] = {
        TEXT_LITERAL("a"),
        TEXT_LITERAL("name"),
        TEXT_LITERAL("{[,:]}"),
        TEXT_LITERAL("\\n"),
        TEXT_LITERAL("\\\""),
        TEXT_LITERAL("\\\\"),
        TEXT_LITERAL("\\/"),
        TEXT_LITERAL("\\u0041"),
        TEXT_LITERAL("\\uFfFf"),
        TEXT_LITERAL("\\u007f"),
        TEXT_LITERAL("\\ud83d\\uDE00"),
        TEXT_LITERAL("\xC3\xA9"),
        TEXT_LITERAL("\xE2\x82\xAC"),
        TEXT_LITERAL("\xF0\x9F\x98\x80"),
        TEXT_LITERAL("\x7F"),
        TEXT_LITERAL("a text that is longer than one block of sixteen bytes"),
    };

    buffer_append_char(document, '"');
    for (size_t count = below(PARTS_MAX); count > 0; count--)
        buffer_append(document, PICK(parts));
    buffer_append_char(document, '"');
}

static void append_value(struct buffer *document, unsigned depth);

static void append_container(struct buffer *document, unsigned depth, bool is_object)
{
    buffer_append_char(document, is_object ? '{' : '[');
    for (size_t left = below(PARTS_MAX); left > 0; left--) {
        append_space(document);
        if (is_object) {
            append_string(document);
            append_space(document);
            buffer_append_char(document, ':');
        }
        append_value(document, depth + 1);
        if (left > 1)
            buffer_append_char(document, ',');
    }
    append_space(document);
    buffer_append_char(document, is_object ? '}' : ']');
}

/* Appends a value with space around it. */
static void append_value(struct buffer *document, unsigned depth)
{
    static const struct text literals[] = {TEXT_LITERAL("null"), TEXT_LITERAL("true"), TEXT_LITERAL("false")};
    /* A document is a single scalar only now and then. */
    size_t kind = depth == 0 && below(20) ? 5 + below(2) : below(depth < GENERATED_DEPTH_MAX ? 7 : 5);

    append_space(document);
    if (kind < 3)
        append_number(document);
    else if (kind == 3)
        buffer_append(document, PICK(literals));
    else if (kind == 4)
        append_string(document);
    else
        append_container(document, depth, kind == 5);
    append_space(document);
}

/* Puts `piece` in the place of `removed` bytes at `at`. */
static void splice(struct buffer *document, size_t at, size_t removed, struct text piece)
{
    buffer_reserve(document, piece.length);
    memmove(document->data + at + piece.length, document->data + at + removed,
            document->length - at - removed);
    memcpy(document->data + at, piece.data, piece.length);
    document->length += piece.length - removed;
}

/* Flips, removes, inserts or repeats something at a random place. */
static void damage(struct buffer *document)
{
    static const struct text pieces[] = {
        TEXT_LITERAL("["),
        TEXT_LITERAL("]"),
        TEXT_LITERAL("{"),
        TEXT_LITERAL("}"),
        TEXT_LITERAL(","),
        TEXT_LITERAL(":"),
        TEXT_LITERAL("\""),
        TEXT_LITERAL("\\"),
        TEXT_LITERAL("0"),
        TEXT_LITERAL("-"),
        TEXT_LITERAL("."),
        TEXT_LITERAL("e"),
        TEXT_LITERAL("\\ud800"),
        TEXT_LITERAL("\\udc00"),
        TEXT_LITERAL("\\u0000"),
        TEXT_LITERAL("\\u12"),
        TEXT_LITERAL("\xED\xA0\x80"),
        TEXT_LITERAL("\xC0\x80"),
        TEXT_LITERAL("\xF4\x90\x80\x80"),
        TEXT_LITERAL("\xEF\xBB\xBF"),
        TEXT_LITERAL("\xE2\x82"),
        TEXT_LITERAL("\0"),
        TEXT_LITERAL("\x0B"),
        TEXT_LITERAL("\n"),
        TEXT_LITERAL("/**/"),
        TEXT_LITERAL("null"),
        TEXT_LITERAL("NaN"),
        TEXT_LITERAL("\"k\":"),
        TEXT_LITERAL("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["),
    };
    size_t at = below(document->length + 1);
    size_t rest = document->length - at;
    char copy[16];
    struct text repeated = {copy, rest < sizeof copy ? rest : sizeof copy};

    switch (below(5)) {
    case 0:
        if (rest)
            document->data[at] = (char)(document->data[at] ^ 1 << below(8));
        break;
    case 1:
        splice(document, at, rest < 3 ? rest : 1 + below(3), text_empty);
        break;
    case 2:
        splice(document, at, rest ? below(2) : 0, PICK(pieces));
        break;
    case 3:
        memcpy(copy, document->data + at, repeated.length);
        splice(document, below(document->length + 1), 0, repeated);
        break;
    default:
        if (below(4) == 0)
            document->length = at;
        break;
    }
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);
    uint64_t number;

    if (!value)
        return otherwise;
    if (!text_to_uint64(text_from_string(value), &number))
        fail_msg("%s must be a number", name);
    return number;
}

/* Compares a copy that ends where its memory ends, so that the sanitizer sees a read beyond it. */
static void compare(const struct buffer *document, size_t *verdicts)
{
    char *copy = malloc(document->length ? document->length : 1);

    assert_non_null(copy);
    memcpy(copy, document->data, document->length);
    enum json_verdict verdict = json_compare((struct text){copy, document->length});

    free(copy);
    if (verdict == JSON_DISAGREE)
        fail();
    verdicts[verdict]++;
}

static void generated_documents(void **state)
{
    uint64_t seed = setting("JSON_DIFFERENTIAL_SEED", SEED);
    uint64_t rounds = setting("JSON_DIFFERENTIAL_ROUNDS", ROUNDS);
    size_t whole[JSON_DISAGREE] = {0}, damaged[JSON_DISAGREE] = {0};
    struct buffer document, copy;

    (void)state;
    print_message("JSON_DIFFERENTIAL_SEED=%" PRIu64 " JSON_DIFFERENTIAL_ROUNDS=%" PRIu64 "\n", seed, rounds);
    random_state = seed;
    buffer_init(&document);
    buffer_init(&copy);
    for (uint64_t round = 0; round < rounds; round++) {
        buffer_clear(&document);
        append_value(&document, 0);
        compare(&document, whole);
        for (size_t i = 0; i < DAMAGED_PER_ROUND; i++) {
            buffer_clear(&copy);
            buffer_append(&copy, buffer_text(&document));
            for (size_t damages = 1 + below(DAMAGES_MAX); damages > 0; damages--)
                damage(&copy);
            compare(&copy, damaged);
        }
    }
    buffer_free(&document);
    buffer_free(&copy);
    print_message("whole: %zu accepted, %zu with a known difference; damaged: %zu accepted, %zu refused, %zu "
                  "with a known difference\n",
                  whole[JSON_BOTH_ACCEPT], whole[JSON_KNOWN_DIFFERENCE], damaged[JSON_BOTH_ACCEPT],
                  damaged[JSON_BOTH_REFUSE], damaged[JSON_KNOWN_DIFFERENCE]);
    assert_int_equal(whole[JSON_BOTH_REFUSE], 0);
    /* The generator is worth its time only while it makes enough of both kinds. */
    assert_true(whole[JSON_BOTH_ACCEPT] > rounds / 2);
    assert_true(damaged[JSON_BOTH_ACCEPT] > rounds);
    assert_true(damaged[JSON_BOTH_REFUSE] > rounds);
}

static void read_file(struct buffer *content, const char *path)
{
    FILE *file = fopen(path, "rb");
    char block[4096];
    size_t length;

    assert_non_null(file);
    buffer_clear(content);
    while ((length = fread(block, 1, sizeof block, file)) > 0)
        buffer_append_bytes(content, block, length);
    assert_int_equal(ferror(file), 0);
    fclose(file);
}

static void corpus(void **state)
{
    DIR *directory = opendir(JSON_CORPUS);
    size_t verdicts[JSON_DISAGREE] = {0}, files = 0;
    struct buffer content;

    (void)state;
    assert_non_null(directory);
    buffer_init(&content);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[sizeof JSON_CORPUS + sizeof entry->d_name];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", JSON_CORPUS, entry->d_name);
        read_file(&content, path);
        compare(&content, verdicts);
        files++;
    }
    closedir(directory);
    buffer_free(&content);
    assert_true(files >= CORPUS_FILES_MIN);
    assert_true(verdicts[JSON_BOTH_ACCEPT] > 0);
    assert_true(verdicts[JSON_BOTH_REFUSE] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generated_documents),
        cmocka_unit_test(corpus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
