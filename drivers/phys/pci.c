/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI configuration by ports 0xcf8 and 0xcfc (PCI Local Bus 3.0: 3.2.2.3 access, 6.1 header, 6.2.5
 * base addresses; class codes in its appendix D). The two ports are one register pair: one CPU at a
 * time, which is the boot CPU while it looks for the console, or the last one that runs. Firmware
 * has given the addresses; a function without one is not used.
 */
#include "drivers/phys/pci.h"

#include "base/bits.h"
#include "drivers/phys/port.h"

#define ADDRESS_PORT 0xcf8
#define DATA_PORT 0xcfc
#define ADDRESS_ENABLE BIT(31)

#define OFFSET_VENDOR 0x00
#define OFFSET_COMMAND 0x04
#define OFFSET_CLASS 0x08
#define OFFSET_HEADER 0x0c
#define OFFSET_BAR 0x10

#define COMMAND_PORTS BIT(0)
#define COMMAND_MEMORY BIT(1)
#define STATUS_BITS 0xffff0000 /* beside the command; writing ones clears them */
#define HEADER_TYPE(word) ((word) >> 16 & 0x7f)
#define HEADER_MANY BIT(23) /* the device has several functions */
#define CLASS_OF(word) ((word) >> 16)
#define CLASS_SERIAL 0x0700
#define CLASS_SERIAL_MANY 0x0702
#define BAR_PORTS BIT(0)
#define BAR_PORT_MASK 0xfffffffc
#define BAR_64 0x4 /* of bits 2 and 1 */
#define BAR_TYPE 0x6
#define BAR_MEMORY_MASK 0xfffffff0
#define BAR_COUNT 6
#define PORT_LAST 0xfff8

#define BUSES 256
#define DEVICES 32
#define FUNCTIONS 8

static void choose(uint32_t function, unsigned offset)
{
	port_write_32(ADDRESS_PORT,
		      (uint32_t)ADDRESS_ENABLE | (function & 0xffff) << 8 | (offset & 0xfc));
}

uint32_t pci_read_32(uint32_t function, unsigned offset)
{
	choose(function, offset);
	return port_read_32(DATA_PORT);
}

void pci_write_32(uint32_t function, unsigned offset, uint32_t value)
{
	choose(function, offset);
	port_write_32(DATA_PORT, value);
}

void pci_write_8(uint32_t function, unsigned offset, uint8_t value)
{
	choose(function, offset);
	port_write_8((uint16_t)(DATA_PORT + (offset & 3)), value);
}

/* The address register of a machine without this way to PCI does not keep what is written. */
static bool is_there(void)
{
	port_write_32(ADDRESS_PORT, (uint32_t)ADDRESS_ENABLE);
	return port_read_32(ADDRESS_PORT) == (uint32_t)ADDRESS_ENABLE;
}

static bool is_function(uint32_t function)
{
	uint32_t vendor = pci_read_32(function, OFFSET_VENDOR) & 0xffff;

	return vendor != 0xffff && vendor != 0;
}

static bool is_serial(uint32_t function)
{
	uint32_t class = CLASS_OF(pci_read_32(function, OFFSET_CLASS));

	return (class == CLASS_SERIAL || class == CLASS_SERIAL_MANY) &&
	       HEADER_TYPE(pci_read_32(function, OFFSET_HEADER)) == 0;
}

/* The first serial card of a device, or none. */
static uint32_t search_device(uint32_t device)
{
	if (!is_function(device)) {
		return PCI_FUNCTION_NONE;
	}
	bool many = pci_read_32(device, OFFSET_HEADER) & HEADER_MANY;

	for (unsigned i = 0; i < (many ? FUNCTIONS : 1); i++) {
		if (is_function(device + i) && is_serial(device + i)) {
			return device + i;
		}
	}
	return PCI_FUNCTION_NONE;
}

static uint32_t search(void)
{
	for (unsigned i = 0; i < BUSES * DEVICES; i++) {
		uint32_t function = search_device(PCI_FUNCTION(0, i, 0));

		if (function != PCI_FUNCTION_NONE) {
			return function;
		}
	}
	return PCI_FUNCTION_NONE;
}

/* The first base address of ports, else the first of memory; false: firmware gave it neither. */
static bool read_bars(uint32_t function, struct pci_serial *serial)
{
	bool found = false;

	for (unsigned i = 0; i < BAR_COUNT; i++) {
		uint32_t bar = pci_read_32(function, OFFSET_BAR + 4 * i);
		uint32_t ports = bar & BAR_PORT_MASK;

		if (bar & BAR_PORTS) {
			if (ports != 0 && ports <= PORT_LAST) {
				*serial = (struct pci_serial){false, ports};
				return true;
			}
			continue;
		}
		uint64_t place = bar & BAR_MEMORY_MASK;
		if ((bar & BAR_TYPE) == BAR_64 && i + 1 < BAR_COUNT) {
			i++;
			place |= (uint64_t)pci_read_32(function, OFFSET_BAR + 4 * i) << 32;
		}
		if (place != 0 && !found) {
			*serial = (struct pci_serial){true, place};
			found = true;
		}
	}
	return found;
}

const char *pci_find_serial(uint32_t function, struct pci_serial *serial)
{
	if (!is_there()) {
		return "this machine has no PCI configuration ports";
	}
	if (function == PCI_FUNCTION_NONE) {
		function = search();
		if (function == PCI_FUNCTION_NONE) {
			return "no PCI serial card was found";
		}
	} else if (!is_function(function)) {
		return "there is no PCI function of that number";
	} else if (!is_serial(function)) {
		return "the PCI function of that number is no serial card";
	}
	if (!read_bars(function, serial)) {
		return "firmware gave the PCI serial card no address";
	}
	uint32_t wanted = (uint32_t)(serial->memory ? COMMAND_MEMORY : COMMAND_PORTS);
	uint32_t command = pci_read_32(function, OFFSET_COMMAND);
	if ((command & wanted) == 0) {
		pci_write_32(function, OFFSET_COMMAND, (command & ~STATUS_BITS) | wanted);
	}
	return NULL;
}
