/* SPDX-License-Identifier: BSD-2-Clause */
/* The VT-x backend as kernel/backend.h wants it, and the life of a vCPU. */
#include "kernel/backend.h"

#include "arch/x86/vmx/vmx_caps.h"
#include "arch/x86/vmx/vmx_instructions.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "base/check.h"
#include "kernel/vm.h"
#include "mm/phys.h"

static enum status vcpu_create(struct vcpu *vcpu, struct s2 *s2, uint32_t entry,
			       uint32_t start_info)
{
	struct vmx_vcpu *vmx;
	enum status status =
		guest_vcpu_alloc(vcpu, s2, sizeof(*vmx), &vmx_guest_access, start_info);

	if (status != STATUS_OK) {
		return status;
	}
	vmx = vmx_of(vcpu);
	*(uint32_t *)pfn_to_virt(vmx->arch.control) = vmx_caps.revision;
	vmx->cpu = VMX_CPU_NONE;
	vmx->vpid = vmx_caps.vpid ? vcpu->vm->id : 0;

	/* A VMCS has to be cleared once before its first use (SDM vol. 3, 25.11.3). */
	CHECK(vmx_vmclear(pfn_to_hpa(vmx->arch.control)));
	vmx_make_current(vmx);
	vmx_setup_controls(vmx);
	vmx_setup_guest(vmx, entry);
	return STATUS_OK;
}

static void vcpu_destroy(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	vmx_release(vmx);
	vmx_invalidate_vpid(vmx->vpid);
	guest_vcpu_free(vcpu);
}

static bool vcpu_is_kernel(const struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	CHECK(vmx_cpu()->current == vmx);
	return vmx_is_kernel(vmx);
}

const struct backend vmx_backend = {
	.name = "VT-x",
	.probe = vmx_probe,
	.cpu_start = vmx_cpu_start,
	.cpu_stop = vmx_cpu_stop,
	.s2_format = vmx_s2_format,
	.vcpu_create = vcpu_create,
	.vcpu_destroy = vcpu_destroy,
	.vcpu_run = vmx_vcpu_run,
	.flush_s2 = vmx_flush_s2,
	.vcpu_dump = vmx_vcpu_dump,
	.vcpu_is_kernel = vcpu_is_kernel,
};
