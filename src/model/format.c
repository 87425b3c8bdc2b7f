#include "model/format.h"

#include "base/timezone.h"
#include "base/utf8.h"

#include <string.h>

enum { DOMAIN_LABEL_LENGTH_MAX = 63 /* RFC 1035 section 2.3.4 */, COUNTRY_LENGTH = 2 };

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_upper(char byte)
{
    return byte >= 'A' && byte <= 'Z';
}

static bool is_ascii_letter(char byte)
{
    return is_upper(byte) || (byte >= 'a' && byte <= 'z');
}

struct code_point_range {
    uint32_t first;
    uint32_t last;
};

/* What lies outside ASCII and is no letter, digit or mark of a word: controls, spaces, invisible and
 * direction-changing characters, punctuation (the look-alikes of `.` and `@` above all), symbols, private
 * use. In ascending order, and coarser than the Unicode tables: an address is refused for what would mislead
 * its reader, not for a letter that a newer version of Unicode added. */
static const struct code_point_range not_letters[] = {
    {0x0080, 0x00a9}, {0x00ab, 0x00b4}, {0x00b6, 0x00b6},   {0x00b8, 0x00b9},    {0x00bb, 0x00bf},
    {0x00d7, 0x00d7}, {0x00f7, 0x00f7}, {0x1680, 0x1680},   {0x180e, 0x180e},    {0x2000, 0x20ff},
    {0x2190, 0x2bff}, {0x2e00, 0x2e7f}, {0x2ff0, 0x3004},   {0x3008, 0x3020},    {0xd800, 0xf8ff},
    {0xfdd0, 0xfdef}, {0xfe00, 0xfe6f}, {0xfeff, 0xff0f},   {0xff1a, 0xff20},    {0xff3b, 0xff40},
    {0xff5b, 0xff65}, {0xffe0, 0xffff}, {0x1f000, 0x1fbef}, {0xe0000, 0x10ffff},
};

/* Of a code point outside ASCII. */
static bool is_foreign_letter(uint32_t code_point)
{
    const struct code_point_range *range = not_letters;

    while (code_point > range->last) /* the last range ends with the last code point */
        range++;
    return code_point < range->first;
}

/* RFC 5322 section 3.2.3, and RFC 6532 for what is outside ASCII. */
static bool is_atom_character(uint32_t code_point)
{
    if (code_point >= 0x80)
        return is_foreign_letter(code_point);
    return is_ascii_letter((char)code_point) || is_digit((char)code_point) ||
           (code_point != 0 && strchr("!#$%&'*+-/=?^_`{|}~", (int)code_point) != NULL);
}

/* Reads atoms joined by single dots from *position on. False when there is none, or a dot joins nothing. */
static bool read_dot_atom(struct text value, size_t *position)
{
    bool in_atom = false;

    while (*position < value.length) {
        size_t next = *position;
        uint32_t code_point = utf8_next(value, &next);

        if (code_point == '.') {
            if (!in_atom)
                return false;
            in_atom = false;
        } else if (is_atom_character(code_point)) {
            in_atom = true;
        } else {
            break;
        }
        *position = next;
    }
    return in_atom;
}

/* RFC 5322 section 3.2.4, without folding: spaces and tabs, but no line ends or other controls. */
static bool is_quotable(uint32_t code_point)
{
    if (code_point >= 0x80)
        return is_foreign_letter(code_point);
    return (code_point >= ' ' && code_point < 0x7f) || code_point == '\t';
}

/* Reads a quoted string from its opening quote on. False when it holds what it may not, or does not end. */
static bool read_quoted_string(struct text value, size_t *position)
{
    (*position)++;
    while (*position < value.length) {
        uint32_t code_point = utf8_next(value, position);

        if (code_point == '"')
            return true;
        if (code_point == '\\') {
            if (*position == value.length)
                return false;
            code_point = utf8_next(value, position);
            if (code_point >= 0x80) /* only what is in ASCII can be escaped */
                return false;
        }
        if (!is_quotable(code_point))
            return false;
    }
    return false;
}

/* What the last label of a domain must know about itself. */
struct label {
    size_t length; /* in characters */
    bool starts_with_letter;
    bool ends_with_letter;
};

/* Reads one label of a domain from *position on, up to a dot or the end. */
static bool read_label(struct text value, size_t *position, struct label *label)
{
    bool hyphen = false;

    *label = (struct label){0};
    while (*position < value.length && value.data[*position] != '.') {
        uint32_t code_point = utf8_next(value, position);
        bool letter = code_point < 0x80 ? is_ascii_letter((char)code_point) : is_foreign_letter(code_point);

        hyphen = code_point == '-';
        if (!letter && !hyphen && !(code_point < 0x80 && is_digit((char)code_point)))
            return false;
        if (hyphen && label->length == 0)
            return false;
        if (label->length++ == 0)
            label->starts_with_letter = letter;
        label->ends_with_letter = letter;
    }
    return label->length > 0 && label->length <= DOMAIN_LABEL_LENGTH_MAX && !hyphen;
}

static bool is_domain(struct text value)
{
    struct label label;
    size_t position = 0, labels = 0;

    for (;;) {
        if (!read_label(value, &position, &label))
            return false;
        labels++;
        if (position == value.length)
            break;
        position++; /* the dot */
    }
    return labels >= 2 && label.starts_with_letter && label.ends_with_letter;
}

const char *format_email(struct text value)
{
    static const char rule[] = "must be one e-mail address such as name@example.com, without a display name";
    size_t position = 0;

    if (value.length == 0)
        return rule;
    bool local =
        value.data[0] == '"' ? read_quoted_string(value, &position) : read_dot_atom(value, &position);

    if (!local || position == value.length || value.data[position] != '@' ||
        !is_domain(text_from(value, position + 1)))
        return rule;
    return NULL;
}

const char *format_country(struct text value)
{
    /* By first letter, the second letters of the 249 officially assigned codes, and XK. */
    static const char *const second_letters[] = {
        "DEFGILMOQRSTUWXZ",        /* A */
        "ABDEFGHIJLMNOQRSTVWYZ",   /* B */
        "ACDFGHIKLMNORUVWXYZ",     /* C */
        "EJKMOZ",                  /* D */
        "CEGHRST",                 /* E */
        "IJKMOR",                  /* F */
        "ABDEFGHILMNPQRSTUWY",     /* G */
        "KMNRTU",                  /* H */
        "DELMNOQRST",              /* I */
        "EMOP",                    /* J */
        "EGHIMNPRWYZ",             /* K */
        "ABCIKRSTUVY",             /* L */
        "ACDEFGHKLMNOPQRSTUVWXYZ", /* M */
        "ACEFGILOPRUZ",            /* N */
        "M",                       /* O */
        "AEFGHKLMNRSTWY",          /* P */
        "A",                       /* Q */
        "EOSUW",                   /* R */
        "ABCDEGHIJKLMNORSTVXYZ",   /* S */
        "CDFGHJKLMNORTVWZ",        /* T */
        "AGMSYZ",                  /* U */
        "ACEGINU",                 /* V */
        "FS",                      /* W */
        "K",                       /* X */
        "ET",                      /* Y */
        "AMW",                     /* Z */
    };

    if (value.length != COUNTRY_LENGTH || !is_upper(value.data[0]) || !is_upper(value.data[1]) ||
        !strchr(second_letters[value.data[0] - 'A'], value.data[1]))
        return "must be an ISO 3166-1 alpha-2 country code in upper case, such as DE";
    return NULL;
}

const char *format_timezone(struct text value)
{
    return timezone_known(value) ? NULL : "must be a time zone of the IANA database, such as Europe/Berlin";
}

/* Whether `value` follows `pattern`, character by character: 9 is a digit, A a letter, X either, Z the letter
 * Z; letters in either case. */
static bool follows_pattern(struct text value, struct text pattern)
{
    if (value.length != pattern.length)
        return false;
    for (size_t i = 0; i < value.length; i++) {
        char byte = value.data[i];
        bool right;

        switch (pattern.data[i]) {
        case '9':
            right = is_digit(byte);
            break;
        case 'A':
            right = is_ascii_letter(byte);
            break;
        case 'X':
            right = is_digit(byte) || is_ascii_letter(byte);
            break;
        default:
            right = byte == 'Z' || byte == 'z';
        }
        if (!right)
            return false;
    }
    return true;
}

const char *format_gstin(struct text value)
{
    if (follows_pattern(value, TEXT("99AAAAA9999AXZX")))
        return NULL;
    return "must be a GSTIN of 15 characters: 2 digits, 5 letters, 4 digits, a letter, a letter or digit, Z, "
           "a "
           "letter or digit";
}

const char *format_pan(struct text value)
{
    if (follows_pattern(value, TEXT("AAAAA9999A")))
        return NULL;
    return "must be a PAN of 10 characters: 5 letters, 4 digits, a letter";
}

const char *format_hsn_sac(struct text value)
{
    static const struct text digits = TEXT_LITERAL("99999999");

    if ((value.length == 4 || value.length == 6 || value.length == 8) &&
        follows_pattern(value, text_slice(digits, 0, value.length)))
        return NULL;
    return "must be 4, 6 or 8 digits";
}
