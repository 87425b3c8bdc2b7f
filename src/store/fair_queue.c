#include "store/fair_queue.h"

#include "store/refusal.h"

void fair_queue_init(struct fair_queue *queue)
{
    *queue = (struct fair_queue){.count = 0};
    for (size_t i = 0; i < FAIR_OWNERS_MAX; i++)
        command_list_init(&queue->owners[i].waiting);
}

/* NULL when that many others wait. Somebody new takes the place of whoever had no turn for longest, with that
 * turn as its own: otherwise ever new owners could pass by one that waits. */
static struct fair_owner *owner_of(struct fair_queue *queue, uint64_t owner)
{
    struct fair_owner *idle = NULL;

    for (struct fair_owner *one = queue->owners; one < queue->owners + FAIR_OWNERS_MAX; one++) {
        if (one->owner == owner)
            return one;
        if (one->waiting.count == 0 && (!idle || one->turn < idle->turn))
            idle = one;
    }
    if (idle)
        idle->owner = owner;
    return idle;
}

enum store_verdict fair_queue_put(struct fair_queue *queue, struct store_command *command)
{
    struct fair_owner *owner = owner_of(queue, command->owner);

    if (owner && owner->waiting.count >= STORE_SLOW_OWNER_MAX)
        return STORE_OWNER_HAS_ENOUGH;
    if (!owner || (owner->waiting.count > 0 && queue->count >= STORE_SLOW_QUEUE_MAX))
        return STORE_QUEUE_FULL;
    command_list_append(&owner->waiting, command);
    queue->count++;
    return STORE_TAKEN;
}

struct store_command *fair_queue_take(struct fair_queue *queue)
{
    struct fair_owner *next = NULL;

    for (struct fair_owner *one = queue->owners; one < queue->owners + FAIR_OWNERS_MAX; one++)
        if (one->waiting.count > 0 && (!next || one->turn < next->turn))
            next = one;
    if (!next)
        return NULL;
    struct store_command *command = command_list_take(&next->waiting);

    queue->count--;
    if (!command_is_abandoned(command))
        next->turn = ++queue->turns;
    return command;
}

void fair_queue_move_abandoned(struct fair_queue *queue, struct command_list *abandoned)
{
    for (struct fair_owner *one = queue->owners; one < queue->owners + FAIR_OWNERS_MAX; one++)
        for (size_t left = one->waiting.count; left > 0; left--) {
            struct store_command *command = command_list_take(&one->waiting);
            bool is_abandoned = command_is_abandoned(command);

            command_list_append(is_abandoned ? abandoned : &one->waiting, command);
            queue->count -= is_abandoned;
        }
}
