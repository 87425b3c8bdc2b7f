#include "model/idempotency_record.h"

static const struct field idempotency_record_fields[] = {
    {FIELD(struct idempotency_record, id, FIELD_TEXT)},
    {FIELD(struct idempotency_record, request_hash, FIELD_TEXT)},
    {FIELD(struct idempotency_record, status_code, FIELD_INTEGER)},
    {FIELD(struct idempotency_record, reply, FIELD_TEXT),
     .flags = FIELD_SECRET | FIELD_INTERNAL | FIELD_OMIT_UNSET},
    {FIELD(struct idempotency_record, customer_id, FIELD_TEXT), .flags = FIELD_OMIT_UNSET},
    {FIELD(struct idempotency_record, created_at, FIELD_INSTANT), .flags = FIELD_STAMP},
};

const struct entity idempotency_record_entity = {
    .name = TEXT_LITERAL("idempotency_record"),
    .label = TEXT_LITERAL("request with an Idempotency-Key"),
    .table = TEXT_LITERAL("idempotency_records"),
    .scoping = SCOPED_GLOBALLY,
    .has_no_trail = true,
    ENTITY_FIELDS(idempotency_record_fields),
    .struct_size = sizeof(struct idempotency_record),
};
