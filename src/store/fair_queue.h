/* fair_queue.h: commands that may take long and wait, of owners who take turns: the next command is always
 * one of the owner whose last turn is longest ago, however many others wait. Of one owner, first in, first
 * out. Not synchronised. Only for the store. */
#ifndef FARTHING_STORE_FAIR_QUEUE_H
#define FARTHING_STORE_FAIR_QUEUE_H

#include "store/command_list.h"

enum { FAIR_OWNERS_MAX = 64 }; /* who wait, or whose last turn is remembered */

struct fair_owner {
    uint64_t owner; /* as in a command */
    struct command_list waiting;
    uint64_t turn; /* the last one, counted over all; 0: none yet */
};

struct fair_queue {
    struct fair_owner owners[FAIR_OWNERS_MAX];
    size_t count; /* of the commands that wait */
    uint64_t turns;
};

void fair_queue_init(struct fair_queue *queue);

/* Takes the command, unless STORE_SLOW_OWNER_MAX of its owner wait, or STORE_SLOW_QUEUE_MAX of all: an owner
 * of whom none waits has room beyond these, as long as no FAIR_OWNERS_MAX others wait. O(owners). */
enum store_verdict fair_queue_put(struct fair_queue *queue, struct store_command *command);

/* The next command; NULL when there is none. One that is abandoned is no turn of its owner. O(owners). */
struct store_command *fair_queue_take(struct fair_queue *queue);

/* Moves what is abandoned to the end of the list. */
void fair_queue_move_abandoned(struct fair_queue *queue, struct command_list *abandoned);

#endif
