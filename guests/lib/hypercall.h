/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls into the hypervisor; numbers, arguments and errors are in abi/aerostat.h. */
#ifndef GUESTS_LIB_HYPERCALL_H
#define GUESTS_LIB_HYPERCALL_H

#include <stdint.h>

#include "abi/aerostat.h"

/* Makes every call the instruction that the hypervisor wants; before the others. */
void hypercall_init(void);

/* Unused arguments are 0. Answers a count, or AEROSTAT_ERROR_* (< 0). Memory may change. */
int64_t hypercall(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d);

/* AEROSTAT_CALL_WAIT. Called with interrupts off, returns with interrupts on. */
int64_t hypercall_wait(uint64_t deadline_tsc);

#endif
