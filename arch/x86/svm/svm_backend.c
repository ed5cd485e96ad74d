/* SPDX-License-Identifier: BSD-2-Clause */
/* The AMD-V backend as include/arch/backend.h wants it, and the life of a vCPU. */
#include "arch/x86/svm/svm_vcpu.h"
#include "base/check.h"
#include "arch/backend.h"
#include "mm/phys.h"

static enum status vcpu_create(struct vcpu *vcpu, struct s2 *s2)
{
	struct svm_vcpu *svm;
	enum status status = guest_vcpu_alloc(vcpu, s2, sizeof(*svm), &svm_guest_access);

	if (status != STATUS_OK) {
		return status;
	}
	svm = svm_of(vcpu);
	svm->vmcb = pfn_to_virt(svm->arch.control);
	return STATUS_OK;
}

/* Its ASID is not given to another VM before everything has been flushed. */
static void vcpu_destroy(struct vcpu *vcpu)
{
	CHECK(svm_of(vcpu)->cpu == NULL);
	guest_vcpu_free(vcpu);
}

static void vcpu_evict(struct vcpu *vcpu)
{
	svm_evict(svm_of(vcpu));
}

static void vcpu_reset(struct vcpu *vcpu)
{
	svm_reset(svm_of(vcpu));
}

const struct backend svm_backend = {
	.name = "AMD-V",
	.hypercall = {0x0f, 0x01, 0xd9}, /* VMMCALL */
	.probe = svm_probe,
	.cpu_start = svm_cpu_start,
	.s2_format = svm_s2_format,
	.vcpu_pages = GUEST_VCPU_PAGES,
	.vcpu_create = vcpu_create,
	.vcpu_destroy = vcpu_destroy,
	.vcpu_run = svm_vcpu_run,
	.vcpu_evict = vcpu_evict,
	.vcpu_reset = vcpu_reset,
	.flush_s2 = svm_flush_s2,
	.vcpu_dump = guest_dump_registers,
};
