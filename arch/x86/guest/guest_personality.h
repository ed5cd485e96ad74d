/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The leaves from 0x40000000 on that name a hypervisor, for VMs that are to take this one for
 * another (as=). Pure.
 */
#ifndef ARCH_X86_GUEST_GUEST_PERSONALITY_H
#define ARCH_X86_GUEST_GUEST_PERSONALITY_H

#include "arch/x86/cpu/cpuid.h"
#include "base/types.h"
#include "kernel/vm/vm_config.h"

static inline bool guest_is_personality_leaf(uint32_t leaf)
{
	return leaf >> 16 == 0x4000u;
}

/* The answer for such a leaf; zeros for those that the hypervisor does not have. Not AS_PLAIN. */
struct cpuid guest_personality_leaf(enum personality as, uint32_t leaf);

#endif
