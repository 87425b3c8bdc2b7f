/* password.h: passwords as they are kept, and passwords that are made (conventions section 22.1, 80-admin
 * section 2). Argon2id (RFC 9106) through libsodium; the kept text says how it was made, so that the
 * parameters can change. */
#ifndef FARTHING_ACCESS_PASSWORD_H
#define FARTHING_ACCESS_PASSWORD_H

#include "base/text.h"

enum {
    /* The least that OWASP recommends for one lane: some 20 to 40 ms of a processor. */
    PASSWORD_MEMORY_KIB = 19 * 1024,
    PASSWORD_PASSES = 2,
    PASSWORD_HASH_BYTES_MAX = 128, /* with the NUL at the end */
    PASSWORD_LENGTH_MIN = 8,       /* code points */
    PASSWORD_BYTES_MAX = 72,       /* conventions section 22.1 */
    PASSWORD_GENERATED_LENGTH = 16,
    PASSWORD_GENERATED_DIGITS = 4,
    PASSWORD_GENERATED_SYMBOLS = 2,
};

/* Each of these three takes the time and the memory of a hash: never on a loop or in a transaction. */

/* `$argon2id$v=19$m=…,t=…,p=1$…`, ended by a NUL. False when there is no memory for it. */
bool password_hash(struct text password, char hash[PASSWORD_HASH_BYTES_MAX]);
/* Whether the hash is that of the password. *is_out_of_memory: it could not be told. */
bool password_verify(struct text password, struct text hash, bool *is_out_of_memory);
/* Takes as long as password_verify, for a password that there is no hash of. The same with the memory. */
void password_pretend(struct text password, bool *is_out_of_memory);

/* Whether the hash was made with other parameters than password_hash uses now. */
bool password_needs_rehash(struct text hash);

/* NULL, or what a password must be ("must be at least 8 characters"). */
const char *password_rule(struct text password);

/* A password for somebody else, to be told once: letters of both cases, exactly 4 digits and 2 symbols, in
 * any order; each such text is as likely as any other. Not ended by a NUL. */
void password_generate(char password[PASSWORD_GENERATED_LENGTH]);

#endif
