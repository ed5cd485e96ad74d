/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/x86/svm/svm_debug.c: DR7 of a guest on a processor whose exits leave breakpoints armed. What
 * the guest reads is what it wrote; what the processor has can never stop the hypervisor.
 */
#include "fake/panic.h"

#include <string.h>

#include "arch/x86/cpu/registers.h"
#include "arch/x86/svm/svm_caps.h"
#include "arch/x86/svm/svm_debug.h"

#define ARMED 0xffull
#define GENERAL_DETECT 0x2000ull
#define LENGTH 4u

struct svm_caps svm_caps;
static struct svm_instruction here;
static bool is_long;
static struct vmcb vmcb;
static struct svm_vcpu svm;
static struct vcpu vcpu;

struct svm_instruction svm_instruction_here(const struct svm_vcpu *which)
{
	assert_ptr_equal(which, &svm);
	return here;
}

static uint64_t register_read(const struct vcpu *which, enum guest_register name)
{
	assert_ptr_equal(which, &vcpu);
	assert_int_equal(name, GUEST_CODE_LONG);
	return is_long;
}

static const struct guest_access access = {.read = register_read};

static int start(void **state)
{
	(void)state;
	memset(&vmcb, 0, sizeof(vmcb));
	memset(&vcpu, 0, sizeof(vcpu));
	svm_caps = (struct svm_caps){.breakpoints_stay = true};
	is_long = true;
	vcpu.arch = &svm.arch;
	svm = (struct svm_vcpu){.vmcb = &vmcb};
	svm.arch.vcpu = &vcpu;
	svm.arch.access = &access;
	svm.arch.efer = EFER_LMA;
	vmcb.rip = 0x1000;
	svm_debug_setup(&svm);
	return 0;
}

static enum exit_action execute(enum svm_instruction_kind kind, unsigned number)
{
	here = (struct svm_instruction){
		.kind = kind, .length = LENGTH, .cr = number, .gpr = GPR_RBX};
	return svm_decide_dr(&svm);
}

static enum exit_action write(unsigned number, uint64_t value)
{
	vcpu.regs[GPR_RBX] = value;
	return execute(INSTRUCTION_MOV_TO_DR, number);
}

static uint64_t read(unsigned number)
{
	vcpu.regs[GPR_RBX] = 0x5555;
	assert_int_equal(execute(INSTRUCTION_MOV_FROM_DR, number), EXIT_ADVANCE);
	assert_int_equal(svm.next_rip, 0x1000 + LENGTH);
	return vcpu.regs[GPR_RBX];
}

static void test_controls(void **state)
{
	(void)state;
	assert_int_equal(vmcb.intercept_dr_write, 0xa0); /* DR7, and its other name DR5 */
	assert_int_equal(vmcb.intercept_dr_read, 0xa0);
	assert_int_equal(vmcb.dr7, 0x400);
	assert_int_equal(vmcb.dr6, 0xffff0ff0);
	assert_int_equal(read(7), 0x400);
	assert_ptr_equal(svm_dr7(&svm), &svm.dr7);

	/* A processor that disarms them: guests have all of it to themselves. */
	memset(&vmcb, 0, sizeof(vmcb));
	svm_caps.breakpoints_stay = false;
	svm_debug_setup(&svm);
	assert_int_equal(vmcb.intercept_dr_write | vmcb.intercept_dr_read, 0);
	assert_int_equal(vmcb.dr7, 0x400);
	assert_ptr_equal(svm_dr7(&svm), &vmcb.dr7);
}

static void test_nothing_is_armed(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 32; bit++) {
		assert_int_equal(write(7, 1ull << bit), EXIT_ADVANCE);
		assert_int_equal(svm.next_rip, 0x1000 + LENGTH);
		assert_int_equal(vmcb.dr7 & (ARMED | GENERAL_DETECT), 0);
		assert_int_equal(vmcb.dr7 >> 32, 0);
		/* Bits 10 (one), 11, 12, 14 and 15 (zero) are not the guest's. */
		assert_int_equal(read(7), 0x400 | ((1ull << bit) & 0xffff23ff));
	}
	assert_int_equal(write(7, 0xffffffff), EXIT_ADVANCE);
	assert_int_equal(read(7), 0xffff27ff);
	assert_int_equal(vmcb.dr7, 0xffff0700);
}

static void test_refused(void **state)
{
	(void)state;
	assert_int_equal(write(7, 0x401), EXIT_ADVANCE);
	assert_int_equal(write(7, 1ull << 32), EXIT_INJECT);
	assert_int_equal(vcpu.inject.vector, 13);
	assert_int_equal(read(7), 0x401);
	/* The upper half of a register is not there outside 64-bit mode. */
	is_long = false;
	assert_int_equal(write(7, 1ull << 32 | 0x2), EXIT_ADVANCE);
	assert_int_equal(read(7), 0x402);
	vmcb.cpl = 3;
	assert_int_equal(write(7, 0), EXIT_INJECT);
	assert_int_equal(vcpu.inject.vector, 13);
}

static void test_other_name(void **state)
{
	(void)state;
	assert_int_equal(write(5, 0x403), EXIT_ADVANCE);
	assert_int_equal(read(7), 0x403);
	assert_int_equal(read(5), 0x403);
	vmcb.cr4 = CR4_DE;
	assert_int_equal(write(5, 0x40f), EXIT_INJECT);
	assert_int_equal(vcpu.inject.vector, 6);
	assert_false(vcpu.inject.has_error);
	assert_int_equal(read(7), 0x403);
}

static void test_rewritten(void **state)
{
	(void)state;
	assert_int_equal(write(7, 0x401), EXIT_ADVANCE);
	assert_int_equal(execute(INSTRUCTION_OTHER, 0), EXIT_RESUME);
	assert_int_equal(execute(INSTRUCTION_MOV_TO, 4), EXIT_RESUME);
	/* Another debug register's, which does not exit: it is executed as it is. */
	assert_int_equal(write(0, 0x1234), EXIT_RESUME);
	assert_int_equal(read(7), 0x401);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_controls, start),
		cmocka_unit_test_setup(test_nothing_is_armed, start),
		cmocka_unit_test_setup(test_refused, start),
		cmocka_unit_test_setup(test_other_name, start),
		cmocka_unit_test_setup(test_rewritten, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
