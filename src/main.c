/* main.c: the program. Which commands there are is told by the table in cli/commands.c. */
#include "cli/command.h"

int main(int argument_count, char **arguments)
{
    return command_main(argument_count - 1, arguments + 1);
}
