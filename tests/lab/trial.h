/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trials of one policy, for docs/labs/coordinator: demands of a few VMs on the host of world.h, and
 * rules that are looked at after each decision. A trial ends at the first rule that is broken, with
 * an explanation: the moment, the VM, the numbers.
 *
 * The guests of a trial take nothing out of their balloons by themselves: they wait for their
 * target, as guests without an emergency call do.
 */
#ifndef LAB_TRIAL_H
#define LAB_TRIAL_H

#include "tests/lab/world.h"

#define TRIAL_MIB 256ull
#define TRIAL_FLOOR_PARTS 24		   /* this part of its max_pages a VM keeps free */
#define TRIAL_ASK_MOST (4 * TRIAL_MIB)	   /* that a target rises by in a decision */
#define TRIAL_RELEASE_MOST (1 * TRIAL_MIB) /* that it falls by, beyond what the guest wants */
#define TRIAL_SEEDS 5
#define TRIAL_TEXT 600

/* What is looked at. */
enum trial_rule {
	TRIAL_BOUNDS,	  /* no more than max - min, nothing of a VM without a driver */
	TRIAL_FLOOR,	  /* a VM keeps its floor free */
	TRIAL_GRADUAL,	  /* targets move in small steps, but what a guest wants it gets at once */
	TRIAL_PLENTY,	  /* no VM is asked for more while the host has plenty */
	TRIAL_HOST_FLOOR, /* the host is not short while a VM could give */
	TRIAL_MET,	  /* no VM lacks memory for long */
	TRIAL_RETURNED,	  /* balloons are empty when the need is over */
	TRIAL_CALM,	  /* targets do not swing */
	TRIAL_IN_USE,	  /* what a guest uses is not taken, whatever its statistics say */
	TRIAL_RULES,
	TRIAL_GIVES = TRIAL_RULES, /* something is given at all: trial_checks.c */
};

/* Of one VM, or of each: it needs so much from a moment on, which it reaches at this speed. */
struct trial_need {
	unsigned at_ms;
	int vm; /* -1: each */
	unsigned mib;
	unsigned mib_per_s;
	bool reports; /* what it does not need any more, the host has again at once */
	bool freezes; /* from then on its statistics stay as they are, and its driver gives any page
		       */
};

struct trial {
	const char *name;
	unsigned host_mib;
	unsigned vms;
	unsigned max_mib;
	unsigned speed;		/* pages that a driver moves in a period */
	unsigned empty_from_ms; /* from then on .. */
	unsigned empty_ms;	/* .. all balloons are empty within this; 0: they need not be */
	unsigned end_ms;
	const struct trial_need *needs;
	unsigned needs_count;
};

/* By number; NULL behind the last. The first three are the classic ones, the others are traps. */
const struct trial *trial_at(unsigned index);
#define TRIAL_CLASSIC 3

const char *trial_rule_name(enum trial_rule rule);

struct trial_result {
	bool passed; /* no rule was broken */
	enum trial_rule broken;
	uint64_t given_pages;  /* largest sum of all balloons */
	char text[TRIAL_TEXT]; /* which rule, when, which VM, the numbers */
};

/*
 * Runs it with policy_decide(), and looks at the rules in the set `rules` (bits). Seed 0 is as the
 * trial says; another one varies amounts, moments, order of VMs and their drivers.
 */
void trial_run(const struct trial *trial, uint64_t seed, unsigned rules,
	       struct trial_result *result);

/* Called behind each period of a trial, where it is set: tests/lab/trial_trace.h. */
extern void (*trial_watch)(const struct trial *trial, const struct lab_world *world);

/* Views that nothing sensible would send, as far as a guest can choose them: bounds and plenty. */
void trial_nonsense(struct trial_result *result);

#endif
