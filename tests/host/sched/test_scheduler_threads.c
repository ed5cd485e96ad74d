/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/sched/scheduler.c, run_queue.c, vcpu.c, stop_machine.c and tlb.c with a real thread for
 * each CPU; built a second time under ThreadSanitizer. The guests of a VM hand a token to and fro
 * by ringing and sleep meanwhile; a wake-up that is lost ends the game. On the way they change
 * their memory, which needs flushes, are stopped for audits, are stolen, and at last end their VM,
 * which is torn down and started again in the same place. No deadline wakes a CPU but the boot CPU.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bits.h"
#include "arch/arch.h"
#include "arch/backend.h"
#include "kernel/housekeeping.h"
#include "kernel/sched/stop_machine.h"
#include "kernel/sched/run_queue.h"
#include "kernel/sched/scheduler.h"
#include "kernel/vm/tlb.h"
#include "kernel/vm/vm.h"
#include "kernel/sched/background.h"
#include "kernel/sched/wake.h"
#include "mm/tlb.h"

#define CPUS 3
#define VMS 4
#define GENERATIONS 100
#define ROUNDS 60 /* of the token, before its VM ends */
#define SECONDS_MAX 60
#define NOT_CACHED 0

/* What the processor keeps of the guest that it ran last, and what was saved of it. */
static struct {
	struct vcpu *loaded;
	uint64_t value;
	uint64_t seed;
	uint64_t cached[VMS]; /* the translation of each VM's only page, or NOT_CACHED */
} processors[CPUS];

/* The guests. */
static struct game {
	uint64_t saved[2];    /* value of each vCPU while it is in no processor */
	uint64_t expected[2]; /* what it must be */
	unsigned running[2];  /* on how many CPUs: atomic */
	unsigned rounds;      /* changed by who has the token */
	unsigned generation;
	uint64_t version;     /* of the page's translation; atomic, as is the next */
	uint64_t freed_below; /* older ones belong to somebody else by now */
	bool done;
} games[VMS];

static struct vm vm_table[VMS];
static const uint64_t masks[VMS] = {7, 3, 6, 4};
static __thread unsigned cpu_now;
static unsigned interrupts[CPUS]; /* pending */
static bool stop;
static const char *complaint;

/* Who rings looks at one word of another CPU's vCPU, and only whether it is still OFF. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:was_started\n";
}

static void complain(const char *text)
{
	__atomic_store_n(&complaint, text, __ATOMIC_SEQ_CST);
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
}

static void leave_if_stopped(void)
{
	if (__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		pthread_exit(NULL);
	}
}

_Noreturn void panic(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	abort();
}

static uint64_t random_below(uint64_t limit)
{
	uint64_t *seed = &processors[cpu_now].seed;
	*seed = *seed * 6364136223846793005 + 1442695040888963407;
	return (*seed >> 33) % limit;
}

/* Others get on at the moments at which something may go wrong; there may be fewer processors here.
 */
static void let_others_on(uint64_t one_in)
{
	if (random_below(one_in) == 0) {
		sched_yield();
	}
}

/* Each lock is a place to be overtaken at, before it is taken and when it has been let go. */
void lock_order_check(const struct lock *lock, bool taken)
{
	static __thread uint32_t held;
	uint32_t bit = 1u << lock->rank;
	if (taken ? held >= bit : (held & bit) == 0) {
		panic("locks are taken in a wrong order");
	}
	held ^= bit;
	let_others_on(3);
}

/* ---- The processor ---------------------------------------------------------------------------*/

unsigned arch_cpu_index(void)
{
	return cpu_now;
}

unsigned arch_cpu_count(void)
{
	return CPUS;
}

uint64_t arch_tsc_khz(void)
{
	return 1000;
}

uint64_t arch_tsc(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void arch_cpu_kick(unsigned cpu)
{
	__atomic_store_n(&interrupts[cpu], 1, __ATOMIC_SEQ_CST);
}

static bool take_interrupt(void)
{
	return __atomic_exchange_n(&interrupts[cpu_now], 0, __ATOMIC_SEQ_CST) != 0;
}

void arch_pause(void)
{
	leave_if_stopped();
	sched_yield();
}

void arch_idle(uint64_t deadline_tsc)
{
	(void)deadline_tsc;
	for (unsigned i = 0; !take_interrupt() && (cpu_now != 0 || i < 20); i++) {
		leave_if_stopped();
		sched_yield();
	}
	leave_if_stopped();
}

uint64_t scrub_step(unsigned order_max)
{
	(void)order_max;
	return 0;
}

/* ---- The guests ------------------------------------------------------------------------------*/

static unsigned number_of(const struct vm *vm)
{
	return (unsigned)(vm - vm_table);
}

/* The guest uses its page, in the guest. */
static void access_page(struct vm *vm)
{
	struct game *game = &games[number_of(vm)];
	uint64_t *cached = &processors[cpu_now].cached[number_of(vm)];
	if (*cached == NOT_CACHED) {
		*cached = __atomic_load_n(&game->version, __ATOMIC_ACQUIRE);
	}
	if (*cached < __atomic_load_n(&game->freed_below, __ATOMIC_ACQUIRE)) {
		complain("a page was used that another VM may have by now");
	}
	let_others_on(3);
}

/* Out of the guest: the page moves, and what it was before is given to somebody else. */
static void move_page(struct vm *vm)
{
	struct game *game = &games[number_of(vm)];
	struct s2_locked locked = s2_lock(&vm->s2);
	uint64_t version = __atomic_add_fetch(&game->version, 1, __ATOMIC_SEQ_CST);
	tlb_epoch_enforce(&vm->s2, tlb_epoch_request(&vm->s2));
	__atomic_store_n(&game->freed_below, version, __ATOMIC_RELEASE);
	s2_unlock(locked);
}

static void end_vm(struct vm *vm)
{
	enum vm_state was = VM_RUNNING;
	if (__atomic_compare_exchange_n(&vm->state, &was, VM_KILLED, false, __ATOMIC_SEQ_CST,
					__ATOMIC_SEQ_CST)) {
		for (unsigned i = 0; i < vm->config.vcpus; i++) {
			scheduler_signal(&vm->vcpus[i]);
		}
	}
}

/* It has the token: hands it on, or ends the game. */
static void use_token(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	struct game *game = &games[number_of(vm)];
	struct vcpu *peer = &vm->vcpus[1 - vcpu->index];
	game->rounds++;
	if (game->rounds == 1) {
		if (scheduler_start(peer, 1, 1) != STATUS_OK ||
		    scheduler_start(peer, 2, 2) != STATUS_EXISTS) {
			complain("the second vCPU could not be started once");
		}
	}
	if (game->rounds >= ROUNDS) {
		end_vm(vm);
	} else if (vcpu_ring(peer) != STATUS_OK) {
		complain("the second vCPU could not be rung");
	}
}

/* One visit in the guest; true: it is to run on. */
static bool guest_goes_on(struct vcpu *vcpu)
{
	tlb_enter(&vcpu->vm->s2, cpu_now);
	for (uint64_t i = random_below(4); i > 0; i--) {
		access_page(vcpu->vm);
	}
	tlb_leave(cpu_now);
	if (take_interrupt()) {
		return vm_state_now(vcpu->vm) == VM_RUNNING && !scheduler_wants_cpu();
	}
	if (random_below(8) == 0) {
		move_page(vcpu->vm);
	}
	if (__atomic_exchange_n(&vcpu->doorbell_pending, false, __ATOMIC_SEQ_CST)) {
		use_token(vcpu);
		return true;
	}
	if (random_below(4) == 0) {
		return true;
	}
	vcpu->doorbell_open = true;
	vcpu->wait = WAIT_DOORBELL;
	let_others_on(2);
	return false;
}

static void vcpu_run(struct vcpu *vcpu, uint64_t deadline_tsc)
{
	struct game *game = &games[number_of(vcpu->vm)];
	(void)deadline_tsc;
	leave_if_stopped();
	if (__atomic_fetch_add(&game->running[vcpu->index], 1, __ATOMIC_SEQ_CST) != 0) {
		complain("a vCPU runs on two CPUs");
	}
	if ((vcpu->vm->config.cpu_mask >> cpu_now & 1) == 0) {
		complain("a vCPU runs where it must not");
	}
	if (processors[cpu_now].loaded != vcpu) {
		if (processors[cpu_now].loaded != NULL) {
			complain("a vCPU runs with another one's state in the registers");
		}
		processors[cpu_now].loaded = vcpu;
		processors[cpu_now].value = game->saved[vcpu->index];
	}
	tlb_run_begin(&vcpu->vm->s2, cpu_now);
	do {
		let_others_on(4);
		processors[cpu_now].value++;
		game->expected[vcpu->index]++;
	} while (guest_goes_on(vcpu));
	__atomic_fetch_sub(&game->running[vcpu->index], 1, __ATOMIC_SEQ_CST);
}

static void vcpu_evict(struct vcpu *vcpu)
{
	if (processors[cpu_now].loaded == vcpu) {
		games[number_of(vcpu->vm)].saved[vcpu->index] = processors[cpu_now].value;
		processors[cpu_now].loaded = NULL;
	}
}

static void flush_s2(const struct s2 *s2)
{
	for (unsigned i = 0; i < VMS; i++) {
		if (s2 == &vm_table[i].s2) {
			processors[cpu_now].cached[i] = NOT_CACHED;
		}
	}
}

static const struct backend thread_backend = {
	.name = "threads",
	.vcpu_run = vcpu_run,
	.vcpu_evict = vcpu_evict,
	.flush_s2 = flush_s2,
};
const struct backend *backend = &thread_backend;

/* ---- The boot CPU ----------------------------------------------------------------------------*/

static void start_vm(struct vm *vm)
{
	struct game *game = &games[number_of(vm)];
	vm->config.vcpus = 2;
	vm->config.cpu_mask = masks[number_of(vm)];
	vm->config.weight = 50 + 50 * number_of(vm);
	memset(game->saved, 0, sizeof(game->saved));
	memset(game->expected, 0, sizeof(game->expected));
	game->rounds = 0;
	for (unsigned i = 0; i < 2; i++) {
		vcpu_init(&vm->vcpus[i], vm, i);
		vm->vcpus[i].doorbell_vector = 0x40;
		scheduler_place(&vm->vcpus[i]);
	}
	__atomic_store_n(&vm->state, VM_RUNNING, __ATOMIC_RELEASE);
	if (scheduler_start(&vm->vcpus[0], 1, 0) != STATUS_OK ||
	    vcpu_ring(&vm->vcpus[0]) != STATUS_OK) {
		complain("the first vCPU could not be started");
	}
}

/* Nobody has anything of it any more. */
static void check_retired(const struct vm *vm)
{
	const struct game *game = &games[number_of(vm)];
	for (unsigned i = 0; i < 2; i++) {
		const struct vcpu *vcpu = &vm->vcpus[i];
		if (vcpu->state != VCPU_ENDED || vcpu->resident != CPU_NONE ||
		    game->running[i] != 0 || game->saved[i] != game->expected[i]) {
			complain("a VM was retired that was not at its end");
		}
	}
}

static void audit(void)
{
	stop_machine();
	for (unsigned i = 0; i < VMS; i++) {
		if (games[i].running[0] + games[i].running[1] != 0) {
			complain("a guest runs while all are parked");
		}
	}
	stop_machine_release();
}

bool background_poll(uint64_t now_tsc, bool at_once)
{
	(void)at_once;
	bool all_done = true;
	(void)now_tsc;
	leave_if_stopped();
	for (unsigned i = 0; i < VMS; i++) {
		if (vm_is_over(&vm_table[i]) && !games[i].done && scheduler_retire(&vm_table[i])) {
			check_retired(&vm_table[i]);
			games[i].done = ++games[i].generation == GENERATIONS;
			if (!games[i].done) {
				start_vm(&vm_table[i]);
			}
		}
		all_done = all_done && games[i].done;
	}
	if (random_below(50) == 0) {
		audit();
	}
	if (all_done) {
		__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
	}
	return false;
}

uint64_t background_next_tsc(uint64_t now_tsc)
{
	return now_tsc + 5000;
}

void background_idle(void)
{
}

/* ----------------------------------------------------------------------------------------------*/

static void *run_cpu(void *number)
{
	cpu_now = (unsigned)(uintptr_t)number;
	scheduler_run();
}

static void *watch(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < SECONDS_MAX * 20; i++) {
		struct timespec pause = {.tv_nsec = 50000000};
		if (__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
			return NULL;
		}
		nanosleep(&pause, NULL);
	}
	complain("the token was lost: somebody sleeps who was rung");
	return NULL;
}

static void tokens_get_round(void **state)
{
	pthread_t threads[CPUS];
	pthread_t watcher;
	(void)state;
	scheduler_init();
	for (unsigned i = 0; i < VMS; i++) {
		lock_init(&vm_table[i].s2.lock, LOCK_S2);
		games[i].version = 1;
		processors[i % CPUS].seed = 77 + i;
		start_vm(&vm_table[i]);
	}
	for (uintptr_t i = 0; i < CPUS; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, run_cpu, (void *)i), 0);
	}
	assert_int_equal(pthread_create(&watcher, NULL, watch, NULL), 0);
	for (unsigned i = 0; i < CPUS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	}
	assert_int_equal(pthread_join(watcher, NULL), 0);
	if (complaint != NULL) {
		fail_msg("%s", complaint);
	}
	unsigned members = 0;
	uint64_t steals = 0;
	for (unsigned i = 0; i < CPUS; i++) {
		members += run_queues[i].member_count;
		steals += scheduler_counts(i).steals;
		assert_true(scheduler_counts(i).slices > 0);
	}
	assert_int_equal(members, 0);
	print_message("%llu steals\n", (unsigned long long)steals);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_get_round),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
