/* audit_report.h: what `farthing audit verify` has found, on standard output. Only for the cli room. */
#ifndef FARTHING_CLI_AUDIT_REPORT_H
#define FARTHING_CLI_AUDIT_REPORT_H

#include "domain/audit_check.h"
#include "json/reader.h"

struct audit_report {
    const struct audit_check *check; /* ended */
    size_t finding_count;
    const struct json_value *chains; /* the heads, an array, as the server has told them */
    struct arena *arena;
};

/* For a person: where each chain begins, what is wrong, and the upshot. The trail is called whole only when
 * every chain is there from its first row on. */
void audit_report_text(const struct audit_report *report);
/* One object, which `--expect` takes again. */
void audit_report_json(const struct audit_report *report);

#endif
