/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's registers that are not general ones. Nearly all of them are in the VMCB whenever the
 * guest does not run: VMRUN and VMLOAD take them from there, the exit and VMSAVE put them back. The
 * rest is exchanged only when another vCPU runs on this CPU, always all of it.
 */
#include "arch/x86/cpu/registers.h"
#include "arch/x86/guest/guest_state.h"
#include "arch/x86/svm/svm_caps.h"
#include "arch/x86/svm/svm_debug.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "base/bits.h"
#include "base/check.h"

/* exit_info_1 of a nested page fault (APM vol. 2, 15.25.6) */
#define FAULT_WRITE BIT(1)
#define FAULT_FETCH BIT(4)
#define FAULT_WALK BIT(33) /* of the guest's own tables */

/* Some emulators do not show in the type that the task is busy. */
#define TYPE_TSS_32 9
#define TYPE_TSS_BUSY 2u

/* Some emulators do not intercept XSETBV: what counts is what the processor has. */
static uint64_t xcr0_read(const struct svm_vcpu *svm)
{
	if (svm_cpu()->loaded != svm || !guest_features.xcr0) {
		return svm->arch.xcr0;
	}
	return read_xcr0() & guest_features.xcr0;
}

/* Where VMRUN does not exchange CR2 it stays in the processor, as extended state does. */
static uint64_t cr2_read(const struct svm_vcpu *svm)
{
	return svm_caps.takes_cr2 || svm_cpu()->loaded != svm ? svm->vmcb->cr2 : read_cr2();
}

void svm_cr2_write(struct svm_vcpu *svm, uint64_t value)
{
	svm->vmcb->cr2 = value;
	if (!svm_caps.takes_cr2) {
		write_cr2(value);
	}
}

void svm_load(struct svm_vcpu *svm)
{
	struct svm_cpu *cpu = svm_cpu();

	if (cpu->loaded == svm) {
		return;
	}
	CHECK(cpu->loaded == NULL && svm->cpu == NULL);
	if (!svm->filled) {
		svm_setup_controls(svm);
		svm_setup_guest(svm);
		svm->filled = true;
	} else if (svm->restarted) {
		svm_setup_guest(svm);
	}
	svm->restarted = false;
	guest_state_load(&svm->arch);
	svm_cr2_write(svm, svm->vmcb->cr2);
	cpu->loaded = svm;
	svm->cpu = cpu;
}

void svm_reset(struct svm_vcpu *svm)
{
	CHECK(svm->cpu == NULL);
	guest_vcpu_reset(svm->arch.vcpu);
	svm->vmcb->cr2 = 0;
	svm->restarted = true;
}

void svm_evict(struct svm_vcpu *svm)
{
	struct svm_cpu *cpu = svm_cpu();

	if (svm->cpu == NULL) {
		return;
	}
	CHECK(svm->cpu == cpu && cpu->loaded == svm);
	svm->arch.xcr0 = xcr0_read(svm);
	svm->vmcb->cr2 = cr2_read(svm);
	/* The registers keep its values until the next guest's replace all of them. */
	guest_state_save(&svm->arch);
	cpu->loaded = NULL;
	svm->cpu = NULL;
}

/* Those that are a word of the VMCB and mean the same to guest and processor. */
static uint64_t *vmcb_word(struct vmcb *vmcb, enum guest_register name)
{
	static const uint16_t places[] = {
		[GUEST_CR3] = offsetof(struct vmcb, cr3),
		[GUEST_PAT] = offsetof(struct vmcb, pat),
		[GUEST_STAR] = offsetof(struct vmcb, star),
		[GUEST_LSTAR] = offsetof(struct vmcb, lstar),
		[GUEST_CSTAR] = offsetof(struct vmcb, cstar),
		[GUEST_FMASK] = offsetof(struct vmcb, fmask),
		[GUEST_FS_BASE] = offsetof(struct vmcb, segments[VMCB_FS].base),
		[GUEST_GS_BASE] = offsetof(struct vmcb, segments[VMCB_GS].base),
		[GUEST_KERNEL_GS_BASE] = offsetof(struct vmcb, kernel_gs_base),
		[GUEST_SYSENTER_CS] = offsetof(struct vmcb, sysenter_cs),
		[GUEST_SYSENTER_ESP] = offsetof(struct vmcb, sysenter_esp),
		[GUEST_SYSENTER_EIP] = offsetof(struct vmcb, sysenter_eip),
		[GUEST_RSP] = offsetof(struct vmcb, rsp),
		[GUEST_RIP] = offsetof(struct vmcb, rip),
		[GUEST_RFLAGS] = offsetof(struct vmcb, rflags),
	};

	if (name >= ARRAY_COUNT(places) || places[name] == 0) {
		return NULL;
	}
	return (uint64_t *)((uint8_t *)vmcb + places[name]);
}

uint64_t svm_guest_read(const struct vcpu *vcpu, enum guest_register name)
{
	const struct svm_vcpu *svm = svm_of(vcpu);
	const struct vmcb *vmcb = svm->vmcb;
	const uint64_t *word = vmcb_word(svm->vmcb, name);

	if (word) {
		return *word;
	}
	switch (name) {
	case GUEST_CR0:
		return svm->arch.cr0;
	case GUEST_CR4:
		return vmcb->cr4 & ~(uint64_t)CR4_MCE; /* which is not offered */
	case GUEST_CR8:
		return vmcb->virtual_interrupt & VIRTUAL_TPR;
	case GUEST_EFER:
		return svm->arch.efer;
	case GUEST_XCR0:
		return xcr0_read(svm);
	case GUEST_CR2:
		return cr2_read(svm);
	case GUEST_CODE_LONG:
		return (vmcb->segments[VMCB_CS].attributes & ATTRIBUTE_LONG) != 0;
	case GUEST_TASK_32:
		return (vmcb->segments[VMCB_TR].attributes & ATTRIBUTE_TYPE & ~TYPE_TSS_BUSY) ==
		       TYPE_TSS_32;
	case GUEST_CS_SELECTOR:
		return vmcb->segments[VMCB_CS].selector;
	case GUEST_SS_SELECTOR:
		return vmcb->segments[VMCB_SS].selector;
	case GUEST_CODE_BIG:
		return (vmcb->segments[VMCB_CS].attributes & ATTRIBUTE_DEFAULT_BIG) != 0;
	case GUEST_ES_BASE:
		return vmcb->segments[VMCB_ES].base;
	case GUEST_CS_BASE:
		return vmcb->segments[VMCB_CS].base;
	case GUEST_SS_BASE:
		return vmcb->segments[VMCB_SS].base;
	case GUEST_DS_BASE:
		return vmcb->segments[VMCB_DS].base;
	case GUEST_NMI_BLOCKED:
		return svm_nmi_is_blocked(svm);
	case GUEST_FAULT_OPERAND:
		return (vmcb->exit_info_1 & (FAULT_FETCH | FAULT_WALK)) == 0;
	case GUEST_DR7:
		return *svm_dr7(svm_of(vcpu));
	case GUEST_FAULT_WRITE:
		return (vmcb->exit_info_1 & FAULT_WRITE) != 0;
	default:
		panic("guest register %u does not exist", (unsigned)name);
	}
}

static void cr0_write(struct svm_vcpu *svm, uint64_t value)
{
	struct vmcb *vmcb = svm->vmcb;

	svm->arch.cr0 = value;
	vmcb->cr0 = value & ~SVM_CR0_HIDDEN;
	svm_flush(svm);
}

void svm_guest_write(struct vcpu *vcpu, enum guest_register name, uint64_t value)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	struct vmcb *vmcb = svm->vmcb;
	uint64_t *word = vmcb_word(vmcb, name);

	if (word && name <= GUEST_RFLAGS) {
		*word = value;
		if (name == GUEST_CR3) {
			svm_flush(svm);
		}
		return;
	}
	switch (name) {
	case GUEST_CR0:
		cr0_write(svm, value);
		return;
	case GUEST_CR4:
		/* Without MCE a machine check in the guest would shut the whole machine down. */
		vmcb->cr4 = value | (read_cr4() & CR4_MCE);
		svm_flush(svm);
		return;
	case GUEST_CR8:
		vmcb->virtual_interrupt =
			(vmcb->virtual_interrupt & ~VIRTUAL_TPR) | (uint32_t)value;
		return;
	case GUEST_EFER:
		svm->arch.efer = value;
		vmcb->efer = value | EFER_SVME; /* which VMRUN insists on */
		svm_flush(svm);
		return;
	case GUEST_RIP:
		svm_complete(svm, value);
		return;
	case GUEST_TRAP:
		svm_trap(svm, value);
		return;
	case GUEST_XCR0:
		svm->arch.xcr0 = value;
		if (svm_cpu()->loaded == svm) {
			write_xcr0(value);
		}
		return;
	default:
		panic("guest register %u cannot be written", (unsigned)name);
	}
}

const struct guest_access svm_guest_access = {
	.read = svm_guest_read,
	.write = svm_guest_write,
};
