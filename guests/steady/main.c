/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * steady: works in a fixed set of pages and checks every byte of it, round after round. What it
 * does not need may go into the balloon; what it needs must never change under its hands. Where the
 * VM has several vCPUs, each keeps a part of the set, and all of them serve the balloon.
 *
 *	set=SIZE rounds=N until=rounds|deflated pause=MS
 */
#include <stddef.h>

#include "guests/lib/arguments.h"
#include "guests/lib/balloon.h"
#include "guests/lib/console.h"
#include "guests/lib/verified_pages.h"
#include "guests/lib/runtime.h"
#include "guests/lib/vcpu.h"
#include "guests/lib/wait.h"

static struct keeper keeper;
static struct keeper_part parts[AEROSTAT_VCPUS_MAX];

struct work {
	uint64_t rounds;
	uint64_t until;
	uint64_t pause_ms;
};

/* On each vCPU. A wrong byte ends the VM. */
static void keep(void *argument)
{
	const struct work *work = argument;
	struct keeper_part *part = &parts[vcpu_index()];

	vcpu_share(keeper.pages.count, &part->first, &part->end);
	while (keeper_goes_on(part->round, work->rounds, work->until)) {
		if (!keeper_part_round(&keeper, part)) {
			runtime_exit(GUEST_EXIT_MEMORY);
		}
		wait_ms(work->pause_ms);
	}
}

int guest_main(const struct guest_arguments *arguments)
{
	uint64_t set_pages = 0;
	uint64_t digest = 0;
	struct work work = {10, KEEPER_UNTIL_ROUNDS, 2};
	const struct argument known[] = {
		{"set", ARGUMENT_SIZE, true, &set_pages, NULL},
		{"rounds", ARGUMENT_COUNT, false, &work.rounds, NULL},
		{"until", ARGUMENT_WORD, false, &work.until, keeper_until_words},
		{"pause", ARGUMENT_COUNT, false, &work.pause_ms, NULL},
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
	if (!vcpu_run_all(keep, &work)) {
		return GUEST_EXIT_INTERFACE;
	}
	for (unsigned i = 0; i < vcpu_count(); i++) {
		digest += parts[i].digest;
	}
	runtime_set_digest(digest);
	console_print("every byte was right in %lu rounds\n", parts[0].round);
	return GUEST_EXIT_SUCCESS;
}
