/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * steady: works in a fixed set of pages and checks every byte of it, round after round. What it
 * does not need may go into the balloon; what it needs must never change under its hands.
 *
 *	set=SIZE rounds=N until=rounds|deflated pause=MS
 */
#include <stddef.h>

#include "guests/lib/arguments.h"
#include "guests/lib/balloon.h"
#include "guests/lib/console.h"
#include "guests/lib/keeper.h"
#include "guests/lib/runtime.h"
#include "guests/lib/wait.h"

static struct keeper keeper;

int guest_main(const struct guest_arguments *arguments)
{
	uint64_t set_pages = 0;
	uint64_t rounds = 10;
	uint64_t until = KEEPER_UNTIL_ROUNDS;
	uint64_t pause_ms = 2;
	const struct argument known[] = {
		{"set", ARGUMENT_SIZE, true, &set_pages, NULL},
		{"rounds", ARGUMENT_COUNT, false, &rounds, NULL},
		{"until", ARGUMENT_WORD, false, &until, keeper_until_words},
		{"pause", ARGUMENT_COUNT, false, &pause_ms, NULL},
	};

	if (!arguments_parse(arguments->text, known, sizeof(known) / sizeof(known[0]))) {
		return GUEST_EXIT_ARGUMENTS;
	}
	if (!balloon_attach()) {
		return GUEST_EXIT_INTERFACE;
	}
	keeper.seed = arguments->seed;
	if (!keeper_grow(&keeper, set_pages)) {
		return GUEST_EXIT_NO_MEMORY;
	}
	console_print("keeps %lu pages\n", set_pages);
	while (keeper_goes_on(&keeper, rounds, until)) {
		if (!keeper_round(&keeper)) {
			return GUEST_EXIT_MEMORY;
		}
		wait_ms(pause_ms);
	}
	runtime_set_digest(keeper.digest);
	console_print("every byte was right in %lu rounds\n", keeper.round);
	return GUEST_EXIT_SUCCESS;
}
