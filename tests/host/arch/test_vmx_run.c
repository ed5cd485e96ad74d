/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What arch/x86/vmx/vmx_run.c does before an entry and behind an exit, on a VMCS in memory: the
 * doorbell, events, the preemption timer, what a completed instruction leaves behind, and that the
 * two short ways do what the long one would have done. Also the port accesses of vmx_exit.c.
 */
#include "fake/vtx.h"

#include <string.h>

#include "arch/backend.h"
#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/cpu/mitigations.h"
#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/vmx/vmx_reasons.h"
#include "base/bits.h"
#include "fake/environment.h"
#include "kernel/vm/tlb.h"

#define DOORBELL 0x45u /* class 4 */
#define FAR UINT64_MAX
#define RIP 0x100000ull
#define TICK 128ull /* of the fake processor's timer, in ticks of the TSC */
#define BY_STI 1u
#define BY_MOV_SS 2u
#define BY_NMI 8u
#define STEP BIT(14)
#define PENDING_BREAKPOINT BIT(12)
#define RIGHTS_LONG 0x2000

extern uint32_t speculation_actions;

static struct vmx_vcpu *vmx(void)
{
	return vmx_of(vtx_vcpu);
}

static int start(void **state)
{
	(void)state;
	vtx_start();
	vtx_cpu_start();
	vtx_vcpus_create();
	vtx_vcpu->doorbell_vector = DOORBELL;
	vmx_vcpu_run(vtx_vcpu, FAR);
	fake_vmx_set(VMCS_vectoring_event, 0);
	fake_vmx_set(VMCS_exit_qualification, 0);
	fake_vmx_set(VMCS_exit_event, 0);
	fake_vmx_set(VMCS_guest_physical_address, 0x5000);
	fake_vmx_set(VMCS_guest_rflags, RFLAGS_FIXED | RFLAGS_IF);
	return 0;
}

static int stop(void **state)
{
	speculation_actions = 0;
	vtx_vcpus_destroy();
	return world_teardown(state);
}

static void ring(void)
{
	__atomic_store_n(&vtx_vcpu->doorbell_pending, true, __ATOMIC_RELEASE);
}

static void flags(uint64_t more)
{
	fake_vmx_set(VMCS_guest_rflags, RFLAGS_FIXED | more);
}

static void blocking(uint32_t value)
{
	fake_vmx_set(VMCS_guest_interruptibility, value);
}

/* ---- The doorbell ---- */

#define EVENT_DOORBELL (EVENT_VALID | EVENT_TYPE_EXTERNAL | DOORBELL)

static bool window_is_open(void)
{
	uint64_t controls = fake_vmx_get(VMCS_primary_controls);

	assert_int_equal(controls, vmx()->primary);
	assert_int_equal(controls & ~(uint64_t)PRIMARY_INTERRUPT_WINDOW, vmx_caps.primary);
	return (controls & PRIMARY_INTERRUPT_WINDOW) != 0;
}

static void expect_offer(bool event, bool window, bool pending)
{
	assert_int_equal(fake_vmx_delivered.info, event ? EVENT_DOORBELL : 0);
	assert_int_equal(window_is_open(), window);
	assert_int_equal(vtx_vcpu->doorbell_pending, pending);
}

static void test_doorbell_at_once(void **state)
{
	(void)state;
	ring();
	assert_true(vtx_exit_with(REASON_EXTERNAL_INTERRUPT, 0));
	expect_offer(true, false, false);
	/* Once. */
	assert_true(vtx_exit_with(REASON_EXTERNAL_INTERRUPT, 0));
	expect_offer(false, false, false);
	/* Before the first entry of a run, too. */
	ring();
	vmx_vcpu_run(vtx_vcpu, FAR);
	expect_offer(true, false, false);
}

/* Where it is rung while an exit is handled: on each of the three ways. */
static void ring_at_exit(struct vcpu *vcpu)
{
	assert_ptr_equal(vcpu, vtx_vcpu);
	ring();
}

static void test_doorbell_during_an_exit(void **state)
{
	(void)state;
	vtx_on_exit = ring_at_exit;
	assert_true(vtx_exit_with(REASON_HLT, 2));
	expect_offer(true, false, false);
	assert_true(vtx_exit_with(REASON_EPT_VIOLATION, 0));
	expect_offer(true, false, false);
	vtx_action = EXIT_ADVANCE;
	assert_true(vtx_hypercall());
	expect_offer(true, false, false);
}

static void test_doorbell_when_interrupts_are_enabled(void **state)
{
	(void)state;
	flags(0);
	ring();
	assert_true(vtx_exit_with(REASON_EXTERNAL_INTERRUPT, 0));
	expect_offer(false, true, true);
	/* An exit for another reason meanwhile: it stays open. */
	assert_true(vtx_exit_with(REASON_HLT, 2));
	expect_offer(false, true, true);
	flags(RFLAGS_IF);
	assert_true(vtx_exit_with(REASON_INTERRUPT_WINDOW, 0));
	expect_offer(true, false, false);
}

static void test_doorbell_in_a_shadow(void **state)
{
	(void)state;
	for (uint32_t shadow = BY_STI; shadow <= BY_MOV_SS; shadow++) {
		blocking(shadow);
		ring();
		assert_true(vtx_exit_with(REASON_EPT_VIOLATION, 0));
		expect_offer(false, true, true);
		blocking(0);
		assert_true(vtx_exit_with(REASON_INTERRUPT_WINDOW, 0));
		expect_offer(true, false, false);
	}
	/* Of NMIs: no matter. */
	blocking(BY_NMI);
	ring();
	assert_true(vtx_exit_with(REASON_EXTERNAL_INTERRUPT, 0));
	expect_offer(true, false, false);
}

static void test_doorbell_waits_for_the_task_priority(void **state)
{
	(void)state;
	for (unsigned cr8 = 0; cr8 < 16; cr8++) {
		for (unsigned enabled = 0; enabled < 2; enabled++) {
			bool held = DOORBELL >> 4 <= cr8;

			flags(enabled ? RFLAGS_IF : 0);
			vmx()->cr8 = cr8;
			ring();
			assert_true(vtx_exit_with(REASON_EXTERNAL_INTERRUPT, 0));
			expect_offer(!held && enabled, !held && !enabled, held || !enabled);
			/* Its write to CR8 exits; an open window would exit without end. */
			vmx()->cr8 = 0;
			flags(RFLAGS_IF);
			assert_true(vtx_exit_with(REASON_CR_ACCESS, 4));
			expect_offer(held || !enabled, false, false);
		}
	}
	/* The window was open when the priority rose. */
	flags(0);
	ring();
	assert_true(vtx_exit_with(REASON_EXTERNAL_INTERRUPT, 0));
	expect_offer(false, true, true);
	vmx()->cr8 = 15;
	assert_true(vtx_exit_with(REASON_CR_ACCESS, 4));
	expect_offer(false, false, true);
	vmx()->cr8 = 0;
}

/* It was taken back, or nobody listens any more. */
static void test_window_is_dropped(void **state)
{
	(void)state;
	flags(0);
	ring();
	assert_true(vtx_exit_with(REASON_EXTERNAL_INTERRUPT, 0));
	expect_offer(false, true, true);
	vtx_vcpu->doorbell_pending = false;
	flags(RFLAGS_IF);
	assert_true(vtx_exit_with(REASON_INTERRUPT_WINDOW, 0));
	expect_offer(false, false, false);

	flags(0);
	ring();
	assert_true(vtx_exit_with(REASON_EXTERNAL_INTERRUPT, 0));
	expect_offer(false, true, true);
	vtx_vcpu->doorbell_vector = 0;
	flags(RFLAGS_IF);
	assert_true(vtx_exit_with(REASON_INTERRUPT_WINDOW, 0));
	expect_offer(false, false, false);
}

static void test_doorbell_behind_another_event(void **state)
{
	(void)state;
	vtx_action = EXIT_INJECT;
	vtx_vcpu->inject.vector = 13;
	vtx_vcpu->inject.has_error = true;
	vtx_vcpu->inject.error = 0x18;
	ring();
	assert_true(vtx_exit_with(REASON_RDMSR, 2));
	assert_int_equal(fake_vmx_delivered.info,
			 EVENT_VALID | EVENT_TYPE_EXCEPTION | EVENT_HAS_ERROR | 13);
	assert_true(window_is_open() && vtx_vcpu->doorbell_pending);
	vtx_action = EXIT_RESUME;
	assert_true(vtx_exit_with(REASON_INTERRUPT_WINDOW, 0));
	expect_offer(true, false, false);
}

/* ---- Events ---- */

/* The delivery was interrupted by an exit: it is done again, with all that belongs to it. */
static void expect_again(uint32_t info, uint32_t error, uint32_t length)
{
	fake_vmx_set(VMCS_vectoring_event, info | EVENT_NMI_UNBLOCKED);
	fake_vmx_set(VMCS_vectoring_event_error, error);
	/* What was there from other events does not get in. */
	fake_vmx_set(VMCS_entry_event_error, 0xbad);
	fake_vmx_set(VMCS_entry_instruction_length, 0);
	assert_true(vtx_exit_with(REASON_EPT_VIOLATION, length));
	assert_int_equal(fake_vmx_delivered.info, info);
	assert_int_equal(fake_vmx_delivered.error, info & EVENT_HAS_ERROR ? error : 0);
	assert_int_equal(fake_vmx_delivered.length, event_is_software(info) ? length : 0);
	fake_vmx_set(VMCS_vectoring_event, 0);
	assert_true(vtx_exit_with(REASON_EPT_VIOLATION, length));
	assert_int_equal(fake_vmx_delivered.info, 0);
}

static void test_interrupted_deliveries(void **state)
{
	(void)state;
	expect_again(EVENT_DOORBELL, 0, 0);
	expect_again(EVENT_VALID | EVENT_TYPE_NMI | 2, 0, 0);
	expect_again(EVENT_VALID | EVENT_TYPE_EXCEPTION | 6, 0, 0);
	expect_again(EVENT_VALID | EVENT_TYPE_EXCEPTION | EVENT_HAS_ERROR | 14, 0x7, 0);
	expect_again(EVENT_VALID | EVENT_TYPE_SOFTWARE_INTERRUPT | 0x80, 0, 2);
	expect_again(EVENT_VALID | EVENT_TYPE_SOFTWARE_EXCEPTION | 3, 0, 1);
	expect_again(EVENT_VALID | EVENT_TYPE_PRIVILEGED_SOFTWARE | 1, 0, 15);
	/* Without the valid bit the field says nothing. */
	fake_vmx_set(VMCS_vectoring_event, EVENT_TYPE_SOFTWARE_INTERRUPT | 0x80);
	assert_true(vtx_exit_with(REASON_EPT_VIOLATION, 0));
	assert_int_equal(fake_vmx_delivered.info, 0);
	/* Nor is anything in the way of the doorbell. */
	ring();
	assert_true(vtx_exit_with(REASON_EPT_VIOLATION, 0));
	expect_offer(true, false, false);
}

/* Only an exit that goes on delivers; the event waits for the next run otherwise. */
static void test_event_of_a_run_that_has_ended(void **state)
{
	(void)state;
	fake_vmx_set(VMCS_vectoring_event, EVENT_DOORBELL);
	vtx_action = EXIT_BLOCK;
	assert_false(vtx_exit_with(REASON_EPT_VIOLATION, 0));
	assert_ptr_equal(tlb_cpus[0].guest, NULL);
	vmx_vcpu_run(vtx_vcpu, FAR);
	assert_int_equal(fake_vmx_delivered.info, EVENT_DOORBELL);
}

static void test_nmi_blocking_of_an_iret_that_faulted(void **state)
{
	(void)state;
	fake_vmx_set(VMCS_exit_qualification, BIT(12));
	assert_true(vtx_exit_with(REASON_EPT_VIOLATION, 0));
	assert_int_equal(fake_vmx_get(VMCS_guest_interruptibility), BY_NMI);
	/* Not an IRET: an event was being delivered. */
	blocking(0);
	fake_vmx_set(VMCS_vectoring_event, EVENT_DOORBELL);
	assert_true(vtx_exit_with(REASON_EPT_VIOLATION, 0));
	assert_int_equal(fake_vmx_get(VMCS_guest_interruptibility), 0);
}

/* ---- Behind an instruction ---- */

/* By the long way, and by that of hypercalls. */
static bool complete(bool hypercall)
{
	vtx_action = EXIT_ADVANCE;
	return hypercall ? vtx_hypercall() : vtx_exit_with(REASON_HLT, 3);
}

static void test_flags_behind_an_instruction(void **state)
{
	(void)state;
	for (unsigned hypercall = 0; hypercall < 2; hypercall++) {
		fake_vmx_set(VMCS_guest_rip, RIP);
		fake_vmx_set(VMCS_guest_pending_debug, 0);
		flags(RFLAGS_IF | RFLAGS_RF);
		assert_true(complete(hypercall));
		assert_int_equal(fake_vmx_get(VMCS_guest_rip), RIP + 3);
		assert_int_equal(fake_vmx_get(VMCS_guest_rflags), RFLAGS_FIXED | RFLAGS_IF);
		assert_int_equal(fake_vmx_get(VMCS_guest_pending_debug), 0);

		/* The trap of a step, with what else is pending. */
		flags(RFLAGS_IF | RFLAGS_TF);
		fake_vmx_set(VMCS_guest_pending_debug, 1);
		assert_true(complete(hypercall));
		assert_int_equal(fake_vmx_get(VMCS_guest_pending_debug), STEP | 1);
		assert_int_equal(fake_vmx_get(VMCS_guest_rflags),
				 RFLAGS_FIXED | RFLAGS_IF | RFLAGS_TF);
	}
}

/* Both shadows end behind one instruction, and the trap that MOV SS held back comes then. */
static void test_shadow_behind_an_instruction(void **state)
{
	(void)state;
	for (unsigned hypercall = 0; hypercall < 2; hypercall++) {
		for (uint32_t shadow = BY_STI; shadow <= BY_MOV_SS; shadow++) {
			blocking(shadow | BY_NMI);
			assert_true(complete(hypercall));
			assert_int_equal(fake_vmx_get(VMCS_guest_interruptibility), BY_NMI);
		}
	}
	/* The doorbell that came meanwhile is let in at once. */
	blocking(BY_STI);
	ring();
	assert_true(complete(false));
	expect_offer(true, false, false);
	blocking(BY_STI);
	ring();
	assert_true(complete(true));
	expect_offer(true, false, false);
}

static void test_nothing_behind_an_unfinished_instruction(void **state)
{
	static const enum exit_action actions[] = {EXIT_RESUME, EXIT_BLOCK, EXIT_YIELD, EXIT_KILL};
	(void)state;

	for (unsigned i = 0; i < 4; i++) {
		fake_vmx_set(VMCS_guest_rip, RIP);
		flags(RFLAGS_IF | RFLAGS_RF);
		blocking(BY_STI);
		vtx_action = actions[i];
		assert_int_equal(vtx_exit_with(REASON_HLT, 2), actions[i] == EXIT_RESUME);
		vtx_action = actions[i];
		assert_int_equal(vtx_hypercall(), actions[i] == EXIT_RESUME);
		assert_int_equal(fake_vmx_get(VMCS_guest_rip), RIP);
		assert_int_equal(fake_vmx_get(VMCS_guest_rflags),
				 RFLAGS_FIXED | RFLAGS_IF | RFLAGS_RF);
		assert_int_equal(fake_vmx_get(VMCS_guest_interruptibility), BY_STI);
	}
	/* It is done, and others may run. */
	vtx_action = EXIT_WAIT;
	assert_false(vtx_exit_with(REASON_HLT, 1));
	assert_int_equal(fake_vmx_get(VMCS_guest_rip), RIP + 1);
	assert_int_equal(fake_vmx_get(VMCS_guest_interruptibility), 0);
}

static void long_mode(bool code)
{
	guest_write(vtx_vcpu, GUEST_EFER, EFER_LME | EFER_LMA);
	fake_vmx_set(VMCS_guest_cs_rights, code ? 0xa09b : 0xc09b);
}

/* Instructions that end at the end of the address space, and across it. */
static void test_rip_wraps_outside_64_bit_code(void **state)
{
	(void)state;
	for (unsigned hypercall = 0; hypercall < 2; hypercall++) {
		guest_write(vtx_vcpu, GUEST_EFER, 0);
		fake_vmx_set(VMCS_guest_cs_rights, 0xc09b);
		for (uint32_t left = 1; left <= 3; left++) {
			fake_vmx_set(VMCS_guest_rip, (1ull << 32) - left);
			assert_true(complete(hypercall));
			assert_int_equal(fake_vmx_get(VMCS_guest_rip), 3 - left);
		}
		/* Compatibility mode. */
		long_mode(false);
		fake_vmx_set(VMCS_guest_rip, 0xffffffff);
		assert_true(complete(hypercall));
		assert_int_equal(fake_vmx_get(VMCS_guest_rip), 2);
		long_mode(true);
		fake_vmx_set(VMCS_guest_rip, 0xffffffff);
		assert_true(complete(hypercall));
		assert_int_equal(fake_vmx_get(VMCS_guest_rip), 0x100000002);
		fake_vmx_set(VMCS_guest_rip, 0xffffffff80000000);
		assert_true(complete(hypercall));
		assert_int_equal(fake_vmx_get(VMCS_guest_rip), 0xffffffff80000003);
	}
}

/* A step that is reported as pending although the instruction has not completed. */
static void test_early_step_of_a_fault(void **state)
{
	(void)state;
	flags(RFLAGS_IF | RFLAGS_TF);
	fake_vmx_set(VMCS_guest_pending_debug, STEP);
	assert_true(vtx_exit_with(REASON_EPT_VIOLATION, 0));
	assert_int_equal(fake_vmx_get(VMCS_guest_pending_debug), 0);
	blocking(BY_MOV_SS);
	fake_vmx_set(VMCS_guest_pending_debug, STEP | 1);
	assert_true(vtx_exit_with(REASON_EPT_VIOLATION, 0));
	assert_int_equal(fake_vmx_get(VMCS_guest_pending_debug), STEP | 1);
	blocking(0);
	flags(RFLAGS_IF);
	fake_vmx_set(VMCS_guest_pending_debug, 1);
	assert_true(vtx_exit_with(REASON_EPT_VIOLATION, 0));
	assert_int_equal(fake_vmx_get(VMCS_guest_pending_debug), 1);
}

/* ---- The timer ---- */

static uint64_t timer(void)
{
	return fake_vmx_get(VMCS_preemption_timer);
}

static void test_timer_of_a_run(void **state)
{
	(void)state;
	/* Never early, and late by no more than a tick. */
	for (uint64_t away = 1; away < 3 * TICK; away++) {
		vmx_vcpu_run(vtx_vcpu, vtx_tsc + away);
		assert_true(timer() * TICK >= away && timer() * TICK <= away + TICK);
	}
	/* A deadline that has passed: at once, or in the tick that has begun. */
	for (uint64_t ago = 0; ago < 3 * TICK; ago++) {
		vmx_vcpu_run(vtx_vcpu, vtx_tsc - ago);
		assert_true(timer() <= (ago == 0));
	}
	vmx_vcpu_run(vtx_vcpu, 0);
	assert_int_equal(timer(), 0);
	/* As far as it can count, and not modulo that. */
	vmx_vcpu_run(vtx_vcpu, FAR);
	assert_int_equal(timer(), UINT32_MAX);
	vmx_vcpu_run(vtx_vcpu, vtx_tsc + (1ull << 32) * TICK);
	assert_int_equal(timer(), UINT32_MAX);
	vmx_vcpu_run(vtx_vcpu, vtx_tsc + (1ull << 31) * TICK);
	assert_int_equal(timer(), (1ull << 31) + 1);
}

/* Each exit takes away what has passed of the same deadline, on each way. */
static void test_timer_goes_on(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 3; way++) {
		vmx_vcpu_run(vtx_vcpu, vtx_tsc + 100 * TICK);
		for (unsigned i = 0; i < 150; i++) {
			vtx_tsc += TICK;
			vtx_action = way == 1 ? EXIT_RESUME : EXIT_ADVANCE;
			assert_true(way == 0   ? vtx_exit_with(REASON_HLT, 2)
				    : way == 1 ? vtx_exit_with(REASON_EPT_VIOLATION, 0)
					       : vtx_hypercall());
			assert_int_equal(timer(), i < 100 ? 100 - i : 0);
		}
	}
}

/* The slowest timer that the manual allows, and the fastest. */
static void test_timer_of_other_processors(void **state)
{
	unsigned shift = vmx_caps.timer_shift;
	(void)state;

	vmx_caps.timer_shift = 31;
	vmx_vcpu_run(vtx_vcpu, FAR);
	assert_int_equal(timer(), UINT32_MAX);
	vmx_vcpu_run(vtx_vcpu, vtx_tsc + 1);
	assert_int_equal(timer(), 1);
	vmx_caps.timer_shift = 0;
	vmx_vcpu_run(vtx_vcpu, FAR);
	assert_int_equal(timer(), UINT32_MAX);
	vmx_vcpu_run(vtx_vcpu, vtx_tsc + 1000);
	assert_int_equal(timer(), 1001);
	vmx_caps.timer_shift = shift;
}

/* ---- Translations ---- */

/* Also on the ways that are short: requested meanwhile by another CPU. */
static void request_flush(struct vcpu *vcpu)
{
	(void)vcpu;
	vtx_vm.s2.tlb.requested++;
}

static void test_flush_before_every_entry(void **state)
{
	(void)state;
	vtx_on_exit = request_flush;
	assert_true(vtx_exit_with(REASON_HLT, 2));
	assert_int_equal(vtx_catch_ups, 1);
	assert_true(vtx_exit_with(REASON_EPT_VIOLATION, 0));
	assert_int_equal(vtx_catch_ups, 2);
	vtx_action = EXIT_ADVANCE;
	assert_true(vtx_hypercall());
	assert_int_equal(vtx_catch_ups, 3);
	assert_int_equal(vtx_vm.s2.tlb.ran_mask, 1);
}

static void write_cr3_of_guest(struct vcpu *vcpu)
{
	guest_write(vcpu, GUEST_CR3, 0x9000);
}

/* What the guest has changed of its own tables is dropped once, before it goes on. */
static void test_vpid_is_flushed_once(void **state)
{
	unsigned before = fake_vmx_invvpids;
	(void)state;

	vtx_on_exit = write_cr3_of_guest;
	vtx_action = EXIT_ADVANCE;
	assert_true(vtx_exit_with(REASON_CR_ACCESS, 3));
	assert_int_equal(fake_vmx_invvpids, before + 1);
	vtx_on_exit = NULL;
	assert_true(vtx_exit_with(REASON_HLT, 2));
	assert_int_equal(fake_vmx_invvpids, before + 1);
	/* The short way of WRMSR, too, which can change EFER. */
	vtx_on_exit = write_cr3_of_guest;
	assert_true(vtx_exit_with(REASON_CPUID, 2));
	assert_int_equal(fake_vmx_invvpids, before + 2);
	vtx_on_exit = NULL;
	assert_true(vtx_exit_with(REASON_CPUID, 2));
	assert_int_equal(fake_vmx_invvpids, before + 2);
}

/* ---- Entries ---- */

static void test_guarded_entry(void **state)
{
	(void)state;
	vmx_vcpu_run(vtx_vcpu, FAR);
	assert_int_equal(vtx_guarded_entries, 0);
	speculation_actions = MITIGATE_IBPB_SWITCH; /* done at the switch, not at entries */
	vmx_vcpu_run(vtx_vcpu, FAR);
	assert_int_equal(vtx_guarded_entries, 0);
	speculation_actions = MITIGATE_REGISTERS;
	vmx_vcpu_run(vtx_vcpu, FAR);
	assert_int_equal(vtx_guarded_entries, 1);
	assert_int_equal(vtx_l1d_flushes, 0);
	speculation_actions = MITIGATE_L1D_FLUSH;
	vmx_vcpu_run(vtx_vcpu, FAR);
	assert_int_equal(vtx_guarded_entries, 2);
	assert_int_equal(vtx_l1d_flushes, 1);
}

/* Where exits lead to is settled when a vCPU comes to a CPU, as the way in is. */
static void test_guarded_exit(void **state)
{
	extern char vmx_exit_entry[], vmx_exit_guarded[];
	struct vcpu *second = &vtx_vm.vcpus[1];
	(void)state;

	assert_int_equal(fake_vmx_get(VMCS_host_rip), (uintptr_t)vmx_exit_entry);
	vmx_evict(vmx());
	speculation_actions = MITIGATE_RSB_FILL;
	vmx_vcpu_run(second, FAR);
	assert_int_equal(fake_vmx_get(VMCS_host_rip), (uintptr_t)vmx_exit_guarded);
	assert_int_equal(vtx_guarded_entries, 1);
	vmx_evict(vmx_of(second));
	speculation_actions = 0;
}

static void test_refused_entry(void **state)
{
	(void)state;
	vmx()->launched = false; /* it is, and VMLAUNCH finds out */
	expect_panic("VM entry refused: VMLAUNCH with a VMCS that is not clear (4)",
		     vmx_vcpu_run(vtx_vcpu, FAR));
	assert_ptr_equal(tlb_cpus[0].guest, NULL);
}

/* The processor found fault with the guest's state at the entry: its VM's end, nobody else's. */
static void test_entry_that_fails(void **state)
{
	(void)state;
	vtx_action = EXIT_RESUME; /* whatever the answer is */
	fake_vmx_set(VMCS_guest_rflags, 0);
	assert_false(vtx_exit_with(REASON_ENTRY_FAILED | REASON_INVALID_GUEST_STATE, 0));
	assert_int_equal(vtx_exit.kind, VM_EXIT_ENTRY_FAILED);
	assert_non_null(strstr(vtx_exit.text, "breaks a rule"));
	assert_non_null(strstr(fake_log_text, "entry-failed reason=33"));
	assert_true(vmx()->arch.entry_failed);
}

/* ---- Exits ---- */

static void test_hypercalls_know_who_calls(void **state)
{
	static const struct {
		uint64_t cr0;
		uint32_t ss_rights;
		bool privileged;
	} callers[] = {
		{CR0_PE, 0xc093, true},	 {CR0_PE, 0xc0b3, false}, {CR0_PE, 0xc0d3, false},
		{CR0_PE, 0xc0f3, false}, {0, 0x93, false},
	};
	(void)state;

	for (unsigned i = 0; i < sizeof(callers) / sizeof(callers[0]); i++) {
		uint64_t before = vtx_vcpu->exit_count;

		vmx()->arch.cr0 = callers[i].cr0;
		fake_vmx_set(VMCS_guest_ss_rights, callers[i].ss_rights);
		vtx_privileged = !callers[i].privileged;
		assert_true(complete(true));
		assert_int_equal(vtx_privileged, callers[i].privileged);
		assert_int_equal(vtx_vcpu->exit_count, before + 1);
	}
}

static void test_interrupt_of_the_host(void **state)
{
	(void)state;
	fake_vmx_set(VMCS_exit_event, EVENT_VALID | EVENT_TYPE_EXTERNAL | 0xf1);
	assert_true(vtx_exit_with(REASON_EXTERNAL_INTERRUPT, 0));
	assert_int_equal(vtx_interrupts, 1);
	assert_int_equal(vtx_interrupt, 0xf1);
	assert_int_equal(vtx_exit.kind, VM_EXIT_INTERRUPT);
}

/* Exit qualification of a port access (SDM vol. 3, table 28-5). */
static uint64_t qualification(uint16_t port, unsigned bytes, bool in, bool string)
{
	return (uint64_t)port << 16 | (uint64_t)string << 4 | (uint64_t)in << 3 | (bytes - 1);
}

static void test_port_access(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		unsigned bytes = 1u << i % 3;
		uint16_t port = (uint16_t)(0xfff0 + i);
		bool in = i / 3 % 2, string = i / 6;

		fake_vmx_set(VMCS_exit_qualification, qualification(port, bytes, in, string));
		assert_true(vtx_exit_with(REASON_IO, 1));
		assert_int_equal(vtx_exit.kind, VM_EXIT_IO);
		assert_int_equal(vtx_exit.io.port, port);
		assert_int_equal(vtx_exit.io.bytes, bytes);
		assert_int_equal(vtx_exit.io.in, in);
		assert_int_equal(vtx_exit.io.string, string);
		assert_int_equal(fake_vmx_get(VMCS_guest_pending_debug), 0);
	}
}

/* DR0 on port 0x60 for one byte, DR3 on 0x64 for four. */
#define BOTH_PORTS (0x400ull | 1u << 0 | 1u << 6 | 2u << 16 | 2u << 28 | 3u << 30)

static uint64_t pending_after(uint16_t port, unsigned bytes, uint64_t dr7)
{
	fake_vmx_set(VMCS_guest_pending_debug, 0);
	fake_vmx_set(VMCS_guest_dr7, dr7);
	fake_vmx_set(VMCS_exit_qualification, qualification(port, bytes, false, false));
	(void)vtx_exit_with(REASON_IO, 2);
	return fake_vmx_get(VMCS_guest_pending_debug);
}

static void test_port_breakpoints(void **state)
{
	(void)state;
	write_dr0(0x60);
	write_dr3(0x64);
	guest_write(vtx_vcpu, GUEST_CR4, CR4_DE);
	vtx_action = EXIT_ADVANCE;
	assert_int_equal(pending_after(0x60, 1, BOTH_PORTS), PENDING_BREAKPOINT | 1);
	assert_int_equal(pending_after(0x66, 2, BOTH_PORTS), PENDING_BREAKPOINT | 8);
	assert_int_equal(pending_after(0x61, 1, BOTH_PORTS), 0);
	assert_int_equal(pending_after(0x60, 1, 0x400), 0);
	/* Together with a step. */
	flags(RFLAGS_IF | RFLAGS_TF);
	assert_int_equal(pending_after(0x60, 1, BOTH_PORTS), PENDING_BREAKPOINT | STEP | 1);
	flags(RFLAGS_IF);
	/* What else is pending stays. */
	fake_vmx_set(VMCS_exit_qualification, qualification(0x64, 4, true, false));
	fake_vmx_set(VMCS_guest_pending_debug, PENDING_BREAKPOINT | 1);
	fake_vmx_set(VMCS_guest_dr7, BOTH_PORTS);
	assert_true(vtx_exit_with(REASON_IO, 2));
	assert_int_equal(fake_vmx_get(VMCS_guest_pending_debug), PENDING_BREAKPOINT | 9);
	/* Not before the access is done, and not without CR4.DE. */
	vtx_action = EXIT_RESUME;
	assert_int_equal(pending_after(0x60, 1, BOTH_PORTS), 0);
	vtx_action = EXIT_ADVANCE;
	guest_write(vtx_vcpu, GUEST_CR4, 0);
	assert_int_equal(pending_after(0x60, 1, BOTH_PORTS), 0);
	vtx_action = EXIT_RESUME;
}

/* ---- The short ways against the long one ---- */

static const enum vmcs_field all_fields[] = {
#define FIELD_VALUE(name, encoding, width) VMCS_##name,
	VMCS_FIELDS(FIELD_VALUE)
#undef FIELD_VALUE
};
#define FIELDS (sizeof(all_fields) / sizeof(all_fields[0]))

/* All that an exit and the entry behind it can change. */
struct image {
	uint64_t values[FIELDS];
	struct vmx_vcpu vmx;
	struct vcpu vcpu;
	uint64_t seen, requested;
	struct guest_event delivered;
	bool goes_on;
};

static void image_take(struct image *image, bool goes_on)
{
	memset(image, 0, sizeof(*image));
	for (unsigned i = 0; i < FIELDS; i++) {
		image->values[i] = fake_vmx_get(all_fields[i]);
	}
	memcpy(&image->vmx, vmx(), sizeof(image->vmx));
	memcpy(&image->vcpu, vtx_vcpu, sizeof(image->vcpu));
	image->seen = vtx_vm.s2.tlb.seen[0];
	image->requested = vtx_vm.s2.tlb.requested;
	if (goes_on) {
		image->delivered = fake_vmx_delivered;
	}
	image->goes_on = goes_on;
}

static void image_put(const struct image *image)
{
	for (unsigned i = 0; i < FIELDS; i++) {
		fake_vmx_set(all_fields[i], image->values[i]);
	}
	memcpy(vmx(), &image->vmx, sizeof(image->vmx));
	memcpy(vtx_vcpu, &image->vcpu, sizeof(image->vcpu));
	vtx_vm.s2.tlb.seen[0] = image->seen;
	vtx_vm.s2.tlb.requested = image->requested;
}

static void images_compare(struct image *one, struct image *other, uint64_t round)
{
	for (unsigned i = 0; i < FIELDS; i++) {
		if (one->values[i] != other->values[i] && all_fields[i] != VMCS_exit_reason) {
			fail_msg("round %llu: %s is 0x%llx, and 0x%llx by the long way",
				 (unsigned long long)round, vmcs_field_name(all_fields[i]),
				 (unsigned long long)one->values[i],
				 (unsigned long long)other->values[i]);
		}
	}
	other->vcpu.exit_count = one->vcpu.exit_count; /* kernel/exit counts the others */
	memset(one->values, 0, sizeof(one->values));
	memset(other->values, 0, sizeof(other->values));
	if (memcmp(one, other, sizeof(*one)) != 0) {
		fail_msg("round %llu: the two ways differ", (unsigned long long)round);
	}
}

static uint64_t random_state = 1;

static uint64_t random_number(uint64_t below)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (random_state >> 33) % below;
}

static bool rings, requests;

static void whatever_happens(struct vcpu *vcpu)
{
	if (rings) {
		ring();
	}
	if (requests) {
		request_flush(vcpu);
	}
}

/* A state in which a guest can exit. */
static void randomize(void)
{
	static const uint32_t shadows[] = {0, 0, BY_STI, BY_MOV_SS};
	uint32_t shadow = shadows[random_number(4)];
	uint64_t set = (random_number(4) ? RFLAGS_IF : 0) | (random_number(4) ? 0 : RFLAGS_TF) |
		       (random_number(4) ? 0 : RFLAGS_RF);
	bool wide = random_number(2), open;

	if (shadow == BY_STI) {
		set |= RFLAGS_IF;
	}
	flags(set);
	blocking(shadow | (random_number(4) ? 0 : BY_NMI));
	fake_vmx_set(VMCS_guest_pending_debug,
		     random_number(2) | (shadow && set & RFLAGS_TF ? STEP : 0));
	guest_write(vtx_vcpu, GUEST_EFER, wide ? EFER_LME | EFER_LMA : 0);
	vmx()->invalidate_vpid = false; /* done before the entry */
	fake_vmx_set(VMCS_guest_cs_rights, wide ? 0xa09b : 0xc09b);
	fake_vmx_set(VMCS_guest_rip, (1ull << 32) - 1 - random_number(6));
	vtx_tsc += random_number(1000);
	vmx()->arch.deadline_tsc = vtx_tsc + random_number(1000) - random_number(500);
	vmx()->cr8 = random_number(8);
	vtx_vcpu->doorbell_vector = random_number(8) ? DOORBELL : 0;
	vtx_vcpu->doorbell_pending = !random_number(3);
	/* Open only while a doorbell is pending. */
	open = vtx_vcpu->doorbell_pending && random_number(2);
	vmx()->primary = vmx_caps.primary | (open ? PRIMARY_INTERRUPT_WINDOW : 0);
	fake_vmx_set(VMCS_primary_controls, vmx()->primary);
	fake_vmx_set(VMCS_vectoring_event, 0);
	vtx_vcpu->inject.vector = VECTOR_UNDEFINED;
	vtx_vcpu->inject.has_error = false;
	vtx_action = (enum exit_action)random_number(EXIT_KILL + 1);
	rings = !random_number(3);
	requests = !random_number(3);
}

static void test_hypercalls_by_both_ways(void **state)
{
	uint64_t rounds = environment_number("ROUNDS", 20000);
	static struct image before, quick, slow;
	(void)state;

	vtx_on_exit = whatever_happens;
	for (uint64_t round = 0; round < rounds; round++) {
		randomize();
		image_take(&before, false);
		image_take(&quick, vtx_hypercall());
		image_put(&before);
		image_take(&slow, vtx_exit_with(REASON_HLT, 3));
		images_compare(&quick, &slow, round);
	}
}

/* CPUID and accesses to MSRs, of which some drop translations. */
static void test_instructions_by_both_ways(void **state)
{
	uint64_t rounds = environment_number("ROUNDS", 20000);
	static struct image before, quick, slow;
	(void)state;

	for (uint64_t round = 0; round < rounds; round++) {
		vtx_on_exit = random_number(4) ? whatever_happens : write_cr3_of_guest;
		randomize();
		image_take(&before, false);
		image_take(&quick, vtx_exit_with(REASON_CPUID, 3));
		image_put(&before);
		image_take(&slow, vtx_exit_with(REASON_HLT, 3));
		images_compare(&quick, &slow, round);
	}
	vtx_on_exit = NULL;
}

/* The long way: a task switch has an event that is to be delivered again, too. */
static void test_faults_by_both_ways(void **state)
{
	static const uint32_t events[] = {
		0, 0, 0, EVENT_DOORBELL, EVENT_VALID | EVENT_TYPE_SOFTWARE_INTERRUPT | 0x80,
	};
	uint64_t rounds = environment_number("ROUNDS", 20000);
	static struct image before, quick, slow;
	(void)state;

	vtx_on_exit = whatever_happens;
	for (uint64_t round = 0; round < rounds; round++) {
		uint32_t event = events[random_number(5)];

		randomize();
		if (event == EVENT_DOORBELL) {
			/* It was let in. */
			flags(RFLAGS_IF);
			blocking(0);
		}
		/* What a fault drops in any case. */
		if (fake_vmx_get(VMCS_guest_rflags) & RFLAGS_TF &&
		    !(fake_vmx_get(VMCS_guest_interruptibility) & (BY_STI | BY_MOV_SS))) {
			fake_vmx_set(VMCS_guest_pending_debug, 0);
		}
		fake_vmx_set(VMCS_vectoring_event, event);
		image_take(&before, false);
		image_take(&quick, vtx_exit_with(REASON_EPT_VIOLATION, 2));
		image_put(&before);
		image_take(&slow, vtx_exit_with(REASON_TASK_SWITCH, 2));
		images_compare(&quick, &slow, round);
		vmx()->arch.event.info = 0; /* of a run that has ended */
	}
	vtx_on_exit = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_doorbell_at_once),
		TEST(test_doorbell_during_an_exit),
		TEST(test_doorbell_when_interrupts_are_enabled),
		TEST(test_doorbell_in_a_shadow),
		TEST(test_doorbell_waits_for_the_task_priority),
		TEST(test_window_is_dropped),
		TEST(test_doorbell_behind_another_event),
		TEST(test_interrupted_deliveries),
		TEST(test_event_of_a_run_that_has_ended),
		TEST(test_nmi_blocking_of_an_iret_that_faulted),
		TEST(test_flags_behind_an_instruction),
		TEST(test_shadow_behind_an_instruction),
		TEST(test_nothing_behind_an_unfinished_instruction),
		TEST(test_rip_wraps_outside_64_bit_code),
		TEST(test_early_step_of_a_fault),
		TEST(test_timer_of_a_run),
		TEST(test_timer_goes_on),
		TEST(test_timer_of_other_processors),
		TEST(test_flush_before_every_entry),
		TEST(test_vpid_is_flushed_once),
		TEST(test_guarded_entry),
		TEST(test_guarded_exit),
		TEST(test_refused_entry),
		TEST(test_entry_that_fails),
		TEST(test_hypercalls_know_who_calls),
		TEST(test_interrupt_of_the_host),
		TEST(test_port_access),
		TEST(test_port_breakpoints),
		TEST(test_hypercalls_by_both_ways),
		TEST(test_instructions_by_both_ways),
		TEST(test_faults_by_both_ways),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
