/* SPDX-License-Identifier: BSD-2-Clause */
/* The sets of probes: one argument `run=` chooses one; tests/bench says which machine it needs. */
#ifndef GUESTS_BENCH_PROBES_H
#define GUESTS_BENCH_PROBES_H

#include <stdint.h>

/* exits.c: the ways into the hypervisor and back. */
int64_t probe_null_hypercall(void);
void probe_exits(void);

/* pages.c: 4 KiB at a time. The first needs a host that has not idled since boot. */
void probe_fills_unzeroed(void);
void probe_pages(void);

/* extents.c: 2 MiB and 1 GiB at a time. */
void probe_extents(void);
void probe_gigabyte(void);
void probe_hold_gigabyte(void);
void probe_hold_pages(void);

/* driver.c: the whole machine, our balloon driver included. */
void probe_driver(void);
void probe_driver_pages(void);

/* pair.c: two guests. */
void probe_pair_giver(void);
void probe_pair_taker(void);

/* trace.c: single operations between marks for the emulator's debugger. */
void probe_trace(void);

/* doorbell.c: from a changed target to the guest's handler. */
void probe_doorbell(void);

#endif
