/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What arch/x86/vmx/vmx_run.c does before an entry and behind an exit, on a VMCS in memory: the
 * doorbell, events, the preemption timer, and what a completed instruction leaves behind.
 */
#include "fake/trace.h"
#include "fake/vtx.h"

#include <string.h>

#include "arch/backend.h"
#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/cpu/mitigations.h"
#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/vmx/vmx_reasons.h"
#include "base/bits.h"
#include "fake/devices.h"
#include "fake/environment.h"
#include "kernel/vm/tlb.h"

#define FAR UINT64_MAX
#define RIP 0x100000ull
extern uint32_t speculation_actions;

/* ---- The doorbell ---- */

static bool window_is_open(void)
{
	uint64_t controls = fake_vmx_get(VMCS_primary_controls);

	assert_int_equal(controls, vtx_vmx()->primary);
	assert_int_equal(controls & ~(uint64_t)PRIMARY_INTERRUPT_WINDOW, vmx_caps.primary);
	return (controls & PRIMARY_INTERRUPT_WINDOW) != 0;
}

static void expect_offer(bool event, bool window, bool pending)
{
	assert_int_equal(fake_vmx_delivered.info, event ? VTX_EVENT_DOORBELL : 0);
	assert_int_equal(window_is_open(), window);
	assert_int_equal(vtx_vcpu->doorbell_pending, pending);
}

static void test_doorbell_at_once(void **state)
{
	(void)state;
	vtx_ring();
	assert_true(vtx_exit_with(REASON_EXTERNAL_INTERRUPT, 0));
	expect_offer(true, false, false);
	/* Once. */
	assert_true(vtx_exit_with(REASON_EXTERNAL_INTERRUPT, 0));
	expect_offer(false, false, false);
	/* Before the first entry of a run, too. */
	vtx_ring();
	vmx_vcpu_run(vtx_vcpu, FAR);
	expect_offer(true, false, false);
}

/* Where it is rung while an exit is handled: on each of the three ways. */
static void ring_at_exit(struct vcpu *vcpu)
{
	assert_ptr_equal(vcpu, vtx_vcpu);
	vtx_ring();
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
	vtx_flags(0);
	vtx_ring();
	assert_true(vtx_exit_with(REASON_EXTERNAL_INTERRUPT, 0));
	expect_offer(false, true, true);
	/* An exit for another reason meanwhile: it stays open. */
	assert_true(vtx_exit_with(REASON_HLT, 2));
	expect_offer(false, true, true);
	vtx_flags(RFLAGS_IF);
	assert_true(vtx_exit_with(REASON_INTERRUPT_WINDOW, 0));
	expect_offer(true, false, false);
}

static void test_doorbell_in_a_shadow(void **state)
{
	(void)state;
	for (uint32_t shadow = VTX_BY_STI; shadow <= VTX_BY_MOV_SS; shadow++) {
		vtx_blocking(shadow);
		vtx_ring();
		assert_true(vtx_exit_with(REASON_EPT_VIOLATION, 0));
		expect_offer(false, true, true);
		vtx_blocking(0);
		assert_true(vtx_exit_with(REASON_INTERRUPT_WINDOW, 0));
		expect_offer(true, false, false);
	}
	/* Of NMIs: no matter. */
	vtx_blocking(VTX_BY_NMI);
	vtx_ring();
	assert_true(vtx_exit_with(REASON_EXTERNAL_INTERRUPT, 0));
	expect_offer(true, false, false);
}

static void test_doorbell_waits_for_the_task_priority(void **state)
{
	(void)state;
	for (unsigned cr8 = 0; cr8 < 16; cr8++) {
		for (unsigned enabled = 0; enabled < 2; enabled++) {
			bool held = VTX_DOORBELL >> 4 <= cr8;

			vtx_flags(enabled ? RFLAGS_IF : 0);
			vtx_vmx()->cr8 = cr8;
			vtx_ring();
			assert_true(vtx_exit_with(REASON_EXTERNAL_INTERRUPT, 0));
			expect_offer(!held && enabled, !held && !enabled, held || !enabled);
			/* Its write to CR8 exits; an open window would exit without end. */
			vtx_vmx()->cr8 = 0;
			vtx_flags(RFLAGS_IF);
			assert_true(vtx_exit_with(REASON_CR_ACCESS, 4));
			expect_offer(held || !enabled, false, false);
		}
	}
	/* The window was open when the priority rose. */
	vtx_flags(0);
	vtx_ring();
	assert_true(vtx_exit_with(REASON_EXTERNAL_INTERRUPT, 0));
	expect_offer(false, true, true);
	vtx_vmx()->cr8 = 15;
	assert_true(vtx_exit_with(REASON_CR_ACCESS, 4));
	expect_offer(false, false, true);
	vtx_vmx()->cr8 = 0;
}

/* It was taken back, or nobody listens any more. */
static void test_window_is_dropped(void **state)
{
	(void)state;
	vtx_flags(0);
	vtx_ring();
	assert_true(vtx_exit_with(REASON_EXTERNAL_INTERRUPT, 0));
	expect_offer(false, true, true);
	vtx_vcpu->doorbell_pending = false;
	vtx_flags(RFLAGS_IF);
	assert_true(vtx_exit_with(REASON_INTERRUPT_WINDOW, 0));
	expect_offer(false, false, false);

	vtx_flags(0);
	vtx_ring();
	assert_true(vtx_exit_with(REASON_EXTERNAL_INTERRUPT, 0));
	expect_offer(false, true, true);
	vtx_vcpu->doorbell_vector = 0;
	vtx_flags(RFLAGS_IF);
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
	vtx_ring();
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
	expect_again(VTX_EVENT_DOORBELL, 0, 0);
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
	vtx_ring();
	assert_true(vtx_exit_with(REASON_EPT_VIOLATION, 0));
	expect_offer(true, false, false);
}

/* Only an exit that goes on delivers; the event waits for the next run otherwise. */
static void test_event_of_a_run_that_has_ended(void **state)
{
	(void)state;
	fake_vmx_set(VMCS_vectoring_event, VTX_EVENT_DOORBELL);
	vtx_action = EXIT_BLOCK;
	assert_false(vtx_exit_with(REASON_EPT_VIOLATION, 0));
	assert_ptr_equal(tlb_cpus[0].guest, NULL);
	vmx_vcpu_run(vtx_vcpu, FAR);
	assert_int_equal(fake_vmx_delivered.info, VTX_EVENT_DOORBELL);
}

static void test_nmi_blocking_of_an_iret_that_faulted(void **state)
{
	(void)state;
	fake_vmx_set(VMCS_exit_qualification, BIT(12));
	assert_true(vtx_exit_with(REASON_EPT_VIOLATION, 0));
	assert_int_equal(fake_vmx_get(VMCS_guest_interruptibility), VTX_BY_NMI);
	/* Not an IRET: an event was being delivered. */
	vtx_blocking(0);
	fake_vmx_set(VMCS_vectoring_event, VTX_EVENT_DOORBELL);
	assert_true(vtx_exit_with(REASON_EPT_VIOLATION, 0));
	assert_int_equal(fake_vmx_get(VMCS_guest_interruptibility), 0);
}

/* ---- NMIs ---- */

#define EVENT_NMI (EVENT_VALID | EVENT_TYPE_NMI | 2)

static void nmi_comes(void)
{
	fake_devices.nmi = true;
	vtx_ring();
}

static void expect_nmi(bool event, bool window)
{
	uint64_t controls = fake_vmx_get(VMCS_primary_controls);

	assert_int_equal(fake_vmx_delivered.info, event ? EVENT_NMI : 0);
	assert_int_equal((controls & PRIMARY_NMI_WINDOW) != 0, window);
	assert_int_equal(controls, vtx_vmx()->primary);
	assert_int_equal(fake_devices.nmi, window);
}

static void have_devices(void)
{
	fake_devices_reset();
	vtx_vm.platform = fake_devices_of_a_vm();
	vtx_vcpu->doorbell_vector = 0;
}

/* Whatever IF and CR8 say. */
static void test_nmi_at_once(void **state)
{
	(void)state;
	have_devices();
	for (unsigned enabled = 0; enabled < 2; enabled++) {
		vtx_flags(enabled ? RFLAGS_IF : 0);
		vtx_vmx()->cr8 = 15;
		nmi_comes();
		assert_true(vtx_exit_with(REASON_EXTERNAL_INTERRUPT, 0));
		expect_nmi(true, false);
		assert_true(vtx_exit_with(REASON_EXTERNAL_INTERRUPT, 0));
		expect_nmi(false, false);
	}
	assert_int_equal(fake_devices.nmis_taken, 2);
}

/* Where it cannot be delivered the processor tells when it can; an exit meanwhile changes nothing.
 */
static void test_nmi_that_waits(void **state)
{
	static const uint32_t closed[] = {VTX_BY_STI, VTX_BY_MOV_SS, VTX_BY_NMI};
	(void)state;

	have_devices();
	for (unsigned i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
		vtx_blocking(closed[i]);
		nmi_comes();
		assert_true(vtx_exit_with(REASON_EXTERNAL_INTERRUPT, 0));
		expect_nmi(false, true);
		assert_true(vtx_exit_with(REASON_EPT_VIOLATION, 0));
		expect_nmi(false, true);
		vtx_blocking(0);
		assert_true(vtx_exit_with(REASON_NMI_WINDOW, 0));
		expect_nmi(true, false);
	}
	/* A debug trap that is due goes first. */
	fake_vmx_set(VMCS_guest_pending_debug, VTX_STEP);
	nmi_comes();
	assert_true(vtx_exit_with(REASON_EXTERNAL_INTERRUPT, 0));
	expect_nmi(false, true);
	fake_vmx_set(VMCS_guest_pending_debug, 0);
	assert_true(vtx_exit_with(REASON_NMI_WINDOW, 0));
	expect_nmi(true, false);
}

/* An event goes first, and an interrupt behind it. */
static void test_nmi_between_others(void **state)
{
	(void)state;
	have_devices();
	vtx_action = EXIT_INJECT;
	vtx_vcpu->inject.vector = 6;
	vtx_vcpu->inject.has_error = false;
	fake_devices.ready = 0x51;
	nmi_comes();
	assert_true(vtx_exit_with(REASON_HLT, 1));
	assert_int_equal(fake_vmx_delivered.info, EVENT_VALID | EVENT_TYPE_EXCEPTION | 6);
	vtx_action = EXIT_RESUME;
	assert_true(vtx_exit_with(REASON_NMI_WINDOW, 0));
	expect_nmi(true, false);
	assert_true(vtx_vmx()->primary & PRIMARY_INTERRUPT_WINDOW);
	assert_int_equal(fake_devices.taken, 0);
	assert_true(vtx_exit_with(REASON_INTERRUPT_WINDOW, 0));
	assert_int_equal(fake_vmx_delivered.info, EVENT_VALID | EVENT_TYPE_EXTERNAL | 0x51);
}

/* What an exit interrupted blocks itself in the processor's eyes: entry wants that undone. */
static void test_nmi_whose_delivery_is_interrupted(void **state)
{
	(void)state;
	have_devices();
	fake_vmx_set(VMCS_vectoring_event, EVENT_NMI);
	vtx_blocking(VTX_BY_NMI);
	assert_true(vtx_exit_with(REASON_EPT_VIOLATION, 0));
	assert_int_equal(fake_vmx_delivered.info, EVENT_NMI);
	assert_int_equal(fake_vmx_get(VMCS_guest_interruptibility), 0);
	/* An exception instead: it is pending again, and not lost. */
	vtx_blocking(VTX_BY_NMI);
	vtx_action = EXIT_INJECT;
	vtx_vcpu->inject.vector = 6;
	assert_true(vtx_exit_with(REASON_EPT_VIOLATION, 0));
	assert_int_equal(fake_vmx_delivered.info, EVENT_VALID | EVENT_TYPE_EXCEPTION | 6);
	assert_int_equal(fake_devices.nmis_put_back, 1);
	assert_true(vtx_vmx()->primary & PRIMARY_NMI_WINDOW);
	vtx_action = EXIT_RESUME;
	fake_vmx_set(VMCS_vectoring_event, 0);
	assert_true(vtx_exit_with(REASON_NMI_WINDOW, 0));
	expect_nmi(true, false);
}

static void test_nmi_is_handled(void **state)
{
	(void)state;
	assert_int_equal(guest_read(vtx_vcpu, GUEST_NMI_BLOCKED), 0);
	vtx_blocking(VTX_BY_NMI);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_NMI_BLOCKED), 1);
	assert_false(arch_guest_takes_nmi(vtx_vcpu));
}

/* ---- Behind an instruction ---- */

/* By the long way, by that of hypercalls, and where the processor does not say how long it is. */
enum way { LONG_WAY, BY_HYPERCALL, DECODED, WAYS };

static bool complete(enum way way)
{
	vtx_action = EXIT_ADVANCE;
	if (way == DECODED) {
		vtx_action = EXIT_ADVANCE_DECODED;
		vtx_vcpu->arch->decoded_bytes = 3;
		return vtx_exit_with(REASON_EPT_VIOLATION, 0x77);
	}
	return way == BY_HYPERCALL ? vtx_hypercall() : vtx_exit_with(REASON_HLT, 3);
}

static void test_flags_behind_an_instruction(void **state)
{
	(void)state;
	for (enum way way = 0; way < WAYS; way++) {
		fake_vmx_set(VMCS_guest_rip, RIP);
		fake_vmx_set(VMCS_guest_pending_debug, 0);
		vtx_flags(RFLAGS_IF | RFLAGS_RF);
		assert_true(complete(way));
		assert_int_equal(fake_vmx_get(VMCS_guest_rip), RIP + 3);
		assert_int_equal(fake_vmx_get(VMCS_guest_rflags), RFLAGS_FIXED | RFLAGS_IF);
		assert_int_equal(fake_vmx_get(VMCS_guest_pending_debug), 0);

		/* The trap of a step, with what else is pending. */
		vtx_flags(RFLAGS_IF | RFLAGS_TF);
		fake_vmx_set(VMCS_guest_pending_debug, 1);
		assert_true(complete(way));
		/* Of a fault it is dropped first: see below. */
		assert_int_equal(fake_vmx_get(VMCS_guest_pending_debug),
				 way == DECODED ? VTX_STEP : VTX_STEP | 1);
		assert_int_equal(fake_vmx_get(VMCS_guest_rflags),
				 RFLAGS_FIXED | RFLAGS_IF | RFLAGS_TF);
	}
}

/* Both shadows end behind one instruction, and the trap that MOV SS held back comes then. */
static void test_shadow_behind_an_instruction(void **state)
{
	(void)state;
	for (enum way way = 0; way < WAYS; way++) {
		for (uint32_t shadow = VTX_BY_STI; shadow <= VTX_BY_MOV_SS; shadow++) {
			vtx_blocking(shadow | VTX_BY_NMI);
			assert_true(complete(way));
			assert_int_equal(fake_vmx_get(VMCS_guest_interruptibility), VTX_BY_NMI);
		}
	}
	/* The doorbell that came meanwhile is let in at once. */
	vtx_blocking(VTX_BY_STI);
	vtx_ring();
	assert_true(complete(LONG_WAY));
	expect_offer(true, false, false);
	vtx_blocking(VTX_BY_STI);
	vtx_ring();
	assert_true(complete(BY_HYPERCALL));
	expect_offer(true, false, false);
	vtx_blocking(VTX_BY_STI);
	vtx_ring();
	assert_true(complete(DECODED));
	expect_offer(true, false, false);
}

static void test_nothing_behind_an_unfinished_instruction(void **state)
{
	static const enum exit_action actions[] = {EXIT_RESUME, EXIT_BLOCK, EXIT_YIELD, EXIT_KILL};
	(void)state;

	for (unsigned i = 0; i < 4; i++) {
		fake_vmx_set(VMCS_guest_rip, RIP);
		vtx_flags(RFLAGS_IF | RFLAGS_RF);
		vtx_blocking(VTX_BY_STI);
		vtx_action = actions[i];
		assert_int_equal(vtx_exit_with(REASON_HLT, 2), actions[i] == EXIT_RESUME);
		vtx_action = actions[i];
		assert_int_equal(vtx_hypercall(), actions[i] == EXIT_RESUME);
		assert_int_equal(fake_vmx_get(VMCS_guest_rip), RIP);
		assert_int_equal(fake_vmx_get(VMCS_guest_rflags),
				 RFLAGS_FIXED | RFLAGS_IF | RFLAGS_RF);
		assert_int_equal(fake_vmx_get(VMCS_guest_interruptibility), VTX_BY_STI);
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
	for (enum way way = 0; way < WAYS; way++) {
		guest_write(vtx_vcpu, GUEST_EFER, 0);
		fake_vmx_set(VMCS_guest_cs_rights, 0xc09b);
		for (uint32_t left = 1; left <= 3; left++) {
			fake_vmx_set(VMCS_guest_rip, (1ull << 32) - left);
			assert_true(complete(way));
			assert_int_equal(fake_vmx_get(VMCS_guest_rip), 3 - left);
		}
		/* Compatibility mode. */
		long_mode(false);
		fake_vmx_set(VMCS_guest_rip, 0xffffffff);
		assert_true(complete(way));
		assert_int_equal(fake_vmx_get(VMCS_guest_rip), 2);
		long_mode(true);
		fake_vmx_set(VMCS_guest_rip, 0xffffffff);
		assert_true(complete(way));
		assert_int_equal(fake_vmx_get(VMCS_guest_rip), 0x100000002);
		fake_vmx_set(VMCS_guest_rip, 0xffffffff80000000);
		assert_true(complete(way));
		assert_int_equal(fake_vmx_get(VMCS_guest_rip), 0xffffffff80000003);
	}
}

/* A step that is reported as pending although the instruction has not completed. */
static void test_early_step_of_a_fault(void **state)
{
	(void)state;
	vtx_flags(RFLAGS_IF | RFLAGS_TF);
	fake_vmx_set(VMCS_guest_pending_debug, VTX_STEP);
	assert_true(vtx_exit_with(REASON_EPT_VIOLATION, 0));
	assert_int_equal(fake_vmx_get(VMCS_guest_pending_debug), 0);
	vtx_blocking(VTX_BY_MOV_SS);
	fake_vmx_set(VMCS_guest_pending_debug, VTX_STEP | 1);
	assert_true(vtx_exit_with(REASON_EPT_VIOLATION, 0));
	assert_int_equal(fake_vmx_get(VMCS_guest_pending_debug), VTX_STEP | 1);
	vtx_blocking(0);
	vtx_flags(RFLAGS_IF);
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
	for (uint64_t away = 1; away < 3 * VTX_TICK; away++) {
		vmx_vcpu_run(vtx_vcpu, vtx_tsc + away);
		assert_true(timer() * VTX_TICK >= away && timer() * VTX_TICK <= away + VTX_TICK);
	}
	/* A deadline that has passed: at once, or in the tick that has begun. */
	for (uint64_t ago = 0; ago < 3 * VTX_TICK; ago++) {
		vmx_vcpu_run(vtx_vcpu, vtx_tsc - ago);
		assert_true(timer() <= (ago == 0));
	}
	vmx_vcpu_run(vtx_vcpu, 0);
	assert_int_equal(timer(), 0);
	/* As far as it can count, and not modulo that. */
	vmx_vcpu_run(vtx_vcpu, FAR);
	assert_int_equal(timer(), UINT32_MAX);
	vmx_vcpu_run(vtx_vcpu, vtx_tsc + (1ull << 32) * VTX_TICK);
	assert_int_equal(timer(), UINT32_MAX);
	vmx_vcpu_run(vtx_vcpu, vtx_tsc + (1ull << 31) * VTX_TICK);
	assert_int_equal(timer(), (1ull << 31) + 1);
}

/* Each exit takes away what has passed of the same deadline, on each way. */
static void test_timer_goes_on(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 3; way++) {
		vmx_vcpu_run(vtx_vcpu, vtx_tsc + 100 * VTX_TICK);
		for (unsigned i = 0; i < 150; i++) {
			vtx_tsc += VTX_TICK;
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
	vtx_vcpu->regs[GPR_RAX] = 0; /* to CR0: protected mode ends */
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

/*
 * The next tick and the end of an interrupt: the run ends with the timer, or with the slice where
 * that is earlier. What the local APIC does not do on the spot is not done.
 */
static void test_quick_writes_of_the_local_apic(void **state)
{
	(void)state;

	vmx_vcpu_run(vtx_vcpu, vtx_tsc + 100000);
	fake_vmx_set(VMCS_exit_instruction_length, 2);
	vtx_vcpu->regs[GPR_RCX] = 0x6e0;
	vtx_vcpu->regs[GPR_RDX] = 7;
	vtx_vcpu->regs[GPR_RAX] = 9;
	fake_devices_reset();
	assert_false(vmx_exit_quick(vtx_vcpu, REASON_WRMSR)); /* there is no local APIC */
	vtx_vm.platform = fake_devices_of_a_vm();
	assert_false(vmx_exit_quick(vtx_vcpu, REASON_WRMSR));
	fake_devices.quick = true;
	assert_false(vmx_exit_quick(vtx_vcpu, REASON_RDMSR));
	assert_int_equal(fake_devices.msr, 0);
	fake_devices.next_tick = vtx_tsc + 1000;
	assert_true(vmx_exit_quick(vtx_vcpu, REASON_WRMSR));
	assert_int_equal(fake_devices.msr, 0x6e0);
	assert_int_equal(fake_devices.msr_written, 7ull << 32 | 9);
	assert_in_range(vtx_vcpu->arch->deadline_tsc, vtx_tsc + 1000, vtx_tsc + 1200);
	fake_devices.next_tick = WAKE_NEVER;
	assert_true(vmx_exit_quick(vtx_vcpu, REASON_WRMSR));
	assert_in_range(vtx_vcpu->arch->deadline_tsc, vtx_tsc + 100000, vtx_tsc + 100200);
	vtx_vm.platform = NULL;
}

/*
 * While the window is open and IF is clear nothing is looked up: the window's exit does it. Not
 * where an NMI may have come, nor where the guest takes interrupts.
 */
static void test_awaited_window_costs_no_look(void **state)
{
	(void)state;

	vtx_vm.platform = fake_devices_of_a_vm();
	fake_devices_reset();
	fake_devices.ready = 0x51;
	vtx_vcpu->doorbell_pending = true;
	vtx_flags(0);
	vtx_action = EXIT_ADVANCE;
	assert_true(vtx_exit_with(REASON_HLT, 2));
	assert_true(window_is_open());
	unsigned looks = fake_devices.looks;
	assert_true(vtx_exit_with(REASON_HLT, 2));
	assert_int_equal(fake_devices.looks, looks);
	assert_true(window_is_open() && vtx_vcpu->doorbell_pending);
	vtx_vcpu->nmi_pending = true;
	assert_true(vtx_exit_with(REASON_HLT, 2));
	assert_int_equal(fake_devices.looks, looks + 1);
	assert_int_equal(fake_devices.nmis_taken, 0);
	/* What HLT leaves where it has found one (kernel/exit/exit.c): it is injected. */
	fake_devices.nmi = true;
	assert_true(vtx_exit_with(REASON_HLT, 2));
	assert_int_equal(fake_devices.nmis_taken, 1);
	vtx_vcpu->nmi_pending = false;
	vtx_flags(RFLAGS_IF);
	assert_true(vtx_exit_with(REASON_INTERRUPT_WINDOW, 0));
	assert_int_equal(fake_devices.taken, 0x51);
	assert_false(window_is_open());
	vtx_vm.platform = NULL;
}

/*
 * What is decided on the spot: to other CPUs this one is in the guest all the time. It is not while
 * the hypervisor looks at anything but the guest's registers.
 */
static void test_quick_exits_stay_announced(void **state)
{
	unsigned before = fake_vmx_invvpids;
	(void)state;

	tlb_cpus[0].guest = &vtx_vm.s2;
	vtx_vcpu->regs[GPR_RAX] = 0;
	fake_vmx_set(VMCS_exit_instruction_length, 3);
	assert_true(vmx_exit_hypercall(vtx_vcpu));
	assert_ptr_equal(tlb_cpus[0].guest, &vtx_vm.s2);
	assert_int_equal(vtx_exits, 0);
	assert_int_equal(vtx_vcpu->hypercall_count, 1);
	/* The same call of a VM that has those of another hypervisor is for its devices. */
	vtx_vcpu->calls_platform = true;
	assert_false(guest_is_null_hypercall(vtx_vcpu));
	vtx_vcpu->calls_platform = false;
	/* MOV to CR0 that leaves the mode: no translation is dropped. */
	fake_vmx_set(VMCS_exit_qualification, 0);
	vtx_vcpu->regs[GPR_RAX] = CR0_PE | CR0_ET | CR0_CD;
	assert_true(vmx_exit_quick(vtx_vcpu, REASON_CR_ACCESS));
	assert_int_equal(guest_read(vtx_vcpu, GUEST_CR0), CR0_PE | CR0_ET | CR0_CD);
	assert_int_equal(fake_vmx_invvpids, before);
	/* The mode ends: not on the spot. */
	vtx_vcpu->regs[GPR_RAX] = CR0_ET;
	assert_false(vmx_exit_quick(vtx_vcpu, REASON_CR_ACCESS));
	/* Nor for a VM with devices, nor with a doorbell to deliver. */
	assert_true(vmx_exit_quick(vtx_vcpu, REASON_IO));
	vtx_vm.platform = (struct platform *)&vtx_vm;
	assert_false(vmx_exit_quick(vtx_vcpu, REASON_IO));
	fake_vmx_set(VMCS_exit_qualification, 8);
	vtx_vcpu->regs[GPR_RAX] = 3;
	assert_false(vmx_exit_quick(vtx_vcpu, REASON_CR_ACCESS));
	vtx_vm.platform = NULL;
	assert_true(vmx_exit_quick(vtx_vcpu, REASON_CR_ACCESS));
	assert_int_equal(vtx_vmx()->cr8, 3);
	vtx_ring();
	assert_false(vmx_exit_quick(vtx_vcpu, REASON_CR_ACCESS));
	vtx_vcpu->doorbell_pending = false;
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
	vmx_evict(vtx_vmx());
	speculation_actions = MITIGATE_RSB_FILL;
	vmx_vcpu_run(second, FAR);
	assert_int_equal(fake_vmx_get(VMCS_host_rip), (uintptr_t)vmx_exit_guarded);
	assert_int_equal(vtx_guarded_entries, 1);
	vmx_evict(vmx_of(second));
	speculation_actions = 0;
}

/* The way around exits is another one while they are traced, and the usual one again behind a run.
 */
static void test_traced_exits(void **state)
{
	extern char vmx_exit_entry[];
	(void)state;

	speculation_actions = ENTRIES_TRACED;
	trace_mask = 1u << TRACE_exit | 1u << TRACE_entry;
	fake_trace_count = 0;
	vmx_vcpu_run(vtx_vcpu, FAR);
	assert_int_equal(vtx_traced_entries, 1);
	assert_int_equal(vtx_guarded_entries, 0);
	assert_int_equal(fake_vmx_get(VMCS_host_rip), (uintptr_t)vmx_exit_entry);
	assert_int_equal(fake_trace_count, 1);
	assert_int_equal(fake_trace_records[0].what & 0xff, TRACE_entry);

	/* One that is quick otherwise. */
	uint64_t rip = fake_vmx_get(VMCS_guest_rip);
	vtx_vcpu->regs[GPR_RAX] = 0;
	fake_vmx_set(VMCS_exit_instruction_length, 2);
	fake_vmx_set(VMCS_exit_qualification, 0x80 << 16);
	assert_true(vmx_exit_traced(vtx_vcpu, REASON_IO));
	assert_int_equal(fake_trace_count, 3);
	assert_int_equal(fake_trace_records[1].what, TRACE_exit | vtx_vm.id << 16);
	assert_int_equal(fake_trace_records[1].first, REASON_IO);
	assert_int_equal(fake_trace_records[1].second, rip);
	assert_int_equal(fake_trace_records[2].what & 0xff, TRACE_entry);
	assert_int_equal(fake_trace_records[2].second, rip + 2);
	trace_mask = 0;
	speculation_actions = 0;
	vmx_vcpu_run(vtx_vcpu, FAR);
	assert_int_equal(vtx_traced_entries, 1);
}

static void test_refused_entry(void **state)
{
	(void)state;
	vtx_vmx()->launched = false; /* it is, and VMLAUNCH finds out */
	expect_panic("VM entry refused: VMLAUNCH with a VMCS that is not clear (4)",
		     vmx_vcpu_run(vtx_vcpu, FAR));
	assert_ptr_equal(tlb_cpus[0].guest, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, vtx_setup, vtx_teardown)

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
		TEST(test_nmi_at_once),
		TEST(test_nmi_that_waits),
		TEST(test_nmi_between_others),
		TEST(test_nmi_whose_delivery_is_interrupted),
		TEST(test_nmi_is_handled),
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
		TEST(test_quick_writes_of_the_local_apic),
		TEST(test_awaited_window_costs_no_look),
		TEST(test_quick_exits_stay_announced),
		TEST(test_guarded_entry),
		TEST(test_guarded_exit),
		TEST(test_traced_exits),
		TEST(test_refused_entry),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
