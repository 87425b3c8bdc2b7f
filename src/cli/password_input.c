#include "cli/password_input.h"

#include "access/password.h"
#include "base/utf8.h"
#include "cli/command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* More than a password may have: what is longer is refused as it stands. */
enum { INPUT_BYTES_MAX = 1024 };

/* ---- bytes ---- */

/* Up to the end of the input, or of the line where that is what a terminal sends. -1 with errno. */
static ssize_t read_bytes(char *bytes, bool is_line)
{
    size_t length = 0;

    while (length < INPUT_BYTES_MAX) {
        ssize_t count = read(STDIN_FILENO, bytes + length, INPUT_BYTES_MAX - length);

        if (count < 0)
            return -1;
        length += (size_t)count;
        if (count == 0 || (is_line && memchr(bytes, '\n', length)))
            break;
    }
    return (ssize_t)length;
}

static struct text without_line_end(struct text text)
{
    if (text_ends_with(text, TEXT("\n")))
        text.length--;
    if (text_ends_with(text, TEXT("\r")))
        text.length--;
    return text;
}

/* ---- a terminal ---- */

static volatile sig_atomic_t caught;

static void note(int signal_number)
{
    caught = signal_number;
}

static const int ending_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
enum { ENDING_SIGNAL_COUNT = sizeof ending_signals / sizeof ending_signals[0] };

/* Without echo, also when a signal ends the command meanwhile: a terminal that shows nothing looks broken.
 * Ctrl-Z waits until then. */
static ssize_t read_unseen(char *bytes)
{
    const struct sigaction catching = {.sa_handler = note}; /* without SA_RESTART: read() is to return */
    struct sigaction before[ENDING_SIGNAL_COUNT];
    struct termios shown, unseen;
    sigset_t suspending, mask;

    if (tcgetattr(STDIN_FILENO, &shown) != 0)
        return -1;
    unseen = shown;
    unseen.c_lflag &= ~(tcflag_t)ECHO;
    sigemptyset(&suspending);
    sigaddset(&suspending, SIGTSTP);
    sigprocmask(SIG_BLOCK, &suspending, &mask);
    caught = 0;
    for (int i = 0; i < ENDING_SIGNAL_COUNT; i++)
        sigaction(ending_signals[i], &catching, &before[i]);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen);
    ssize_t length = read_bytes(bytes, true);
    int error = errno;

    tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    for (int i = 0; i < ENDING_SIGNAL_COUNT; i++)
        sigaction(ending_signals[i], &before[i], NULL);
    fputc('\n', stderr);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    if (caught)
        raise(caught);
    errno = error;
    return length;
}

static bool ask(const char *prompt, struct arena *arena, struct text *line)
{
    char *bytes = arena_allocate(arena, INPUT_BYTES_MAX);

    fputs(prompt, stderr);
    ssize_t length = read_unseen(bytes);

    if (length < 0) {
        complain(EXIT_FAILED, "no password could be read: %s", strerror(errno));
        return false;
    }
    *line = without_line_end((struct text){bytes, (size_t)length});
    return true;
}

static bool ask_twice(struct arena *arena, struct text *password)
{
    struct text again;

    if (!ask("password: ", arena, password) || !ask("once more: ", arena, &again))
        return false;
    if (text_equal(*password, again))
        return true;
    complain(EXIT_USAGE, "the two passwords differ");
    return false;
}

/* ---- either ---- */

static bool read_piped(struct arena *arena, struct text *password)
{
    char *bytes = arena_allocate(arena, INPUT_BYTES_MAX);
    ssize_t length = read_bytes(bytes, false);

    if (length < 0) {
        complain(EXIT_FAILED, "no password could be read from standard input: %s", strerror(errno));
        return false;
    }
    *password = without_line_end((struct text){bytes, (size_t)length});
    return true;
}

/* What is wrong with it, or NULL. A line break or a NUL in it could not be typed when logging in. */
static const char *rule_of(struct text password)
{
    if (password.length == 0)
        return "is to be given on standard input, as one line";
    if (!utf8_valid(password))
        return "must be UTF-8";
    for (size_t i = 0; i < password.length; i++)
        if ((unsigned char)password.data[i] < ' ' || password.data[i] == 0x7f)
            return "must be one line without control characters";
    return password_rule(password);
}

bool password_input(struct arena *arena, struct text *password)
{
    if (!(isatty(STDIN_FILENO) ? ask_twice(arena, password) : read_piped(arena, password)))
        return false;
    const char *rule = rule_of(*password);

    if (rule)
        complain(EXIT_USAGE, "the password %s", rule);
    return !rule;
}
