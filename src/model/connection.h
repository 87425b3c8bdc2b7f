/* connection.h: the credentials and switches by which an environment works with a provider (10-customers
 * section 14). */
#ifndef FARTHING_MODEL_CONNECTION_H
#define FARTHING_MODEL_CONNECTION_H

#include "model/entity.h"

struct connection_record {
    struct text id;
    struct text name;
    struct text provider_type;         /* one of model/provider.h */
    struct text encrypted_secret_data; /* base/envelope.h; unset: it has none */
    struct text metadata;              /* any JSON object */
    struct text sync_config;           /* as domain/connections.h writes it; unset: nothing is synchronized */
    ENTITY_BASE_MEMBERS;
};

extern const struct entity connection_entity;

#endif
