/* SPDX-License-Identifier: BSD-2-Clause */
/* What the end of the machine needs to know from its beginning; see power.c. */
#ifndef ARCH_X86_CPU_POWER_H
#define ARCH_X86_CPU_POWER_H

#include "base/types.h"

/*
 * Notes where ACPI's tables are; `rsdp` is the boot loader's copy of the root pointer, or 0, which
 * need not be there any more at the end. Boot CPU, once, when physical_read() works.
 */
void power_prepare(uint64_t rsdp);

#endif
