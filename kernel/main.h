/* SPDX-License-Identifier: BSD-2-Clause */
/* Where arch/ hands over: processor tables, memory map and frame table are ready. */
#ifndef KERNEL_MAIN_H
#define KERNEL_MAIN_H

#include "arch/boot_info.h"

/* Releases the modules of *boot_info one after the other. */
_Noreturn void kernel_main(struct boot_info *boot_info);

/*
 * The same for every other CPU: its structures, interrupts, local APIC and backend->cpu_start() are
 * done, interrupts are off, and arch_cpu_count() is final.
 */
_Noreturn void kernel_cpu_main(void);

#endif
