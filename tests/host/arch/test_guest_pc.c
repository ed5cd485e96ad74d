/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/x86/guest/guest_pc.c: what a processor in a virtual PC has beside that of a native guest:
 * MSRs of the board, and its own answers of CPUID.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "fake/devices.h"

#include "arch/x86/guest/guest_cpuid.h"
#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/guest/guest_msr.h"
#include "arch/x86/guest/guest_pc.h"
#include "base/bits.h"
#include "base/time.h"
#include "arch/arch.h"
#include "kernel/vm/vm.h"

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
static struct arch_vcpu fake_arch;
static struct vm vm;
static struct vcpu vcpu;

static int start(void **state)
{
	(void)state;
	memset(&vcpu, 0, sizeof(vcpu));
	memset(registers, 0, sizeof(registers));
	fake_devices_reset();
	fake_arch = (struct arch_vcpu){.access = &fake_access, .slice_tsc = UINT64_MAX};
	vm.state = VM_RUNNING;
	vm.config.vcpus = 4;
	vm.platform = fake_devices_of_a_vm();
	vcpu.vm = &vm;
	vcpu.index = 3;
	vcpu.arch = &fake_arch;
	vcpu.timer_tsc = WAKE_NEVER;
	write_count = 0;
	guest_features.leaf_max = 0xd;
	guest_features.extended_leaf_max = 0x80000008;
	guest_cpuid_prepare();
	guest_cpuid_choose(&vcpu);
	return 0;
}

/* ---- the name of the hypervisor ---- */

static void test_personalities(void **state)
{
	static const struct {
		enum personality as;
		uint32_t leaf_max;
		const char *name;
	} expected[] = {
		{AS_PLAIN, 0x40000010, "AEROSTAT-HV1"},
		{AS_KVM, 0x40000001, "KVMKVMKVM\0\0\0"},
		{AS_VMWARE, 0x40000000, "VMwareVMware"},
		{AS_HYPERV, 0x40000005, "Microsoft Hv"},
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(expected); i++) {
		uint32_t name[3];
		vm.config.as = expected[i].as;
		guest_cpuid_choose(&vcpu);
		vcpu.regs[GPR_RAX] = 0x40000000;
		assert_int_equal(guest_cpuid(&vcpu), EXIT_ADVANCE);
		name[0] = (uint32_t)vcpu.regs[GPR_RBX];
		name[1] = (uint32_t)vcpu.regs[GPR_RCX];
		name[2] = (uint32_t)vcpu.regs[GPR_RDX];
		assert_memory_equal(name, expected[i].name, 12);
		assert_int_equal(vcpu.regs[GPR_RAX], expected[i].leaf_max);
		/* Beyond the highest leaf there is nothing of Aerostat's own either. */
		vcpu.regs[GPR_RAX] = 0x4000001f;
		assert_int_equal(guest_cpuid(&vcpu), EXIT_ADVANCE);
		assert_int_equal(vcpu.regs[GPR_RAX], 0);
		vcpu.regs[GPR_RAX] = 1;
		assert_int_equal(guest_cpuid(&vcpu), EXIT_ADVANCE);
		assert_true(vcpu.regs[GPR_RCX] & 1u << 31);
	}
	vm.config.as = AS_PLAIN;
}

/* What Linux needs of Hyper-V, and nothing that it would then use. */
static void test_hyperv_leaves(void **state)
{
	static const uint32_t expected[][4] = {
		{0x31237648, 0, 0, 0},
		{0, 0, 0, 0},
		{0x8864, 0x100030, 0, 0x100},
		{0x200, 0, 0, 0},
		{AEROSTAT_VCPUS_MAX, AEROSTAT_VCPUS_MAX, 0, 0},
		{0, 0, 0, 0},
	};
	(void)state;
	vm.config.as = AS_HYPERV;
	guest_cpuid_choose(&vcpu);
	for (unsigned i = 0; i < ARRAY_COUNT(expected); i++) {
		vcpu.regs[GPR_RAX] = 0x40000001 + i;
		assert_int_equal(guest_cpuid(&vcpu), EXIT_ADVANCE);
		assert_int_equal(vcpu.regs[GPR_RAX], expected[i][0]);
		assert_int_equal(vcpu.regs[GPR_RBX], expected[i][1]);
		assert_int_equal(vcpu.regs[GPR_RCX], expected[i][2]);
		assert_int_equal(vcpu.regs[GPR_RDX], expected[i][3]);
	}
	for (uint32_t leaf = 0x40000080; leaf <= 0x40000082; leaf++) {
		vcpu.regs[GPR_RAX] = leaf;
		assert_int_equal(guest_cpuid(&vcpu), EXIT_ADVANCE);
		assert_int_equal(vcpu.regs[GPR_RAX], 0);
	}
	vm.config.as = AS_PLAIN;
}

/* ---- MSRs ---- */

enum written { REFUSED, IGNORED, SAME };

static const struct {
	uint32_t index;
	uint64_t value;
	enum written write;
} board[] = {
	{0x17, 0, REFUSED},
	{0x3b, 0, SAME},
	{0x8b, 0, IGNORED},
	{0xc0010010, 0, IGNORED},
	{0xc0010015, 1 << 24, IGNORED},
	{0xc001001f, 0, IGNORED},
	{0xc0010055, 0, REFUSED},
	{0xc0010114, 0x10, REFUSED},
	{0xc0011020, 0, IGNORED},
	{0xc0011029, 2, IGNORED},
};

static void expect_write(uint32_t index, uint64_t value, bool accepted)
{
	vcpu.inject.vector = 0;
	assert_int_equal(guest_msr_write(&vcpu, index, value),
			 accepted ? EXIT_ADVANCE : EXIT_INJECT);
	assert_int_equal(vcpu.inject.vector, accepted ? 0 : 13);
}

static void test_registers_of_the_board(void **state)
{
	(void)state;
	fake_devices.refuses = true;
	for (unsigned i = 0; i < ARRAY_COUNT(board); i++) {
		uint64_t same = board[i].value;
		for (unsigned turn = 0; turn < 2; turn++) { /* writing changed nothing */
			vcpu.regs[GPR_RAX] = vcpu.regs[GPR_RDX] = ~0ull;
			assert_int_equal(guest_msr_read(&vcpu, board[i].index), EXIT_ADVANCE);
			assert_int_equal(vcpu.regs[GPR_RAX], same);
			assert_int_equal(vcpu.regs[GPR_RDX], 0);
			expect_write(board[i].index, same, board[i].write != REFUSED);
			for (unsigned bit = 0; bit < 64; bit++) {
				expect_write(board[i].index, same ^ BIT(bit),
					     board[i].write == IGNORED);
			}
		}
	}
	assert_int_equal(write_count, 0);
}

/* A command that has stopped the vCPU, or ended its VM, is the last thing that it does. */
static void test_write_that_ends_the_run(void **state)
{
	(void)state;
	assert_int_equal(guest_msr_write(&vcpu, 0x830, 0x4500), EXIT_ADVANCE);
	vcpu.stopping = true;
	assert_int_equal(guest_msr_write(&vcpu, 0x830, 0x4500), EXIT_YIELD);
	vcpu.stopping = false;
	vm.state = VM_RESTARTING;
	assert_int_equal(guest_msr_write(&vcpu, 0x830, 0x4500), EXIT_YIELD);
}

/* A native guest has none of them. */
static void test_native_guests_have_none(void **state)
{
	(void)state;
	vm.platform = NULL;
	for (unsigned i = 0; i < ARRAY_COUNT(board); i++) {
		assert_int_equal(guest_msr_read(&vcpu, board[i].index), EXIT_INJECT);
		expect_write(board[i].index, board[i].value, false);
	}
	assert_int_equal(fake_devices.msr, 0);
}

static void test_registers_of_the_local_apic(void **state)
{
	(void)state;
	fake_devices.value = 0x123456789;
	assert_int_equal(guest_msr_read(&vcpu, 0x802), EXIT_ADVANCE);
	assert_int_equal(vcpu.regs[GPR_RAX], 0x23456789);
	assert_int_equal(vcpu.regs[GPR_RDX], 1);
	assert_int_equal(fake_devices.msr, 0x802);
	/* CR8 follows the task priority, and is left alone when it is the same. */
	fake_devices.priority = 7;
	expect_write(0x808, 0x70, true);
	assert_int_equal(fake_devices.msr_written, 0x70);
	assert_int_equal(registers[GUEST_CR8], 7);
	assert_int_equal(write_count, 1);
	expect_write(0x80b, 0, true);
	assert_int_equal(write_count, 1);
	/* Refused: #GP, and nothing else. */
	fake_devices.refuses = true;
	fake_devices.priority = 3;
	expect_write(0x802, 0, false);
	assert_int_equal(registers[GUEST_CR8], 7);
	assert_int_equal(guest_msr_read(&vcpu, 0x802), EXIT_INJECT);
}

/* A timer that an access has armed ends the run; one that is as before does not touch it. */
static void test_settle_follows_the_timer(void **state)
{
	(void)state;
	vcpu.timer_tsc = 5000;
	fake_arch.deadline_tsc = 77;
	guest_pc_settle(&vcpu, 5000);
	assert_int_equal(fake_arch.deadline_tsc, 77);
	guest_pc_settle(&vcpu, WAKE_NEVER);
	assert_int_equal(fake_arch.deadline_tsc, 5000);
	fake_arch.slice_tsc = 4000;
	guest_pc_settle(&vcpu, 1);
	assert_int_equal(fake_arch.deadline_tsc, 4000);
	vcpu.timer_tsc = WAKE_NEVER;
	guest_pc_settle(&vcpu, 5000);
	assert_int_equal(fake_arch.deadline_tsc, 4000);
}

/* ---- CPUID ---- */

static struct cpuid leaf(uint32_t number, uint32_t subleaf)
{
	vcpu.regs[GPR_RAX] = number;
	vcpu.regs[GPR_RCX] = subleaf;
	assert_int_equal(guest_cpuid(&vcpu), EXIT_ADVANCE);
	return (struct cpuid){(uint32_t)vcpu.regs[GPR_RAX], (uint32_t)vcpu.regs[GPR_RBX],
			      (uint32_t)vcpu.regs[GPR_RCX], (uint32_t)vcpu.regs[GPR_RDX]};
}

static void test_adjusted_leaves(void **state)
{
	(void)state;
	static const struct {
		uint32_t leaf;
		struct cpuid zeros, ones;
	} wanted[] = {
		{0, {0x15, 0, 0, 0}, {~0u, ~0u, ~0u, ~0u}},
		{1, {0, 0, BIT(21) | BIT(24), BIT(9)}, {~0u, ~0u, ~0u, ~0u}},
		{6, {4, 0, 0, 0}, {~0u, ~0u, ~0u, ~0u}},
		{7, {0, 2, 0, 0}, {~0u, ~0u, ~0u, ~0u}},
		{0x80000007, {0, 0, 0, 0x100}, {~0u, ~0u, ~0u, ~0u}},
		{2, {0, 0, 0, 0}, {~0u, ~0u, ~0u, ~0u}},
		{0x40000000, {0, 0, 0, 0}, {~0u, ~0u, ~0u, ~0u}},
	};
	for (unsigned i = 0; i < ARRAY_COUNT(wanted); i++) {
		struct cpuid out = {0, 0, 0, 0};
		guest_pc_cpuid_adjust(wanted[i].leaf, &out);
		assert_memory_equal(&out, &wanted[i].zeros, sizeof(out));
		out = (struct cpuid){~0u, ~0u, ~0u, ~0u};
		guest_pc_cpuid_adjust(wanted[i].leaf, &out);
		assert_memory_equal(&out, &wanted[i].ones, sizeof(out));
	}
	struct cpuid out = {.eax = 0x16};
	guest_pc_cpuid_adjust(0, &out);
	assert_int_equal(out.eax, 0x16);
}

/* SDM vol. 3, 11.4.3: an APIC that is switched off by IA32_APIC_BASE is not there for CPUID. */
static void test_apic_that_is_off(void **state)
{
	(void)state;
	fake_devices.value = 0xfee00800;
	struct cpuid on = leaf(1, 0);
	assert_true(on.edx & BIT(9));
	assert_true(on.ecx & BIT(21));
	assert_int_equal(on.ebx >> 24, 3);
	assert_int_equal(fake_devices.msr, 0x1b);
	fake_devices.value = 0xfee00000;
	struct cpuid off = leaf(1, 0);
	assert_int_equal(off.edx, on.edx & ~(uint32_t)BIT(9));
	assert_int_equal(off.ecx, on.ecx);
	assert_int_equal(off.ebx, on.ebx);
	fake_devices.value = 0xfee00c00;
	assert_int_equal(leaf(1, 0).edx, on.edx);
	/* A native guest has none, and nobody asks. */
	vm.platform = NULL;
	guest_cpuid_choose(&vcpu);
	fake_devices.msr = 0;
	assert_false(leaf(1, 0).edx & BIT(9));
	assert_int_equal(fake_devices.msr, 0);
}

static void test_topology(void **state)
{
	(void)state;
	for (unsigned index = 0; index < 4; index++) {
		vcpu.index = index;
		struct cpuid thread = leaf(0xb, 0);
		struct cpuid core = leaf(0xb, 1);
		struct cpuid end = leaf(0xb, 0x302);
		assert_int_equal(thread.eax, 0); /* no bit of the number is the thread's */
		assert_int_equal(thread.ebx, 1);
		assert_int_equal(thread.ecx, 0x100);
		assert_int_equal(core.eax, 0);
		assert_int_equal(core.ebx, 1);
		assert_int_equal(core.ecx, 0x201);
		assert_int_equal(end.eax, 0);
		assert_int_equal(end.ebx, 0);
		assert_int_equal(end.ecx, 2);
		assert_int_equal(thread.edx, index);
		assert_int_equal(core.edx, index);
		assert_int_equal(end.edx, index);
	}
}

static void test_clock(void **state)
{
	(void)state;
	static const uint64_t rates[] = {1000, 50000, 2400000, 10000000};
	for (unsigned i = 0; i < ARRAY_COUNT(rates); i++) {
		struct cpuid out = guest_pc_clock(rates[i]);
		assert_int_equal((uint64_t)out.ecx * out.ebx / out.eax, rates[i] * 1000);
		assert_int_equal(out.ebx, PLATFORM_TSC_TICKS_PER_CLOCK * out.eax);
	}
	struct cpuid wanted = guest_pc_clock(arch_tsc_khz());
	struct cpuid out = leaf(0x15, 0);
	assert_memory_equal(&out, &wanted, sizeof(out));
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_personalities),
		TEST(test_hyperv_leaves),
		TEST(test_registers_of_the_board),
		TEST(test_native_guests_have_none),
		TEST(test_write_that_ends_the_run),
		TEST(test_registers_of_the_local_apic),
		TEST(test_settle_follows_the_timer),
		TEST(test_adjusted_leaves),
		TEST(test_apic_that_is_off),
		TEST(test_topology),
		TEST(test_clock),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
