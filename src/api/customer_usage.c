#include "api/customer_usage.h"

struct usage {
    struct text customer_id, features, period;
};
static const struct field usage_fields[] = {
    {FIELD(struct usage, customer_id, FIELD_TEXT)},
    {FIELD(struct usage, features, FIELD_JSON_ARRAY)},
    {FIELD(struct usage, period, FIELD_JSON_OBJECT), .flags = FIELD_NULLABLE},
};
static const struct entity usage_entity = {
    .name = TEXT_LITERAL("customer_usage"),
    .schema = TEXT_LITERAL("CustomerUsageSummaryResponse"),
    ENTITY_FIELDS(usage_fields),
    .struct_size = sizeof(struct usage),
};
const struct reply_schema customer_usage_reply = {.entity = &usage_entity};

void customer_usage_write(struct json_writer *writer, struct text customer_id)
{
    json_begin_object(writer);
    json_put_string(writer, TEXT("customer_id"), customer_id);
    json_key(writer, TEXT("features"));
    json_begin_array(writer);
    json_end_array(writer);
    json_key(writer, TEXT("period"));
    json_null(writer); /* always: each feature has a period of its own */
    json_end_object(writer);
}
