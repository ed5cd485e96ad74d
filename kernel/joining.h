/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an idle boot CPU does while memory is plentiful (background_idle() of
 * kernel/sched/background.h): pages of VMs that lie together become large ones again, a region at a
 * time. When all VMs were looked at, nothing was joined and no guest has done anything since
 * (kernel/deeds.h), it rests.
 */
#ifndef KERNEL_JOINING_H
#define KERNEL_JOINING_H

/* Begins with the first VM. Boot. */
void joining_init(void);

#endif
