/* SPDX-License-Identifier: BSD-2-Clause */
/* What the end of the machine needs to know from its beginning; see power.c. */
#ifndef ARCH_X86_CPU_POWER_H
#define ARCH_X86_CPU_POWER_H

#include "base/types.h"

/*
 * Reads how ACPI switches this machine off and resets it: at the end its tables may have been
 * overwritten by a VM, if firmware put them into RAM. `rsdp` is the boot loader's copy of the root
 * pointer, or 0. Boot CPU, once, when physical_read() works, before any VM runs.
 */
void power_prepare(uint64_t rsdp);

#endif
