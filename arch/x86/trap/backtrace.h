/* SPDX-License-Identifier: BSD-2-Clause */
/* Chains of return addresses with names. */
#ifndef ARCH_X86_TRAP_BACKTRACE_H
#define ARCH_X86_TRAP_BACKTRACE_H

#include "base/types.h"

/* Prints `rip`, then the callers that the chain of frames from `rbp` tells, through log_event. */
void backtrace_print(uint64_t rip, uint64_t rbp);

/*
 * The same from an exception at `rip`. A function that has no frame yet, or needs none, hides its
 * caller from the chain: what lies at `rsp` is shown as well when it can be a return address.
 */
void backtrace_print_fault(uint64_t rip, uint64_t rbp, uint64_t rsp);

#endif
