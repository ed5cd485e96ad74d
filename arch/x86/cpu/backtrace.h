/* SPDX-License-Identifier: BSD-2-Clause */
/* Chains of return addresses with names. */
#ifndef ARCH_X86_CPU_BACKTRACE_H
#define ARCH_X86_CPU_BACKTRACE_H

#include "base/types.h"

/* Prints `rip`, then the callers that the chain of frames from `rbp` tells, through log_event. */
void backtrace_print(uint64_t rip, uint64_t rbp);

#endif
