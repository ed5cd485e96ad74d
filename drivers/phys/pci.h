/* SPDX-License-Identifier: BSD-2-Clause */
/* The little of PCI that we use: a serial card for the console, a register for the reset. */
#ifndef DRIVERS_PHYS_PCI_H
#define DRIVERS_PHYS_PCI_H

#include "base/types.h"

#define PCI_FUNCTION(bus, device, number)                                                          \
	((uint32_t)(bus) << 8 | (uint32_t)(device) << 3 | (number))
#define PCI_FUNCTION_NONE 0xffffffff

/* Configuration space of one function, by ports (PCI Local Bus 3.0, 3.2.2.3); offsets below 256. */
uint32_t pci_read_32(uint32_t function, unsigned offset);
void pci_write_8(uint32_t function, unsigned offset, uint8_t value);
void pci_write_32(uint32_t function, unsigned offset, uint32_t value);

/* Where the registers of a serial card are. */
struct pci_serial {
	bool memory;
	uint64_t place; /* port or host-physical address */
};

/*
 * Looks at `function`, or with PCI_FUNCTION_NONE for the first serial card, and switches on its
 * answer to ports or memory. NULL: *serial is filled; else an error message, and nothing changed.
 */
const char *pci_find_serial(uint32_t function, struct pci_serial *serial);

#endif
