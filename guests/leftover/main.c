/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * leftover: what one VM leaves in a processor and the next one can find there, above all in state
 * that is not offered to either. It believes no CPUID: what XSETBV, XRSTOR, XSAVES and the like let
 * through is what there is. guests/hostile marks and searches what every guest is offered; this one
 * goes for the rest, and is small enough to run beside others on one CPU.
 *
 *	play=plant	marks in everything that it reaches; sleeps; its own must still be there
 *	play=search	writes nothing; everything that it reaches must be as at the entry
 *	play=plain	a kernel that knows only x87 and SSE: XSAVE off, CR0.TS or EM set while it
 *sleeps play=break	breakpoints all over the hypervisor's addresses, none of which it may run
 *into rounds=N	how often; of play=break: how many KiB of the image
 */
#include <stdbool.h>
#include <stddef.h>

#include "guests/leftover/registers.h"
#include "guests/leftover/xstate.h"
#include "guests/lib/arguments.h"
#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/runtime.h"
#include "guests/lib/wait.h"
#include "guests/probe/trap.h"

#define CR0_EM 0x4ull
#define CR0_TS 0x8ull
#define CR4_OSFXSR (1ull << 9)
#define CR4_OSXSAVE (1ull << 18)
#define MARK_PREFIX 0x00004b5200000000 /* canonical; its lowest 12 bits must be zero for MPX */
#define PAUSE_MS 1
#define VECTOR_PROTECTION 13
#define DR7_ONES 0x400ull
#define DR7_ALL 0xffull /* all four, local and global */
#define DR7_EXECUTION 0
#define DR7_ACCESSES 0xffff0000ull /* four bytes each, read or written */
#define CODE_KIB 128
#define IMAGE_START 0xffffffff80200000ull /* of the hypervisor: linker.ld */

extern uint32_t guest_xcr0;

enum play { PLAY_PLANT, PLAY_SEARCH, PLAY_PLAIN, PLAY_BREAK };

static uint64_t mark_of(uint64_t seed, uint64_t round)
{
	uint32_t word = (uint32_t)runtime_mix(seed + round) & 0x7ffff000;

	return MARK_PREFIX | word | 0x1000;
}

/* What the hypervisor has promised to keep. */
static uint64_t kept(void)
{
	return guest_xcr0 != 0 ? guest_xcr0 : XSTATE_LEGACY;
}

static int plant(uint64_t seed, uint64_t rounds)
{
	uint64_t mask = xstate_reach();
	uint64_t taken = 0;

	for (uint64_t round = 0; round < rounds; round++) {
		taken = xstate_plant(mask, mark_of(seed, round));
		if ((taken & kept()) != kept() || !registers_plant(mark_of(seed, round))) {
			console_print("0x%lx of 0x%lx took a mark\n", taken, mask);
			return GUEST_EXIT_INTERFACE;
		}
		if (round % 2 != 0) {
			xstate_hide(); /* what is not switched on now is still there */
		}
		wait_ms_quietly(PAUSE_MS);
		if (!xstate_is_own(taken, kept()) || !registers_are_own()) {
			return GUEST_EXIT_LEAK;
		}
	}
	console_print("planted in 0x%lx\n", taken);
	runtime_set_digest(taken);
	return GUEST_EXIT_SUCCESS;
}

static int search(uint64_t rounds)
{
	uint64_t mask = xstate_reach();

	for (uint64_t round = 0; round < rounds; round++) {
		uint64_t supervisor = xstate_supervisor();

		if (supervisor != 0) {
			console_print("XSAVES reaches 0x%lx\n", supervisor);
			return GUEST_EXIT_LEAK;
		}
		if (xstate_search() != 0 || !registers_are_initial() || !registers_tell_nothing()) {
			return GUEST_EXIT_LEAK;
		}
		if (round % 2 != 0) {
			xstate_hide();
		}
		wait_ms_quietly(PAUSE_MS);
	}
	console_print("searched 0x%lx\n", mask);
	runtime_set_digest(mask);
	return GUEST_EXIT_SUCCESS;
}

static uint64_t cr0_read(void)
{
	uint64_t value;

	__asm__ volatile("movq %%cr0, %0" : "=r"(value));
	return value;
}

static uint64_t cr4_read(void)
{
	uint64_t value;

	__asm__ volatile("movq %%cr4, %0" : "=r"(value));
	return value;
}

static void cr0_write(uint64_t value)
{
	__asm__ volatile("movq %0, %%cr0" : : "r"(value) : "memory");
}

static void cr4_write(uint64_t value)
{
	__asm__ volatile("movq %0, %%cr4" : : "r"(value) : "memory");
}

static int plain(uint64_t seed, uint64_t rounds)
{
	uint64_t cr0 = cr0_read();
	uint64_t cr4 = cr4_read() & ~CR4_OSXSAVE;

	xstate_hide();
	cr4_write(cr4);
	for (uint64_t round = 0; round < rounds; round++) {
		if (xstate_plant(XSTATE_LEGACY, mark_of(seed, round)) != XSTATE_LEGACY) {
			return GUEST_EXIT_INTERFACE;
		}
		cr4_write(cr4 & ~CR4_OSFXSR);
		cr0_write(cr0 | (round % 2 != 0 ? CR0_TS : CR0_EM));
		wait_ms_quietly(PAUSE_MS);
		cr0_write(cr0);
		cr4_write(cr4);
		if (!xstate_is_own(XSTATE_LEGACY, XSTATE_LEGACY)) {
			return GUEST_EXIT_LEAK;
		}
	}
	return GUEST_EXIT_SUCCESS;
}

/* Four breakpoints from `address` on, `step` bytes apart; then an exit. */
static bool break_at(uint64_t address, uint64_t step, uint64_t condition)
{
	uint64_t armed = condition | DR7_ONES | DR7_ALL;
	uint64_t dr7;

	__asm__ volatile("movq %2, %%dr0\n"
			 "movq %3, %%dr1\n"
			 "movq %4, %%dr2\n"
			 "movq %5, %%dr3\n"
			 "movq %1, %%dr7\n"
			 "movq %%dr7, %0"
			 : "=r"(dr7)
			 : "r"(armed), "r"(address), "r"(address + step), "r"(address + 2 * step),
			   "r"(address + 3 * step)
			 : "memory");
	(void)cpu_identify(0);
	if (dr7 != armed) {
		console_print("DR7 is 0x%lx instead of 0x%lx\n", dr7, armed);
	}
	return dr7 == armed;
}

static int sweep_breakpoints(uint64_t kib)
{
	bool right = true;

	for (uint64_t at = 0; right && at < CODE_KIB * 1024; at += 4) {
		right = break_at(IMAGE_START + at, 1, DR7_EXECUTION);
	}
	for (uint64_t at = 0; right && at < kib * 1024; at += 16) {
		right = break_at(IMAGE_START + at, 4, DR7_ACCESSES);
	}
	if (TRAP_TRY("movq %%rax, %%dr7", "a"(1ull << 32)) != VECTOR_PROTECTION) {
		console_print("DR7 takes bit 32\n");
		right = false;
	}
	__asm__ volatile("movq %0, %%dr7" : : "r"(DR7_ONES));
	if (trap_count != 1) {
		console_print("%lu exceptions instead of 1\n", trap_count);
		right = false;
	}
	return right ? GUEST_EXIT_SUCCESS : GUEST_EXIT_INTERFACE;
}

int guest_main(const struct guest_arguments *arguments)
{
	static const char *const plays[] = {"plant", "search", "plain", "break", NULL};
	uint64_t play = PLAY_PLANT;
	uint64_t rounds = 0;
	const struct argument known[] = {{"play", ARGUMENT_WORD, true, &play, plays},
					 {"rounds", ARGUMENT_COUNT, true, &rounds, NULL}};

	if (!arguments_parse(arguments->text, known, sizeof(known) / sizeof(known[0]))) {
		return GUEST_EXIT_ARGUMENTS;
	}
	trap_init();
	switch ((enum play)play) {
	case PLAY_PLANT:
		return plant(arguments->seed, rounds);
	case PLAY_SEARCH:
		return search(rounds);
	case PLAY_PLAIN:
		return plain(arguments->seed, rounds);
	case PLAY_BREAK:
		return sweep_breakpoints(rounds);
	}
	return GUEST_EXIT_ARGUMENTS;
}
