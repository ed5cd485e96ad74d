/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * racer: a VM whose vCPUs work against the hypervisor together, which takes several at the same
 * time. It checks every answer and every byte that it sees; its neighbours check theirs.
 *
 *	attack=h3|h4|both|calls rounds=N offset=N order=0|9 seed=N
 *
 * h3: pages are read, written and executed while they go (touch.c). h4: an array of ranges is
 * rewritten during the call (rewrite.c). calls: the calls for vCPUs, misused (start.c). `offset`
 * delays one side by about so many instructions: different offsets are different interleavings, and
 * the digest tells them apart. In the end one vCPU ends the VM while others are in the middle of a
 * call.
 */
#include <stddef.h>

#include "guests/lib/arguments.h"
#include "guests/lib/console.h"
#include "guests/lib/runtime.h"
#include "guests/lib/vcpu.h"
#include "guests/racer/race.h"

#define HAMMER_PAGES 100
#define HAMMER_INSTRUCTIONS 20000

enum attack { ATTACK_H3, ATTACK_H4, ATTACK_BOTH, ATTACK_CALLS };

/* What all have seen, in one line, and what tells this run from others. */
static uint64_t report(void)
{
	struct tally sum = {0};

	for (unsigned i = 0; i < vcpu_count(); i++) {
		const struct tally *tally = &tallies[i];

		sum.reads += tally->reads;
		sum.writes += tally->writes;
		sum.runs += tally->runs;
		sum.faults += tally->faults;
		sum.old += tally->old;
		sum.zero += tally->zero;
		sum.own += tally->own;
		sum.calls += tally->calls;
		sum.digest = runtime_mix(sum.digest ^ tally->digest) + i;
	}
	console_print("reads=%lu writes=%lu runs=%lu calls=%lu old=%lu zero=%lu own=%lu faults=%lu "
		      "interleaving=0x%lx\n",
		      sum.reads, sum.writes, sum.runs, sum.calls, sum.old, sum.zero, sum.own,
		      sum.faults, sum.digest);
	return sum.digest;
}

/* Calls without an end, each vCPU over pages of its own. */
static void hammer(void *unused)
{
	uint64_t first = pool_first + vcpu_index() * HAMMER_PAGES;

	(void)unused;
	for (;;) {
		(void)race_call(AEROSTAT_CALL_BALLOON_SURRENDER, first, ORDER_4K, HAMMER_PAGES);
		(void)race_call(AEROSTAT_CALL_BALLOON_EMERGENCY, first, ORDER_4K, HAMMER_PAGES);
	}
}

/* The library's end of the VM comes while they are at it. */
static bool end_under_way(void)
{
	for (unsigned i = 1; i < vcpu_count(); i++) {
		if (!vcpu_start(i, hammer, NULL)) {
			return false;
		}
	}
	race_delay(HAMMER_INSTRUCTIONS + race_arguments.offset);
	return true;
}

static bool run(enum attack attack)
{
	if (attack == ATTACK_CALLS) {
		bool right = race_start();

		runtime_set_digest(report());
		return right;
	}
	if ((attack == ATTACK_H3 || attack == ATTACK_BOTH) && !vcpu_run_all(race_touch, NULL)) {
		return false;
	}
	if ((attack == ATTACK_H4 || attack == ATTACK_BOTH) && !vcpu_run_all(race_rewrite, NULL)) {
		return false;
	}
	runtime_set_digest(report());
	return end_under_way();
}

int guest_main(const struct guest_arguments *arguments)
{
	static const char *const attack_words[] = {"h3", "h4", "both", "calls", NULL};
	uint64_t attack = ATTACK_BOTH;
	const struct argument known[] = {
		{"attack", ARGUMENT_WORD, false, &attack, attack_words},
		{"rounds", ARGUMENT_COUNT, false, &race_arguments.rounds, NULL},
		{"offset", ARGUMENT_COUNT, false, &race_arguments.offset, NULL},
		{"order", ARGUMENT_COUNT, false, &race_arguments.order, NULL},
		{"seed", ARGUMENT_COUNT, false, &race_arguments.seed, NULL},
	};
	int code;

	race_arguments.rounds = 100;
	race_arguments.seed = arguments->seed;
	if (!arguments_parse(arguments->text, known, sizeof(known) / sizeof(known[0]))) {
		return GUEST_EXIT_ARGUMENTS;
	}
	if (race_arguments.order != ORDER_4K && race_arguments.order != ORDER_2M) {
		console_print("order= is not 0 or 9\n");
		return GUEST_EXIT_ARGUMENTS;
	}
	code = race_init();
	if (code != GUEST_EXIT_SUCCESS) {
		return code;
	}
	return run((enum attack)attack) ? GUEST_EXIT_SUCCESS : GUEST_EXIT_INTERFACE;
}
