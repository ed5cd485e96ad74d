/* SPDX-License-Identifier: BSD-2-Clause */
/* Running code that may raise an exception, on any vCPU, and coming back. */
#ifndef GUESTS_LIB_ATTEMPT_H
#define GUESTS_LIB_ATTEMPT_H

#include "guests/lib/layout.h"

/*
 * Calls; answers the vector of the exception that ended it, or ATTEMPT_NONE. The call must leave
 * the stack pointer where an exception can use it. Attempts of one vCPU do not nest.
 */
int attempt_run(void (*call)(void *), void *argument);

#endif
