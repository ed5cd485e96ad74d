/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/x86/guest: CPUID allow-list, rules for CR0, CR4, EFER, XCR0 and the MSR table, on a vCPU
 * whose registers are an array.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "abi/aerostat.h"
#include "arch/x86/cpu/msr.h"
#include "arch/x86/cpu/registers.h"
#include "arch/x86/guest/breakpoint.h"
#include "arch/x86/guest/guest_cr.h"
#include "arch/x86/guest/guest_cpuid.h"
#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/guest/guest_msr.h"
#include "base/bits.h"
#include "base/time.h"
#include "arch/arch.h"
#include "kernel/vm/vm.h"

#define ALL_ONES ((struct cpuid){~0u, ~0u, ~0u, ~0u})
#define NOT_CANONICAL 0x0000800000000000ull

/* ---- A vCPU ---- */

static uint64_t registers[GUEST_SS_SELECTOR + 1];
static unsigned write_count;

static uint64_t fake_read(const struct vcpu *vcpu, enum guest_register name)
{
	(void)vcpu;
	return registers[name];
}

static void fake_write(struct vcpu *vcpu, enum guest_register name, uint64_t value)
{
	(void)vcpu;
	registers[name] = value;
	write_count++;
}

static const struct guest_access fake_access = {.read = fake_read, .write = fake_write};
static struct arch_vcpu fake_arch = {.access = &fake_access};
static struct vm vm;
static struct vcpu vcpu;

/* A processor with everything, so that only the allow-lists keep things out. */
static const struct guest_features rich = {
	.leaf_max = 0xd,
	.extended_leaf_max = 0x80000008,
	.cr4 = CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCE |
	       CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP,
	.efer = EFER_SCE | EFER_LME | EFER_NXE,
	.xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512,
	.xsave_features = 7,
	.xstate =
		{
			[2] = {256, 576, false},
			[5] = {64, 1088, false},
			[6] = {512, 1152, true},
			[7] = {1024, 1664, true},
		},
};

static int start(void **state)
{
	(void)state;
	memset(&vcpu, 0, sizeof(vcpu));
	vm.config.vcpus = 4;
	vcpu.vm = &vm;
	vcpu.index = 3;
	memset(registers, 0, sizeof(registers));
	vcpu.arch = &fake_arch;
	guest_cpuid_choose(&vcpu);
	write_count = 0;
	guest_features = rich;
	registers[GUEST_CR0] = CR0_PE | CR0_ET;
	registers[GUEST_XCR0] = XCR0_X87;
	registers[GUEST_TASK_32] = 1;
	return 0;
}

static void expect_fault(enum exit_action action)
{
	assert_int_equal(action, EXIT_INJECT);
	assert_int_equal(vcpu.inject.vector, 13);
	assert_true(vcpu.inject.has_error);
	assert_int_equal(vcpu.inject.error, 0);
	assert_int_equal(write_count, 0);
}

static void go_long(void)
{
	assert_int_equal(guest_cr_write(&vcpu, 4, CR4_PAE), EXIT_ADVANCE);
	assert_int_equal(guest_msr_write(&vcpu, MSR_IA32_EFER, EFER_LME), EXIT_ADVANCE);
	assert_int_equal(guest_cr_write(&vcpu, 0, CR0_PG | CR0_PE | CR0_ET), EXIT_ADVANCE);
	write_count = 0;
}

/* ---- CPUID ---- */

static struct cpuid leaf(uint32_t number, uint32_t subleaf)
{
	struct guest_cpuid_view view = {
		.cr4 = registers[GUEST_CR4],
		.xcr0 = registers[GUEST_XCR0],
		.tsc_khz = 50000,
		.vcpu_index = vcpu.index,
		.vcpu_count = vm.config.vcpus,
	};
	struct cpuid host = {0, 0, 0, 0};

	if (guest_cpuid_wants_host(&rich, number)) {
		host = ALL_ONES;
	}
	return guest_cpuid_answer(&rich, &view, number, subleaf, host);
}

static void expect_zero(struct cpuid out)
{
	assert_int_equal(out.eax | out.ebx | out.ecx | out.edx, 0);
}

static void test_cpuid_hides_what_belongs_to_the_host(void **state)
{
	struct cpuid one = leaf(1, 0);
	struct cpuid seven = leaf(7, 0);
	(void)state;

	assert_int_equal(one.ecx & BIT(3), 0);			/* MONITOR */
	assert_int_equal(one.ecx & BIT(5), 0);			/* VMX */
	assert_int_equal(one.ecx & BIT(6), 0);			/* SMX */
	assert_int_equal(one.ecx & BIT(15), 0);			/* performance monitoring */
	assert_int_equal(one.ecx & BIT(17), 0);			/* PCID */
	assert_int_equal(one.ecx & BIT(21), 0);			/* x2APIC */
	assert_int_equal(one.ecx & BIT(24), 0);			/* TSC deadline */
	assert_int_equal(one.edx & BIT(7), 0);			/* MCE */
	assert_int_equal(one.edx & BIT(9), 0);			/* APIC */
	assert_int_equal(one.edx & BIT(12), 0);			/* MTRR */
	assert_int_equal(one.edx & BIT(14), 0);			/* MCA */
	assert_int_equal(one.edx & BIT(22), 0);			/* thermal */
	assert_int_equal(one.edx & BIT(28), 0);			/* several logical processors */
	assert_int_equal(seven.ebx & BIT(1), 0);		/* TSC_ADJUST */
	assert_int_equal(seven.ebx & BIT(2), 0);		/* SGX */
	assert_int_equal(seven.ebx & BIT(4), 0);		/* HLE */
	assert_int_equal(seven.ebx & BIT(10), 0);		/* INVPCID */
	assert_int_equal(seven.ebx & BIT(11), 0);		/* RTM */
	assert_int_equal(seven.ebx & BIT(14), 0);		/* MPX */
	assert_int_equal(seven.ebx & BIT(25), 0);		/* processor trace */
	assert_int_equal(seven.ecx & BIT(3), 0);		/* protection keys */
	assert_int_equal(seven.ecx & BIT(5), 0);		/* WAITPKG */
	assert_int_equal(seven.ecx & BIT(7), 0);		/* CET */
	assert_int_equal(seven.ecx & BIT(16), 0);		/* LA57 */
	assert_int_equal(seven.ecx & BIT(22), 0);		/* RDPID */
	assert_int_equal(leaf(0x80000001, 0).edx & BIT(27), 0); /* RDTSCP */
	assert_int_equal(leaf(0xd, 1).eax & BIT(3), 0);		/* XSAVES */
	expect_zero(leaf(5, 0));
	expect_zero(leaf(6, 0));
	expect_zero(leaf(0xa, 0));
	expect_zero(leaf(0xb, 0));
	expect_zero(leaf(7, 1));
}

static void test_cpuid_out_of_range_is_zero(void **state)
{
	(void)state;
	expect_zero(leaf(0xe, 0));
	expect_zero(leaf(0x14, 0));
	expect_zero(leaf(0x7fffffff, 0));
	expect_zero(leaf(0x80000009, 0));
	expect_zero(leaf(0xffffffff, 0));
	expect_zero(leaf(0x40000002, 0));
	expect_zero(leaf(0x40000011, 0));
}

static void test_cpuid_packages_of_one_cpu_and_a_hypervisor(void **state)
{
	struct cpuid one = leaf(1, 0);
	(void)state;

	assert_int_equal(one.ebx >> 24, 3);
	assert_int_equal(one.ebx >> 16 & 0xff, 1);
	assert_true(one.ecx & BIT(31));
	assert_int_equal(leaf(4, 0).eax >> 14, 0);
	assert_int_equal(leaf(0, 0).eax, 0xd);
	assert_int_equal(leaf(0x80000000, 0).eax, 0x80000008);
	assert_int_equal(leaf(0x80000008, 0).eax >> 8 & 0xff, 48);
	assert_int_equal(leaf(0x40000000, 0).eax, 0x40000010);
	assert_int_equal(leaf(0x40000000, 0).ebx, AEROSTAT_SIGNATURE_EBX);
	assert_int_equal(leaf(0x40000001, 0).eax, AEROSTAT_ABI_VERSION);
	assert_true(leaf(0x40000001, 0).ebx & AEROSTAT_FEATURE_VCPUS);
	assert_int_equal(leaf(0x40000010, 0).eax, 50000);
}

static void test_cpuid_follows_the_guest(void **state)
{
	(void)state;
	assert_int_equal(leaf(1, 0).ecx & BIT(27), 0);
	registers[GUEST_CR4] = CR4_OSXSAVE;
	assert_true(leaf(1, 0).ecx & BIT(27));
	assert_int_equal(leaf(0xd, 0).ebx, 576);
	assert_int_equal(leaf(0xd, 0).ecx, 2688);
	registers[GUEST_XCR0] = 7;
	assert_int_equal(leaf(0xd, 0).ebx, 832);
	registers[GUEST_XCR0] = 0xe7;
	assert_int_equal(leaf(0xd, 0).ebx, 2688);
	assert_int_equal(leaf(0xd, 1).ebx, 576 + 256 + 64 + 512 + 1024);
	assert_int_equal(leaf(0xd, 2).eax, 256);
	assert_int_equal(leaf(0xd, 6).ecx, 2);
	expect_zero(leaf(0xd, 3));
	expect_zero(leaf(0xd, 9));
	expect_zero(leaf(0xd, 63));
}

static void test_cpuid_vectors_go_with_their_registers(void **state)
{
	struct guest_features poor = rich;
	struct guest_cpuid_view view = {.xcr0 = 3};
	struct cpuid out;
	(void)state;

	poor.xcr0 = XCR0_X87 | XCR0_SSE;
	out = guest_cpuid_answer(&poor, &view, 1, 0, ALL_ONES);
	assert_int_equal(out.ecx & (BIT(12) | BIT(28) | BIT(29)), 0);
	assert_true(out.ecx & BIT(26));
	out = guest_cpuid_answer(&poor, &view, 7, 0, ALL_ONES);
	assert_int_equal(out.ebx & (BIT(5) | BIT(16) | BIT(31)), 0);
	poor.xcr0 = 0;
	out = guest_cpuid_answer(&poor, &view, 1, 0, ALL_ONES);
	assert_int_equal(out.ecx & BIT(26), 0);
	expect_zero(guest_cpuid_answer(&poor, &view, 0xd, 0, ALL_ONES));
}

static void test_cpuid_writes_32_bit_registers(void **state)
{
	(void)state;
	memset(vcpu.regs, 0xff, sizeof(vcpu.regs));
	vcpu.regs[GPR_RAX] = 0xdead000040000001ull;
	assert_int_equal(guest_cpuid(&vcpu), EXIT_ADVANCE);
	assert_int_equal(vcpu.regs[GPR_RAX], AEROSTAT_ABI_VERSION);
	assert_int_equal(vcpu.regs[GPR_RCX], 4);
	assert_int_equal(vcpu.regs[GPR_RDX], 3);
	/* The one that boots a VM. */
	vcpu.index = 0;
	assert_int_equal(leaf(1, 0).ebx >> 24, 0);
	assert_int_equal(leaf(0x40000001, 0).edx, 0);
}

/* What the pure function says about the vCPU as it is. */
static struct cpuid computed(uint32_t number, uint32_t subleaf)
{
	struct guest_cpuid_view view = {
		.cr4 = registers[GUEST_CR4],
		.xcr0 = registers[GUEST_XCR0],
		.tsc_khz = arch_tsc_khz(),
		.vcpu_index = vcpu.index,
		.vcpu_count = vm.config.vcpus,
	};
	struct cpuid host = {0, 0, 0, 0};

	if (guest_cpuid_wants_host(&guest_features, number)) {
		host = cpuid_read(number, subleaf);
	}
	return guest_cpuid_answer(&guest_features, &view, number, subleaf, host);
}

static void expect_computed(uint32_t number, uint32_t subleaf)
{
	struct cpuid out = computed(number, subleaf);

	memset(vcpu.regs, 0xff, sizeof(vcpu.regs));
	vcpu.regs[GPR_RAX] = 0xdead000000000000ull | number;
	vcpu.regs[GPR_RCX] = 0xbeef000000000000ull | subleaf;
	assert_int_equal(guest_cpuid(&vcpu), EXIT_ADVANCE);
	assert_int_equal(vcpu.regs[GPR_RAX], out.eax);
	assert_int_equal(vcpu.regs[GPR_RBX], out.ebx);
	assert_int_equal(vcpu.regs[GPR_RCX], out.ecx);
	assert_int_equal(vcpu.regs[GPR_RDX], out.edx);
}

static void expect_all_computed(void)
{
	static const uint32_t subleaves[] = {0, 1, 2, 5, 6, 7, 63, 0x80000000, ~0u};

	for (unsigned group = 0; group < 8; group++) {
		for (uint32_t i = 0; i < 0x140; i++) {
			for (unsigned j = 0; j < ARRAY_COUNT(subleaves); j++) {
				expect_computed(group << 29 | i, subleaves[j]);
			}
			expect_computed((group << 29) - 1 - i, 0);
		}
	}
	for (uint32_t bit = 0; bit < 32; bit++) {
		for (uint32_t i = 0; i < 0x20; i++) {
			expect_computed((uint32_t)BIT(bit) ^ i, 0);
			expect_computed(0x80000000u ^ (uint32_t)BIT(bit) ^ i, 0);
		}
	}
	for (uint64_t number = 0; number < BIT(32); number += 65521) {
		expect_computed((uint32_t)number, 0);
	}
}

/* The table makes an exit short, and nothing else: on several processors, for guests that differ.
 */
static void test_kept_answers_are_those_that_are_computed(void **state)
{
	static const struct {
		uint32_t leaf_max, extended_leaf_max;
		uint64_t xcr0;
		bool vmmcall;
	} processors[] = {
		{0xd, 0x80000008, XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512, false},
		{0xd, 0x80000008, XCR0_X87 | XCR0_SSE, true},
		{4, 0x80000001, 0, true},
		{1, 0, 0, false},
	};
	(void)state;

	for (unsigned i = 0; i < ARRAY_COUNT(processors); i++) {
		guest_features.leaf_max = processors[i].leaf_max;
		guest_features.extended_leaf_max = processors[i].extended_leaf_max;
		guest_features.xcr0 = processors[i].xcr0;
		guest_features.vmmcall = processors[i].vmmcall;
		guest_cpuid_prepare();
		vcpu.index = 3;
		vm.config.vcpus = 4;
		registers[GUEST_CR4] = CR4_OSXSAVE;
		registers[GUEST_XCR0] = 7;
		expect_all_computed();
		vcpu.index = 0;
		vm.config.vcpus = 1;
		registers[GUEST_CR4] = 0;
		registers[GUEST_XCR0] = 1;
		expect_all_computed();
	}
}

static void raise_interrupted_by(uint8_t vector)
{
	fake_arch.event = (struct guest_event){.info = EVENT_VALID | EVENT_TYPE_EXTERNAL | 0x40};
	vcpu.inject.vector = vector;
	vcpu.inject.has_error = true;
	assert_true(guest_event_raise(&vcpu));
	assert_int_equal(fake_arch.event.info & EVENT_VECTOR, vector);
}

/* An exception in the middle of a doorbell's delivery: it has not been delivered. */
static void test_doorbell_that_an_exception_displaced_rings_again(void **state)
{
	(void)state;
	assert_false(guest_doorbell_rang(&vcpu));
	vcpu.doorbell_pending = true;
	guest_doorbell_take(&vcpu);
	assert_false(guest_doorbell_rang(&vcpu));
	raise_interrupted_by(13);
	assert_true(guest_doorbell_rang(&vcpu));
	/* One that rang meanwhile is not lost by it. */
	guest_doorbell_take(&vcpu);
	vcpu.doorbell_pending = true;
	raise_interrupted_by(14);
	assert_true(guest_doorbell_rang(&vcpu));
	fake_arch.event.info = 0;
}

/* IF and a class above CR8: SDM vol. 3, 10.8.3.1 and 10.8.6.1; never vector 0, which is none. */
static void test_interrupt_is_taken(void **state)
{
	(void)state;
	for (unsigned cr8 = 0; cr8 <= 15; cr8++) {
		registers[GUEST_CR8] = cr8;
		for (unsigned vector = 0; vector <= 255; vector++) {
			registers[GUEST_RFLAGS] = RFLAGS_IF | 2;
			assert_int_equal(arch_guest_openness(&vcpu, (uint8_t)vector).to_interrupt,
					 vector != 0 && vector / 16 > cr8);
			registers[GUEST_RFLAGS] = ~(uint64_t)RFLAGS_IF;
			assert_false(arch_guest_openness(&vcpu, (uint8_t)vector).to_interrupt);
		}
	}
	assert_true(arch_guest_openness(&vcpu, 64).to_trap);
	registers[GUEST_RFLAGS] = ~(uint64_t)RFLAGS_TF;
	assert_false(arch_guest_openness(&vcpu, 64).to_trap);
}

static void test_offer_of_this_processor_is_allowed(void **state)
{
	(void)state;
	guest_features_init(XCR0_X87 | XCR0_SSE, true);
	assert_int_equal(guest_features.cr4 & (CR4_VMXE | CR4_SMXE | CR4_MCE | CR4_PCIDE | CR4_PKE |
					       CR4_CET | CR4_LA57),
			 0);
	assert_true(guest_features.cr4 & CR4_PAE);
	assert_true(guest_features.efer & EFER_LME);
	assert_int_equal(guest_features.xcr0 & ~3ull, 0);
	/* A processor that loses registers in the compacted format: its guests do not see it. */
	guest_features_init(XCR0_X87 | XCR0_SSE, false);
	assert_int_equal(guest_features.xsave_features & BIT(1), 0);
}

/* ---- Control registers ---- */

static void test_cr0_long_mode(void **state)
{
	(void)state;
	go_long();
	assert_int_equal(registers[GUEST_EFER], EFER_LME | EFER_LMA);
	/* and back, from compatibility mode */
	assert_int_equal(guest_cr_write(&vcpu, 0, CR0_PE), EXIT_ADVANCE);
	assert_int_equal(registers[GUEST_EFER], EFER_LME);
	assert_int_equal(registers[GUEST_CR0], CR0_PE | CR0_ET);
}

static void test_cr0_paging_off_in_64_bit_code(void **state)
{
	(void)state;
	go_long();
	registers[GUEST_CODE_LONG] = 1;
	expect_fault(guest_cr_write(&vcpu, 0, CR0_PE));
}

static void test_cr0_long_mode_needs(void **state)
{
	(void)state;
	registers[GUEST_EFER] = EFER_LME;
	expect_fault(guest_cr_write(&vcpu, 0, CR0_PG | CR0_PE)); /* no PAE */
	registers[GUEST_CR4] = CR4_PAE;
	registers[GUEST_CODE_LONG] = 1;
	expect_fault(guest_cr_write(&vcpu, 0, CR0_PG | CR0_PE)); /* CS.L */
	registers[GUEST_CODE_LONG] = 0;
	registers[GUEST_TASK_32] = 0;
	expect_fault(guest_cr_write(&vcpu, 0, CR0_PG | CR0_PE)); /* 16-bit TSS */
}

static void test_cr0_combinations(void **state)
{
	(void)state;
	expect_fault(guest_cr_write(&vcpu, 0, CR0_PG));
	expect_fault(guest_cr_write(&vcpu, 0, CR0_PE | CR0_NW));
	expect_fault(guest_cr_write(&vcpu, 0, CR0_PE | BIT(32)));
	expect_fault(guest_cr_write(&vcpu, 0, CR0_PE | BIT(63)));
	assert_int_equal(guest_cr_write(&vcpu, 0, CR0_PE | CR0_NW | CR0_CD), EXIT_ADVANCE);
	/* Reserved bits in the lower half are ignored, ET is fixed. */
	assert_int_equal(guest_cr_write(&vcpu, 0, CR0_PE | BIT(10)), EXIT_ADVANCE);
	assert_int_equal(registers[GUEST_CR0], CR0_PE | CR0_ET);
	/* 32-bit paging */
	assert_int_equal(guest_cr_write(&vcpu, 0, CR0_PE | CR0_PG), EXIT_ADVANCE);
}

static void test_pae_paging_is_refused(void **state)
{
	(void)state;
	registers[GUEST_CR4] = CR4_PAE;
	expect_fault(guest_cr_write(&vcpu, 0, CR0_PE | CR0_PG));
	registers[GUEST_CR4] = 0;
	registers[GUEST_CR0] = CR0_PE | CR0_PG;
	expect_fault(guest_cr_write(&vcpu, 4, CR4_PAE));
}

static void test_cr4(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		if (!(rich.cr4 & BIT(bit))) {
			write_count = 0;
			expect_fault(guest_cr_write(&vcpu, 4, BIT(bit)));
		}
	}
	assert_int_equal(guest_cr_write(&vcpu, 4, rich.cr4), EXIT_ADVANCE);
	go_long();
	expect_fault(guest_cr_write(&vcpu, 4, 0)); /* PAE carries long mode */
}

static void test_cr8_and_others(void **state)
{
	(void)state;
	expect_fault(guest_cr_write(&vcpu, 8, 16));
	expect_fault(guest_cr_write(&vcpu, 3, 0));
	assert_int_equal(guest_cr_write(&vcpu, 8, 15), EXIT_ADVANCE);
	assert_int_equal(registers[GUEST_CR8], 15);
}

static void test_efer(void **state)
{
	(void)state;
	expect_fault(guest_msr_write(&vcpu, MSR_IA32_EFER, BIT(1)));
	expect_fault(guest_msr_write(&vcpu, MSR_IA32_EFER, BIT(12)));
	/* LMA is not for the guest to write */
	assert_int_equal(guest_msr_write(&vcpu, MSR_IA32_EFER, EFER_LMA | EFER_NXE), EXIT_ADVANCE);
	assert_int_equal(registers[GUEST_EFER], EFER_NXE);
	go_long();
	expect_fault(guest_msr_write(&vcpu, MSR_IA32_EFER, EFER_LMA)); /* LME under paging */
	assert_int_equal(guest_msr_write(&vcpu, MSR_IA32_EFER, EFER_LME | EFER_SCE), EXIT_ADVANCE);
	assert_int_equal(registers[GUEST_EFER], EFER_LME | EFER_LMA | EFER_SCE);
}

static void test_xcr0(void **state)
{
	static const uint64_t bad[] = {0,    2,	   4,	 5,    8,     0x18,	 0x20,
				       0x27, 0xe0, 0xe3, 0x67, 0x200, 1ull << 63};
	static const uint64_t good[] = {1, 3, 7, 0xe7};
	(void)state;
	registers[GUEST_CR4] = CR4_OSXSAVE;
	for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
		expect_fault(guest_xsetbv(&vcpu, 0, bad[i]));
	}
	expect_fault(guest_xsetbv(&vcpu, 1, 1));
	for (unsigned i = 0; i < ARRAY_COUNT(good); i++) {
		assert_int_equal(guest_xsetbv(&vcpu, 0, good[i]), EXIT_ADVANCE);
		assert_int_equal(registers[GUEST_XCR0], good[i]);
	}
}

/* The instruction is unknown until CR4 says otherwise, whatever the operands are. */
static void test_xsetbv_without_osxsave(void **state)
{
	(void)state;
	for (uint32_t index = 0; index < 2; index++) {
		for (uint64_t value = 0; value < 4; value++) {
			assert_int_equal(guest_xsetbv(&vcpu, index, value), EXIT_INJECT);
			assert_int_equal(vcpu.inject.vector, 6);
			assert_false(vcpu.inject.has_error);
			assert_int_equal(write_count, 0);
		}
	}
}

/* ---- MSRs ---- */

static void test_msr_unknown(void **state)
{
	static const uint32_t absent[] = {0,	 0x1b,	0x3a,	    0x3b,	0x8b,
					  0xc1,	 0xfe,	0x179,	    0x186,	0x1d9,
					  0x200, 0x2ff, 0x38f,	    0x480,	0x6e0,
					  0x802, 0xda0, 0xc0000103, 0xc0010114, 0xffffffff};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(absent); i++) {
		expect_fault(guest_msr_read(&vcpu, absent[i]));
		expect_fault(guest_msr_write(&vcpu, absent[i], 0));
	}
	expect_fault(guest_msr_write(&vcpu, 0x10, 0));
}

static void test_msr_values(void **state)
{
	static const uint32_t canonical[] = {
		MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP, MSR_LSTAR,	  MSR_CSTAR,
		MSR_FS_BASE,	       MSR_GS_BASE,	      MSR_KERNEL_GS_BASE,
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(canonical); i++) {
		write_count = 0;
		expect_fault(guest_msr_write(&vcpu, canonical[i], NOT_CANONICAL));
		expect_fault(guest_msr_write(&vcpu, canonical[i], BIT(63)));
		assert_int_equal(guest_msr_write(&vcpu, canonical[i], 0xffff800000000000ull),
				 EXIT_ADVANCE);
		assert_int_equal(guest_msr_read(&vcpu, canonical[i]), EXIT_ADVANCE);
		assert_int_equal(vcpu.regs[GPR_RAX], 0);
		assert_int_equal(vcpu.regs[GPR_RDX], 0xffff8000);
	}
	write_count = 0;
	expect_fault(guest_msr_write(&vcpu, MSR_FMASK, BIT(32)));
	assert_int_equal(guest_msr_write(&vcpu, MSR_IA32_SYSENTER_CS, 0x1200000008), EXIT_ADVANCE);
	assert_int_equal(registers[GUEST_SYSENTER_CS], 8);
	assert_int_equal(guest_msr_read(&vcpu, 0x10), EXIT_ADVANCE);
	assert_int_equal(vcpu.regs[GPR_RDX] << 32 | vcpu.regs[GPR_RAX], arch_tsc());
}

static void test_msr_pat(void **state)
{
	(void)state;
	expect_fault(guest_msr_write(&vcpu, MSR_IA32_PAT, 0x0007040600070402ull));
	expect_fault(guest_msr_write(&vcpu, MSR_IA32_PAT, 0x0307040600070406ull));
	expect_fault(guest_msr_write(&vcpu, MSR_IA32_PAT, 0x0007040600ff0406ull));
	assert_true(guest_pat_accept(GUEST_PAT_RESET));
	assert_int_equal(guest_msr_write(&vcpu, MSR_IA32_PAT, 0x0105040600070406ull), EXIT_ADVANCE);
}

/* ---- Breakpoints on ports ---- */

/* Each against the plain meaning: some port of the access is some port of the breakpoint. */
static void test_port_breakpoints(void **state)
{
	static const unsigned lengths[] = {1, 2, 8, 4};
	(void)state;

	for (unsigned i = 0; i < 4 * 16 * 64 * 3; i++) {
		unsigned n = i % 4, bits = i / 4 % 16, place = i / 64 % 64,
			 bytes = 1u << i / 4096 % 3;
		unsigned length = lengths[bits >> 2];
		uint64_t start_port = 0x100 + place - place % length;
		uint64_t address[BREAKPOINTS] = {0x100, 0x100, 0x100, 0x100};
		uint64_t dr7 = 0x400 | (uint64_t)bits << (16 + 4 * n);
		bool meets = false;

		address[n] = 0x100 + place;
		for (unsigned port = 0x110; port < 0x110 + bytes; port++) {
			meets |= port >= start_port && port < start_port + length;
		}
		meets &= (bits & 3) == 2;
		assert_int_equal(guest_port_breakpoints(address, dr7, 0x110, bytes), 0);
		for (unsigned enable = 1; enable < 4; enable++) {
			assert_int_equal(guest_port_breakpoints(address,
								dr7 | (uint64_t)enable << 2 * n,
								0x110, bytes),
					 meets ? 1u << n : 0);
		}
	}
	/* The last port, and addresses that are no ports. */
	assert_int_equal(guest_port_breakpoints((const uint64_t[]){0xffff, 0x10000, 0, 0},
						0x00222aull | 0x2222ull << 16, 0xffff, 1),
			 1);
}

/* The same on data, for reads and for writes; also where the address space ends. */
static void test_data_breakpoints(void **state)
{
	static const unsigned lengths[] = {1, 2, 8, 4};
	(void)state;

	for (unsigned i = 0; i < 4 * 16 * 64 * 4 * 2; i++) {
		unsigned n = i % 4, bits = i / 4 % 16, place = i / 64 % 64,
			 bytes = 1u << i / 4096 % 4;
		bool write = i / 16384 != 0;
		unsigned length = lengths[bits >> 2];
		/* The last 64 bytes of all, and of the half that is not the kernel's. */
		uint64_t base = i % 3 == 0 ? UINT64_MAX - 63 : 0x7fffffffffc0;
		uint64_t start_at = base + place - place % length;
		uint64_t address[BREAKPOINTS] = {0x100, 0x100, 0x100, 0x100};
		uint64_t dr7 = 0x400 | (uint64_t)bits << (16 + 4 * n);
		uint64_t linear = base + 64 - 2 * bytes;
		bool meets = false;

		address[n] = base + place;
		for (unsigned k = 0; k < bytes; k++) {
			meets |= linear + k >= start_at && linear + k - start_at < length;
		}
		meets &= (bits & 3) == 3 || ((bits & 3) == 1 && write);
		assert_int_equal(guest_data_breakpoints(address, dr7, linear, bytes, write), 0);
		assert_int_equal(
			guest_data_breakpoints(address, dr7 | 1ull << 2 * n, linear, bytes, write),
			meets ? 1u << n : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_cpuid_hides_what_belongs_to_the_host, start),
		cmocka_unit_test_setup(test_cpuid_out_of_range_is_zero, start),
		cmocka_unit_test_setup(test_cpuid_packages_of_one_cpu_and_a_hypervisor, start),
		cmocka_unit_test_setup(test_cpuid_follows_the_guest, start),
		cmocka_unit_test_setup(test_cpuid_vectors_go_with_their_registers, start),
		cmocka_unit_test_setup(test_cpuid_writes_32_bit_registers, start),
		cmocka_unit_test_setup(test_kept_answers_are_those_that_are_computed, start),
		cmocka_unit_test_setup(test_interrupt_is_taken, start),
		cmocka_unit_test_setup(test_doorbell_that_an_exception_displaced_rings_again,
				       start),
		cmocka_unit_test_setup(test_offer_of_this_processor_is_allowed, start),
		cmocka_unit_test_setup(test_cr0_long_mode, start),
		cmocka_unit_test_setup(test_cr0_paging_off_in_64_bit_code, start),
		cmocka_unit_test_setup(test_cr0_long_mode_needs, start),
		cmocka_unit_test_setup(test_cr0_combinations, start),
		cmocka_unit_test_setup(test_pae_paging_is_refused, start),
		cmocka_unit_test_setup(test_cr4, start),
		cmocka_unit_test_setup(test_cr8_and_others, start),
		cmocka_unit_test_setup(test_efer, start),
		cmocka_unit_test_setup(test_xcr0, start),
		cmocka_unit_test_setup(test_xsetbv_without_osxsave, start),
		cmocka_unit_test_setup(test_msr_unknown, start),
		cmocka_unit_test_setup(test_msr_values, start),
		cmocka_unit_test_setup(test_msr_pat, start),
		cmocka_unit_test(test_port_breakpoints),
		cmocka_unit_test(test_data_breakpoints),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
