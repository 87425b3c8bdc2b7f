/* refusal.h: commands that are not run, or not to their end, whatever the database. Only for the store. */
#ifndef FARTHING_STORE_REFUSAL_H
#define FARTHING_STORE_REFUSAL_H

#include "store/command_list.h"

/* What waits when the store is closed is told, once what was under way had its time to end. */
const struct failure *refusal_stopping(struct arena *arena);
/* What a read is told for which no connection to the database can be opened: for want of rights, descriptors
 * or memory. */
const struct failure *refusal_cannot_open(struct arena *arena);
/* What a command is told that is abandoned: somebody may still read it, who has shut the sending side late.
 */
const struct failure *refusal_abandoned(struct arena *arena);

/* Whether nobody waits for what the command does any more (struct store_command). Any thread. */
static inline bool command_is_abandoned(const struct store_command *command)
{
    return command->is_abandoned && atomic_load_explicit(command->is_abandoned, memory_order_relaxed);
}

/* Tells the callers of all in the list, which is empty afterwards. Without a lock of the store in hand. */
void refuse_abandoned(struct command_list *abandoned);

#endif
