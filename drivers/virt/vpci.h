/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration ports of a PCI bus (PCI Local Bus specification 3.2.2.3.2, configuration
 * mechanism 1), and the reset control register at port 0xcf9 (Intel 82371AB data sheet) between
 * them. On the bus is a host bridge at 0:0.0 and nothing else: by the bridge kernels know that the
 * ports are what they seem. One plain struct and pure functions, under the lock of the VM's
 * devices.
 */
#ifndef DRIVERS_VIRT_VPCI_H
#define DRIVERS_VIRT_VPCI_H

#include "base/types.h"

#define VPCI_PORT 0xcf8 /* address; data at +4; 8 ports in all */
#define VPCI_PORTS 8
#define VPCI_RESET_PORT 0xcf9
#define VPCI_DATA_PORT 0xcfc

/* The bridge: the number that Red Hat has assigned to a host bridge of no particular chip set. */
#define VPCI_BRIDGE_VENDOR 0x1b36u
#define VPCI_BRIDGE_DEVICE 0x0008u
#define VPCI_CLASS_HOST_BRIDGE 0x060000u

struct vpci {
	uint32_t address;
	uint8_t reset_control;
	bool reset_wanted;
};

void vpci_reset(struct vpci *pci);

/*
 * An access of 1, 2 or 4 bytes at any port of the eight; the answer is zero-extended. Only a whole
 * word at 0xcf8 reaches the address. Bytes beyond the eight ports read as ones. The bridge takes no
 * writes.
 */
uint32_t vpci_read(const struct vpci *pci, uint16_t port, unsigned bytes);
void vpci_write(struct vpci *pci, uint16_t port, unsigned bytes, uint32_t value);

/* The guest has written the reset command since vpci_reset(). */
bool vpci_reset_wanted(const struct vpci *pci);

#endif
