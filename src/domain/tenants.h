/* tenants.h: a tenant as its own users deal with it (conventions section 22.3). */
#ifndef FARTHING_DOMAIN_TENANTS_H
#define FARTHING_DOMAIN_TENANTS_H

#include "model/tenancy.h"
#include "store/store.h"
#include "json/reader.h"

/* Where the tenant's own invoices go. Texts are never unset. */
struct billing_details {
    struct text email;
    struct text help_email;
    struct text phone;
    struct text address_line1;
    struct text address_line2;
    struct text address_city;
    struct text address_state;
    struct text address_postal_code;
    struct text address_country; /* ISO 3166-1 alpha-2 */
};

/* The fields of the object itself, and those of the object `address` in it. */
extern const struct field billing_fields[], billing_address_fields[];
extern const size_t billing_field_count, billing_address_field_count;

/* Reads and validates billing details: the object `billing_details` of a request. */
void billing_details_read(const struct json_value *request, struct billing_details *details,
                          struct arena *arena, struct failure **failure);
/* What is stored of a tenant, an object as tenant_update writes it, and back. */
struct text billing_details_store(const struct billing_details *details, struct arena *arena);
void billing_details_load(struct text stored, struct arena *arena, struct billing_details *details);

/* A request to change a tenant. */
struct tenant_change {
    struct text name;     /* empty: unchanged */
    struct text metadata; /* unset: unchanged; otherwise it takes the place of what is there */
    bool has_billing_details;
    struct billing_details billing_details; /* all empty: cleared */
};
/* The fields of a change beside `billing_details`. */
extern const struct field tenant_change_fields[];
extern const size_t tenant_change_field_count;

/* Reads and validates a change. `billing_details` that are absent stay, those that are null are cleared. */
const struct failure *tenant_read_change(const struct json_value *object, struct arena *arena,
                                         struct tenant_change *change);

/* The caller's tenant. */
const struct failure *tenant_get_own(struct transaction *transaction, struct tenant *tenant);
/* Changes the caller's tenant and gives it back as stored. */
const struct failure *tenant_update(struct transaction *transaction, const struct tenant_change *change,
                                    struct tenant *updated);

#endif
