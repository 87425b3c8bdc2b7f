/* customer_aliases.c: external ids that customers had before (10-customers section 6.3). */
#include "base/ulid.h"
#include "domain/customers.h"

STORE_QUERY(aliases_of_customer, &customer_alias_entity,
            "SELECT {columns} FROM customer_aliases WHERE scope = $1 AND customer_id = $2 "
            "ORDER BY valid_to DESC, id DESC LIMIT $3");

STORE_QUERY(aliases_of_external_id, &customer_alias_entity,
            "SELECT {columns} FROM customer_aliases WHERE scope = $1 AND external_id = $2 "
            "ORDER BY valid_to DESC, id DESC LIMIT 1 OFFSET $3");

struct record_list customer_aliases(struct transaction *transaction, struct text customer_id, int64_t limit)
{
    return query_records(transaction, &aliases_of_customer,
                         VALUES(value_integer(transaction->call->scope->number), value_text(customer_id),
                                value_integer(limit)));
}

/* When the external id was last given up, by whomever; INT64_MIN: never. */
static int64_t given_up_at(struct transaction *transaction, struct text external_id)
{
    struct customer_alias last;

    return query_record(transaction, &aliases_of_external_id,
                        VALUES(value_integer(transaction->call->scope->number), value_text(external_id),
                               value_integer(0)),
                        &last)
               ? last.valid_to
               : INT64_MIN;
}

static int64_t later_of(int64_t a, int64_t b)
{
    return a < b ? b : a;
}

/* Since when the customer has had its external id: since it gave up the one before, but not before others had
 * given up this one. Requests have the time of their arrival, and may be done in another order. */
static int64_t valid_from(struct transaction *transaction, const struct customer *customer)
{
    struct customer_alias last;
    bool has_last = query_record(
        transaction, &aliases_of_customer,
        VALUES(value_integer(transaction->call->scope->number), value_text(customer->id), value_integer(1)),
        &last);

    return later_of(has_last ? last.valid_to : customer->created_at,
                    given_up_at(transaction, customer->external_id));
}

void customer_alias_add(struct transaction *transaction, const struct customer *before,
                        const struct customer *after)
{
    struct customer_alias *alias = ARENA_NEW(transaction->arena, struct customer_alias);
    int64_t since = valid_from(transaction, before);

    *alias = (struct customer_alias){
        .id = ulid_make_id(transaction->arena, customer_alias_entity.id_prefix, transaction->call->now_us),
        .customer_id = before->id,
        .external_id = before->external_id,
        .valid_from = since,
        .valid_to = later_of(after->updated_at, since),
    };
    transaction_insert(transaction, transaction->call->scope, &customer_alias_entity, alias);
}

const struct failure *customer_resolve_external_id(struct transaction *transaction, struct text external_id,
                                                   struct customer *customer)
{
    const struct failure *not_found = customer_get_by_external_id(transaction, external_id, customer);
    struct customer_alias alias;

    /* The last one to have had it may be archived, and then the one before counts. */
    for (int64_t skipped = 0; not_found; skipped++) {
        if (!query_record(transaction, &aliases_of_external_id,
                          VALUES(value_integer(transaction->call->scope->number), value_text(external_id),
                                 value_integer(skipped)),
                          &alias))
            return not_found;
        if (!customer_get_published(transaction, alias.customer_id, customer))
            return NULL;
    }
    return NULL;
}
