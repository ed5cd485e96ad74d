/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random hypercalls: sensible ones, absurd ones and mixtures, arrays of random ranges anywhere in
 * RAM, in every state of the processor. What the hypervisor answers must be one of the answers that
 * docs/abi.md lists, and the size of the balloon must change by exactly what the ranges say.
 *
 * Without vital=yes it spares the pages that it lives on, as far as they are not the target of an
 * array only: then their contents are put back.
 */
#include <stddef.h>

#include "guests/hostile/attack.h"

#include "guests/hostile/trap.h"
#include "guests/lib/console.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/layout.h"
#include "guests/lib/memory.h"
#include "guests/lib/runtime.h"

#define PAGE_BYTES 4096
#define IMAGE_FIRST 256 /* gfn of 1 MiB */

static struct {
	uint64_t state;
	bool vital;
	bool size_known;   /* the balloon page says how large the balloon is */
	uint64_t finished; /* calls that answered 0 or more */
	uint64_t refused;
} fuzz;

static uint64_t below(uint64_t limit)
{
	return random_next(&fuzz.state) % limit;
}

static bool one_in(uint64_t n)
{
	return below(n) == 0;
}

/* ---- Ranges ---- */

static uint64_t random_gfn(void)
{
	switch (below(12)) {
	case 0:
		return random_next(&fuzz.state);
	case 1:
		return random_next(&fuzz.state) >> below(64);
	case 2:
		return pool_first + pool_pages - 2 + below(4);
	case 3:
		return 0 - below(1024);
	case 4:
		return attack_balloon_gfn();
	case 5:
		return below(IMAGE_FIRST);
	case 6:
		return fuzz.vital && one_in(8) ? below(pool_first) : pool_first;
	default:
		return pool_first + below(pool_pages);
	}
}

static uint8_t random_order(void)
{
	static const uint8_t orders[] = {0, 0, 0, 0, 9, 9, 9, 18, 1, 8, 10, 27, 63, 64, 255};

	return orders[below(sizeof(orders))];
}

static bool hits_vital(const struct aerostat_range *range)
{
	if (range->gfn == attack_balloon_gfn() && range->order == 0 && range->count == 1) {
		return false; /* always refused */
	}
	uint64_t pages = range->order < 32 ? (uint64_t)range->count << range->order : 1;

	return range->gfn < pool_first && pages > 0 && range->gfn + pages > IMAGE_FIRST;
}

static void random_range(struct aerostat_range *range)
{
	*range = (struct aerostat_range){
		.gfn = random_gfn(),
		.count = (uint32_t)(one_in(6) ? random_next(&fuzz.state) >> below(64)
					      : 1 + below(one_in(5) ? 1500 : 6)),
		.order = random_order(),
	};
	if (range->order == ORDER_2M && !one_in(8)) {
		range->gfn &= ~(uint64_t)(EXTENT_PAGES - 1);
	}
	if (one_in(10)) {
		range->done = (uint32_t)below((uint64_t)range->count + 2);
	}
	if (one_in(30)) {
		range->status = (uint8_t)below(256);
	}
	if (one_in(40)) {
		range->reserved = (uint16_t)below(65536);
	}
	if (one_in(40)) {
		range->flags = (uint32_t)random_next(&fuzz.state);
	}
	if (!fuzz.vital && hits_vital(range)) {
		range->gfn = pool_first;
	}
}

/* ---- Where the array lies ---- */

static uint8_t backup[PAGE_BYTES] __attribute__((aligned(PAGE_BYTES)));

/* A word at a time: an emulator takes as long for a byte. */
static void copy_page(void *to, const void *from)
{
	size_t words = PAGE_BYTES / sizeof(uint64_t);

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

/* A page that may be overwritten for the time of a call without killing us on the spot. */
static uint64_t random_array_page(void)
{
	switch (below(8)) {
	case 0:
		return attack_balloon_gfn();
	case 1:
		return below(IMAGE_FIRST);
	case 2:
		return pool_first - 1 - below(16); /* books, start information */
	case 3:
		return fuzz.vital ? IMAGE_FIRST + below(pool_first - IMAGE_FIRST)
				  : (uintptr_t)ranges / PAGE_BYTES;
	case 4:
		return pool_first + below(pool_pages);
	default:
		return (uintptr_t)ranges / PAGE_BYTES;
	}
}

/* ---- One call ---- */

static uint64_t absurd_word(void)
{
	return one_in(3) ? 0 : random_next(&fuzz.state) >> below(64);
}

static void absurd_arguments(void)
{
	wild.rax = absurd_word();
	wild.rdi = absurd_word();
	wild.rsi = absurd_word();
	wild.rdx = absurd_word();
	wild.r10 = absurd_word();
	if (one_in(2)) {
		wild.rax = below(AEROSTAT_CALL_COUNT + 2);
	}
	if (wild.rax == AEROSTAT_CALL_EXIT) {
		wild.rdx |= 1; /* must be refused */
	}
	if (wild.rax == AEROSTAT_CALL_WAIT) {
		wild.rdi = 1; /* long ago */
	}
	if (wild.rax == AEROSTAT_CALL_BALLOON_ATTACH && !fuzz.vital) {
		wild.rdi = attack_balloon_gfn();
		wild.rsi = wild.rsi >= 32 && wild.rsi <= 255 ? DOORBELL_VECTOR : wild.rsi;
	}
	if (wild.rax == AEROSTAT_CALL_VCPU_DOORBELL && !fuzz.vital && wild.rdi >= 32 &&
	    wild.rdi <= 255) {
		wild.rdi = DOORBELL_VECTOR;
	}
	if (wild.rax >= AEROSTAT_CALL_BALLOON_SURRENDER && wild.rax < AEROSTAT_CALL_COUNT &&
	    !fuzz.vital) {
		wild.rdx |= 1;
	}
}

static void sensible_arguments(void)
{
	wild = (struct wild){.rax = below(AEROSTAT_CALL_COUNT)};
	switch (wild.rax) {
	case AEROSTAT_CALL_EXIT:
		wild.rax = AEROSTAT_CALL_NULL;
		break;
	case AEROSTAT_CALL_CONSOLE_WRITE:
		/* Seldom, so that our own last words are not lost to the rate limit. */
		if (!one_in(500)) {
			wild.rax = AEROSTAT_CALL_NULL;
			break;
		}
		wild.rdi = random_array_page() * PAGE_BYTES + below(PAGE_BYTES);
		wild.rsi = below(AEROSTAT_CONSOLE_BYTES_MAX + 10);
		break;
	case AEROSTAT_CALL_WAIT:
		wild.rdi = 1 + below(1000);
		break;
	case AEROSTAT_CALL_BALLOON_ATTACH:
		wild.rdi = attack_balloon_gfn();
		wild.rsi = one_in(2) ? DOORBELL_VECTOR : 0;
		break;
	case AEROSTAT_CALL_VCPU_START:
	case AEROSTAT_CALL_VCPU_RING:
		wild.rdi = below(3); /* there is only vCPU 0 */
		break;
	case AEROSTAT_CALL_VCPU_DOORBELL:
		wild.rdi = one_in(2) ? DOORBELL_VECTOR : below(32);
		break;
	default:
		break;
	}
}

static bool is_range_call(void)
{
	return wild.rax >= AEROSTAT_CALL_BALLOON_SURRENDER &&
	       wild.rax <= AEROSTAT_CALL_BALLOON_EMERGENCY;
}

static void issue_wild(void)
{
	static void (*const states[])(void *) = {
		wild_plain, wild_plain,	  wild_plain,	   wild_shadow_sti, wild_shadow_ss,
		wild_step,  wild_step_ss, wild_compatible, wild_user,	    wild_user_32,
	};
	unsigned choice = (unsigned)below(sizeof(states) / sizeof(states[0]));

	if (trap_run(states[choice], NULL) != TRAP_NONE) {
		wild.result = trap_rax;
	}
}

static bool answer_is_known(void)
{
	int64_t answer = (int64_t)wild.result;

	if (answer >= AEROSTAT_ERROR_VCPU && answer <= (int64_t)AEROSTAT_RANGES_MAX) {
		fuzz.finished += answer >= 0 ? 1 : 0;
		fuzz.refused += answer < 0 ? 1 : 0;
		return true;
	}
	return expect("an answer", wild.result, 0);
}

/* By how much the ranges say that the balloon has grown. */
static uint64_t growth(const struct aerostat_range *before, const struct aerostat_range *after,
		       unsigned count)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < count; i++) {
		if (before[i].order < 32) {
			sum += (uint64_t)(after[i].done - before[i].done) << before[i].order;
		}
	}
	return wild.rax == AEROSTAT_CALL_BALLOON_SURRENDER ? sum
	       : wild.rax == AEROSTAT_CALL_BALLOON_REPORT  ? 0
							   : 0 - sum;
}

/* A call over ranges from a page that may be anything. */
static bool call_ranges(void)
{
	static struct aerostat_range before[AEROSTAT_RANGES_MAX];
	unsigned count = 1 + (unsigned)below(one_in(6) ? AEROSTAT_RANGES_MAX : 6);
	uint64_t page = random_array_page();
	uint64_t slack = PAGE_BYTES - count * sizeof(struct aerostat_range);
	uint64_t offset = below(slack / 8 + 1) * 8;
	struct aerostat_range *array =
		(struct aerostat_range *)((uint8_t *)page_address(page) + offset);
	uint64_t size;

	for (unsigned i = 0; i < count; i++) {
		random_range(&before[i]);
	}
	copy_page(backup, page_address(page));
	memcpy(array, before, count * sizeof(before[0]));
	size = attack_balloon_page()->size_pages;
	wild.rdi = (uintptr_t)array;
	wild.rsi = count;
	issue_wild();
	/* With the array in the balloon page, what that says is lost until the next change. */
	bool says_size = (int64_t)wild.result >= 0 && page != attack_balloon_gfn();
	uint64_t grown = says_size && fuzz.size_known ? growth(before, array, count) : 0;
	bool right = !says_size || !fuzz.size_known ||
		     expect("size of the balloon", attack_balloon_page()->size_pages, size + grown);
	fuzz.size_known = page != attack_balloon_gfn() && (says_size || fuzz.size_known);
	if (page < pool_first) {
		copy_page(page_address(page), backup);
	}
	return right;
}

static bool one_call(void)
{
	if (one_in(3)) {
		absurd_arguments();
		issue_wild();
	} else {
		sensible_arguments();
		if (is_range_call() && !call_ranges()) {
			return false;
		}
		if (!is_range_call()) {
			issue_wild();
		}
	}
	return answer_is_known();
}

int play_random(const struct attack_arguments *arguments)
{
	fuzz.state = runtime_mix(arguments->seed) | 1;
	fuzz.vital = arguments->vital;
	if (!attack_attach()) {
		return GUEST_EXIT_INTERFACE;
	}
	for (uint64_t call = 0; call < arguments->calls; call++) {
		if (!one_call()) {
			console_print("seed %lu call %lu number %lu\n", arguments->seed, call,
				      wild.rax);
			return GUEST_EXIT_INTERFACE;
		}
	}
	runtime_set_digest(fuzz.finished);
	console_print("%lu calls were answered, %lu refused\n", fuzz.finished, fuzz.refused);
	return GUEST_EXIT_SUCCESS;
}
