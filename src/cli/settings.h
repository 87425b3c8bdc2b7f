/* settings.h: the settings of a server, described once in settings_table.c. From a setting's line there
 * follow its flag (`--header-timeout-ms 5000`; one that is a list may repeat), its environment variable
 * (FARTHING_HEADER_TIMEOUT_MS; a list is separated by commas), its name in the configuration file, its part
 * in `farthing help serve` and in `farthing config example|show`. A flag wins over the environment, that over
 * the file, that over the default. Only for the cli room. */
#ifndef FARTHING_CLI_SETTINGS_H
#define FARTHING_CLI_SETTINGS_H

#include "base/arena.h"
#include "base/text.h"

enum {
    SETTINGS_MAX = 128,
    SETTING_VALUES_MAX = 16,
    VARIABLE_NAME_BYTES_MAX = 64,
};

enum setting_type {
    SETTING_TEXT,        /* not empty */
    SETTING_NUMBER,      /* within minimum and maximum, as the next two */
    SETTING_DURATION_MS, /* milliseconds */
    SETTING_BYTES,       /* digits, or digits with KiB, MiB or GiB */
    SETTING_BOOLEAN,     /* true or false; the flag alone is true */
    SETTING_CHOICE,      /* one of the choices' words */
    SETTING_LIST,        /* texts, each not empty */
};

/* Words with the same value mean the same; the first of them is how it is shown. */
struct setting_choice {
    const char *word; /* NULL ends the choices */
    int value;
};

enum setting_trait {
    RELOADS = 1,   /* a running server takes a new value when it reads its configuration again */
    SECRET = 2,    /* its value is never shown */
    FLAG_ONLY = 4, /* it cannot stand in the configuration file */
};

struct setting {
    const char *name; /* "listen"; NULL ends the table */
    enum setting_type type;
    const char *argument; /* what the value is called in the help: "HOST:PORT" */
    const char *fallback; /* the default, as a flag would say it (one value of a list); NULL: none */
    const char *help;     /* part of a sentence, without a full stop */
    unsigned traits;
    int64_t minimum, maximum;
    const struct setting_choice *choices;
    /* The rule of a text or of each text in a list: NULL, or what it must be ("must be HOST:PORT"). */
    const char *(*check)(struct text value);
    /* Of a SECRET: what of a value may be shown; NULL: nothing. */
    struct text (*show)(struct text value, struct arena *arena);
    const char *example; /* a value to show where there is no default */
    const char *alias;   /* a variable of the peer that means the same; ours wins over it */
    const char *needs;   /* a setting that must differ from its default when this one does */
    const char *at_most; /* a setting of the same type whose number this one's must not exceed */
};

/* The settings, in the order in which they are shown. */
extern const struct setting settings_table[];

enum setting_origin { ORIGIN_DEFAULT, ORIGIN_FILE, ORIGIN_ENVIRONMENT, ORIGIN_FLAG };

/* A setting's values. Of a setting without a default that was not given, count is 0. */
struct setting_state {
    struct text values[SETTING_VALUES_MAX]; /* checked, and as they are shown */
    int64_t number;                         /* of a number, duration, size, boolean (0, 1) or choice */
    enum setting_origin origin;
    unsigned count;
    unsigned line;      /* in the file that the value is from */
    unsigned file_line; /* where the file set it, whatever wins; 0: nowhere */
};

struct settings {
    struct setting_state states[SETTINGS_MAX];
    struct text file; /* the configuration file that was read; unset: none */
    struct arena *arena;
};

enum settings_scope {
    SETTINGS_NONE,
    SETTINGS_DATA, /* only where the data is, and what opens it: `data`, `config`, `database`, the secrets */
    SETTINGS_BACKUP, /* these, and how to reach where continuous backups are */
    SETTINGS_ALL,
    SETTINGS_LATER, /* all of them; the command loads them itself, and says what is wrong with them */
};

/* The settings as the environment and the file give them, below what settings_set_flag has set already; each
 * value is checked, also one that another wins over. The file is the one that `config` names, else
 * farthing.conf in the data directory if it is there. False with one line that names the
 * place. */
bool settings_load(struct settings *settings, enum settings_scope scope, struct text *reason);
/* The same settings once more into `fresh`, with the flags as they were given and the environment and the
 * file as they are now: for a running server. False with a reason leaves `settings` as the ones that hold. */
bool settings_load_again(const struct settings *settings, struct settings *fresh, struct arena *arena,
                         struct text *reason);
/* Whether a setting of the table has other values in the one than in the other. */
bool settings_differ(const struct settings *one, const struct settings *other, int index);
/* Empty settings whose texts go to the arena. */
void settings_init(struct settings *settings, struct arena *arena);
/* A value that a flag gives, before settings_load. */
bool settings_set_flag(struct settings *settings, int index, struct text value, struct text *reason);
/* What stands in a configuration file called `path`; settings that have a value keep it. */
bool settings_read_file(struct settings *settings, struct text path, struct text content,
                        struct text *reason);

/* A setting of the table by name; -1 when there is none. */
int settings_find(struct text name);
/* Whether a command of that scope takes the setting. */
bool settings_in_scope(int index, enum settings_scope scope);

/* Values by name; the type must be the table's. An unset text when there is none. */
struct text settings_text(const struct settings *settings, const char *name);
int64_t settings_number(const struct settings *settings, const char *name); /* also durations and sizes */
bool settings_boolean(const struct settings *settings, const char *name);
int settings_choice(const struct settings *settings, const char *name);
unsigned settings_list(const struct settings *settings, const char *name, const struct text **values);

/* "flag", "environment FARTHING_LISTEN", "file /etc/farthing.conf:12" or "default". */
struct text settings_origin(const struct settings *settings, int index, struct arena *arena);
/* A value as it may be shown: of a secret, what is none. In the arena, or the text itself. */
struct text setting_shown(const struct setting *setting, struct text value, struct arena *arena);
/* What a person is told of a setting: its help, the words it can be, whether it can change later. */
struct text setting_help(const struct setting *setting, struct arena *arena);
/* FARTHING_LISTEN for "listen". */
void variable_name(const char *flag, char name[VARIABLE_NAME_BYTES_MAX]);
/* The environment variable that gives the setting: its own, or its alias when only that is set; in the arena.
 */
struct text setting_variable(const struct setting *setting, struct arena *arena);

/* Only for settings*.c: a value in the words it is shown in, with its number; an unset text, and in
 * *complaint what it must be ("must be a number from 1 to 10"), when the setting cannot have it. */
struct text setting_value_read(const struct setting *setting, struct text value, struct arena *arena,
                               int64_t *number, struct text *complaint);

/* Only for settings*.c: whether each setting goes with the ones that its row names (`needs`, `at_most`).
 * False with one line that says which does not. */
bool settings_agree(const struct settings *settings, struct text *reason);

/* Rules for `check` (setting_rules.c). */
const char *setting_rule_listen(struct text value);   /* an address to listen on, as far as its form goes */
const char *setting_rule_network(struct text value);  /* an address, a network, "loopback" or "unix" */
const char *setting_rule_mode(struct text value);     /* permissions in octal */
const char *setting_rule_origins(struct text value);  /* "*", or origins as browsers send them */
const char *setting_rule_token(struct text value);    /* long enough that nobody guesses it */
const char *setting_rule_database(struct text value); /* a URL of PostgreSQL */
const char *setting_rule_backup_place(struct text value); /* a path, or s3://BUCKET/PREFIX */
const char *setting_rule_tenant_name(struct text value);
const char *setting_rule_secret(struct text value); /* as long as a key must be */
const char *setting_rule_json_object(struct text value);
const char *setting_rule_url(struct text value);     /* http or https, without a query or a fragment */
const char *setting_rule_hex_key(struct text value); /* bytes as hexadecimal digits */

/* For `show` (setting_shown.c): a URL with *** for every password in it. */
struct text setting_show_database(struct text url, struct arena *arena);

#endif
