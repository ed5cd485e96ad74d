/* SPDX-License-Identifier: BSD-2-Clause */
/* The VT-x backend as include/arch/backend.h wants it, and the life of a vCPU. */
#include "arch/backend.h"

#include "arch/x86/vmx/vmx_caps.h"
#include "arch/x86/vmx/vmx_inspect.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "base/check.h"
#include "kernel/vm/vm.h"
#include "mm/phys.h"

/*
 * Unique for good, as numbers of VMs are: no processor can have cached anything for another vCPU
 * under it. 0 is the host's.
 */
static uint16_t vpid_of(const struct vcpu *vcpu)
{
	_Static_assert(VMS_MAX * AEROSTAT_VCPUS_MAX <= UINT16_MAX, "a VPID has 16 bits");
	unsigned before = (vcpu->vm->id - 1u) * AEROSTAT_VCPUS_MAX;

	return (uint16_t)(before + vcpu->index + 1);
}

static enum status vcpu_create(struct vcpu *vcpu, struct s2 *s2)
{
	struct vmx_vcpu *vmx;
	enum status status = guest_vcpu_alloc(vcpu, s2, sizeof(*vmx), &vmx_guest_access);

	if (status != STATUS_OK) {
		return status;
	}
	vmx = vmx_of(vcpu);
	*(uint32_t *)pfn_to_virt(vmx->arch.control) = vmx_caps.revision;
	vmx->cpu = CPU_NONE;
	vmx->host_cpu = CPU_NONE;
	vmx->vpid = vmx_caps.vpid ? vpid_of(vcpu) : 0;
	return STATUS_OK;
}

static void vcpu_destroy(struct vcpu *vcpu)
{
	/* A processor may write to the frame of a VMCS for as long as it is not cleared. */
	CHECK(vmx_of(vcpu)->cpu == CPU_NONE);
	guest_vcpu_free(vcpu);
}

static void vcpu_evict(struct vcpu *vcpu)
{
	vmx_evict(vmx_of(vcpu));
}

static void vcpu_reset(struct vcpu *vcpu)
{
	vmx_reset(vmx_of(vcpu));
}

const struct backend vmx_backend = {
	.name = "VT-x",
	.hypercall = {0x0f, 0x01, 0xc1}, /* VMCALL */
	.probe = vmx_probe,
	.cpu_start = vmx_cpu_start,
	.s2_format = vmx_s2_format,
	.vcpu_pages = GUEST_VCPU_PAGES,
	.vcpu_create = vcpu_create,
	.vcpu_destroy = vcpu_destroy,
	.vcpu_run = vmx_vcpu_run,
	.vcpu_evict = vcpu_evict,
	.vcpu_reset = vcpu_reset,
	.vcpu_open = vmx_inspect_open,
	.vcpu_close = vmx_inspect_close,
	.flush_s2 = vmx_flush_s2,
	.vcpu_dump = vmx_vcpu_dump,
};
