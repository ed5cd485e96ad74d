/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NMIs of a guest's local APIC (Intel SDM vol. 3, 25.3 and 27.3.1.5). The processor tracks itself
 * whether the guest may get one ("virtual NMIs"), and exits when it may.
 */
#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/vmx/vmx_caps.h"
#include "arch/x86/vmx/vmx_fields.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "kernel/vm/platform.h"

/* Interruptibility state (SDM vol. 3, table 25-3) */
#define BLOCKING_BY_STI_OR_MOV_SS 0x3u
#define BLOCKING_BY_NMI 0x8u

void vmx_nmi_prepare(struct vmx_vcpu *vmx, bool pending)
{
	/* That of STI too, which some processors insist on. */
	uint32_t closed = BLOCKING_BY_STI_OR_MOV_SS | BLOCKING_BY_NMI;

	if (pending && !vmx->arch.event.info && !vmcs_read_guest_pending_debug() &&
	    !(vmcs_read_guest_interruptibility() & closed)) {
		pending = false;
		if (platform_nmi_take(vmx->arch.vcpu)) {
			vmx->arch.event.info = EVENT_VALID | EVENT_TYPE_NMI | VECTOR_NMI;
		}
	}
	vmx_window_set(vmx, PRIMARY_NMI_WINDOW, pending);
}

void vmx_nmi_unblock(void)
{
	vmcs_write_guest_interruptibility(vmcs_read_guest_interruptibility() & ~BLOCKING_BY_NMI);
}
