/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/scheduler.c with several processors, each a context of its own that really runs
 * scheduler_run(): it stops where a guest would run, where the CPU would sleep, and where it waits
 * for another one. The test says who goes on, so that every order of events can be had.
 */
#include "fake/panic.h"

#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "base/bits.h"
#include "fake/cpus.h"
#include "kernel/backend.h"
#include "kernel/park.h"
#include "kernel/run_queue.h"
#include "kernel/scheduler.h"
#include "kernel/vm.h"

#define CPUS 4
#define VMS 6
#define MS 1000ull
#define SLICE (2 * MS)
#define STACK_BYTES (256 * 1024)

enum place { AT_START, IN_GUEST, ASLEEP, WAITING };

static struct cpu {
	ucontext_t context;
	uint8_t *stack;
	enum place place;
	struct vcpu *guest;  /* IN_GUEST */
	uint64_t deadline;   /* of the slice, or of the sleep */
	struct vcpu *loaded; /* whose state the processor holds */
	unsigned evictions;
	unsigned rounds; /* of the housekeeping */
	unsigned kicks;	 /* as often as it had been kicked when it came here */
} cpus[CPUS];

static ucontext_t test_context;
static unsigned me;	 /* CPU on which the test acts */
static unsigned running; /* CPU whose context runs, or CPUS: the test's */
static struct vm vm_table[VMS];
static bool more_to_do;
static uint64_t house_ticks; /* that a round of the housekeeping takes */
static uint64_t dirty_frames;

struct lock frame_lock = LOCK_INITIALIZER(LOCK_FRAMES);

uint64_t scrub_step(unsigned order_max)
{
	(void)order_max;
	uint64_t step = dirty_frames > 0 ? 1 : 0;
	dirty_frames -= step;
	return step;
}

/* Back to the test, until it lets this CPU go on. */
static void stop_at(enum place place)
{
	unsigned cpu = running;
	assert_true(cpu < CPUS);
	fake_locks_check();
	cpus[cpu].place = place;
	cpus[cpu].kicks = fake_kicks[cpu];
	running = CPUS;
	assert_int_equal(swapcontext(&cpus[cpu].context, &test_context), 0);
	running = cpu;
	fake_cpu = cpu;
}

static void vcpu_run(struct vcpu *vcpu, uint64_t deadline_tsc)
{
	struct cpu *cpu = &cpus[running];
	assert_int_equal(vcpu->state, VCPU_RUNNING);
	assert_int_equal(vcpu->home, running);
	assert_int_equal(vcpu->resident, running);
	assert_int_equal(vcpu->wait, WAIT_NOTHING);
	assert_true((vcpu->vm->config.cpu_mask >> running & 1) != 0);
	assert_true(cpu->loaded == NULL || cpu->loaded == vcpu);
	for (unsigned i = 0; i < CPUS; i++) {
		assert_true(i == running || cpus[i].loaded != vcpu);
	}
	cpu->loaded = vcpu;
	cpu->guest = vcpu;
	cpu->deadline = deadline_tsc;
	stop_at(IN_GUEST);
	cpu->guest = NULL;
}

/* Nothing to do for one that was picked and did not run, because its VM had ended. */
static void vcpu_evict(struct vcpu *vcpu)
{
	assert_int_equal(vcpu->resident, fake_cpu);
	for (unsigned i = 0; i < CPUS; i++) {
		assert_true(i == fake_cpu || cpus[i].loaded != vcpu);
	}
	if (cpus[fake_cpu].loaded == vcpu) {
		cpus[fake_cpu].loaded = NULL;
		cpus[fake_cpu].evictions++;
	}
}

static const struct backend fake_backend = {
	.name = "fake",
	.vcpu_run = vcpu_run,
	.vcpu_evict = vcpu_evict,
};
const struct backend *backend = &fake_backend;

static unsigned windows;

static void on_idle(uint64_t deadline_tsc)
{
	if (deadline_tsc == 0) {
		windows++; /* interrupts are taken, and on it goes */
		return;
	}
	cpus[running].deadline = deadline_tsc;
	stop_at(ASLEEP);
}

static void on_pause(void)
{
	if (running < CPUS) {
		stop_at(WAITING);
	}
}

static bool on_house(uint64_t now_tsc)
{
	assert_int_equal(running, 0);
	assert_int_equal(now_tsc, fake_tsc);
	cpus[0].rounds++;
	fake_tsc += house_ticks;
	bool more = more_to_do;
	more_to_do = false;
	return more;
}

static void cpu_main(void)
{
	/* Not called as what never returns: then the sanitizer would look for the thread's stack.
	 */
	void (*volatile run)(void) = scheduler_run;
	run();
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CPUS; i++) {
		free(cpus[i].stack);
	}
	memset(cpus, 0, sizeof(cpus));
	return 0;
}

static void start(unsigned count)
{
	fake_locks_reset();
	fake_cpus_reset(count);
	me = 0;
	memset(vm_table, 0, sizeof(vm_table));
	more_to_do = false;
	house_ticks = 0;
	dirty_frames = 0;
	running = CPUS;
	fake_on_idle = on_idle;
	fake_on_pause = on_pause;
	fake_on_house = on_house;
	for (unsigned i = 0; i < count; i++) {
		cpus[i].stack = malloc(STACK_BYTES);
		assert_int_equal(getcontext(&cpus[i].context), 0);
		cpus[i].context.uc_stack.ss_sp = cpus[i].stack;
		cpus[i].context.uc_stack.ss_size = STACK_BYTES;
		cpus[i].context.uc_link = NULL;
		makecontext(&cpus[i].context, cpu_main, 0);
	}
}

/* The CPU goes on until it comes to one of the places again. */
static enum place go(unsigned cpu)
{
	unsigned before = running;
	assert_int_equal(before, CPUS);
	running = cpu;
	fake_cpu = cpu;
	assert_int_equal(swapcontext(&test_context, &cpus[cpu].context), 0);
	running = before;
	fake_cpu = me;
	return cpus[cpu].place;
}

static void act_as(unsigned cpu)
{
	me = cpu;
	fake_cpu = cpu;
}

static struct vcpu *guest_of(unsigned cpu)
{
	assert_int_equal(cpus[cpu].place, IN_GUEST);
	return cpus[cpu].guest;
}

/* A VM with all of its vCPUs OFF but placed. */
static struct vm *make_vm(unsigned i, unsigned vcpus, uint64_t mask)
{
	struct vm *vm = &vm_table[i];
	vm->config.vcpus = vcpus;
	vm->config.cpu_mask = mask;
	vm->config.weight = 100;
	vm->state = VM_RUNNING;
	for (unsigned j = 0; j < vcpus; j++) {
		vcpu_init(&vm->vcpus[j], vm, j);
		scheduler_place(&vm->vcpus[j]);
	}
	return vm;
}

/* One with a single vCPU, which can run. */
static struct vcpu *make_vcpu(unsigned i, uint64_t mask)
{
	struct vcpu *vcpu = &make_vm(i, 1, mask)->vcpus[0];
	assert_int_equal(scheduler_start(vcpu, 0x1000, 0), STATUS_OK);
	return vcpu;
}

/* The guest on the CPU runs for a whole slice. */
static enum place run_slice(unsigned cpu)
{
	fake_tsc += SLICE;
	return go(cpu);
}

/* The guest on the CPU waits for its doorbell. */
static enum place halt_guest(unsigned cpu)
{
	guest_of(cpu)->wait = WAIT_DOORBELL;
	return go(cpu);
}

static void ring(struct vcpu *vcpu)
{
	vcpu->doorbell_vector = 0x40;
	assert_int_equal(vcpu_ring(vcpu), STATUS_OK);
}

/* ---- One CPU ---------------------------------------------------------------------------------*/

static void weights_decide_who_runs(void **state)
{
	unsigned slices[3] = {0};
	(void)state;
	start(1);
	for (unsigned i = 0; i < 3; i++) {
		(void)make_vcpu(i, 1);
	}
	vm_table[1].config.weight = 200;
	vm_table[2].config.weight = 100;
	assert_int_equal(go(0), IN_GUEST);
	for (unsigned i = 0; i < 400; i++) {
		slices[guest_of(0)->vm - vm_table]++;
		assert_int_equal(cpus[0].deadline, fake_tsc + SLICE);
		assert_int_equal(run_slice(0), IN_GUEST);
	}
	assert_in_range(slices[0], 99, 101);
	assert_in_range(slices[1], 199, 201);
	assert_in_range(slices[2], 99, 101);
	struct scheduler_counts counts = scheduler_counts(0);
	assert_int_equal(counts.slices, 400);
	assert_int_equal(counts.busy_ticks, 400 * SLICE);
	assert_int_equal(counts.steals + counts.kicks, 0);
}

/* Another guest gets the processor only after the one before has let go of it, and only then. */
static void evicted_only_for_another(void **state)
{
	(void)state;
	start(1);
	struct vcpu *a = make_vcpu(0, 1);
	assert_int_equal(go(0), IN_GUEST);
	assert_int_equal(run_slice(0), IN_GUEST);
	assert_int_equal(halt_guest(0), ASLEEP);
	assert_int_equal(cpus[0].evictions, 0);
	assert_int_equal(a->resident, 0);
	ring(a);
	assert_int_equal(go(0), IN_GUEST);
	assert_ptr_equal(guest_of(0), a);
	assert_int_equal(cpus[0].evictions, 0);
	a->doorbell_pending = false;
	struct vcpu *b = make_vcpu(1, 1);
	assert_int_equal(halt_guest(0), IN_GUEST);
	assert_ptr_equal(guest_of(0), b);
	assert_int_equal(cpus[0].evictions, 1);
	assert_int_equal(a->resident, CPU_NONE);
}

static void sleeper_wakes_by_the_clock(void **state)
{
	(void)state;
	start(1);
	struct vcpu *a = make_vcpu(0, 1);
	struct vcpu *b = make_vcpu(1, 1);
	uint64_t begin = fake_tsc;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(go(0), IN_GUEST);
		struct vcpu *vcpu = guest_of(0);
		vcpu->wait = WAIT_EVENT;
		vcpu->wake_tsc = begin + (vcpu == a ? 300 : 200);
	}
	assert_int_equal(go(0), ASLEEP);
	assert_int_equal(cpus[0].deadline, begin + 200);
	fake_tsc = begin + 100; /* woken too early: nothing happens */
	assert_int_equal(go(0), ASLEEP);
	fake_tsc = begin + 200;
	assert_int_equal(go(0), IN_GUEST);
	assert_ptr_equal(guest_of(0), b);
	assert_int_equal(halt_guest(0), ASLEEP);
	assert_int_equal(cpus[0].deadline, begin + 300);
	fake_tsc = begin + 1000;
	assert_int_equal(go(0), IN_GUEST);
	assert_ptr_equal(guest_of(0), a);
}

static void house_is_kept_between_guests(void **state)
{
	(void)state;
	start(2);
	(void)make_vcpu(0, 1);
	assert_int_equal(go(0), IN_GUEST);
	assert_false(scheduler_is_idle(1));
	assert_int_equal(go(1), ASLEEP); /* on_house() sees that it is not CPU 1's */
	assert_true(scheduler_is_idle(1));
	assert_false(scheduler_is_idle(0));
	assert_int_equal(cpus[1].deadline, fake_tsc + 20 * MS);
	assert_int_equal(cpus[0].rounds, 1);
	assert_int_equal(run_slice(0), IN_GUEST);
	assert_int_equal(cpus[0].rounds, 2);
	more_to_do = true; /* then it does not sleep before the next round */
	assert_int_equal(halt_guest(0), ASLEEP);
	assert_int_equal(cpus[0].rounds, 4);
	assert_int_equal(cpus[0].deadline, fake_tsc + 5 * MS);
	dirty_frames = 3; /* nor while there is something to scrub, but interrupts need not wait */
	windows = 0;
	assert_int_equal(go(0), ASLEEP);
	assert_int_equal(cpus[0].rounds, 8);
	assert_int_equal(dirty_frames, 0);
	assert_int_equal(windows, 3);
}

/*
 * Regression: the slice counted from before the housekeeping, so that the boot CPU's guests came to
 * a stand while an audit or a teardown took longer than a slice.
 */
static void house_does_not_eat_the_slice(void **state)
{
	(void)state;
	start(1);
	(void)make_vcpu(0, 1);
	house_ticks = 3 * SLICE;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(go(0), IN_GUEST);
		assert_int_equal(cpus[0].deadline, fake_tsc + SLICE);
	}
}

/* ---- Waking ----------------------------------------------------------------------------------*/

/* Rung before it is put back, by another CPU: it does not go to sleep over it. */
static void ring_while_it_runs(void **state)
{
	(void)state;
	start(2);
	struct vcpu *a = make_vcpu(0, 1);
	assert_int_equal(go(0), IN_GUEST);
	act_as(1);
	a->wait = WAIT_DOORBELL; /* it has looked: nothing there */
	ring(a);
	assert_int_equal(fake_kicks[0], 1); /* out of the guest, should it be in there */
	assert_int_equal(go(0), IN_GUEST);
	assert_ptr_equal(guest_of(0), a);
	a->doorbell_pending = false;
	assert_int_equal(halt_guest(0), ASLEEP);
	ring(a);
	assert_int_equal(fake_kicks[0], 2);
	assert_int_equal(go(0), IN_GUEST);
}

static struct vcpu *ring_whom;
static unsigned ring_after; /* how many releases of the queue's lock, before it is rung */

static void ring_at_release(const struct lock *lock)
{
	if (lock != &run_queues[0].lock || ring_after == 0 || --ring_after > 0) {
		return;
	}
	fake_on_release = NULL;
	fake_cpu = 1;
	ring(ring_whom);
	fake_cpu = 0;
}

/*
 * No lost wake-up: between the moment that a guest waits and the moment that its CPU sleeps, it is
 * rung from elsewhere after each release of the lock. Either it runs again at once, or the CPU goes
 * to sleep with an interrupt pending that ends the sleep.
 */
static void ring_at_every_moment_before_the_sleep(void **state)
{
	unsigned pending_kicks = 0;
	unsigned moment = 1;
	bool reached = true;
	for (; reached; moment++) {
		start(2);
		struct vcpu *a = make_vcpu(0, 1);
		assert_int_equal(go(0), IN_GUEST);
		ring_whom = a;
		ring_after = moment;
		fake_on_release = ring_at_release;
		enum place place = halt_guest(0);
		reached = ring_after == 0;
		fake_on_release = NULL;
		if (reached && place == ASLEEP) {
			assert_true(fake_kicks[0] > 0);
			pending_kicks++;
			place = go(0);
		}
		if (reached) {
			assert_int_equal(place, IN_GUEST);
			assert_ptr_equal(guest_of(0), a);
		} else {
			assert_int_equal(place, ASLEEP);
		}
		assert_int_equal(teardown(state), 0);
	}
	assert_true(moment > 3 && pending_kicks > 0);
}

/* The same for a CPU that is prodded, because it holds something that is wanted back. */
static void prod_before_the_sleep(void **state)
{
	(void)state;
	start(2);
	assert_int_equal(go(1), ASLEEP);
	unsigned kicks = fake_kicks[1];
	scheduler_prod(1);
	assert_int_equal(fake_kicks[1], kicks + 1);
	fake_cpu = 1;
	assert_true(scheduler_wants_cpu());
	fake_cpu = 0;
	assert_false(scheduler_wants_cpu());
	assert_int_equal(go(1), ASLEEP);
	fake_cpu = 1;
	assert_false(scheduler_wants_cpu()); /* it has come to its loop */
	scheduler_prod(1);		     /* no interrupt to itself */
	assert_int_equal(fake_kicks[1], kicks + 1);
}

/* Who is told when a vCPU wakes: its sleeping home, else an idle CPU, else who is to be overtaken.
 */
static void woken_while_its_home_is_busy(void **state)
{
	(void)state;
	start(2);
	struct vcpu *a = make_vcpu(0, 1);
	assert_int_equal(go(0), IN_GUEST);
	assert_int_equal(halt_guest(0), ASLEEP);
	struct vcpu *b = make_vcpu(1, 1);
	assert_int_equal(go(0), IN_GUEST);
	assert_ptr_equal(guest_of(0), b);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(run_slice(0), IN_GUEST);
	}
	act_as(1);
	unsigned kicks = fake_kicks[0];
	ring(a); /* has run less: the other one's slice ends now */
	assert_int_equal(fake_kicks[0], kicks + 1);
	assert_true(run_queues[0].wanted);
	assert_int_equal(go(0), IN_GUEST);
	assert_ptr_equal(guest_of(0), a);
	assert_false(run_queues[0].wanted);
}

static void woken_with_more_virtual_time_waits_its_turn(void **state)
{
	(void)state;
	start(2);
	struct vcpu *a = make_vcpu(0, 1);
	struct vcpu *b = make_vcpu(1, 1);
	assert_int_equal(go(0), IN_GUEST);
	assert_ptr_equal(guest_of(0), a);
	fake_tsc += 20 * MS;
	assert_int_equal(halt_guest(0), IN_GUEST);
	assert_ptr_equal(guest_of(0), b);
	act_as(1);
	unsigned kicks = fake_kicks[0];
	ring(a);
	assert_int_equal(a->state, VCPU_QUEUED);
	assert_int_equal(fake_kicks[0], kicks);
	assert_false(run_queues[0].wanted);
}

static void woken_while_another_cpu_is_idle(void **state)
{
	(void)state;
	for (unsigned allowed = 0; allowed < 2; allowed++) {
		start(3);
		act_as(0);
		struct vcpu *a = make_vcpu(0, allowed ? BIT(0) | BIT(2) : BIT(0));
		assert_int_equal(a->home, 0);
		assert_int_equal(go(0), IN_GUEST);
		fake_tsc += 20 * MS;
		assert_int_equal(halt_guest(0), ASLEEP);
		struct vcpu *b = make_vcpu(1, 1);
		assert_int_equal(go(0), IN_GUEST);
		assert_ptr_equal(guest_of(0), b);
		assert_int_equal(go(1), ASLEEP);
		assert_int_equal(go(2), ASLEEP);
		ring(a);
		assert_int_equal(fake_kicks[1], 0);
		assert_int_equal(fake_kicks[2], allowed);
		if (allowed) {
			assert_int_equal(go(2), IN_GUEST);
			assert_ptr_equal(guest_of(2), a);
		} else {
			assert_int_equal(go(2), ASLEEP);
			assert_int_equal(a->state, VCPU_QUEUED);
		}
		assert_int_equal(teardown(state), 0);
	}
}

/* ---- Several CPUs ----------------------------------------------------------------------------*/

static void started_where_the_fewest_are(void **state)
{
	(void)state;
	start(3);
	assert_int_equal(make_vcpu(0, ~0ull)->home, 0);
	assert_int_equal(make_vcpu(1, ~0ull)->home, 1);
	assert_int_equal(make_vcpu(2, BIT(1) | BIT(40))->home, 1);
	assert_int_equal(make_vcpu(3, BIT(0) | BIT(1))->home, 0);
	assert_int_equal(make_vcpu(4, ~0ull)->home, 2);
	assert_int_equal(scheduler_start(&vm_table[4].vcpus[0], 1, 2), STATUS_EXISTS);
	assert_int_equal(vm_table[4].vcpus[0].entry, 0x1000);
	struct vm *vm = make_vm(5, 2, ~0ull);
	assert_int_equal(vm->vcpus[0].home, 2);
	assert_int_equal(run_queues[0].member_count + run_queues[1].member_count +
				 run_queues[2].member_count,
			 7);
}

static void start_wakes_the_cpu(void **state)
{
	(void)state;
	start(2);
	act_as(0);
	assert_int_equal(go(1), ASLEEP);
	struct vm *vm = make_vm(0, 1, BIT(1));
	assert_int_equal(scheduler_start(&vm->vcpus[0], 0xabc000, 77), STATUS_OK);
	assert_int_equal(fake_kicks[1], 1);
	assert_int_equal(go(1), IN_GUEST);
	assert_int_equal(vm->vcpus[0].entry, 0xabc000);
	assert_int_equal(vm->vcpus[0].regs[GPR_RBX], 77);
}

/* Only what is in nobody's registers moves, and only where it may. */
static void idle_cpu_steals(void **state)
{
	(void)state;
	start(2);
	act_as(0);
	struct vcpu *a = make_vcpu(0, ~0ull);
	assert_int_equal(go(0), IN_GUEST);
	/* These go to CPU 0 as well, and only the second may leave it. */
	struct vcpu *b = make_vcpu(1, BIT(0));
	vm_table[2].config.cpu_mask = BIT(0);
	struct vcpu *c = make_vcpu(2, BIT(0));
	assert_int_equal(c->home, 0);
	vm_table[2].config.cpu_mask = ~0ull;
	assert_int_equal(go(1), IN_GUEST);
	assert_ptr_equal(guest_of(1), c);
	assert_int_equal(scheduler_counts(1).steals, 1);
	assert_int_equal(run_queues[0].member_count, 2);
	assert_int_equal(run_queues[1].member_count, 1);
	/* `a` is queued, but CPU 0 has it in its registers until it has run another one. */
	assert_int_equal(halt_guest(1), ASLEEP);
	assert_int_equal(run_slice(0), IN_GUEST);
	assert_ptr_equal(guest_of(0), b);
	assert_int_equal(a->state, VCPU_QUEUED);
	assert_int_equal(a->resident, CPU_NONE);
	assert_int_equal(go(1), IN_GUEST);
	assert_ptr_equal(guest_of(1), a);
}

static void what_is_in_the_registers_stays(void **state)
{
	(void)state;
	start(2);
	act_as(0);
	struct vcpu *a = make_vcpu(0, ~0ull);
	assert_int_equal(go(0), IN_GUEST);
	assert_int_equal(halt_guest(0), ASLEEP);
	ring(a);
	assert_int_equal(a->state, VCPU_QUEUED);
	assert_int_equal(go(1), ASLEEP);
	assert_int_equal(scheduler_counts(1).steals, 0);
	assert_int_equal(go(0), IN_GUEST);
	assert_ptr_equal(guest_of(0), a);
}

/* A busy CPU takes its share of a longer queue, now and then. */
static void busy_cpus_balance(void **state)
{
	(void)state;
	start(2);
	act_as(0);
	(void)make_vcpu(0, BIT(1));
	assert_int_equal(go(1), IN_GUEST);
	for (unsigned i = 1; i < 5; i++) {
		(void)make_vcpu(i, BIT(0));
		vm_table[i].config.cpu_mask = ~0ull;
	}
	assert_int_equal(go(0), IN_GUEST);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(run_slice(1), IN_GUEST);
		assert_int_equal(go(0), IN_GUEST);
	}
	assert_in_range(run_queues[1].member_count, 2, 3);
	assert_int_equal(run_queues[0].member_count + run_queues[1].member_count, 5);
	assert_in_range(scheduler_counts(1).steals, 1, 4);
	/* All of them get on. */
	uint64_t least = UINT64_MAX;
	for (unsigned i = 0; i < 5; i++) {
		least = min_u64(least, vm_table[i].vcpus[0].virtual_ticks);
	}
	assert_true(least > 0);
}

static struct vcpu *moved;

/* Between the look where it lives and the lock of that queue it moves, runs, and sleeps. */
static void move_it(const struct lock *lock)
{
	if (lock != &run_queues[0].lock) {
		return;
	}
	fake_on_acquire = NULL;
	assert_int_equal(go(1), IN_GUEST);
	assert_ptr_equal(guest_of(1), moved);
	assert_int_equal(halt_guest(1), ASLEEP);
	assert_int_equal(moved->state, VCPU_ASLEEP);
	moved->doorbell_pending = true;
	fake_cpu = me;
}

static void notified_while_it_moves(void **state)
{
	(void)state;
	start(2);
	act_as(0);
	moved = make_vcpu(0, ~0ull);
	assert_int_equal(moved->home, 0);
	fake_on_acquire = move_it;
	scheduler_notify(moved);
	assert_ptr_equal(fake_on_acquire, NULL);
	assert_int_equal(moved->home, 1);
	assert_int_equal(moved->state, VCPU_QUEUED);
	assert_int_equal(run_queues[1].queued_count, 1);
	assert_int_equal(run_queues[0].queued_count, 0);
	assert_true(fake_kicks[1] > 0);
	assert_int_equal(go(0), ASLEEP);
	assert_int_equal(go(1), IN_GUEST);
}

/* ---- The end ---------------------------------------------------------------------------------*/

static void end_vm(struct vm *vm)
{
	vm->state = VM_KILLED;
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		scheduler_notify(&vm->vcpus[i]);
	}
}

static void retire_what_does_not_run(void **state)
{
	(void)state;
	start(1);
	act_as(0);
	struct vm *vm = make_vm(0, 3, 1);
	assert_int_equal(scheduler_start(&vm->vcpus[0], 1, 0), STATUS_OK);
	assert_int_equal(go(0), IN_GUEST);
	assert_int_equal(halt_guest(0), ASLEEP); /* asleep, and in the registers of this CPU */
	assert_int_equal(scheduler_start(&vm->vcpus[1], 1, 0), STATUS_OK); /* queued */
	assert_int_equal(vm->vcpus[2].state, VCPU_OFF);
	end_vm(vm);
	assert_true(scheduler_retire(vm));
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(vm->vcpus[i].state, VCPU_ENDED);
		assert_int_equal(vm->vcpus[i].resident, CPU_NONE);
	}
	assert_int_equal(cpus[0].evictions, 1);
	assert_int_equal(run_queues[0].member_count, 0);
	assert_true(scheduler_retire(vm));
	assert_int_equal(scheduler_start(&vm->vcpus[2], 1, 0), STATUS_EXISTS);
	assert_int_equal(go(0), ASLEEP);
}

static void retire_what_runs_elsewhere(void **state)
{
	(void)state;
	start(2);
	act_as(0);
	struct vm *vm = make_vm(0, 1, BIT(1));
	assert_int_equal(scheduler_start(&vm->vcpus[0], 1, 0), STATUS_OK);
	assert_int_equal(go(1), IN_GUEST);
	end_vm(vm);
	assert_true(fake_kicks[1] > 0);
	assert_false(scheduler_retire(vm));
	assert_true(run_queues[1].wanted);
	assert_false(scheduler_retire(vm));
	assert_int_equal(go(1), ASLEEP); /* put back, ended, evicted */
	assert_true(scheduler_retire(vm));
	assert_int_equal(cpus[1].evictions, 1);
	assert_int_equal(vm->vcpus[0].state, VCPU_ENDED);
	assert_int_equal(run_queues[1].member_count, 0);
}

static void retire_what_is_in_registers_elsewhere(void **state)
{
	(void)state;
	start(2);
	act_as(0);
	struct vm *vm = make_vm(0, 1, BIT(1));
	assert_int_equal(scheduler_start(&vm->vcpus[0], 1, 0), STATUS_OK);
	assert_int_equal(go(1), IN_GUEST);
	assert_int_equal(halt_guest(1), ASLEEP);
	end_vm(vm);
	unsigned kicks = fake_kicks[1];
	assert_false(scheduler_retire(vm)); /* out of the list, but not out of the registers */
	assert_int_equal(vm->vcpus[0].state, VCPU_ENDED);
	assert_int_equal(vm->vcpus[0].resident, 1);
	assert_int_equal(fake_kicks[1], kicks + 1);
	assert_false(scheduler_retire(vm));
	assert_int_equal(go(1), ASLEEP);
	assert_true(scheduler_retire(vm));
	assert_int_equal(cpus[1].evictions, 1);
}

/* Queued at the moment of the end: it is not run once more. */
static void ended_guests_do_not_run(void **state)
{
	(void)state;
	start(2);
	act_as(1);
	struct vcpu *a = make_vcpu(0, BIT(0));
	struct vcpu *b = make_vcpu(1, BIT(0));
	assert_int_equal(go(0), IN_GUEST);
	assert_ptr_equal(guest_of(0), a);
	end_vm(b->vm);
	end_vm(a->vm);
	assert_int_equal(go(0), ASLEEP);
	assert_int_equal(a->state, VCPU_ENDED);
	assert_int_equal(b->state, VCPU_ENDED);
	assert_true(scheduler_retire(a->vm));
	assert_true(scheduler_retire(b->vm));
	assert_int_equal(run_queues[0].member_count, 0);
}

static unsigned pauses_of_the_first;

/* CPU 0 waits for the others: each comes to its loop because it was kicked, and stays there. */
static void others_come(void)
{
	if (running < CPUS) {
		stop_at(WAITING);
	} else {
		unsigned cpu = 1 + pauses_of_the_first++ % 2;
		assert_true(fake_kicks[cpu] > 0 && run_queues[cpu].wanted);
		(void)go(cpu);
	}
}

static void others_go_on(void)
{
	(void)go(1 + pauses_of_the_first++ % 2);
}

static void parking_stops_all(void **state)
{
	(void)state;
	start(3);
	act_as(0);
	struct vcpu *a = make_vcpu(0, BIT(1));
	assert_int_equal(go(1), IN_GUEST);
	assert_int_equal(go(2), ASLEEP);
	pauses_of_the_first = 0;
	fake_on_pause = others_come;
	park_others();
	assert_int_equal(cpus[1].place, WAITING);
	assert_int_equal(cpus[2].place, WAITING);
	assert_int_equal(a->state, VCPU_QUEUED);
	assert_int_equal(go(1), WAITING); /* and does not get on */
	fake_on_pause = others_go_on;
	park_release();
	assert_int_equal(cpus[1].place, IN_GUEST);
	assert_ptr_equal(guest_of(1), a);
	assert_int_equal(cpus[2].place, ASLEEP);
	fake_on_pause = on_pause;
	assert_int_equal(run_slice(1), IN_GUEST);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(weights_decide_who_runs),
		TEST(evicted_only_for_another),
		TEST(sleeper_wakes_by_the_clock),
		TEST(house_is_kept_between_guests),
		TEST(house_does_not_eat_the_slice),
		TEST(ring_while_it_runs),
		TEST(ring_at_every_moment_before_the_sleep),
		TEST(prod_before_the_sleep),
		TEST(woken_while_its_home_is_busy),
		TEST(woken_with_more_virtual_time_waits_its_turn),
		TEST(woken_while_another_cpu_is_idle),
		TEST(started_where_the_fewest_are),
		TEST(start_wakes_the_cpu),
		TEST(idle_cpu_steals),
		TEST(what_is_in_the_registers_stays),
		TEST(busy_cpus_balance),
		TEST(notified_while_it_moves),
		TEST(retire_what_does_not_run),
		TEST(retire_what_runs_elsewhere),
		TEST(retire_what_is_in_registers_elsewhere),
		TEST(ended_guests_do_not_run),
		TEST(parking_stops_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
