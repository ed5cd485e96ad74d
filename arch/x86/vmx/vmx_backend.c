/* SPDX-License-Identifier: BSD-2-Clause */
/* The VT-x backend as kernel/backend.h wants it, and the life of a vCPU. */
#include "kernel/backend.h"

#include "arch/x86/vmx/vmx_caps.h"
#include "arch/x86/vmx/vmx_instructions.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "base/check.h"
#include "kernel/vm.h"
#include "mm/alloc.h"
#include "mm/phys.h"

static struct frame_tag vcpu_tag(const struct vcpu *vcpu)
{
	return (struct frame_tag){FRAME_HYPERVISOR, ORDER_4K, vcpu->vm->id};
}

static enum status vcpu_create(struct vcpu *vcpu, struct s2 *s2, uint32_t entry,
			       uint32_t start_info)
{
	struct frame_tag tag = vcpu_tag(vcpu);
	struct vmx_vcpu *vmx;
	pfn_t self, vmcs;
	enum status status;

	status = frame_alloc(ORDER_4K, tag, &self);
	if (status != STATUS_OK) {
		return status;
	}
	status = frame_alloc(ORDER_4K, tag, &vmcs);
	if (status != STATUS_OK) {
		frame_free(self, tag);
		return status;
	}
	*(uint32_t *)pfn_to_virt(vmcs) = vmx_caps.revision;
	vmx = pfn_to_virt(self);
	vmx->arch.access = &vmx_guest_access;
	vmx->vcpu = vcpu;
	vmx->s2 = s2;
	vmx->self = self;
	vmx->vmcs = vmcs;
	vmx->cpu = VMX_CPU_NONE;
	vmx->vpid = vmx_caps.vpid ? vcpu->vm->id : 0;
	vmx_state_init(vmx);
	vcpu->arch = &vmx->arch;
	for (unsigned i = 0; i < GPR_COUNT; i++) {
		vcpu->regs[i] = 0;
	}
	vcpu->regs[GPR_RBX] = start_info;

	/* A VMCS has to be cleared once before its first use (SDM vol. 3, 25.11.3). */
	CHECK(vmx_vmclear(pfn_to_hpa(vmcs)));
	vmx_make_current(vmx);
	vmx_setup_controls(vmx);
	vmx_setup_guest(vmx, entry);
	return STATUS_OK;
}

static void vcpu_destroy(struct vcpu *vcpu)
{
	struct frame_tag tag = vcpu_tag(vcpu);
	struct vmx_vcpu *vmx = vmx_of(vcpu);
	pfn_t self = vmx->self;
	pfn_t vmcs = vmx->vmcs;

	vmx_release(vmx);
	vmx_invalidate_vpid(vmx->vpid);
	vcpu->arch = NULL;
	frame_free(vmcs, tag);
	frame_free(self, tag);
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
