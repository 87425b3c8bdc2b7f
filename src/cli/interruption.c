#include "cli/interruption.h"

#include <signal.h>

static volatile sig_atomic_t is_interrupted;

static void on_interruption(int signal_number)
{
    (void)signal_number;
    is_interrupted = 1;
}

const volatile int *interruption_catch(void)
{
    struct sigaction action = {.sa_handler = on_interruption, .sa_flags = (int)SA_RESETHAND};

    is_interrupted = 0;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return &is_interrupted;
}
