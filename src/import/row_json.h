/* row_json.h: a row as the JSON object that the API takes for a customer. */
#ifndef FARTHING_IMPORT_ROW_JSON_H
#define FARTHING_IMPORT_ROW_JSON_H

#include "base/buffer.h"
#include "import/column_map.h"

/* Why a row cannot be sent: the field and what is wrong with it. */
struct row_refusal {
    struct text field; /* empty: the row as a whole */
    const char *reason;
};

/* Appends the object of a CSV row, on one line. An empty column is one that is not given. False with the
 * refusal: another number of fields than the header has, or a value that is not UTF-8 or has a NUL. The
 * buffer may then hold a part of the object. */
bool row_json_write(const struct column_map *map, const struct text *fields, size_t field_count,
                    struct buffer *buffer, struct row_refusal *refusal);

/* Appends the object on a line of JSON with the map's rules applied to its members. Members that no rule
 * names stay as they are. False with the refusal when it is not a JSON object. */
bool row_json_rename(const struct column_map *map, struct text line, struct arena *arena,
                     struct buffer *buffer, struct row_refusal *refusal);

#endif
