/* timezone.h: the system's tz database. */
#ifndef FARTHING_BASE_TIMEZONE_H
#define FARTHING_BASE_TIMEZONE_H

#include "base/text.h"

enum { TIMEZONE_NAME_MAX = 50 };

/* Whether `name` is an IANA name that the system's tz database knows, case-sensitively (conventions section
 * 10). "Local" and "" are not, nor are paths out of the database. `UTC` is known even on a system without the
 * database. */
bool timezone_known(struct text name);

#endif
