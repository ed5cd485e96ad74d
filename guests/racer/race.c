/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rounds, random numbers and calls; see race.h. No lock: each variable says who writes it. Waiting
 * vCPUs let others run now and then, so that a race also works where processors are fewer.
 */
#include <stddef.h>

#include "guests/racer/race.h"

#include "guests/lib/console.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/lock.h"
#include "guests/lib/palloc.h"
#include "guests/lib/runtime.h"
#include "guests/lib/vcpu.h"

#define SPINS 1000

struct race_arguments race_arguments;
struct tally tallies[AEROSTAT_VCPUS_MAX];
uint64_t pool_first;

static struct aerostat_balloon_page balloon_page __attribute__((aligned(4096)));
static struct own_page {
	struct aerostat_range ranges[AEROSTAT_RANGES_MAX];
} __attribute__((aligned(4096))) own_pages[AEROSTAT_VCPUS_MAX];

static uint32_t opened;			   /* by vCPU 0: number of the round that is open */
static uint32_t is_over;		   /* by vCPU 0: that is no round, but the end */
static uint32_t closed;			   /* by vCPU 0: number of the last one that is over */
static uint32_t ready[AEROSTAT_VCPUS_MAX]; /* by each: the last one it was ready for ... */
static uint32_t left[AEROSTAT_VCPUS_MAX];  /* ... and left */

/* Extents come from the lowest on. The others are not needed. */
static bool find_pool(void)
{
	uint64_t before = PALLOC_NONE;
	uint64_t extent = palloc_extent(NULL);

	while (extent != PALLOC_NONE && extent + EXTENT_PAGES != runtime_ram_pages) {
		before = extent;
		extent = palloc_extent(NULL);
	}
	pool_first = before;
	return extent != PALLOC_NONE && before + EXTENT_PAGES == extent;
}

int race_init(void)
{
	int64_t answer;

	if (vcpu_count() < 2) {
		console_print("a race takes two vCPUs\n");
		return GUEST_EXIT_ARGUMENTS;
	}
	if (!find_pool()) {
		console_print("RAM is too small for a race, or not a multiple of 2 MiB\n");
		return GUEST_EXIT_NO_MEMORY;
	}
	for (unsigned i = 0; i < vcpu_count(); i++) {
		tallies[i].random = runtime_mix(race_arguments.seed * AEROSTAT_VCPUS_MAX + i) | 1;
	}
	answer = hypercall(AEROSTAT_CALL_BALLOON_ATTACH, (uintptr_t)&balloon_page / 4096, 0, 0, 0);
	return answer == 0 ? GUEST_EXIT_SUCCESS : GUEST_EXIT_INTERFACE;
}

uint64_t race_balloon_size(void)
{
	return __atomic_load_n(&balloon_page.size_pages, __ATOMIC_RELAXED);
}

uint64_t race_random(void)
{
	uint64_t *state = &tallies[vcpu_index()].random;

	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1d;
}

void race_note(uint64_t what)
{
	uint64_t *digest = &tallies[vcpu_index()].digest;

	*digest = (*digest << 5 | *digest >> 59) * 3 + what;
}

void race_delay(uint64_t instructions)
{
	for (uint64_t i = 0; i < instructions / 3; i++) {
		__asm__ volatile("");
	}
}

static uint32_t look(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void say(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* One step of waiting. */
static void wait_a_bit(unsigned *spins)
{
	if (++*spins % SPINS == 0) {
		lock_yield();
	} else {
		__asm__ volatile("pause");
	}
}

static void await_all(const uint32_t *words)
{
	unsigned spins = 0;

	for (unsigned i = 1; i < vcpu_count(); i++) {
		while (look(&words[i]) != opened) {
			wait_a_bit(&spins);
		}
	}
}

void race_open(void)
{
	say(&is_over, 0);
	say(&opened, opened + 1);
	await_all(ready);
}

void race_close(void)
{
	say(&closed, opened);
	await_all(left);
}

void race_end(void)
{
	say(&is_over, 1);
	say(&opened, opened + 1);
	await_all(left);
}

bool race_enter(void)
{
	unsigned index = vcpu_index();
	unsigned spins = 0;
	uint32_t round;

	while ((round = look(&opened)) == left[index]) {
		wait_a_bit(&spins);
	}
	if (look(&is_over)) {
		say(&left[index], round);
		return false;
	}
	return true;
}

void race_ready(void)
{
	say(&ready[vcpu_index()], look(&opened));
}

bool race_is_open(void)
{
	return look(&closed) != ready[vcpu_index()];
}

void race_leave(void)
{
	say(&left[vcpu_index()], ready[vcpu_index()]);
}

struct aerostat_range *race_ranges(void)
{
	return own_pages[vcpu_index()].ranges;
}

static void issue(uint64_t call, unsigned count)
{
	unsigned first = 0;

	while (first < count) {
		int64_t answer =
			hypercall(call, (uintptr_t)&race_ranges()[first], count - first, 0, 0);

		if (answer < 0 || answer > count - first) {
			race_fail("an answer of the hypervisor", (uint64_t)answer, call,
				  GUEST_EXIT_INTERFACE);
		}
		first += (unsigned)answer;
	}
	tallies[vcpu_index()].calls++;
}

uint8_t race_call(uint64_t call, uint64_t gfn, unsigned order, uint64_t count)
{
	race_ranges()[0] = (struct aerostat_range){
		.gfn = gfn, .count = (uint32_t)count, .order = (uint8_t)order};
	issue(call, 1);
	return race_ranges()[0].status;
}

void race_return_all(uint64_t gfn, uint64_t count)
{
	while (count > 0) {
		unsigned batch =
			count < AEROSTAT_RANGES_MAX ? (unsigned)count : AEROSTAT_RANGES_MAX;

		for (unsigned i = 0; i < batch; i++) {
			race_ranges()[i] = (struct aerostat_range){.gfn = gfn + i, .count = 1};
		}
		issue(AEROSTAT_CALL_BALLOON_RETURN, batch);
		gfn += batch;
		count -= batch;
	}
}

_Noreturn void race_fail(const char *what, uint64_t found, uint64_t address, int code)
{
	console_print("%s: 0x%lx at 0x%lx, seed %lu offset %lu round %u vCPU %u\n", what, found,
		      address, race_arguments.seed, race_arguments.offset, opened, vcpu_index());
	runtime_exit(code);
}
