/* SPDX-License-Identifier: BSD-2-Clause */
/* See driver_health.h. What it keeps is in the VM's struct balloon. */
#include "kernel/overcommit/driver_health.h"

#include "base/bits.h"
#include "base/time.h"
#include "arch/arch.h"
#include "kernel/balloon/balloon.h"
#include "kernel/lib/tunables.h"
#include "kernel/vm/vm.h"

/* From now on its driver has time to answer, if it is asked for anything. */
static void judge_from(struct vm *vm, uint64_t target_pages, uint64_t idle_pages, uint64_t now_tsc)
{
	struct balloon *balloon = &vm->balloon;
	uint64_t missing = sub_floor_u64(target_pages, vm->s2.ballooned_pages);
	balloon->asked_pages = min_u64(missing, idle_pages);
	balloon->asked_tsc = now_tsc;
	balloon->asked_size_pages = vm->s2.ballooned_pages;
	balloon->given_before_pages +=
		__atomic_exchange_n(&balloon->given_pages, 0, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		vm->vcpus[i].chance_ticks = 0;
	}
}

/* A period is over. A vCPU that sleeps could have run all the time; one that waits for a CPU could
 * when it had one. */
static void note_chance(struct vm *vm, uint64_t ticks)
{
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		struct vcpu *vcpu = &vm->vcpus[i];
		uint64_t ran = __atomic_load_n(&vcpu->ran_ticks, __ATOMIC_RELAXED);
		bool queued = __atomic_load_n(&vcpu->state, __ATOMIC_ACQUIRE) == VCPU_QUEUED;
		vcpu->chance_ticks += queued ? min_u64(ran - vcpu->ran_seen_ticks, ticks) : ticks;
		vcpu->ran_seen_ticks = ran;
	}
}

unsigned driver_health_neediest(const struct vm *vm)
{
	unsigned neediest = 0;
	for (unsigned i = 1; i < vm->config.vcpus; i++) {
		if (vm->vcpus[i].chance_ticks < vm->vcpus[neediest].chance_ticks) {
			neediest = i;
		}
	}
	return neediest;
}

/* The vCPU that attached the balloon most likely runs the driver: it has two parts, each other one.
 */
static uint64_t part_ticks(const struct vcpu *vcpu)
{
	return vcpu->chance_ticks / (vcpu->doorbell_attached ? tunables.driver_boost_parts : 1);
}

unsigned driver_health_next_boosted(const struct vm *vm)
{
	unsigned next = 0;
	for (unsigned i = 1; i < vm->config.vcpus; i++) {
		if (part_ticks(&vm->vcpus[i]) < part_ticks(&vm->vcpus[next])) {
			next = i;
		}
	}
	return next;
}

/* So long could each of its vCPUs have run since it was asked. */
static uint64_t chance_ticks(const struct vm *vm)
{
	return vm->vcpus[driver_health_neediest(vm)].chance_ticks;
}

/*
 * Of the time for its answer its vCPUs must have been able to run for some, and for some more for
 * each page that it was asked for. Out of turn (kernel/sched/boost.h) a VM with one vCPU gets 50 ms
 * in a second, whatever its weight.
 */
static bool had_chance(const struct vm *vm)
{
	uint64_t most = tunables.driver_answer_ms * US_PER_MS;
	uint64_t us = vm->balloon.asked_pages * tunables.driver_chance_page_us;
	us += tunables.driver_chance_ms * US_PER_MS;
	return chance_ticks(vm) >= ticks_from_us(min_u64(us, most));
}

static bool is_past(const struct vm *vm, uint32_t ms, uint64_t now_tsc)
{
	uint64_t asked = sub_floor_u64(now_tsc, vm->balloon.asked_tsc);
	return asked > deadline_ticks(ms);
}

/*
 * The time for its answer is over. One that comes for its target by itself may first take the time
 * until it comes.
 */
static bool is_late(const struct vm *vm, uint64_t now_tsc)
{
	uint32_t poll_ms = vm->balloon.silent ? tunables.driver_poll_ms : 0;
	uint32_t most = TUNABLE_NEVER - poll_ms;
	uint32_t answer_ms = tunables.driver_answer_ms;
	return is_past(vm, answer_ms < most ? answer_ms + poll_ms : TUNABLE_NEVER, now_tsc);
}

/*
 * True when frames came for a good part of what the driver was asked for. Its idle pages then count
 * as on their way, and no other VM is asked for them. A balloon that grows by pages without frames
 * does not count. Idle pages that the guest has used since need not be given.
 */
static bool has_answered(const struct balloon *balloon, uint64_t idle_pages)
{
	uint64_t given = __atomic_load_n(&balloon->given_pages, __ATOMIC_RELAXED);
	uint64_t due = min_u64(balloon->asked_pages, idle_pages + given);
	return given > 0 && given >= due / tunables.driver_answer_parts;
}

/* All that it is asked for at the moment is there already. */
static bool is_met(const struct vm *vm)
{
	return vm->balloon.target_pages <= vm->s2.ballooned_pages;
}

/*
 * At the moment nothing can be expected of it: it is not attached, says that it has nothing idle,
 * waits for a frame itself, or is not asked any more (a balloon of pages without frames is no
 * reason for that).
 */
static bool is_excused(const struct vm *vm, uint64_t idle_pages)
{
	const struct balloon *balloon = &vm->balloon;
	return !balloon->attached || idle_pages == 0 ||
	       (vm_waits_for_memory(vm) && !vm_acts_while_waiting(vm)) ||
	       (is_met(vm) && vm->s2.ballooned_pages <= balloon->asked_size_pages);
}

/*
 * A guest decides itself when it is excused: it can detach for a moment, or say that nothing is
 * idle. So that closes no account. The account shrinks, by half of the time: one that is asked for
 * more than a third of the time and never gives is as late as one that is always asked, only later;
 * any other one is left out for as long as one that is unresponsive.
 */
static void excuse(struct vm *vm, uint64_t ticks, uint64_t idle_pages, uint64_t now_tsc)
{
	struct balloon *balloon = &vm->balloon;
	balloon->asked_tsc += ticks + ticks / tunables.driver_excused_parts;
	uint64_t account = sub_floor_u64(now_tsc, balloon->asked_tsc);
	if (!balloon->attached) {
		balloon->asked_pages = account > 0 ? balloon->asked_pages : 0;
	} else if (account == 0) {
		judge_from(vm, balloon->target_pages, idle_pages, now_tsc);
	} else {
		for (unsigned i = 0; i < vm->config.vcpus; i++) {
			struct vcpu *vcpu = &vm->vcpus[i];
			vcpu->chance_ticks = min_u64(vcpu->chance_ticks, account);
		}
	}
}

/* An unresponsive one: it moves after all, or it is asked again. */
static void forgive(struct vm *vm, uint64_t idle_pages, bool answered, uint64_t now_tsc)
{
	struct balloon *balloon = &vm->balloon;
	if (answered || is_past(vm, tunables.driver_forgive_ms, now_tsc)) {
		balloon->unresponsive = false;
		judge_from(vm, balloon->target_pages, idle_pages, now_tsc);
	}
}

void driver_health_judge(struct vm *vm, uint64_t ticks, uint64_t idle_pages, uint64_t now_tsc)
{
	struct balloon *balloon = &vm->balloon;
	bool answered = has_answered(balloon, idle_pages);
	bool late = is_late(vm, now_tsc);
	note_chance(vm, ticks);
	if (balloon->unresponsive) {
		if (balloon->attached) {
			forgive(vm, idle_pages, answered, now_tsc);
		}
	} else if (balloon->attached &&
		   (balloon->asked_pages == 0 || (answered && (late || is_met(vm))))) {
		judge_from(vm, balloon->target_pages, idle_pages, now_tsc);
	} else if (is_excused(vm, idle_pages)) {
		excuse(vm, ticks, idle_pages, now_tsc);
	} else if (late && had_chance(vm)) {
		balloon->unresponsive = true;
		balloon->asked_tsc = now_tsc;
		vm_log(vm, "driver does not answer target=%llu size=%llu",
		       (unsigned long long)balloon->target_pages,
		       (unsigned long long)vm->s2.ballooned_pages);
	}
}

void driver_health_note_target(struct vm *vm, uint64_t target_pages, uint64_t idle_pages,
			       uint64_t now_tsc)
{
	if (!vm->balloon.unresponsive && vm->balloon.asked_pages == 0) {
		judge_from(vm, target_pages, idle_pages, now_tsc);
	}
}

bool driver_health_is_slow(const struct vm *vm, uint64_t now_tsc)
{
	const struct balloon *balloon = &vm->balloon;
	uint64_t given = __atomic_load_n(&balloon->given_pages, __ATOMIC_RELAXED);
	uint64_t missing = sub_floor_u64(balloon->target_pages, vm->s2.ballooned_pages);
	/* Not only what it said that it had when it was asked: it can say little then. */
	uint64_t due = max_u64(balloon->asked_pages, missing + given);
	bool moves = given > 0 && given >= due / tunables.driver_answer_parts;
	return balloon->asked_pages > 0 && !moves && is_past(vm, tunables.driver_slow_ms, now_tsc);
}

uint64_t driver_health_given_pages(const struct vm *vm)
{
	return vm->balloon.given_before_pages +
	       __atomic_load_n(&vm->balloon.given_pages, __ATOMIC_RELAXED);
}

bool driver_health_lacks_cpu(const struct vm *vm, uint64_t now_tsc)
{
	const struct balloon *balloon = &vm->balloon;
	return balloon->attached && !balloon->unresponsive && balloon->asked_pages > 0 &&
	       is_late(vm, now_tsc) && !had_chance(vm);
}

bool driver_health_cannot_give(const struct vm *vm)
{
	if (vm->balloon.attached) {
		return vm->balloon.unresponsive;
	}
	return chance_ticks(vm) >= deadline_ticks(tunables.driver_attach_ms);
}

void driver_health_note_given(struct vm *vm, uint64_t pages)
{
	__atomic_fetch_add(&vm->balloon.given_pages, pages, __ATOMIC_RELAXED);
}

void driver_health_note_resumed(struct vm *vm, uint64_t now_tsc)
{
	vm->balloon.asked_tsc = now_tsc;
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		struct vcpu *vcpu = &vm->vcpus[i];
		vcpu->chance_ticks = 0;
		vcpu->ran_seen_ticks = __atomic_load_n(&vcpu->ran_ticks, __ATOMIC_RELAXED);
		if (__atomic_load_n(&vcpu->wait, __ATOMIC_ACQUIRE) == WAIT_MEMORY) {
			vcpu->blocked_since_tsc = now_tsc;
		}
	}
}
