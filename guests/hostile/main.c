/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hostile: plays one of the ways in which a guest can attack its hypervisor or its neighbours. It
 * checks every answer that it gets; its neighbours check themselves. Some plays are meant to end in
 * the death of this VM alone.
 *
 *	play=NAME ms=N rounds=N seed=N calls=N vital=no|yes
 */
#include <stddef.h>

#include "guests/hostile/attack.h"
#include "guests/hostile/trap.h"
#include "guests/lib/arguments.h"
#include "guests/lib/console.h"
#include "guests/lib/runtime.h"

static const struct {
	const char *name;
	int (*play)(const struct attack_arguments *arguments);
} attacks[] = {
	{"h1", play_h1},
	{"h2", play_h2},
	{"h2-tables", play_h2_tables},
	{"h2-idt", play_h2_idt},
	{"h2-stack", play_h2_stack},
	{"h2-code", play_h2_code},
	{"h2-beyond", play_h2_beyond},
	{"h5", play_h5},
	{"h6", play_h6},
	{"h7", play_h7},
	{"h7-busy", play_h7_busy},
	{"h7-churn", play_h7_churn},
	{"h8", play_h8},
	{"h9", play_h9},
	{"h10-before", play_h10_before},
	{"h10-after", play_h10_after},
	{"h10-exit", play_h10_exit},
	{"h11", play_h11},
	{"h11-clock", play_h11_clock},
	{"h12", play_h12},
	{"h12-search", play_h12_search},
	{"h12-cr3", play_h12_cr3},
	{"report", play_report},
	{"emergency", play_emergency},
	{"devices", play_devices},
	{"random", play_random},
};

#define ATTACK_COUNT (sizeof(attacks) / sizeof(attacks[0]))

int guest_main(const struct guest_arguments *arguments)
{
	static const char *const yes_no[] = {"no", "yes", NULL};
	const char *names[ATTACK_COUNT + 1] = {NULL};
	struct attack_arguments attack = {.ms = 100, .rounds = 10, .calls = 1000, .seed = 1};
	uint64_t play = 0;
	uint64_t vital = 0;
	const struct argument known[] = {
		{"play", ARGUMENT_WORD, true, &play, names},
		{"ms", ARGUMENT_COUNT, false, &attack.ms, NULL},
		{"rounds", ARGUMENT_COUNT, false, &attack.rounds, NULL},
		{"calls", ARGUMENT_COUNT, false, &attack.calls, NULL},
		{"seed", ARGUMENT_COUNT, false, &attack.seed, NULL},
		{"vital", ARGUMENT_WORD, false, &vital, yes_no},
	};
	int code;

	for (unsigned i = 0; i < ATTACK_COUNT; i++) {
		names[i] = attacks[i].name;
	}
	if (!arguments_parse(arguments->text, known, sizeof(known) / sizeof(known[0]))) {
		return GUEST_EXIT_ARGUMENTS;
	}
	attack.vital = vital != 0;
	trap_init();
	if (!attack_init()) {
		return GUEST_EXIT_NO_MEMORY;
	}
	code = attacks[play].play(&attack);
	console_print("%s: %s\n", attacks[play].name,
		      code == GUEST_EXIT_SUCCESS ? "every answer was right" : "failed");
	return code;
}
