/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/x86/guest/guest_device.c: a guest's instruction in a guest's memory, and a device that
 * remembers what was done to it.
 */
#include "fake/world.h"

#include <stdio.h>
#include <string.h>

#include "arch/arch.h"
#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/guest/guest_fault.h"
#include "base/bits.h"
#include "fake/devices.h"
#include "fake/processor.h"
#include "kernel/vm/platform.h"
#include "kernel/vm/vm.h"
#include "mm/guest_copy.h"

#define LIMIT 3000ull
#define PRESENT 0x3ull
#define DEVICE 0xfee00000ull
#define CODE 0xffffffff81000000ull /* linear; its second page is mapped by some tests */
#define CODE_RAM 0x100000ull
#define STARTING_FLAGS 0x202ull
#define FLAG_CARRY 0x1ull
#define FLAG_ZERO 0x40ull

static struct s2 *space;
static struct vm vm;
static uint64_t registers[GUEST_DR7 + 1];
static unsigned flag_writes;
static char logged[256];

static uint64_t fake_read(const struct vcpu *of, enum guest_register name)
{
	(void)of;
	return registers[name];
}

static void fake_write(struct vcpu *of, enum guest_register name, uint64_t value)
{
	(void)of;
	assert_true(name == GUEST_RSP || name == GUEST_RFLAGS || name == GUEST_CR8 ||
		    name == GUEST_TRAP);
	flag_writes += name == GUEST_RFLAGS;
	registers[name] = value;
}

static const struct guest_access access = {.read = fake_read, .write = fake_write};
static struct arch_vcpu arch;
static struct vcpu vcpu;

/* ---- The device: one register ---- */

static struct {
	bool there;
	uint64_t value;
	unsigned reads, writes;
	uint64_t address;
	unsigned bytes;
} device;

bool platform_memory(struct vcpu *of, gpa_t address, struct device_access *made)
{
	assert_ptr_equal(of, &vcpu);
	fake_locks_check();
	if (!device.there) {
		return false;
	}
	of->controller_count++;
	device.address = address.v;
	device.bytes = made->bytes;
	if (made->write) {
		device.writes++;
		device.value = made->value;
	} else {
		device.reads++;
		made->value = device.value & ~0ull >> (64 - 8 * made->bytes);
	}
	return true;
}

void vm_log(struct vm *of, const char *format, ...)
{
	va_list arguments;

	assert_ptr_equal(of, &vm);
	va_start(arguments, format);
	vsnprintf(logged, sizeof(logged), format, arguments);
	va_end(arguments);
}

uint64_t arch_tsc(void)
{
	return 0;
}

enum exit_action vm_exit_handle(struct vcpu *of, const struct vm_exit *vm_exit)
{
	(void)of;
	fail_msg("kind %u", (unsigned)vm_exit->kind);
	return EXIT_KILL;
}

enum exit_action hypercall_handle(struct vcpu *of, bool privileged)
{
	(void)of;
	(void)privileged;
	return EXIT_KILL;
}

/* ---- The guest ---- */

static void put(uint64_t gpa, const void *bytes, size_t count)
{
	struct s2_locked locked = s2_lock(space);

	assert_int_equal(guest_copy_out(locked, (gpa_t){gpa}, bytes, count), STATUS_OK);
	s2_unlock(locked);
}

static void put_64(uint64_t gpa, uint64_t value)
{
	put(gpa, &value, 8);
}

/* 64-bit code at CODE, of which one page is there. */
static int start(void **state)
{
	(void)state;
	world_start(512, 4000, 1);
	space = world_create(1, LIMIT, 0);
	assert_non_null(space);
	memset(&vm, 0, sizeof(vm));
	memset(&vcpu, 0, sizeof(vcpu));
	memset(&arch, 0, sizeof(arch));
	memset(registers, 0, sizeof(registers));
	processor_reset(XCR0_X87);
	memset(&device, 0, sizeof(device));
	arch.access = &access;
	arch.s2 = space;
	arch.vcpu = &vcpu;
	arch.efer = EFER_LME | EFER_LMA;
	vcpu.arch = &arch;
	vcpu.vm = &vm;
	vm.platform = fake_devices_of_a_vm();
	fake_devices_reset();
	registers[GUEST_CR0] = CR0_PE | CR0_PG;
	registers[GUEST_CR4] = CR4_PAE;
	registers[GUEST_EFER] = arch.efer;
	registers[GUEST_CODE_LONG] = 1;
	registers[GUEST_CR3] = 0x1000;
	registers[GUEST_RIP] = CODE;
	registers[GUEST_RFLAGS] = STARTING_FLAGS;
	registers[GUEST_CS_SELECTOR] = 0x10;
	registers[GUEST_FAULT_OPERAND] = 1;
	registers[GUEST_FAULT_WRITE] = 1;
	put_64(0x1000 + 8 * 511, 0x2000 | PRESENT);
	put_64(0x2000 + 8 * 510, 0x3000 | PRESENT);
	put_64(0x3000 + 8 * 8, 0x4000 | PRESENT);
	put_64(0x4000, CODE_RAM | PRESENT);
	device.there = true;
	device.value = 0x8877665544332211;
	flag_writes = 0;
	logged[0] = '\0';
	return 0;
}

static void code(const char *bytes, size_t count)
{
	put(CODE_RAM + (registers[GUEST_RIP] & (PAGE_BYTES - 1)), bytes, count);
}

#define CODE_IS(text) code(text, sizeof(text) - 1)

static enum arch_device touch(uint64_t offset)
{
	enum arch_device outcome = arch_device_access(&vcpu, (gpa_t){DEVICE + offset});

	fake_locks_check();
	return outcome;
}

static void expect_untouched(void)
{
	assert_int_equal(device.reads + device.writes, 0);
	assert_int_equal(registers[GUEST_RFLAGS], STARTING_FLAGS);
	assert_int_equal(flag_writes, 0);
	assert_int_equal(arch.decoded_bytes, 0);
}

/* ---- Accesses ---- */

static void test_store(void **state)
{
	(void)state;
	CODE_IS("\x89\xb7\xb0\x00\x00\x00"); /* mov %esi,0xb0(%rdi) */
	vcpu.regs[GPR_RDI] = 0xffffffffff5fc000;
	vcpu.regs[GPR_RSI] = 0xaaaaaaaa12345678;
	assert_int_equal(touch(0xb0), ARCH_DEVICE_DONE);
	assert_int_equal(device.writes, 1);
	assert_int_equal(device.reads, 0);
	assert_int_equal(device.value, 0x12345678);
	assert_int_equal(device.address, DEVICE + 0xb0);
	assert_int_equal(device.bytes, 4);
	assert_int_equal(arch.decoded_bytes, 6);
	assert_int_equal(vcpu.regs[GPR_RSI], 0xaaaaaaaa12345678);
	assert_int_equal(flag_writes, 0);
}

static void test_load(void **state)
{
	(void)state;
	registers[GUEST_FAULT_WRITE] = 0;
	CODE_IS("\x8b\x47\x20"); /* mov 0x20(%rdi),%eax */
	vcpu.regs[GPR_RAX] = UINT64_MAX;
	assert_int_equal(touch(0x20), ARCH_DEVICE_DONE);
	assert_int_equal(device.reads, 1);
	assert_int_equal(device.writes, 0);
	assert_int_equal(vcpu.regs[GPR_RAX], 0x44332211);
	assert_int_equal(arch.decoded_bytes, 3);
	CODE_IS("\x8a\x67\x20"); /* mov 0x20(%rdi),%ah */
	assert_int_equal(touch(0x20), ARCH_DEVICE_DONE);
	assert_int_equal(device.bytes, 1);
	assert_int_equal(vcpu.regs[GPR_RAX], 0x44331111);
	CODE_IS("\x48\x8b\x47\x20"); /* mov 0x20(%rdi),%rax */
	assert_int_equal(touch(0x20), ARCH_DEVICE_DONE);
	assert_int_equal(vcpu.regs[GPR_RAX], 0x8877665544332211);
	assert_int_equal(flag_writes, 0);
}

static void test_read_and_write(void **state)
{
	(void)state;
	device.value = 1;
	CODE_IS("\xf0\xff\x0f"); /* lock decl (%rdi) */
	uint64_t exits = vcpu.controller_count;
	assert_int_equal(touch(0), ARCH_DEVICE_DONE);
	assert_int_equal(vcpu.controller_count, exits + 1);
	assert_int_equal(device.reads, 1);
	assert_int_equal(device.writes, 1);
	assert_int_equal(device.value, 0);
	assert_int_equal(registers[GUEST_RFLAGS], STARTING_FLAGS | FLAG_ZERO | 4);
	CODE_IS("\x87\x0f"); /* xchg %ecx,(%rdi) */
	vcpu.regs[GPR_RCX] = 0x1234567890abcdef;
	device.value = 0x55;
	assert_int_equal(touch(0), ARCH_DEVICE_DONE);
	assert_int_equal(device.value, 0x90abcdef);
	assert_int_equal(vcpu.regs[GPR_RCX], 0x55);
}

static void test_comparison(void **state)
{
	(void)state;
	registers[GUEST_FAULT_WRITE] = 0;
	CODE_IS("\x81\x3f\x12\x22\x33\x44"); /* cmpl $0x44332212,(%rdi) */
	assert_int_equal(touch(0), ARCH_DEVICE_DONE);
	assert_int_equal(device.reads, 1);
	assert_int_equal(device.writes, 0);
	assert_int_equal(registers[GUEST_RFLAGS] & FLAG_CARRY, FLAG_CARRY);
	assert_int_equal(device.value, 0x8877665544332211);
}

static void test_stack_pointer(void **state)
{
	(void)state;
	registers[GUEST_RSP] = 0x7000;
	CODE_IS("\x48\x87\x64\x24\x08"); /* xchg %rsp,0x8(%rsp) */
	assert_int_equal(touch(0x8), ARCH_DEVICE_DONE);
	assert_int_equal(device.value, 0x7000);
	assert_int_equal(registers[GUEST_RSP], 0x8877665544332211);
	assert_int_equal(vcpu.regs[GPR_RSP], 0);
}

static void test_nothing_there(void **state)
{
	static const char *const forms[] = {"\x89\x37", "\x8b\x37", "\x31\x37"};
	(void)state;
	device.there = false;
	vcpu.regs[GPR_RSI] = 5;
	for (unsigned i = 0; i < 3; i++) {
		code(forms[i], 2);
		assert_int_equal(touch(0), ARCH_DEVICE_NONE);
		assert_int_equal(vcpu.regs[GPR_RSI], 5);
		expect_untouched();
	}
	assert_false(arch.doubtful);
}

/* The fault is not that of the instruction's operand. */
static void test_other_faults(void **state)
{
	(void)state;
	CODE_IS("\x89\x37");
	registers[GUEST_FAULT_OPERAND] = 0;
	assert_int_equal(touch(0), ARCH_DEVICE_NONE);
	expect_untouched();
	registers[GUEST_FAULT_OPERAND] = 1;
	arch.event.info = EVENT_VALID | EVENT_TYPE_EXTERNAL | 0x45;
	assert_int_equal(touch(0), ARCH_DEVICE_NONE);
	expect_untouched();
	arch.event.info = 0;
	assert_int_equal(touch(0), ARCH_DEVICE_DONE);
}

/* The guest watches its operand, by linear address. */
static void test_breakpoints(void **state)
{
	(void)state;
	vcpu.regs[GPR_RDI] = 0xffffffffff5fc0b0;
	write_dr0(0xffffffffff5fc0b1);
	write_dr3(0xffffffffff5fc0b8);
	registers[GUEST_DR7] = 0x400 | 0x01 | 0x1ull << 16 | 0x80 | 0xbull << 28;
	CODE_IS("\x8b\x37"); /* DR0 watches writes of a byte, DR3 all accesses to eight of them */
	assert_int_equal(touch(0xb0), ARCH_DEVICE_DONE);
	assert_int_equal(registers[GUEST_TRAP], 0);
	CODE_IS("\x48\x8b\x77\x08");
	assert_int_equal(touch(0xb8), ARCH_DEVICE_DONE);
	assert_int_equal(registers[GUEST_TRAP], 8);
	registers[GUEST_TRAP] = 0;
	CODE_IS("\x89\x37");
	assert_int_equal(touch(0xb0), ARCH_DEVICE_DONE);
	assert_int_equal(registers[GUEST_TRAP], 1);
	registers[GUEST_TRAP] = 0;
	/* Not where nothing was accessed. */
	device.there = false;
	assert_int_equal(touch(0xb0), ARCH_DEVICE_NONE);
	assert_int_equal(registers[GUEST_TRAP], 0);
}

/* ---- Doubts ---- */

static void expect_refused(uint64_t offset, const char *reason)
{
	assert_int_equal(touch(offset), ARCH_DEVICE_AGAIN);
	expect_untouched();
	assert_string_equal(logged, "");
	assert_int_equal(touch(offset), ARCH_DEVICE_REFUSED);
	expect_untouched();
	if (strstr(logged, reason) == NULL) {
		fail_msg("\"%s\" is not in \"%s\"", reason, logged);
	}
	logged[0] = '\0';
	arch.doubtful = false;
}

static void test_refused(void **state)
{
	(void)state;
	CODE_IS("\xf3\xa5\x90"); /* rep movsl */
	expect_refused(0x10, "address=0xfee00010: it is no instruction for devices: "
			     "rip=0xffffffff81000000 bits=64 bytes f3 a5 90 00 00");
	CODE_IS("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x89\x37");
	expect_refused(0, "longer than 15 bytes");
	CODE_IS("\x89\x37\x90");
	vcpu.regs[GPR_RDI] = 0xffd;
	expect_refused(0xffd, "crosses a page");
	expect_refused(0, "crosses a page"); /* the fault was in the second page */
	vcpu.regs[GPR_RDI] = 0xffc;
	expect_refused(0xff8, "not where the fault was");
	assert_int_equal(touch(0xffc), ARCH_DEVICE_DONE);
}

/* Another vCPU has rewritten the instruction: the guest executes what is there now. */
static void test_doubt_ends(void **state)
{
	(void)state;
	CODE_IS("\xcc");
	assert_int_equal(touch(0), ARCH_DEVICE_AGAIN);
	/* Elsewhere: a doubt of its own. */
	registers[GUEST_RIP] = CODE + 0x100;
	CODE_IS("\xcc");
	assert_int_equal(touch(0), ARCH_DEVICE_AGAIN);
	CODE_IS("\x89\x37");
	assert_int_equal(touch(0), ARCH_DEVICE_DONE);
	CODE_IS("\xcc");
	assert_int_equal(touch(0), ARCH_DEVICE_AGAIN);
	assert_int_equal(touch(0), ARCH_DEVICE_REFUSED);
}

/* The page may be read-only for the guest, and the processor has not been asked. */
static void test_write_at_a_read_fault(void **state)
{
	(void)state;
	registers[GUEST_FAULT_WRITE] = 0;
	CODE_IS("\x89\x37");
	expect_refused(0, "the fault was a read");
	CODE_IS("\x31\x37"); /* xor %esi,(%rdi) */
	registers[GUEST_CS_SELECTOR] = 0x33;
	expect_refused(0, "the fault was a read");
	registers[GUEST_CS_SELECTOR] = 0x10;
	assert_int_equal(touch(0), ARCH_DEVICE_DONE);
	registers[GUEST_CS_SELECTOR] = 0x33;
	registers[GUEST_FAULT_WRITE] = 1;
	assert_int_equal(touch(0), ARCH_DEVICE_DONE);
	/* A load may come as a write only if it was rewritten, but is allowed all the same. */
	CODE_IS("\x8b\x37");
	assert_int_equal(touch(0), ARCH_DEVICE_DONE);
}

/* ---- Where the code is ---- */

static void test_code_across_a_page(void **state)
{
	(void)state;
	/* It ends with its page, and the next one is not there. */
	registers[GUEST_RIP] = CODE + 0xffe;
	CODE_IS("\x89\x37");
	assert_int_equal(touch(0), ARCH_DEVICE_DONE);
	assert_int_equal(arch.decoded_bytes, 2);
	arch.decoded_bytes = device.writes = 0;
	registers[GUEST_RIP] = CODE + 0xffd;
	CODE_IS("\x89\xb7\xb0");
	expect_refused(0xb0,
		       "its code cannot be read: rip=0xffffffff81000ffd bits=64 bytes 89 b7 b0");
	/* Not in the page behind it in RAM, but where the guest's tables have it. */
	put_64(0x4008, 0x200000 | PRESENT);
	put(CODE_RAM + 0x1000, "\xff\xff\xff", 3);
	put(0x200000, "\x00\x00\x00", 3);
	assert_int_equal(touch(0xb0), ARCH_DEVICE_DONE);
	assert_int_equal(arch.decoded_bytes, 6);
}

static void test_code_that_is_not_there(void **state)
{
	(void)state;
	registers[GUEST_RIP] = CODE + 0x2000;
	expect_refused(0, "its code cannot be read");
	registers[GUEST_RIP] = CODE;
	assert_int_equal(world_surrender(space, CODE_RAM >> PAGE_SHIFT, 0), STATUS_OK);
	expect_refused(0, "its code cannot be read");
}

static void without_paging(bool big)
{
	arch.efer = 0;
	registers[GUEST_EFER] = 0;
	registers[GUEST_CR0] = big ? CR0_PE : 0;
	registers[GUEST_CODE_LONG] = 0;
	registers[GUEST_CODE_BIG] = big;
}

static void test_32_bit_code(void **state)
{
	(void)state;
	without_paging(true);
	registers[GUEST_RIP] = 0x200000;
	registers[GUEST_CS_BASE] = CODE_RAM - 0x200000 + (1ull << 32);
	CODE_IS("\x89\x77\x10");
	vcpu.regs[GPR_RSI] = 0xffffffff00000007;
	assert_int_equal(touch(0x10), ARCH_DEVICE_DONE);
	assert_int_equal(device.value, 7);
	assert_int_equal(device.bytes, 4);
	/* Its segments have bases: DS, then SS by RBP, then ES by a prefix. */
	registers[GUEST_DS_BASE] = 0x123;
	registers[GUEST_SS_BASE] = 0x234;
	registers[GUEST_ES_BASE] = 0x345;
	assert_int_equal(touch(0x133), ARCH_DEVICE_DONE);
	CODE_IS("\x89\x75\x10");
	assert_int_equal(touch(0x244), ARCH_DEVICE_DONE);
	CODE_IS("\x26\x89\x75\x10");
	assert_int_equal(touch(0x355), ARCH_DEVICE_DONE);
	assert_int_equal(arch.decoded_bytes, 4);
	CODE_IS("\x2e\x89\x75\x10");
	registers[GUEST_CS_BASE] += 0x456;
	registers[GUEST_RIP] -= 0x456;
	assert_int_equal(touch(0x466), ARCH_DEVICE_DONE);
}

static void test_16_bit_code(void **state)
{
	(void)state;
	without_paging(false);
	registers[GUEST_CS_BASE] = CODE_RAM - 0x100;
	registers[GUEST_RIP] = 0x100;
	put(CODE_RAM, "\x89\x74\x10\x67\x66\x89\x77\x10", 8);
	vcpu.regs[GPR_RSI] = 0x20;
	assert_int_equal(touch(0x30), ARCH_DEVICE_DONE); /* mov %si,0x10(%si) */
	assert_int_equal(device.bytes, 2);
	assert_int_equal(device.value, 0x20);
	assert_int_equal(arch.decoded_bytes, 3);
	registers[GUEST_RIP] += 3;
	assert_int_equal(touch(0x10), ARCH_DEVICE_DONE); /* mov %esi,0x10(%edi) */
	assert_int_equal(device.bytes, 4);
	assert_int_equal(arch.decoded_bytes, 5);
}

static void test_segments_in_64_bit_code(void **state)
{
	(void)state;
	registers[GUEST_CS_BASE] = registers[GUEST_DS_BASE] = registers[GUEST_SS_BASE] = 0x999;
	registers[GUEST_FS_BASE] = 0x20;
	registers[GUEST_GS_BASE] = 0x40;
	CODE_IS("\x89\x75\x10");
	assert_int_equal(touch(0x10), ARCH_DEVICE_DONE);
	CODE_IS("\x64\x89\x75\x10");
	assert_int_equal(touch(0x30), ARCH_DEVICE_DONE);
	CODE_IS("\x65\x89\x75\x10");
	assert_int_equal(touch(0x50), ARCH_DEVICE_DONE);
	CODE_IS("\x89\x35\x10\x00\x00\x00"); /* mov %esi,0x10(%rip) */
	assert_int_equal(touch(0x16), ARCH_DEVICE_DONE);
}

/* ---- What is remembered ---- */

static bool is_known(void)
{
	struct guest_fault fault = guest_fault_read(&vcpu);
	bool known = guest_code_recall(&vcpu, &fault) != NULL;

	fake_locks_check();
	return known;
}

/* MOV to the device; then it is known. */
static void make_known(void)
{
	CODE_IS("\x89\x37\x90\x90\x90\x90");
	vcpu.regs[GPR_RSI] = 0x1234;
	assert_int_equal(touch(0), ARCH_DEVICE_DONE);
	assert_int_equal(device.value, 0x1234);
	assert_true(is_known());
}

static void test_remembered(void **state)
{
	(void)state;
	assert_false(is_known());
	make_known();
	vcpu.regs[GPR_RSI] = 0x5678;
	assert_int_equal(touch(0), ARCH_DEVICE_DONE);
	assert_int_equal(device.value, 0x5678);
	/* The operand's place is that of now. */
	vcpu.regs[GPR_RDI] = 0x20;
	assert_int_equal(touch(0x20), ARCH_DEVICE_DONE);
	assert_int_equal(device.address, DEVICE + 0x20);
	assert_int_equal(touch(0x40), ARCH_DEVICE_AGAIN);
}

/* Code that rewrites itself, in the last byte of the instruction or behind it. */
static void test_rewritten_code_is_not_remembered(void **state)
{
	(void)state;
	make_known();
	put(CODE_RAM + 1, "\x0f", 1); /* mov %ecx,(%rdi) */
	assert_false(is_known());
	vcpu.regs[GPR_RCX] = 0x99;
	assert_int_equal(touch(0), ARCH_DEVICE_DONE);
	assert_int_equal(device.value, 0x99);
	assert_true(is_known());
	put(CODE_RAM, "\x8b", 1); /* mov (%rdi),%ecx */
	device.value = 0x42;
	assert_int_equal(touch(0), ARCH_DEVICE_DONE);
	assert_int_equal(vcpu.regs[GPR_RCX], 0x42);
	put(CODE_RAM, "\xcc", 1);
	assert_int_equal(touch(0), ARCH_DEVICE_AGAIN);
	/* The last byte of a long one. */
	CODE_IS("\x2e\x2e\x2e\x2e\x48\xc7\x07\x01\x00\x00\x00"); /* movq $1,(%rdi) */
	assert_int_equal(touch(0), ARCH_DEVICE_DONE);
	assert_int_equal(device.value, 1);
	put(CODE_RAM + 10, "\x10", 1);
	assert_int_equal(touch(0), ARCH_DEVICE_DONE);
	assert_int_equal(device.value, 0x10000001);
}

/* Each entry of the guest's tables that led there; the processor's own flags do not count. */
static void test_remapped_code_is_not_remembered(void **state)
{
	static const uint64_t entries[] = {0x1000 + 8 * 511, 0x2000 + 8 * 510, 0x3000 + 8 * 8,
					   0x4000};
	static const uint64_t values[] = {0x2000, 0x3000, 0x4000, CODE_RAM};

	(void)state;
	/* The same tables again, elsewhere, and other code at their end. */
	put(0x200000, "\x8b\x37", 2);
	for (unsigned i = 0; i < 4; i++) {
		make_known();
		put_64(entries[i], values[i] | PRESENT | 0x60);
		assert_true(is_known());
		put_64(entries[i], values[i] | PRESENT | 0x04);
		assert_false(is_known());
		put_64(entries[i], 0);
		assert_false(is_known());
		put_64(entries[i], values[i] | PRESENT);
		assert_true(is_known());
	}
	put_64(0x4000, 0x200000 | PRESENT);
	device.value = 0x31;
	assert_int_equal(touch(0), ARCH_DEVICE_DONE);
	assert_int_equal(vcpu.regs[GPR_RSI], 0x31);
	put_64(0x4000, CODE_RAM | PRESENT);
	make_known();
	registers[GUEST_CR3] = 0x5000;
	assert_false(is_known());
}

/* What it was compared with may be in a frame of another VM by now. */
static void test_code_is_forgotten_with_any_page(void **state)
{
	(void)state;
	make_known();
	assert_int_equal(world_populate(space, 0x300, 0), STATUS_OK);
	assert_true(is_known());
	assert_int_equal(world_surrender(space, 0x300, 0), STATUS_OK);
	world_flush(space);
	assert_false(is_known());
	make_known();
	assert_int_equal(world_surrender(space, CODE_RAM >> PAGE_SHIFT, 0), STATUS_OK);
	world_flush(space);
	assert_false(is_known());
	assert_int_equal(touch(0), ARCH_DEVICE_AGAIN);
}

static void test_only_64_bit_code_is_remembered(void **state)
{
	(void)state;
	make_known();
	registers[GUEST_CODE_LONG] = 0;
	registers[GUEST_CODE_BIG] = 1;
	assert_false(is_known());
	registers[GUEST_CODE_LONG] = 1;
	assert_true(is_known());
	arch.efer = 0;
	assert_false(is_known());
	/* Nor what ends too near to its page's end: the bytes behind it are not all there. */
	arch.efer = EFER_LME | EFER_LMA;
	registers[GUEST_RIP] = CODE + 0xff1;
	CODE_IS("\x89\x37");
	assert_int_equal(touch(0), ARCH_DEVICE_DONE);
	assert_false(is_known());
	registers[GUEST_RIP] = CODE + 0xff0;
	make_known();
}

static void test_last_four_are_remembered(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		registers[GUEST_RIP] = CODE + 0x10 * i;
		make_known();
		make_known();
	}
	for (unsigned i = 0; i < 6; i++) {
		registers[GUEST_RIP] = CODE + 0x10 * i;
		assert_int_equal(is_known(), i >= 2);
	}
	registers[GUEST_RIP] = 0; /* no code is ever remembered there */
	assert_false(is_known());
}

static int teardown(void **state)
{
	world_destroy_all();
	return world_teardown(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_store),
		TEST(test_load),
		TEST(test_read_and_write),
		TEST(test_comparison),
		TEST(test_stack_pointer),
		TEST(test_nothing_there),
		TEST(test_other_faults),
		TEST(test_breakpoints),
		TEST(test_refused),
		TEST(test_doubt_ends),
		TEST(test_write_at_a_read_fault),
		TEST(test_code_across_a_page),
		TEST(test_code_that_is_not_there),
		TEST(test_32_bit_code),
		TEST(test_16_bit_code),
		TEST(test_segments_in_64_bit_code),
		TEST(test_remembered),
		TEST(test_rewritten_code_is_not_remembered),
		TEST(test_remapped_code_is_not_remembered),
		TEST(test_code_is_forgotten_with_any_page),
		TEST(test_only_64_bit_code_is_remembered),
		TEST(test_last_four_are_remembered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
