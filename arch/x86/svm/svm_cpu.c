/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AMD-V on and off on one CPU (AMD APM vol. 2, 15.4 and 15.30). Each CPU touches only its own
 * struct svm_cpu. What the machine can do is settled by the boot CPU before any other runs, and
 * constant then.
 */
#include "arch/x86/cpu/cpuid.h"
#include "arch/x86/cpu/features.h"
#include "arch/x86/cpu/msr.h"
#include "arch/x86/cpu/registers.h"
#include "arch/x86/guest/guest_cpuid.h"
#include "arch/x86/svm/svm_caps.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "base/bits.h"
#include "base/string.h"
#include "arch/arch.h"
#include "mm/alloc.h"
#include "mm/phys.h"

#define MSR_VM_CR 0xc0010114
#define MSR_VM_HSAVE_PA 0xc0010117
#define LEAF_SVM 0x8000000a
#define LEAF_HYPERVISOR 0x40000000
#define CPUID_HYPERVISOR BIT(31) /* leaf 1, ECX: an emulator or outer hypervisor */
#define NO_FRAMES "there is no memory for AMD-V on this processor (two pages)"

static struct svm_cpu svm_cpus[CPUS_MAX];

static const struct frame_tag area_tag = {FRAME_HYPERVISOR, ORDER_4K, VM_ID_HOST};

struct svm_cpu *svm_cpu(void)
{
	return &svm_cpus[arch_cpu_index()];
}

/* "TCGTCGTCGTCG" in EBX, ECX and EDX. */
static bool is_tcg(void)
{
	struct cpuid leaf;

	if (!(cpuid_read(1, 0).ecx & CPUID_HYPERVISOR)) {
		return false;
	}
	leaf = cpuid_read(LEAF_HYPERVISOR, 0);
	return leaf.ebx == 0x54474354 && leaf.ecx == 0x43544743 && leaf.edx == 0x47435447;
}

void svm_facts_read(struct svm_facts *facts)
{
	struct cpuid leaf;

	*facts = (struct svm_facts){.cpuid_svm = cpu_features.svm};
	if (!facts->cpuid_svm || cpu_features.extended_leaf_max < LEAF_SVM) {
		return;
	}
	leaf = cpuid_read(LEAF_SVM, 0);
	facts->asid_count = leaf.ebx;
	facts->features = leaf.edx;
	facts->gib_pages = cpu_features.gib_pages;
	facts->tcg = is_tcg();
	/* A virtual machine may lack the register: then nothing is switched off. */
	(void)msr_read_safe(MSR_VM_CR, &facts->vm_cr);
}

static enum status caps_read(struct svm_caps *caps, struct error *error)
{
	struct svm_facts facts;

	svm_facts_read(&facts);
	return svm_caps_compute(&facts, caps, error);
}

enum status svm_probe(struct error *error)
{
	struct svm_caps caps;

	return caps_read(&caps, error);
}

/*
 * The first CPU decides what the machine can do, and every other has to be like it. *unlock:
 * firmware has switched AMD-V off on this one, without locking that.
 */
static enum status caps_settle(bool *unlock, struct error *error)
{
	static bool settled;
	struct svm_caps caps;
	enum status status = caps_read(&caps, error);

	if (status != STATUS_OK) {
		return status;
	}
	*unlock = caps.unlock;
	if (settled && !svm_caps_alike(&caps, &svm_caps)) {
		return error_set(
			error, STATUS_UNSUPPORTED,
			"the processors of this machine differ in what their AMD-V can do");
	}
	if (!settled) {
		settled = true;
		svm_caps = caps;
		svm_npt_init();
		guest_features_init(xstate_mask(), xstate_compacts());
		/* XSETBV is to exit (15.9), but not all emulators know that: see svm_exit.c. */
		xstate_reach_hardware();
		guest_features.vmmcall = true;
		guest_cpuid_prepare();
	}
	return STATUS_OK;
}

/* Once, on the boot CPU, where AMD-V is on; its processor area is not in use yet by a guest. */
static enum status trial(struct error *error)
{
	static bool tried;
	enum status status;
	pfn_t frame;

	if (tried) {
		return STATUS_OK;
	}
	status = frame_alloc(ORDER_4K, area_tag, &frame);
	if (status != STATUS_OK) {
		return error_set(error, status, NO_FRAMES);
	}
	tried = true;
	if (!svm_trial(frame, &svm_caps)) {
		status = error_set(
			error, STATUS_UNSUPPORTED,
			"this AMD-V neither exchanges CR2 with the guest nor leaves it alone");
	}
	memset(pfn_to_virt(frame), 0, PAGE_BYTES);
	frame_free(frame, area_tag);
	return status;
}

static enum status areas_alloc(struct svm_cpu *cpu)
{
	enum status status = frame_alloc(ORDER_4K, area_tag, &cpu->processor_area);

	if (status != STATUS_OK) {
		return status;
	}
	status = frame_alloc(ORDER_4K, area_tag, &cpu->host_area);
	if (status != STATUS_OK) {
		frame_free(cpu->processor_area, area_tag);
	}
	return status;
}

enum status svm_cpu_start(struct error *error)
{
	struct svm_cpu *cpu = svm_cpu();
	bool unlock;
	enum status status = caps_settle(&unlock, error);

	if (status != STATUS_OK) {
		return status;
	}
	status = areas_alloc(cpu);
	if (status != STATUS_OK) {
		return error_set(error, status, NO_FRAMES);
	}
	if (unlock) {
		/* The choice is ours. */
		msr_write(MSR_VM_CR, msr_read(MSR_VM_CR) & ~(uint64_t)VM_CR_SVMDIS);
	}
	msr_write(MSR_IA32_EFER, msr_read(MSR_IA32_EFER) | EFER_SVME);
	msr_write(MSR_VM_HSAVE_PA, pfn_to_hpa(cpu->processor_area).v);
	/* Never changes again: the hypervisor has no user mode and one task. */
	__asm__ volatile("vmsave %0" : : "a"(pfn_to_hpa(cpu->host_area).v) : "memory");
	status = trial(error);
	if (status != STATUS_OK) {
		return status;
	}
	cpu->index = arch_cpu_index();
	svm_asids_init(&cpu->asids, svm_caps.asid_count);
	return STATUS_OK;
}
