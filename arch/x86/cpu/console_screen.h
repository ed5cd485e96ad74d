/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When the screen is the console. What the operator wants and what the machine has decide once,
 * early at boot; a screen that is not wanted is opened only to say why a run fails.
 */
#ifndef ARCH_X86_CPU_CONSOLE_SCREEN_H
#define ARCH_X86_CPU_CONSOLE_SCREEN_H

#include "base/types.h"
#include "arch/screen.h"

/*
 * Boot, before paging_init(). `screen` is kept. `identity_end` is where the identity map of the
 * first page tables ends: a screen below is opened at once, if it is wanted. `silent`: no other
 * console answers.
 */
void console_screen_choose(const struct screen *screen, enum screen_use use, bool silent,
			   uint64_t identity_end);

/*
 * The screen that paging_init() is to map, wanted or kept for the last lines of a failed run; NULL:
 * there is none that may be used. One beyond what addresses of `physical_bits` reach is given up.
 */
const struct screen *console_screen_to_map(unsigned physical_bits);

/* The identity map is gone; `memory` is where the screen is mapped, or NULL. */
void console_screen_mapped(volatile void *memory);

/*
 * The last lines of a failed run: opens the screen if there is one and it may be used. It does not
 * scroll: the first of these lines stay.
 */
void console_screen_open_late(void);

/*
 * A run fails: as console_screen_open_late(), and what waits is drawn. Where this CPU has failed
 * while it drew, the screen is given up instead.
 */
void console_screen_urgent(void);

/* It is closed, and never opened again. */
void console_screen_give_up(void);

/* Something shows on it. */
bool console_screen_is_on(void);

#endif
