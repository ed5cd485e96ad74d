/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VT-x on and off on one CPU (SDM vol. 3, 24.7 and 31.5), its capability registers, and which VMCS
 * is the current one here. Each CPU touches only its own struct vmx_cpu. What the machine can do is
 * settled by the boot CPU before any other runs, and constant then.
 */
#include "arch/x86/cpu/cpu.h"
#include "arch/x86/cpu/cpuid.h"
#include "arch/x86/cpu/msr.h"
#include "arch/x86/cpu/registers.h"
#include "arch/x86/guest/guest_cpuid.h"
#include "arch/x86/vmx/vmx_caps.h"
#include "arch/x86/vmx/vmx_fields.h"
#include "arch/x86/vmx/vmx_instructions.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "base/bits.h"
#include "base/check.h"
#include "arch/arch.h"
#include "mm/alloc.h"
#include "mm/phys.h"

/* SDM vol. 3, appendix A */
#define MSR_VMX_BASIC 0x480
#define MSR_VMX_PIN 0x481
#define MSR_VMX_PRIMARY 0x482
#define MSR_VMX_EXIT 0x483
#define MSR_VMX_ENTRY 0x484
#define MSR_VMX_MISC 0x485
#define MSR_VMX_CR0_FIXED0 0x486
#define MSR_VMX_CR0_FIXED1 0x487
#define MSR_VMX_CR4_FIXED0 0x488
#define MSR_VMX_CR4_FIXED1 0x489
#define MSR_VMX_SECONDARY 0x48b
#define MSR_VMX_EPT_VPID 0x48c
#define MSR_VMX_TRUE_DISTANCE 0xc /* from MSR_VMX_PIN.. to the TRUE_ four */

#define BASIC_HAS_TRUE BIT(55)
#define CPUID_1_ECX_VMX BIT(5)

static struct vmx_cpu vmx_cpus[CPUS_MAX];

static const struct frame_tag region_tag = {FRAME_HYPERVISOR, ORDER_4K, VM_ID_HOST};

struct vmx_cpu *vmx_cpu(void)
{
	return &vmx_cpus[arch_cpu_index()];
}

void vmx_msrs_read(struct vmx_msrs *msrs)
{
	uint32_t distance;
	uint64_t secondary_may;

	*msrs = (struct vmx_msrs){0};
	msrs->cpuid_vmx = (cpuid_read(1, 0).ecx & CPUID_1_ECX_VMX) != 0;
	if (!msrs->cpuid_vmx) {
		return;
	}
	msrs->feature_control = msr_read(MSR_IA32_FEATURE_CONTROL);
	msrs->basic = msr_read(MSR_VMX_BASIC);
	distance = msrs->basic & BASIC_HAS_TRUE ? MSR_VMX_TRUE_DISTANCE : 0;
	msrs->pin = msr_read(MSR_VMX_PIN + distance);
	msrs->primary = msr_read(MSR_VMX_PRIMARY + distance);
	msrs->exit = msr_read(MSR_VMX_EXIT + distance);
	msrs->entry = msr_read(MSR_VMX_ENTRY + distance);
	msrs->misc = msr_read(MSR_VMX_MISC);
	msrs->cr0_fixed0 = msr_read(MSR_VMX_CR0_FIXED0);
	msrs->cr0_fixed1 = msr_read(MSR_VMX_CR0_FIXED1);
	msrs->cr4_fixed0 = msr_read(MSR_VMX_CR4_FIXED0);
	msrs->cr4_fixed1 = msr_read(MSR_VMX_CR4_FIXED1);
	if (msrs->primary >> 32 & PRIMARY_SECONDARY) {
		msrs->secondary = msr_read(MSR_VMX_SECONDARY);
	}
	secondary_may = msrs->secondary >> 32;
	if (secondary_may & (SECONDARY_EPT | SECONDARY_VPID)) {
		msrs->ept_vpid = msr_read(MSR_VMX_EPT_VPID);
	}
}

enum status vmx_probe(struct error *error)
{
	struct vmx_msrs msrs;
	struct vmx_caps caps;

	vmx_msrs_read(&msrs);
	return vmx_caps_compute(&msrs, &caps, error);
}

/* Bits that VMX operation wants fixed: SDM vol. 3, 24.8. */
static void fix_control_registers(const struct vmx_caps *caps)
{
	write_cr0((read_cr0() | caps->cr0_fixed0) & caps->cr0_fixed1);
	write_cr4((read_cr4() | CR4_VMXE | caps->cr4_fixed0) & caps->cr4_fixed1);
}

static void region_init(pfn_t region, uint32_t revision)
{
	*(uint32_t *)pfn_to_virt(region) = revision;
}

/* The first CPU decides what the machine can do, and every other has to be like it. */
static enum status caps_settle(struct error *error)
{
	static bool settled;
	struct vmx_msrs msrs;
	struct vmx_caps caps;
	enum status status;

	vmx_msrs_read(&msrs);
	status = vmx_caps_compute(&msrs, &caps, error);
	if (status != STATUS_OK) {
		return status;
	}
	if (settled && !vmx_caps_alike(&caps, &vmx_caps)) {
		return error_set(error, STATUS_UNSUPPORTED,
				 "the processors of this machine differ in what their VT-x can do");
	}
	if (!settled) {
		settled = true;
		vmx_caps = caps;
		vmx_ept_init();
		guest_features_init(xstate_mask(), xstate_compacts());
		guest_cpuid_prepare();
		guest_features.cr4 &= caps.cr4_fixed1;
	}
	if (!(msrs.feature_control & FEATURE_CONTROL_LOCKED)) {
		/* Firmware left the choice to us; VMXON wants it made for good. */
		msr_write(MSR_IA32_FEATURE_CONTROL, msrs.feature_control | FEATURE_CONTROL_LOCKED |
							    FEATURE_CONTROL_VMX_OUTSIDE_SMX);
	}
	return STATUS_OK;
}

enum status vmx_cpu_start(struct error *error)
{
	struct vmx_cpu *cpu = vmx_cpu();
	enum status status = caps_settle(error);

	if (status != STATUS_OK) {
		return status;
	}
	status = frame_alloc(ORDER_4K, region_tag, &cpu->region);
	if (status != STATUS_OK) {
		return error_set(error, status,
				 "there is no memory for VT-x on this processor (one page)");
	}
	region_init(cpu->region, vmx_caps.revision);
	fix_control_registers(&vmx_caps);
	if (!vmx_vmxon(pfn_to_hpa(cpu->region))) {
		frame_free(cpu->region, region_tag);
		return error_set(error, STATUS_UNSUPPORTED,
				 "the processor refused to turn VT-x on (VMXON failed)");
	}
	cpu_current()->in_vmx_operation = true;
	return STATUS_OK;
}

/* The first time, and whenever it has been elsewhere in between. */
static void arrive(struct vmx_vcpu *vmx)
{
	vmx_setup_host();
	vmx->host_cpu = vmx->cpu;
	/* What this CPU may have cached for the VPID is from another time. */
	vmx->invalidate_vpid = true;
}

void vmx_load(struct vmx_vcpu *vmx)
{
	struct vmx_cpu *cpu = vmx_cpu();
	hpa_t vmcs = pfn_to_hpa(vmx->arch.control);

	if (cpu->current == vmx) {
		return;
	}
	CHECK(cpu->current == NULL && vmx->cpu == CPU_NONE);
	if (!vmx->filled) {
		/* It has to be cleared once before its first use (SDM vol. 3, 25.11.3). */
		CHECK(vmx_vmclear(vmcs));
	}
	CHECK(vmx_vmptrld(vmcs));
	cpu->current = vmx;
	vmx->cpu = arch_cpu_index();
	if (vmx->host_cpu != vmx->cpu) {
		arrive(vmx);
	}
	if (!vmx->filled) {
		vmx_setup_controls(vmx);
		vmx_setup_guest(vmx);
		vmx->filled = true;
	} else if (vmx->restarted) {
		vmx_setup_guest(vmx);
	}
	vmx->restarted = false;
	vmx_state_load(vmx);
}

void vmx_reset(struct vmx_vcpu *vmx)
{
	CHECK(vmx->cpu == CPU_NONE);
	guest_vcpu_reset(vmx->arch.vcpu);
	vmx->cr2 = 0;
	vmx->cr8 = 0;
	vmx->restarted = true;
}

void vmx_evict(struct vmx_vcpu *vmx)
{
	struct vmx_cpu *cpu = vmx_cpu();

	if (vmx->cpu == CPU_NONE) {
		return;
	}
	CHECK(cpu->current == vmx && vmx->cpu == arch_cpu_index());
	/* The registers keep its values until the next guest's replace all of them. */
	vmx_state_save(vmx);
	CHECK(vmx_vmclear(pfn_to_hpa(vmx->arch.control)));
	cpu->current = NULL;
	vmx->cpu = CPU_NONE;
	vmx->launched = false;
}
