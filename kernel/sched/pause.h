/* SPDX-License-Identifier: BSD-2-Clause */
/* Stopping a VM for a while. Boot CPU. */
#ifndef KERNEL_SCHED_PAUSE_H
#define KERNEL_SCHED_PAUSE_H

struct vm;

/*
 * None of its vCPUs runs any more, whatever wakes them, until the VM is resumed: they come out of
 * the guest soon after this returns, within a slice at the latest. The guest's clock runs on.
 */
void pause_begin(struct vm *vm);

/* Queues those that have a reason to run. */
void pause_end(struct vm *vm);

#endif
