/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Components of the extended state without CPUID's help: where XSAVE puts one is found by letting
 * it write over two different backgrounds. All of them are zeros in their initial state but for
 * control words in the legacy region (SDM volume 1, 13.6).
 */
#include "guests/leftover/xstate.h"

#include <stddef.h>

#include "guests/lib/console.h"
#include "guests/probe/trap.h"

#define AREA_BYTES 16384 /* more than AMX has */
#define COMPONENTS 63
#define LEGACY_BYTES 512
#define HEADER_BYTES 64
#define HEADER_HAS LEGACY_BYTES		    /* XSTATE_BV */
#define HEADER_COMPACTED (LEGACY_BYTES + 8) /* XCOMP_BV */
#define CR4_OSXSAVE (1ull << 18)
#define TAGS 4
#define POINTERS 8 /* of the last x87 instruction: many processors drop them */
#define POINTERS_END 24
#define MASK_OF_MXCSR 28 /* which bits of it exist: says nothing of anybody */
#define MXCSR 24
#define REGISTERS 32
#define REGISTER_BYTES 16
#define X87_REGISTER_BYTES 10
#define X87_END 160
#define LEGACY_END 416 /* then bytes that are software's */
#define CONTROL_WORD 0x037f
#define MXCSR_INITIAL 0x1f80u

extern uint32_t guest_xcr0;

struct area {
	_Alignas(64) uint8_t bytes[AREA_BYTES];
};

static struct area planted;
static struct area first;
static struct area second;

static uint64_t reached = XSTATE_LEGACY;

/* Where the components have their bytes; x87 and SSE share the legacy region. */
static struct {
	unsigned start;
	unsigned end;
} places[COMPONENTS] = {{0, LEGACY_END}, {0, LEGACY_END}};

static uint64_t xcr0_read(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static bool xcr0_write(uint64_t value)
{
	return TRAP_TRY("xsetbv", "c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))) ==
	       TRAP_NONE;
}

static bool xsave_is_on(void)
{
	uint64_t cr4;

	__asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
	if (!(cr4 & CR4_OSXSAVE)) {
		return TRAP_TRY("movq %%rax, %%cr4", "a"(cr4 | CR4_OSXSAVE)) == TRAP_NONE;
	}
	return true;
}

void xstate_hide(void)
{
	if (guest_xcr0 != 0) {
		(void)xcr0_write(guest_xcr0);
	}
}

static void fill(struct area *area, uint8_t byte)
{
	for (unsigned i = 0; i < AREA_BYTES; i++) {
		area->bytes[i] = byte;
	}
	/* XSAVE keeps what it does not know of the header, and XRSTOR wants zeros there. */
	for (unsigned i = LEGACY_BYTES; i < LEGACY_BYTES + HEADER_BYTES; i++) {
		area->bytes[i] = 0;
	}
}

static bool has_xsave(void)
{
	uint64_t cr4;

	__asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
	return (cr4 & CR4_OSXSAVE) != 0;
}

static uint64_t save(struct area *area, uint64_t mask)
{
	if (!has_xsave()) {
		return TRAP_TRY("fxsave64 (%%rdi)", "D"(area));
	}
	return TRAP_TRY("xsave64 (%%rdi)", "D"(area), "a"((uint32_t)mask),
			"d"((uint32_t)(mask >> 32)));
}

static uint64_t restore(struct area *area, uint64_t mask)
{
	if (!has_xsave()) {
		return TRAP_TRY("fxrstor64 (%%rdi)", "D"(area));
	}
	return TRAP_TRY("xrstor64 (%%rdi)", "D"(area), "a"((uint32_t)mask),
			"d"((uint32_t)(mask >> 32)));
}

/* Byte `at`, which is within its place, belongs to component `component`. */
static bool is_of(unsigned component, unsigned at)
{
	if (component > 1) {
		return true;
	}
	if (at >= MASK_OF_MXCSR && at < REGISTERS) {
		return false;
	}
	if (component == 1) {
		return at >= X87_END || (at >= MXCSR && at < MASK_OF_MXCSR);
	}
	return at < MXCSR ||
	       (at >= REGISTERS && at < X87_END && at % REGISTER_BYTES < X87_REGISTER_BYTES);
}

/*
 * Whenever another VM has run, what is not offered may be switched off again: until `call` went
 * through in one go.
 */
static void in_one_go(void (*call)(uint64_t mask), uint64_t mask)
{
	do {
		if (has_xsave() && !xcr0_write(reached)) {
			return;
		}
		call(mask);
	} while (has_xsave() && xcr0_read() != reached);
}

static void save_first(uint64_t mask)
{
	(void)save(&first, mask);
}

static void save_twice(uint64_t mask)
{
	(void)save(&first, mask);
	(void)save(&second, mask);
}

static void learn(unsigned component)
{
	unsigned at = LEGACY_BYTES + HEADER_BYTES;

	fill(&first, 0);
	fill(&second, 0xff);
	in_one_go(save_twice, 1ull << component);
	while (at < AREA_BYTES && first.bytes[at] != second.bytes[at]) {
		at++;
	}
	places[component].start = at;
	while (at < AREA_BYTES && first.bytes[at] == second.bytes[at]) {
		at++;
	}
	places[component].end = at;
}

uint64_t xstate_reach(void)
{
	/* Those that the processor wants together. */
	static const uint64_t groups[] = {0x4, 0xe0, 0x18, 0x60000};

	if (!xsave_is_on() || !xcr0_write(reached)) {
		return XSTATE_LEGACY;
	}
	for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (xcr0_write(reached | groups[i])) {
			reached |= groups[i];
		}
	}
	for (unsigned i = 2; i < COMPONENTS; i++) {
		if (!(reached >> i & 1) && xcr0_write(reached | 1ull << i)) {
			reached |= 1ull << i;
		}
	}
	for (unsigned i = 2; i < COMPONENTS; i++) {
		if (reached >> i & 1) {
			learn(i);
		}
	}
	return reached;
}

static uint8_t initial(unsigned at)
{
	if (at < 2) {
		return (uint8_t)(CONTROL_WORD >> 8 * at);
	}
	if (at >= MXCSR && at < MASK_OF_MXCSR) {
		return (uint8_t)(MXCSR_INITIAL >> 8 * (at - MXCSR));
	}
	return 0;
}

static void report(const char *what, unsigned component, unsigned at)
{
	uint64_t word = 0;

	for (unsigned i = 0; i < 8; i++) {
		word |= (uint64_t)first.bytes[(at & ~7u) + i] << 8 * i;
	}
	console_print("component %u byte %u holds %s: 0x%lx\n", component, at, what, word);
}

uint64_t xstate_search(void)
{
	uint64_t found = 0;

	fill(&first, 0);
	in_one_go(save_first, reached);
	for (unsigned i = 0; i < COMPONENTS; i++) {
		if (!(reached >> i & 1)) {
			continue;
		}
		for (unsigned at = places[i].start; at < places[i].end && !(found >> i & 1); at++) {
			if (is_of(i, at) && first.bytes[at] != initial(at)) {
				report("what nobody here wrote", i, at);
				found |= 1ull << i;
			}
		}
	}
	return found;
}

static void header_set(uint64_t mask)
{
	for (unsigned i = 0; i < 8; i++) {
		planted.bytes[HEADER_HAS + i] = (uint8_t)(mask >> 8 * i);
	}
}

static uint64_t taken;

/* Some have reserved bits where the mark has ones; without XSAVE all go at once. */
static void restore_each(uint64_t mask)
{
	taken = 0;
	for (unsigned i = 0; i < COMPONENTS; i++) {
		if (!(mask >> i & 1)) {
			continue;
		}
		header_set(1ull << i);
		if (restore(&planted, 1ull << i) == TRAP_NONE) {
			taken |= 1ull << i;
		}
	}
}

uint64_t xstate_plant(uint64_t mask, uint64_t mark)
{
	fill(&planted, 0);
	for (unsigned at = 0; at < REGISTERS; at++) {
		planted.bytes[at] = initial(at);
	}
	planted.bytes[TAGS] = 0xff; /* every x87 register is in use */
	for (unsigned i = 0; i < COMPONENTS; i++) {
		for (unsigned at = places[i].start; mask >> i & 1 && at < places[i].end; at++) {
			/* Control and status words stay. */
			if (is_of(i, at) && at >= REGISTERS) {
				planted.bytes[at] = (uint8_t)(mark >> at % 8 * 8);
			}
		}
	}
	in_one_go(restore_each, mask);
	return taken;
}

static bool is_own(unsigned component, bool keep)
{
	for (unsigned at = places[component].start; at < places[component].end; at++) {
		bool dropped = component == 0 && at >= POINTERS && at < POINTERS_END;
		uint8_t byte = first.bytes[at];

		if (is_of(component, at) && byte != planted.bytes[at] && !dropped &&
		    (keep || byte != initial(at))) {
			report("not what was written", component, at);
			return false;
		}
	}
	return true;
}

bool xstate_is_own(uint64_t mask, uint64_t keep)
{
	fill(&first, 0);
	in_one_go(save_first, mask | keep);
	for (unsigned i = 0; i < COMPONENTS; i++) {
		if ((mask | keep) >> i & 1 && !is_own(i, keep >> i & 1)) {
			return false;
		}
	}
	return true;
}

uint64_t xstate_supervisor(void)
{
	uint64_t compacted = 0;

	fill(&first, 0);
	if (!has_xsave() ||
	    TRAP_TRY("xsaves64 (%%rdi)", "D"(&first), "a"(~0u), "d"(~0u)) != TRAP_NONE) {
		return 0;
	}
	for (unsigned i = 0; i < 8; i++) {
		compacted |= (uint64_t)first.bytes[HEADER_COMPACTED + i] << 8 * i;
	}
	return compacted & ~reached & ~(1ull << 63);
}
