/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * H3: vCPU 0 surrenders pages, or reports them, and takes them back, while the others read, write
 * and execute them. What they may find is decided word by word:
 *
 *	what vCPU 0 wrote	only as long as it has not been told that the pages are gone
 *	zeros			after a refill
 *	what they wrote		at any time
 *	the exception		that on-touch=fault is for
 *
 * Anything else is another VM's. What they write is a secret as guests/secret knows them, so that a
 * write that reaches a frame of another VM is found there.
 *
 * Pages are filled with pairs of words, SECRET_PREFIX and {mark of this VM, writer, epoch}; the
 * epoch counts how often the pages have gone. In the last 8 bytes of the last page is a function
 * that answers the epoch. Where zeros are instead, from its start or from its second instruction
 * on, they run on into the page behind, which catches them; on the way they add to a byte at RAX.
 */
#include "guests/racer/race.h"

#include "guests/lib/attempt.h"
#include "guests/lib/cpu.h"
#include "guests/lib/runtime.h"
#include "guests/lib/vcpu.h"

#define SECRET_PREFIX 0x5445524345535f5f /* as in guests/secret */
#define PAGE_PAIRS 256

#define SPOTS 64
#define PAGES_4K 4   /* of a round with single pages: the last ones of the first extent */
#define STRETCH 2000 /* instructions between the steps of a round */

/*
 * REX MOV $imm32, %eax; RET; NOP: instructions end at even bytes, as those of zeros do. The
 * immediate is an address in `answers`, for the case that zeros follow it.
 */
#define CODE_MOVE 0xb840ull
#define CODE_RETURN (0x90c3ull << 48)
#define CODE_CATCH 0x0b0f0b0f0b0f0b0full /* UD2 four times */
#define ANSWERS 4096
#define VECTOR_UNDEFINED 6
#define VECTOR_PROTECTION 13

enum seen { SEEN_OLD, SEEN_ZERO, SEEN_OWN, SEEN_FAULT, SEEN_WRITTEN };

static uint32_t epoch; /* written by vCPU 0 */
static uint8_t answers[ANSWERS] __attribute__((aligned(ANSWERS)));

static uint64_t value_of(unsigned writer, uint32_t when)
{
	uint64_t mark = runtime_mix(race_arguments.seed ^ SECRET_PREFIX) >> 32;

	return mark << 32 | (uint64_t)writer << 28 | when;
}

static uint64_t answer_of(uint32_t when)
{
	return (uintptr_t)&answers[when % ANSWERS];
}

static uint64_t first_page(void)
{
	return race_arguments.order == ORDER_2M ? pool_first : pool_first + EXTENT_PAGES - PAGES_4K;
}

static uint64_t page_count(void)
{
	return race_arguments.order == ORDER_2M ? EXTENT_PAGES : PAGES_4K;
}

/* Never the last pair of a page, where the function is. */
static uint64_t *spot(unsigned number)
{
	uint64_t page = first_page() + number * page_count() / SPOTS;
	uint64_t pair = runtime_mix(number) % (PAGE_PAIRS - 1);

	return (uint64_t *)page_address(page) + 2 * pair;
}

static uint64_t *code(void)
{
	return (uint64_t *)page_address(pool_first + EXTENT_PAGES) - 1;
}

/* ---- vCPU 0 ---- */

static void fill(void)
{
	for (unsigned i = 0; i < SPOTS; i++) {
		spot(i)[0] = SECRET_PREFIX;
		spot(i)[1] = value_of(0, epoch);
	}
	*code() = CODE_MOVE | answer_of(epoch) << 16 | CODE_RETURN;
}

static void expect_status(uint8_t found, uint8_t first, uint8_t second, uint8_t third)
{
	if (found != first && found != second && found != third) {
		race_fail("status of a range", found, first_page(), GUEST_EXIT_INTERFACE);
	}
	race_note(found);
}

/* Gone, and back: by a report, a return, or an emergency return, in turns. */
static void give_and_take(uint64_t round)
{
	static const uint64_t gives[] = {AEROSTAT_CALL_BALLOON_SURRENDER,
					 AEROSTAT_CALL_BALLOON_REPORT,
					 AEROSTAT_CALL_BALLOON_SURRENDER};
	static const uint64_t takes[] = {AEROSTAT_CALL_BALLOON_RETURN, 0,
					 AEROSTAT_CALL_BALLOON_EMERGENCY};
	unsigned order = (unsigned)race_arguments.order;
	uint64_t extents = page_count() >> order;
	uint8_t status = race_call(gives[round % 3], first_page(), order, extents);

	/* Touches cannot be in the way: nothing was in the balloon. */
	expect_status(status, AEROSTAT_RANGE_OK, AEROSTAT_RANGE_NO_MEMORY,
		      AEROSTAT_RANGE_NO_MEMORY);
	if (status == AEROSTAT_RANGE_OK) {
		__atomic_store_n(&epoch, epoch + 1, __ATOMIC_RELEASE);
	}
	race_delay(STRETCH);
	if (takes[round % 3] != 0) {
		expect_status(race_call(takes[round % 3], first_page(), order, extents),
			      AEROSTAT_RANGE_OK, AEROSTAT_RANGE_NOT_SURRENDERED,
			      AEROSTAT_RANGE_MIXED);
	}
}

static void give_and_take_rounds(void)
{
	for (uint64_t *at = page_address(pool_first + EXTENT_PAGES), i = 0; i < 8; i++) {
		at[i] = CODE_CATCH;
	}
	for (uint64_t round = 0; round < race_arguments.rounds; round++) {
		fill();
		race_open();
		race_delay(race_arguments.offset);
		give_and_take(round);
		race_delay(STRETCH);
		race_close();
		race_return_all(first_page(), page_count());
		if (race_balloon_size() != 0) {
			race_fail("pages stay in the balloon", race_balloon_size(), first_page(),
				  GUEST_EXIT_INTERFACE);
		}
	}
	race_end();
}

/* ---- The others ---- */

struct access {
	uint64_t *at;
	uint64_t value;
};

static void load(void *argument)
{
	struct access *access = argument;

	access->value = __atomic_load_n(access->at, __ATOMIC_RELAXED);
}

static void store(void *argument)
{
	const struct access *access = argument;

	access->at[0] = SECRET_PREFIX;
	access->at[1] = access->value;
}

/* ADD %AL, (%RAX) is what zeros are. */
static void run(void *argument)
{
	struct access *access = argument;
	uint64_t rax = (uintptr_t)answers;

	__asm__ volatile("call *%1" : "+a"(rax) : "r"(access->at) : "memory", "cc");
	access->value = rax;
}

static void note(enum seen seen)
{
	struct tally *tally = &tallies[vcpu_index()];

	tally->old += seen == SEEN_OLD;
	tally->zero += seen == SEEN_ZERO;
	tally->own += seen == SEEN_OWN;
	tally->faults += seen == SEEN_FAULT;
	race_note(seen);
}

/* Where a touch is an exception, it is #GP. */
static void note_fault(int vector, const uint64_t *at)
{
	if (vector != VECTOR_PROTECTION) {
		race_fail("an exception", (uint64_t)vector, (uintptr_t)at, GUEST_EXIT_INTERFACE);
	}
	note(SEEN_FAULT);
}

/* `when`: the epoch before the access. vCPU 0 did not write between the end of one and the next. */
static enum seen judge(uint64_t value, uint32_t when, const uint64_t *at)
{
	uint32_t written = (uint32_t)value & 0xfffffff;
	unsigned writer = (uint32_t)value >> 28;

	if (value == 0) {
		return SEEN_ZERO;
	}
	if (value >> 32 != value_of(0, 0) >> 32 || writer >= vcpu_count()) {
		race_fail("bytes of others", value, (uintptr_t)at, GUEST_EXIT_LEAK);
	}
	if (writer == 0 && written < when) {
		race_fail("what was surrendered", value, (uintptr_t)at, GUEST_EXIT_LEAK);
	}
	return writer == 0 ? SEEN_OLD : SEEN_OWN;
}

static void read_one(void)
{
	struct access access = {spot((unsigned)race_random_below(SPOTS)) + 1, 0};
	uint32_t when = __atomic_load_n(&epoch, __ATOMIC_ACQUIRE);
	int vector = attempt_run(load, &access);

	tallies[vcpu_index()].reads++;
	if (vector == ATTEMPT_NONE) {
		note(judge(access.value, when, access.at));
	} else {
		note_fault(vector, access.at);
	}
}

/* A word that nobody writes but vCPU 0 puts there the prefix of all secrets. */
static void read_other_word(void)
{
	uint64_t page = first_page() + race_random_below(page_count());
	struct access access = {
		(uint64_t *)page_address(page) + race_random_below(2 * PAGE_PAIRS - 2), 0};
	uint32_t when = __atomic_load_n(&epoch, __ATOMIC_ACQUIRE);
	int vector = attempt_run(load, &access);

	tallies[vcpu_index()].reads++;
	if (vector != ATTEMPT_NONE) {
		note_fault(vector, access.at);
	} else if (access.value == SECRET_PREFIX) {
		note(SEEN_OLD);
	} else {
		note(judge(access.value, when, access.at));
	}
}

static void write_one(void)
{
	struct access access = {spot((unsigned)race_random_below(SPOTS)),
				value_of(vcpu_index(), epoch)};
	int vector = attempt_run(store, &access);

	tallies[vcpu_index()].writes++;
	if (vector == ATTEMPT_NONE) {
		note(SEEN_WRITTEN);
	} else {
		note_fault(vector, access.at);
	}
}

static void run_one(void)
{
	struct access access = {code(), 0};
	uint32_t when = __atomic_load_n(&epoch, __ATOMIC_ACQUIRE);
	int vector = attempt_run(run, &access);

	tallies[vcpu_index()].runs++;
	if (vector == VECTOR_UNDEFINED) {
		note(SEEN_ZERO);
	} else if (vector != ATTEMPT_NONE) {
		note_fault(vector, access.at);
	} else if (access.value / ANSWERS != (uintptr_t)answers / ANSWERS) {
		race_fail("code of others answered", access.value, (uintptr_t)access.at,
			  GUEST_EXIT_LEAK);
	} else if (access.value != answer_of(when)) {
		race_fail("code that was surrendered ran", access.value, (uintptr_t)access.at,
			  GUEST_EXIT_LEAK);
	} else {
		note(SEEN_OLD);
	}
}

static void touch_one(void)
{
	switch (race_random_below(8)) {
	case 0:
	case 1:
	case 2:
		read_one();
		break;
	case 3:
		read_other_word();
		break;
	case 4:
	case 5:
		write_one();
		break;
	default:
		run_one();
		break;
	}
}

/* So that the processor knows where they are: it must forget it in time. */
static void look_at_all(void)
{
	for (unsigned i = 0; i < SPOTS; i++) {
		struct access access = {spot(i), 0};

		load(&access);
	}
	run_one();
}

static void touch_rounds(void)
{
	while (race_enter()) {
		/* Another processor has written the code that this one will run. */
		(void)cpu_identify(0);
		look_at_all();
		race_ready();
		while (race_is_open()) {
			touch_one();
		}
		race_leave();
	}
}

void race_touch(void *unused)
{
	(void)unused;
	if (vcpu_index() == 0) {
		give_and_take_rounds();
	} else {
		touch_rounds();
	}
}
