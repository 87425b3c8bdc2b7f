/* entity_json.h: an entity's record as JSON, and JSON as a record, from its description alone. */
#ifndef FARTHING_MODEL_ENTITY_JSON_H
#define FARTHING_MODEL_ENTITY_JSON_H

#include "model/entity.h"
#include "model/failure.h"
#include "model/scope.h"
#include "json/reader.h"
#include "json/writer.h"

/* Limits of metadata (conventions section 13). */
enum {
    METADATA_KEYS_MAX = 256,
    METADATA_KEY_LENGTH_MAX = 255, /* code points */
    METADATA_VALUE_BYTES_MAX = 16384,
    METADATA_BYTES_MAX = 64 * 1024, /* keys and values together */
};

/* What a FIELD_INTEGER of input must be: what text_to_int64 takes. */
#define FIELD_INTEGER_RULE                                                                                   \
    "must be a whole number from -9223372036854775807 to 9223372036854775807, written in digits alone"

/* Appends the members of a reply object, inside an object that the caller opened. */
void entity_write_members(struct json_writer *writer, const struct entity *entity, const void *record,
                          const struct scope *scope);

/* Appends the members of the snapshot that outgoing events carry (FIELD_EVENT). */
void entity_write_event_members(struct json_writer *writer, const struct entity *entity, const void *record,
                                const struct scope *scope);

/* Appends the value of one field as JSON, without its key. */
void field_write_json(struct json_writer *writer, const struct field *field, const void *record,
                      const struct scope *scope);

/* The value of each input field among the object's members, NULL where there is none, or where the object is
 * something else; of members of one name the last one counts. One pass, however many members there are. */
const struct json_value **fields_find(const struct field *fields, size_t field_count,
                                      const struct json_value *object, struct arena *arena);

/* Reads the FIELD_INPUT fields among `fields` out of a JSON object into `record`, with fallbacks for what is
 * absent, and checks all declarative rules. Unknown members are ignored, null counts as absent, "" as absent
 * for an optional text (10-customers section 4.1). Texts of the record live in `arena` or in the document.
 *
 * Every failing field is reported: *failure is made with the first and added to with each further one, keyed
 * by JSON path, so that several tables can be read one after the other. For a wrong JSON type, details also
 * name `field` and `expected` (of the first). */
void fields_read_json(const struct field *fields, size_t field_count, const struct json_value *object,
                      void *record, struct arena *arena, struct failure **failure);

/* The same for the object that is the member `name` of an object; fields are reported as `name.field`. False,
 * and nothing is read, when there is no such member or it is null. */
bool fields_read_member(const struct field *fields, size_t field_count, const struct json_value *object,
                        struct text name, void *record, struct arena *arena, struct failure **failure);

/* The same for a change of a record that exists: only fields that are given are read, and `record` has
 * nothing else afterwards. "" empties a text, also one that creation would not take as a value, but not one
 * that is required or whose fallback is not empty (10-customers section 6.2). Returns the fields that were
 * given, by their index as bits; there may be 64. */
uint64_t fields_read_change(const struct field *fields, size_t field_count, const struct json_value *object,
                            void *record, struct arena *arena, struct failure **failure);

/* Adds one failing field to *failure, which is made when it is NULL. */
void failure_add_field(struct failure **failure, struct arena *arena, struct text path, struct text reason);
/* Adds the failing fields of an object that is the member `parent` of the whole: `parent.field`. */
void failure_add_inner(struct failure **failure, struct arena *arena, struct text parent,
                       const struct failure *inner);

#endif
