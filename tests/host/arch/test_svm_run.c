/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/x86/svm/svm_run.c on a VMCB in memory: how a doorbell is offered, on processors that take
 * the interrupt shadow at VMRUN and on those that forget it, and what happens behind an instruction
 * that the hypervisor has completed.
 */
#include "fake/trace.h"
#include "fake/panic.h"

#include <string.h>

#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/cpu/lapic.h"
#include "arch/x86/cpu/tsc.h"
#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/svm/svm_caps.h"
#include "arch/x86/svm/svm_exits.h"
#include "arch/x86/cpu/mitigations.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "base/lock.h"
#include "fake/devices.h"
#include "kernel/vm/tlb.h"
#include "kernel/vm/vm.h"
#include "mm/frame.h"

#define RIP 0x1000ull
#define DOORBELL 0x45u /* class 4 */
#define FAR (1ull << 62)
#define TSC_KHZ 1000000ull

static struct vmcb vmcb;
static struct svm_vcpu svm;
static struct svm_cpu cpu;
static struct vcpu vcpu;
static struct s2 space;
static enum exit_action decided;
static uint64_t port_causes; /* of the instruction that is decided over */
static bool can_step;
static bool code_long;
static struct vm vm;
static uint64_t tsc_now;
static uint64_t armed; /* the timer's deadline */

struct lock frame_lock = LOCK_INITIALIZER(LOCK_FRAMES);
struct svm_caps svm_caps;
struct tlb_cpu tlb_cpus[CPUS_MAX];

void tlb_catch_up(struct s2 *s2, unsigned number, uint64_t epoch)
{
	s2->tlb.seen[number] = epoch;
}

void lapic_timer_arm(uint64_t deadline_tsc)
{
	armed = deadline_tsc;
}

void lapic_timer_disarm(void)
{
	armed = 0;
}

uint64_t arch_tsc(void)
{
	return tsc_now;
}

uint64_t arch_tsc_khz(void)
{
	return TSC_KHZ;
}

void svm_cr2_write(struct svm_vcpu *to, uint64_t value)
{
	to->vmcb->cr2 = value;
}

_Noreturn void machine_check_report(void)
{
	panic("machine check");
}

void svm_load(struct svm_vcpu *of)
{
	of->cpu = &cpu;
}

bool svm_can_step(const struct svm_vcpu *of)
{
	(void)of;
	return can_step;
}

void svm_setup_intercepts(struct svm_vcpu *of)
{
	of->vmcb->intercept_exceptions = 2;
}

void svm_enter(struct vcpu *of, struct vmcb *block, hpa_t place, hpa_t host)
{
	assert_ptr_equal(of, &vcpu);
	assert_ptr_equal(block, &vmcb);
	(void)place;
	(void)host;
}

/* What the measures against speculation are decides which of the two ways in is taken. */
uint32_t speculation_actions;
static unsigned guarded_entries;

void svm_enter_guarded(struct vcpu *of, struct vmcb *block, hpa_t place, hpa_t host)
{
	guarded_entries++;
	svm_enter(of, block, place, host);
}

static unsigned traced_entries;

void svm_enter_traced(struct vcpu *of, struct vmcb *block, hpa_t place, hpa_t host)
{
	traced_entries++;
	svm_enter(of, block, place, host);
}

void speculation_flush_l1d(void)
{
	fail_msg("no AMD processor needs it");
}

enum exit_action svm_exit_decide(struct svm_vcpu *of, uint32_t code)
{
	(void)code;
	of->next_rip = RIP + 2;
	if (decided == EXIT_ADVANCE) {
		svm_trap(of, port_causes);
	}
	return decided;
}

enum exit_action svm_exit_s2_fault(struct svm_vcpu *of)
{
	return svm_exit_decide(of, SVM_EXIT_NESTED_PAGE_FAULT);
}

enum exit_action svm_decide_hypercall(struct svm_vcpu *of)
{
	of->next_rip = RIP + 3;
	return decided;
}

enum exit_action vm_exit_handle(struct vcpu *of, const struct vm_exit *vm_exit)
{
	(void)of;
	(void)vm_exit;
	return EXIT_KILL;
}

static uint64_t fake_read(const struct vcpu *of, enum guest_register name)
{
	(void)of;
	if (name == GUEST_CODE_LONG) {
		return code_long;
	}
	if (name == GUEST_RIP) {
		return vmcb.rip;
	}
	assert_int_equal(name, GUEST_RFLAGS);
	return vmcb.rflags;
}

static void fake_write(struct vcpu *of, enum guest_register name, uint64_t value)
{
	assert_ptr_equal(of, &vcpu);
	if (name == GUEST_RIP) {
		svm_complete(&svm, value); /* as svm_state.c does */
		return;
	}
	assert_int_equal(name, GUEST_RFLAGS);
	vmcb.rflags = value;
}

static const struct guest_access access = {.read = fake_read, .write = fake_write};

static int start(void **state)
{
	(void)state;
	memset(&vmcb, 0, sizeof(vmcb));
	memset(&svm, 0, sizeof(svm));
	memset(&vcpu, 0, sizeof(vcpu));
	memset(&space, 0, sizeof(space));
	svm_caps = (struct svm_caps){.takes_shadow = true};
	svm_asids_init(&cpu.asids, 16);
	svm.vmcb = &vmcb;
	svm.arch.vcpu = &vcpu;
	svm.arch.s2 = &space;
	svm.arch.access = &access;
	svm.arch.cr0 = CR0_PE;
	vmcb.cr0 = CR0_PE;
	vcpu.arch = &svm.arch;
	vm.platform = NULL;
	vcpu.vm = &vm;
	vcpu.timer_tsc = WAKE_NEVER;
	vcpu.doorbell_vector = DOORBELL;
	vmcb.rip = RIP;
	vmcb.rflags = RFLAGS_FIXED | RFLAGS_IF;
	vmcb.virtual_interrupt = VIRTUAL_MASKING;
	vmcb.dr6 = 0xffff0ff0;
	vmcb.dr7 = 0x2400;
	decided = EXIT_RESUME;
	port_causes = 0;
	can_step = false;
	code_long = false;
	svm_vcpu_run(&vcpu, FAR);
	return 0;
}

static void ring(void)
{
	__atomic_store_n(&vcpu.doorbell_pending, true, __ATOMIC_RELEASE);
}

/* The processor has taken what it was given, and the guest exits again. */
static void run_and_exit(uint32_t code)
{
	vmcb.entry_event = 0;
	vmcb.exit_code = code;
	assert_true(svm_exit(&vcpu));
}

#define EVENT_DOORBELL (EVENT_VALID | EVENT_TYPE_EXTERNAL | DOORBELL)

static void expect_offer(bool event, bool virtual_interrupt)
{
	assert_int_equal(vmcb.entry_event, event ? EVENT_DOORBELL : 0);
	assert_int_equal((vmcb.virtual_interrupt & VIRTUAL_REQUEST) != 0, virtual_interrupt);
	if (virtual_interrupt) {
		assert_int_equal(vmcb.virtual_vector, DOORBELL);
		assert_int_equal((vmcb.virtual_interrupt & VIRTUAL_PRIORITY) >>
					 VIRTUAL_PRIORITY_SHIFT,
				 DOORBELL >> 4);
	}
	assert_int_equal(vcpu.doorbell_pending, !event && !virtual_interrupt);
}

static void test_doorbell_at_once(void **state)
{
	(void)state;
	ring();
	run_and_exit(SVM_EXIT_INTR);
	expect_offer(true, false);
}

/*
 * Where an injected interrupt may be delivered twice, none is injected; one whose delivery an exit
 * interrupted is offered anew.
 */
static void test_doorbell_where_injected_ones_repeat(void **state)
{
	(void)state;
	svm_caps.repeats_injected = true;
	ring();
	run_and_exit(SVM_EXIT_INTR);
	expect_offer(false, true);
	/* On its way; some report it as an exception, and keep the request. */
	vmcb.exit_event = EVENT_VALID | EVENT_TYPE_EXCEPTION | DOORBELL;
	run_and_exit(SVM_EXIT_NESTED_PAGE_FAULT);
	expect_offer(false, true);
	/* Delivered. */
	vmcb.exit_event = 0;
	vmcb.virtual_interrupt &= ~VIRTUAL_REQUEST;
	run_and_exit(SVM_EXIT_CPUID);
	assert_int_equal(vmcb.entry_event, 0);
	assert_false(vmcb.virtual_interrupt & VIRTUAL_REQUEST);
	assert_false(vcpu.doorbell_pending);
}

static void test_doorbell_when_interrupts_are_enabled(void **state)
{
	(void)state;
	vmcb.rflags &= ~(uint64_t)RFLAGS_IF;
	ring();
	run_and_exit(SVM_EXIT_INTR);
	expect_offer(false, true);
	/* Not delivered when the next exit comes: offered again, in whichever way fits now. */
	vmcb.rflags |= RFLAGS_IF;
	run_and_exit(SVM_EXIT_CPUID);
	expect_offer(true, false);
}

/* The exit comes when the guest could take it, and the request is still there. */
static void test_doorbell_is_due(void **state)
{
	(void)state;
	vmcb.interrupt_shadow = INTERRUPT_SHADOW;
	ring();
	run_and_exit(SVM_EXIT_NESTED_PAGE_FAULT);
	expect_offer(false, true);
	vmcb.interrupt_shadow = 0;
	run_and_exit(SVM_EXIT_VINTR);
	expect_offer(true, false);
}

static void test_doorbell_waits_for_the_task_priority(void **state)
{
	(void)state;
	for (unsigned cr8 = 0; cr8 < 16; cr8++) {
		for (unsigned enabled = 0; enabled < 2; enabled++) {
			bool held = DOORBELL >> 4 <= cr8;

			start(NULL);
			vmcb.virtual_interrupt |= cr8;
			vmcb.rflags = RFLAGS_FIXED | (enabled ? RFLAGS_IF : 0);
			ring();
			run_and_exit(SVM_EXIT_INTR);
			expect_offer(!held && enabled, !held && !enabled);
			vmcb.virtual_interrupt &= ~VIRTUAL_TPR;
			run_and_exit(SVM_EXIT_CR8_WRITE);
			if (held) {
				expect_offer(enabled, !enabled);
			}
		}
	}
}

static void test_doorbell_in_a_shadow(void **state)
{
	(void)state;
	vmcb.interrupt_shadow = INTERRUPT_SHADOW;
	ring();
	run_and_exit(SVM_EXIT_NESTED_PAGE_FAULT);
	expect_offer(false, true);
}

/* Not in front of the instruction, and only a moment behind it. */
static void test_doorbell_in_a_shadow_that_is_forgotten(void **state)
{
	uint64_t now = tsc_read();
	(void)state;

	svm_caps.takes_shadow = false;
	vmcb.interrupt_shadow = INTERRUPT_SHADOW;
	ring();
	run_and_exit(SVM_EXIT_NESTED_PAGE_FAULT);
	expect_offer(false, false);
	assert_true(armed > now && armed <= tsc_read() + TSC_KHZ / 100);
	vmcb.interrupt_shadow = 0;
	vmcb.rip = RIP + 1;
	run_and_exit(SVM_EXIT_INTR);
	expect_offer(true, false);
}

/* The instruction alone, and then the doorbell at once. */
static void test_doorbell_behind_a_forgotten_shadow_by_a_step(void **state)
{
	(void)state;
	svm_caps.takes_shadow = false;
	can_step = true;
	vmcb.interrupt_shadow = INTERRUPT_SHADOW;
	ring();
	run_and_exit(SVM_EXIT_NESTED_PAGE_FAULT);
	expect_offer(false, false);
	assert_true(svm.step.active && vmcb.rflags & RFLAGS_TF);
	vmcb.interrupt_shadow = 0;
	vmcb.rip = RIP + 1;
	vmcb.dr6 |= DR6_SINGLE_STEP;
	run_and_exit(SVM_EXIT_EXCEPTION + 1);
	expect_offer(true, false);
	assert_false(vmcb.rflags & RFLAGS_TF);
}

/* The exit came before the instruction was done, and does not say so. */
static void test_forgotten_shadow_is_carried_on(void **state)
{
	(void)state;
	svm_caps.takes_shadow = false;
	vmcb.interrupt_shadow = INTERRUPT_SHADOW;
	run_and_exit(SVM_EXIT_NESTED_PAGE_FAULT);
	for (unsigned i = 0; i < 8; i++) {
		uint64_t now = tsc_read();

		ring();
		vmcb.interrupt_shadow = 0;
		run_and_exit(SVM_EXIT_INTR);
		expect_offer(false, false);
		/* Twice as long each time. */
		assert_true(armed > now + (TSC_KHZ / 100 << i));
	}
	/* A loop of one instruction: it is not the shadow any more. */
	vmcb.interrupt_shadow = 0;
	run_and_exit(SVM_EXIT_INTR);
	expect_offer(true, false);
}

static void test_shadow_that_is_over_is_not_carried_on(void **state)
{
	(void)state;
	vmcb.interrupt_shadow = INTERRUPT_SHADOW;
	run_and_exit(SVM_EXIT_NESTED_PAGE_FAULT);
	vmcb.interrupt_shadow = 0;
	run_and_exit(SVM_EXIT_INTR);
	assert_int_equal(vmcb.interrupt_shadow, 0);
}

static void test_doorbell_behind_a_step(void **state)
{
	(void)state;
	(void)svm_step_begin(&svm, true);
	ring();
	vmcb.exit_code = SVM_EXIT_EXCEPTION + 1;
	vmcb.dr6 |= DR6_SINGLE_STEP;
	run_and_exit(SVM_EXIT_EXCEPTION + 1);
	expect_offer(true, false);
	assert_int_equal(vmcb.rflags, RFLAGS_FIXED | RFLAGS_IF);
	/* And while it goes on: the flags on the handler's stack would show it. */
	start(NULL);
	ring();
	vmcb.rflags = RFLAGS_FIXED;
	(void)svm_step_begin(&svm, true);
	svm_vcpu_run(&vcpu, FAR);
	expect_offer(false, false);
}

/*
 * User code made a SYSCALL of it, which clears the flag, and the kernel behind it calls us: that
 * call is the next exit, and ends the step like any other.
 */
static void test_hypercall_behind_a_step_that_lost_its_flag(void **state)
{
	(void)state;
	(void)svm_step_begin(&svm, true);
	vmcb.rflags &= ~(uint64_t)RFLAGS_TF;
	decided = EXIT_ADVANCE;
	run_and_exit(SVM_EXIT_VMMCALL);
	assert_false(svm.step.active);
	assert_int_equal(vmcb.intercept_exceptions, 2);
	assert_int_equal(vmcb.rip, RIP + 2);
	assert_int_equal(vmcb.entry_event, 0);
}

/* The delivery was interrupted: of the doorbell it goes on, an INT is executed again. */
static void test_interrupted_deliveries(void **state)
{
	(void)state;
	ring();
	run_and_exit(SVM_EXIT_INTR);
	vmcb.exit_event = EVENT_DOORBELL;
	run_and_exit(SVM_EXIT_NESTED_PAGE_FAULT);
	expect_offer(true, false);
	run_and_exit(SVM_EXIT_NESTED_PAGE_FAULT);
	expect_offer(true, false);
	vmcb.exit_event = 0;
	run_and_exit(SVM_EXIT_CPUID);
	/* Some emulators say so about an INT. */
	vmcb.exit_event = EVENT_VALID | EVENT_TYPE_EXCEPTION | 0x80;
	run_and_exit(SVM_EXIT_NESTED_PAGE_FAULT);
	assert_int_equal(vmcb.entry_event, 0);
	vmcb.exit_event = 0;
	vmcb.rflags &= ~(uint64_t)RFLAGS_IF;
	ring();
	run_and_exit(SVM_EXIT_INTR);
	vmcb.exit_event = EVENT_VALID | EVENT_TYPE_EXCEPTION | DOORBELL;
	run_and_exit(SVM_EXIT_NESTED_PAGE_FAULT);
	expect_offer(true, false);
}

/* ---- Behind an instruction ---- */

#define EVENT_DEBUG (EVENT_VALID | EVENT_TYPE_EXCEPTION | 1)

static void test_flags_behind_an_instruction(void **state)
{
	static const uint32_t codes[] = {SVM_EXIT_CPUID, SVM_EXIT_VMMCALL};
	(void)state;

	for (unsigned i = 0; i < 2; i++) {
		start(NULL);
		decided = EXIT_ADVANCE;
		vmcb.rflags |= RFLAGS_RF;
		vmcb.interrupt_shadow = INTERRUPT_SHADOW;
		run_and_exit(codes[i]);
		assert_int_equal(vmcb.rip, RIP + 2 + i);
		assert_int_equal(vmcb.rflags, RFLAGS_FIXED | RFLAGS_IF);
		assert_int_equal(vmcb.interrupt_shadow, 0);
		assert_int_equal(vmcb.entry_event, 0);

		start(NULL);
		decided = EXIT_ADVANCE;
		vmcb.rflags |= RFLAGS_TF;
		run_and_exit(codes[i]);
		assert_int_equal(vmcb.entry_event, EVENT_DEBUG);
		assert_int_equal(vmcb.dr6, 0xffff4ff0);
		assert_int_equal(vmcb.dr7, 0x400);
	}
	/* Nothing of that where the instruction is not done. */
	start(NULL);
	vmcb.rflags |= RFLAGS_RF | RFLAGS_TF;
	run_and_exit(SVM_EXIT_NESTED_PAGE_FAULT);
	assert_int_equal(vmcb.rflags, RFLAGS_FIXED | RFLAGS_IF | RFLAGS_RF | RFLAGS_TF);
	assert_int_equal(vmcb.entry_event, 0);
	assert_int_equal(vmcb.dr7, 0x2400);
}

/* The processor has not said how long it was: RIP moves, and all else is as behind any other. */
static void test_behind_a_decoded_instruction(void **state)
{
	(void)state;
	decided = EXIT_ADVANCE_DECODED;
	svm.arch.decoded_bytes = 7;
	vmcb.rflags |= RFLAGS_RF;
	vmcb.interrupt_shadow = INTERRUPT_SHADOW;
	run_and_exit(SVM_EXIT_NESTED_PAGE_FAULT);
	assert_int_equal(vmcb.rip, RIP + 7);
	assert_int_equal(vmcb.rflags, RFLAGS_FIXED | RFLAGS_IF);
	assert_int_equal(vmcb.interrupt_shadow, 0);
	assert_int_equal(vmcb.entry_event, 0);
	vmcb.rflags |= RFLAGS_TF;
	run_and_exit(SVM_EXIT_NESTED_PAGE_FAULT);
	assert_int_equal(vmcb.rip, RIP + 14);
	assert_int_equal(vmcb.entry_event, EVENT_DEBUG);
	assert_int_equal(vmcb.dr6, 0xffff4ff0);
	/* It wraps at 4 GiB, but not in 64-bit code. */
	vmcb.rflags &= ~(uint64_t)RFLAGS_TF;
	vmcb.rip = 0xfffffffe;
	run_and_exit(SVM_EXIT_NESTED_PAGE_FAULT);
	assert_int_equal(vmcb.rip, 5);
	svm.arch.efer = EFER_LMA;
	code_long = true;
	vmcb.rip = 0xfffffffe;
	run_and_exit(SVM_EXIT_NESTED_PAGE_FAULT);
	assert_int_equal(vmcb.rip, 0x100000005);
	/* A doorbell that the shadow held off comes with it. */
	ring();
	vmcb.interrupt_shadow = INTERRUPT_SHADOW;
	run_and_exit(SVM_EXIT_NESTED_PAGE_FAULT);
	expect_offer(true, false);
}

static void test_breakpoint_behind_an_instruction(void **state)
{
	(void)state;
	decided = EXIT_ADVANCE;
	vmcb.dr7 |= 1;
	port_causes = 5;
	run_and_exit(SVM_EXIT_IO);
	assert_int_equal(vmcb.entry_event, EVENT_DEBUG);
	assert_int_equal(vmcb.dr6, 0xffff0ff5);
	start(NULL);
	decided = EXIT_ADVANCE;
	port_causes = 1;
	vmcb.rflags |= RFLAGS_TF;
	run_and_exit(SVM_EXIT_IO);
	assert_int_equal(vmcb.entry_event, EVENT_DEBUG);
	assert_int_equal(vmcb.dr6, 0xffff4ff1);
}

/* A fault pushes RF set, so that a breakpoint on the instruction does not come again. */
static void test_resume_flag_of_faults(void **state)
{
	(void)state;
	for (uint8_t vector = 0; vector < 20; vector++) {
		bool fault = vector != 1 && vector != 3 && vector != 4 && vector != 8;

		start(NULL);
		decided = EXIT_INJECT;
		vcpu.inject.vector = vector;
		run_and_exit(SVM_EXIT_MSR);
		assert_int_equal((vmcb.rflags & RFLAGS_RF) != 0, fault);
		assert_int_equal(vmcb.entry_event & EVENT_VECTOR, vector);
	}
}

static void test_guarded_entry(void **state)
{
	(void)state;
	guarded_entries = 0;
	svm_vcpu_run(&vcpu, FAR);
	assert_int_equal(guarded_entries, 0);
	speculation_actions = MITIGATE_IBPB_SWITCH; /* done at the switch, not at entries */
	svm_vcpu_run(&vcpu, FAR);
	assert_int_equal(guarded_entries, 0);
	speculation_actions = MITIGATE_REGISTERS;
	svm_vcpu_run(&vcpu, FAR);
	assert_int_equal(guarded_entries, 1);
	assert_int_equal(traced_entries, 0);
	speculation_actions = MITIGATE_REGISTERS | ENTRIES_TRACED;
	svm_vcpu_run(&vcpu, FAR);
	assert_int_equal(guarded_entries, 1);
	assert_int_equal(traced_entries, 1);
	speculation_actions = 0;
}

static void test_traced_exit(void **state)
{
	(void)state;
	svm_vcpu_run(&vcpu, FAR);
	trace_mask = 1u << TRACE_exit | 1u << TRACE_entry;
	fake_trace_count = 0;
	vcpu.regs[GPR_RAX] = 0;
	vmcb.rip = 0x1000;
	vmcb.exit_code = SVM_EXIT_IO;
	vmcb.exit_info_1 = 0x80 << 16 | 1 << 4;
	vmcb.exit_info_2 = 0x1002;
	assert_true(svm_exit_traced(&vcpu));
	trace_mask = 0;
	assert_int_equal(fake_trace_count, 2);
	assert_int_equal(fake_trace_records[0].what & 0xff, TRACE_exit);
	assert_int_equal(fake_trace_records[0].first, SVM_EXIT_IO);
	assert_int_equal(fake_trace_records[0].second, 0x1000);
	assert_int_equal(fake_trace_records[1].what & 0xff, TRACE_entry);
	assert_int_equal(fake_trace_records[1].second, 0x1002);
}

/* ---- NMIs ---- */

#define EVENT_NMI (EVENT_VALID | EVENT_TYPE_NMI | 2)

static void have_devices(void)
{
	fake_devices_reset();
	vm.platform = fake_devices_of_a_vm();
	vcpu.doorbell_vector = 0;
}

static void nmi_comes(void)
{
	fake_devices.nmi = true;
	ring();
}

static bool iret_exits(void)
{
	return (vmcb.intercept_1 & INTERCEPT_IRET) != 0;
}

static void iret(void)
{
	vmcb.exit_code = SVM_EXIT_IRET;
	vmcb.entry_event = 0;
	decided = svm_decide_iret(&svm);
	assert_true(svm_exit(&vcpu));
	assert_false(iret_exits());
}

static void test_nmi_at_once(void **state)
{
	(void)state;
	have_devices();
	vmcb.rflags &= ~(uint64_t)RFLAGS_IF;
	vmcb.virtual_interrupt |= 15;
	nmi_comes();
	run_and_exit(SVM_EXIT_INTR);
	assert_int_equal(vmcb.entry_event, EVENT_NMI);
	assert_true(iret_exits() && svm_nmi_is_blocked(&svm));
	/* Once. */
	run_and_exit(SVM_EXIT_INTR);
	assert_int_equal(vmcb.entry_event, 0);
	assert_int_equal(fake_devices.nmis_taken, 1);
}

/* The next one comes when the IRET of the first is done, not when it exits. */
static void test_nmi_behind_an_nmi(void **state)
{
	(void)state;
	have_devices();
	nmi_comes();
	run_and_exit(SVM_EXIT_INTR);
	nmi_comes();
	run_and_exit(SVM_EXIT_INTR);
	assert_int_equal(vmcb.entry_event, 0);
	assert_true(fake_devices.nmi && iret_exits());
	armed = 0;
	iret();
	assert_int_equal(vmcb.entry_event, 0);
	assert_true(armed != 0 && armed < FAR);	  /* nothing else would exit */
	run_and_exit(SVM_EXIT_NESTED_PAGE_FAULT); /* of its stack */
	assert_int_equal(vmcb.entry_event, 0);
	vmcb.rip = RIP + 0x500;
	run_and_exit(SVM_EXIT_INTR);
	assert_int_equal(vmcb.entry_event, EVENT_NMI);
	assert_true(iret_exits());
	/* That one ends, and one comes later. */
	iret();
	vmcb.rip = RIP;
	run_and_exit(SVM_EXIT_INTR);
	assert_false(svm_nmi_is_blocked(&svm));
	nmi_comes();
	run_and_exit(SVM_EXIT_INTR);
	assert_int_equal(vmcb.entry_event, EVENT_NMI);
}

/*
 * Regression: the moment was over before the guest had executed the IRET, again and again, where a
 * hypervisor below needs longer for an entry. It is twice as long each time.
 */
static void test_nmi_waits_longer_each_time(void **state)
{
	(void)state;
	have_devices();
	nmi_comes();
	run_and_exit(SVM_EXIT_INTR);
	nmi_comes();
	run_and_exit(SVM_EXIT_INTR);
	uint64_t least = TSC_KHZ / 100;
	for (unsigned i = 0; i < 8; i++, least *= 2) {
		uint64_t now = tsc_read();
		if (i == 0) {
			iret();
		} else {
			run_and_exit(SVM_EXIT_INTR);
		}
		assert_int_equal(vmcb.entry_event, 0);
		assert_true(armed >= now + least);
	}
	vmcb.rip = RIP + 0x500;
	run_and_exit(SVM_EXIT_INTR);
	assert_int_equal(vmcb.entry_event, EVENT_NMI);
	assert_int_equal(svm.nmi.waited, 0);
}

/* Behind another event, or a shadow: a moment later. An interrupt waits behind the NMI. */
static void test_nmi_that_waits(void **state)
{
	(void)state;
	have_devices();
	vmcb.interrupt_shadow = INTERRUPT_SHADOW;
	nmi_comes();
	armed = 0;
	run_and_exit(SVM_EXIT_INTR);
	assert_int_equal(vmcb.entry_event, 0);
	assert_true(armed != 0 && armed < FAR && vcpu.doorbell_pending);
	vmcb.interrupt_shadow = 0;
	fake_devices.ready = 0x51;
	run_and_exit(SVM_EXIT_INTR);
	assert_int_equal(vmcb.entry_event, EVENT_NMI);
	assert_true(vmcb.virtual_interrupt & VIRTUAL_REQUEST);
	assert_int_equal(vmcb.virtual_vector, 0x51);

	vmcb.virtual_interrupt &= ~VIRTUAL_REQUEST;
	svm.nmi.blocked = false;
	nmi_comes();
	armed = 0;
	vcpu.inject.vector = 6;
	decided = EXIT_INJECT;
	run_and_exit(SVM_EXIT_RDPMC);
	assert_int_equal(vmcb.entry_event, EVENT_VALID | EVENT_TYPE_EXCEPTION | 6);
	assert_true(armed != 0 && armed < FAR && vcpu.doorbell_pending);
	decided = EXIT_RESUME;
	run_and_exit(SVM_EXIT_INTR);
	assert_int_equal(vmcb.entry_event, EVENT_NMI);
}

/* Delivered again, as which some emulators report it; an exception instead leaves it pending. */
static void test_nmi_whose_delivery_is_interrupted(void **state)
{
	(void)state;
	have_devices();
	nmi_comes();
	run_and_exit(SVM_EXIT_INTR);
	vmcb.exit_event = EVENT_NMI;
	run_and_exit(SVM_EXIT_NESTED_PAGE_FAULT);
	assert_int_equal(vmcb.entry_event, EVENT_NMI);
	vmcb.exit_event = EVENT_VALID | EVENT_TYPE_EXCEPTION | 2;
	run_and_exit(SVM_EXIT_NESTED_PAGE_FAULT);
	assert_int_equal(vmcb.entry_event, EVENT_NMI);
	decided = EXIT_INJECT;
	vcpu.inject.vector = 1;
	run_and_exit(SVM_EXIT_NESTED_PAGE_FAULT);
	assert_int_equal(vmcb.entry_event, EVENT_VALID | EVENT_TYPE_EXCEPTION | 1);
	assert_int_equal(fake_devices.nmis_put_back, 1);
	assert_true(iret_exits());
}

/*
 * A null hypercall and a port of nobody are decided on the spot, and the CPU stays announced; not
 * where anything else is to be looked at: `spoil` says what.
 */
static bool decided_quickly(uint32_t code, void (*spoil)(void))
{
	start(NULL);
	vmcb.exit_info_1 = code == SVM_EXIT_IO ? 0x80 << 16 | SVM_IO_IN | 1u << 4 : 0;
	vmcb.exit_info_2 = RIP + 5;
	vmcb.exit_code = code;
	vmcb.tlb_control = 3;
	decided = EXIT_ADVANCE;
	if (spoil != NULL) {
		spoil();
	}
	tlb_cpus[0].guest = &space;
	assert_true(svm_exit(&vcpu));
	vm.platform = NULL;
	assert_int_equal(vmcb.tlb_control, TLB_KEEP);
	return vcpu.exit_count == 1;
}

static void spoil_ring(void)
{
	ring();
}

static void spoil_flags(void)
{
	vmcb.rflags |= RFLAGS_RF;
}

static void spoil_request(void)
{
	vmcb.virtual_interrupt |= VIRTUAL_REQUEST;
	vmcb.virtual_vector = DOORBELL;
}

static void spoil_breakpoint(void)
{
	vmcb.dr7 |= 1;
}

static void spoil_event(void)
{
	vmcb.exit_event = EVENT_VALID | EVENT_TYPE_EXCEPTION | VECTOR_DEBUG;
}

static void spoil_string(void)
{
	vmcb.exit_info_1 |= SVM_IO_STRING;
}

static void spoil_devices(void)
{
	vm.platform = (struct platform *)&vm;
}

static void spoil_privilege(void)
{
	vmcb.cpl = 3;
}

static void spoil_personality(void)
{
	vcpu.calls_platform = true;
}

static void spoil_argument(void)
{
	vcpu.regs[GPR_R10] = 1;
}

static void test_quick_exits(void **state)
{
	(void)state;
	assert_true(decided_quickly(SVM_EXIT_VMMCALL, NULL));
	assert_int_equal(vmcb.rip, RIP + 3);
	assert_int_equal(vcpu.hypercall_count, 1);
	assert_false(decided_quickly(SVM_EXIT_VMMCALL, spoil_ring));
	assert_false(decided_quickly(SVM_EXIT_VMMCALL, spoil_flags));
	assert_false(decided_quickly(SVM_EXIT_VMMCALL, spoil_request));
	assert_false(decided_quickly(SVM_EXIT_VMMCALL, spoil_privilege));
	assert_false(decided_quickly(SVM_EXIT_VMMCALL, spoil_argument));
	assert_false(decided_quickly(SVM_EXIT_VMMCALL, spoil_personality));
	vcpu.calls_platform = false;
	assert_int_equal(vcpu.hypercall_count, 0);
	assert_true(decided_quickly(SVM_EXIT_IO, NULL));
	assert_int_equal(vmcb.rip, RIP + 5);
	assert_int_equal(vcpu.regs[GPR_RAX], 0xff);
	assert_int_equal(vcpu.hypercall_count, 0);
	assert_false(decided_quickly(SVM_EXIT_IO, spoil_ring));
	assert_false(decided_quickly(SVM_EXIT_IO, spoil_flags));
	assert_false(decided_quickly(SVM_EXIT_IO, spoil_request));
	assert_false(decided_quickly(SVM_EXIT_IO, spoil_breakpoint));
	assert_false(decided_quickly(SVM_EXIT_IO, spoil_event));
	assert_false(decided_quickly(SVM_EXIT_IO, spoil_string));
	assert_false(decided_quickly(SVM_EXIT_IO, spoil_devices));
	assert_int_equal(vcpu.regs[GPR_RAX], 0);
	assert_false(decided_quickly(SVM_EXIT_CPUID, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_doorbell_at_once, start),
		cmocka_unit_test_setup(test_guarded_entry, start),
		cmocka_unit_test_setup(test_traced_exit, start),
		cmocka_unit_test_setup(test_quick_exits, start),
		cmocka_unit_test_setup(test_doorbell_where_injected_ones_repeat, start),
		cmocka_unit_test_setup(test_doorbell_when_interrupts_are_enabled, start),
		cmocka_unit_test_setup(test_doorbell_is_due, start),
		cmocka_unit_test_setup(test_doorbell_waits_for_the_task_priority, start),
		cmocka_unit_test_setup(test_doorbell_in_a_shadow, start),
		cmocka_unit_test_setup(test_doorbell_in_a_shadow_that_is_forgotten, start),
		cmocka_unit_test_setup(test_doorbell_behind_a_forgotten_shadow_by_a_step, start),
		cmocka_unit_test_setup(test_forgotten_shadow_is_carried_on, start),
		cmocka_unit_test_setup(test_shadow_that_is_over_is_not_carried_on, start),
		cmocka_unit_test_setup(test_doorbell_behind_a_step, start),
		cmocka_unit_test_setup(test_hypercall_behind_a_step_that_lost_its_flag, start),
		cmocka_unit_test_setup(test_interrupted_deliveries, start),
		cmocka_unit_test_setup(test_flags_behind_an_instruction, start),
		cmocka_unit_test_setup(test_behind_a_decoded_instruction, start),
		cmocka_unit_test_setup(test_breakpoint_behind_an_instruction, start),
		cmocka_unit_test_setup(test_resume_flag_of_faults, start),
		cmocka_unit_test_setup(test_nmi_at_once, start),
		cmocka_unit_test_setup(test_nmi_behind_an_nmi, start),
		cmocka_unit_test_setup(test_nmi_waits_longer_each_time, start),
		cmocka_unit_test_setup(test_nmi_that_waits, start),
		cmocka_unit_test_setup(test_nmi_whose_delivery_is_interrupted, start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
