/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a raw exit (SDM vol. 3, chapter 28 and 25.9) to a neutral struct vm_exit for
 * kernel/exit/exit.c. Exits that concern the processor alone are decided here and in
 * arch/x86/guest; vmx_run.c sends CPUID and MSRs there at once. No VMX word leaves this file.
 * Nothing here moves RIP: vmx_run.c carries out the action.
 */
#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/guest/breakpoint.h"
#include "arch/x86/guest/guest_cr.h"
#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/guest/guest_msr.h"
#include "arch/x86/vmx/vmx_caps.h"
#include "arch/x86/vmx/vmx_fields.h"
#include "arch/x86/vmx/vmx_reasons.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "base/bits.h"
#include "kernel/vm/vm.h"

#define VECTOR_ALIGNMENT 17

/* Interruptibility state (SDM vol. 3, table 25-3) */
#define BLOCKING_BY_STI 0x1u
#define BLOCKING_BY_MOV_SS 0x2u
#define BLOCKING_BY_NMI 0x8u

const char *vmx_reason_text(unsigned reason)
{
	switch (reason) {
#define VMX_REASON_TEXT(name, number, text)                                                        \
	case number:                                                                               \
		return text;
		VMX_REASONS(VMX_REASON_TEXT)
#undef VMX_REASON_TEXT
	default:
		return "an exit reason that did not exist when this was written";
	}
}

/* An event was on its way when this exit came: the next entry delivers it again. */
static void keep_vectoring_event(struct vmx_vcpu *vmx)
{
	uint32_t info = vmcs_read_vectoring_event();

	if (!(info & EVENT_VALID)) {
		return;
	}
	vmx->arch.event.info = info & (EVENT_VALID | EVENT_HAS_ERROR | EVENT_TYPE | EVENT_VECTOR);
	if (info & EVENT_HAS_ERROR) {
		vmx->arch.event.error = vmcs_read_vectoring_event_error();
	}
	if (event_is_software(info)) {
		vmx->arch.event.length = vmcs_read_exit_instruction_length();
	}
	if ((info & EVENT_TYPE) == EVENT_TYPE_NMI) {
		vmx_nmi_unblock();
	}
}

/* An IRET had ended the blocking of NMIs, then faulted: it will do so again. */
static void restore_nmi_blocking(const struct vmx_vcpu *vmx)
{
	if (!(vmx->arch.event.info & EVENT_VALID)) {
		vmcs_write_guest_interruptibility(vmcs_read_guest_interruptibility() |
						  BLOCKING_BY_NMI);
	}
}

/* Exit qualification of an EPT violation (SDM vol. 3, table 28-7) */
#define QUALIFICATION_NMI_UNBLOCKED BIT(12)

/*
 * The instruction has not completed, so its single-step trap is not due: some processors report it
 * as pending all the same. Behind MOV SS it may be from the instruction before, and has to stay.
 */
static void drop_early_step(void)
{
	uint32_t shadow = BLOCKING_BY_STI | BLOCKING_BY_MOV_SS;

	if (vmcs_read_guest_rflags() & RFLAGS_TF &&
	    !(vmcs_read_guest_interruptibility() & shadow)) {
		vmcs_write_guest_pending_debug(0);
	}
}

enum exit_action vmx_exit_s2_fault(struct vmx_vcpu *vmx)
{
	struct vm_exit vm_exit = {.raw_reason = REASON_EPT_VIOLATION, .kind = VM_EXIT_S2_FAULT};
	uint64_t qualification = vmcs_read_exit_qualification();

	guest_exit_count(vmx->arch.vcpu);
	keep_vectoring_event(vmx);
	if (qualification & QUALIFICATION_NMI_UNBLOCKED) {
		restore_nmi_blocking(vmx);
	}
	drop_early_step();
	vm_exit.fault.address = (gpa_t){vmcs_read_guest_physical_address()};
	return vm_exit_handle(vmx->arch.vcpu, &vm_exit);
}

/* Exit qualification of a debug exception has the layout of DR6 (table 28-1). */
#define DR6_CAUSES 0x0000000full
#define DR6_NO_TRANSACTION BIT(16) /* the other way round in DR6 */
#define PENDING_BREAKPOINT BIT(12)
#define PENDING_SINGLE_STEP BIT(14)

/* What the processor does before it delivers #DB, and leaves to us when #DB exits instead. */
static void debug_exception_prepare(void)
{
	uint64_t causes = vmcs_read_exit_qualification();
	uint64_t dr6 = (read_dr6() & ~DR6_CAUSES) | DR6_NO_TRANSACTION;

	dr6 |= causes & (DR6_CAUSES | DR6_ACCESS_DETECTED | DR6_SINGLE_STEP);
	if (causes & DR6_NO_TRANSACTION) {
		dr6 &= ~DR6_NO_TRANSACTION;
	}
	write_dr6(dr6);
	vmcs_write_guest_dr7(vmcs_read_guest_dr7() & ~(uint64_t)DR7_GENERAL_DETECT);
	/* VM entry insists on this pair while STI or MOV SS blocks (27.3.1.5). */
	if (vmcs_read_guest_rflags() & RFLAGS_TF &&
	    vmcs_read_guest_interruptibility() & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)) {
		vmcs_write_guest_pending_debug(vmcs_read_guest_pending_debug() |
					       PENDING_SINGLE_STEP);
	}
}

static enum exit_action unknown(struct vmx_vcpu *vmx, struct vm_exit *vm_exit)
{
	return guest_exit_unknown(vmx->arch.vcpu, vm_exit, vmx_reason_text(vm_exit->raw_reason));
}

static enum exit_action decide_exception(struct vmx_vcpu *vmx, struct vm_exit *vm_exit)
{
	uint32_t info = vmcs_read_exit_event();
	uint8_t vector = info & EVENT_VECTOR;

	keep_vectoring_event(vmx);
	if ((info & EVENT_TYPE) == EVENT_TYPE_NMI) {
		/* Through the host's own gate: its IRET lets NMIs in again, a call would not. */
		__asm__ volatile("int $2" : : : "memory");
		return EXIT_RESUME;
	}
	if (info & EVENT_NMI_UNBLOCKED && vector != VECTOR_DOUBLE_FAULT) {
		restore_nmi_blocking(vmx);
	}
	switch (vector) {
	case VECTOR_MACHINE_CHECK:
		machine_check_report();
	case VECTOR_DEBUG:
		debug_exception_prepare();
		if (event_is_software(info)) {
			/* INT1: as it came, with the length of the instruction. */
			vmx->arch.event = (struct guest_event){
				.info = EVENT_VALID | EVENT_TYPE_PRIVILEGED_SOFTWARE | vector,
				.length = vmcs_read_exit_instruction_length(),
			};
			return EXIT_RESUME;
		}
		return guest_inject(vmx->arch.vcpu, vector, false, 0);
	case VECTOR_ALIGNMENT:
		return guest_inject(vmx->arch.vcpu, vector, true, vmcs_read_exit_event_error());
	default:
		return unknown(vmx, vm_exit);
	}
}

/* Exit qualification of a control-register access (table 28-3) */
#define CR_NUMBER(qualification) ((qualification)&0xf)
#define CR_ACCESS(qualification) ((qualification) >> 4 & 3)
#define CR_GPR(qualification) ((qualification) >> 8 & 0xf)
#define CR_LMSW_SOURCE(qualification) ((qualification) >> 16 & 0xffff)
#define CR_ACCESS_TO 0
#define CR_ACCESS_FROM 1
#define CR_ACCESS_CLTS 2
#define CR_ACCESS_LMSW 3

static enum exit_action decide_cr(struct vmx_vcpu *vmx, struct vm_exit *vm_exit)
{
	struct vcpu *vcpu = vmx->arch.vcpu;
	uint64_t qualification = vmcs_read_exit_qualification();
	unsigned cr = CR_NUMBER(qualification);
	uint64_t cr0;

	switch (CR_ACCESS(qualification)) {
	case CR_ACCESS_TO:
		return guest_cr_write(vcpu, cr, guest_gpr_read(vcpu, CR_GPR(qualification)));
	case CR_ACCESS_FROM:
		if (cr != 8) {
			return unknown(vmx, vm_exit);
		}
		guest_gpr_write(vcpu, CR_GPR(qualification), vmx->cr8);
		return EXIT_ADVANCE;
	case CR_ACCESS_CLTS:
		cr0 = guest_read(vcpu, GUEST_CR0);
		return guest_cr_write(vcpu, 0, cr0 & ~(uint64_t)CR0_TS);
	case CR_ACCESS_LMSW:
		cr0 = guest_read(vcpu, GUEST_CR0);
		return guest_cr_write(vcpu, 0, guest_cr0_lmsw(cr0, CR_LMSW_SOURCE(qualification)));
	}
	return unknown(vmx, vm_exit);
}

/* Exit qualification of a port access (table 28-5) */
#define IO_BYTES(qualification) (((qualification)&7) + 1)
#define IO_IN BIT(3)
#define IO_STRING BIT(4)
#define IO_PORT(qualification) ((qualification) >> 16 & 0xffff)

/* The next entry delivers their trap, together with that of a step (SDM vol. 3, table 25-4). */
void vmx_pend_breakpoints(uint64_t causes)
{
	if (causes != 0) {
		vmcs_write_guest_pending_debug(vmcs_read_guest_pending_debug() | causes |
					       PENDING_BREAKPOINT);
	}
}

static enum exit_action decide_io(struct vmx_vcpu *vmx, struct vm_exit *vm_exit)
{
	uint64_t qualification = vmcs_read_exit_qualification();
	enum exit_action action;
	uint64_t causes;

	vm_exit->kind = VM_EXIT_IO;
	vm_exit->io.port = (uint16_t)IO_PORT(qualification);
	vm_exit->io.bytes = (uint8_t)IO_BYTES(qualification);
	vm_exit->io.in = (qualification & IO_IN) != 0;
	vm_exit->io.string = (qualification & IO_STRING) != 0;
	action = vm_exit_handle(vmx->arch.vcpu, vm_exit);
	if (action == EXIT_ADVANCE) {
		causes = guest_port_causes(vmx->arch.vcpu, vmcs_read_guest_dr7(), vm_exit->io.port,
					   vm_exit->io.bytes);
		vmx_pend_breakpoints(causes);
	}
	return action;
}

static enum exit_action decide_entry_failure(struct vmx_vcpu *vmx, struct vm_exit *vm_exit)
{
	vmx->arch.entry_failed = true;
	vmx_dump_entry_failure(vmx, vm_exit->raw_reason);
	vm_exit->kind = VM_EXIT_ENTRY_FAILED;
	vm_exit->text = vmx_reason_text(vm_exit->raw_reason & REASON_BASIC);
	return vm_exit_handle(vmx->arch.vcpu, vm_exit);
}

static enum exit_action decide_rest(struct vmx_vcpu *vmx, struct vm_exit *vm_exit)
{
	struct vcpu *vcpu = vmx->arch.vcpu;

	switch (vm_exit->raw_reason) {
	case REASON_PREEMPTION_TIMER:
		return guest_exit(vcpu, vm_exit, VM_EXIT_SLICE_END);
	case REASON_EXTERNAL_INTERRUPT:
		interrupt_handle(vmcs_read_exit_event() & EVENT_VECTOR);
		return guest_exit(vcpu, vm_exit, VM_EXIT_INTERRUPT);
	case REASON_EXCEPTION_OR_NMI:
		return decide_exception(vmx, vm_exit);
	case REASON_TRIPLE_FAULT:
		return guest_exit(vcpu, vm_exit, VM_EXIT_TRIPLE_FAULT);
	case REASON_INTERRUPT_WINDOW:
	case REASON_NMI_WINDOW:
		return guest_exit(vcpu, vm_exit, VM_EXIT_WINDOW);
	case REASON_HLT:
		return guest_exit(vcpu, vm_exit, VM_EXIT_HLT);
	case REASON_INVD:
	case REASON_WBINVD:
		return EXIT_ADVANCE; /* nothing to do for memory that is write-back */
	case REASON_CR_ACCESS:
		return decide_cr(vmx, vm_exit);
	case REASON_IO:
		return decide_io(vmx, vm_exit);
	case REASON_XSETBV:
		return guest_xsetbv(vcpu, guest_msr_index(vcpu), guest_msr_value(vcpu));
	case REASON_RDPMC:
		/* No counter exists, whichever ECX names. */
		return guest_inject_protection_fault(vcpu);
	case REASON_GETSEC:
	case REASON_RSM:
	case REASON_VMCLEAR ... REASON_VMXON:
	case REASON_MWAIT:
	case REASON_MONITOR:
	case REASON_INVEPT:
	case REASON_INVVPID:
	case REASON_VMFUNC:
	case REASON_ENCLS:
		return guest_inject_undefined(vcpu);
	case REASON_TASK_SWITCH:
		keep_vectoring_event(vmx);
		return unknown(vmx, vm_exit);
	default:
		return unknown(vmx, vm_exit);
	}
}

enum exit_action vmx_exit_decide(struct vmx_vcpu *vmx, uint32_t reason)
{
	struct vm_exit vm_exit;

	guest_exit_count(vmx->arch.vcpu);
	vm_exit.raw_reason = reason;
	if (reason & REASON_ENTRY_FAILED) {
		return decide_entry_failure(vmx, &vm_exit);
	}
	return decide_rest(vmx, &vm_exit);
}
