/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/vm/vcpu.c and what kernel/vm/vm.c does with several vCPUs: starting, ringing, events, a VM
 * that nobody can wake, the end of a VM, and processors that a VM may use.
 */
#include "fake/kernel.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "arch/boot_info.h"
#include "kernel/sched/run_queue.h"
#include "kernel/sched/scheduler.h"
#include "kernel/lifecycle/build.h"
#include "kernel/lifecycle/end.h"
#include "kernel/sched/wake.h"
#include "mm/frame.h"
#include "mm/phys.h"

static struct vm *vm;
static struct vcpu *first;
static struct vcpu *second;

static void start(void)
{
	kernel_start(3000, 1);
	vm = kernel_vm_with(3, "vm", 1000, 1000, 100);
	first = &vm->vcpus[0];
	second = &vm->vcpus[1];
}

/* The vCPU, which runs or is queued, goes to sleep for this reason. */
static void sleep_for(struct vcpu *vcpu, enum vcpu_wait wait)
{
	kernel_pick(vcpu);
	vcpu->doorbell_pending = false;
	vcpu->event = false;
	vcpu->granted = false;
	vcpu->wake_tsc = WAKE_NEVER;
	vcpu->wait = wait;
	kernel_settle(vcpu);
	assert_int_equal(vcpu->state, VCPU_ASLEEP);
}

/* ---- Start -----------------------------------------------------------------------------------*/

static void test_started_once(void **state)
{
	(void)state;
	start();
	assert_int_equal(second->state, VCPU_OFF);
	assert_int_equal(scheduler_start(second, 0x5000, 7), STATUS_OK);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(scheduler_start(second, 0x6000, 8), STATUS_EXISTS);
		assert_int_equal(second->entry, 0x5000);
		assert_int_equal(second->regs[GPR_RBX], 7);
		if (i == 0) { /* running, asleep, ended */
			kernel_pick(second);
		} else if (i == 1) {
			sleep_for(second, WAIT_DOORBELL);
		} else if (i == 2) {
			vm_finish(vm, 0, 0);
			assert_false(scheduler_retire(vm)); /* the first still runs */
			assert_int_equal(second->state, VCPU_ENDED);
		}
	}
	kernel_vm_end(vm);
	assert_int_equal(run_queues[0].member_count, 0);
}

static enum status other_answer;

static void start_it_too(const struct lock *lock)
{
	if (lock == &run_queues[second->home].lock) {
		fake_on_acquire = NULL;
		other_answer = scheduler_start(second, 0x9000, 9);
	}
}

/* Two of its VM's vCPUs start the same one at the same time. */
static void test_started_by_two_at_once(void **state)
{
	(void)state;
	start();
	other_answer = STATUS_INVALID;
	fake_on_acquire = start_it_too;
	assert_int_equal(scheduler_start(second, 0x5000, 7), STATUS_EXISTS);
	assert_int_equal(other_answer, STATUS_OK);
	assert_int_equal(second->entry, 0x9000);
	assert_int_equal(second->regs[GPR_RBX], 9);
	assert_int_equal(run_queues[0].queued_count, 1);
	kernel_vm_end(vm);
}

/* ---- Waking ----------------------------------------------------------------------------------*/

static void test_ring(void **state)
{
	static const enum vcpu_wait waits[] = {WAIT_DOORBELL, WAIT_EVENT, WAIT_MEMORY};
	(void)state;
	start();
	second->doorbell_vector = 0x40;
	assert_int_equal(vcpu_ring(second), STATUS_NOT_FOUND); /* before its start */
	assert_false(second->doorbell_pending);
	assert_int_equal(scheduler_start(second, 0x5000, 0), STATUS_OK);
	second->doorbell_vector = 0;
	assert_int_equal(vcpu_ring(second), STATUS_NOT_FOUND); /* without a vector */
	assert_false(second->doorbell_pending);
	second->doorbell_vector = 0x40;
	assert_int_equal(vcpu_ring(second), STATUS_OK);
	assert_true(second->doorbell_pending);
	for (unsigned i = 0; i < ARRAY_COUNT(waits); i++) {
		sleep_for(second, waits[i]);
		assert_int_equal(vcpu_ring(second), STATUS_OK);
		assert_true(second->doorbell_pending);
		assert_int_equal(second->state,
				 waits[i] == WAIT_MEMORY ? VCPU_ASLEEP : VCPU_QUEUED);
	}
	vcpu_wake_for_memory(second);
	assert_int_equal(second->state, VCPU_QUEUED);
	assert_false(first->doorbell_pending);
	kernel_vm_end(vm);
}

/* An event ends a WAIT and rings, if there is a bell; it does not end a HLT without one. */
static void test_event(void **state)
{
	(void)state;
	start();
	vcpu_signal(second); /* not started: it hears nothing */
	assert_false(second->event || second->doorbell_pending);
	assert_int_equal(scheduler_start(second, 0x5000, 0), STATUS_OK);
	sleep_for(second, WAIT_DOORBELL);
	vcpu_signal(second);
	assert_true(second->event);
	assert_false(second->doorbell_pending);
	assert_int_equal(second->state, VCPU_ASLEEP);
	second->event = false;
	second->doorbell_vector = 0x40;
	vcpu_signal(second);
	assert_true(second->event && second->doorbell_pending);
	assert_int_equal(second->state, VCPU_QUEUED);
	sleep_for(second, WAIT_EVENT);
	second->doorbell_vector = 0;
	vcpu_signal(second);
	assert_int_equal(second->state, VCPU_QUEUED);
	sleep_for(second, WAIT_MEMORY);
	vcpu_signal(second);
	assert_int_equal(second->state, VCPU_ASLEEP);
	kernel_vm_end(vm);
}

/* A new target is told to every vCPU that was started. */
static void test_target_rings_all(void **state)
{
	(void)state;
	start();
	assert_int_equal(scheduler_start(second, 0x5000, 0), STATUS_OK);
	assert_int_equal(balloon_attach(first, (gfn_t){9}, 0x41), STATUS_OK);
	second->doorbell_vector = 0x42;
	vm->vcpus[2].doorbell_vector = 0x43; /* not started */
	sleep_for(first, WAIT_DOORBELL);
	sleep_for(second, WAIT_EVENT);
	balloon_set_target(vm, 10, AEROSTAT_PRESSURE_LOW);
	assert_true(first->doorbell_pending && second->doorbell_pending);
	assert_int_equal(first->state, VCPU_QUEUED);
	assert_int_equal(second->state, VCPU_QUEUED);
	assert_false(vm->vcpus[2].doorbell_pending || vm->vcpus[2].event);
	/* Letting go takes back the caller's doorbell, and that only if it came with the balloon.
	 */
	assert_int_equal(balloon_detach(second), STATUS_OK);
	assert_int_equal(second->doorbell_vector, 0x42);
	assert_true(second->doorbell_pending);
	assert_int_equal(first->doorbell_vector, 0x41);
	assert_int_equal(balloon_attach(first, (gfn_t){9}, 0x41), STATUS_OK);
	assert_int_equal(balloon_detach(first), STATUS_OK);
	assert_int_equal(first->doorbell_vector, 0);
	assert_false(first->doorbell_pending);
	assert_int_equal(second->doorbell_vector, 0x42);
	kernel_vm_end(vm);
}

/* ---- Nobody can wake it ----------------------------------------------------------------------*/

static void test_sleeps_for_good(void **state)
{
	static const struct {
		enum vcpu_wait wait;
		bool attached;
		uint8_t vector;
		bool timed;
		bool for_good;
		bool held_off; /* by IF or CR8 */
	} cases[] = {
		{WAIT_DOORBELL, false, 0, false, true, false},
		{WAIT_DOORBELL, false, 0x40, false, true, false}, /* only a vCPU of its VM rings */
		{WAIT_DOORBELL, true, 0, false, true, false},
		{WAIT_DOORBELL, true, 0x40, false, false, false}, /* the target may change */
		{WAIT_DOORBELL, true, 0x40, false, true, true},
		{WAIT_EVENT, false, 0, false, true, false},
		{WAIT_EVENT, false, 0x40, false, true, false},
		{WAIT_EVENT, false, 0, true, false, false},
		{WAIT_EVENT, true, 0, false, false, false},
		{WAIT_EVENT, true, 0x40, true, false, false},
		{WAIT_MEMORY, false, 0, false, false, false},
		{WAIT_MEMORY, true, 0x40, false, false, false},
	};
	(void)state;
	start();
	assert_false(vcpu_sleeps_for_good(first));  /* runs */
	assert_false(vcpu_sleeps_for_good(second)); /* was not started */
	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		first->doorbell_open = !cases[i].held_off;
		sleep_for(first, cases[i].wait);
		vm->balloon.attached = cases[i].attached;
		first->doorbell_vector = cases[i].vector;
		first->wake_tsc = cases[i].timed ? fake_tsc + 10 : WAKE_NEVER;
		if (vcpu_sleeps_for_good(first) != cases[i].for_good) {
			fail_msg("case %u", i);
		}
		first->doorbell_pending = true; /* on its way, if that ends the wait */
		assert_int_equal(vcpu_sleeps_for_good(first), cases[i].held_off);
		first->doorbell_open = true;
		first->granted = true;
		scheduler_signal(first);
		assert_int_equal(first->state, VCPU_QUEUED);
		assert_false(vcpu_sleeps_for_good(first));
	}
	vm->balloon.attached = false;
	kernel_vm_end(vm);
}

/* One that sleeps for good does not matter while another one could ring. */
static void test_stuck(void **state)
{
	(void)state;
	start();
	assert_false(vm_is_stuck(vm));
	sleep_for(first, WAIT_DOORBELL);
	assert_true(vm_is_stuck(vm)); /* the others were never started */
	assert_int_equal(scheduler_start(second, 0x5000, 0), STATUS_OK);
	assert_false(vm_is_stuck(vm));
	kernel_pick(second);
	assert_false(vm_is_stuck(vm));
	sleep_for(second, WAIT_MEMORY);
	assert_false(vm_is_stuck(vm));
	vcpu_wake_for_memory(second);
	sleep_for(second, WAIT_EVENT);
	assert_true(vm_is_stuck(vm));
	second->wake_tsc = fake_tsc + 5;
	assert_false(vm_is_stuck(vm));
	second->wake_tsc = WAKE_NEVER;
	first->doorbell_vector = 0x40;
	assert_true(vm_is_stuck(vm));
	assert_int_equal(vcpu_ring(first), STATUS_OK);
	assert_false(vm_is_stuck(vm));
	kernel_vm_end(vm);
}

static struct vm *trap; /* whose memory cannot be read */
static unsigned swaps;

/* At that moment the last vCPU, on another CPU, rings the first one, and sleeps in its place. */
static void swap_sleepers(int signal_number)
{
	struct vcpu *last = &vm->vcpus[2];
	(void)signal_number;
	(void)mprotect(trap, sizeof(*trap), PROT_READ | PROT_WRITE);
	swaps++;
	last->exit_count++; /* VCPU_RING */
	first->state = VCPU_RUNNING;
	last->exit_count++; /* HLT */
	last->state = VCPU_ASLEEP;
}

/* Regression: the one that slept when it was looked at was awake when the other one was. */
static void test_ping_pong_is_not_stuck(void **state)
{
	(void)state;
	start();
	struct vcpu *last = &vm->vcpus[2];
	sleep_for(first, WAIT_DOORBELL);
	assert_int_equal(scheduler_start(second, 0x5000, 0), STATUS_OK);
	sleep_for(second, WAIT_DOORBELL);
	assert_int_equal(scheduler_start(last, 0x5000, 0), STATUS_OK);
	kernel_pick(last);
	last->wait = WAIT_DOORBELL;
	trap = mmap(NULL, sizeof(*trap), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(trap != MAP_FAILED);
	swaps = 0;
	void (*before)(int) = signal(SIGSEGV, swap_sleepers);
	second->vm = trap;
	bool stuck = vm_is_stuck(vm);
	second->vm = vm;
	(void)signal(SIGSEGV, before);
	assert_int_equal(munmap(trap, sizeof(*trap)), 0);
	assert_int_equal(swaps, 1);
	assert_false(stuck);
	assert_false(vm_is_stuck(vm));
	first->state = VCPU_ASLEEP;
	assert_true(vm_is_stuck(vm));
	last->state = VCPU_RUNNING;
	kernel_vm_end(vm);
}

/* ---- The end ---------------------------------------------------------------------------------*/

static unsigned lines_with(const char *text)
{
	unsigned count = 0;
	for (const char *at = fake_log_text; (at = strstr(at, text)) != NULL; at++) {
		count++;
	}
	return count;
}

/* Several vCPUs end it at once: the first reason counts, and one line says so. */
static void test_ended_once(void **state)
{
	(void)state;
	start();
	assert_int_equal(scheduler_start(second, 0x5000, 0), STATUS_OK);
	fake_log_clear();
	vm_kill(vm, "the first reason");
	uint64_t ended_tsc = vm->ended_tsc;
	fake_tsc += 1000;
	vm_kill(vm, "the second reason");
	vm_finish(vm, 5, 0xabc);
	assert_int_equal(vm->state, VM_KILLED);
	assert_string_equal(vm->end_reason, "the first reason");
	assert_int_equal(vm->exit_code, 0);
	assert_int_equal(vm->digest, 0);
	assert_int_equal(vm->ended_tsc, ended_tsc);
	assert_int_equal(lines_with("killed"), 1);
	assert_int_equal(lines_with("finished"), 0);
	kernel_vm_end(vm);

	vm = kernel_vm_with(2, "other", 1000, 1000, 100);
	fake_log_clear();
	vm_finish(vm, 3, 0x123);
	vm_finish(vm, 4, 0x456);
	vm_kill(vm, "too late");
	assert_int_equal(vm->state, VM_FINISHED);
	assert_int_equal(vm->exit_code, 3);
	assert_int_equal(vm->digest, 0x123);
	assert_ptr_equal(vm->end_reason, NULL);
	assert_int_equal(lines_with("finished"), 1);
	assert_int_equal(lines_with("killed"), 0);
	kernel_vm_end(vm);
}

/* Its vCPUs that are in the guest on other CPUs come out. */
static void test_end_reaches_all_cpus(void **state)
{
	(void)state;
	start();
	vm_kill(vm, "makes room");
	kernel_vm_end(vm);
	fake_cpus_reset(3);
	vm = kernel_vm_with(3, "wide", 1000, 1000, 100);
	for (unsigned i = 1; i < 3; i++) {
		assert_int_equal(scheduler_start(&vm->vcpus[i], 0x5000, 0), STATUS_OK);
		assert_int_equal(vm->vcpus[i].home, i);
		kernel_pick(&vm->vcpus[i]);
	}
	vm_kill(vm, "it is enough");
	assert_int_equal(fake_kicks[1], 1);
	assert_int_equal(fake_kicks[2], 1);
	kernel_vm_end(vm);
}

static void test_sums(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < 3; i++) {
		vm->vcpus[i].exit_count = 1 + i;
		vm->vcpus[i].fault_count = 10 + i;
		vm->vcpus[i].hypercall_count = 100 + i;
	}
	assert_int_equal(vm_exit_count(vm), 6);
	assert_int_equal(vm_fault_count(vm), 33);
	assert_int_equal(vm_hypercall_count(vm), 303);
	/* The first that waits counts. */
	assert_int_equal(scheduler_start(second, 0x5000, 0), STATUS_OK);
	assert_false(vm_waits_for_memory(vm));
	second->blocked_since_tsc = 70;
	sleep_for(second, WAIT_MEMORY);
	first->blocked_since_tsc = 50;
	sleep_for(first, WAIT_MEMORY);
	assert_true(vm_waits_for_memory(vm));
	assert_int_equal(vm_blocked_since(vm), 50);
	vcpu_wake_for_memory(first);
	assert_int_equal(vm_blocked_since(vm), 70);
	vm_kill(vm, "no matter");
	assert_false(vm_waits_for_memory(vm));
	kernel_vm_end(vm);
}

/*
 * Regression: the clocks of two CPUs may differ by a millisecond; on the one that is behind, a
 * second seemed to have passed at once, and the limit of lines began anew.
 */
static void test_log_limit_with_clocks_that_differ(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < VM_LOG_LINES_PER_SECOND; i++) {
		vm_log(vm, "line");
	}
	fake_tsc -= 1000;
	vm_log(vm, "one too many");
	assert_int_equal(vm->log.suppressed, 1);
	fake_tsc += 2000 * 1000;
	vm_log(vm, "line");
	assert_int_equal(vm->log.suppressed, 0);
	kernel_vm_end(vm);
}

/* ---- Processors that it may use --------------------------------------------------------------*/

static void start_module(const char *text)
{
	static struct boot_module module;
	memset(&module, 0, sizeof(module));
	module.text = text;
	fake_log_clear();
	struct vms_pages pages;
	vms_start(&module, 1, &pages);
}

static void test_needs_a_processor_that_runs(void **state)
{
	(void)state;
	kernel_start(3000, 1);
	fake_cpus_reset(2);
	uint64_t free_before = frame_count_free();
	start_module("name=far mem=1M cpu=2-5,63");
	assert_int_equal(vms[0].state, VM_REFUSED);
	assert_int_equal(vms[0].start_ticks, 0); /* regression: it was the counter itself */
	assert_non_null(strstr(fake_log_text, "far refused: cpu= names none of the 2 processors"));
	assert_int_equal(frame_count_free(), free_before);
	assert_int_equal(run_queues[0].member_count + run_queues[1].member_count, 0);
	/* One of them is enough; the next complaint is about its image. */
	start_module("name=near mem=1M cpu=1-5");
	assert_int_equal(vms[1].state, VM_REFUSED);
	assert_null(strstr(fake_log_text, "cpu="));
	fake_cpu_count = CPUS_MAX;
	start_module("name=last mem=1M cpu=63");
	assert_null(strstr(fake_log_text, "cpu="));
}

/* ---- Boot ------------------------------------------------------------------------------------*/

/* ELF64, EXEC, x86-64, one segment of a page at 1 MiB, of which the file holds 64 bytes. */
static const uint8_t image[256] __attribute__((aligned(8))) = {
	[0] = 0x7f,  'E',	  'L',		'F',	   2,	     1,	       1,	 [16] = 2,
	[18] = 62,   [26] = 0x10, [32] = 64,	[54] = 56, [56] = 1, [64] = 1, [68] = 5, [72] = 128,
	[90] = 0x10, [96] = 64,	  [105] = 0x10,
};

/* A module has to stay as long as its VM. */
static void start_image(struct boot_module *module, const char *text)
{
	*module = (struct boot_module){0};
	module->start = (uintptr_t)image - direct_map_base;
	module->end = module->start + sizeof(image);
	module->text = text;
	struct vms_pages pages;
	vms_start(module, 1, &pages);
	assert_int_equal(vms[vm_count - 1].state, VM_RUNNING);
	world_adopt(&vms[vm_count - 1].s2);
}

/*
 * Regression: the first guests ran on other CPUs while later modules were still being admitted, and
 * could take the memory that those were to be promised.
 */
static void test_none_runs_before_all_are_admitted(void **state)
{
	struct boot_module modules[2];
	(void)state;
	kernel_start(3000, 1);
	fake_cpus_reset(2);
	uint64_t own = frame_count(FRAME_HYPERVISOR);
	start_image(&modules[0], "name=quick mem=1M max=8M cpu=1 vcpus=2");
	assert_int_equal(vms[0].own_pages,
			 frame_count(FRAME_HYPERVISOR) - own + 2 * FAKE_VCPU_PAGES);
	start_image(&modules[1], "name=late mem=2M");
	for (unsigned i = 0; i < 2; i++) {
		assert_true(vms[i].start_ticks < fake_tsc);
		assert_int_equal(vms[i].vcpus[0].state, VCPU_OFF);
		assert_int_equal(run_queues[i].queued_count, 0);
	}
	assert_int_equal(fake_kick_count, 0);
	vms_release();
	for (unsigned i = 0; i < 2; i++) {
		const struct vcpu *vcpu = &vms[i].vcpus[0];
		assert_int_equal(vcpu->state, VCPU_QUEUED);
		assert_int_equal(vcpu->entry, 0x100000);
		assert_true(vcpu->regs[GPR_RBX] != 0);
	}
	kernel_vm_end(&vms[0]);
	kernel_vm_end(&vms[1]);
}

#define TEST(name) cmocka_unit_test_teardown(name, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_started_once),
		TEST(test_started_by_two_at_once),
		TEST(test_ring),
		TEST(test_event),
		TEST(test_target_rings_all),
		TEST(test_sleeps_for_good),
		TEST(test_stuck),
		TEST(test_ping_pong_is_not_stuck),
		TEST(test_ended_once),
		TEST(test_end_reaches_all_cpus),
		TEST(test_sums),
		TEST(test_log_limit_with_clocks_that_differ),
		TEST(test_needs_a_processor_that_runs),
		TEST(test_none_runs_before_all_are_admitted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
