#include "domain/tax_metadata.h"

#include "model/entity_json.h"
#include "model/format.h"
#include "json/reader.h"

#include <assert.h>

enum { GSTIN_PAN_START = 2, PAN_LENGTH = 10 };

/* The trimmed value of a key; empty when it is absent or blank. */
static struct text value_of(const struct json_value *metadata, struct text key)
{
    const struct json_value *value = json_member(metadata, key);

    return value ? text_trim(value->text) : text_empty;
}

static void check(struct failure **failure, struct arena *arena, struct text path, struct text value,
                  const char *(*rule)(struct text value))
{
    const char *reason = value.length > 0 ? rule(value) : NULL;

    if (reason)
        failure_add_field(failure, arena, path, text_from_string(reason));
}

static struct text upper_case(struct arena *arena, struct text text)
{
    char *upper = arena_string(arena, text);

    for (size_t i = 0; i < text.length; i++)
        if (upper[i] >= 'a' && upper[i] <= 'z')
            upper[i] = (char)(upper[i] - 'a' + 'A');
    return (struct text){upper, text.length};
}

const struct failure *tax_metadata_check(struct text metadata, struct arena *arena)
{
    struct json_error error;
    struct failure *failure = NULL;

    if (!text_is_set(metadata))
        return NULL;
    const struct json_value *object = json_read(arena, metadata, &error);

    assert(object); /* it was read and written again before */
    struct text gstin = value_of(object, TEXT("gstin")), pan = value_of(object, TEXT("pan"));

    check(&failure, arena, TEXT("metadata.gstin"), gstin, format_gstin);
    check(&failure, arena, TEXT("metadata.pan"), pan, format_pan);
    check(&failure, arena, TEXT("metadata.hsn_sac"), value_of(object, TEXT("hsn_sac")), format_hsn_sac);
    if (failure || gstin.length == 0 || pan.length == 0)
        return failure;
    struct text expected = upper_case(arena, text_slice(gstin, GSTIN_PAN_START, PAN_LENGTH));

    if (text_equal_ignoring_case(expected, pan))
        return NULL;
    failure_add_field(&failure, arena, TEXT("metadata.pan"), TEXT("must be characters 3 to 12 of gstin"));
    return failure_add(failure, arena, TEXT("pan_from_gstin"), expected);
}
