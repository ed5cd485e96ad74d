/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exits that guests take often and that concern their registers alone. No lock is taken, nothing is
 * waited for and no translation is used or dropped, so the CPU stays announced as one in the guest
 * (kernel/vm/tlb.h). Such an instruction cannot have interrupted the delivery of an event.
 */
#include "arch/x86/guest/breakpoint.h"
#include "arch/x86/guest/guest_cpuid.h"
#include "arch/x86/guest/guest_cr.h"
#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/guest/guest_msr.h"
#include "arch/x86/vmx/vmx_fields.h"
#include "arch/x86/vmx/vmx_qualification.h"
#include "arch/x86/vmx/vmx_reasons.h"
#include "arch/x86/vmx/vmx_steps.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "base/bits.h"
#include "base/compiler.h"
#include "kernel/exit/port.h"
#include "kernel/vm/exit_reasons.h"
#include "kernel/vm/platform.h"
#include "kernel/vm/vm.h"

static inline __attribute__((always_inline)) bool quick_cpuid(struct vcpu *vcpu)
{
	enum guest_cpuid_outcome outcome = guest_cpuid_quick(vcpu);

	/* Where it is offered the bit is the guest's own. */
	if (outcome == GUEST_CPUID_OSXSAVE && vmcs_read_guest_cr4() & CR4_OSXSAVE) {
		vcpu->regs[GPR_RCX] |= GUEST_L1_ECX_OSXSAVE;
	}
	return outcome != GUEST_CPUID_UNDECIDED;
}

/* Of a local APIC: the end of an interrupt, and when its timer expires next. */
static NOT_INLINE bool quick_apic(struct vcpu *vcpu)
{
	if (!platform_msr_write_quick(vcpu, guest_msr_index(vcpu), guest_msr_value(vcpu))) {
		return false;
	}
	vmx_deadline_set(vcpu, min_u64(vcpu->arch->slice_tsc, vcpu->timer_tsc));
	return true;
}

static inline __attribute__((always_inline)) bool quick_msr(struct vcpu *vcpu, bool write)
{
	const struct guest_msr *msr = guest_msr_find(guest_msr_index(vcpu));
	uint64_t value;

	if (msr == NULL) {
		return write && vcpu->vm->platform != NULL && quick_apic(vcpu);
	}
	if (!write) {
		guest_msr_give(vcpu, vmx_guest_read(vcpu, (enum guest_register)msr->name));
		return true;
	}
	value = guest_msr_value(vcpu);
	if (!guest_msr_accepts(msr, &value)) {
		return false;
	}
	vmx_guest_write(vcpu, (enum guest_register)msr->name, value);
	return true;
}

/* Bits of CR0 that decide on the paging mode. */
#define CR0_MODE ((uint64_t)CR0_PE | CR0_PG)

/*
 * MOV to CR8 of a VM without a local APIC, and MOV to CR0 that leaves the mode as it is: neither
 * EFER nor a translation depends on the other bits (SDM vol. 3, 4.10.4.1).
 */
static inline __attribute__((always_inline)) bool quick_cr(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);
	uint64_t qualification = vmcs_read_exit_qualification();
	unsigned cr = CR_NUMBER(qualification);
	unsigned gpr = CR_GPR(qualification);
	uint64_t value = vcpu->regs[gpr];

	if (CR_ACCESS(qualification) != CR_ACCESS_TO || gpr == GPR_RSP || value >> 32) {
		return false;
	}
	if (cr == 8) {
		if (value > 15 || vcpu->vm->platform != NULL) {
			return false;
		}
		vmx->cr8 = value;
		return true;
	}
	if (cr != 0 || (value ^ vmx_cr0_read(vmx)) & CR0_MODE ||
	    (value & CR0_NW && !(value & CR0_CD))) {
		return false;
	}
	vmx_cr0_write(vmx, guest_cr0_stored(value));
	return true;
}

static inline __attribute__((always_inline)) bool quick_port(struct vcpu *vcpu)
{
	uint64_t qualification = vmcs_read_exit_qualification();

	if (qualification & IO_STRING || vcpu->vm->platform != NULL ||
	    vmcs_read_guest_dr7() & DR7_ANY_ENABLED) {
		return false;
	}
	port_without_device(vcpu, IO_BYTES(qualification), (qualification & IO_IN) != 0);
	return true;
}

static inline __attribute__((always_inline)) bool decide(struct vcpu *vcpu, uint32_t reason)
{
	if (reason == REASON_CPUID) {
		return quick_cpuid(vcpu);
	}
	if (reason == REASON_IO) {
		return quick_port(vcpu);
	}
	return reason == REASON_CR_ACCESS ? quick_cr(vcpu)
					  : quick_msr(vcpu, reason == REASON_WRMSR);
}

/* Behind it there is nothing to look at before the entry but the time that is left. */
bool vmx_exit_quick(struct vcpu *vcpu, uint32_t reason)
{
	if (guest_doorbell_rang(vcpu) || !decide(vcpu, reason)) {
		return false;
	}
	guest_exit_count(vcpu);
	vcpu_count_reason(vcpu, reason);
	vmx_advance(vcpu);
	vmx_timer_write(vmx_of(vcpu));
	return true;
}
