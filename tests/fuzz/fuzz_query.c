/* Query strings of lists on arbitrary bytes: whatever is read is the object that a body would be, and an
 * escaped text is UTF-8 without NUL. */
#include "api/paging.h"
#include "base/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* One of each type that a query string has to write. */
static const struct field fields[] = {
    {.name = TEXT_LITERAL("name"), .type = FIELD_TEXT},
    {.name = TEXT_LITERAL("ids"), .type = FIELD_STRING_LIST},
    {.name = TEXT_LITERAL("map"), .type = FIELD_STRING_MAP},
    {.name = TEXT_LITERAL("filters"), .type = FIELD_JSON_ARRAY},
    {.name = TEXT_LITERAL("number"), .type = FIELD_INTEGER},
};
enum { FIELD_COUNT = sizeof fields / sizeof fields[0] };

static void try_escapes(struct text text, struct arena *arena)
{
    for (int is_query = 0; is_query <= 1; is_query++) {
        struct text decoded;

        if (percent_decode(arena, text, is_query, &decoded))
            require(decoded.length <= text.length && utf8_valid(decoded) &&
                    text_find(decoded, '\0') == decoded.length);
    }
}

static void look_at(const struct json_value *object)
{
    const struct json_value *ids = json_member(object, TEXT("ids")),
                            *sort = json_member(object, TEXT("sort"));

    require(object && object->type == JSON_OBJECT);
    require(!ids || ids->type == JSON_ARRAY);
    require(!sort || (sort->type == JSON_ARRAY && sort->count > 0));
}

static void try_query(struct text text, struct arena *arena)
{
    struct http_exchange http = {.request = {.query = text}};
    struct exchange exchange = {.http = &http, .arena = arena};
    struct list_options options;
    struct failure *problem = NULL;
    const struct json_value *object = NULL;
    const struct failure *failure = paging_query_object(&exchange, fields, FIELD_COUNT, &object);

    if (failure) {
        require(failure->code == FAILURE_VALIDATION && failure->message.length > 0);
        return;
    }
    look_at(object);
    paging_read_object(&exchange, object, &options, &problem);
    require(problem || (options.page.limit >= 1 && options.page.limit <= 1000 && options.page.offset >= 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct arena arena = {0};
    struct text text = {(const char *)bytes, length};

    try_escapes(text, &arena);
    try_query(text, &arena);
    arena_free(&arena);
    return 0;
}
