#include "archive/layout.h"

#include "base/ulid.h"
#include "json/reader.h"
#include "json/writer.h"

#include <string.h>

enum { NUMBER_DIGITS = 10, INSTANT_DIGITS = 16, GROUP_DIGITS = 6 };

/* ---- making ---- */

struct text stream_name(struct text stream, struct arena *arena)
{
    return arena_format(arena, STREAM_PREFIX "%.*s", TEXT_FORMAT(stream));
}

struct text secrets_name(struct text stream, struct arena *arena)
{
    return arena_format(arena, "secrets/%.*s", TEXT_FORMAT(stream));
}

struct text base_prefix(struct text stream, struct arena *arena)
{
    return arena_format(arena, BASE_PREFIX "%.*s/", TEXT_FORMAT(stream));
}

struct text base_name(const struct base *base, const char *suffix, struct arena *arena)
{
    return arena_format(arena, "%.*s%0*lld-%0*lld-%0*lld%s",
                        TEXT_FORMAT(base_prefix(base->placed.stream, arena)), NUMBER_DIGITS,
                        (long long)base->first_segment, NUMBER_DIGITS, (long long)base->placed.number,
                        INSTANT_DIGITS, (long long)base->placed.instant, suffix);
}

struct text segment_prefix(struct text stream, struct arena *arena)
{
    return arena_format(arena, "segment/%.*s/", TEXT_FORMAT(stream));
}

struct text segment_group(struct text stream, int64_t group, struct arena *arena)
{
    return arena_format(arena, "%.*s%0*lld/", TEXT_FORMAT(segment_prefix(stream, arena)), GROUP_DIGITS,
                        (long long)group);
}

struct text segment_name(const struct placed *placed, struct arena *arena)
{
    return arena_format(
        arena, "%.*s%0*lld-%0*lld",
        TEXT_FORMAT(segment_group(placed->stream, placed->number / SEGMENTS_PER_GROUP, arena)), NUMBER_DIGITS,
        (long long)placed->number, INSTANT_DIGITS, (long long)placed->instant);
}

/* ---- reading ---- */

/* Takes what the text begins with off it. */
static bool take(struct text *rest, struct text what)
{
    bool is_there = text_starts_with(*rest, what);

    if (is_there)
        *rest = text_from(*rest, what.length);
    return is_there;
}

static bool take_stream(struct text *rest, struct text *stream)
{
    *stream = text_slice(*rest, 0, ULID_TEXT_LENGTH);
    if (stream->length != ULID_TEXT_LENGTH || text_find(*stream, '/') != stream->length)
        return false;
    *rest = text_from(*rest, ULID_TEXT_LENGTH);
    return true;
}

static bool take_digits(struct text *rest, size_t count, int64_t *number)
{
    struct text digits = text_slice(*rest, 0, count);

    if (digits.length != count || digits.data[0] == '-' || digits.data[0] == '+' ||
        !text_to_int64(digits, number))
        return false;
    *rest = text_from(*rest, count);
    return true;
}

static bool take_place(struct text *rest, struct placed *placed)
{
    return take_digits(rest, NUMBER_DIGITS, &placed->number) && take(rest, TEXT("-")) &&
           take_digits(rest, INSTANT_DIGITS, &placed->instant);
}

bool read_stream_name(struct text name, struct text *stream)
{
    return take(&name, TEXT(STREAM_PREFIX)) && take_stream(&name, stream) && name.length == 0;
}

bool read_base_name(struct text name, const char *suffix, struct base *base)
{
    *base = (struct base){.first_segment = 0};
    return take(&name, TEXT(BASE_PREFIX)) && take_stream(&name, &base->placed.stream) &&
           take(&name, TEXT("/")) && take_digits(&name, NUMBER_DIGITS, &base->first_segment) &&
           take(&name, TEXT("-")) && take_place(&name, &base->placed) &&
           text_equal(name, text_from_string(suffix));
}

bool read_segment_name(struct text name, struct placed *placed)
{
    int64_t group;

    return take(&name, TEXT("segment/")) && take_stream(&name, &placed->stream) && take(&name, TEXT("/")) &&
           take_digits(&name, GROUP_DIGITS, &group) && take(&name, TEXT("/")) && take_place(&name, placed) &&
           name.length == 0 && group == placed->number / SEGMENTS_PER_GROUP;
}

/* ---- what must be known of a base ---- */

struct text base_json(const struct base *base, struct arena *arena)
{
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    json_put_int64(&writer, TEXT("format"), ARCHIVE_FORMAT);
    json_put_string(&writer, TEXT("version"), base->version);
    json_put_int64(&writer, TEXT("schema_version"), base->schema_version);
    json_put_int64(&writer, TEXT("bytes"), base->bytes);
    json_put_string(&writer, TEXT("sha256"), base->sha256);
    json_put_bool(&writer, TEXT("has_secrets"), base->has_secrets);
    json_end_object(&writer);
    buffer_append_char(&buffer, '\n');
    struct text json = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return json;
}

bool read_base_json(struct text json, struct base *base, struct arena *arena, struct text *reason)
{
    struct json_error error;
    int64_t format = 0;
    const struct json_value *object = json_read(arena, json, &error);
    const struct json_value *has_secrets = object ? json_member(object, TEXT("has_secrets")) : NULL;

    if (!object || object->type != JSON_OBJECT || !json_member_int64(object, TEXT("format"), &format) ||
        format < 1) {
        *reason = TEXT("it is not what a backup says of its base");
        return false;
    }
    if (format > ARCHIVE_FORMAT) {
        *reason = arena_format(arena, "it is of a later version, %.*s",
                               TEXT_FORMAT(json_member_text(object, TEXT("version"))));
        return false;
    }
    base->version = json_member_text(object, TEXT("version"));
    base->sha256 = json_member_text(object, TEXT("sha256"));
    base->schema_version = base->bytes = -1;
    json_member_int64(object, TEXT("schema_version"), &base->schema_version);
    json_member_int64(object, TEXT("bytes"), &base->bytes);
    base->has_secrets = has_secrets && has_secrets->type == JSON_TRUE;
    return true;
}
