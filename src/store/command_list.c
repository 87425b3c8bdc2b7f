#include "store/command_list.h"

void command_list_init(struct command_list *list)
{
    list->first = NULL;
    list->end = &list->first;
    list->count = 0;
}

void command_list_append(struct command_list *list, struct store_command *command)
{
    command->next = NULL;
    *list->end = command;
    list->end = &command->next;
    list->count++;
}

struct store_command *command_list_take(struct command_list *list)
{
    struct store_command *command = list->first;

    if (command) {
        list->first = command->next;
        list->count--;
        if (!list->first)
            list->end = &list->first;
    }
    return command;
}

void command_list_move(struct command_list *from, struct command_list *to, size_t count)
{
    for (; count > 0 && from->first; count--)
        command_list_append(to, command_list_take(from));
}
