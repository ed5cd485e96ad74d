/* SPDX-License-Identifier: BSD-2-Clause */
/* The first C of the hypervisor; see main.c. */
#ifndef ARCH_X86_BOOT_MAIN_H
#define ARCH_X86_BOOT_MAIN_H

#include "base/types.h"

/* From entry.S, on the boot CPU's main stack with interrupts off. */
_Noreturn void arch_main(uint32_t magic, uint32_t boot_information);

/* The TSC soon after the loader's jump. */
extern uint64_t boot_entry_tsc;

#endif
