/* SPDX-License-Identifier: BSD-2-Clause */
/* arch/x86/svm/svm_state.c: where each register of the guest is in the VMCB, and what writing does.
 */
#include "fake/panic.h"

#include <string.h>

#include "arch/x86/svm/svm_caps.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "base/bits.h"
#include "base/lock.h"
#include "fake/processor.h"
#include "mm/frame.h"

static struct vmcb vmcb;
static struct svm_vcpu svm;
static struct svm_cpu cpu;
static struct vcpu vcpu;
static unsigned flushes;
static uint64_t trapped;
static uint64_t completed; /* RIP of the last instruction that is done */

struct lock frame_lock = LOCK_INITIALIZER(LOCK_FRAMES);
struct svm_caps svm_caps;
struct guest_features guest_features;

struct svm_cpu *svm_cpu(void)
{
	return &cpu;
}

void svm_flush(struct svm_vcpu *of)
{
	assert_ptr_equal(of, &svm);
	flushes++;
}

void svm_complete(struct svm_vcpu *of, uint64_t next)
{
	assert_ptr_equal(of, &svm);
	completed = next;
}

void svm_trap(struct svm_vcpu *of, uint64_t causes)
{
	assert_ptr_equal(of, &svm);
	trapped = causes;
}

void svm_setup_controls(struct svm_vcpu *of)
{
	(void)of;
}

static unsigned setups;

void svm_setup_guest(struct svm_vcpu *of)
{
	assert_ptr_equal(of, &svm);
	setups++;
}

void guest_vcpu_reset(struct vcpu *of)
{
	assert_ptr_equal(of, &vcpu);
	of->regs[GPR_RDX] = 77;
}

void guest_state_save(struct arch_vcpu *arch)
{
	(void)arch;
}

void guest_state_load(const struct arch_vcpu *arch)
{
	(void)arch;
}

static int start(void **state)
{
	(void)state;
	processor_reset(XCR0_X87);
	memset(&vmcb, 0, sizeof(vmcb));
	memset(&svm, 0, sizeof(svm));
	memset(&vcpu, 0, sizeof(vcpu));
	svm_caps = (struct svm_caps){.takes_cr2 = true};
	svm.vmcb = &vmcb;
	svm.arch.vcpu = &vcpu;
	svm.arch.access = &svm_guest_access;
	vcpu.arch = &svm.arch;
	flushes = 0;
	completed = 0;
	setups = 0;
	return 0;
}

/* INIT: its first registers are made anew at the next load, once. */
static void test_reset(void **state)
{
	(void)state;
	svm_load(&svm);
	assert_int_equal(setups, 1);
	expect_panic("svm->cpu == NULL", svm_reset(&svm));
	svm_evict(&svm);
	vmcb.cr2 = 9;
	svm_reset(&svm);
	assert_int_equal(vcpu.regs[GPR_RDX], 77);
	assert_int_equal(vmcb.cr2, 0);
	assert_true(svm.filled); /* what INIT leaves alone stays */
	for (unsigned i = 0; i < 2; i++) {
		svm_load(&svm);
		svm_evict(&svm);
		assert_int_equal(setups, 2);
	}
}

static void test_nmi_is_handled(void **state)
{
	(void)state;
	assert_int_equal(guest_read(&vcpu, GUEST_NMI_BLOCKED), 0);
	svm.nmi.blocked = true;
	assert_int_equal(guest_read(&vcpu, GUEST_NMI_BLOCKED), 1);
	svm.nmi.leaving = true;
	svm.nmi.rip = 0x1000;
	vmcb.rip = 0x1000; /* at its IRET */
	assert_int_equal(guest_read(&vcpu, GUEST_NMI_BLOCKED), 1);
	vmcb.rip = 0x2000;
	assert_int_equal(guest_read(&vcpu, GUEST_NMI_BLOCKED), 0);
}

static bool is_dropped(enum guest_register name)
{
	return name == GUEST_CR0 || name == GUEST_CR3 || name == GUEST_CR4 || name == GUEST_EFER;
}

/* What is written is read, and only where the manual wants it are translations dropped. */
static void test_registers_by_name(void **state)
{
	(void)state;
	for (enum guest_register name = GUEST_CR0; name <= GUEST_RFLAGS; name++) {
		if (name == GUEST_CODE_LONG || name == GUEST_TASK_32) {
			continue;
		}
		flushes = 0;
		guest_write(&vcpu, name, 3);
		assert_int_equal(guest_read(&vcpu, name), 3);
		assert_int_equal(flushes, is_dropped(name));
	}
	expect_panic("cannot be written", guest_write(&vcpu, GUEST_CODE_LONG, 1));
	expect_panic("cannot be written", guest_write(&vcpu, GUEST_CR2, 1));
	expect_panic("cannot be written", guest_write(&vcpu, GUEST_CS_BASE, 1));
}

static void test_segments(void **state)
{
	(void)state;
	vmcb.segments[VMCB_CS].attributes = 0x29b;
	assert_int_equal(guest_read(&vcpu, GUEST_CODE_LONG), 1);
	assert_int_equal(guest_read(&vcpu, GUEST_CODE_BIG), 0);
	vmcb.segments[VMCB_CS].attributes = 0xc9b;
	assert_int_equal(guest_read(&vcpu, GUEST_CODE_LONG), 0);
	assert_int_equal(guest_read(&vcpu, GUEST_CODE_BIG), 1);
	vmcb.segments[VMCB_TR].attributes = 0x8b;
	assert_int_equal(guest_read(&vcpu, GUEST_TASK_32), 1);
	vmcb.segments[VMCB_TR].attributes = 0x83;
	assert_int_equal(guest_read(&vcpu, GUEST_TASK_32), 0);
	vmcb.segments[VMCB_CS].selector = 0x33;
	vmcb.segments[VMCB_SS].selector = 0x2b;
	assert_int_equal(guest_read(&vcpu, GUEST_CS_SELECTOR), 0x33);
	assert_int_equal(guest_read(&vcpu, GUEST_SS_SELECTOR), 0x2b);
	vmcb.segments[VMCB_ES].base = 0x10;
	vmcb.segments[VMCB_CS].base = 0x20;
	vmcb.segments[VMCB_SS].base = 0x30;
	vmcb.segments[VMCB_DS].base = 0x40;
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(guest_read(&vcpu, GUEST_ES_BASE + i), 0x10 * (i + 1));
	}
}

static void test_kinds_of_fault(void **state)
{
	static const struct {
		uint64_t info;
		bool operand, write;
	} faults[] = {
		{0x100000004, true, false},  /* a read */
		{0x100000006, true, true},   /* a write */
		{0x4, true, false},	     /* the same where the processor says less */
		{0x100000014, false, false}, /* a fetch */
		{0x200000004, false, false}, /* of an entry of the guest's tables, */
		{0x200000006, false, true},  /* and to set its accessed flag */
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(faults); i++) {
		vmcb.exit_info_1 = faults[i].info;
		assert_int_equal(guest_read(&vcpu, GUEST_FAULT_OPERAND), faults[i].operand);
		assert_int_equal(guest_read(&vcpu, GUEST_FAULT_WRITE), faults[i].write);
	}
}

/* RIP does not move alone. */
static void test_rip_completes(void **state)
{
	(void)state;
	vmcb.rip = 0x1000;
	assert_int_equal(guest_read(&vcpu, GUEST_RIP), 0x1000);
	guest_write(&vcpu, GUEST_RIP, 0x1007);
	assert_int_equal(completed, 0x1007);
	guest_write(&vcpu, GUEST_TRAP, 5);
	assert_int_equal(trapped, 5);
	/* As the guest wrote it, where the processor has another one. */
	vmcb.dr7 = 0x401;
	svm.dr7 = 0x403;
	assert_int_equal(guest_read(&vcpu, GUEST_DR7), 0x401);
	svm_caps.breakpoints_stay = true;
	assert_int_equal(guest_read(&vcpu, GUEST_DR7), 0x403);
	assert_int_equal(vmcb.rip, 0x1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_reset, start),
		cmocka_unit_test_setup(test_nmi_is_handled, start),
		cmocka_unit_test_setup(test_registers_by_name, start),
		cmocka_unit_test_setup(test_segments, start),
		cmocka_unit_test_setup(test_kinds_of_fault, start),
		cmocka_unit_test_setup(test_rip_completes, start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
