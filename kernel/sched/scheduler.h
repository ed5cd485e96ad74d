/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which vCPU runs next, where. Each CPU has a queue of vCPUs, ordered by the time they have run
 * divided by their weight; the one with the least runs for a slice. A CPU without work takes a vCPU
 * from the queue of another. Slices end by the backend's timer, so that a spinning guest stops
 * no other.
 */
#ifndef KERNEL_SCHED_SCHEDULER_H
#define KERNEL_SCHED_SCHEDULER_H

#include "base/status.h"
#include "kernel/vm/vcpu.h"

/* Empties the queues. Boot, before any other CPU runs the scheduler. */
void scheduler_init(void);

/* Runs guests on this CPU for ever; the boot CPU keeps house as well (kernel/housekeeping.h). */
_Noreturn void scheduler_run(void);

/* Gives a new vCPU, which is OFF, a home among the CPUs that its VM may use. Boot. */
void scheduler_place(struct vcpu *vcpu);

/* A vCPU that is OFF begins to run. EXISTS: it is not, and nothing was changed. Any CPU. */
MUST_CHECK enum status scheduler_start(struct vcpu *vcpu, uint32_t entry, uint32_t argument);

/*
 * Something has happened that concerns the vCPU: if it sleeps and its reason is over it is queued;
 * if it is in the guest on another CPU it comes out, looks, and goes on. Any CPU; no lock of rank
 * LOCK_RUN_QUEUE or later is held.
 */
void scheduler_signal(struct vcpu *vcpu);

/*
 * A vCPU that waits for a CPU goes before others, as long as its VM has time for that
 * (kernel/sched/boost.h). Any CPU; as above.
 */
void scheduler_boost(struct vcpu *vcpu);

/* The CPU is wanted back from its guest: by the next interrupt that leaves the guest. */
bool scheduler_wants_cpu(void);

/* Makes a CPU come to its scheduler loop soon. */
void scheduler_kick(unsigned cpu);

/*
 * While an operator types, slices last one millisecond: a serial port holds 16 keys, and at 115200
 * baud they come in 1.4. Boot CPU.
 */
void scheduler_set_typing(bool typing);

/* It sleeps, or is about to; a hint. */
bool scheduler_is_idle(unsigned cpu);

/*
 * Takes the vCPUs of a VM that is over out of all queues. True: none runs any more and no CPU has
 * any of its state. False: CPUs have been told; ask again.
 */
struct vm;
bool scheduler_retire(struct vm *vm);

/* For startup.c: locks the queue that the vCPU belongs to; adds it, unlocks that, wakes a CPU. */
struct run_queue;
struct run_queue *scheduler_lock_home(struct vcpu *vcpu);
void scheduler_add_and_unlock(struct run_queue *queue, struct vcpu *vcpu);

/* What one CPU has done, for the report. */
struct scheduler_counts {
	uint64_t slices;
	uint64_t steals;
	uint64_t kicks; /* that it has sent */
	uint64_t busy_ticks;
};
struct scheduler_counts scheduler_counts(unsigned cpu);

#endif
