/* doctor_machine.c: what the machine must offer, whatever is in the data directory. */
#include "base/instant.h"
#include "base/timezone.h"
#include "cli/doctor.h"
#include "http/http.h"

#include <openssl/crypto.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/timex.h>

enum {
    DESCRIPTORS_MIN = 256,     /* the database, the loops, and a handful of connections */
    DESCRIPTORS_USUAL = 10240, /* a connection is one */
    SQLITE_VERSION_MIN = 3040000,
};

/* 2026-01-01T00:00:00Z: before this program was written. A machine that has lost its clock says 1970. */
static const int64_t earliest_us = INT64_C(1767225600) * 1000000;

static void check_descriptors(struct doctor *doctor)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    struct text finding =
        limit.rlim_cur == RLIM_INFINITY
            ? TEXT("no limit on file descriptors")
            : arena_format(doctor->arena, "%llu file descriptors", (unsigned long long)limit.rlim_cur);

    if (limit.rlim_cur >= DESCRIPTORS_USUAL)
        doctor_say(doctor, VERDICT_OK, "limits", finding, text_none);
    else
        doctor_say(
            doctor, limit.rlim_cur < DESCRIPTORS_MIN ? VERDICT_FAIL : VERDICT_WARN, "limits", finding,
            arena_format(doctor->arena,
                         "each connection takes one; raise it to %d (`ulimit -n`, or LimitNOFILE= of the "
                         "systemd unit)",
                         DESCRIPTORS_USUAL));
}

static void check_file_size(struct doctor *doctor)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        doctor_say(doctor, VERDICT_WARN, "limits",
                   arena_format(doctor->arena, "a file may have %llu bytes at most",
                                (unsigned long long)limit.rlim_cur),
                   TEXT("the database stops growing there; take the limit away (`ulimit -f unlimited`)"));
}

static void check_clock(struct doctor *doctor)
{
    int64_t now_us = instant_now_us();
    struct timex kernel = {.modes = 0}; /* asks only */
    struct buffer now = {0};

    instant_append_seconds(&now, now_us);
    struct text finding = arena_copy(doctor->arena, buffer_text(&now));

    buffer_free(&now);

    if (now_us < earliest_us)
        doctor_say(doctor, VERDICT_FAIL, "clock", finding,
                   TEXT("that is in the past; set it: ids, expiry and invoices depend on it"));
    else if (adjtimex(&kernel) == TIME_ERROR || kernel.status & STA_UNSYNC)
        doctor_say(doctor, VERDICT_WARN, "clock",
                   arena_format(doctor->arena, "%.*s, not known to be synchronised", TEXT_FORMAT(finding)),
                   TEXT("run chrony or systemd-timesyncd, on the host if this is a container"));
    else
        doctor_say(doctor, VERDICT_OK, "clock",
                   arena_format(doctor->arena, "%.*s, synchronised", TEXT_FORMAT(finding)), text_none);
}

/* Names from each part of the database: minimal packages leave the older ones out. */
static void check_time_zones(struct doctor *doctor)
{
    static const struct text names[] = {TEXT_LITERAL("Europe/Berlin"), TEXT_LITERAL("America/New_York"),
                                        TEXT_LITERAL("Asia/Kolkata"), TEXT_LITERAL("Pacific/Auckland")};

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!timezone_known(names[i])) {
            doctor_say(doctor, VERDICT_FAIL, "time zones",
                       arena_format(doctor->arena, "%.*s is unknown", TEXT_FORMAT(names[i])),
                       TEXT("install the package tzdata: customers in such zones are refused"));
            return;
        }
    doctor_say(doctor, VERDICT_OK, "time zones", TEXT("known"), text_none);
}

static void check_sqlite(struct doctor *doctor)
{
    struct text finding = arena_format(doctor->arena, "SQLite %s", sqlite3_libversion());
    static const char advice[] = "use the SQLite of the distribution that this program was built for";

    if (sqlite3_libversion_number() < SQLITE_VERSION_MIN)
        doctor_say(doctor, VERDICT_FAIL, "libraries",
                   arena_format(doctor->arena, "%.*s is too old", TEXT_FORMAT(finding)), TEXT(advice));
    else if (!sqlite3_threadsafe())
        doctor_say(doctor, VERDICT_FAIL, "libraries",
                   arena_format(doctor->arena, "%.*s is built without threads", TEXT_FORMAT(finding)),
                   TEXT(advice));
    else if (sqlite3_compileoption_used("OMIT_WAL") || sqlite3_compileoption_used("OMIT_FOREIGN_KEY"))
        doctor_say(doctor, VERDICT_FAIL, "libraries",
                   arena_format(doctor->arena, "%.*s is built without its log or foreign keys",
                                TEXT_FORMAT(finding)),
                   TEXT(advice));
    else if (sqlite3_libversion_number() < SQLITE_VERSION_NUMBER)
        doctor_say(doctor, VERDICT_WARN, "libraries",
                   arena_format(doctor->arena, "%.*s is older than the %s that this program was built with",
                                TEXT_FORMAT(finding), SQLITE_VERSION),
                   TEXT(advice));
    else
        doctor_say(doctor, VERDICT_OK, "libraries", finding, text_none);
}

static void check_openssl(struct doctor *doctor)
{
    struct text finding = text_from_string(OpenSSL_version(OPENSSL_VERSION));
    bool is_same = OPENSSL_version_major() == OPENSSL_VERSION_MAJOR;

    doctor_say(doctor, is_same ? VERDICT_OK : VERDICT_FAIL, "libraries", finding,
               is_same ? text_none
                       : TEXT("use the OpenSSL of the distribution that this program was built for"));
}

void doctor_check_machine(struct doctor *doctor)
{
    check_descriptors(doctor);
    check_file_size(doctor);
    check_clock(doctor);
    check_time_zones(doctor);
    check_sqlite(doctor);
    check_openssl(doctor);
}
