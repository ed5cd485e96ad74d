/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * H12: what a kernel can do to a processor. guests/probe compares answers one by one; this floods:
 * every port, every MSR that could be, control registers at random, jumps to anywhere; and it
 * leaves a mark in every register, for which `h12-search` looks in another VM.
 */
#include "guests/hostile/attack.h"

#include "guests/hostile/trap.h"
#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/runtime.h"
#include "guests/lib/vector.h"
#include "guests/lib/wait.h"

#define VECTOR_PROTECTION 13
#define PORTS 65536
#define MSR_SWEEP 0x2000
#define MARK_LOW 0x4b52414d /* "MARK": fits registers of 32 bits and is canonical */
#define MARK 0x004b52414d4b5241

#define MSR_EFER 0xc0000080

struct operand {
	uint32_t index;
	uint64_t value;
};

static void in_out(void *port)
{
	uint16_t number = (uint16_t)(uintptr_t)port;

	__asm__ volatile("outb %%al, %%dx\n"
			 "outw %%ax, %%dx\n"
			 "outl %%eax, %%dx\n"
			 "inb %%dx, %%al\n"
			 "inw %%dx, %%ax\n"
			 "inl %%dx, %%eax"
			 :
			 : "d"(number), "a"(0x11)
			 : "memory");
}

static bool sweep_ports(void)
{
	for (uint32_t port = 0; port < PORTS; port++) {
		/* Three bytes more than the last port are a #GP or nothing. */
		int vector = trap_run(in_out, (void *)(uintptr_t)port);

		if (vector != TRAP_NONE && port < PORTS - 3) {
			return expect("a port", (uint64_t)vector, (uint64_t)TRAP_NONE);
		}
	}
	return true;
}

static void rdmsr(void *argument)
{
	struct operand *operand = argument;
	uint32_t low;
	uint32_t high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(operand->index));
	operand->value = (uint64_t)high << 32 | low;
}

static void wrmsr(void *argument)
{
	const struct operand *operand = argument;

	__asm__ volatile("wrmsr"
			 :
			 : "c"(operand->index), "a"((uint32_t)operand->value),
			   "d"((uint32_t)(operand->value >> 32)));
}

/* One MSR: read, write at random, put back. Anything but #GP or success is wrong. */
static bool try_msr(uint32_t index, uint64_t *state)
{
	struct operand operand = {index, 0};
	int vector = trap_run(rdmsr, &operand);

	if (vector == TRAP_NONE) {
		struct operand wild_operand = {index, random_next(state)};

		(void)trap_run(wrmsr, &wild_operand);
		(void)trap_run(wrmsr, &operand);
		return true;
	}
	if (!expect("RDMSR", (uint64_t)vector, VECTOR_PROTECTION)) {
		return false;
	}
	operand.value = random_next(state);
	return expect("WRMSR", (uint64_t)trap_run(wrmsr, &operand), VECTOR_PROTECTION);
}

static bool sweep_msrs(uint64_t *state)
{
	static const uint32_t starts[] = {0, 0x40000000, 0xc0000000, 0xc0010000};

	for (unsigned i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		for (uint32_t index = 0; index < MSR_SWEEP; index++) {
			if (!try_msr(starts[i] + index, state)) {
				console_print("MSR 0x%x\n", starts[i] + index);
				return false;
			}
		}
	}
	return true;
}

#define WRITER(name, register)                                                                     \
	static void name(void *value)                                                              \
	{                                                                                          \
		__asm__ volatile("movq %0, %%" register : : "r"(value) : "memory");                \
	}

WRITER(write_cr0, "cr0")
WRITER(write_cr4, "cr4")
WRITER(write_cr8, "cr8")

static void write_xcr0(void *value)
{
	__asm__ volatile("xsetbv"
			 :
			 : "c"(0), "a"((uint32_t)(uintptr_t)value),
			   "d"((uint32_t)((uintptr_t)value >> 32)));
}

/* One bit more or less, or anything. */
static uint64_t disturb(uint64_t value, uint64_t *state)
{
	uint64_t choice = random_next(state);

	return choice % 4 == 0 ? random_next(state) : value ^ 1ull << choice / 4 % 64;
}

static void fuzz_control(uint64_t rounds, uint64_t *state)
{
	uint64_t cr0;
	uint64_t cr4;

	__asm__ volatile("movq %%cr0, %0\n movq %%cr4, %1" : "=r"(cr0), "=r"(cr4));
	for (uint64_t round = 0; round < rounds; round++) {
		struct operand efer = {MSR_EFER, 0};

		(void)trap_run(write_cr0, (void *)disturb(cr0, state));
		write_cr0((void *)cr0);
		(void)trap_run(write_cr4, (void *)disturb(cr4, state));
		write_cr4((void *)cr4);
		(void)trap_run(write_cr8, (void *)(random_next(state) % 32));
		write_cr8(0);
		if (guest_xcr0 != 0) {
			(void)trap_run(write_xcr0, (void *)disturb(guest_xcr0, state));
			write_xcr0((void *)(uintptr_t)guest_xcr0);
		}
		rdmsr(&efer);
		struct operand wild_efer = {MSR_EFER, disturb(efer.value, state)};
		(void)trap_run(wrmsr, &wild_efer);
		wrmsr(&efer);
	}
}

static void jump(void *address)
{
	__asm__ volatile("jmpq *%0" : : "r"(address) : "memory");
}

static void touch(void *address)
{
	*(volatile uint64_t *)address += 1;
}

static void wild_stack(void *address)
{
	__asm__ volatile("movq %0, %%rsp\n"
			 "pushq %%rax\n"
			 "ud2"
			 :
			 : "r"(address)
			 : "memory");
	__builtin_unreachable();
}

/* Addresses that no table of ours maps, canonical and not. All must come back as exceptions. */
static bool wild_addresses(uint64_t rounds, uint64_t *state)
{
	for (uint64_t round = 0; round < rounds; round++) {
		uint64_t address = random_next(state) | 1ull << 45;

		if (round % 2 == 0) {
			address = (uint64_t)((int64_t)(address << 16) >> 16);
		}
		if (trap_run(jump, (void *)address) == TRAP_NONE ||
		    trap_run(touch, (void *)address) == TRAP_NONE ||
		    trap_run(wild_stack, (void *)address) == TRAP_NONE) {
			return expect("a wild address", address, 0);
		}
	}
	return true;
}

/* ---- Marks ---- */

static const uint32_t marked_msrs[] = {0x174,	   0x175,      0x176,	   0xc0000082, 0xc0000083,
				       0xc0000084, 0xc0000100, 0xc0000102, 0xc0000081};
#define MARKED_MSRS (sizeof(marked_msrs) / sizeof(marked_msrs[0]))

static void leave_marks(void)
{
	static const uint64_t marker[2] = {MARK, MARK};
	static const uint64_t number = MARK;

	vector_load_all(marker);
	for (unsigned i = 0; i < 8; i++) {
		__asm__ volatile("fildll %0" : : "m"(number));
	}
	__asm__ volatile("movq %0, %%dr0\n"
			 "movq %0, %%dr1\n"
			 "movq %0, %%dr2\n"
			 "movq %0, %%dr3\n"
			 "movq %0, %%cr2"
			 :
			 : "r"((uint64_t)MARK));
	for (unsigned i = 0; i < MARKED_MSRS; i++) {
		struct operand operand = {marked_msrs[i], MARK_LOW};

		wrmsr(&operand);
	}
}

int play_h12(const struct attack_arguments *arguments)
{
	uint64_t state = arguments->seed * 2 + 1;

	leave_marks();
	wait_ms_quietly(5); /* the others get to see the processor as it is now */
	leave_marks();
	if (!sweep_ports() || !sweep_msrs(&state)) {
		return GUEST_EXIT_INTERFACE;
	}
	fuzz_control(arguments->rounds, &state);
	if (!wild_addresses(arguments->rounds, &state)) {
		return GUEST_EXIT_INTERFACE;
	}
	leave_marks();
	return GUEST_EXIT_SUCCESS;
}

struct registers {
	uint8_t x87[108];
	uint8_t pad[4];
	uint64_t dr[4];
	uint64_t cr2;
	uint64_t msrs[MARKED_MSRS];
	uint64_t vectors[VECTOR_REGISTERS * VECTOR_WORDS];
	uint32_t mxcsr;
};

static void read_registers(struct registers *registers)
{
	/* FNSAVE also initialises: what is found is found once. */
	__asm__ volatile("fnsave %0" : "=m"(registers->x87));
	__asm__ volatile("stmxcsr %0" : "=m"(registers->mxcsr));
	__asm__ volatile("movq %%dr0, %0" : "=r"(registers->dr[0]));
	__asm__ volatile("movq %%dr1, %0" : "=r"(registers->dr[1]));
	__asm__ volatile("movq %%dr2, %0" : "=r"(registers->dr[2]));
	__asm__ volatile("movq %%dr3, %0" : "=r"(registers->dr[3]));
	registers->cr2 = cpu_read_cr2();
	for (unsigned i = 0; i < MARKED_MSRS; i++) {
		struct operand operand = {marked_msrs[i], 0};

		rdmsr(&operand);
		registers->msrs[i] = operand.value;
	}
	vector_store_all(registers->vectors);
}

/* A VM that has written none of these registers: all of them are zero but for the x87 header. */
int play_h12_search(const struct attack_arguments *arguments)
{
	static struct registers registers;

	for (uint64_t round = 0; round < arguments->rounds; round++) {
		const uint64_t *words = registers.dr;
		const uint64_t *end = registers.vectors + VECTOR_REGISTERS * VECTOR_WORDS;

		read_registers(&registers);
		for (; words < end; words++) {
			if (*words != 0) {
				expect("a register that nobody wrote", *words, 0);
				return GUEST_EXIT_LEAK;
			}
		}
		/* Control 0x37f, status 0, tags all empty, no pointers, no contents. */
		for (unsigned i = 0; i < sizeof(registers.x87); i++) {
			uint8_t initial = i == 0	     ? 0x7f
					  : i == 1	     ? 0x03
					  : i == 8 || i == 9 ? 0xff
							     : 0;
			bool is_padding = i < 28 && i % 4 >= 2;

			if (!is_padding && registers.x87[i] != initial) {
				expect("a byte of the x87 state", registers.x87[i], initial);
				return GUEST_EXIT_LEAK;
			}
		}
		if (!expect("MXCSR", registers.mxcsr, 0x1f80)) {
			return GUEST_EXIT_LEAK;
		}
		wait_ms_quietly(1);
	}
	return GUEST_EXIT_SUCCESS;
}

int play_h12_cr3(const struct attack_arguments *arguments)
{
	(void)arguments;
	leave_marks();
	/* Tables in a page of zeros: nothing is mapped any more, handlers included. */
	__asm__ volatile("movq %0, %%cr3" : : "r"(pool_first * 4096) : "memory");
	return GUEST_EXIT_INTERFACE;
}
