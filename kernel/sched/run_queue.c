/* SPDX-License-Identifier: BSD-2-Clause */
/* See run_queue.h. Pure bookkeeping: no hardware, no other lock. */
#include "kernel/sched/run_queue.h"

#include "base/bits.h"
#include "base/compiler.h"
#include "base/time.h"
#include "kernel/sched/boost.h"
#include "kernel/vm/vm.h"

/* A vCPU that has slept may be ahead of the others by this much, and no more. */
#define CREDIT_MS 2
/* No call takes longer than this at once, whatever the clock says about a stopped machine. */
#define CHARGE_MS 128

/* One in a hurry may be ahead of the others by this much. */
#define AHEAD_MS 8

/*
 * Boosted vCPUs may run one tick for so many that others run, and so many milliseconds at once: all
 * of them together have no more than one part in five of a CPU that others want.
 */
#define BOOST_PARTS 4
#define BOOST_AT_ONCE_MS 20

#define WEIGHT_NORMAL 100

struct run_queue run_queues[CPUS_MAX];

void run_queue_init(struct run_queue *queue)
{
	lock_init(&queue->lock, LOCK_RUN_QUEUE);
	list_init(&queue->queued);
	list_init(&queue->boosted);
	list_init(&queue->asleep);
	queue->queued_count = 0;
	queue->member_count = 0;
	queue->virtual_now = 0;
	queue->boost_ticks = (int64_t)ticks_from_ms(BOOST_AT_ONCE_MS);
	queue->boost_at_rest = true;
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
	if (__builtin_expect(vm_is_paused(vcpu->vm), 0)) {
		return false;
	}
	switch (vcpu->wait) {
	case WAIT_NOTHING:
		return true;
	case WAIT_DOORBELL:
		return vcpu_is_called(vcpu) || vcpu_has_open_nmi(vcpu) ||
		       (vcpu->doorbell_open && vcpu->timer_tsc <= now_tsc);
	case WAIT_EVENT:
		return vcpu->wake_tsc <= now_tsc || vcpu_has_news(vcpu);
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
static bool is_hurried(const struct run_queue *queue, const struct vcpu *vcpu, uint64_t tsc_khz)
{
	return vcpu->wait == WAIT_MEMORY &&
	       vcpu->virtual_ticks <= queue->virtual_now + ticks_from_ms_at(AHEAD_MS, tsc_khz);
}

static void take_out(struct run_queue *queue, struct vcpu *vcpu)
{
	list_remove(&vcpu->link);
	__atomic_store_n(&queue->queued_count, queue->queued_count - 1, __ATOMIC_RELAXED);
}

/* Behind all others that are boosted, before all that are not; or before all of those. */
static NOT_INLINE struct list *place_out_of_turn(struct run_queue *queue, struct vcpu *vcpu,
						 uint64_t tsc_khz)
{
	if (is_hurried(queue, vcpu, tsc_khz)) {
		return queue->queued.next;
	}
	/* Where no vCPU runs or waits there is none to run before. */
	if (queue->current == NULL && list_is_empty(&queue->queued)) {
		vcpu->boosted = false;
		return &queue->queued;
	}
	vcpu->boosted = boost_has_time(vcpu->vm);
	return vcpu->boosted ? &queue->boosted : place_of(queue, vcpu);
}

void run_queue_add(struct run_queue *queue, struct vcpu *vcpu)
{
	uint64_t tsc_khz = arch_tsc_khz();
	uint64_t credit = ticks_from_ms_at(CREDIT_MS, tsc_khz);
	struct list *place;
	vcpu->virtual_ticks =
		max_u64(vcpu->virtual_ticks, sub_floor_u64(queue->virtual_now, credit));
	if (__builtin_expect(boost_is_wanted(vcpu->vm) || vcpu->wait == WAIT_MEMORY, 0)) {
		place = place_out_of_turn(queue, vcpu, tsc_khz);
	} else {
		place = place_of(queue, vcpu);
	}
	list_push_back(place, &vcpu->link);
	__atomic_store_n(&queue->queued_count, queue->queued_count + 1, __ATOMIC_RELAXED);
	if (vcpu->wait == WAIT_EVENT) {
		vcpu_forget_news(vcpu);
	}
	__atomic_store_n(&vcpu->wait, WAIT_NOTHING, __ATOMIC_RELEASE);
	__atomic_store_n(&vcpu->state, VCPU_QUEUED, __ATOMIC_RELEASE);
}

void run_queue_boost(struct run_queue *queue, struct vcpu *vcpu)
{
	bool first = queue->queued.next == &vcpu->link && list_is_empty(&queue->boosted);
	if (vcpu->state == VCPU_QUEUED && !vcpu->boosted && !first && boost_has_time(vcpu->vm)) {
		vcpu->boosted = true;
		list_remove(&vcpu->link);
		list_push_back(&queue->boosted, &vcpu->link);
	}
}

/*
 * The first boosted vCPU, if it may run before others now. If not, it keeps its place among them,
 * where its share may let it run as well; the governor boosts it again soon.
 */
static struct vcpu *first_boosted(struct run_queue *queue)
{
	while (!list_is_empty(&queue->boosted)) {
		struct vcpu *vcpu = list_entry(queue->boosted.next, struct vcpu, link);
		bool may = queue->boost_ticks > 0 || list_is_empty(&queue->queued);
		if (may && boost_has_time(vcpu->vm)) {
			return vcpu;
		}
		vcpu->boosted = false;
		list_remove(&vcpu->link);
		list_push_back(place_of(queue, vcpu), &vcpu->link);
	}
	return NULL;
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

static struct vcpu *run_now(struct run_queue *queue, struct vcpu *vcpu)
{
	take_out(queue, vcpu);
	__atomic_store_n(&vcpu->state, VCPU_RUNNING, __ATOMIC_RELEASE);
	queue->current = vcpu;
	return vcpu;
}

/*
 * One that goes before others says nothing about the present, for it may be far ahead of them. What
 * it runs is charged.
 */
static NOT_INLINE struct vcpu *take_boosted(struct run_queue *queue)
{
	struct vcpu *vcpu = first_boosted(queue);
	if (vcpu != NULL) {
		queue->boost_at_rest = false;
		(void)run_now(queue, vcpu);
	}
	return vcpu;
}

struct vcpu *run_queue_take(struct run_queue *queue)
{
	if (__builtin_expect(!list_is_empty(&queue->boosted), 0)) {
		struct vcpu *boosted = take_boosted(queue);
		if (boosted != NULL) {
			return boosted;
		}
	}
	if (list_is_empty(&queue->queued)) {
		return NULL;
	}
	struct vcpu *vcpu = run_now(queue, list_entry(queue->queued.next, struct vcpu, link));
	queue->virtual_now = max_u64(queue->virtual_now, least_virtual_ticks(queue, vcpu));
	return vcpu;
}

/* The first in a list that `cpu` may run and no CPU has in its registers. */
static struct vcpu *find_for(struct list *list, unsigned cpu)
{
	list_for_each(link, list)
	{
		struct vcpu *vcpu = list_entry(link, struct vcpu, link);
		bool allowed = (vcpu->vm->config.cpu_mask >> cpu & 1) != 0;
		if (allowed && __atomic_load_n(&vcpu->resident, __ATOMIC_ACQUIRE) == CPU_NONE) {
			return vcpu;
		}
	}
	return NULL;
}

struct vcpu *run_queue_give(struct run_queue *queue, unsigned cpu)
{
	struct vcpu *vcpu = find_for(&queue->boosted, cpu);
	if (vcpu == NULL) {
		vcpu = find_for(&queue->queued, cpu);
	}
	if (vcpu != NULL) {
		take_out(queue, vcpu);
		__atomic_store_n(&vcpu->state, VCPU_RUNNING, __ATOMIC_RELEASE);
		vcpu->boosted = false;
		/* Its claim counts from where it was; the taker adds where it is itself. */
		vcpu->virtual_ticks = sub_floor_u64(vcpu->virtual_ticks, queue->virtual_now);
		__atomic_fetch_sub(&queue->member_count, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&vcpu->home, cpu, __ATOMIC_RELEASE);
	}
	return vcpu;
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

/* What a boosted one runs before others that wait, those have first run several times as long. */
static NOT_INLINE void charge_boost(struct run_queue *queue, struct vcpu *vcpu, uint64_t ticks)
{
	uint64_t full = ticks_from_ms(BOOST_AT_ONCE_MS);
	if (!vcpu->boosted) {
		queue->boost_ticks += (int64_t)(ticks / BOOST_PARTS);
		queue->boost_at_rest = queue->boost_ticks >= (int64_t)full;
		queue->boost_ticks = queue->boost_at_rest ? (int64_t)full : queue->boost_ticks;
		return;
	}
	vcpu->boosted = false;
	boost_charge(vcpu->vm, ticks);
	if (!list_is_empty(&queue->queued)) {
		queue->boost_ticks -= (int64_t)min_u64(ticks, ticks_from_ms(BOOST_CHARGE_MS));
	}
}

static void charge(struct run_queue *queue, struct vcpu *vcpu, uint64_t all_ticks)
{
	uint64_t ticks = min_u64(all_ticks, ticks_from_ms(CHARGE_MS));
	__atomic_store_n(&vcpu->ran_ticks, vcpu->ran_ticks + ticks, __ATOMIC_RELAXED);
	if (__builtin_expect(!queue->boost_at_rest, 0)) {
		charge_boost(queue, vcpu, ticks);
	}
	vcpu->virtual_ticks += ticks * WEIGHT_NORMAL / vcpu->vm->config.weight;
}

void run_queue_put(struct run_queue *queue, struct vcpu *vcpu, uint64_t ticks, uint64_t now_tsc)
{
	queue->current = NULL;
	charge(queue, vcpu, ticks);
	if (vm_state_now(vcpu->vm) != VM_RUNNING) {
		end(queue, vcpu);
	} else if (run_queue_wait_is_over(vcpu, now_tsc) ||
		   (vcpu_is_to_stop(vcpu) && vcpu->wait != WAIT_MEMORY)) {
		/* One that is to be stopped gets its frame first. */
		run_queue_add(queue, vcpu);
	} else {
		trace_note(TRACE_sleep, vcpu_trace_who(vcpu), vcpu->wait, vcpu->ran_ticks);
		__atomic_store_n(&vcpu->state, VCPU_ASLEEP, __ATOMIC_RELEASE);
		list_push_back(&queue->asleep, &vcpu->link);
	}
}

static NOT_INLINE uint64_t wake_sleepers(struct run_queue *queue, uint64_t now_tsc)
{
	uint64_t next_tsc = UINT64_MAX;
	struct list *link = queue->asleep.next;
	while (link != &queue->asleep) {
		struct vcpu *vcpu = list_entry(link, struct vcpu, link);
		link = link->next;
		if (run_queue_wait_is_over(vcpu, now_tsc)) {
			trace_note(TRACE_wake, vcpu_trace_who(vcpu), vcpu->wait, 0);
			list_remove(&vcpu->link);
			run_queue_add(queue, vcpu);
		} else if (vm_is_paused(vcpu->vm)) {
			continue; /* no clock wakes it */
		} else if (vcpu->wait == WAIT_EVENT) {
			next_tsc = min_u64(next_tsc, vcpu->wake_tsc);
		} else if (vcpu->wait == WAIT_DOORBELL && vcpu->doorbell_open) {
			next_tsc = min_u64(next_tsc, vcpu->timer_tsc);
		}
	}
	return next_tsc;
}

uint64_t run_queue_wake(struct run_queue *queue, uint64_t now_tsc)
{
	return list_is_empty(&queue->asleep) ? UINT64_MAX : wake_sleepers(queue, now_tsc);
}
