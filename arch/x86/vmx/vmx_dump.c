/* SPDX-License-Identifier: BSD-2-Clause */
/* Reports about a guest's state: after a kill, and after an entry that the processor refused. */
#include "arch/x86/cpu/features.h"
#include "arch/x86/vmx/vmx_caps.h"
#include "arch/x86/vmx/vmx_check.h"
#include "arch/x86/vmx/vmx_fields.h"
#include "arch/x86/vmx/vmx_instructions.h"
#include "arch/x86/vmx/vmx_reasons.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "base/check.h"
#include "base/log.h"
#include "kernel/vm/vm.h"

typedef unsigned long long ull;

void vmx_vcpu_dump(const struct vcpu *vcpu)
{
	if (vmx_is_here(vmx_of(vcpu))) {
		guest_dump_registers(vcpu);
		return;
	}
	/* Its VMCS is for another CPU to read, or for none: the manual keeps its layout secret.
	 */
	log_event(vm_name(vcpu->vm),
		  "registers: those of its last exit, as far as they are in memory");
	guest_dump_general_registers(vcpu);
}

#define SEGMENT_STEP 2 /* between encodings of ES, CS, ... */

static void guest_state_read(struct vmx_guest_state *state)
{
	for (unsigned i = 0; i < GUEST_SEGMENT_COUNT; i++) {
		unsigned step = SEGMENT_STEP * i;

		state->segments[i].selector = (uint16_t)vmcs_read(VMCS_guest_es_selector + step);
		state->segments[i].limit = (uint32_t)vmcs_read(VMCS_guest_es_limit + step);
		state->segments[i].rights = (uint32_t)vmcs_read(VMCS_guest_es_rights + step);
		state->segments[i].base = vmcs_read(VMCS_guest_es_base + step);
	}
	state->gdtr_base = vmcs_read_guest_gdtr_base();
	state->idtr_base = vmcs_read_guest_idtr_base();
	state->gdtr_limit = vmcs_read_guest_gdtr_limit();
	state->idtr_limit = vmcs_read_guest_idtr_limit();
	state->cr0 = vmcs_read_guest_cr0();
	state->cr3 = vmcs_read_guest_cr3();
	state->cr4 = vmcs_read_guest_cr4();
	state->dr7 = vmcs_read_guest_dr7();
	state->efer = vmcs_read_guest_efer();
	state->pat = vmcs_read_guest_pat();
	state->debugctl = vmcs_read_guest_debugctl();
	state->sysenter_esp = vmcs_read_guest_sysenter_esp();
	state->sysenter_eip = vmcs_read_guest_sysenter_eip();
	state->rip = vmcs_read_guest_rip();
	state->rsp = vmcs_read_guest_rsp();
	state->rflags = vmcs_read_guest_rflags();
	state->pending_debug = vmcs_read_guest_pending_debug();
	state->link_pointer = vmcs_read_vmcs_link_pointer();
	state->interruptibility = vmcs_read_guest_interruptibility();
	state->activity = vmcs_read_guest_activity();
	state->entry_controls = vmcs_read_entry_controls();
	state->entry_event = vmcs_read_entry_event();
	state->physical_bits = cpu_features.physical_bits;
	state->cr0_fixed0 = vmx_caps.cr0_fixed0;
	state->cr0_fixed1 = vmx_caps.cr0_fixed1;
	state->cr4_fixed0 = vmx_caps.cr4_fixed0;
	state->cr4_fixed1 = vmx_caps.cr4_fixed1;
}

/* Every guest-state field by name, several to a line. */
static void dump_fields(const char *name)
{
#define VMCS_FIELD_DUMP(field, encoding, width)                                                    \
	if (((encoding) >> 10 & 3) == 2) {                                                         \
		log_event(name, "vmcs " #field "=0x%llx", (ull)vmcs_read(VMCS_##field));           \
	}
	VMCS_FIELDS(VMCS_FIELD_DUMP)
#undef VMCS_FIELD_DUMP
}

void vmx_dump_entry_failure(const struct vmx_vcpu *vmx, uint32_t reason)
{
	const char *name = vm_name(vmx->arch.vcpu->vm);
	struct vmx_guest_state state;
	struct entry_checks violations;

	log_event(name, "entry-failed reason=%u qualification=0x%llx: %s",
		  (unsigned)(reason & REASON_BASIC), (ull)vmcs_read_exit_qualification(),
		  vmx_reason_text(reason & REASON_BASIC));
	guest_state_read(&state);
	vmx_guest_check(&state, &violations);
	entry_checks_print(name, &violations);
	log_event(name, "vmcs entry_controls=0x%x entry_event=0x%x", state.entry_controls,
		  state.entry_event);
	dump_fields(name);
}
