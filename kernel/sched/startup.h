/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INIT and startup IPIs of virtual local APICs (Intel SDM volume 3, 9.4 and 11.6.1): a vCPU stops
 * and begins again.
 *
 *   anywhere ──startup_send_init──▶ the CPU that has it next: startup_stop ──▶ OFF
 *                                             with a startup IPI that came meanwhile ──▶ QUEUED
 *
 * `stopping` and `startup` of a vCPU are written under the lock of its run queue.
 */
#ifndef KERNEL_SCHED_STARTUP_H
#define KERNEL_SCHED_STARTUP_H

#include "kernel/sched/run_queue.h"
#include "kernel/vm/vcpu.h"

/*
 * INIT: a vCPU that was started stops as soon as some CPU has it in its hands, and waits for a
 * startup IPI, its registers as after INIT. One that waits for a frame does so when it has got it.
 * Nothing happens to one that is OFF. Any CPU; no lock of rank LOCK_RUN_QUEUE or later is held.
 */
void startup_send_init(struct vcpu *vcpu);

/*
 * A startup IPI: a vCPU that is OFF, or is being stopped, begins in real mode at `entry`, the
 * address of a page. It means nothing to others. Any CPU, as above.
 */
void startup_begin(struct vcpu *vcpu, uint32_t entry);

/* It is OFF or about to be: no interrupt and no NMI reaches it. Any CPU. */
bool startup_is_awaited(const struct vcpu *vcpu);

/* Stops the vCPU, which was taken from `queue` and is in no CPU's registers. */
void startup_stop(struct run_queue *queue, struct vcpu *vcpu);

#endif
