/* json_rewrite.h: a document that was read, written again and compared: the two halves of the json room held
 * against each other. */
#ifndef FARTHING_TEST_JSON_REWRITE_H
#define FARTHING_TEST_JSON_REWRITE_H

#include "base/buffer.h"
#include "json/reader.h"

/* Writes `value` with the JSON writer at the end of `buffer`, numbers with their source text. */
void json_rewrite(struct buffer *buffer, const struct json_value *value);

/* True when both have the same values in the same order, duplicate keys included. */
bool json_same(const struct json_value *a, const struct json_value *b);

#endif
