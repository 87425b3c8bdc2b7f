/* doctor.c: `farthing doctor`: one line for each thing that a server needs. It changes nothing. */
#include "cli/doctor.h"

#include "base/log.h"
#include "cli/commands.h"
#include "cli/entrances.h"
#include "cli/printed.h"
#include "cli/roles_file.h"
#include "cli/serve_plan.h"

#include <stdio.h>
#include <sys/stat.h>

static const char *const verdicts[] = {"ok", "warn", "fail"};

void doctor_say(struct doctor *doctor, enum verdict verdict, const char *subject, struct text finding,
                struct text advice)
{
    struct json_writer *writer = &doctor->writer;

    doctor->fail_count += verdict == VERDICT_FAIL;
    if (!invocation_switch(doctor->invocation, "json")) {
        printf("%-4s  %s: %.*s%s%.*s\n", verdicts[verdict], subject,
               TEXT_FORMAT(printed_safe(finding, doctor->arena)), text_is_set(advice) ? " — " : "",
               TEXT_FORMAT(printed_safe(advice, doctor->arena)));
        return;
    }
    json_begin_object(writer);
    json_put_string(writer, TEXT("verdict"), text_from_string(verdicts[verdict]));
    json_put_string(writer, TEXT("subject"), text_from_string(subject));
    json_put_string(writer, TEXT("finding"), printed_utf8(finding, doctor->arena));
    json_key(writer, TEXT("advice"));
    if (text_is_set(advice))
        json_string(writer, printed_utf8(advice, doctor->arena));
    else
        json_null(writer);
    json_end_object(writer);
}

/* A URL without a password is none. What another value wins over was not kept, and may be one. */
static bool is_secret_in_file(struct doctor *doctor, int index)
{
    const struct setting *setting = &settings_table[index];
    const struct setting_state *state = &doctor->settings->states[index];

    if (!(setting->traits & SECRET) || !state->file_line)
        return false;
    return state->origin != ORIGIN_FILE ||
           !text_equal(setting_shown(setting, state->values[0], doctor->arena), state->values[0]);
}

/* A token in a file that others can read is no secret. */
static void check_secrecy(struct doctor *doctor)
{
    const struct settings *settings = doctor->settings;
    bool holds_secret = false;
    struct stat status;

    for (int i = 0; settings_table[i].name; i++)
        holds_secret |= is_secret_in_file(doctor, i);
    if (!holds_secret || stat(arena_string(doctor->arena, settings->file), &status) != 0 ||
        !(status.st_mode & S_IROTH))
        return;
    doctor_say(doctor, VERDICT_WARN, "configuration",
               arena_format(doctor->arena, "%.*s holds a secret and everybody can read it",
                            TEXT_FORMAT(settings->file)),
               arena_format(doctor->arena, "`chmod o-r %.*s`", TEXT_FORMAT(settings->file)));
}

static void check_configuration(struct doctor *doctor)
{
    struct settings *settings = doctor->settings;
    struct text reason;

    doctor->settings_hold = settings_load(settings, SETTINGS_ALL, &reason);
    doctor->data = settings_text(settings, "data");
    if (!text_is_set(doctor->data))
        doctor->data = text_from_string(settings_table[settings_find(TEXT("data"))].fallback);
    doctor->is_elsewhere = text_is_set(settings_text(settings, "database"));
    if (!doctor->settings_hold)
        doctor_say(doctor, VERDICT_FAIL, "configuration", reason,
                   TEXT("correct it; `farthing config example` shows how"));
    else if (text_is_set(settings->file))
        doctor_say(doctor, VERDICT_OK, "configuration",
                   arena_format(doctor->arena, "%.*s is valid", TEXT_FORMAT(settings->file)), text_none);
    else
        doctor_say(doctor, VERDICT_OK, "configuration", TEXT("valid; there is no file"), text_none);
    check_secrecy(doctor);
}

static void check_roles(struct doctor *doctor)
{
    struct text path = settings_text(doctor->settings, "rbac-roles-file"), reason;

    if (!doctor->settings_hold || !text_is_set(path))
        return;
    if (roles_file_check(path, doctor->arena, &reason))
        doctor_say(doctor, VERDICT_OK, "roles",
                   arena_format(doctor->arena, "%.*s is valid", TEXT_FORMAT(path)), text_none);
    else
        doctor_say(doctor, VERDICT_FAIL, "roles", reason,
                   TEXT("correct it; GET /v1/rbac/roles shows what roles look like"));
}

static void check_addresses(struct doctor *doctor)
{
    struct http_config config;
    struct text reason;

    if (!doctor->settings_hold || doctor->is_in_use)
        return;
    config = http_config_of(doctor->settings);
    if (entrances_configure(doctor->settings, true, &config, doctor->arena, &reason) &&
        http_start_is_possible(&config, doctor->arena, &reason))
        doctor_say(doctor, VERDICT_OK, "listen", TEXT("the addresses can be listened on"), text_none);
    else
        doctor_say(doctor, VERDICT_FAIL, "listen", reason, text_none); /* which says what to do */
}

static void begin_report(struct doctor *doctor)
{
    json_writer_init(&doctor->writer, &doctor->json);
    json_begin_object(&doctor->writer);
    json_key(&doctor->writer, TEXT("version"));
    json_string(&doctor->writer, TEXT(FARTHING_VERSION));
    json_key(&doctor->writer, TEXT("checks"));
    json_begin_array(&doctor->writer);
}

static void end_report(struct doctor *doctor)
{
    json_end_array(&doctor->writer);
    json_key(&doctor->writer, TEXT("ok"));
    json_bool(&doctor->writer, doctor->fail_count == 0);
    json_end_object(&doctor->writer);
    if (invocation_switch(doctor->invocation, "json"))
        printf("%.*s\n", TEXT_FORMAT(buffer_text(&doctor->json)));
    buffer_free(&doctor->json);
}

enum exit_code command_doctor(struct invocation *invocation)
{
    struct doctor doctor = {
        .invocation = invocation, .arena = &invocation->arena, .settings = &invocation->settings};

    log_configure(LOG_FORMAT_LOGFMT, LOG_LEVEL_ERROR); /* the report is what is said */
    begin_report(&doctor);
    check_configuration(&doctor);
    doctor_check_data(&doctor);
    doctor_check_backup(&doctor);
    check_roles(&doctor);
    check_addresses(&doctor);
    doctor_check_machine(&doctor);
    end_report(&doctor);
    return doctor.fail_count ? EXIT_FAILED : EXIT_DONE;
}
