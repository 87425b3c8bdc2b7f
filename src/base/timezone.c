#include "base/timezone.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZONEINFO_DIRECTORY "/usr/share/zoneinfo/"
#define ZONEINFO_MAGIC     "TZif" /* RFC 8536, section 3.1 */

enum { ZONEINFO_MAGIC_LENGTH = sizeof ZONEINFO_MAGIC - 1, KNOWN_NAMES = 64 };

/* No IANA name holds another character; leaving out the dot also keeps paths inside the database. */
static bool is_name_char(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '_' || byte == '-' || byte == '+' || byte == '/';
}

static bool is_safe_path(struct text name)
{
    if (name.length == 0 || name.length > TIMEZONE_NAME_MAX)
        return false;
    if (name.data[0] == '/' || name.data[name.length - 1] == '/')
        return false;
    for (size_t i = 0; i < name.length; i++)
        if (!is_name_char(name.data[i]) || (name.data[i] == '/' && name.data[i - 1] == '/'))
            return false;
    return true;
}

/* Files that systems keep in the database's folder although they are no zone of their own. */
static bool is_reserved(struct text name)
{
    return text_equal(name, TEXT("localtime")) || text_equal(name, TEXT("posixrules")) ||
           text_equal(name, TEXT("Factory")) || text_starts_with(name, TEXT("posix/")) ||
           text_starts_with(name, TEXT("right/"));
}

static bool is_zone_file(const char *path)
{
    char magic[ZONEINFO_MAGIC_LENGTH];
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (file < 0)
        return false;
    bool known = fstat(file, &status) == 0 && S_ISREG(status.st_mode) &&
                 read(file, magic, sizeof magic) == (ssize_t)sizeof magic &&
                 memcmp(magic, ZONEINFO_MAGIC, sizeof magic) == 0;

    close(file);
    return known;
}

/* The names that this thread found, each in the place that its hash has: most customers of a business live in
 * few zones, and a zone does not go away. */
struct known_name {
    size_t length;
    char name[TIMEZONE_NAME_MAX];
};

static _Thread_local struct known_name known_names[KNOWN_NAMES];

static struct known_name *place_of(struct text name)
{
    uint32_t hash = (uint32_t)name.length;

    for (size_t i = 0; i < name.length; i++)
        hash = hash * 31 + (unsigned char)name.data[i];
    return &known_names[(hash ^ hash >> 8) % KNOWN_NAMES];
}

static bool is_remembered(struct text name)
{
    const struct known_name *known = place_of(name);

    return name.length > 0 && text_equal(name, (struct text){known->name, known->length});
}

static void remember(struct text name)
{
    struct known_name *known = place_of(name);

    memcpy(known->name, name.data, name.length);
    known->length = name.length;
}

bool timezone_known(struct text name)
{
    char path[sizeof ZONEINFO_DIRECTORY + TIMEZONE_NAME_MAX] = ZONEINFO_DIRECTORY;

    if (text_equal(name, TEXT("UTC")) || is_remembered(name))
        return true;
    if (!is_safe_path(name) || is_reserved(name))
        return false;
    memcpy(path + sizeof ZONEINFO_DIRECTORY - 1, name.data, name.length); /* the rest is zero */
    if (!is_zone_file(path))
        return false;
    remember(name);
    return true;
}
