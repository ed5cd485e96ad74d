/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports that only emulators have. On a real machine nothing answers there. */
#include "drivers/phys/debugcon.h"

#include "drivers/phys/port.h"

#define DEBUG_CONSOLE 0xe9   /* reads give the port's own number where there is one */
#define QEMU_DEBUG_EXIT 0xf4 /* value v ends QEMU with status 2v + 1 */
#define QEMU_EXIT_PASS 0x10
#define QEMU_EXIT_FAIL 0x11
#define BOCHS_SHUTDOWN 0x8900

bool debug_console_is_present(void)
{
	return port_read_8(DEBUG_CONSOLE) == DEBUG_CONSOLE;
}

void debug_console_write(const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		port_write_8(DEBUG_CONSOLE, (uint8_t)bytes[i]);
	}
}

void emulator_power_off(bool pass)
{
	static const char shutdown[] = "Shutdown";

	port_write_32(QEMU_DEBUG_EXIT, pass ? QEMU_EXIT_PASS : QEMU_EXIT_FAIL);
	for (size_t i = 0; i + 1 < sizeof(shutdown); i++) {
		port_write_8(BOCHS_SHUTDOWN, (uint8_t)shutdown[i]);
	}
}
