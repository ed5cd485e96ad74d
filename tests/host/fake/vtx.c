/* SPDX-License-Identifier: BSD-2-Clause */
/* See vtx.h. */
#include "fake/vtx.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/backend.h"
#include "arch/x86/cpu/cpu.h"
#include "arch/x86/cpu/features.h"
#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/cpu/msr.h"
#include "arch/x86/cpu/speculation.h"
#include "arch/x86/cpu/tsc.h"
#include "arch/x86/guest/guest_cpuid.h"
#include "arch/x86/vmx/vmx_reasons.h"
#include "fake/processor.h"
#include "kernel/vm/tlb.h"

#define ARCH_SET_GS 0x1001
#define CR0_AT_START (CR0_PE | CR0_MP | CR0_ET | CR0_WP | CR0_PG)
#define CR4_AT_START (CR4_PAE | CR4_MCE | CR4_PGE | CR4_OSFXSR)
#define CPUID_1_ECX_VMX (1u << 5)

struct cpu cpus[CPUS_MAX];
struct cpu_features cpu_features;
struct guest_features guest_features;
struct tlb_cpu tlb_cpus[CPUS_MAX];
uint32_t speculation_actions;
char vmx_exit_entry[1], vmx_exit_guarded[1];
char data_start[1], data_end[1], bss_start[1], bss_end[1];

struct vm vtx_vm;
struct vcpu *const vtx_vcpu = &vtx_vm.vcpus[0];
uint64_t vtx_tsc;
enum exit_action vtx_action;
void (*vtx_on_exit)(struct vcpu *vcpu);
struct vm_exit vtx_exit;
unsigned vtx_exits;
bool vtx_privileged;
enum guest_cpuid_outcome vtx_cpuid_quick;
unsigned vtx_quick_exits;
unsigned vtx_guarded_entries, vtx_traced_entries, vtx_l1d_flushes;
unsigned vtx_catch_ups, vtx_interrupts;
uint8_t vtx_interrupt;

extern const struct backend vmx_backend;

uint64_t fake_tsc(void)
{
	return vtx_tsc;
}

uint64_t arch_tsc(void)
{
	return vtx_tsc;
}

unsigned arch_cpu_index(void)
{
	return fake_vmx_cpu;
}

void speculation_barrier(void)
{
	fail_msg("a barrier that no measure asks for");
}

void speculation_flush_l1d(void)
{
	vtx_l1d_flushes++;
}

void tlb_catch_up(struct s2 *s2, unsigned number, uint64_t epoch)
{
	s2->tlb.seen[number] = epoch;
	vtx_catch_ups++;
}

void interrupt_handle(uint8_t vector)
{
	vtx_interrupts++;
	vtx_interrupt = vector;
}

_Noreturn void machine_check_report(void)
{
	panic("machine check");
}

void guest_cpuid_choose(struct vcpu *vcpu)
{
	(void)vcpu;
}

void guest_features_init(uint64_t xcr0, bool compacts)
{
	(void)compacts;
	guest_features.xcr0 = xcr0;
	guest_features.cr4 = CR4_DE | CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_UMIP | CR4_CET;
}

/* ---- Exits ---- */

static enum exit_action answer(struct vcpu *vcpu)
{
	/* Nothing of the guest's tables is trusted while the hypervisor works. */
	assert_ptr_equal(tlb_cpus[fake_vmx_cpu].guest, NULL);
	vtx_exits++;
	if (vtx_on_exit != NULL) {
		vtx_on_exit(vcpu);
	}
	return vtx_action;
}

enum exit_action vm_exit_handle(struct vcpu *vcpu, const struct vm_exit *vm_exit)
{
	vtx_exit = *vm_exit;
	return answer(vcpu);
}

/* What it shows guests is for test_x86_guest. */
void guest_cpuid_prepare(void)
{
	assert_true(guest_features.cr4 != 0);
}

static void cpuid_told(struct vcpu *vcpu)
{
	vcpu->regs[GPR_RAX] = 0x11;
	vcpu->regs[GPR_RBX] = 0x22;
	vcpu->regs[GPR_RCX] = 0x33;
	vcpu->regs[GPR_RDX] = 0x44;
}

enum exit_action guest_cpuid(struct vcpu *vcpu)
{
	if (vtx_cpuid_quick == GUEST_CPUID_UNDECIDED) {
		return answer(vcpu);
	}
	cpuid_told(vcpu);
	if (vtx_cpuid_quick == GUEST_CPUID_OSXSAVE && guest_read(vcpu, GUEST_CR4) & CR4_OSXSAVE) {
		vcpu->regs[GPR_RCX] |= GUEST_L1_ECX_OSXSAVE;
	}
	return EXIT_ADVANCE;
}

enum guest_cpuid_outcome guest_cpuid_quick(struct vcpu *vcpu)
{
	if (vtx_cpuid_quick != GUEST_CPUID_UNDECIDED) {
		cpuid_told(vcpu);
	}
	return vtx_cpuid_quick;
}

enum exit_action hypercall_handle(struct vcpu *vcpu, bool privileged)
{
	vtx_privileged = privileged;
	return answer(vcpu);
}

/* ---- Entries ---- */

static void enter(struct vcpu *vcpu, bool resume)
{
	assert_true(fake_vmx_is_current(pfn_to_hpa(vcpu->arch->control)));
	assert_ptr_equal(tlb_cpus[fake_vmx_cpu].guest, vcpu->arch->s2);
	/* The exit leads back to this CPU. */
	assert_int_equal(fake_vmx_get(VMCS_host_gs_base), (uintptr_t)&cpus[fake_vmx_cpu]);
	if (!fake_vmx_enter(resume)) {
		vmx_entry_refused(vcpu);
	}
}

void vmx_enter(struct vcpu *vcpu, bool launched)
{
	enter(vcpu, launched);
}

void vmx_enter_guarded(struct vcpu *vcpu, bool launched)
{
	vtx_guarded_entries++;
	enter(vcpu, launched);
}

/* While exits are traced they lead elsewhere. */
char vmx_exit_traced_entry[1];

void vmx_enter_traced(struct vcpu *vcpu, bool launched)
{
	vtx_traced_entries++;
	assert_int_equal(fake_vmx_get(VMCS_host_rip), (uintptr_t)vmx_exit_traced_entry);
	enter(vcpu, launched);
}

static bool go_on(bool again)
{
	if (again) {
		enter(vtx_vcpu, true);
	}
	return again;
}

bool vtx_exit_in_full(uint32_t reason, uint32_t length)
{
	fake_vmx_set(VMCS_exit_reason, reason);
	fake_vmx_set(VMCS_exit_instruction_length, length);
	return go_on(vmx_exit(vtx_vcpu));
}

/* As vmx_entry.S does. */
bool vtx_exit_with(uint32_t reason, uint32_t length)
{
	fake_vmx_set(VMCS_exit_reason, reason);
	fake_vmx_set(VMCS_exit_instruction_length, length);
	if (reason <= VMX_QUICK_REASON_LAST && VMX_QUICK_REASONS >> reason & 1 &&
	    vmx_exit_quick(vtx_vcpu, reason)) {
		vtx_quick_exits++;
		return go_on(true);
	}
	return vtx_exit_in_full(reason, length);
}

bool vtx_hypercall(void)
{
	fake_vmx_set(VMCS_exit_reason, REASON_VMCALL);
	fake_vmx_set(VMCS_exit_instruction_length, 3);
	return go_on(vmx_exit_hypercall(vtx_vcpu));
}

/* ---- The machine ---- */

static const struct {
	uint32_t index;
	uint64_t value;
} capabilities[] = {
	{MSR_IA32_FEATURE_CONTROL, 5},
	{0x480, 0x00da040000000004},
	/* The words that are there for old software: CR3 exits. */
	{0x481, 0x0000007f00000016},
	{0x482, 0xfff9fffe0401e172},
	{0x483, 0x01ffffff00036dff},
	{0x484, 0x0003ffff000011ff},
	{0x485, 0x7004c1e7},
	{0x486, 0x80000021},
	{0x487, 0xffffffff},
	{0x488, 0x2000},
	{0x489, 0x3767ff},
	{0x48b, 0x00fdffff00000000},
	{0x48c, 0x00000f0106734141},
	{0x48d, 0x0000007f00000016},
	{0x48e, 0xfff9fffe04006172},
	{0x48f, 0x01ffffff00036dfb},
	{0x490, 0x0003ffff000011fb},
};

void vtx_on_cpu(unsigned cpu)
{
	fake_vmx_cpu = cpu;
	cpus[cpu].self = &cpus[cpu];
	cpus[cpu].index = cpu;
	assert_int_equal(syscall(SYS_arch_prctl, ARCH_SET_GS, &cpus[cpu]), 0);
	write_cr0(CR0_AT_START | (fake_vmx_is_on(cpu) ? CR0_NE : 0));
	write_cr3(0x1000u * (cpu + 1));
	write_cr4(CR4_AT_START | (fake_vmx_is_on(cpu) ? CR4_VMXE : 0));
}

void vtx_start(void)
{
	world_start(16, 200, 1);
	processor_reset(XCR0_X87 | XCR0_SSE);
	processor_cpuid_set(1, 0, (struct cpuid){0, 0, CPUID_1_ECX_VMX, 0});
	for (size_t i = 0; i < sizeof(capabilities) / sizeof(capabilities[0]); i++) {
		msr_write(capabilities[i].index, capabilities[i].value);
	}
	memset(cpus, 0, sizeof(cpus));
	memset(tlb_cpus, 0, sizeof(tlb_cpus));
	cpu_features = (struct cpu_features){.physical_bits = 39};
	speculation_actions = 0;
	vtx_tsc = 1000000;
	vtx_action = EXIT_RESUME;
	vtx_on_exit = NULL;
	vtx_cpuid_quick = GUEST_CPUID_UNDECIDED;
	vtx_quick_exits = 0;
	vtx_exits = vtx_guarded_entries = vtx_traced_entries = vtx_l1d_flushes = 0;
	vtx_catch_ups = vtx_interrupts = 0;
	fake_vmx_reset();
	vtx_on_cpu(0);
}

void vtx_cpu_start(void)
{
	struct error error;

	if (vmx_cpu_start(&error) != STATUS_OK) {
		fail_msg("VT-x does not start: %s", error.text);
	}
}

void vtx_vcpus_create(void)
{
	memset(&vtx_vm, 0, sizeof(vtx_vm));
	vtx_vm.id = 3;
	vtx_vm.s2.root = (pfn_t){20};
	for (unsigned i = 0; i < VTX_VCPUS; i++) {
		struct vcpu *vcpu = &vtx_vm.vcpus[i];

		vcpu->vm = &vtx_vm;
		vcpu->index = i;
		vcpu->entry = 0x100000;
		vcpu->timer_tsc = WAKE_NEVER;
		assert_int_equal(vmx_backend.vcpu_create(vcpu, &vtx_vm.s2), STATUS_OK);
	}
}

void vtx_vcpus_destroy(void)
{
	for (unsigned i = 0; i < VTX_VCPUS; i++) {
		vmx_backend.vcpu_evict(&vtx_vm.vcpus[i]);
		vmx_backend.vcpu_destroy(&vtx_vm.vcpus[i]);
	}
}

/* ---- A vCPU that runs ---- */

struct vmx_vcpu *vtx_vmx(void)
{
	return vmx_of(vtx_vcpu);
}

void vtx_ring(void)
{
	__atomic_store_n(&vtx_vcpu->doorbell_pending, true, __ATOMIC_RELEASE);
}

void vtx_flags(uint64_t flags)
{
	fake_vmx_set(VMCS_guest_rflags, RFLAGS_FIXED | flags);
}

void vtx_blocking(uint32_t blocking)
{
	fake_vmx_set(VMCS_guest_interruptibility, blocking);
}

int vtx_setup(void **state)
{
	(void)state;
	vtx_start();
	vtx_cpu_start();
	vtx_vcpus_create();
	vtx_vcpu->doorbell_vector = VTX_DOORBELL;
	vmx_vcpu_run(vtx_vcpu, UINT64_MAX);
	fake_vmx_set(VMCS_vectoring_event, 0);
	fake_vmx_set(VMCS_exit_qualification, 0);
	fake_vmx_set(VMCS_exit_event, 0);
	fake_vmx_set(VMCS_guest_physical_address, 0x5000);
	vtx_flags(RFLAGS_IF);
	vtx_vcpu->regs[GPR_RAX] = AEROSTAT_CALL_WAIT; /* of hypercalls; the null one is quick */
	return 0;
}

int vtx_teardown(void **state)
{
	speculation_actions = 0;
	vtx_vcpus_destroy();
	return world_teardown(state);
}
