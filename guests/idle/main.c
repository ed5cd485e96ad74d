/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * idle: was big once, uses little now and sleeps most of the time. The host still holds frames for
 * all that it ever touched; it gives them willingly.
 *
 *	was=SIZE now=SIZE rounds=N until=rounds|deflated pause=MS report=no|yes
 *
 * report=yes: it does not wait to be asked, it reports what it has freed.
 */
#include <stddef.h>

#include "guests/lib/arguments.h"
#include "guests/lib/balloon.h"
#include "guests/lib/console.h"
#include "guests/lib/verified_pages.h"
#include "guests/lib/runtime.h"
#include "guests/lib/wait.h"

static struct keeper keeper;

enum report { REPORT_NO, REPORT_YES };

static int live(uint64_t was_pages, uint64_t now_pages, uint64_t rounds, uint64_t until,
		uint64_t pause_ms, enum report report)
{
	if (!keeper_grow(&keeper, was_pages)) {
		return GUEST_EXIT_NO_MEMORY;
	}
	/* While it is big, it is as careful as later. */
	if (!keeper_round(&keeper)) {
		return GUEST_EXIT_MEMORY;
	}
	page_set_shrink(&keeper.pages, now_pages);
	console_print("had %lu pages, keeps %lu\n", was_pages, now_pages);
	if (report == REPORT_YES) {
		console_print("reported %lu pages\n", balloon_report());
	}
	while (keeper_goes_on(keeper.round, rounds, until)) {
		wait_ms(pause_ms);
		if (!keeper_round(&keeper)) {
			return GUEST_EXIT_MEMORY;
		}
	}
	runtime_set_digest(keeper.digest);
	console_print("every byte was right in %lu rounds\n", keeper.round);
	return GUEST_EXIT_SUCCESS;
}

int guest_main(const struct guest_arguments *arguments)
{
	uint64_t was_pages = 0;
	uint64_t now_pages = 0;
	uint64_t rounds = 10;
	uint64_t until = KEEPER_UNTIL_ROUNDS;
	static const char *const report_words[] = {"no", "yes", NULL};
	uint64_t pause_ms = 10;
	uint64_t report = REPORT_NO;
	const struct argument known[] = {
		{"was", ARGUMENT_SIZE, true, &was_pages, NULL},
		{"now", ARGUMENT_SIZE, true, &now_pages, NULL},
		{"rounds", ARGUMENT_COUNT, false, &rounds, NULL},
		{"until", ARGUMENT_WORD, false, &until, keeper_until_words},
		{"pause", ARGUMENT_COUNT, false, &pause_ms, NULL},
		{"report", ARGUMENT_WORD, false, &report, report_words},
	};

	if (!arguments_parse(arguments->text, known, sizeof(known) / sizeof(known[0]))) {
		return GUEST_EXIT_ARGUMENTS;
	}
	if (now_pages > was_pages) {
		console_print("now= is more than was=\n");
		return GUEST_EXIT_ARGUMENTS;
	}
	if (!balloon_attach()) {
		return GUEST_EXIT_INTERFACE;
	}
	keeper.seed = arguments->seed;
	return live(was_pages, now_pages, rounds, until, pause_ms, (enum report)report);
}
