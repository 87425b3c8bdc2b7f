/* command_list.h: commands that wait, first in, first out. Not synchronised. Only for the store. */
#ifndef FARTHING_STORE_COMMAND_LIST_H
#define FARTHING_STORE_COMMAND_LIST_H

#include "store/store.h"

struct command_list {
    struct store_command *first;
    struct store_command **end;
    size_t count;
};

void command_list_init(struct command_list *list);
void command_list_append(struct command_list *list, struct store_command *command);
/* NULL when there is none. */
struct store_command *command_list_take(struct command_list *list);
/* Moves at most `count` commands from the front of `from` to the end of `to`. */
void command_list_move(struct command_list *from, struct command_list *to, size_t count);

#endif
