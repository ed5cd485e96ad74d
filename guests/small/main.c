/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * small: a guest with a balloon driver of its own (driver.c), which is the smallest that keeps all
 * the rules. It fills its pages once, so that they are worth something, and then in each round uses
 * some of them, checks every byte and frees them again.
 *
 *	pages=SIZE use=SIZE rounds=N pause=MS
 *
 * It ends after these rounds, but not before its balloon has been in use and is empty again.
 */
#include <stddef.h>

#include "guests/lib/arguments.h"
#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/layout.h"
#include "guests/lib/palloc.h"
#include "guests/lib/pattern.h"
#include "guests/lib/runtime.h"
#include "guests/lib/vcpu.h"
#include "guests/small/driver.h"
#include "guests/small/pool.h"

#define PAGE_BYTES 4096

static uint64_t used[POOL_PAGES_MAX];

/* Sleeps until the doorbell rings, or so many milliseconds are over. */
static void sleep_ms(uint64_t milliseconds)
{
	uint64_t end = cpu_read_tsc() + milliseconds * runtime_tsc_khz;

	cpu_interrupts_off();
	if (*vcpu_doorbell_note()) {
		cpu_interrupts_on();
	} else {
		hypercall_wait(end);
	}
	*vcpu_doorbell_note() = 0;
}

static bool fill_pool(uint64_t pages)
{
	pool_init();
	for (uint64_t i = 0; i < pages; i++) {
		uint64_t page = palloc_page(NULL);

		if (page == PALLOC_NONE || page >= POOL_PAGES_MAX) {
			return false;
		}
		*(volatile uint64_t *)(page * PAGE_BYTES) = page;
		pool_put(page, true);
	}
	return true;
}

/* A page for the guest itself. With none left it asks the driver. */
static uint64_t get_page(void)
{
	uint64_t page = pool_take();

	if (page == POOL_NONE && driver_short(1) > 0) {
		page = pool_take();
	}
	return page;
}

static bool use_pages(uint64_t count, uint64_t seed)
{
	bool right = true;
	uint64_t got = 0;
	uint64_t sum = 0;

	while (got < count && (used[got] = get_page()) != POOL_NONE) {
		pattern_fill((void *)(used[got] * PAGE_BYTES), runtime_mix(seed + got));
		got++;
	}
	driver_work();
	for (uint64_t i = 0; i < got; i++) {
		right = right && pattern_matches((void *)(used[i] * PAGE_BYTES),
						 runtime_mix(seed + i), &sum);
		pool_put(used[i], true);
	}
	driver_freed();
	return right;
}

static bool balloon_was_used_and_is_empty(void)
{
	return driver_page.doorbells > 0 && driver_page.target_pages == 0 &&
	       driver_page.size_pages == 0;
}

int guest_main(const struct guest_arguments *arguments)
{
	uint64_t pages = 0;
	uint64_t use = 1;
	uint64_t rounds = 10;
	uint64_t pause = 10;
	const struct argument known[] = {
		{"pages", ARGUMENT_SIZE, true, &pages, NULL},
		{"use", ARGUMENT_SIZE, false, &use, NULL},
		{"rounds", ARGUMENT_COUNT, false, &rounds, NULL},
		{"pause", ARGUMENT_COUNT, false, &pause, NULL},
	};

	if (!arguments_parse(arguments->text, known, sizeof(known) / sizeof(known[0]))) {
		return GUEST_EXIT_ARGUMENTS;
	}
	if (!fill_pool(pages)) {
		return GUEST_EXIT_NO_MEMORY;
	}
	if (!driver_attach(DOORBELL_VECTOR, pages)) {
		return GUEST_EXIT_INTERFACE;
	}
	for (uint64_t round = 0; round < rounds || !balloon_was_used_and_is_empty(); round++) {
		if (!use_pages(use, arguments->seed + round)) {
			return GUEST_EXIT_MEMORY;
		}
		driver_work();
		sleep_ms(pause);
	}
	if (!driver_detach()) {
		return GUEST_EXIT_INTERFACE;
	}
	console_print("every byte was right, the balloon is empty\n");
	return GUEST_EXIT_SUCCESS;
}
