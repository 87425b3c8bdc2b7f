/* format.h: the formats that a text field can have; a field of the model names one of these functions.
 *
 * Each takes well-formed UTF-8 and returns NULL when the value is right, otherwise the rule it breaks, for a
 * person, as a text of the program that follows the field's name: "must be ...". None accepts an empty text:
 * whether an empty value counts as absent is the field's rule, not the format's. None trims. */
#ifndef FARTHING_MODEL_FORMAT_H
#define FARTHING_MODEL_FORMAT_H

#include "base/text.h"

/* One bare e-mail address (customers section 4.2): no display name, no angle brackets, no comment. The local
 * part is atoms joined by dots, or one quoted string (RFC 5322 section 3.4.1). The domain has at least one
 * dot and no trailing one; its labels are letters, digits and inner hyphens, at most 63 characters each; the
 * last begins and ends with a letter. Letters outside ASCII are letters. */
const char *format_email(struct text value);

/* An officially assigned ISO 3166-1 alpha-2 code or XK (Kosovo), in upper case (customers section 4.2). */
const char *format_country(struct text value);

/* A name that the system's tz database knows, case-sensitively (conventions section 10). */
const char *format_timezone(struct text value);

/* The tax registration keys of India (customers section 4.3), in either case. */
const char *format_gstin(struct text value);
const char *format_pan(struct text value);
/* 4, 6 or 8 digits. */
const char *format_hsn_sac(struct text value);

#endif
