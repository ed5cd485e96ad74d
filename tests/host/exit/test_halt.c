/* SPDX-License-Identifier: BSD-2-Clause */
/* HLT in kernel/exit/exit.c: what ends it, and which VMs nothing can wake any more. */
#include "fake/kernel.h"

#include <string.h>

#include "fake/devices.h"

#include "kernel/vm/exit.h"
#include "kernel/sched/scheduler.h"
#include "kernel/sched/wake.h"
#include "kernel/lifecycle/end.h"

static struct vm *vm;
static struct vcpu *vcpu;

static void start(unsigned vcpus)
{
	kernel_start(3000, 1);
	vm = kernel_vm_with(vcpus, "vm", 1000, 1000, 100);
	vcpu = &vm->vcpus[0];
	vcpu_set_doorbell(vcpu, 0x40);
}

static enum exit_action halt(void)
{
	const struct vm_exit vm_exit = {.kind = VM_EXIT_HLT};
	kernel_pick(vcpu);
	enum exit_action action = vm_exit_handle(vcpu, &vm_exit);
	if (action != EXIT_ADVANCE) {
		kernel_settle(vcpu);
	}
	return action;
}

static void test_let_through(void **state)
{
	(void)state;
	start(1);
	assert_int_equal(halt(), EXIT_WAIT);
	assert_int_equal(vcpu->state, VCPU_ASLEEP);
	assert_int_equal(vcpu_ring(vcpu), STATUS_OK);
	assert_int_equal(vcpu->state, VCPU_QUEUED);
	/* It rang between the guest's last look and HLT. */
	assert_int_equal(halt(), EXIT_ADVANCE);
	vcpu->doorbell_pending = false; /* it has arrived */
	assert_int_equal(halt(), EXIT_WAIT);
	assert_false(vm_is_stuck(vm) && vm->balloon.attached);
	kernel_vm_end(vm);
}

/*
 * Regression: with a doorbell that had rung HLT ended at once, though IF or CR8 held it off: the
 * vCPU of a guest that halts for good spun for ever, and its VM was never found stuck.
 */
static void test_held_off(void **state)
{
	(void)state;
	start(2);
	assert_int_equal(balloon_attach(vcpu, (gfn_t){9}, 0x41), STATUS_OK);
	fake_interrupts_on = false;
	assert_int_equal(vcpu_ring(vcpu), STATUS_OK);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(halt(), EXIT_WAIT);
		assert_int_equal(vcpu->state, VCPU_ASLEEP);
		assert_int_equal(vcpu_ring(vcpu), STATUS_OK);
		balloon_set_target(vm, 5 + i, AEROSTAT_PRESSURE_LOW);
		assert_int_equal(vcpu->state, VCPU_ASLEEP);
		assert_true(vm_is_stuck(vm));
		vcpu->doorbell_open = true; /* as if it had not been held off */
		scheduler_signal(vcpu);
		assert_int_equal(vcpu->state, VCPU_QUEUED);
	}
	kernel_vm_end(vm);
}

/* The only vCPU of a VM can be told at once that nothing will wake it. */
static void test_alone(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		start(1);
		bool vector = (i & 1) != 0;
		fake_interrupts_on = (i & 2) != 0;
		vcpu_set_doorbell(vcpu, vector ? 0x40 : 0);
		vcpu->doorbell_pending = !fake_interrupts_on;
		bool can_wake = vector && fake_interrupts_on;
		assert_int_equal(halt(), can_wake ? EXIT_WAIT : EXIT_KILL);
		assert_int_equal(vm->state, can_wake ? VM_RUNNING : VM_KILLED);
		kernel_vm_end(vm);
		assert_int_equal(kernel_teardown(NULL), 0);
	}
	start(1);
	kernel_vm_end(vm);
}

/* A debug exception ends HLT, too (SDM vol. 2): the trap of a single step comes behind it. */
static void test_single_step(void **state)
{
	(void)state;
	start(1);
	fake_interrupts_on = false;
	fake_single_steps = true;
	assert_int_equal(halt(), EXIT_ADVANCE);
	assert_int_equal(vm->state, VM_RUNNING);
	kernel_vm_end(vm);
}

/* With a local APIC an NMI ends HLT whatever IF says, but not while one is being handled. */
static void test_nmi(void **state)
{
	(void)state;
	start(2);
	fake_devices_reset();
	vm->platform = fake_devices_of_a_vm();
	fake_interrupts_on = false;
	fake_devices.nmi = true;
	assert_int_equal(halt(), EXIT_ADVANCE);
	assert_true(vcpu->doorbell_pending);
	fake_nmi_is_handled = true;
	vcpu->nmi_pending = true;
	assert_int_equal(halt(), EXIT_WAIT);
	assert_int_equal(vcpu->state, VCPU_ASLEEP);
	assert_false(vcpu->nmi_open);
	scheduler_signal(vcpu);
	assert_int_equal(vcpu->state, VCPU_ASLEEP);
	vcpu->nmi_open = true;
	vcpu->nmi_pending = true;
	scheduler_signal(vcpu);
	assert_int_equal(vcpu->state, VCPU_QUEUED);
	/* The flag of one that has been taken ends nothing. */
	fake_nmi_is_handled = false;
	fake_devices.nmi = false;
	assert_int_equal(halt(), EXIT_WAIT);
	assert_int_equal(vcpu->state, VCPU_ASLEEP);
	assert_false(vcpu->nmi_pending);
	vm->platform = NULL;
	kernel_vm_end(vm);
}

/*
 * Regression: HLT cleared the flag of an NMI that it found, and an entry that only awaits the
 * interrupt window does not look without it: `cli; 1: hlt; jmp 1b` spun for ever. Nor did an entry
 * look behind a HLT that a trap ended.
 */
static void test_nmi_is_told_behind_hlt(void **state)
{
	(void)state;
	start(2);
	fake_devices_reset();
	vm->platform = fake_devices_of_a_vm();
	fake_interrupts_on = false;
	fake_devices.ready = 0x51;
	for (unsigned i = 0; i < 2; i++) {
		fake_devices.nmi = true;
		fake_nmi_is_handled = fake_single_steps = i != 0;
		vcpu->nmi_pending = true;
		vcpu->doorbell_pending = true;
		assert_int_equal(halt(), EXIT_ADVANCE);
		assert_true(vcpu->nmi_pending);
		assert_true(vcpu->doorbell_pending);
	}
	/* It sleeps while the first one is handled; the flag is there when the second may come. */
	fake_single_steps = false;
	assert_int_equal(halt(), EXIT_WAIT);
	assert_int_equal(vcpu->state, VCPU_ASLEEP);
	assert_true(vcpu->nmi_pending);
	fake_nmi_is_handled = false;
	vm->platform = NULL;
	kernel_vm_end(vm);
}

/*
 * Regression: an INIT that it has sent to itself ended the run by a timer, which came some
 * milliseconds late under another hypervisor. Now the run ends with the access.
 */
static void test_stopped_by_itself(void **state)
{
	(void)state;
	const struct vm_exit port = {.kind = VM_EXIT_IO, .io = {.port = 0x80, .bytes = 1}};
	start(2);
	fake_devices_reset();
	vm->platform = fake_devices_of_a_vm();
	kernel_pick(vcpu);
	assert_int_equal(vm_exit_handle(vcpu, &port), EXIT_ADVANCE);
	assert_true(vm_lets_go_on(vcpu));
	vcpu->stopping = true;
	assert_int_equal(vm_exit_handle(vcpu, &port), EXIT_YIELD);
	vcpu->stopping = false;
	vm->platform = NULL;
	kernel_vm_end(vm);
}

/*
 * A VM with a vCPU that waits for a frame may be asked for others while another vCPU can act; one
 * that has halted for good cannot.
 */
static void test_halted_for_good_does_not_act(void **state)
{
	(void)state;
	start(2);
	vm->config.mem_pages = 0; /* it has its allotment */
	struct vcpu *second = &vm->vcpus[1];
	assert_int_equal(halt(), EXIT_WAIT);
	assert_true(vm_acts_while_waiting(vm));
	assert_int_equal(vcpu_ring(vcpu), STATUS_OK);
	vcpu->doorbell_pending = false;
	fake_interrupts_on = false;
	assert_int_equal(halt(), EXIT_WAIT);
	assert_false(vm_acts_while_waiting(vm));
	assert_int_equal(second->state, VCPU_OFF);
	kernel_vm_end(vm);
}

#define TEST(name) cmocka_unit_test_teardown(name, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_let_through),
		TEST(test_held_off),
		TEST(test_alone),
		TEST(test_single_step),
		TEST(test_nmi),
		TEST(test_nmi_is_told_behind_hlt),
		TEST(test_stopped_by_itself),
		TEST(test_halted_for_good_does_not_act),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
