/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processors that are contexts, for tests of the scheduler: each really runs scheduler_run(), and
 * stops where a guest would run, where the CPU would sleep, and where it waits for another one. The
 * test says who goes on, so that every order of events can be had.
 */
#ifndef FAKE_CONTEXTS_H
#define FAKE_CONTEXTS_H

#include "fake/panic.h"

#include <ucontext.h>

#include "fake/cpus.h"
#include "kernel/vm/vm.h"

#define CONTEXTS 4
#define CONTEXT_VMS 6
#define MS 1000ull
#define SLICE (2 * MS)

enum place { AT_START, IN_GUEST, ASLEEP, WAITING };

struct context {
	ucontext_t context;
	uint8_t *stack;
	enum place place;
	struct vcpu *guest;  /* IN_GUEST */
	uint64_t deadline;   /* of the slice, or of the sleep */
	struct vcpu *loaded; /* whose state the processor holds */
	unsigned evictions;
	unsigned rounds; /* of the housekeeping */
	unsigned kicks;	 /* as often as it had been kicked when it came here */
};

extern struct context contexts[CONTEXTS];
extern struct vm context_vms[CONTEXT_VMS];
extern unsigned context_me;	     /* CPU on which the test acts */
extern unsigned context_running;     /* CPU whose context runs, or CONTEXTS: the test's */
extern bool context_more_to_do;	     /* what the next round of the housekeeping answers */
extern uint64_t context_house_ticks; /* that such a round takes */
extern uint64_t context_dirty_frames;
extern unsigned context_resets;	 /* of vCPUs, by INIT */
extern unsigned context_windows; /* how often an idle CPU has just let interrupts in */

/* So many CPUs, no VM; the test acts on CPU 0. */
void context_start(unsigned count);

/* cmocka teardown. */
int context_teardown(void **state);

/* The CPU goes on until it comes to one of the places again. */
enum place context_go(unsigned cpu);

/* Of a CPU's context: back to the test, until that lets it go on. */
void context_stop_at(enum place place);

/* What a CPU does when it waits for another one, unless the test sets fake_on_pause. */
void context_on_pause(void);

void context_act_as(unsigned cpu);

/* The vCPU whose guest the CPU is in. */
struct vcpu *context_guest(unsigned cpu);

/* VM `i`, with all of its vCPUs OFF but placed. */
struct vm *context_vm(unsigned i, unsigned vcpus, uint64_t mask);

/* One with a single vCPU, which can run. */
struct vcpu *context_vcpu(unsigned i, uint64_t mask);

/* The guest on the CPU runs for a whole slice; it waits for its doorbell. */
enum place context_run_slice(unsigned cpu);
enum place context_halt_guest(unsigned cpu);

void context_ring(struct vcpu *vcpu);

#endif
