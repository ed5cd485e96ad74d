/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loop that every CPU runs: take the vCPU that is due, run it for a slice, put it back; with
 * nothing to run, take one from another CPU, scrub frames, sleep. Interrupts are off except while
 * it sleeps or a guest runs. Locks: one run queue's at a time.
 *
 * A CPU keeps parts of the state of the vCPU that it ran last in its registers until it runs
 * another one (vcpu->resident). Only what is in no CPU's registers moves to another CPU.
 * Longer than 400 lines: the loop and what it calls in each round share the state of a CPU.
 */
#include "kernel/sched/scheduler.h"

#include "base/bits.h"
#include "base/time.h"
#include "arch/arch.h"
#include "arch/backend.h"
#include "kernel/sched/boost.h"
#include "kernel/sched/background.h"
#include "kernel/sched/stop_machine.h"
#include "kernel/sched/run_queue.h"
#include "kernel/sched/startup.h"
#include "kernel/vm/platform.h"
#include "kernel/vm/vm.h"
#include "mm/alloc.h"

#define SLICE_MS 2
#define SLICE_TYPING_MS 1
#define BALANCE_MS 10 /* how often a busy CPU compares its queue with those of others */
#define LOOK_MS 20    /* how long an idle CPU sleeps without looking for work elsewhere */
#define SCRUB_ORDER 6 /* 256 KiB at a time: short enough not to be noticed */

/* What one CPU keeps for itself. */
struct worker {
	unsigned cpu;
	struct run_queue *queue;
	struct vcpu *resident; /* whose state is in this CPU's registers, or NULL */
	uint64_t balance_tsc;
	struct scheduler_counts counts;
} __attribute__((aligned(64)));

static struct worker workers[CPUS_MAX];
static uint64_t idle_mask; /* CPUs that sleep; a hint which to wake */

/* Written by the boot CPU; another CPU may use the old one for a slice more. */
static uint64_t slice_ms = SLICE_MS;

void scheduler_init(void)
{
	for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
		workers[cpu] = (struct worker){.cpu = cpu, .queue = &run_queues[cpu]};
		run_queue_init(&run_queues[cpu]);
	}
	idle_mask = 0;
	slice_ms = SLICE_MS;
}

void scheduler_set_typing(bool typing)
{
	__atomic_store_n(&slice_ms, typing ? SLICE_TYPING_MS : SLICE_MS, __ATOMIC_RELAXED);
}

static uint64_t slice_ticks(const struct vcpu *vcpu)
{
	uint64_t ticks = ticks_from_ms(__atomic_load_n(&slice_ms, __ATOMIC_RELAXED));
	return __builtin_expect(vcpu->boosted, 0) ? boost_slice(vcpu->vm, ticks) : ticks;
}

static void kick(unsigned cpu)
{
	if (cpu != arch_cpu_index()) {
		workers[arch_cpu_index()].counts.kicks++;
		arch_cpu_kick(cpu);
	}
}

bool scheduler_wants_cpu(void)
{
	return __atomic_load_n(&run_queues[arch_cpu_index()].wanted, __ATOMIC_ACQUIRE);
}

void scheduler_kick(unsigned cpu)
{
	__atomic_store_n(&run_queues[cpu].wanted, true, __ATOMIC_SEQ_CST);
	kick(cpu);
}

bool scheduler_is_idle(unsigned cpu)
{
	return (__atomic_load_n(&idle_mask, __ATOMIC_RELAXED) >> cpu & 1) != 0;
}

/*
 * Locks the queue that the vCPU belongs to. `home` may change before this CPU has the lock, so it
 * is read again under the lock. The CPU that wrote it may have held another lock: the load-acquire
 * pairs with the store in run_queue_add().
 */
struct run_queue *scheduler_lock_home(struct vcpu *vcpu)
{
	for (;;) {
		unsigned home = __atomic_load_n(&vcpu->home, __ATOMIC_ACQUIRE);
		struct run_queue *queue = &run_queues[home];
		lock_acquire(&queue->lock);
		if (__atomic_load_n(&vcpu->home, __ATOMIC_ACQUIRE) == home) {
			return queue;
		}
		lock_release(&queue->lock);
	}
}

/* A vCPU was added to the queue of `home`: which CPU is to be kicked? */
static void announce(const struct vcpu *vcpu, unsigned home, bool home_idle, bool overtakes)
{
	if (home_idle) {
		kick(home);
		return;
	}
	uint64_t idle = __atomic_load_n(&idle_mask, __ATOMIC_RELAXED) & vcpu->vm->config.cpu_mask;
	if (idle != 0) {
		kick((unsigned)__builtin_ctzll(idle));
	} else if (overtakes) {
		scheduler_kick(home);
	}
}

static bool is_before_current(const struct run_queue *queue, const struct vcpu *vcpu)
{
	return queue->current != NULL && !queue->current->boosted &&
	       vcpu->virtual_ticks < queue->current->virtual_ticks;
}

void scheduler_signal(struct vcpu *vcpu)
{
	struct run_queue *queue = scheduler_lock_home(vcpu);
	unsigned home = vcpu->home;
	bool added = vcpu->state == VCPU_ASLEEP && run_queue_wait_is_over(vcpu, arch_tsc());
	bool running = vcpu->state == VCPU_RUNNING;
	if (added) {
		trace_note(TRACE_wake, vcpu_trace_who(vcpu), vcpu->wait, 0);
		list_remove(&vcpu->link);
		run_queue_add(queue, vcpu);
	}
	bool idle = queue->idle;
	bool overtakes = is_before_current(queue, vcpu);
	lock_release(&queue->lock);
	if (added) {
		announce(vcpu, home, idle, overtakes);
	} else if (running) {
		kick(home);
	}
}

void scheduler_add_and_unlock(struct run_queue *queue, struct vcpu *vcpu)
{
	unsigned home = vcpu->home;
	run_queue_add(queue, vcpu);
	bool idle = queue->idle;
	bool overtakes = is_before_current(queue, vcpu);
	lock_release(&queue->lock);
	announce(vcpu, home, idle, overtakes);
}

void scheduler_boost(struct vcpu *vcpu)
{
	if (__atomic_load_n(&vcpu->state, __ATOMIC_ACQUIRE) != VCPU_QUEUED) {
		return; /* when it wakes it goes before others by itself */
	}
	struct run_queue *queue = scheduler_lock_home(vcpu);
	run_queue_boost(queue, vcpu);
	lock_release(&queue->lock);
}

/* The CPU with the fewest vCPUs among those that may run it. */
static unsigned choose_home(const struct vcpu *vcpu)
{
	unsigned best = CPU_NONE;
	unsigned least = UINT32_MAX;
	for (unsigned cpu = 0; cpu < arch_cpu_count(); cpu++) {
		unsigned count = __atomic_load_n(&run_queues[cpu].member_count, __ATOMIC_RELAXED);
		if (vcpu->vm->config.cpu_mask >> cpu & 1 && count < least) {
			best = cpu;
			least = count;
		}
	}
	CHECK(best != CPU_NONE);
	return best;
}

void scheduler_place(struct vcpu *vcpu)
{
	vcpu->home = choose_home(vcpu);
	__atomic_fetch_add(&run_queues[vcpu->home].member_count, 1, __ATOMIC_RELAXED);
}

enum status scheduler_start(struct vcpu *vcpu, uint32_t entry, uint32_t argument)
{
	struct run_queue *queue = scheduler_lock_home(vcpu);
	if (vcpu->state != VCPU_OFF) {
		lock_release(&queue->lock);
		return STATUS_EXISTS;
	}
	vcpu->entry = entry;
	vcpu->regs[GPR_RBX] = argument;
	scheduler_add_and_unlock(queue, vcpu);
	return STATUS_OK;
}

static void evict(struct worker *worker)
{
	struct vcpu *vcpu = worker->resident;
	if (vcpu != NULL) {
		worker->resident = NULL;
		backend->vcpu_evict(vcpu);
		__atomic_store_n(&vcpu->resident, CPU_NONE, __ATOMIC_RELEASE);
	}
}

/* True: none of its state is in any CPU. */
static bool retire_vcpu(struct vcpu *vcpu)
{
	struct run_queue *queue = scheduler_lock_home(vcpu);
	unsigned home = vcpu->home;
	run_queue_end(queue, vcpu);
	bool running = vcpu->state == VCPU_RUNNING;
	lock_release(&queue->lock);
	unsigned resident = __atomic_load_n(&vcpu->resident, __ATOMIC_ACQUIRE);
	if (!running && resident == arch_cpu_index()) {
		evict(&workers[resident]);
		return true;
	}
	if (running || resident != CPU_NONE) {
		scheduler_kick(running ? home : resident);
		return false;
	}
	return true;
}

bool scheduler_retire(struct vm *vm)
{
	bool retired = true;
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		retired = retire_vcpu(&vm->vcpus[i]) && retired;
	}
	return retired;
}

/* Takes a vCPU from a queue with at least `least` in it. */
static struct vcpu *steal(struct worker *worker, unsigned least)
{
	unsigned count = arch_cpu_count();
	for (unsigned i = 1; i < count; i++) {
		struct run_queue *victim = &run_queues[(worker->cpu + i) % count];
		if (__atomic_load_n(&victim->queued_count, __ATOMIC_RELAXED) < least) {
			continue;
		}
		lock_acquire(&victim->lock);
		struct vcpu *vcpu = run_queue_give(victim, worker->cpu);
		lock_release(&victim->lock);
		if (vcpu != NULL) {
			__atomic_fetch_add(&worker->queue->member_count, 1, __ATOMIC_RELAXED);
			worker->counts.steals++;
			trace_note(TRACE_steal, vcpu_trace_who(vcpu), (worker->cpu + i) % count, 0);
			return vcpu;
		}
	}
	return NULL;
}

/* A stolen vCPU is RUNNING: it goes through our queue to find its place among ours. */
static void adopt(struct worker *worker, struct vcpu *vcpu)
{
	struct run_queue *queue = worker->queue;
	lock_acquire(&queue->lock);
	vcpu->virtual_ticks += queue->virtual_now;
	run_queue_add(queue, vcpu);
	lock_release(&queue->lock);
}

/* Now and then a busy CPU takes its share of a longer queue. */
static void balance(struct worker *worker, uint64_t now)
{
	if (now < worker->balance_tsc) {
		return;
	}
	worker->balance_tsc = now + ticks_from_ms(BALANCE_MS);
	unsigned own = __atomic_load_n(&worker->queue->queued_count, __ATOMIC_RELAXED);
	struct vcpu *vcpu = steal(worker, own + 2);
	if (vcpu != NULL) {
		adopt(worker, vcpu);
	}
}

/* The vCPU to run next; *next_wake: when one of this CPU's sleepers wakes by itself. */
static struct vcpu *next(struct worker *worker, uint64_t now, uint64_t *next_wake)
{
	struct run_queue *queue = worker->queue;
	balance(worker, now);
	lock_acquire(&queue->lock);
	*next_wake = run_queue_wake(queue, now);
	struct vcpu *vcpu = run_queue_take(queue);
	lock_release(&queue->lock);
	if (vcpu != NULL) {
		return vcpu;
	}
	vcpu = steal(worker, 1);
	if (vcpu != NULL) {
		adopt(worker, vcpu);
		lock_acquire(&queue->lock);
		vcpu = run_queue_take(queue);
		lock_release(&queue->lock);
	}
	return vcpu;
}

static bool may_run(const struct vm *vm)
{
	return vm_state_now(vm) == VM_RUNNING && !vm_is_paused(vm);
}

/* Out of the way of a switch that is not traced. */
static __attribute__((noinline, cold)) void note_switch(const struct vcpu *from,
							const struct vcpu *to)
{
	trace_note(TRACE_switch, vcpu_trace_who(to), from != NULL ? vcpu_trace_who(from) : 0,
		   to->virtual_ticks);
}

static void run(struct worker *worker, struct vcpu *vcpu, uint64_t now)
{
	if (__builtin_expect(vcpu_is_to_stop(vcpu), 0)) {
		evict(worker);
		startup_stop(worker->queue, vcpu);
		return;
	}
	if (worker->resident != vcpu) {
		if (trace_is_on(TRACE_switch)) {
			note_switch(worker->resident, vcpu);
		}
		evict(worker);
		worker->resident = vcpu;
		__atomic_store_n(&vcpu->resident, worker->cpu, __ATOMIC_RELEASE);
	}
	if (may_run(vcpu->vm)) {
		/* A whole slice, however long the CPU has kept house since `now`. */
		uint64_t begin = arch_tsc();
		if (__builtin_expect(vcpu->timer_tsc <= begin, 0)) {
			(void)platform_tick(vcpu, begin);
		}
		backend->vcpu_run(vcpu, begin + slice_ticks(vcpu));
	}
	uint64_t end = arch_tsc();
	worker->counts.slices++;
	worker->counts.busy_ticks += end - now;
	lock_acquire(&worker->queue->lock);
	run_queue_put(worker->queue, vcpu, end - now, end);
	lock_release(&worker->queue->lock);
}

static __attribute__((noinline, cold)) void idle_traced(uint64_t deadline_tsc)
{
	uint64_t begin = arch_tsc();
	arch_idle(deadline_tsc);
	trace_note(TRACE_idle, trace_who(VM_ID_HOST, 0), arch_tsc() - begin, 0);
}

static void sleep_until(struct worker *worker, uint64_t deadline_tsc)
{
	struct run_queue *queue = worker->queue;
	lock_acquire(&queue->lock);
	/* A CPU that adds work from here on finds this one idle and wakes it. */
	queue->idle = queue->queued_count == 0;
	bool idle = queue->idle;
	lock_release(&queue->lock);
	if (!idle) {
		return;
	}
	__atomic_fetch_or(&idle_mask, BIT(worker->cpu), __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&queue->wanted, __ATOMIC_SEQ_CST)) {
		if (trace_is_on(TRACE_idle)) {
			idle_traced(deadline_tsc);
		} else {
			arch_idle(deadline_tsc);
		}
	}
	__atomic_fetch_and(&idle_mask, ~BIT(worker->cpu), __ATOMIC_SEQ_CST);
	lock_acquire(&queue->lock);
	queue->idle = false;
	lock_release(&queue->lock);
}

static void idle(struct worker *worker, uint64_t now, uint64_t next_wake)
{
	if (scrub_step(SCRUB_ORDER) > 0) {
		arch_idle(0); /* interrupts do not wait until all is scrubbed */
		return;
	}
	uint64_t deadline = min_u64(next_wake, now + ticks_from_ms(LOOK_MS));
	if (worker->cpu == BOOT_CPU) {
		background_idle();
		deadline = min_u64(deadline, background_next_tsc(now));
	}
	sleep_until(worker, deadline);
}

void scheduler_run(void)
{
	struct worker *worker = &workers[arch_cpu_index()];
	for (;;) {
		bool wanted = __atomic_exchange_n(&worker->queue->wanted, false, __ATOMIC_SEQ_CST);
		if (wanted) {
			stop_machine_here(); /* whoever stops the machine kicks first */
		}
		if (worker->resident != NULL && !may_run(worker->resident->vm)) {
			evict(worker);
		}
		uint64_t now = arch_tsc();
		uint64_t next_wake;
		bool more = worker->cpu == BOOT_CPU && background_poll(now, wanted);
		struct vcpu *vcpu = next(worker, now, &next_wake);
		if (vcpu != NULL) {
			run(worker, vcpu, now);
		} else if (!more) {
			idle(worker, now, next_wake);
		}
	}
}

struct scheduler_counts scheduler_counts(unsigned cpu)
{
	return workers[cpu].counts;
}
