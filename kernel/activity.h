/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What guests have done that the boot CPU's rounds (kernel/housekeeping.h) may have to answer: so
 * long as that does not change, a round finds nothing but what time brings.
 */
#ifndef KERNEL_ACTIVITY_H
#define KERNEL_ACTIVITY_H

#include "base/types.h"

#define ACTIVITY_VMS_MAX 8 /* of more VMs the count takes as long as a round */

/*
 * Since this was last asked, has one of them, on any CPU, made a hypercall, touched a page that was
 * not there, or written to its console, or has the target of its balloon changed? Ends of
 * interrupts, timers and ports of other devices do not count. While a vCPU waits for memory, or a
 * VM is taken apart, and where a VM speaks to the host by a device or there are many VMs, it is
 * taken for granted. Boot CPU.
 */
bool activity_is_new(uint64_t now_tsc);

/* What there was then, as a number: another one where there is more. */
uint64_t activity_seen(void);

#endif
