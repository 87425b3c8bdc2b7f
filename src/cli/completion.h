/* completion.h: what a shell offers at TAB. `farthing completion SHELL` prints a script of some lines, and
 * the script asks the binary itself for the words: so all shells are told the same, from the tables of
 * commands and settings, and never of another version's flags. Only for the cli room. */
#ifndef FARTHING_CLI_COMPLETION_H
#define FARTHING_CLI_COMPLETION_H

#include "cli/command.h"

/* The command that the scripts run; people have no use for it, so no help lists it. */
#define COMPLETION_COMMAND "complete"

/* Prints what the last of the words, which is being typed and may be empty, can become; the words before it
 * are those behind `farthing`. A line each: the word, a tab, what it means. Nothing at all where it can be
 * anything, such as a file. bash hands over `--flag=value` as three words. */
enum exit_code completion_offer(int word_count, char **words);

#endif
