/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's registers that are not general ones: where each lives, and the switch of those that
 * stay in the processor from exit to entry because the hypervisor never uses them. They are
 * exchanged only when another vCPU runs on this CPU, always all of them, so nothing of one guest is
 * ever visible to another. All of this is for the CPU on which the VMCS is current.
 */
#include "arch/x86/cpu/msr.h"
#include "arch/x86/guest/state.h"
#include "arch/x86/vmx/vmx_caps.h"
#include "arch/x86/vmx/vmx_fields.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "base/check.h"

#define RIGHTS_LONG 0x2000 /* CS.L */
#define RIGHTS_TYPE 0x000f
#define TYPE_TSS_BUSY_32 11

/* Bits that a guest changes without an exit. The others are ours: it reads them from the shadow. */
#define CR0_GUEST_OWNED ((uint64_t)(CR0_MP | CR0_EM | CR0_TS | CR0_WP | CR0_AM))

/* All that is offered, except what decides on the paging mode. */
static uint64_t cr4_guest_owned(void)
{
	return guest_offer.cr4 & ~(uint64_t)CR4_PAE;
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

static uint64_t state_read(const struct vcpu *vcpu, enum guest_register name)
{
	const struct vmx_vcpu *vmx = vmx_of(vcpu);

	switch (name) {
	case GUEST_CR0:
		return (vmcs_read_guest_cr0() & CR0_GUEST_OWNED) |
		       (vmx->arch.cr0 & ~CR0_GUEST_OWNED);
	case GUEST_CR3:
		return vmcs_read_guest_cr3();
	case GUEST_CR4:
		return (vmcs_read_guest_cr4() & cr4_guest_owned()) |
		       (vmcs_read_cr4_shadow() & ~cr4_guest_owned());
	case GUEST_CR8:
		return vmx->cr8;
	case GUEST_EFER:
		return vmx->arch.efer;
	case GUEST_XCR0:
		return vmx->arch.xcr0;
	case GUEST_PAT:
		return vmcs_read_guest_pat();
	case GUEST_STAR:
		return vmx->star;
	case GUEST_LSTAR:
		return vmx->lstar;
	case GUEST_CSTAR:
		return vmx->cstar;
	case GUEST_FMASK:
		return vmx->fmask;
	case GUEST_FS_BASE:
		return vmcs_read_guest_fs_base();
	case GUEST_GS_BASE:
		return vmcs_read_guest_gs_base();
	case GUEST_KERNEL_GS_BASE:
		return msr_read(MSR_KERNEL_GS_BASE);
	case GUEST_SYSENTER_CS:
		return vmcs_read_guest_sysenter_cs();
	case GUEST_SYSENTER_ESP:
		return vmcs_read_guest_sysenter_esp();
	case GUEST_SYSENTER_EIP:
		return vmcs_read_guest_sysenter_eip();
	case GUEST_CODE_LONG:
		return (vmcs_read_guest_cs_rights() & RIGHTS_LONG) != 0;
	case GUEST_TASK_32:
		return (vmcs_read_guest_tr_rights() & RIGHTS_TYPE) == TYPE_TSS_BUSY_32;
	case GUEST_RSP:
		return vmcs_read_guest_rsp();
	case GUEST_RIP:
		return vmcs_read_guest_rip();
	case GUEST_RFLAGS:
		return vmcs_read_guest_rflags();
	case GUEST_CR2:
		return read_cr2();
	case GUEST_CS_SELECTOR:
		return vmcs_read_guest_cs_selector();
	case GUEST_SS_SELECTOR:
		return vmcs_read_guest_ss_selector();
	}
	panic("guest register %u does not exist", (unsigned)name);
}

static void cr0_write(struct vmx_vcpu *vmx, uint64_t value)
{
	/* PE and PG are the guest's own choice, since it is unrestricted. */
	uint64_t fixed = vmx_caps.cr0_fixed0 & ~((uint64_t)CR0_PE | CR0_PG);

	vmx->arch.cr0 = value;
	/* Caches stay on whatever the guest says: memory types come from our tables. */
	vmcs_write_guest_cr0((value & ~((uint64_t)CR0_CD | CR0_NW)) | fixed);
	vmcs_write_cr0_shadow(value);
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

/* Of MSRs that stay in the processor; those that a guest cannot change alone are saved only here.
 */
static void msr_write_live(uint64_t *saved, uint32_t index, uint64_t value)
{
	*saved = value;
	msr_write(index, value);
}

static void state_write(struct vcpu *vcpu, enum guest_register name, uint64_t value)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	switch (name) {
	case GUEST_CR0:
		cr0_write(vmx, value);
		return;
	case GUEST_CR3:
		vmcs_write_guest_cr3(value);
		vmx->invalidate_vpid = true;
		return;
	case GUEST_CR4:
		cr4_write(vmx, value);
		return;
	case GUEST_CR8:
		vmx->cr8 = value;
		return;
	case GUEST_EFER:
		efer_write(vmx, value);
		return;
	case GUEST_XCR0:
		vmx->arch.xcr0 = value;
		write_xcr0(value);
		return;
	case GUEST_PAT:
		vmcs_write_guest_pat(value);
		return;
	case GUEST_STAR:
		msr_write_live(&vmx->star, MSR_STAR, value);
		return;
	case GUEST_LSTAR:
		msr_write_live(&vmx->lstar, MSR_LSTAR, value);
		return;
	case GUEST_CSTAR:
		msr_write_live(&vmx->cstar, MSR_CSTAR, value);
		return;
	case GUEST_FMASK:
		msr_write_live(&vmx->fmask, MSR_FMASK, value);
		return;
	case GUEST_KERNEL_GS_BASE:
		msr_write_live(&vmx->kernel_gs_base, MSR_KERNEL_GS_BASE, value);
		return;
	case GUEST_FS_BASE:
		vmcs_write_guest_fs_base(value);
		return;
	case GUEST_GS_BASE:
		vmcs_write_guest_gs_base(value);
		return;
	case GUEST_SYSENTER_CS:
		vmcs_write_guest_sysenter_cs((uint32_t)value);
		return;
	case GUEST_SYSENTER_ESP:
		vmcs_write_guest_sysenter_esp(value);
		return;
	case GUEST_SYSENTER_EIP:
		vmcs_write_guest_sysenter_eip(value);
		return;
	case GUEST_RSP:
		vmcs_write_guest_rsp(value);
		return;
	case GUEST_RFLAGS:
		vmcs_write_guest_rflags(value);
		return;
	case GUEST_CODE_LONG:
	case GUEST_TASK_32:
	case GUEST_RIP ... GUEST_SS_SELECTOR:
		break; /* read only */
	}
	panic("guest register %u cannot be written", (unsigned)name);
}

const struct guest_access vmx_guest_access = {
	.read = state_read,
	.write = state_write,
};
