/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See vmx_inspect.h. Fields of a VMCS can be read only where it is the current one (SDM vol. 3,
 * 25.11.1). That of the vCPU which this CPU ran last stays active meanwhile, and becomes the
 * current one again; the other one is cleared, as it was.
 */
#include "arch/x86/vmx/vmx_inspect.h"

#include "arch/x86/vmx/vmx_instructions.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "base/check.h"

bool vmx_inspect_open(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	if (!vmx->filled) {
		return false;
	}
	CHECK(vmx->cpu == CPU_NONE);
	CHECK(vmx_vmptrld(pfn_to_hpa(vmx->arch.control)));
	return true;
}

void vmx_inspect_close(struct vcpu *vcpu)
{
	const struct vmx_vcpu *current = vmx_cpu()->current;

	CHECK(vmx_vmclear(pfn_to_hpa(vmx_of(vcpu)->arch.control)));
	if (current != NULL) {
		CHECK(vmx_vmptrld(pfn_to_hpa(current->arch.control)));
	}
}
