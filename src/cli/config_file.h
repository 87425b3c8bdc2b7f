/* config_file.h: reads the configuration file's lines. Pure: it has never heard of a setting or of a disk.
 * Only for the cli room.
 *
 *     # a comment
 *     listen = 127.0.0.1:8080     # the value ends at a # behind a space
 *     log-format = "json"         # or at its quote; \" and \\ stand for " and \ in it
 *
 * A setting that is a list has a line for each of its values. White space around names and values does not
 * count; lines end in LF or CRLF; the text is UTF-8. */
#ifndef FARTHING_CLI_CONFIG_FILE_H
#define FARTHING_CLI_CONFIG_FILE_H

#include "base/arena.h"
#include "base/text.h"

enum { CONFIG_FILE_BYTES_MAX = 1024 * 1024 };

struct config_reader {
    struct text rest; /* what is not read yet */
    unsigned line;    /* the number of the line that was read last, from 1 */
};

struct config_entry {
    struct text name, value; /* in the file's text, or in the arena */
    unsigned line;
};

enum config_step { CONFIG_ENTRY, CONFIG_END, CONFIG_MALFORMED };

/* A reader of `text`, which must outlive the entries. */
struct config_reader config_reader_of(struct text text);
/* The next entry. CONFIG_MALFORMED comes with a reason that does not name the file: `12: this is not …`. */
enum config_step config_next(struct config_reader *reader, struct arena *arena, struct config_entry *entry,
                             struct text *reason);

#endif
