/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VT-x on and off on each CPU, and which VMCS is the current one where: arch/x86/vmx/vmx_cpu.c on a
 * fake processor. The first CPU that starts decides for the whole program what the machine can do,
 * so the tests of processors that are refused come first.
 */
#include "fake/vtx.h"

#include <string.h>

#include "arch/x86/cpu/cpu.h"
#include "arch/x86/cpu/msr.h"
#include "arch/x86/guest/guest_state.h"
#include "arch/x86/vmx/vmx_inspect.h"
#include "arch/x86/vmx/vmx_instructions.h"
#include "arch/x86/vmx/vmx_reasons.h"
#include "base/bits.h"
#include "fake/processor.h"
#include "mm/alloc.h"
#include "mm/phys.h"

#define FAR (1ull << 62)
#define MSR_MISC 0x485
#define SHIFT_HERE 7
#define SECRET 0x5ec7e7

static int start(void **state)
{
	(void)state;
	vtx_start();
	return 0;
}

static int start_with_vcpus(void **state)
{
	(void)state;
	vtx_start();
	vtx_cpu_start();
	vtx_vcpus_create();
	return 0;
}

/* Nothing has changed but the reason that is given. */
static void expect_refused(enum status status, const char *part)
{
	struct error error;
	uint64_t before = frame_count_free();

	assert_int_equal(vmx_cpu_start(&error), status);
	if (strstr(error.text, part) == NULL) {
		fail_msg("\"%s\" lacks \"%s\"", error.text, part);
	}
	assert_int_equal(frame_count_free(), before);
	assert_false(fake_vmx_is_on(fake_vmx_cpu));
	assert_false(cpus[fake_vmx_cpu].in_vmx_operation);
	world_check();
}

/* ---- Which processors ---- */

static void test_probe(void **state)
{
	struct error error;
	unsigned writes = processor_msr_writes(MSR_IA32_FEATURE_CONTROL);
	(void)state;

	assert_int_equal(vmx_probe(&error), STATUS_OK);
	msr_write(MSR_IA32_FEATURE_CONTROL, 0);
	assert_int_equal(vmx_probe(&error), STATUS_OK);
	/* A look only. */
	assert_int_equal(processor_msr_writes(MSR_IA32_FEATURE_CONTROL), writes + 1);
	assert_int_equal(vmx_caps.revision, 0);
	assert_false(read_cr4() & CR4_VMXE);
}

static void test_words_that_are_read(void **state)
{
	struct vmx_msrs msrs;
	(void)state;

	vmx_msrs_read(&msrs);
	assert_true(msrs.cpuid_vmx);
	/* The true words, in which CR3 is left to guests. */
	assert_int_equal(msrs.pin, msr_read(0x48d));
	assert_int_equal(msrs.primary, msr_read(0x48e));
	assert_int_equal(msrs.exit, msr_read(0x48f));
	assert_int_equal(msrs.entry, msr_read(0x490));
	assert_int_equal(msrs.misc, msr_read(MSR_MISC));
	assert_int_equal(msrs.cr0_fixed0, msr_read(0x486));
	assert_int_equal(msrs.cr0_fixed1, msr_read(0x487));
	assert_int_equal(msrs.cr4_fixed0, msr_read(0x488));
	assert_int_equal(msrs.cr4_fixed1, msr_read(0x489));
	assert_int_equal(msrs.secondary, msr_read(0x48b));
	assert_int_equal(msrs.ept_vpid, msr_read(0x48c));

	/* Processors that have none of them read the old words: reading the others raises #GP. */
	msr_write(0x480, msr_read(0x480) & ~(1ull << 55));
	vmx_msrs_read(&msrs);
	assert_int_equal(msrs.pin, msr_read(0x481));
	assert_int_equal(msrs.primary, msr_read(0x482));
	assert_int_equal(msrs.exit, msr_read(0x483));
	assert_int_equal(msrs.entry, msr_read(0x484));

	/* EPT or VPID alone: the register exists. Neither: it does not. */
	msr_write(0x48b, (uint64_t)SECONDARY_VPID << 32);
	vmx_msrs_read(&msrs);
	assert_int_equal(msrs.ept_vpid, msr_read(0x48c));
	msr_write(0x48b, (uint64_t)SECONDARY_EPT << 32);
	vmx_msrs_read(&msrs);
	assert_int_equal(msrs.ept_vpid, msr_read(0x48c));
	msr_write(0x48b, (uint64_t)SECONDARY_WBINVD_EXITING << 32);
	vmx_msrs_read(&msrs);
	assert_int_equal(msrs.ept_vpid, 0);
	msr_write(0x482, msr_read(0x482) & ~((uint64_t)PRIMARY_SECONDARY << 32));
	vmx_msrs_read(&msrs);
	assert_int_equal(msrs.secondary, 0);
}

static void test_without_vtx(void **state)
{
	struct error error;
	(void)state;

	processor_reset(3);
	processor_cpuid_set(1, 0, (struct cpuid){0, 0, 0, 0});
	assert_int_equal(vmx_probe(&error), STATUS_UNSUPPORTED);
	expect_refused(STATUS_UNSUPPORTED, "needs VT-x");
	assert_int_equal(processor_msr_writes(MSR_IA32_FEATURE_CONTROL), 0);
}

static void test_locked_off(void **state)
{
	struct error error;
	(void)state;

	msr_write(MSR_IA32_FEATURE_CONTROL, FEATURE_CONTROL_LOCKED);
	assert_int_equal(vmx_probe(&error), STATUS_UNSUPPORTED);
	expect_refused(STATUS_UNSUPPORTED, "firmware setup");
	assert_int_equal(msr_read(MSR_IA32_FEATURE_CONTROL), FEATURE_CONTROL_LOCKED);
	assert_false(read_cr4() & CR4_VMXE);
}

/* It is refused before the machine is taken to be like it: test_start needs that. */
static void test_first_processor_lacks_something(void **state)
{
	(void)state;
	msr_write(0x48c, 0);
	expect_refused(STATUS_UNSUPPORTED, "VT-x lacks");
	assert_int_equal(vmx_caps.revision, 0);
}

static void test_start(void **state)
{
	(void)state;
	/* What VMX operation does not allow goes, what it wants comes. */
	write_cr4(read_cr4() | CR4_UMIP);
	vtx_cpu_start();
	assert_true(fake_vmx_is_on(0));
	assert_true(cpus[0].in_vmx_operation);
	assert_int_equal(vmx_caps.revision, 4);
	assert_int_equal(vmx_caps.timer_shift, SHIFT_HERE);
	assert_int_equal(read_cr0() & CR0_NE, CR0_NE);
	assert_int_equal(read_cr4() & (CR4_VMXE | CR4_UMIP), CR4_VMXE);
	assert_int_equal(*(uint32_t *)pfn_to_virt(vmx_cpu()->region), 4);
	/* Guests are offered no bit of CR4 that VM entry would refuse. */
	assert_int_equal(guest_features.cr4 & CR4_CET, 0);
	assert_int_equal(guest_features.cr4 & CR4_PGE, CR4_PGE);
	/* Locked on already: nothing to write, which would fault. */
	assert_int_equal(processor_msr_writes(MSR_IA32_FEATURE_CONTROL), 1);
	world_check();
}

static void test_no_memory(void **state)
{
	(void)state;
	frame_alloc_fail_at = 1;
	expect_refused(STATUS_NO_MEMORY, "no memory for VT-x");
	assert_int_equal(frame_alloc_fail_at, 0);
	assert_false(read_cr4() & CR4_VMXE);
	vtx_cpu_start();
}

static void test_vmxon_fails(void **state)
{
	(void)state;
	fake_vmx_refuses_vmxon = true;
	expect_refused(STATUS_UNSUPPORTED, "VMXON failed");
	fake_vmx_refuses_vmxon = false;
	vtx_cpu_start();
}

/* Bits of others in it stay: they cannot be set any more once it is locked. */
static void test_left_unlocked(void **state)
{
	(void)state;
	msr_write(MSR_IA32_FEATURE_CONTROL, 0x120000);
	vtx_cpu_start();
	assert_int_equal(msr_read(MSR_IA32_FEATURE_CONTROL), 0x120005);
}

static void test_another_processor(void **state)
{
	uint64_t second;
	(void)state;

	vtx_cpu_start();
	vtx_on_cpu(1);
	/* Not asked for by anybody. */
	msr_write(MSR_MISC, msr_read(MSR_MISC) ^ 1u << 30);
	vtx_cpu_start();
	assert_true(fake_vmx_is_on(0) && fake_vmx_is_on(1));
	assert_true(cpus[1].in_vmx_operation);
	second = pfn_to_hpa(vmx_cpu()->region).v;
	vtx_on_cpu(0);
	assert_int_not_equal(pfn_to_hpa(vmx_cpu()->region).v, second);
}

static void test_another_processor_differs(void **state)
{
	static const struct {
		uint32_t index;
		uint64_t bits;
	} differences[] = {
		{0x480, 1},				 /* revision */
		{MSR_MISC, 1},				 /* rate of the timer */
		{0x48b, (uint64_t)SECONDARY_VPID << 32}, /* no VPIDs */
		{0x48c, 1ull << 17},			 /* no pages of 1 GiB */
		{0x48c, 1ull << 21},			 /* no accessed flags */
		{0x48c, 1ull << 41},			 /* INVVPID of all only */
		{0x48d, 1u << 7},			 /* a control that must be one */
		{0x489, CR4_SMAP},			 /* a bit that CR4 may not have */
	};
	(void)state;

	vtx_cpu_start();
	vtx_on_cpu(1);
	msr_write(MSR_IA32_FEATURE_CONTROL, 0);
	for (size_t i = 0; i < sizeof(differences) / sizeof(differences[0]); i++) {
		uint64_t value = msr_read(differences[i].index);

		msr_write(differences[i].index, value ^ differences[i].bits);
		expect_refused(STATUS_UNSUPPORTED, "differ");
		/* Left as firmware had it. */
		assert_int_equal(msr_read(MSR_IA32_FEATURE_CONTROL), 0);
		assert_int_equal(vmx_caps.timer_shift, SHIFT_HERE);
		msr_write(differences[i].index, value);
	}
	vtx_cpu_start();
}

/* ---- Which VMCS is where ---- */

static struct vmx_vcpu *vmx(unsigned which)
{
	return vmx_of(&vtx_vm.vcpus[which]);
}

static hpa_t vmcs_of(unsigned which)
{
	return pfn_to_hpa(vmx(which)->arch.control);
}

static void run(unsigned which)
{
	vmx_vcpu_run(&vtx_vm.vcpus[which], FAR);
}

static void test_first_run_and_later(void **state)
{
	(void)state;
	assert_false(vmx(0)->filled);
	run(0);
	assert_true(vmx(0)->filled && fake_vmx_is_current(vmcs_of(0)));
	assert_int_equal(vmx(0)->cpu, 0);
	assert_int_equal(fake_vmx_get(VMCS_guest_rip), 0x100000);
	/* What the guest has become is not filled in again. */
	fake_vmx_set(VMCS_guest_rip, 0x1234);
	run(0);
	vmx_evict(vmx(0));
	assert_false(fake_vmx_is_active(vmcs_of(0)));
	assert_int_equal(vmx(0)->cpu, CPU_NONE);
	vmx_evict(vmx(0)); /* nothing to do */
	run(0);
	assert_int_equal(fake_vmx_get(VMCS_guest_rip), 0x1234);
	assert_int_equal(fake_vmx_entries, 3);
	vtx_vcpus_destroy();
}

static void test_two_of_them_on_one_processor(void **state)
{
	(void)state;
	run(0);
	expect_panic("cpu->current == NULL", run(1));
	assert_true(fake_vmx_is_current(vmcs_of(0)));
	vmx_evict(vmx(0));
	run(1);
	assert_true(fake_vmx_is_current(vmcs_of(1)));
	assert_int_not_equal(fake_vmx_get(VMCS_vpid), 0);
	assert_int_not_equal(vmx(0)->vpid, vmx(1)->vpid);
	vtx_vcpus_destroy();
}

/* A vCPU at rest is looked at between two runs of another, which notices nothing. */
static void test_looked_at_between_two_runs(void **state)
{
	(void)state;
	assert_false(vmx_inspect_open(&vtx_vm.vcpus[0])); /* it has never run */
	run(0);
	fake_vmx_set(VMCS_guest_cr3, 0xabc000);
	expect_panic("vmx->cpu == CPU_NONE", (void)!vmx_inspect_open(&vtx_vm.vcpus[0]));
	vmx_evict(vmx(0));
	/* No other one is current; then the other one is. */
	for (unsigned i = 0; i < 2; i++) {
		assert_true(vmx_inspect_open(&vtx_vm.vcpus[0]));
		assert_int_equal(guest_read(&vtx_vm.vcpus[0], GUEST_CR3), 0xabc000);
		vmx_inspect_close(&vtx_vm.vcpus[0]);
		assert_false(fake_vmx_is_active(vmcs_of(0)));
		if (i == 1) {
			assert_true(fake_vmx_is_current(vmcs_of(1)));
			assert_int_equal(fake_vmx_get(VMCS_guest_cr3), 0xdef000);
		}
		run(1);
		fake_vmx_set(VMCS_guest_cr3, 0xdef000);
	}
	vmx_evict(vmx(1));
	run(0);
	assert_int_equal(fake_vmx_get(VMCS_guest_cr3), 0xabc000);
	vtx_vcpus_destroy();
}

static void start_other_processor(void)
{
	vtx_on_cpu(1);
	vtx_cpu_start();
}

static void expect_host_of(unsigned cpu)
{
	assert_int_equal(fake_vmx_get(VMCS_host_gs_base), (uintptr_t)&cpus[cpu]);
	assert_int_equal(fake_vmx_get(VMCS_host_tr_base), (uintptr_t)&cpus[cpu].tss);
	assert_int_equal(fake_vmx_get(VMCS_host_cr3), 0x1000 * (cpu + 1));
}

/* Host state of the new processor, and nothing that it may have cached for the VPID long ago. */
static void test_from_processor_to_processor(void **state)
{
	(void)state;
	start_other_processor();
	vtx_on_cpu(0);
	run(0);
	expect_host_of(0);
	assert_int_equal(fake_vmx_invvpids, 1);
	assert_int_equal(fake_vmx_invvpid_vpid, vmx(0)->vpid);
	assert_int_equal(fake_vmx_invvpid_type, INVALIDATE_SINGLE);
	fake_vmx_set(VMCS_guest_rsp, SECRET);

	/* On the same one again: neither. */
	vmx_evict(vmx(0));
	write_cr3(0x7000);
	run(0);
	expect_host_of(0);
	assert_int_equal(fake_vmx_invvpids, 1);

	vmx_evict(vmx(0));
	vtx_on_cpu(1);
	run(0);
	expect_host_of(1);
	assert_int_equal(fake_vmx_invvpids, 2);
	assert_int_equal(fake_vmx_get(VMCS_guest_rsp), SECRET);
	assert_int_equal(vmx(0)->cpu, 1);
	assert_int_equal(vtx_vm.s2.tlb.ran_mask, 3);

	vmx_evict(vmx(0));
	vtx_on_cpu(0);
	run(0);
	expect_host_of(0);
	assert_int_equal(fake_vmx_invvpids, 3);
	vtx_vcpus_destroy();
}

/* Only where it is can it be taken away, or run. */
static void test_from_the_wrong_processor(void **state)
{
	(void)state;
	start_other_processor();
	vtx_on_cpu(0);
	run(0);
	vtx_on_cpu(1);
	expect_panic("vmx->cpu == CPU_NONE", run(0));
	expect_panic("cpu->current == vmx", vmx_evict(vmx(0)));
	vtx_on_cpu(0);
	assert_true(fake_vmx_is_current(vmcs_of(0)));
	vtx_vcpus_destroy();
}

static void registers_set(uint64_t seed)
{
	msr_write(MSR_STAR, seed);
	msr_write(MSR_LSTAR, seed + 1);
	msr_write(MSR_CSTAR, seed + 2);
	msr_write(MSR_FMASK, seed + 3);
	msr_write(MSR_KERNEL_GS_BASE, seed + 4);
	write_cr2(seed + 5);
	write_dr0(seed + 6);
	write_dr3(seed + 7);
}

/* Those that the guest changes alone, and those that only its exits change. */
static void test_registers_come_along(void **state)
{
	static const enum guest_register by_exits[] = {GUEST_STAR, GUEST_LSTAR, GUEST_CSTAR,
						       GUEST_FMASK};
	(void)state;

	for (unsigned which = 0; which < 2; which++) {
		run(which);
		for (unsigned i = 0; i < 4; i++) {
			guest_write(&vtx_vm.vcpus[which], by_exits[i], 100 * which + i);
		}
		msr_write(MSR_KERNEL_GS_BASE, 100 * which + 4); /* SWAPGS */
		write_cr2(100 * which + 5);
		write_dr0(100 * which + 6);
		write_dr6(0xffff0ff0 | which);
		vmx_evict(vmx(which));
	}
	registers_set(SECRET);
	for (unsigned which = 0; which < 2; which++) {
		run(which);
		assert_int_equal(msr_read(MSR_STAR), 100 * which);
		assert_int_equal(msr_read(MSR_LSTAR), 100 * which + 1);
		assert_int_equal(msr_read(MSR_CSTAR), 100 * which + 2);
		assert_int_equal(msr_read(MSR_FMASK), 100 * which + 3);
		assert_int_equal(msr_read(MSR_KERNEL_GS_BASE), 100 * which + 4);
		assert_int_equal(read_cr2(), 100 * which + 5);
		assert_int_equal(read_dr0(), 100 * which + 6);
		assert_int_equal(read_dr3(), 0);
		assert_int_equal(read_dr6(), 0xffff0ff0 | which);
		for (unsigned i = 0; i < 4; i++) {
			assert_int_equal(guest_read(&vtx_vm.vcpus[which], by_exits[i]),
					 100 * which + i);
		}
		vmx_evict(vmx(which));
	}
	vtx_vcpus_destroy();
}

/* INIT (SDM vol. 3, table 9-1): what it makes, and what it leaves alone. */
static void test_reset(void **state)
{
	struct vmx_vcpu *of = vmx(0);
	(void)state;

	processor_cpuid_set(1, 0, (struct cpuid){0x50654, 0, 1u << 5, 0});
	run(0);
	guest_write(vtx_vcpu, GUEST_CR0, CR0_PE | CR0_PG | CR0_CD);
	guest_write(vtx_vcpu, GUEST_CR3, 0x3000);
	guest_write(vtx_vcpu, GUEST_CR8, 7);
	guest_write(vtx_vcpu, GUEST_PAT, 0x0606060606060606);
	guest_write(vtx_vcpu, GUEST_SYSENTER_EIP, 0x1234);
	guest_write(vtx_vcpu, GUEST_LSTAR, 0x5678);
	guest_write(vtx_vcpu, GUEST_RSP, 0x9000);
	guest_write(vtx_vcpu, GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	vtx_blocking(VTX_BY_NMI);
	fake_vmx_set(VMCS_guest_dr7, 0x455);
	write_cr2(5);
	write_dr0(6);
	vtx_vcpu->regs[GPR_RSI] = 77;
	expect_panic("vmx->cpu == CPU_NONE", vmx_reset(of));
	vmx_evict(of);
	of->arch.event.info = VTX_EVENT_DOORBELL;
	vtx_vcpu->entry_real_mode = true;
	vtx_vcpu->entry = 0x9a000;
	vmx_reset(of);
	assert_int_equal(vtx_vcpu->regs[GPR_RSI], 0);
	assert_int_equal(vtx_vcpu->regs[GPR_RDX], 0x50654);
	run(0);
	assert_int_equal(fake_vmx_delivered.info, 0);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_CR0), CR0_ET | CR0_CD);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_CR3), 0);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_CR4), 0);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_CR8), 0);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_EFER), 0);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_RSP), 0);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_RIP), 0);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_RFLAGS), RFLAGS_FIXED);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_CS_SELECTOR), 0x9a00);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_CS_BASE), 0x9a000);
	assert_int_equal(fake_vmx_get(VMCS_guest_idtr_limit), 0xffff);
	assert_int_equal(fake_vmx_get(VMCS_guest_interruptibility), 0);
	assert_int_equal(fake_vmx_get(VMCS_guest_dr7), 0x400);
	assert_int_equal(read_cr2(), 0);
	assert_int_equal(read_dr0(), 0);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_PAT), 0x0606060606060606);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_SYSENTER_EIP), 0x1234);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_LSTAR), 0x5678);
	/* Once: what it does then stays. */
	guest_write(vtx_vcpu, GUEST_RSP, 0x8000);
	vmx_evict(of);
	run(0);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_RSP), 0x8000);
	vmx_evict(of);
	vtx_vcpus_destroy();
}

static bool is_dropped(enum guest_register name)
{
	return name == GUEST_CR0 || name == GUEST_CR3 || name == GUEST_CR4 || name == GUEST_EFER;
}

/* What is written is read, and only where the manual wants it are translations dropped. */
static void test_registers_by_name(void **state)
{
	(void)state;
	run(0);
	for (unsigned name = GUEST_CR0; name <= GUEST_RFLAGS; name++) {
		if (name == GUEST_CODE_LONG || name == GUEST_TASK_32) {
			continue;
		}
		vmx(0)->invalidate_vpid = false;
		guest_write(vtx_vcpu, name, 3);
		assert_int_equal(guest_read(vtx_vcpu, name), 3);
		assert_int_equal(vmx(0)->invalidate_vpid, is_dropped(name));
	}
	fake_vmx_set(VMCS_guest_cs_rights, 0xa09b);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_CODE_LONG), 1);
	fake_vmx_set(VMCS_guest_cs_rights, 0xc09b);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_CODE_LONG), 0);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_TASK_32), 1);
	fake_vmx_set(VMCS_guest_tr_rights, 0x83);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_TASK_32), 0);
	expect_panic("cannot be written", guest_write(vtx_vcpu, GUEST_CODE_LONG, 1));
	expect_panic("cannot be written", guest_write(vtx_vcpu, GUEST_CS_BASE, 1));
	expect_panic("cannot be written", guest_write(vtx_vcpu, GUEST_CR2, 1));
	vtx_vcpus_destroy();
}

/* What a device's access needs besides: segments, and what kind of fault it was. */
static void test_registers_of_a_fault(void **state)
{
	static const struct {
		uint64_t qualification;
		bool operand, write;
	} faults[] = {
		{0x181, true, false},  /* a read */
		{0x182, true, true},   /* a write */
		{0x183, true, true},   /* both at once */
		{0x184, false, false}, /* a fetch */
		{0x081, false, false}, /* of an entry of the guest's tables, */
		{0x083, false, true},  /* and to set its accessed flag */
		{0x001, true, false},  /* where the processor knows no linear address */
	};
	(void)state;
	run(0);
	fake_vmx_set(VMCS_guest_cs_rights, 0xc09b);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_CODE_BIG), 1);
	fake_vmx_set(VMCS_guest_cs_rights, 0xa09b);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_CODE_BIG), 0);
	fake_vmx_set(VMCS_guest_es_base, 0x10);
	fake_vmx_set(VMCS_guest_cs_base, 0x20);
	fake_vmx_set(VMCS_guest_ss_base, 0x30);
	fake_vmx_set(VMCS_guest_ds_base, 0x40);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(guest_read(vtx_vcpu, GUEST_ES_BASE + i), 0x10 * (i + 1));
	}
	fake_vmx_set(VMCS_guest_dr7, 0x401);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_DR7), 0x401);
	fake_vmx_set(VMCS_guest_pending_debug, 0);
	guest_write(vtx_vcpu, GUEST_TRAP, 5);
	assert_int_equal(fake_vmx_get(VMCS_guest_pending_debug), 0x1005);
	fake_vmx_set(VMCS_guest_pending_debug, 0);
	for (unsigned i = 0; i < ARRAY_COUNT(faults); i++) {
		fake_vmx_set(VMCS_exit_qualification, faults[i].qualification);
		assert_int_equal(guest_read(vtx_vcpu, GUEST_FAULT_OPERAND), faults[i].operand);
		assert_int_equal(guest_read(vtx_vcpu, GUEST_FAULT_WRITE), faults[i].write);
	}
	vtx_vcpus_destroy();
}

/* The guest sees its own bits, and the processor those that it needs. */
static void test_control_registers_in_two_views(void **state)
{
	uint64_t cr0 = CR0_PE | CR0_ET | CR0_PG | CR0_CD | CR0_NW;
	uint64_t cr4 = CR4_PAE | CR4_DE;
	(void)state;

	run(0);
	guest_write(vtx_vcpu, GUEST_CR4, cr4);
	assert_int_equal(fake_vmx_get(VMCS_guest_cr4), cr4 | CR4_VMXE | CR4_MCE);
	assert_int_equal(fake_vmx_get(VMCS_cr4_shadow), cr4);
	/* PAE decides on the paging mode: its change exits. */
	assert_int_equal(fake_vmx_get(VMCS_cr4_mask), ~(guest_features.cr4 & ~(uint64_t)CR4_PAE));
	fake_vmx_set(VMCS_guest_cr4, cr4 | CR4_VMXE | CR4_MCE | CR4_PGE); /* by the guest alone */
	assert_int_equal(guest_read(vtx_vcpu, GUEST_CR4), cr4 | CR4_PGE);

	guest_write(vtx_vcpu, GUEST_CR0, cr0);
	assert_int_equal(fake_vmx_get(VMCS_guest_cr0), CR0_PE | CR0_ET | CR0_PG | CR0_NE);
	assert_int_equal(fake_vmx_get(VMCS_cr0_shadow), cr0);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_CR0), cr0);
	fake_vmx_set(VMCS_guest_cr0, CR0_PE | CR0_ET | CR0_PG | CR0_NE | CR0_TS);
	assert_int_equal(guest_read(vtx_vcpu, GUEST_CR0), cr0 | CR0_TS);
	/* Unrestricted: what VMX operation wants of the host is not forced on the guest. */
	guest_write(vtx_vcpu, GUEST_CR0, CR0_ET);
	assert_int_equal(fake_vmx_get(VMCS_guest_cr0), CR0_ET | CR0_NE);

	guest_write(vtx_vcpu, GUEST_EFER, EFER_LME | EFER_LMA);
	assert_int_equal(fake_vmx_get(VMCS_entry_controls), vmx_caps.entry | ENTRY_IA32E_GUEST);
	guest_write(vtx_vcpu, GUEST_EFER, EFER_LME);
	assert_int_equal(fake_vmx_get(VMCS_entry_controls), vmx_caps.entry);
	assert_int_equal(fake_vmx_get(VMCS_guest_efer), EFER_LME);
	vtx_vcpus_destroy();
}

static void test_access_without_a_vmcs(void **state)
{
	(void)state;
	expect_panic("guest_rip", (void)vmcs_read_guest_rip());
	expect_panic("guest_cr3", vmcs_write_guest_cr3(0));
	run(0);
	expect_panic("exit_reason", vmcs_write_exit_reason(0));
	vtx_vcpus_destroy();
}

/* ---- Frames of a vCPU ---- */

static void test_vcpu_without_memory(void **state)
{
	uint64_t before;
	(void)state;

	vtx_vcpus_destroy();
	before = frame_count_free();
	for (unsigned n = 1; n <= 2; n++) {
		struct vcpu *vcpu = &vtx_vm.vcpus[0];

		frame_alloc_fail_at = n;
		assert_int_equal(guest_vcpu_alloc(vcpu, &vtx_vm.s2, sizeof(struct vmx_vcpu),
						  &vmx_guest_access),
				 STATUS_NO_MEMORY);
		assert_int_equal(frame_alloc_fail_at, 0);
		assert_int_equal(frame_count_free(), before);
		assert_null(vcpu->arch);
		world_check();
	}
}

static void test_report(void **state)
{
	(void)state;
	run(0);
	fake_vmx_set(VMCS_guest_rip, 0xabcd0123);
	vtx_vcpu->regs[GPR_R15] = 0x15151515;
	fake_log_clear();
	vmx_vcpu_dump(vtx_vcpu);
	assert_non_null(strstr(fake_log_text, "rip=0xabcd0123"));
	assert_non_null(strstr(fake_log_text, "r15=0x15151515"));
	vmx_evict(vmx(0));
	/* Not in reach of this processor: what is in memory. */
	fake_log_clear();
	vmx_vcpu_dump(vtx_vcpu);
	assert_null(strstr(fake_log_text, "rip="));
	assert_non_null(strstr(fake_log_text, "r15=0x15151515"));
	vtx_vcpus_destroy();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, world_teardown)
#define TEST_RUN(name) cmocka_unit_test_setup_teardown(name, start_with_vcpus, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_probe),
		TEST(test_words_that_are_read),
		TEST(test_without_vtx),
		TEST(test_locked_off),
		TEST(test_first_processor_lacks_something),
		TEST(test_start),
		TEST(test_no_memory),
		TEST(test_vmxon_fails),
		TEST(test_left_unlocked),
		TEST(test_another_processor),
		TEST(test_another_processor_differs),
		TEST_RUN(test_first_run_and_later),
		TEST_RUN(test_looked_at_between_two_runs),
		TEST_RUN(test_two_of_them_on_one_processor),
		TEST_RUN(test_from_processor_to_processor),
		TEST_RUN(test_from_the_wrong_processor),
		TEST_RUN(test_registers_come_along),
		TEST_RUN(test_reset),
		TEST_RUN(test_registers_by_name),
		TEST_RUN(test_registers_of_a_fault),
		TEST_RUN(test_control_registers_in_two_views),
		TEST_RUN(test_access_without_a_vmcs),
		TEST_RUN(test_vcpu_without_memory),
		TEST_RUN(test_report),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
