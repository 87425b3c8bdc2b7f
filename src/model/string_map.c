#include "model/string_map.h"

#include "model/entity_json.h"
#include "json/reader.h"
#include "json/writer.h"

#include <assert.h>

static const struct json_value *read_map(struct text map, struct arena *arena)
{
    struct json_error error;
    const struct json_value *object = json_read(arena, text_is_set(map) ? map : TEXT("{}"), &error);

    assert(object && object->type == JSON_OBJECT); /* it was read and written again before */
    return object;
}

/* The members of `map` that `others` does not have. */
static void write_members(struct json_writer *writer, const struct json_value *map,
                          const struct json_value *others)
{
    const struct json_value *key = json_first(map);

    for (uint32_t i = 0; i < map->count; i++, key = json_next(json_next(key)))
        if (!others || !json_member(others, key->text)) {
            json_put_string(writer, key->text, json_next(key)->text);
        }
}

struct text string_map_merge(struct text base, struct text changes, struct arena *arena)
{
    const struct json_value *old = read_map(base, arena), *new = read_map(changes, arena);
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    write_members(&writer, old, new);
    write_members(&writer, new, NULL);
    json_end_object(&writer);
    struct text merged = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return merged;
}

const char *string_map_rule(struct text map, struct arena *arena)
{
    const struct json_value *object = read_map(map, arena), *key = json_first(object);
    size_t bytes = 0;

    for (uint32_t i = 0; i < object->count; i++, key = json_next(json_next(key)))
        bytes += key->text.length + json_next(key)->text.length;
    if (object->count > METADATA_KEYS_MAX)
        return "must have at most 256 keys in all";
    return bytes > METADATA_BYTES_MAX ? "must be at most 65536 bytes long in all" : NULL;
}
