/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asks the specification what it allows, and prints it for tests/boot/test_abi_page.py, which
 * compares it with docs/abi.md. Lines:
 *
 *	arguments CALL COUNT			that the call uses
 *	errors CALL ERROR...			that it may answer, RESERVED for unused ones aside
 *	first CALL ERROR,ERROR... ERROR		of several that apply, the one that is answered
 *	statuses OPERATION STATUS...		that a range may get
 *	first-status STATUS,STATUS... STATUS	of several that apply to a malformed range
 *	budget OPERATION UNITS			of work, of which one for the range
 */
#include <stdio.h>

#include "tests/spec/spec.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define RAM 4096ull
#define PAGE 4096ull
#define UNTOUCHED 8ull
#define HELD 1ull
#define IN_BALLOON 2ull
#define BALLOON_PAGE 3ull
#define ARRAY 4ull
#define RANGES 8u
#define BEYOND (RAM * PAGE)

static struct spec_vm vm;

static void begin(bool attached)
{
	spec_begin(&vm, RAM);
	vm.vcpus = 2;
	vm.attached = attached;
	vm.balloon_page = BALLOON_PAGE;
	spec_set_pages(&vm, HELD, 1, SPEC_HELD);
	spec_set_pages(&vm, IN_BALLOON, 1, SPEC_IN_BALLOON);
	spec_set_pages(&vm, BALLOON_PAGE, 2, SPEC_HELD);
}

/* ---- Calls ---- */

static int64_t ask(uint64_t number, uint64_t rdi, uint64_t rsi, uint64_t rdx, uint64_t r10)
{
	const struct spec_call call = {number, {rdi, rsi, rdx, r10}, 0, true};
	return spec_expect(&vm, &call).error;
}

static void print_arguments(uint64_t number)
{
	unsigned used = 4;
	begin(true);
	for (unsigned i = 4; i-- > 0;) {
		uint64_t argument[4] = {0};
		argument[i] = 1;
		int64_t error = ask(number, argument[0], argument[1], argument[2], argument[3]);
		used = used == i + 1 && error == AEROSTAT_ERROR_RESERVED ? i : used;
	}
	printf("arguments %u %u\n", (unsigned)number, used);
}

static void print_errors(uint64_t number)
{
	static const uint64_t words[] = {0,	   1,		2,	31,	    32,
					 255,	   256,		PAGE,	2 * PAGE,   8 * PAGE,
					 PAGE + 4, PAGE + 4088, BEYOND, 1ull << 40, UNTOUCHED};
	const size_t count = ARRAY_SIZE(words);
	unsigned errors = 0;
	for (size_t i = 0; i < 2 * count * count * count; i++) {
		begin(i % 2 == 1);
		int64_t error = ask(number, words[i / 2 % count], words[i / 2 / count % count],
				    words[i / 2 / count / count], 0);
		errors |= error < 0 ? 1u << -error : 0;
	}
	printf("errors %u", (unsigned)number);
	for (int error = 1; error < 32; error++) {
		if ((errors >> error & 1) != 0) {
			printf(" %d", -error);
		}
	}
	printf("\n");
}

/* Arguments that bring about one error each; 4: being attached does, or not being so. */
struct trap {
	uint8_t number;
	int8_t error;
	uint8_t argument;
	uint64_t value;
};

static const struct trap traps[] = {
	{AEROSTAT_CALL_CONSOLE_WRITE, AEROSTAT_ERROR_COUNT, 1, 0},
	{AEROSTAT_CALL_CONSOLE_WRITE, AEROSTAT_ERROR_ADDRESS, 0, BEYOND},
	{AEROSTAT_CALL_BALLOON_ATTACH, AEROSTAT_ERROR_VECTOR, 1, 31},
	{AEROSTAT_CALL_BALLOON_ATTACH, AEROSTAT_ERROR_STATE, 4, 0},
	{AEROSTAT_CALL_BALLOON_ATTACH, AEROSTAT_ERROR_ADDRESS, 0, BEYOND},
	{AEROSTAT_CALL_BALLOON_SURRENDER, AEROSTAT_ERROR_STATE, 4, 0},
	{AEROSTAT_CALL_BALLOON_SURRENDER, AEROSTAT_ERROR_COUNT, 1, 171},
	{AEROSTAT_CALL_BALLOON_SURRENDER, AEROSTAT_ERROR_ADDRESS, 0, PAGE + 4},
	{AEROSTAT_CALL_VCPU_START, AEROSTAT_ERROR_RESERVED, 2, 1ull << 32},
	{AEROSTAT_CALL_VCPU_START, AEROSTAT_ERROR_VCPU, 0, 2},
	{AEROSTAT_CALL_VCPU_START, AEROSTAT_ERROR_ADDRESS, 1, BEYOND},
	{AEROSTAT_CALL_VCPU_RING, AEROSTAT_ERROR_VCPU, 0, 2},
};

/* Those of the set that are this call's, all at once. */
static void print_first(uint64_t number, unsigned set)
{
	bool attach = number == AEROSTAT_CALL_BALLOON_ATTACH;
	bool ring = number == AEROSTAT_CALL_VCPU_RING;
	uint64_t argument[4] = {attach ? HELD : PAGE, attach || ring ? 0 : 1, 0, 0};
	bool state = false;
	unsigned many = 0;
	argument[0] = number >= AEROSTAT_CALL_VCPU_START ? 1 : argument[0];
	for (unsigned i = 0; i < ARRAY_SIZE(traps); i++) {
		if (traps[i].number == number && (set >> i & 1) != 0) {
			state = state || traps[i].argument == 4;
			many++;
			if (traps[i].argument < 4) {
				argument[traps[i].argument] = traps[i].value;
			}
		}
	}
	begin(attach == state);
	int64_t error = ask(number, argument[0], argument[1], argument[2], argument[3]);
	if (many == 0) {
		return;
	}
	printf("first %u ", (unsigned)number);
	for (unsigned i = 0; i < ARRAY_SIZE(traps); i++) {
		if (traps[i].number == number && (set >> i & 1) != 0) {
			printf("%d%s", traps[i].error, --many == 0 ? " " : ",");
		}
	}
	printf("%d\n", (int)error);
}

static void print_calls(void)
{
	for (uint64_t number = 0; number < AEROSTAT_CALL_COUNT; number++) {
		print_arguments(number);
		print_errors(number);
		unsigned own = 0;
		for (unsigned i = 0; i < ARRAY_SIZE(traps); i++) {
			own |= traps[i].number == number ? 1u << i : 0;
		}
		for (unsigned set = own; set != 0; set = (set - 1) & own) {
			print_first(number, set);
		}
	}
}

/* ---- Ranges ---- */

static enum spec_page look(const struct spec_vm *of, uint64_t gfn)
{
	return of->page[gfn] == SPEC_IN_BALLOON ? SPEC_IN_BALLOON : SPEC_UNTOUCHED;
}

/* May the range get this status, with as many of its extents done? */
static bool allows(enum spec_operation operation, const struct aerostat_range *range,
		   uint8_t status, uint32_t done)
{
	struct aerostat_range after = *range;
	begin(true);
	spec_set_pages(&vm, 512, 512, SPEC_IN_BALLOON);
	spec_set_pages(&vm, 1024, 512, SPEC_HELD);
	spec_set_pages(&vm, 1536, 256, SPEC_IN_BALLOON);
	after.status = status;
	after.done = done;
	if (status == AEROSTAT_RANGE_OK && operation != SPEC_SURRENDER) {
		after.flags = AEROSTAT_RANGE_FLAG_ZERO;
	}
	return spec_ranges(&vm, operation, ARRAY, range, &after, 1,
			   status == AEROSTAT_RANGE_PENDING ? 0 : 1, look) == NULL;
}

static const char *const operations[] = {"SURRENDER", "REPORT", "RETURN", "EMERGENCY"};

static void print_statuses(enum spec_operation operation)
{
	static const struct aerostat_range ranges[] = {
		{.gfn = HELD, .count = 1},
		{.gfn = IN_BALLOON, .count = 1},
		{.gfn = BALLOON_PAGE, .count = 1},
		{.gfn = ARRAY, .count = 1},
		{.gfn = 0, .count = 1, .order = 9},
		{.gfn = 512, .count = 1, .order = 9},
		{.gfn = 1536, .count = 1, .order = 9},
		{.gfn = 513, .count = 1},
		{.gfn = 1025, .count = 1},
		{.gfn = HELD, .count = 1, .order = 1},
		{.gfn = HELD, .count = 0},
		{.gfn = HELD, .count = 1, .order = 9},
		{.gfn = RAM, .count = 1},
		{.gfn = HELD, .count = 1, .reserved = 1},
	};
	printf("statuses %s", operations[operation]);
	for (unsigned status = 1; status < 256; status++) {
		bool allowed = false;
		for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++) {
			uint32_t done = status == AEROSTAT_RANGE_OK ? ranges[i].count : 0;
			allowed = allowed || allows(operation, &ranges[i], (uint8_t)status, done);
		}
		if (allowed) {
			printf(" %u", status);
		}
	}
	printf("\n");
}

/* A range with these faults: reserved, order, count, alignment, end. */
static void print_first_status(unsigned faults)
{
	static const uint8_t statuses[] = {AEROSTAT_RANGE_RESERVED, AEROSTAT_RANGE_BAD_ORDER,
					   AEROSTAT_RANGE_BAD_COUNT, AEROSTAT_RANGE_MISALIGNED,
					   AEROSTAT_RANGE_OUTSIDE};
	struct aerostat_range range = {.gfn = 512, .count = 1, .order = 9};
	range.gfn = (faults & 16) != 0 ? RAM : range.gfn;
	range.gfn += (faults & 8) != 0 ? 1 : 0;
	range.done = (faults & 4) != 0 ? 2 : 0;
	range.order = (faults & 2) != 0 ? 10 : range.order;
	range.reserved = (faults & 1) != 0 ? 1 : 0;
	printf("first-status ");
	for (unsigned i = 0; i < ARRAY_SIZE(statuses); i++) {
		if ((faults >> i & 1) != 0) {
			printf("%u%s", statuses[i], faults >> i == 1 ? " " : ",");
		}
	}
	for (unsigned status = 1; status < 256; status++) {
		if (allows(SPEC_RETURN, &range, (uint8_t)status, range.done)) {
			printf("%u", status);
		}
	}
	printf("\n");
}

/*
 * Ranges of 511 extents that are done for a unit each: the call must end behind so many of them,
 * and nowhere else.
 */
static void print_budget(enum spec_operation operation)
{
	const bool takes = operation == SPEC_SURRENDER || operation == SPEC_REPORT;
	for (unsigned finished = 0; finished <= RANGES; finished++) {
		struct aerostat_range before[RANGES], after[RANGES];
		spec_begin(&vm, RAM);
		spec_set_pages(&vm, 0, RAM, takes ? SPEC_HELD : SPEC_IN_BALLOON);
		for (unsigned i = 0; i < RANGES; i++) {
			spec_set_pages(&vm, (i + 1) * 512 - 1, 1, SPEC_UNTOUCHED);
			before[i] = (struct aerostat_range){.gfn = i * 512, .count = 511};
			after[i] = before[i];
			after[i].done = i < finished ? 511 : 0;
			after[i].status = i < finished ? AEROSTAT_RANGE_OK : 0;
			after[i].flags = i < finished && operation != SPEC_SURRENDER ? 1 : 0;
		}
		if (spec_ranges(&vm, operation, RAM, before, after, RANGES, finished, look) ==
		    NULL) {
			printf("budget %s %u\n", operations[operation], finished * 512);
		}
	}
}

int main(void)
{
	print_calls();
	for (unsigned i = 0; i < ARRAY_SIZE(operations); i++) {
		print_statuses((enum spec_operation)i);
		print_budget((enum spec_operation)i);
	}
	for (unsigned faults = 1; faults < 32; faults++) {
		print_first_status(faults);
	}
	return 0;
}
