/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * modes: vCPUs of one VM that set their processor up differently, and keep what is theirs while
 * others run on the same CPU. vCPU 0 is in 64-bit mode, with vector registers and XSAVE where there
 * is one; vCPU 1 is one of
 *
 *	play=flat	32-bit protected mode without paging, x87 only (mode32.S)
 *	play=paged	the same with 32-bit page tables, not PAE, that map its pages elsewhere
 *
 * or is not there:
 *
 *	play=classes	CR8 of every class, and a doorbell of every class for each
 *	rounds=N	how often
 */
#include <stdbool.h>
#include <stddef.h>

#include "guests/lib/arguments.h"
#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/runtime.h"
#include "guests/lib/vector.h"
#include "guests/lib/wait.h"
#include "guests/modes/classes.h"
#include "guests/modes/mode32.h"

_Static_assert(offsetof(struct mode32, cr3) == MODE32_CR3, "mode32.h");
_Static_assert(offsetof(struct mode32, alias) == MODE32_ALIAS, "mode32.h");
_Static_assert(offsetof(struct mode32, rounds) == MODE32_ROUNDS, "mode32.h");
_Static_assert(offsetof(struct mode32, rang) == MODE32_RANG, "mode32.h");
_Static_assert(offsetof(struct mode32, outcome) == MODE32_OUTCOME, "mode32.h");
_Static_assert(offsetof(struct mode32, balloon_gfn) == MODE32_BALLOON_GFN, "mode32.h");
_Static_assert(offsetof(struct mode32, given_gfn) == MODE32_GIVEN_GFN, "mode32.h");
_Static_assert(offsetof(struct mode32, spins) == MODE32_SPINS, "mode32.h");

#define EXCEPTIONS 32
#define GATE_32 0x00008e0000080000ull /* interrupt gate, ring 0, selector 8 */
#define TABLE_ENTRIES 1024
#define TABLE_BYTES 0x400000u /* mapped by one table */
#define ENTRY_FLAGS 0x3	      /* present, writable */
#define SECONDS_MAX 60

enum play { PLAY_FLAT, PLAY_PAGED, PLAY_CLASSES };

/* Two entries of the directory lead to the same table: pages are seen at home and 4 MiB behind. */
static uint32_t directory[TABLE_ENTRIES] __attribute__((aligned(4096)));
static uint32_t table[TABLE_ENTRIES] __attribute__((aligned(4096)));

static uint32_t address_of(const void *object)
{
	uintptr_t address = (uintptr_t)object;

	return (uint32_t)address;
}

static void set_gate(unsigned vector, const void *entry)
{
	uint64_t address = address_of(entry);

	mode32_gates[vector] = GATE_32 | (address & 0xffff) | (address & 0xffff0000) << 32;
}

static void prepare(bool paged, uint64_t seed, uint64_t rounds)
{
	for (unsigned i = 0; i < MODE32_MARKS; i++) {
		mode32_marks[i] = (uint32_t)runtime_mix(seed + i) & 0x7fffffff;
	}
	for (unsigned i = 0; i < EXCEPTIONS; i++) {
		set_gate(i, mode32_exception);
	}
	set_gate(MODE32_VECTOR, mode32_doorbell);
	mode32.rounds = (uint32_t)rounds;
	mode32.balloon_gfn = address_of(mode32_balloon) >> 12;
	mode32.given_gfn = address_of(mode32_given) >> 12;
	if (paged) {
		for (uint32_t i = 0; i < TABLE_ENTRIES; i++) {
			table[i] = i << 12 | ENTRY_FLAGS;
		}
		directory[0] = address_of(table) | ENTRY_FLAGS;
		directory[1] = directory[0];
		mode32.cr3 = address_of(directory);
		mode32.alias = TABLE_BYTES;
	}
}

/* Rings vCPU 1, and has marks of its own in the vector registers meanwhile. */
static bool ring_once(uint64_t mark)
{
	const uint64_t marker[2] = {mark, ~mark};
	uint64_t words[VECTOR_REGISTERS * VECTOR_WORDS];

	vector_load_all(marker);
	(void)hypercall(AEROSTAT_CALL_VCPU_RING, MODE32_VCPU, 0, 0, 0);
	wait_ms_quietly(1);
	vector_store_all(words);
	for (unsigned i = 0; i < VECTOR_REGISTERS * VECTOR_WORDS; i++) {
		bool stored = i % VECTOR_WORDS < 2 || (guest_xcr0 & 4) != 0;

		if (stored && words[i] != marker[i % 2]) {
			console_print("vector register %u: 0x%lx\n", i / VECTOR_WORDS, words[i]);
			return false;
		}
	}
	return true;
}

static int run_mode32(bool paged, uint64_t seed, uint64_t rounds)
{
	uint64_t end = cpu_read_tsc() + SECONDS_MAX * 1000 * runtime_tsc_khz;
	uint32_t outcome = MODE32_RUNS;

	prepare(paged, seed, rounds);
	if (hypercall(AEROSTAT_CALL_VCPU_START, MODE32_VCPU, (uintptr_t)mode32_start, 0, 0) != 0) {
		console_print("vCPU 1 does not start\n");
		return GUEST_EXIT_INTERFACE;
	}
	for (uint64_t i = 0; outcome == MODE32_RUNS; i++) {
		if (!ring_once(runtime_mix(seed ^ i))) {
			return GUEST_EXIT_LEAK;
		}
		outcome = __atomic_load_n(&mode32.outcome, __ATOMIC_ACQUIRE);
		if (cpu_read_tsc() > end) {
			break;
		}
	}
	console_print("32-bit vCPU: outcome %u, %u rounds left\n", outcome, mode32.rounds);
	return outcome == MODE32_DONE ? GUEST_EXIT_SUCCESS : GUEST_EXIT_INTERFACE;
}

int guest_main(const struct guest_arguments *arguments)
{
	static const char *const plays[] = {"flat", "paged", "classes", NULL};
	uint64_t play = PLAY_FLAT;
	uint64_t rounds = 0;
	const struct argument known[] = {{"play", ARGUMENT_WORD, true, &play, plays},
					 {"rounds", ARGUMENT_COUNT, true, &rounds, NULL}};

	if (!arguments_parse(arguments->text, known, sizeof(known) / sizeof(known[0])) ||
	    rounds == 0 || rounds > UINT32_MAX) {
		return GUEST_EXIT_ARGUMENTS;
	}
	if (play == PLAY_CLASSES) {
		return classes_run(rounds);
	}
	return run_mode32(play == PLAY_PAGED, arguments->seed, rounds);
}
