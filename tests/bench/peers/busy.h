/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts the instructions that a machine with one CPU works, idle time left out. Only for an
 * emulator whose time-stamp counter advances by one per instruction, and goes on while the CPU is
 * halted.
 */
#ifndef TESTS_BENCH_PEERS_BUSY_H
#define TESTS_BENCH_PEERS_BUSY_H

#include <stdint.h>

/* From now on this process gets the CPU only when nobody else wants it; finds out what idling
 * costs. */
void busy_prepare(void);

/* Instructions that all others execute from now until the machine has been quiet for a while. */
int64_t busy_until_quiet(void);

/* The same for so many seconds of a processor of `BUSY_HZ`, however long the machine is quiet. */
#define BUSY_HZ 50000000ul /* BOCHS_IPS of tools/emulators.py */
int64_t busy_for(unsigned seconds);

#endif
