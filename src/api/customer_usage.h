/* customer_usage.h: how it looks what a customer has used (20-events-usage section 19.1): of each feature
 * that its subscriptions give it, how much of how much. There are no features yet, so there are none of any
 * customer. Only for the api room. */
#ifndef FARTHING_API_CUSTOMER_USAGE_H
#define FARTHING_API_CUSTOMER_USAGE_H

#include "api/route.h"

void customer_usage_write(struct json_writer *writer, struct text customer_id);
extern const struct reply_schema customer_usage_reply;

#endif
