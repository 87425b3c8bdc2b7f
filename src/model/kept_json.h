/* kept_json.h: what free JSON, which nobody but its sender reads, may be, so that every database can keep it
 * and gives back about as much as was sent (conventions section 13). */
#ifndef FARTHING_MODEL_KEPT_JSON_H
#define FARTHING_MODEL_KEPT_JSON_H

#include "json/reader.h"

enum { KEPT_JSON_DIGITS_MAX = 1000 /* of a number; what is in use, doubles, go from 1e-324 to 1e308 */ };

/* Why the value cannot be kept, as the end of a sentence that begins with its name; NULL: it can. `bytes` are
 * those of it as compact JSON, METADATA_BYTES_MAX at most. A database may write numbers out, so they count
 * without exponents: 1e100000 is 100,001 bytes long then. */
const char *kept_json_reason(const struct json_value *value, size_t bytes);

/* The bytes that a JSON number takes without an exponent; some more than that when it has needless zeros.
 * Those of exponents beyond 10^9 are counted as if they had that. */
size_t kept_json_number_bytes(struct text number);

#endif
