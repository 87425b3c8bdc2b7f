#include "archive/place_status.h"

#include "archive/catalogue.h"
#include "base/file.h"
#include "json/reader.h"

#include <unistd.h>

enum { MARKER_BYTES_MAX = 64 * 1024 };

static int64_t alive_at(struct text marker, struct arena *arena)
{
    struct json_error error;
    const struct json_value *object = text_is_set(marker) ? json_read(arena, marker, &error) : NULL;
    int64_t instant = 0;

    json_member_int64(object, TEXT("alive_at_us"), &instant);
    return instant;
}

bool place_status_read(struct destination *destination, const char *scratch_path, struct place_status *status,
                       struct arena *arena, struct text *reason)
{
    struct destination_failure failure;
    struct catalogue catalogue;

    *status = (struct place_status){.bases = 0};
    bool is_read = catalogue_read(&catalogue, destination, arena, &failure);

    for (size_t i = 0; is_read && i < catalogue.stream_count; i++) {
        is_read =
            destination_get(destination, stream_name(catalogue.streams[i], arena), scratch_path, &failure);
        int64_t alive = is_read ? alive_at(file_content(scratch_path, MARKER_BYTES_MAX, arena), arena) : 0;

        if (alive > status->alive_at)
            status->alive_at = alive;
        unlink(scratch_path);
    }
    if (!is_read) {
        *reason = arena_copy(arena, text_from_string(failure.reason));
        return false;
    }
    status->bases = catalogue.base_count;
    if (catalogue.base_count > 0)
        status->newest_base_at = catalogue.bases[catalogue.base_count - 1].placed.instant;
    return true;
}
