/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The queue of one CPU: vCPUs that could run, in the order of their virtual time, and those that
 * sleep until something happens. Virtual time is the time that a vCPU has run divided by its
 * weight; a vCPU that comes from elsewhere or has slept starts near the others', so that none
 * saves up a claim to the processor.
 *
 * Lock: the queue's own, held by the caller of everything here (rank LOCK_RUN_QUEUE). A vCPU's
 * home tells which queue's lock guards its state; only a QUEUED vCPU changes its home, under the
 * lock of the one that it leaves.
 */
#ifndef KERNEL_SCHED_RUN_QUEUE_H
#define KERNEL_SCHED_RUN_QUEUE_H

#include "base/list.h"
#include "base/lock.h"
#include "arch/arch.h"
#include "kernel/vm/vcpu.h"

struct run_queue {
	struct lock lock;
	struct list queued;  /* least virtual time first */
	struct list boosted; /* those that go before them, while there is time for that */
	struct list asleep;
	unsigned queued_count; /* in both lists; read without the lock, as is the next */
	unsigned member_count; /* vCPUs whose home this is; atomic */
	uint64_t virtual_now;  /* never goes back */
	int64_t boost_ticks;   /* for which boosted ones may go before others, */
	bool boost_at_rest;    /* none of them has run since that was as much as it can be */
	struct vcpu *current;  /* RUNNING here, or NULL */
	bool idle;	       /* sleeps or is about to: a CPU that adds work wakes it */
	bool wanted;	       /* atomic: the CPU is to leave its guest and come to its loop */
} __attribute__((aligned(64)));

extern struct run_queue run_queues[CPUS_MAX];

void run_queue_init(struct run_queue *queue);

/* Is what the vCPU waits for there, and its VM not paused? */
bool run_queue_wait_is_over(const struct vcpu *vcpu, uint64_t now_tsc);

/* A QUEUED vCPU goes before others from now on, if its VM has time for that (kernel/sched/boost.h).
 */
void run_queue_boost(struct run_queue *queue, struct vcpu *vcpu);

/* Adds a vCPU that is in no list; it becomes QUEUED. */
void run_queue_add(struct run_queue *queue, struct vcpu *vcpu);

/* Takes the first one out, which becomes RUNNING here; NULL: none. */
struct vcpu *run_queue_take(struct run_queue *queue);

/* The first that `cpu` may run and no CPU has in its registers, made RUNNING there; NULL: none. */
struct vcpu *run_queue_give(struct run_queue *queue, unsigned cpu);

/* The vCPU that ran for `ticks`: queued again, asleep, or ended. */
void run_queue_put(struct run_queue *queue, struct vcpu *vcpu, uint64_t ticks, uint64_t now_tsc);

/* Takes a vCPU that is OFF, QUEUED or asleep out for good: ENDED. One that is RUNNING stays. */
void run_queue_end(struct run_queue *queue, struct vcpu *vcpu);

/* Queues those whose reason to sleep is over; answers the TSC at which the next one's will be. */
uint64_t run_queue_wake(struct run_queue *queue, uint64_t now_tsc);

#endif
