/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a raw exit (AMD APM vol. 2, 15.7 to 15.15 and appendix C) to a neutral struct vm_exit for
 * kernel/exit/exit.c. Exits that concern the processor alone are decided here and in
 * arch/x86/guest. No word of the VMCB's exit fields leaves this file and svm_cr.c. Nothing here
 * moves RIP; svm->next_rip says where it would go.
 */
#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/cpu/lapic.h"
#include "arch/x86/cpu/tsc.h"
#include "arch/x86/guest/breakpoint.h"
#include "arch/x86/guest/guest_cpuid.h"
#include "arch/x86/guest/guest_cr.h"
#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/guest/guest_msr.h"
#include "arch/x86/svm/svm_caps.h"
#include "arch/x86/svm/svm_debug.h"
#include "arch/x86/svm/svm_exits.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "base/bits.h"

#define VECTOR_ALIGNMENT 17
#define HYPERCALL_BYTES 3

const char *svm_exit_text(uint32_t code)
{
	switch (code) {
#define SVM_EXIT_TEXT(name, number, text)                                                          \
	case number:                                                                               \
		return text;
		SVM_EXITS(SVM_EXIT_TEXT)
#undef SVM_EXIT_TEXT
	default:
		return "an exit code that was not asked for";
	}
}

/*
 * The instruction ends `length` bytes behind its opcode, where the processor does not say itself.
 * Prefixes without a meaning may precede it.
 */
static void instruction_ends(struct svm_vcpu *svm, unsigned length)
{
	svm->next_rip = svm_caps.next_rip ? svm->vmcb->next_rip
					  : guest_next_rip(svm->arch.vcpu, svm->vmcb->rip,
							   svm_prefixes(svm) + length);
}

/* The same without prefixes: docs/abi.md wants none there, so that this way is short. */
static inline void hypercall_ends(struct svm_vcpu *svm)
{
	svm->next_rip = svm_caps.next_rip
				? svm->vmcb->next_rip
				: guest_next_rip(svm->arch.vcpu, svm->vmcb->rip, HYPERCALL_BYTES);
}

static enum exit_action unknown(struct svm_vcpu *svm, struct vm_exit *vm_exit)
{
	return guest_exit_unknown(svm->arch.vcpu, vm_exit, svm_exit_text(vm_exit->raw_reason));
}

/* exit_info_1 of a nested page fault (15.25.6): a page-fault error code */
#define FAULT_RESERVED BIT(3)

enum exit_action svm_exit_s2_fault(struct svm_vcpu *svm)
{
	struct vm_exit vm_exit = {
		.raw_reason = SVM_EXIT_NESTED_PAGE_FAULT,
		.kind = VM_EXIT_S2_FAULT,
		.fault.address = (gpa_t){svm->vmcb->exit_info_2},
	};

	guest_exit_count(svm->arch.vcpu);
	if (svm->vmcb->exit_info_1 & FAULT_RESERVED) {
		return guest_exit_unknown(svm->arch.vcpu, &vm_exit,
					  "an entry of the second-stage tables is malformed");
	}
	return vm_exit_handle(svm->arch.vcpu, &vm_exit);
}

/* The interrupt that ended the run is still pending: it comes now, through the host's own gate. */
static enum exit_action decide_interrupt(struct svm_vcpu *svm, struct vm_exit *vm_exit)
{
	struct vcpu *vcpu = svm->arch.vcpu;

	interrupts_open_once();
	if (tsc_read() >= svm->arch.deadline_tsc) {
		return guest_exit(vcpu, vm_exit, VM_EXIT_SLICE_END);
	}
	lapic_timer_arm(svm->arch.deadline_tsc); /* it may have been the timer, a little early */
	return guest_exit(vcpu, vm_exit, VM_EXIT_INTERRUPT);
}

static enum exit_action decide_exception(struct svm_vcpu *svm, struct vm_exit *vm_exit)
{
	struct vmcb *vmcb = svm->vmcb;
	uint8_t vector = (uint8_t)(vm_exit->raw_reason - SVM_EXIT_EXCEPTION);

	switch (vector) {
	case VECTOR_MACHINE_CHECK:
		machine_check_report();
	case VECTOR_DEBUG:
		/* DR6 is what the handler would see (15.12.2). */
		*svm_dr7(svm) &= ~(uint64_t)DR7_GENERAL_DETECT;
		return guest_inject(svm->arch.vcpu, vector, false, 0);
	case VECTOR_ALIGNMENT:
		return guest_inject(svm->arch.vcpu, vector, true, (uint32_t)vmcb->exit_info_1);
	default:
		return unknown(svm, vm_exit);
	}
}

/* exit_info_1 of a port access (15.10.2) */
#define IO_IN BIT(0)
#define IO_STRING BIT(2)
#define IO_BYTES(info) ((info) >> 4 & 7)
#define IO_PORT(info) ((info) >> 16 & 0xffff)

static enum exit_action decide_io(struct svm_vcpu *svm, struct vm_exit *vm_exit)
{
	uint64_t info = svm->vmcb->exit_info_1;
	enum exit_action action;
	uint64_t causes;

	svm->next_rip = svm->vmcb->exit_info_2;
	vm_exit->io.port = (uint16_t)IO_PORT(info);
	vm_exit->io.bytes = (uint8_t)IO_BYTES(info);
	vm_exit->io.in = (info & IO_IN) != 0;
	vm_exit->io.string = (info & IO_STRING) != 0;
	action = guest_exit(svm->arch.vcpu, vm_exit, VM_EXIT_IO);
	if (action == EXIT_ADVANCE) {
		causes = guest_port_causes(svm->arch.vcpu, *svm_dr7(svm), vm_exit->io.port,
					   vm_exit->io.bytes);
		if (causes != 0) {
			svm_trap(svm, causes);
		}
	}
	return action;
}

static enum exit_action decide_msr(struct vcpu *vcpu, bool write)
{
	uint32_t index = guest_msr_index(vcpu);

	return write ? guest_msr_write(vcpu, index, guest_msr_value(vcpu))
		     : guest_msr_read(vcpu, index);
}

static enum exit_action decide_xsetbv(struct svm_vcpu *svm)
{
	struct vcpu *vcpu = svm->arch.vcpu;

	xstate_reach_offered(); /* this processor does intercept it */
	if (svm->vmcb->cpl != 0 && guest_read(vcpu, GUEST_CR4) & CR4_OSXSAVE) {
		return guest_inject_protection_fault(vcpu);
	}
	return guest_xsetbv(vcpu, guest_msr_index(vcpu), guest_msr_value(vcpu));
}

static enum exit_action decide_entry_failure(struct svm_vcpu *svm, struct vm_exit *vm_exit)
{
	svm->arch.entry_failed = true;
	svm_dump_entry_failure(svm);
	vm_exit->text = svm_exit_text(vm_exit->raw_reason);
	return guest_exit(svm->arch.vcpu, vm_exit, VM_EXIT_ENTRY_FAILED);
}

/* Instructions that the guest completes with our help; the rest of decide_rest(). */
static enum exit_action decide_instruction(struct svm_vcpu *svm, struct vm_exit *vm_exit)
{
	struct vcpu *vcpu = svm->arch.vcpu;

	switch (vm_exit->raw_reason) {
	case SVM_EXIT_CPUID:
		instruction_ends(svm, 2);
		return guest_cpuid(vcpu);
	case SVM_EXIT_HLT:
		instruction_ends(svm, 1);
		return guest_exit(vcpu, vm_exit, VM_EXIT_HLT);
	case SVM_EXIT_INVD:
	case SVM_EXIT_WBINVD:
		instruction_ends(svm, 2);
		return EXIT_ADVANCE; /* nothing to do for memory that is write-back */
	case SVM_EXIT_MSR:
		instruction_ends(svm, 2);
		return decide_msr(vcpu, svm->vmcb->exit_info_1 != 0);
	case SVM_EXIT_XSETBV:
		instruction_ends(svm, 3);
		return decide_xsetbv(svm);
	case SVM_EXIT_RDPMC:
		/* No counter exists, whichever ECX names. */
		return guest_inject_protection_fault(vcpu);
	case SVM_EXIT_INVLPGA:
	case SVM_EXIT_VMRUN:
	case SVM_EXIT_VMLOAD ... SVM_EXIT_RDTSCP:
	case SVM_EXIT_MONITOR ... SVM_EXIT_MWAIT_ARMED:
	case SVM_EXIT_RDPRU:
		return guest_inject_undefined(vcpu);
	default:
		return unknown(svm, vm_exit);
	}
}

static enum exit_action decide(struct svm_vcpu *svm, struct vm_exit *vm_exit)
{
	switch (vm_exit->raw_reason) {
	case SVM_EXIT_INTR:
		return decide_interrupt(svm, vm_exit);
	case SVM_EXIT_VINTR:
		return EXIT_RESUME; /* the doorbell is due: it becomes an event */
	case SVM_EXIT_IRET:
		return svm_decide_iret(svm);
	case SVM_EXIT_NMI:
		return EXIT_RESUME; /* STGI in svm_entry.S has let it in */
	case SVM_EXIT_EXCEPTION ... SVM_EXIT_EXCEPTION_END - 1:
		return decide_exception(svm, vm_exit);
	case SVM_EXIT_SHUTDOWN:
		return guest_exit(svm->arch.vcpu, vm_exit, VM_EXIT_TRIPLE_FAULT);
	case SVM_EXIT_CR0_READ:
	case SVM_EXIT_CR4_READ:
	case SVM_EXIT_CR0_WRITE:
	case SVM_EXIT_CR4_WRITE:
	case SVM_EXIT_CR8_WRITE:
		return svm_decide_cr(svm, vm_exit);
	case SVM_EXIT_DR5_READ:
	case SVM_EXIT_DR7_READ:
	case SVM_EXIT_DR5_WRITE:
	case SVM_EXIT_DR7_WRITE:
		return svm_decide_dr(svm);
	case SVM_EXIT_INVALID:
		return decide_entry_failure(svm, vm_exit);
	default:
		return decide_instruction(svm, vm_exit);
	}
}

enum exit_action svm_decide_hypercall(struct svm_vcpu *svm)
{
	hypercall_ends(svm);
	return guest_exit_hypercall(svm->arch.vcpu, svm_is_kernel(svm));
}

enum exit_action svm_exit_decide(struct svm_vcpu *svm, uint32_t code)
{
	struct vm_exit vm_exit;

	vm_exit.raw_reason = code;
	if (code == SVM_EXIT_VMMCALL) {
		return svm_decide_hypercall(svm);
	}
	guest_exit_count(svm->arch.vcpu);
	return code == SVM_EXIT_IO ? decide_io(svm, &vm_exit) : decide(svm, &vm_exit);
}
