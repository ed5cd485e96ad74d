/* SPDX-License-Identifier: BSD-2-Clause */
/* One VM with two vCPUs that sleep, the CPUs that run them, and what a CPU besides does to them. */
#ifndef INTERLEAVE_SLEEPERS_H
#define INTERLEAVE_SLEEPERS_H

enum sleep_kind {
	SLEEPS_IN_HALT,	   /* HLT with interrupts on */
	PASSES_ON,	   /* the same; vCPU 0 rings vCPU 1 when it is rung */
	SLEEPS_IN_WAIT,	   /* the hypercall WAIT, doorbells let through */
	HOLDS_OFF,	   /* WAIT with interrupts off: what has rung stays pending */
	WAITS_FOR_MEMORY,  /* a touch that found no frame */
	STOPS_THE_MACHINE, /* HLT; and CPU 0 stops all CPUs once, as for an audit */
};

/* Both vCPUs sleep so, on a CPU each. */
void sleepers_begin(enum sleep_kind kind);

/* A CPU: its scheduler's loop. */
void sleepers_cpu(void);

/* Another CPU, once. */
void sleepers_ring_first(void);
void sleepers_ring_both(void);
void sleepers_ring_twice(void);
void sleepers_signal(void);
void sleepers_grant(void);
void sleepers_pause_and_ring(void);
void sleepers_stop_and_start(void);

/* When no CPU can go on any more. */
void sleepers_check(void);

#endif
