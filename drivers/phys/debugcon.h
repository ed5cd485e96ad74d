/* SPDX-License-Identifier: BSD-2-Clause */
/* What emulators offer beyond a PC: a debug console and a way to switch off with a verdict. */
#ifndef DRIVERS_PHYS_DEBUGCON_H
#define DRIVERS_PHYS_DEBUGCON_H

#include "base/types.h"

/* The console at port 0xE9 (Bochs, QEMU's isa-debugcon). It takes bytes at once. */
bool debug_console_is_present(void);
void debug_console_write(const char *bytes, size_t count);

/* Returns on a machine that has no such port. */
void emulator_power_off(bool pass);

#endif
