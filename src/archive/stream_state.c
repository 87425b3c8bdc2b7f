#include "archive/stream_state.h"

#include "base/file.h"
#include "json/reader.h"
#include "json/writer.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORMAT = 1, STATE_BYTES_MAX = 64 * 1024 };

/* ---- members ---- */

static const struct {
    const char *name;
    size_t offset;
    bool is_word; /* uint32_t; else int64_t */
} numbers[] = {
    {"next_segment", offsetof(struct stream_state, next_segment), false},
    {"last_base_at_us", offsetof(struct stream_state, last_base_at), false},
    {"log_frames", offsetof(struct stream_state, position.frames), false},
    {"log_salt_1", offsetof(struct stream_state, position.salts[0]), true},
    {"log_salt_2", offsetof(struct stream_state, position.salts[1]), true},
    {"log_checksum_1", offsetof(struct stream_state, position.checksums[0]), true},
    {"log_checksum_2", offsetof(struct stream_state, position.checksums[1]), true},
    {"inode", offsetof(struct stream_state, inode), false},
    {"bytes", offsetof(struct stream_state, bytes), false},
    {"modified_ns", offsetof(struct stream_state, modified_ns), false},
};

enum { NUMBER_COUNT = sizeof numbers / sizeof numbers[0] };

static const char *const follow_names[] = {
    [FOLLOW_FROM_NOW] = "now", [FOLLOW_FROM_REST] = "rest", [FOLLOW_FROM_POSITION] = "position"};

static bool read_numbers(const struct json_value *object, struct stream_state *state)
{
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        void *member = (char *)state + numbers[i].offset;
        int64_t number;

        if (!json_member_int64(object, text_from_string(numbers[i].name), &number))
            return false;
        if (numbers[i].is_word)
            *(uint32_t *)member = (uint32_t)number;
        else
            *(int64_t *)member = number;
    }
    return true;
}

static void write_numbers(struct json_writer *writer, const struct stream_state *state)
{
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        const void *member = (const char *)state + numbers[i].offset;

        json_put_int64(writer, text_from_string(numbers[i].name),
                       numbers[i].is_word ? *(const uint32_t *)member : *(const int64_t *)member);
    }
}

static bool read_state(const struct json_value *object, struct stream_state *state)
{
    struct text follows = json_member_text(object, TEXT("follows"));
    int64_t format;

    state->place = json_member_text(object, TEXT("place"));
    state->stream = json_member_text(object, TEXT("stream"));
    state->writer = json_member_text(object, TEXT("writer"));
    for (size_t i = 0; i < sizeof follow_names / sizeof follow_names[0]; i++)
        if (text_equal(follows, text_from_string(follow_names[i])))
            state->follows = (enum follow_from)i;
    return json_member_int64(object, TEXT("format"), &format) && format == FORMAT &&
           read_numbers(object, state);
}

/* ---- the whole ---- */

static bool is_without_log(const char *database_path)
{
    struct stat status;
    char *path;

    if (asprintf(&path, "%s-wal", database_path) < 0)
        abort();
    bool is_without = stat(path, &status) != 0 ? errno == ENOENT : status.st_size == 0;

    free(path);
    return is_without;
}

bool stream_state_rest(struct stream_state *state, const char *database_path)
{
    struct stat status;

    if (stat(database_path, &status) != 0 || !is_without_log(database_path))
        return false;
    state->follows = FOLLOW_FROM_REST;
    state->inode = (int64_t)status.st_ino;
    state->bytes = status.st_size;
    state->modified_ns = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
    return true;
}

static bool is_as_it_was(const struct stream_state *state, const char *database_path)
{
    struct stream_state now = {0};

    return stream_state_rest(&now, database_path) && now.inode == state->inode && now.bytes == state->bytes &&
           now.modified_ns == state->modified_ns;
}

struct stream_state stream_state_read(const char *path, struct text place, const char *database_path,
                                      struct arena *arena)
{
    struct text content = file_content(path, STATE_BYTES_MAX, arena);
    struct stream_state state = {0};
    struct json_error error;
    const struct json_value *object = text_is_set(content) ? json_read(arena, content, &error) : NULL;

    if (!object || object->type != JSON_OBJECT || !read_state(object, &state) ||
        !text_equal(state.place, place) || state.stream.length == 0)
        state = (struct stream_state){.stream = text_none};
    if (state.follows == FOLLOW_FROM_REST && !is_as_it_was(&state, database_path))
        state.follows = FOLLOW_FROM_NOW;
    state.place = place;
    return state;
}

bool stream_state_write(const char *path, const struct stream_state *state)
{
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    json_put_int64(&writer, TEXT("format"), FORMAT);
    json_put_string(&writer, TEXT("place"), state->place);
    json_put_string(&writer, TEXT("stream"), state->stream);
    json_put_string(&writer, TEXT("writer"), state->writer);
    json_put_string(&writer, TEXT("follows"), text_from_string(follow_names[state->follows]));
    write_numbers(&writer, state);
    json_end_object(&writer);
    buffer_append_char(&buffer, '\n');
    bool is_written = file_replace(path, buffer_text(&buffer));
    int why = errno;

    buffer_free(&buffer);
    errno = why;
    return is_written;
}
