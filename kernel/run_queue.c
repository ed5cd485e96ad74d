/* SPDX-License-Identifier: BSD-2-Clause */
/* See run_queue.h. Pure bookkeeping: no hardware, no other lock. */
#include "kernel/run_queue.h"

#include "base/bits.h"
#include "kernel/vm.h"

/* A vCPU that has slept may be ahead of the others by this much, and no more. */
#define CREDIT_MS 2
/* No call takes longer than this at once, whatever the clock says about a stopped machine. */
#define CHARGE_MS 128

/* One in a hurry may be ahead of the others by this much. */
#define AHEAD_MS 8

#define WEIGHT_NORMAL 100

struct run_queue run_queues[CPUS_MAX];

void run_queue_init(struct run_queue *queue)
{
	lock_init(&queue->lock, LOCK_RUN_QUEUE);
	list_init(&queue->queued);
	list_init(&queue->asleep);
	queue->queued_count = 0;
	queue->member_count = 0;
	queue->virtual_now = 0;
	queue->current = NULL;
	queue->idle = false;
	queue->wanted = false;
}

static bool flag(const bool *value)
{
	return __atomic_load_n(value, __ATOMIC_ACQUIRE);
}

bool run_queue_wait_is_over(const struct vcpu *vcpu, uint64_t now_tsc)
{
	switch (vcpu->wait) {
	case WAIT_NOTHING:
		return true;
	case WAIT_DOORBELL:
		return flag(&vcpu->doorbell_pending);
	case WAIT_EVENT:
		return flag(&vcpu->event) || flag(&vcpu->doorbell_pending) ||
		       vcpu->wake_tsc <= now_tsc;
	case WAIT_MEMORY:
		return flag(&vcpu->granted);
	}
	return true;
}

/* Where it belongs: before the first that has run more. */
static struct list *place_of(struct run_queue *queue, const struct vcpu *vcpu)
{
	list_for_each(link, &queue->queued)
	{
		const struct vcpu *other = list_entry(link, struct vcpu, link);
		if (other->virtual_ticks > vcpu->virtual_ticks) {
			return link;
		}
	}
	return &queue->queued;
}

/*
 * One that waited for a frame did not choose to, and its VM is what the host is short for: it goes
 * first, unless it is far ahead of its share already.
 */
static bool is_hurried(const struct run_queue *queue, const struct vcpu *vcpu)
{
	uint64_t ahead = AHEAD_MS * arch_tsc_khz();
	return vcpu->wait == WAIT_MEMORY && vcpu->virtual_ticks <= queue->virtual_now + ahead;
}

static void take_out(struct run_queue *queue, struct vcpu *vcpu)
{
	list_remove(&vcpu->link);
	__atomic_store_n(&queue->queued_count, queue->queued_count - 1, __ATOMIC_RELAXED);
}

void run_queue_add(struct run_queue *queue, struct vcpu *vcpu)
{
	uint64_t credit = CREDIT_MS * arch_tsc_khz();
	vcpu->virtual_ticks =
		max_u64(vcpu->virtual_ticks, sub_floor_u64(queue->virtual_now, credit));
	struct list *place = is_hurried(queue, vcpu) ? queue->queued.next : place_of(queue, vcpu);
	list_push_back(place, &vcpu->link);
	__atomic_store_n(&queue->queued_count, queue->queued_count + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&vcpu->wait, WAIT_NOTHING, __ATOMIC_RELEASE);
	__atomic_store_n(&vcpu->state, VCPU_QUEUED, __ATOMIC_RELEASE);
}

/* The least that any vCPU here has run: what counts as the present. */
static uint64_t least_virtual_ticks(const struct run_queue *queue, const struct vcpu *taken)
{
	if (list_is_empty(&queue->queued)) {
		return taken->virtual_ticks;
	}
	const struct vcpu *next = list_entry(queue->queued.next, struct vcpu, link);
	return min_u64(taken->virtual_ticks, next->virtual_ticks);
}

struct vcpu *run_queue_take(struct run_queue *queue)
{
	if (list_is_empty(&queue->queued)) {
		return NULL;
	}
	struct vcpu *vcpu = list_entry(queue->queued.next, struct vcpu, link);
	take_out(queue, vcpu);
	__atomic_store_n(&vcpu->state, VCPU_RUNNING, __ATOMIC_RELEASE);
	queue->virtual_now = max_u64(queue->virtual_now, least_virtual_ticks(queue, vcpu));
	queue->current = vcpu;
	return vcpu;
}

struct vcpu *run_queue_give(struct run_queue *queue, unsigned cpu)
{
	list_for_each(link, &queue->queued)
	{
		struct vcpu *vcpu = list_entry(link, struct vcpu, link);
		bool allowed = (vcpu->vm->config.cpu_mask >> cpu & 1) != 0;
		if (allowed && __atomic_load_n(&vcpu->resident, __ATOMIC_ACQUIRE) == CPU_NONE) {
			take_out(queue, vcpu);
			__atomic_store_n(&vcpu->state, VCPU_RUNNING, __ATOMIC_RELEASE);
			/* Its claim counts from where it was; the taker adds where it is itself. */
			vcpu->virtual_ticks =
				sub_floor_u64(vcpu->virtual_ticks, queue->virtual_now);
			__atomic_fetch_sub(&queue->member_count, 1, __ATOMIC_RELAXED);
			__atomic_store_n(&vcpu->home, cpu, __ATOMIC_RELEASE);
			return vcpu;
		}
	}
	return NULL;
}

static void end(struct run_queue *queue, struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->state, VCPU_ENDED, __ATOMIC_RELEASE);
	__atomic_fetch_sub(&queue->member_count, 1, __ATOMIC_RELAXED);
}

void run_queue_end(struct run_queue *queue, struct vcpu *vcpu)
{
	if (vcpu->state == VCPU_QUEUED) {
		take_out(queue, vcpu);
		end(queue, vcpu);
	} else if (vcpu->state == VCPU_ASLEEP) {
		list_remove(&vcpu->link);
		end(queue, vcpu);
	} else if (vcpu->state == VCPU_OFF) {
		end(queue, vcpu);
	}
}

static void charge(struct vcpu *vcpu, uint64_t ticks)
{
	uint64_t most = CHARGE_MS * arch_tsc_khz();
	vcpu->virtual_ticks += min_u64(ticks, most) * WEIGHT_NORMAL / vcpu->vm->config.weight;
}

void run_queue_put(struct run_queue *queue, struct vcpu *vcpu, uint64_t ticks, uint64_t now_tsc)
{
	queue->current = NULL;
	charge(vcpu, ticks);
	if (vm_state_now(vcpu->vm) != VM_RUNNING) {
		end(queue, vcpu);
	} else if (run_queue_wait_is_over(vcpu, now_tsc)) {
		run_queue_add(queue, vcpu);
	} else {
		__atomic_store_n(&vcpu->state, VCPU_ASLEEP, __ATOMIC_RELEASE);
		list_push_back(&queue->asleep, &vcpu->link);
	}
}

uint64_t run_queue_wake(struct run_queue *queue, uint64_t now_tsc)
{
	uint64_t next_tsc = UINT64_MAX;
	struct list *link = queue->asleep.next;
	while (link != &queue->asleep) {
		struct vcpu *vcpu = list_entry(link, struct vcpu, link);
		link = link->next;
		if (run_queue_wait_is_over(vcpu, now_tsc)) {
			list_remove(&vcpu->link);
			run_queue_add(queue, vcpu);
		} else if (vcpu->wait == WAIT_EVENT) {
			next_tsc = min_u64(next_tsc, vcpu->wake_tsc);
		}
	}
	return next_tsc;
}
