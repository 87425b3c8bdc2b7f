/* destination.c: archive/destination.h from the outside, for tests against a service:
 *
 *     farthing-destination LOCATION [NAME=VALUE...] < LINES
 *
 * The names are those of the options: endpoint, region, id, secret, ca, stall_s, part_bytes, read_only. Each
 * line is one call: `put NAME FILE`, `get NAME FILE`, `list [PREFIX]`, `remove NAME`, `clear [PREFIX]`, which
 * removes what it lists. A list prints `object NAME BYTES` for each; then each call prints `done`, or `failed
 * PROBLEM: REASON`. SIGTERM sets `stop`. */
#include "archive/destination.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_bool stop;

static sigset_t stop_signals;

/* A thread of its own, so that the signal itself interrupts nothing of a call. */
static void *wait_for_signal(void *context)
{
    int number;

    sigwait(&stop_signals, &number);
    atomic_store(&stop, true);
    return context;
}

static void expect_signal(void)
{
    pthread_t thread;

    sigemptyset(&stop_signals);
    sigaddset(&stop_signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop_signals, NULL);
    if (pthread_create(&thread, NULL, wait_for_signal, NULL) != 0 || pthread_detach(thread) != 0)
        abort();
}

static bool set_option(struct destination_options *options, struct text argument)
{
    const struct {
        const char *name;
        struct text *value;
    } texts[] = {
        {"endpoint", &options->s3_endpoint}, {"region", &options->s3_region},
        {"id", &options->s3_access_key_id},  {"secret", &options->s3_secret_access_key},
        {"ca", &options->ca_file},
    };
    size_t end = text_find(argument, '=');
    struct text name = text_slice(argument, 0, end),
                value = text_from(argument, end + (end < argument.length));
    uint64_t number = 0;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (text_equal(name, text_from_string(texts[i].name))) {
            *texts[i].value = value;
            return true;
        }
    if (text_equal(name, TEXT("read_only")))
        return options->is_read_only = true;
    bool is_number = text_to_uint64(value, &number);

    if (text_equal(name, TEXT("stall_s")))
        options->stall_timeout_s = (int)number;
    else if (text_equal(name, TEXT("part_bytes")))
        options->s3_part_bytes = number;
    else
        return false;
    return is_number;
}

static bool print_object(void *context, struct text name, uint64_t bytes)
{
    (void)context;
    printf("object %.*s %llu\n", TEXT_FORMAT(name), (unsigned long long)bytes);
    return true;
}

static bool remove_object(void *context, struct text name, uint64_t bytes)
{
    struct destination_failure failure;

    return print_object(NULL, name, bytes) && destination_remove(context, name, &failure);
}

static const char *next_word(char **rest)
{
    char *word = strsep(rest, " \n");

    return word ? word : "";
}

static bool call(struct destination *destination, char *line, struct destination_failure *failure)
{
    struct text what = text_from_string(next_word(&line)), name = text_from_string(next_word(&line));
    const char *path = next_word(&line);

    if (text_equal(what, TEXT("put")))
        return destination_put(destination, name, path, failure);
    if (text_equal(what, TEXT("get")))
        return destination_get(destination, name, path, failure);
    if (text_equal(what, TEXT("list")))
        return destination_list(destination, name, print_object, NULL, failure);
    if (text_equal(what, TEXT("clear")))
        return destination_list(destination, name, remove_object, destination, failure);
    if (text_equal(what, TEXT("remove")))
        return destination_remove(destination, name, failure);
    fprintf(stderr, "there is no call %.*s\n", TEXT_FORMAT(what));
    exit(2);
}

static void serve_lines(struct destination *destination)
{
    static const char *const problems[] = {
        [DESTINATION_TRANSIENT] = "transient",
        [DESTINATION_REFUSED] = "refused",
        [DESTINATION_NO_OBJECT] = "no object",
        [DESTINATION_STOPPED] = "stopped",
    };
    struct destination_failure failure;
    char *line = NULL;
    size_t capacity = 0;

    while (getline(&line, &capacity, stdin) > 0) {
        if (call(destination, line, &failure))
            puts("done");
        else
            printf("failed %s: %s\n", problems[failure.problem], failure.reason);
        fflush(stdout);
    }
    free(line);
}

int main(int argument_count, char **arguments)
{
    struct destination_options options = {.stop = &stop};
    struct arena arena;
    struct text reason = text_none;

    if (argument_count < 2)
        return 2;
    options.location = text_from_string(arguments[1]);
    for (int i = 2; i < argument_count; i++)
        if (!set_option(&options, text_from_string(arguments[i]))) {
            fprintf(stderr, "what is %s?\n", arguments[i]);
            return 2;
        }
    expect_signal();
    arena_init(&arena);
    struct destination *destination = destination_open(&options, &arena, &reason);

    if (destination)
        serve_lines(destination);
    else
        printf("not opened: %.*s\n", TEXT_FORMAT(reason));
    destination_close(destination);
    arena_free(&arena);
    return destination ? 0 : 1;
}
