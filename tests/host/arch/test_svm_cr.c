/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/x86/svm/svm_cr.c and svm_step.c: exits because of control registers, on a VMCB in memory,
 * with the guest's code in an array. Processors that name the register of a MOV, those that do not,
 * and emulators that report each read as one of CR0.
 */
#include "fake/panic.h"

#include <stdio.h>
#include <string.h>

#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/guest/guest_msr.h"
#include "arch/x86/guest/guest_walk.h"
#include "arch/x86/svm/svm_caps.h"
#include "arch/x86/svm/svm_exits.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "base/bits.h"
#include "base/lock.h"
#include "kernel/vm/vm.h"
#include "mm/frame.h"

#define RIP 0x1000ull
#define PATTERN 0x8000000000000000ull
#define OLD_DR6 0xffff0ff4ull

/* ---- What these files ask of others ---- */

static uint64_t registers[GUEST_SS_SELECTOR + 1];
static struct vmcb vmcb;
static struct svm_vcpu svm;
static struct vcpu vcpu;
static struct vm vm;
static struct s2 space;
static uint8_t code[32]; /* from RIP on */
static size_t code_bytes;
static struct vm_exit seen; /* by kernel/exit/exit.c */
static struct {
	bool called;
	unsigned cr;
	uint64_t value;
} written; /* by guest_cr_write */
static char logged[256];

struct lock frame_lock = LOCK_INITIALIZER(LOCK_FRAMES);
struct svm_caps svm_caps;
const uint8_t guest_exit_always[3 * PAGE_BYTES];

struct guest_segment guest_entry_segment(const struct vcpu *of, enum guest_segment_name name)
{
	(void)of;
	(void)name;
	return (struct guest_segment){0};
}

uint64_t guest_entry_cr0(const struct vcpu *of)
{
	(void)of;
	return CR0_PE | CR0_ET;
}

uint32_t guest_entry_table_limit(const struct vcpu *of)
{
	return of->entry_real_mode ? 0xffff : 0;
}

uint64_t guest_entry_rip(const struct vcpu *of)
{
	return of->entry;
}

uint64_t arch_tsc(void)
{
	return 0;
}

static uint64_t fake_read(const struct vcpu *from, enum guest_register name)
{
	(void)from;
	return name == GUEST_CR0 ? svm.arch.cr0 : registers[name];
}

static void fake_write(struct vcpu *to, enum guest_register name, uint64_t value)
{
	(void)to;
	registers[name] = value;
	if (name == GUEST_CR0) {
		svm.arch.cr0 = value;
		vmcb.cr0 = value & ~SVM_CR0_HIDDEN;
	}
}

static const struct guest_access fake_access = {.read = fake_read, .write = fake_write};

size_t guest_fetch(const struct vcpu *from, uint64_t linear, void *to, size_t count)
{
	size_t skipped = linear - RIP;

	assert_ptr_equal(from, &vcpu);
	assert_true(linear >= RIP && skipped <= code_bytes);
	count = min_u64(count, code_bytes - skipped);
	memcpy(to, code + skipped, count);
	return count;
}

enum exit_action vm_exit_handle(struct vcpu *of, const struct vm_exit *vm_exit)
{
	assert_ptr_equal(of, &vcpu);
	seen = *vm_exit;
	assert_int_equal(vm_exit->kind, VM_EXIT_UNKNOWN);
	return EXIT_KILL;
}

enum exit_action guest_cr_write(struct vcpu *of, unsigned cr, uint64_t value)
{
	assert_ptr_equal(of, &vcpu);
	assert_false(written.called);
	written.called = true;
	written.cr = cr;
	written.value = value;
	return EXIT_ADVANCE;
}

void vm_log(struct vm *of, const char *format, ...)
{
	va_list arguments;

	assert_ptr_equal(of, &vm);
	va_start(arguments, format);
	vsnprintf(logged, sizeof(logged), format, arguments);
	va_end(arguments);
}

void svm_cr2_write(struct svm_vcpu *to, uint64_t value)
{
	to->vmcb->cr2 = value;
}

_Noreturn void machine_check_report(void)
{
	panic("machine check");
}

#define CODE(...) code_set((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* Behind it nothing can be read. */
static void code_set(const uint8_t *bytes, size_t count)
{
	memcpy(code, bytes, count);
	code_bytes = count;
}

static int start(void **state)
{
	(void)state;
	memset(&vmcb, 0, sizeof(vmcb));
	memset(&svm, 0, sizeof(svm));
	memset(&vcpu, 0, sizeof(vcpu));
	memset(&seen, 0, sizeof(seen));
	memset(&written, 0, sizeof(written));
	logged[0] = 0;
	svm_caps = (struct svm_caps){0};
	for (unsigned i = 0; i <= GUEST_SS_SELECTOR; i++) {
		registers[i] = PATTERN | i;
	}
	registers[GUEST_CODE_LONG] = 1;
	svm.vmcb = &vmcb;
	svm.arch.vcpu = &vcpu;
	svm.arch.access = &fake_access;
	svm.arch.efer = EFER_LMA;
	svm.arch.cr0 = CR0_PE | CR0_PG | CR0_CD | CR0_TS;
	svm.arch.s2 = &space;
	vcpu.arch = &svm.arch;
	vcpu.vm = &vm;
	vmcb.rip = RIP;
	vmcb.cr0 = svm.arch.cr0 & ~SVM_CR0_HIDDEN;
	vmcb.rflags = RFLAGS_FIXED | RFLAGS_IF;
	vmcb.dr6 = OLD_DR6;
	svm_setup_controls(&svm);
	return 0;
}

static enum exit_action decide(uint32_t exit_code)
{
	struct vm_exit vm_exit = {.raw_reason = exit_code};

	return svm_decide_cr(&svm, &vm_exit);
}

/* An emulator cannot say that the delivery of a virtual interrupt was interrupted. */
static void test_virtual_interrupts_exit_where_their_delivery_is_misreported(void **state)
{
	uint32_t intercepts = vmcb.intercept_1;
	(void)state;

	assert_false(intercepts & INTERCEPT_VINTR);
	svm_caps.virtual_exits = true;
	svm_setup_controls(&svm);
	assert_int_equal(vmcb.intercept_1, intercepts | INTERCEPT_VINTR);
}

/* INIT: what a guest may have left in the VMCB is gone, but for what INIT leaves alone. */
static void test_setup_of_one_that_has_run(void **state)
{
	uint32_t intercepts = vmcb.intercept_1;
	(void)state;

	svm_setup_guest(&svm);
	assert_int_equal(registers[GUEST_PAT], GUEST_PAT_RESET);
	svm.filled = true;
	registers[GUEST_PAT] = 0x0606060606060606;
	vmcb.intercept_1 |= INTERCEPT_IRET;
	vmcb.interrupt_shadow = INTERRUPT_SHADOW;
	vmcb.cpl = 3;
	vmcb.rsp = 0x9000;
	vmcb.segments[VMCB_IDTR].base = 0x8000;
	svm.nmi.blocked = true;
	svm.shadow.entered = true;
	vcpu.entry_real_mode = true;
	vcpu.entry = 0x9a000;
	svm_setup_guest(&svm);
	vcpu.entry_real_mode = false;
	assert_int_equal(registers[GUEST_PAT], 0x0606060606060606);
	assert_int_equal(registers[GUEST_CR3], 0);
	assert_int_equal(registers[GUEST_CR8], 0);
	assert_int_equal(registers[GUEST_EFER], 0);
	assert_int_equal(vmcb.intercept_1, intercepts);
	assert_int_equal(vmcb.interrupt_shadow, 0);
	assert_int_equal(vmcb.cpl, 0);
	assert_int_equal(vmcb.rsp, 0);
	assert_int_equal(vmcb.rip, 0x9a000);
	assert_int_equal(vmcb.rflags, RFLAGS_FIXED);
	assert_int_equal(vmcb.segments[VMCB_IDTR].base, 0);
	assert_int_equal(vmcb.segments[VMCB_IDTR].limit, 0xffff);
	assert_false(svm.nmi.blocked || svm.shadow.entered);
}

/* ---- Reads ---- */

static const struct {
	unsigned cr;
	enum guest_register name;
} readable[] = {
	{0, GUEST_CR0}, {2, GUEST_CR2}, {3, GUEST_CR3}, {4, GUEST_CR4}, {8, GUEST_CR8},
};

/* The manual's way: the exit code names the register, here without decode assists. */
static void test_every_read_is_of_the_register_in_the_instruction(void **state)
{
	const uint32_t codes[] = {SVM_EXIT_CR0_READ, SVM_EXIT_CR4_READ};
	(void)state;

	for (unsigned i = 0; i < ARRAY_COUNT(readable); i++) {
		unsigned cr = readable[i].cr;

		for (unsigned gpr = 0; gpr < 16; gpr++) {
			uint8_t rex = (uint8_t)(0x40 | (cr & 8) >> 1 | gpr >> 3);

			for (unsigned j = 0; j < ARRAY_COUNT(codes); j++) {
				start(NULL);
				CODE(rex, 0x0f, 0x20, (uint8_t)(0xc0 | (cr & 7) << 3 | (gpr & 7)));
				assert_int_equal(decide(codes[j]), EXIT_ADVANCE);
				assert_int_equal(svm.next_rip, RIP + 4);
				assert_int_equal(gpr == GPR_RSP ? registers[GUEST_RSP]
								: vcpu.regs[gpr],
						 fake_read(&vcpu, readable[i].name));
			}
		}
	}
}

/* Where the processor tells them apart and where it does not: CR4 is never read in truth. */
static void test_reads_of_cr0_and_cr4_are_intercepted(void **state)
{
	(void)state;
	assert_int_equal(vmcb.intercept_cr_read, BIT(0) | BIT(4));
	assert_int_equal(vmcb.intercept_cr_write, BIT(0) | BIT(4) | BIT(8));
}

static void expect_undefined(uint32_t exit_code)
{
	vcpu.inject.vector = 0;
	assert_int_equal(decide(exit_code), EXIT_INJECT);
	assert_int_equal(vcpu.inject.vector, 6);
	assert_false(vcpu.inject.has_error);
	assert_false(written.called);
}

static void test_registers_that_do_not_exist(void **state)
{
	(void)state;
	for (unsigned cr = 0; cr < 16; cr++) {
		bool exists = cr == 0 || cr == 2 || cr == 3 || cr == 4 || cr == 8;

		start(NULL);
		CODE((uint8_t)(0x40 | (cr & 8) >> 1), 0x0f, 0x20, (uint8_t)(0xc0 | (cr & 7) << 3));
		if (exists) {
			assert_int_equal(decide(SVM_EXIT_CR0_READ), EXIT_ADVANCE);
		} else {
			expect_undefined(SVM_EXIT_CR0_READ);
		}
	}
	/* LOCK leads from CR0 to CR8, and from the others nowhere. */
	CODE(0xf0, 0x0f, 0x22, 0xe0);
	expect_undefined(SVM_EXIT_CR4_WRITE);
}

static void test_decode_assists(void **state)
{
	(void)state;
	svm_caps.decode = svm_caps.next_rip = true;
	code_bytes = 0;
	vmcb.next_rip = RIP + 9;
	vmcb.exit_info_1 = BIT(63) | 11;
	assert_int_equal(decide(SVM_EXIT_CR4_READ), EXIT_ADVANCE);
	assert_int_equal(vcpu.regs[11], registers[GUEST_CR4]);
	assert_int_equal(svm.next_rip, RIP + 9);
	vcpu.regs[11] = 0x1234;
	assert_int_equal(decide(SVM_EXIT_CR8_WRITE), EXIT_ADVANCE);
	assert_true(written.called);
	assert_int_equal(written.cr, 8);
	assert_int_equal(written.value, 0x1234);
	/* SMSW is no MOV: bit 63 is clear. */
	vmcb.exit_info_1 = 0;
	CODE(0x0f, 0x01, 0xe1);
	assert_int_equal(decide(SVM_EXIT_CR0_READ), EXIT_ADVANCE);
	assert_int_equal(vcpu.regs[1], svm.arch.cr0);
}

/* ---- Writes ---- */

static void expect_write(uint32_t exit_code, unsigned cr, uint64_t value)
{
	written.called = false;
	assert_int_equal(decide(exit_code), EXIT_ADVANCE);
	assert_true(written.called);
	assert_int_equal(written.cr, cr);
	assert_int_equal(written.value, value);
}

static void test_writes(void **state)
{
	(void)state;
	vcpu.regs[6] = 0x8005003b;
	CODE(0x0f, 0x22, 0xc6);
	expect_write(SVM_EXIT_CR0_WRITE, 0, 0x8005003b);
	CODE(0x48, 0x66, 0x0f, 0x22, 0xe6);
	expect_write(SVM_EXIT_CR4_WRITE, 4, 0x8005003b);
	assert_int_equal(svm.next_rip, RIP + 5);
	CODE(0xf0, 0x0f, 0x22, 0xc6);
	expect_write(SVM_EXIT_CR8_WRITE, 8, 0x8005003b);
	CODE(0x0f, 0x06);
	expect_write(SVM_EXIT_CR0_WRITE, 0, svm.arch.cr0 & ~(uint64_t)CR0_TS);
	assert_int_equal(svm.next_rip, RIP + 2);
	CODE(0x0f, 0x01, 0xf6);
	expect_write(SVM_EXIT_CR0_WRITE, 0, (svm.arch.cr0 & ~0xfull) | 0xb);
}

/* Another vCPU has written other code there, or its page is gone: the guest tries again. */
static void test_code_that_does_not_fit_the_exit_is_executed_again(void **state)
{
	(void)state;
	CODE(0x0f, 0x22, 0xc0);
	assert_int_equal(decide(SVM_EXIT_CR0_READ), EXIT_RESUME);
	assert_int_equal(decide(SVM_EXIT_CR4_WRITE), EXIT_RESUME);
	CODE(0x0f, 0x20, 0xc0);
	assert_int_equal(decide(SVM_EXIT_CR0_WRITE), EXIT_RESUME);
	CODE(0x0f, 0x06);
	assert_int_equal(decide(SVM_EXIT_CR0_READ), EXIT_RESUME);
	for (code_bytes = 0; code_bytes < 3; code_bytes++) {
		memcpy(code, "\x66\x0f\x22", 3);
		assert_int_equal(decide(SVM_EXIT_CR0_WRITE), EXIT_RESUME);
	}
	assert_int_equal(seen.kind, 0);
	assert_false(written.called);
	assert_false(svm.step.active);
}

static void test_code_that_is_not_understood_ends_the_vm_by_name(void **state)
{
	(void)state;
	CODE(0x66, 0x0f, 0x24, 0xc0, 0x90);
	assert_int_equal(decide(SVM_EXIT_CR0_WRITE), EXIT_KILL);
	assert_non_null(strstr(logged, "rip=0x1000: bytes 66 0f 24 c0 90"));
	assert_non_null(strstr(seen.text, "not understood"));
}

/* User code can reach SMSW alone, whatever another vCPU makes of its bytes meanwhile. */
static void test_user_code_reaches_no_control_register(void **state)
{
	static const uint8_t others[][3] = {
		{0x0f, 0x20, 0xe0}, {0x0f, 0x22, 0xc0}, {0x0f, 0x01, 0xf0},
		{0x0f, 0x06, 0x90}, {0x0f, 0x01, 0x23}, {0x90, 0x90, 0x90},
	};
	(void)state;

	for (unsigned i = 0; i < ARRAY_COUNT(others); i++) {
		start(NULL);
		vmcb.cpl = 3;
		code_set(others[i], 3);
		assert_int_equal(decide(SVM_EXIT_CR0_READ), EXIT_RESUME);
		assert_true(svm.step.active);
		assert_int_equal(seen.kind, 0);
		assert_false(written.called);
		assert_int_equal(vcpu.regs[0], 0);
	}
	start(NULL);
	vmcb.cpl = 3;
	CODE(0x0f, 0x01, 0xe0);
	assert_int_equal(decide(SVM_EXIT_CR0_READ), EXIT_ADVANCE);
	assert_int_equal(vcpu.regs[0], svm.arch.cr0);
}

/* ---- One instruction alone ---- */

static void begin_step(void)
{
	CODE(0x0f, 0x01, 0x23);
	assert_int_equal(decide(SVM_EXIT_CR0_READ), EXIT_RESUME);
	assert_int_equal(vmcb.intercept_cr_read, BIT(4));
	assert_int_equal(vmcb.intercept_cr_write, BIT(4) | BIT(8));
	assert_int_equal(vmcb.intercept_exceptions, ~(uint32_t)BIT(2));
	assert_true(vmcb.rflags & RFLAGS_TF);
}

static void expect_as_before(uint64_t flags)
{
	assert_false(svm.step.active);
	assert_int_equal(vmcb.intercept_cr_read, BIT(0) | BIT(4));
	assert_int_equal(vmcb.intercept_cr_write, BIT(0) | BIT(4) | BIT(8));
	assert_int_equal(vmcb.intercept_exceptions, BIT(1) | BIT(17) | BIT(18));
	assert_int_equal(vmcb.rflags, flags);
}

static void test_step_over_a_word_in_memory(void **state)
{
	const uint64_t flags = vmcb.rflags;
	(void)state;

	assert_false(svm_step_end(&svm, SVM_EXIT_CPUID));
	begin_step();
	assert_int_equal(vmcb.dr6, 0xffff0ff0);
	vmcb.dr6 |= DR6_SINGLE_STEP;
	assert_true(svm_step_end(&svm, SVM_EXIT_EXCEPTION + 1));
	expect_as_before(flags);
	assert_int_equal(svm_step_exception(&svm, 1), EXIT_RESUME);
	assert_int_equal(vmcb.dr6, OLD_DR6);
}

static void test_step_that_the_guest_wanted_too(void **state)
{
	(void)state;
	vmcb.rflags |= RFLAGS_TF;
	begin_step();
	vmcb.dr6 |= DR6_SINGLE_STEP;
	assert_true(svm_step_end(&svm, SVM_EXIT_EXCEPTION + 1));
	expect_as_before(RFLAGS_FIXED | RFLAGS_IF | RFLAGS_TF);
	assert_int_equal(svm_step_exception(&svm, 1), EXIT_INJECT);
	assert_int_equal(vcpu.inject.vector, 1);
	assert_int_equal(vmcb.dr6, OLD_DR6 | DR6_SINGLE_STEP);
}

static void test_step_onto_a_watched_word(void **state)
{
	(void)state;
	begin_step();
	vmcb.dr6 |= DR6_SINGLE_STEP | 2;
	assert_true(svm_step_end(&svm, SVM_EXIT_EXCEPTION + 1));
	assert_int_equal(svm_step_exception(&svm, 1), EXIT_INJECT);
	assert_int_equal(vmcb.dr6, OLD_DR6 | 2);
}

static void test_step_that_faults(void **state)
{
	static const uint8_t with_error[] = {8, 10, 11, 12, 13, 14, 17, 21};
	const uint64_t flags = vmcb.rflags;
	(void)state;

	for (uint8_t vector = 0; vector < 32; vector++) {
		if ((vector >= 1 && vector <= 4) || vector == 18) {
			continue;
		}
		start(NULL);
		begin_step();
		vmcb.exit_info_1 = 6;
		vmcb.exit_info_2 = 0x123000;
		assert_true(svm_step_end(&svm, SVM_EXIT_EXCEPTION + vector));
		expect_as_before(flags);
		assert_int_equal(svm_step_exception(&svm, vector), EXIT_INJECT);
		assert_int_equal(vcpu.inject.vector, vector);
		assert_int_equal(vcpu.inject.has_error,
				 memchr(with_error, vector, sizeof(with_error)) != NULL);
		assert_int_equal(vcpu.inject.error, 6);
		assert_int_equal(vmcb.cr2, vector == 14 ? 0x123000 : 0);
		assert_int_equal(vmcb.dr6, OLD_DR6);
	}
	start(NULL);
	begin_step();
	expect_panic("machine check", (void)svm_step_exception(&svm, 18));
}

/* INT3 and INTO: RIP is still theirs, and what they push is RIP behind them. */
static void test_step_that_traps(void **state)
{
	const uint64_t flags = vmcb.rflags;
	(void)state;

	for (uint8_t vector = 3; vector <= 4; vector++) {
		start(NULL);
		begin_step();
		assert_true(svm_step_end(&svm, SVM_EXIT_EXCEPTION + vector));
		expect_as_before(flags);
		assert_int_equal(svm_step_exception(&svm, vector), EXIT_RESUME);
		assert_int_equal(vmcb.dr6, OLD_DR6);
	}
}

/* A MOV of a debug register that the guest guards: it is not done, and must not come again. */
static void test_step_onto_a_guarded_debug_register(void **state)
{
	(void)state;
	vmcb.dr6 |= DR6_ACCESS_DETECTED;
	begin_step();
	vmcb.dr6 |= DR6_SINGLE_STEP;
	assert_true(svm_step_end(&svm, SVM_EXIT_EXCEPTION + 1));
	assert_int_equal(svm_step_exception(&svm, 1), EXIT_RESUME);
	assert_int_equal(vmcb.dr6, OLD_DR6 | DR6_ACCESS_DETECTED);
	start(NULL);
	vmcb.dr7 = 0x2400;
	begin_step();
	vmcb.dr6 |= DR6_ACCESS_DETECTED;
	assert_true(svm_step_end(&svm, SVM_EXIT_EXCEPTION + 1));
	assert_int_equal(svm_step_exception(&svm, 1), EXIT_INJECT);
	assert_int_equal(vcpu.inject.vector, 1);
	assert_int_equal(vmcb.dr6, OLD_DR6 | DR6_ACCESS_DETECTED);
	assert_int_equal(vmcb.dr7, 0x400);
}

/* Another vCPU made a MOV to CR0 of it: the processor does not keep what is hidden from it. */
static void test_step_over_a_write_of_hidden_bits(void **state)
{
	const uint64_t cr0 = svm.arch.cr0;
	(void)state;

	begin_step();
	vmcb.cr0 |= CR0_CD | CR0_NW;
	assert_true(svm_step_end(&svm, SVM_EXIT_EXCEPTION + 1));
	assert_int_equal(svm.arch.cr0, cr0);
	assert_int_equal(vmcb.cr0, cr0 & ~SVM_CR0_HIDDEN);
}

/* An exit for the host: the instruction has not been executed, and comes again. */
static void test_step_that_is_interrupted(void **state)
{
	const uint64_t flags = vmcb.rflags;
	(void)state;

	begin_step();
	assert_false(svm_step_end(&svm, SVM_EXIT_INTR));
	expect_as_before(flags);
	assert_int_equal(vmcb.dr6, OLD_DR6);
	begin_step();
	assert_false(svm_step_end(&svm, SVM_EXIT_NESTED_PAGE_FAULT));
	expect_as_before(flags);
}

/* What LMSW has written is kept together with the bits that the processor does not have. */
static void test_step_over_lmsw(void **state)
{
	(void)state;
	CODE(0x0f, 0x01, 0x33);
	assert_int_equal(decide(SVM_EXIT_CR0_WRITE), EXIT_RESUME);
	vmcb.cr0 = CR0_PE | CR0_PG | CR0_MP | CR0_EM;
	vmcb.dr6 |= DR6_SINGLE_STEP;
	assert_true(svm_step_end(&svm, SVM_EXIT_EXCEPTION + 1));
	assert_int_equal(svm.arch.cr0, CR0_PE | CR0_PG | CR0_CD | CR0_MP | CR0_EM);
	assert_int_equal(vmcb.cr0, CR0_PE | CR0_PG | CR0_MP | CR0_EM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			test_virtual_interrupts_exit_where_their_delivery_is_misreported, start),
		cmocka_unit_test_setup(test_setup_of_one_that_has_run, start),
		cmocka_unit_test_setup(test_every_read_is_of_the_register_in_the_instruction,
				       start),
		cmocka_unit_test_setup(test_reads_of_cr0_and_cr4_are_intercepted, start),
		cmocka_unit_test_setup(test_registers_that_do_not_exist, start),
		cmocka_unit_test_setup(test_decode_assists, start),
		cmocka_unit_test_setup(test_writes, start),
		cmocka_unit_test_setup(test_code_that_does_not_fit_the_exit_is_executed_again,
				       start),
		cmocka_unit_test_setup(test_code_that_is_not_understood_ends_the_vm_by_name, start),
		cmocka_unit_test_setup(test_user_code_reaches_no_control_register, start),
		cmocka_unit_test_setup(test_step_over_a_word_in_memory, start),
		cmocka_unit_test_setup(test_step_that_the_guest_wanted_too, start),
		cmocka_unit_test_setup(test_step_onto_a_watched_word, start),
		cmocka_unit_test_setup(test_step_that_faults, start),
		cmocka_unit_test_setup(test_step_that_traps, start),
		cmocka_unit_test_setup(test_step_onto_a_guarded_debug_register, start),
		cmocka_unit_test_setup(test_step_over_a_write_of_hidden_bits, start),
		cmocka_unit_test_setup(test_step_that_is_interrupted, start),
		cmocka_unit_test_setup(test_step_over_lmsw, start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
