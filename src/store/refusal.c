#include "store/refusal.h"

const struct failure *refusal_stopping(struct arena *arena)
{
    return failure_add(
        failure_new(arena, FAILURE_SERVICE_UNAVAILABLE,
                    TEXT("the server is stopping; nothing was changed, try again on another one or later")),
        arena, TEXT("reason"), TEXT("stopping"));
}

const struct failure *refusal_cannot_open(struct arena *arena)
{
    return failure_add(failure_new(arena, FAILURE_SERVICE_UNAVAILABLE,
                                   TEXT("the database cannot be used right now; try again later")),
                       arena, TEXT("reason"), TEXT("cannot_open"));
}

const struct failure *refusal_abandoned(struct arena *arena)
{
    return failure_add(
        failure_new(
            arena, FAILURE_INVALID_OPERATION,
            TEXT("the connection was ended before its turn came; what takes long is not done for whoever "
                 "has left")),
        arena, TEXT("reason"), TEXT("connection_ended"));
}

void refuse_abandoned(struct command_list *abandoned)
{
    for (struct store_command *command; (command = command_list_take(abandoned));) {
        command->failure = refusal_abandoned(command->arena);
        command->done(command);
    }
}
