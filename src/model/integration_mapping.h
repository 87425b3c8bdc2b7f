/* integration_mapping.h: an entity of ours and what a provider calls it (10-customers section 9). */
#ifndef FARTHING_MODEL_INTEGRATION_MAPPING_H
#define FARTHING_MODEL_INTEGRATION_MAPPING_H

#include "model/entity.h"

struct integration_mapping {
    struct text id;
    struct text entity_id;
    struct text entity_type;
    struct text provider_type;
    struct text provider_entity_id;
    struct text metadata; /* any JSON object */
    ENTITY_BASE_MEMBERS;
};

extern const struct entity integration_mapping_entity;

#endif
