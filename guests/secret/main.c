/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * secret: writes a secret into its pages and vector registers, gives the pages away, and then looks
 * through every page it is given for the secrets of others, and for anything at all where the
 * hypervisor promises zeros. Several of them at once hunt each other.
 *
 *	pages=N rounds=N pause=MS back=return|touch
 *
 * back=touch: it does not ask for the pages back, it reads them, which has the consequence that its
 * on-touch= says.
 */
#include <stddef.h>

#include "guests/lib/arguments.h"
#include "guests/lib/balloon.h"
#include "guests/lib/console.h"
#include "guests/lib/palloc.h"
#include "guests/lib/runtime.h"
#include "guests/lib/vector.h"
#include "guests/lib/wait.h"

#define PAGES_MAX 65536
#define PAGE_WORDS 512
#define BALLOON_INTERVAL_PAGES 64

/* A secret is this word, which all owners share, and then the owner. */
#define SECRET_PREFIX 0x5445524345535f5f /* "__SECRET" */

enum back { BACK_RETURN, BACK_TOUCH };

static uint64_t pages[PAGES_MAX];
static uint64_t secret[2] = {SECRET_PREFIX, 0};
static uint64_t pages_searched;

static bool report_leak(const uint64_t *at, const char *what)
{
	console_print("0x%lx holds %s: 0x%lx 0x%lx\n", (uint64_t)(uintptr_t)at, what, at[0], at[1]);
	return false;
}

/* A page that may hold what this VM has written before, or must hold nothing at all. */
static bool page_is_clean(uint64_t page, bool zero)
{
	const uint64_t *words = (const uint64_t *)(page * 4096);

	pages_searched++;
	for (unsigned i = 0; i < PAGE_WORDS; i += 2) {
		if (zero && (words[i] | words[i + 1]) != 0) {
			return report_leak(&words[i], "something in a page that must be zero");
		}
		if (words[i] == SECRET_PREFIX && words[i + 1] != secret[1]) {
			return report_leak(&words[i], "the secret of another VM");
		}
	}
	return true;
}

static void write_secret(uint64_t page)
{
	uint64_t *words = (uint64_t *)(page * 4096);

	for (unsigned i = 0; i < PAGE_WORDS; i += 2) {
		words[i] = secret[0];
		words[i + 1] = secret[1];
	}
}

/* Every vector register must hold these 16 bytes, in both halves where there is AVX. */
static bool vectors_hold(uint64_t low, uint64_t high)
{
	static uint64_t words[VECTOR_REGISTERS * VECTOR_WORDS];

	vector_store_all(words);
	for (unsigned i = 0; i < VECTOR_REGISTERS * VECTOR_WORDS; i += 2) {
		bool is_upper = i % VECTOR_WORDS >= 2;

		if (is_upper && !(guest_xcr0 & 0x4)) {
			continue;
		}
		if (words[i] != low || words[i + 1] != high) {
			console_print("vector register %u holds 0x%lx 0x%lx\n", i / VECTOR_WORDS,
				      words[i], words[i + 1]);
			return false;
		}
	}
	return true;
}

static int search_and_write(uint64_t count)
{
	palloc_claim(count);
	for (uint64_t i = 0; i < count; i++) {
		bool zero;

		pages[i] = palloc_page(&zero);
		if (pages[i] == PALLOC_NONE) {
			console_print("no memory: %lu pages wanted, %lu had\n", count, i);
			return GUEST_EXIT_NO_MEMORY;
		}
		if (!page_is_clean(pages[i], zero)) {
			return GUEST_EXIT_LEAK;
		}
		write_secret(pages[i]);
		if (i % BALLOON_INTERVAL_PAGES == 0) {
			balloon_work();
		}
	}
	return GUEST_EXIT_SUCCESS;
}

static bool touch_surrendered(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		if (!page_is_clean(pages[i], true)) {
			return false;
		}
	}
	return true;
}

/* One round: search what we are given, hide our secret there, give it away, let others run. */
static int play(uint64_t count, uint64_t pause_ms, enum back back)
{
	int code = search_and_write(count);
	uint64_t surrendered;

	if (code != GUEST_EXIT_SUCCESS) {
		return code;
	}
	vector_load_all(secret);
	surrendered = balloon_surrender(pages, count);
	if (surrendered != count) {
		console_print("the hypervisor took %lu of %lu pages\n", surrendered, count);
		return GUEST_EXIT_INTERFACE;
	}
	wait_ms_quietly(pause_ms);
	if (!vectors_hold(secret[0], secret[1])) {
		return GUEST_EXIT_LEAK;
	}
	if (back == BACK_TOUCH && !touch_surrendered(count)) {
		return GUEST_EXIT_LEAK;
	}
	balloon_work();
	return GUEST_EXIT_SUCCESS;
}

int guest_main(const struct guest_arguments *arguments)
{
	static const char *const back_words[] = {"return", "touch", NULL};
	uint64_t count = 0;
	uint64_t rounds = 10;
	uint64_t pause_ms = 5;
	uint64_t back = BACK_RETURN;
	const struct argument known[] = {
		{"pages", ARGUMENT_COUNT, true, &count, NULL},
		{"rounds", ARGUMENT_COUNT, false, &rounds, NULL},
		{"pause", ARGUMENT_COUNT, false, &pause_ms, NULL},
		{"back", ARGUMENT_WORD, false, &back, back_words},
	};

	if (!vectors_hold(0, 0)) {
		return GUEST_EXIT_LEAK;
	}
	if (!arguments_parse(arguments->text, known, sizeof(known) / sizeof(known[0]))) {
		return GUEST_EXIT_ARGUMENTS;
	}
	if (count == 0 || count > PAGES_MAX) {
		console_print("pages= is not within 1 and %u\n", PAGES_MAX);
		return GUEST_EXIT_ARGUMENTS;
	}
	if (!balloon_attach()) {
		return GUEST_EXIT_INTERFACE;
	}
	secret[1] = arguments->seed;
	for (uint64_t round = 0; round < rounds; round++) {
		int code = play(count, pause_ms, (enum back)back);

		if (code != GUEST_EXIT_SUCCESS) {
			return code;
		}
	}
	runtime_set_digest(pages_searched);
	console_print("searched %lu pages and found nothing of others\n", pages_searched);
	return GUEST_EXIT_SUCCESS;
}
