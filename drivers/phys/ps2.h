/* SPDX-License-Identifier: BSD-2-Clause */
/* The keyboard at the PS/2 controller (8042), polled. Boot CPU only. */
#ifndef DRIVERS_PHYS_PS2_H
#define DRIVERS_PHYS_PS2_H

#include "base/types.h"

/*
 * Finds the controller and makes it translate and say nothing by interrupts; every wait is bounded.
 * False: there is none, and ps2_read() has nothing to say.
 */
bool ps2_start(void);

/* One byte that a terminal would have sent, or -1. Never waits. */
int ps2_read(void);

#endif
