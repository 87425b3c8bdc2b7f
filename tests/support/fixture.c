/* fixture.c: changes a stopped data directory through the store, for states that no endpoint makes yet:
 *
 *     farthing-fixture DIR tenant create NAME            prints FARTHING_TENANT_ID, _ENVIRONMENT_ID, _API_KEY
 *     farthing-fixture DIR tenant suspend TENANT_ID
 *     farthing-fixture DIR environment create TENANT_ID NAME     prints the same three lines
 *     farthing-fixture DIR customer archive CUSTOMER_ID
 *     farthing-fixture DIR mapping create CUSTOMER_ID PROVIDER PROVIDER_ENTITY_ID [METADATA_JSON]   prints
 * its id farthing-fixture DIR mapping archive MAPPING_ID
 *
 * Customers and mappings are found in whatever environment they are. */
#include "base/instant.h"
#include "cli/instance.h"
#include "domain/customers.h"
#include "domain/integration_mapping.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {
    char **arguments; /* behind the two words of the action */
    int argument_count;
    struct scope scope;
    struct call call;
    struct installation made;
    struct integration_mapping mapping;
};

typedef const struct failure *(*action_run)(void *context, struct transaction *transaction);

static struct text argument(const struct job *job, int index)
{
    return index < job->argument_count ? text_from_string(job->arguments[index]) : text_none;
}

/* ---- finding the scope of a row ---- */

struct found {
    int64_t scope;
    struct text tenant_id;
    struct text environment_id;
};

static const struct field found_fields[] = {
    {FIELD(struct found, scope, FIELD_INTEGER)},
    {FIELD(struct found, tenant_id, FIELD_TEXT)},
    {FIELD(struct found, environment_id, FIELD_TEXT)},
};
static const struct entity found_entity = {ENTITY_FIELDS(found_fields), .struct_size = sizeof(struct found)};

STORE_QUERY(
    scope_of_customer, &found_entity,
    "SELECT c.scope, c.tenant_id, c.environment_id FROM scopes c JOIN customers r ON r.scope = c.scope "
    "WHERE {r.id = $1}");
STORE_QUERY(scope_of_mapping, &found_entity,
            "SELECT c.scope, c.tenant_id, c.environment_id FROM scopes c "
            "JOIN entity_integration_mappings r ON r.scope = c.scope WHERE {r.id = $1}");

/* Makes the row's environment the scope of the call. */
static const struct failure *enter_scope(struct job *job, struct transaction *transaction,
                                         const struct query *query)
{
    struct found found;

    if (!query_record(transaction, query, VALUES(value_text(argument(job, 0))), &found))
        return failure_new(transaction->arena, FAILURE_NOT_FOUND, TEXT("there is no row with this id"));
    job->scope = (struct scope){found.scope, found.tenant_id, found.environment_id};
    job->call.scope = &job->scope;
    return NULL;
}

/* ---- actions ---- */

static const struct failure *make_key(struct job *job, struct transaction *transaction)
{
    const struct secret key = {
        .name = TEXT("first"), .type = secret_type_private, .expires_at = INSTANT_UNSET};

    return api_key_create(transaction, &job->made.opening.scope, &job->made.opening.user, &key,
                          &job->made.secret, &job->made.plain_key);
}

static const struct failure *tenant_create_run(void *context, struct transaction *transaction)
{
    struct job *job = context;
    const struct failure *failure = tenant_open(transaction, argument(job, 0), &job->made.opening);

    return failure ? failure : make_key(job, transaction);
}

static const struct failure *environment_create_run(void *context, struct transaction *transaction)
{
    struct job *job = context;
    struct tenant_opening *opening = &job->made.opening;
    const struct failure *failure =
        environment_create(transaction, argument(job, 0), argument(job, 1), TEXT("development"),
                           &opening->environment, &opening->scope);

    opening->tenant.id = argument(job, 0);
    if (!failure)
        failure = tenant_first_user(transaction, opening->tenant.id, &opening->user);
    return failure ? failure : make_key(job, transaction);
}

static const struct failure *tenant_suspend_run(void *context, struct transaction *transaction)
{
    return tenant_set_internal_status(transaction, argument(context, 0), TEXT("suspended"));
}

static const struct failure *customer_archive_run(void *context, struct transaction *transaction)
{
    struct job *job = context;
    const struct failure *failure = enter_scope(job, transaction, &scope_of_customer);

    return failure ? failure : customer_archive(transaction, argument(job, 0));
}

static const struct failure *mapping_create_run(void *context, struct transaction *transaction)
{
    struct job *job = context;
    const struct failure *failure = enter_scope(job, transaction, &scope_of_customer);
    const struct integration_mapping creation = {
        .entity_id = argument(job, 0),
        .entity_type = TEXT("customer"),
        .provider_type = argument(job, 1),
        .provider_entity_id = argument(job, 2),
        .metadata = argument(job, 3),
    };

    return failure ? failure : integration_mapping_create(transaction, &creation, &job->mapping);
}

static const struct failure *mapping_archive_run(void *context, struct transaction *transaction)
{
    struct job *job = context;
    const struct failure *failure = enter_scope(job, transaction, &scope_of_mapping);

    return failure ? failure : integration_mapping_archive(transaction, argument(job, 0));
}

struct action {
    const char *entity, *verb;
    int arguments_min, arguments_max;
    action_run run;
};

static const struct action actions[] = {
    {"tenant", "create", 1, 1, tenant_create_run},
    {"tenant", "suspend", 1, 1, tenant_suspend_run},
    {"environment", "create", 2, 2, environment_create_run},
    {"customer", "archive", 1, 1, customer_archive_run},
    {"mapping", "create", 3, 4, mapping_create_run},
    {"mapping", "archive", 1, 1, mapping_archive_run},
};

static const struct action *find_action(int argument_count, char **arguments)
{
    for (unsigned i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (strcmp(actions[i].entity, arguments[0]) == 0 && strcmp(actions[i].verb, arguments[1]) == 0 &&
            argument_count - 2 >= actions[i].arguments_min && argument_count - 2 <= actions[i].arguments_max)
            return &actions[i];
    return NULL;
}

static int run(const struct action *action, struct job *job, struct text directory)
{
    const char *database = getenv("FARTHING_DATABASE");
    const struct place place = {directory, text_from_string(database), STORE_CONNECTIONS_MIN};
    struct arena arena;
    struct instance instance;
    struct text reason;
    int code = EXIT_FAILURE;

    arena_init(&arena);
    job->call = (struct call){.actor_id = text_empty, .request_id = text_empty, .now_us = instant_now_us()};
    if (!instance_open(&instance, &place, NULL, &arena, &reason)) {
        fprintf(stderr, "%.*s\n", TEXT_FORMAT(reason));
    } else {
        const struct failure *failure = store_write(instance.store, &arena, &job->call, action->run, job);

        if (failure)
            fprintf(stderr, "%.*s\n", TEXT_FORMAT(failure->message));
        else if (text_is_set(job->made.plain_key))
            code = installation_print(&job->made) ? EXIT_SUCCESS : EXIT_FAILURE;
        else
            code = printf("%.*s\n", TEXT_FORMAT(job->mapping.id)) > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        instance_close(&instance);
    }
    arena_free(&arena);
    return code;
}

int main(int argument_count, char **arguments)
{
    const struct action *action = argument_count >= 4 ? find_action(argument_count - 2, arguments + 2) : NULL;

    if (!action) {
        fputs("usage: farthing-fixture DIR ENTITY VERB ARGUMENT...; see tests/support/fixture.c\n", stderr);
        return 2;
    }
    struct job job = {.arguments = arguments + 4, .argument_count = argument_count - 4};

    return run(action, &job, text_from_string(arguments[1]));
}
