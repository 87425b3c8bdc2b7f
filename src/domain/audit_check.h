/* audit_check.h: whether the audit trail is whole (store/audit.h): fed with the heads of its chains, its rows
 * in the order of `sequence`, and the heads once more, it says what is wrong.
 *
 * Rows may be written, and old ones removed, while they are read: what the first heads hold is checked, what
 * came later is not, and what was removed by retention meanwhile is not missed. */
#ifndef FARTHING_DOMAIN_AUDIT_CHECK_H
#define FARTHING_DOMAIN_AUDIT_CHECK_H

#include "base/hash.h"
#include "store/audit.h"

enum audit_fault {
    AUDIT_ROW_CHANGED,  /* its hash is not the one over its values and the row before it */
    AUDIT_ROWS_MISSING, /* the chain has no rows of these positions */
    AUDIT_ROW_EXTRA,    /* a row whose position the chain has had, or does not have yet */
    AUDIT_ROW_FOREIGN,  /* a row of a chain that there is not */
    AUDIT_HEAD_CHANGED, /* the head is not the chain's last row */
    AUDIT_REWRITTEN,    /* the row at this position has another hash than was kept elsewhere */
    AUDIT_CUT_OFF,      /* these positions were there when the heads were kept elsewhere */
    AUDIT_UNACCOUNTED,  /* the trail begins after what it must tell of; no chain, no position */
};

struct audit_finding {
    enum audit_fault fault;
    int64_t sequence; /* of the row; 0: of none */
    int64_t chain;
    int64_t first_position, last_position;
};

enum { AUDIT_FINDINGS_MAX = 10000 }; /* are kept; more are only counted */

/* A row, as far as it matters here. */
struct audit_link {
    int64_t sequence, chain, position;
    uint8_t digest[SHA256_BYTES]; /* audit_digest */
    struct text hash;             /* as it is stored */
    int64_t occurred_at;
};

/* Why the rows before a chain's first one are not there. */
enum audit_before {
    AUDIT_BEFORE_NOTHING,     /* there were none: the chain is there from its first row on, or has had none */
    AUDIT_BEFORE_RETENTION,   /* they were old, says the mark that retention leaves in the chain's head */
    AUDIT_BEFORE_UNACCOUNTED, /* nothing says why; among the findings they are missing */
};

/* Where a chain begins, among the rows that the first heads hold. */
struct audit_beginning {
    int64_t chain;
    enum audit_before before;
    int64_t removed_count;  /* rows before the first one */
    int64_t row_count;      /* 0: the rest is unset */
    int64_t first_position; /* of the first row that is there */
    int64_t first_sequence;
    int64_t first_occurred_at;
};

struct audit_check;

struct audit_check *audit_check_new(void);
void audit_check_free(struct audit_check *check);

/* Before the rows: a chain's head, and one that was kept elsewhere. */
void audit_check_head(struct audit_check *check, const struct audit_chain_row *head);
void audit_check_expect(struct audit_check *check, int64_t chain, int64_t position, struct text hash);
/* Each row, in the order of `sequence`. */
void audit_check_row(struct audit_check *check, const struct audit_link *row);
/* After the rows: each head again. */
void audit_check_head_again(struct audit_check *check, const struct audit_chain_row *head);
/* When the oldest of what the trail must tell of was made; INSTANT_UNSET: there is nothing. Without it, that
 * is not looked at. */
void audit_check_since(struct audit_check *check, int64_t since);
/* Ends the check. Returns how many findings there are. */
size_t audit_check_end(struct audit_check *check);

/* At most AUDIT_FINDINGS_MAX, in no particular order. */
const struct audit_finding *audit_check_findings(const struct audit_check *check, size_t *count);
/* "changed", "missing", ...: as JSON has it. */
struct text audit_fault_name(enum audit_fault fault);
/* The chain at `index`, from 0 on; false behind the last. After the end. A trail of which nothing is left, or
 * that was cut at its beginning together with its marks, cannot be told from one that has just begun, or that
 * retention has cut, without heads that were kept elsewhere: hence this is told, whatever was found. */
bool audit_check_beginning(const struct audit_check *check, size_t index, struct audit_beginning *beginning);
/* Whether all that the chains say they have had is there: rows, and none before the first ones. */
bool audit_check_is_complete(const struct audit_check *check);
/* Rows that were checked, of the chains that have any; kept heads that cannot be compared any more, because
 * retention has removed their rows. */
int64_t audit_check_row_count(const struct audit_check *check);
int64_t audit_check_chain_count(const struct audit_check *check);
int64_t audit_check_uncomparable_count(const struct audit_check *check);

#endif
