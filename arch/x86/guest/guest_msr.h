/* SPDX-License-Identifier: BSD-2-Clause */
/* Which model-specific registers a guest has, and which values they take; pure parts. */
#ifndef ARCH_X86_GUEST_GUEST_MSR_H
#define ARCH_X86_GUEST_GUEST_MSR_H

#include "base/types.h"

/* IA32_PAT after reset (SDM vol. 3, 12.12.4). */
#define GUEST_PAT_RESET 0x0007040600070406

/* Would WRMSR accept it? Each byte one of the six memory types. */
bool guest_pat_accept(uint64_t value);

/* All bits from 47 up are equal: an address of 4-level paging. */
bool guest_is_canonical(uint64_t address);

#endif
