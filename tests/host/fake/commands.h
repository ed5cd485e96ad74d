/* SPDX-License-Identifier: BSD-2-Clause */
/* What the monitor's commands ask of the rest, and a terminal that keeps what they print. */
#ifndef FAKE_COMMANDS_H
#define FAKE_COMMANDS_H

#include "arch/walk.h"
#include "fake/kernel.h"

extern char terminal[65536];
extern struct vm *attached_vm;
extern bool results_pass;

/* What `map on|off` has done, and what it is answered. */
extern bool map_shown;
extern const char *map_message;

/* What arch_guest_walk() answers, and tells. */
extern struct arch_walk guest_walk;
extern bool guest_has_run;

/* A world of VMs `one` and `two`, with drivers, of 4000 frames each, and 1000 touched; a clear
 * terminal. */
void commands_start(void);

/* Runs one line as an operator, until all is shown; the answer of command_run(), its error message
 * on the terminal. */
enum status command_type(const char *line);

void terminal_clear(void);

#endif
