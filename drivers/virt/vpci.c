/* SPDX-License-Identifier: BSD-2-Clause */
/* See vpci.h. */
#include "drivers/virt/vpci.h"

#define ADDRESS_BYTES 4
#define RESET_PROCESSOR 0x04 /* its rise resets */
#define RESET_KEPT 0x0e	     /* full, processor, system */

/* An access of another width does not reach the address: each of its bytes is a port of its own. */
static bool is_address(uint16_t port, unsigned bytes)
{
	return port == VPCI_PORT && bytes == ADDRESS_BYTES;
}

void vpci_reset(struct vpci *pci)
{
	*pci = (struct vpci){0};
}

uint32_t vpci_read(const struct vpci *pci, uint16_t port, unsigned bytes)
{
	uint32_t value = 0;
	if (is_address(port, bytes)) {
		return pci->address;
	}
	for (unsigned i = 0; i < bytes && i < ADDRESS_BYTES; i++) {
		uint32_t byte = port + i == VPCI_RESET_PORT ? pci->reset_control : 0xff;
		value |= byte << (8 * i);
	}
	return value;
}

void vpci_write(struct vpci *pci, uint16_t port, unsigned bytes, uint32_t value)
{
	if (is_address(port, bytes)) {
		pci->address = value;
		return;
	}
	for (unsigned i = 0; i < bytes && i < ADDRESS_BYTES; i++) {
		if (port + i != VPCI_RESET_PORT) {
			continue;
		}
		uint8_t byte = (uint8_t)(value >> (8 * i));
		uint8_t risen = byte & (uint8_t)~pci->reset_control;
		pci->reset_wanted |= (risen & RESET_PROCESSOR) != 0;
		pci->reset_control = byte & RESET_KEPT;
	}
}

bool vpci_reset_wanted(const struct vpci *pci)
{
	return pci->reset_wanted;
}
