/* SPDX-License-Identifier: BSD-2-Clause */
/* See vpci.h. */
#include "drivers/virt/vpci.h"

#define ADDRESS_BYTES 4
#define RESET_PROCESSOR 0x04 /* its rise resets */
#define RESET_KEPT 0x0e	     /* full, processor, system */

/* The address: a bit that enables it, then bus, device, function, register. */
#define ADDRESS_ENABLED 0x80000000u
#define ADDRESS_FUNCTION(address) ((address) >> 8 & 0xffff)
#define ADDRESS_REGISTER(address) ((address)&0xfc)
#define REGISTER_ID 0x00
#define REGISTER_CLASS 0x08

/* An access of another width does not reach the address: each of its bytes is a port of its own. */
static bool is_address(uint16_t port, unsigned bytes)
{
	return port == VPCI_PORT && bytes == ADDRESS_BYTES;
}

/* The word of configuration space that the data ports show. */
static uint32_t data(const struct vpci *pci)
{
	if (!(pci->address & ADDRESS_ENABLED) || ADDRESS_FUNCTION(pci->address) != 0) {
		return UINT32_MAX;
	}
	switch (ADDRESS_REGISTER(pci->address)) {
	case REGISTER_ID:
		return VPCI_BRIDGE_DEVICE << 16 | VPCI_BRIDGE_VENDOR;
	case REGISTER_CLASS:
		return VPCI_CLASS_HOST_BRIDGE << 8;
	default:
		return 0;
	}
}

static uint8_t read_byte(const struct vpci *pci, unsigned port)
{
	if (port == VPCI_RESET_PORT) {
		return pci->reset_control;
	}
	if (port >= VPCI_DATA_PORT && port < VPCI_PORT + VPCI_PORTS) {
		return (uint8_t)(data(pci) >> 8 * (port - VPCI_DATA_PORT));
	}
	return UINT8_MAX;
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
		value |= (uint32_t)read_byte(pci, port + i) << (8 * i);
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
