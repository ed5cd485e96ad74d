/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a new VMCS is filled with: this CPU's host state, the controls, and the guest's first state
 * (SDM vol. 3, chapters 25 and 27). Everything goes to the current VMCS.
 */
#include "arch/x86/cpu/cpu.h"
#include "arch/x86/cpu/gdt.h"
#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/cpu/msr.h"
#include "arch/x86/trap/paging.h"
#include "arch/x86/cpu/registers.h"
#include "arch/x86/cpu/speculation.h"
#include "arch/x86/guest/guest_msr.h"
#include "arch/x86/vmx/vmx_caps.h"
#include "arch/x86/vmx/vmx_fields.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "base/bits.h"

void vmx_setup_host(void)
{
	struct cpu *cpu = cpu_current();

	vmcs_write_host_cr0(read_cr0());
	vmcs_write_host_cr3(read_cr3());
	vmcs_write_host_cr4(read_cr4());
	vmcs_write_host_efer(msr_read(MSR_IA32_EFER));
	vmcs_write_host_pat(msr_read(MSR_IA32_PAT));
	vmcs_write_host_cs_selector(SELECTOR_CODE);
	vmcs_write_host_ss_selector(SELECTOR_DATA);
	vmcs_write_host_ds_selector(SELECTOR_DATA);
	vmcs_write_host_es_selector(SELECTOR_DATA);
	/* Null: their bases are what counts, and GS leads to this CPU's structure. */
	vmcs_write_host_fs_selector(0);
	vmcs_write_host_gs_selector(0);
	vmcs_write_host_tr_selector(SELECTOR_TSS);
	vmcs_write_host_fs_base(0);
	vmcs_write_host_gs_base((uintptr_t)cpu);
	vmcs_write_host_tr_base((uintptr_t)&cpu->tss);
	vmcs_write_host_gdtr_base(read_gdtr().base);
	vmcs_write_host_idtr_base(read_idtr().base);
	/* The hypervisor has no user mode to come from. */
	vmcs_write_host_sysenter_cs(0);
	vmcs_write_host_sysenter_esp(0);
	vmcs_write_host_sysenter_eip(0);
	vmcs_write_host_rip((uintptr_t)(speculation_guards() ? vmx_exit_guarded : vmx_exit_entry));
}

/*
 * #DB and #AC: a guest can arrange that delivering one raises the next, without end and without an
 * instruction in between, so that no other exit ever happens. #MC is about the machine, not the
 * guest.
 */
#define EXCEPTIONS_INTERCEPTED                                                                     \
	(BIT(VECTOR_DEBUG) | BIT(17 /* alignment check */) | BIT(VECTOR_MACHINE_CHECK))

void vmx_setup_controls(struct vmx_vcpu *vmx)
{
	vmx->primary = vmx_caps.primary;
	vmcs_write_pin_controls(vmx_caps.pin);
	vmcs_write_primary_controls(vmx->primary);
	vmcs_write_secondary_controls(vmx_caps.secondary);
	vmcs_write_exit_controls(vmx_caps.exit);
	vmcs_write_entry_controls(vmx_caps.entry);
	vmcs_write_exception_bitmap(EXCEPTIONS_INTERCEPTED);
	vmcs_write_page_fault_error_mask(0); /* page faults are the guest's: bit 14 is 0 */
	vmcs_write_page_fault_error_match(0);
	vmcs_write_cr3_target_count(0);
	vmcs_write_exit_msr_store_count(0); /* MSRs are switched between guests, not at exits */
	vmcs_write_exit_msr_load_count(0);
	vmcs_write_entry_msr_load_count(0);
	vmcs_write_entry_event(0);
	vmcs_write_msr_bitmap(image_to_hpa(guest_exit_always).v);
	vmcs_write_ept_pointer(vmx_ept_pointer(vmx->arch.s2));
	if (vmx->vpid) {
		vmcs_write_vpid(vmx->vpid);
	}
	if (vmx_caps.encls_exiting) {
		vmcs_write_encls_exiting_bitmap(UINT64_MAX);
	}
	vmcs_write_vmcs_link_pointer(UINT64_MAX); /* no shadow VMCS */
}

#define SEGMENT_STEP 2 /* between encodings of ES, CS, SS, DS, FS, GS, LDTR, TR */

static void setup_segments(const struct vcpu *vcpu)
{
	for (unsigned i = 0; i < GUEST_SEGMENT_COUNT; i++) {
		struct guest_segment segment = guest_entry_segment(vcpu, i);
		unsigned step = SEGMENT_STEP * i;

		vmcs_write(VMCS_guest_es_selector + step, segment.selector);
		vmcs_write(VMCS_guest_es_base + step, segment.base);
		vmcs_write(VMCS_guest_es_limit + step, segment.limit);
		vmcs_write(VMCS_guest_es_rights + step, segment.rights);
	}
	vmcs_write_guest_gdtr_base(0);
	vmcs_write_guest_gdtr_limit(guest_entry_table_limit(vcpu));
	vmcs_write_guest_idtr_base(0);
	vmcs_write_guest_idtr_limit(guest_entry_table_limit(vcpu));
}

void vmx_setup_guest(struct vmx_vcpu *vmx)
{
	struct vcpu *vcpu = vmx->arch.vcpu;

	setup_segments(vcpu);
	guest_write(vcpu, GUEST_EFER, 0);
	guest_write(vcpu, GUEST_CR0, guest_entry_cr0(vcpu));
	guest_write(vcpu, GUEST_CR4, 0);
	vmcs_write_guest_cr3(0);
	vmcs_write_guest_rip(guest_entry_rip(vcpu));
	vmcs_write_guest_rsp(0);
	vmcs_write_guest_rflags(RFLAGS_FIXED);
	vmcs_write_guest_dr7(GUEST_ENTRY_DR7);
	vmcs_write_guest_debugctl(0);
	vmcs_write_guest_pending_debug(0);
	vmcs_write_guest_interruptibility(0);
	vmcs_write_guest_activity(0); /* active, for ever: HLT waits in the scheduler */
	if (vmx->filled) {
		return; /* the rest INIT leaves alone */
	}
	guest_write(vcpu, GUEST_PAT, GUEST_PAT_RESET);
	vmcs_write_guest_sysenter_cs(0);
	vmcs_write_guest_sysenter_esp(0);
	vmcs_write_guest_sysenter_eip(0);
}
