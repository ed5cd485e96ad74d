/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The code around the instruction addresses its own state absolutely, so it needs no register:
 * flags, then all registers are loaded, the instruction follows, and all registers are stored by
 * MOV, which leaves the flags alone, before there is a stack again on which they can be pushed.
 */
#include "fake/native.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#define PAGE 4096u
#define REGISTERS 16u
#define RSP 4u

/* Below 2 GiB, too: what the code addresses. */
struct low {
	struct native_state state;
	uint64_t host_rsp;
};

uint8_t *native_data;
static uint8_t *pages; /* code, state, hole, data, hole */
static struct low *low;
static uint8_t *end; /* of what has been written so far */
static uint8_t *instruction_at;
static sigjmp_buf back;
static uint8_t signal_stack[65536];

static void put(const void *bytes, size_t count)
{
	memcpy(end, bytes, count);
	end += count;
}

#define PUT(...) put((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* ModRM and SIB of an absolute 32-bit address, and the address. */
static void put_address(unsigned reg, const void *where)
{
	uint32_t address = (uint32_t)(uintptr_t)where;

	PUT((uint8_t)(reg << 3 | 4), 0x25);
	put(&address, sizeof(address));
}

static void put_mov(bool load, unsigned reg, const void *where)
{
	PUT((uint8_t)(0x48 | (reg >= 8 ? 4 : 0)), load ? 0x8b : 0x89);
	put_address(reg & 7, where);
}

static void put_prologue(void)
{
	PUT(0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57); /* what C wants back */
	put_mov(false, RSP, &low->host_rsp);
	PUT(0xff);
	put_address(6, &low->state.flags); /* PUSH */
	PUT(0x9d);			   /* POPF */
	for (unsigned i = 0; i < REGISTERS; i++) {
		put_mov(true, i, &low->state.regs[i]);
	}
}

static void put_epilogue(void)
{
	for (unsigned i = 0; i < REGISTERS; i++) {
		put_mov(false, i, &low->state.regs[i]);
	}
	put_mov(true, RSP, &low->host_rsp);
	PUT(0x9c, 0x8f); /* PUSHF, POP */
	put_address(0, &low->state.flags);
	PUT(0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3);
}

static void on_fault(int number)
{
	(void)number;
	siglongjmp(back, 1);
}

void native_start(void)
{
	const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE};
	struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK};
	stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof(signal_stack)};

	pages = mmap(NULL, 5 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	assert_ptr_not_equal(pages, MAP_FAILED);
	assert_true((uintptr_t)pages + 5 * PAGE < 1ull << 31);
	assert_int_equal(mprotect(pages, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	assert_int_equal(mprotect(pages + PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
	native_data = pages + 3 * PAGE;
	assert_int_equal(mprotect(native_data, PAGE, PROT_READ | PROT_WRITE), 0);
	low = (struct low *)(void *)(pages + PAGE);
	end = pages;
	put_prologue();
	instruction_at = end;
	assert_int_equal(sigaltstack(&stack, NULL), 0);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		assert_int_equal(sigaction(faults[i], &action, NULL), 0);
	}
}

void native_stop(void)
{
	assert_int_equal(munmap(pages, 5 * PAGE), 0);
}

uint64_t native_rip(void)
{
	return (uintptr_t)instruction_at;
}

bool native_run(const uint8_t *bytes, size_t length, struct native_state *state)
{
	void (*code)(void);

	end = instruction_at;
	put(bytes, length);
	put_epilogue();
	low->state = *state;
	memcpy(&code, &pages, sizeof(code));
	if (sigsetjmp(back, 1) != 0) {
		return false;
	}
	code();
	*state = low->state;
	return true;
}
