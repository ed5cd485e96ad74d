/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keyboard controller of a PC without keyboard and mouse, and port 0x92 (fast A20 and reset).
 * Its use is the reset line, and to answer every command that a driver probes with at once, so
 * that no driver waits for a time-out. What is sent to the missing keyboard is answered by the
 * controller with the byte 0xfe and the time-out bit of the status, as the real one does.
 * One plain struct and pure functions, under the lock of the VM's devices.
 */
#ifndef DRIVERS_VIRT_VI8042_H
#define DRIVERS_VIRT_VI8042_H

#include "base/types.h"

#define VI8042_DATA_PORT 0x60
#define VI8042_COMMAND_PORT 0x64 /* read: status */
#define VI8042_SYSTEM_PORT 0x92

struct vi8042 {
	uint8_t command_byte;
	uint8_t output_port;
	uint8_t pending; /* command that waits for its byte at the data port; 0: none */
	uint8_t output;	 /* the byte for the guest, when status says so */
	uint8_t status;
	bool reset_wanted;
};

/* As firmware leaves it: self-test passed, A20 on. */
void vi8042_reset(struct vi8042 *controller);

/* Byte accesses to the three ports; another port reads as ones and swallows writes. */
uint8_t vi8042_read(struct vi8042 *controller, uint16_t port);
void vi8042_write(struct vi8042 *controller, uint16_t port, uint8_t value);

/* Level of IRQ 1: there is a byte to read, and the command byte allows its interrupt. */
bool vi8042_interrupt(const struct vi8042 *controller);

/* The guest has pulled the reset line since vi8042_reset(). */
bool vi8042_reset_wanted(const struct vi8042 *controller);

#endif
