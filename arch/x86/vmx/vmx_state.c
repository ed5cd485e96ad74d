/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's registers that are not general ones: where each lives, and the switch of those that
 * stay in the processor from exit to entry because the hypervisor never uses them. They are
 * exchanged only when another vCPU runs on this CPU, always all of them, so nothing of one guest is
 * ever visible to another. All of this is for the CPU on which the VMCS is current.
 */
#include "arch/x86/cpu/msr.h"
#include "arch/x86/guest/guest_fault.h"
#include "arch/x86/guest/guest_state.h"
#include "arch/x86/vmx/vmx_caps.h"
#include "arch/x86/vmx/vmx_fields.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "base/bits.h"
#include "base/check.h"

#define RIGHTS_LONG 0x2000 /* CS.L */
#define RIGHTS_BIG 0x4000  /* CS.D */
#define RIGHTS_TYPE 0x000f
#define TYPE_TSS_BUSY_32 11
#define BLOCKING_BY_NMI 0x8u /* of the interruptibility state */

/* Bits that a guest changes without an exit. The others are ours: it reads them from the shadow. */
#define CR0_GUEST_OWNED ((uint64_t)(CR0_MP | CR0_EM | CR0_TS | CR0_WP | CR0_AM))

/* All that is offered, except what decides on the paging mode. */
static uint64_t cr4_guest_owned(void)
{
	return guest_features.cr4 & ~(uint64_t)CR4_PAE;
}

void vmx_state_save(struct vmx_vcpu *vmx)
{
	guest_state_save(&vmx->arch);
	vmx->kernel_gs_base = msr_read(MSR_KERNEL_GS_BASE);
	vmx->cr2 = read_cr2();
}

void vmx_state_load(const struct vmx_vcpu *vmx)
{
	guest_state_load(&vmx->arch);
	msr_write(MSR_STAR, vmx->star);
	msr_write(MSR_LSTAR, vmx->lstar);
	msr_write(MSR_CSTAR, vmx->cstar);
	msr_write(MSR_FMASK, vmx->fmask);
	msr_write(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base);
	write_cr2(vmx->cr2);
}

/*
 * Registers that are one field of the VMCS, or one word of struct vmx_vcpu, and mean the same to
 * guest and processor. Written words go to the MSR, too, where there is one: such a register stays
 * in the processor, and is saved here because a guest cannot change it alone.
 */
static const struct place {
	uint16_t field;
	uint16_t word;
	uint32_t msr;
} places[GUEST_DR7 + 1] = {
	[GUEST_CR3] = {.field = VMCS_guest_cr3},
	[GUEST_CR8] = {.word = offsetof(struct vmx_vcpu, cr8)},
	[GUEST_EFER] = {.word = offsetof(struct vmx_vcpu, arch.efer)},
	[GUEST_XCR0] = {.word = offsetof(struct vmx_vcpu, arch.xcr0)},
	[GUEST_PAT] = {.field = VMCS_guest_pat},
	[GUEST_STAR] = {.word = offsetof(struct vmx_vcpu, star), .msr = MSR_STAR},
	[GUEST_LSTAR] = {.word = offsetof(struct vmx_vcpu, lstar), .msr = MSR_LSTAR},
	[GUEST_CSTAR] = {.word = offsetof(struct vmx_vcpu, cstar), .msr = MSR_CSTAR},
	[GUEST_FMASK] = {.word = offsetof(struct vmx_vcpu, fmask), .msr = MSR_FMASK},
	[GUEST_FS_BASE] = {.field = VMCS_guest_fs_base},
	[GUEST_GS_BASE] = {.field = VMCS_guest_gs_base},
	[GUEST_SYSENTER_CS] = {.field = VMCS_guest_sysenter_cs},
	[GUEST_SYSENTER_ESP] = {.field = VMCS_guest_sysenter_esp},
	[GUEST_SYSENTER_EIP] = {.field = VMCS_guest_sysenter_eip},
	[GUEST_RSP] = {.field = VMCS_guest_rsp},
	[GUEST_RIP] = {.field = VMCS_guest_rip},
	[GUEST_RFLAGS] = {.field = VMCS_guest_rflags},
	[GUEST_CS_SELECTOR] = {.field = VMCS_guest_cs_selector},
	[GUEST_SS_SELECTOR] = {.field = VMCS_guest_ss_selector},
	[GUEST_ES_BASE] = {.field = VMCS_guest_es_base},
	[GUEST_CS_BASE] = {.field = VMCS_guest_cs_base},
	[GUEST_SS_BASE] = {.field = VMCS_guest_ss_base},
	[GUEST_DS_BASE] = {.field = VMCS_guest_ds_base},
	[GUEST_DR7] = {.field = VMCS_guest_dr7},
};

/* Exit qualification of an EPT violation (SDM vol. 3, table 28-7) */
#define QUALIFICATION_WRITE BIT(1)
#define QUALIFICATION_FETCH BIT(2)
#define QUALIFICATION_LINEAR BIT(7)	/* the guest accessed a linear address, and */
#define QUALIFICATION_TRANSLATED BIT(8) /* this is what that was translated to */

static bool fault_is_of_operand(uint64_t qualification)
{
	bool walk = (qualification & QUALIFICATION_LINEAR) != 0 &&
		    (qualification & QUALIFICATION_TRANSLATED) == 0;

	return !walk && (qualification & QUALIFICATION_FETCH) == 0;
}

static uint64_t *word_of(struct vmx_vcpu *vmx, const struct place *place)
{
	return (uint64_t *)((uint8_t *)vmx + place->word);
}

uint64_t vmx_cr0_read(const struct vmx_vcpu *vmx)
{
	return (vmcs_read_guest_cr0() & CR0_GUEST_OWNED) | (vmx->arch.cr0 & ~CR0_GUEST_OWNED);
}

uint64_t vmx_guest_read(const struct vcpu *vcpu, enum guest_register name)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	if (name < ARRAY_COUNT(places) && places[name].field) {
		return vmcs_read(places[name].field);
	}
	/* The frequent ones first. */
	if (name == GUEST_CR4) {
		return (vmcs_read_guest_cr4() & cr4_guest_owned()) |
		       (vmcs_read_cr4_shadow() & ~cr4_guest_owned());
	}
	if (name == GUEST_CR0) {
		return vmx_cr0_read(vmx);
	}
	if (name < ARRAY_COUNT(places) && places[name].word) {
		return *word_of(vmx, &places[name]);
	}
	switch (name) {
	case GUEST_KERNEL_GS_BASE:
		return msr_read(MSR_KERNEL_GS_BASE);
	case GUEST_CODE_LONG:
		return (vmcs_read_guest_cs_rights() & RIGHTS_LONG) != 0;
	case GUEST_TASK_32:
		return (vmcs_read_guest_tr_rights() & RIGHTS_TYPE) == TYPE_TSS_BUSY_32;
	case GUEST_CR2:
		return read_cr2();
	case GUEST_CODE_BIG:
		return (vmcs_read_guest_cs_rights() & RIGHTS_BIG) != 0;
	case GUEST_NMI_BLOCKED:
		return (vmcs_read_guest_interruptibility() & BLOCKING_BY_NMI) != 0;
	case GUEST_FAULT_OPERAND:
		return fault_is_of_operand(vmcs_read_exit_qualification());
	case GUEST_FAULT_WRITE:
		return (vmcs_read_exit_qualification() & QUALIFICATION_WRITE) != 0;
	default:
		panic("guest register %u does not exist", (unsigned)name);
	}
}

struct guest_fault vmx_guest_fault_read(const struct vcpu *vcpu)
{
	uint64_t qualification = vmcs_read_exit_qualification();

	return (struct guest_fault){
		.rip = vmcs_read_guest_rip(),
		.cr3 = vmcs_read_guest_cr3(),
		.is_64bit =
			vcpu->arch->efer & EFER_LMA && vmcs_read_guest_cs_rights() & RIGHTS_LONG,
		.of_operand = fault_is_of_operand(qualification),
		.is_write = (qualification & QUALIFICATION_WRITE) != 0,
	};
}

void vmx_cr0_write(struct vmx_vcpu *vmx, uint64_t value)
{
	/* PE and PG are the guest's own choice, since it is unrestricted. */
	uint64_t fixed = vmx_caps.cr0_fixed0 & ~((uint64_t)CR0_PE | CR0_PG);

	vmx->arch.cr0 = value;
	/* Caches stay on whatever the guest says: memory types come from our tables. */
	vmcs_write_guest_cr0((value & ~((uint64_t)CR0_CD | CR0_NW)) | fixed);
	vmcs_write_cr0_shadow(value);
}

static void cr0_write(struct vmx_vcpu *vmx, uint64_t value)
{
	vmx_cr0_write(vmx, value);
	vmcs_write_cr0_mask(~CR0_GUEST_OWNED);
	vmx->invalidate_vpid = true;
}

static void cr4_write(struct vmx_vcpu *vmx, uint64_t value)
{
	/* Without MCE a machine check in the guest would shut the whole machine down. */
	uint64_t host = vmcs_read_host_cr4() & CR4_MCE;

	vmcs_write_guest_cr4(value | vmx_caps.cr4_fixed0 | host);
	vmcs_write_cr4_shadow(value);
	vmcs_write_cr4_mask(~cr4_guest_owned());
	vmx->invalidate_vpid = true;
}

static void efer_write(struct vmx_vcpu *vmx, uint64_t value)
{
	uint32_t entry = vmx_caps.entry;

	if (value & EFER_LMA) {
		entry |= ENTRY_IA32E_GUEST;
	}
	vmx->arch.efer = value;
	vmcs_write_guest_efer(value);
	vmcs_write_entry_controls(entry);
	vmx->invalidate_vpid = true;
}

void vmx_guest_write(struct vcpu *vcpu, enum guest_register name, uint64_t value)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	if (name <= GUEST_RFLAGS && places[name].field) {
		vmcs_write(places[name].field, value);
		if (name == GUEST_CR3) {
			vmx->invalidate_vpid = true;
		}
		return;
	}
	switch (name) {
	case GUEST_CR0:
		cr0_write(vmx, value);
		return;
	case GUEST_CR4:
		cr4_write(vmx, value);
		return;
	case GUEST_EFER:
		efer_write(vmx, value);
		return;
	case GUEST_XCR0:
		vmx->arch.xcr0 = value;
		write_xcr0(value);
		return;
	case GUEST_RIP:
		vmx_complete(value);
		return;
	case GUEST_TRAP:
		vmx_pend_breakpoints(value);
		return;
	case GUEST_KERNEL_GS_BASE:
		vmx->kernel_gs_base = value;
		msr_write(MSR_KERNEL_GS_BASE, value);
		return;
	default:
		break;
	}
	if (name > GUEST_RFLAGS || !places[name].word) {
		panic("guest register %u cannot be written", (unsigned)name);
	}
	*word_of(vmx, &places[name]) = value;
	if (places[name].msr) {
		msr_write(places[name].msr, value);
	}
}

const struct guest_access vmx_guest_access = {
	.read = vmx_guest_read,
	.write = vmx_guest_write,
};
