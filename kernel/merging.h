/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an idle boot CPU does while memory is plentiful (background_idle() of
 * kernel/sched/background.h): pages of VMs that lie together become large ones again, a region at a
 * time. When all VMs were looked at, nothing was joined and no guest has done anything since
 * (kernel/activity.h), it rests.
 */
#ifndef KERNEL_MERGING_H
#define KERNEL_MERGING_H

/* Begins with the first VM. Boot. */
void merging_init(void);

#endif
