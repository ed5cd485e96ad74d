/* SPDX-License-Identifier: BSD-2-Clause */
/* See power.h. No state. Waiting is bounded: a device that is not there reads as ones for ever. */
#include "drivers/phys/power.h"

#include "base/bits.h"
#include "drivers/phys/pci.h"
#include "drivers/phys/physical.h"
#include "drivers/phys/port.h"

/* PM1 control, ACPI 6.4, 4.8.3.2.1 */
#define PM1_ENABLED BIT(0) /* the machine is in ACPI mode */
#define PM1_TYPE_SHIFT 10
#define PM1_TYPE (7u << PM1_TYPE_SHIFT)
#define PM1_SLEEP (1u << 13)
/* Sleep control, 4.8.3.7 */
#define CONTROL_TYPE_SHIFT 2
#define CONTROL_SLEEP (1u << 5)

#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_FULL BIT(1) /* it has not taken the last byte yet */
#define KEYBOARD_RESET 0xfe
#define CHIPSET_RESET 0xcf9
#define CHIPSET_HARD 0x02
#define CHIPSET_FULL_RESET 0x0e /* hard, now, power lost for some seconds */
#define CHIPSET_BITS 0x0e
#define DELAY_PORT 0x80 /* reading it takes a microsecond on a PC */
#define DELAY_READS 50

#define ENABLE_READS 3000000 /* some seconds; firmware may have much to do */
#define KEYBOARD_READS 100000

/* ---- Registers ------------------------------------------------------------------------------- */

/* A register of `bytes` (1 or 2) bytes that has been found. */
struct reached {
	volatile void *memory; /* NULL: a port */
	uint16_t port;
};

static bool reach(const struct acpi_register *where, size_t bytes, struct reached *reached)
{
	*reached = (struct reached){NULL, (uint16_t)where->place};
	if (where->place == 0 || where->place % bytes != 0) {
		return false;
	}
	if (where->space == ACPI_MEMORY) {
		reached->memory = physical_map_device(where->place, bytes);
		return reached->memory != NULL;
	}
	return where->space == ACPI_PORT && where->place <= UINT16_MAX;
}

static uint16_t read_16(const struct reached *at)
{
	return at->memory != NULL ? *(volatile uint16_t *)at->memory : port_read_16(at->port);
}

static void write_16(const struct reached *at, uint16_t value)
{
	if (at->memory != NULL) {
		*(volatile uint16_t *)at->memory = value;
	} else {
		port_write_16(at->port, value);
	}
}

static void write_8(const struct reached *at, uint8_t value)
{
	if (at->memory != NULL) {
		*(volatile uint8_t *)at->memory = value;
	} else {
		port_write_8(at->port, value);
	}
}

/* ---- Off ------------------------------------------------------------------------------------- */

/* Without ACPI mode some machines do not listen to PM1 control (4.8.2.5). */
static void switch_acpi_on(const struct acpi_sleep *sleep, const struct reached *pm1)
{
	if (sleep->enable_port == 0 || (read_16(pm1) & PM1_ENABLED)) {
		return;
	}
	port_write_8(sleep->enable_port, sleep->enable_value);
	for (unsigned i = 0; i < ENABLE_READS && (read_16(pm1) & PM1_ENABLED) == 0; i++) {
	}
}

/* The type first, then the command, as 4.8.3.2.1 wants it; the other bits stay as they are. */
static bool sleep_by_pm1(const struct acpi_sleep *sleep)
{
	struct reached pm1[2];
	uint16_t value[2];
	unsigned count = sleep->control[1].place != 0 ? 2 : 1;

	for (unsigned i = 0; i < count; i++) {
		if (!reach(&sleep->control[i], sizeof(uint16_t), &pm1[i])) {
			return false;
		}
	}
	switch_acpi_on(sleep, &pm1[0]);
	for (unsigned i = 0; i < count; i++) {
		value[i] = (uint16_t)((read_16(&pm1[i]) & ~(PM1_TYPE | PM1_SLEEP)) |
				      (unsigned)sleep->type[i] << PM1_TYPE_SHIFT);
		write_16(&pm1[i], value[i]);
	}
	for (unsigned i = 0; i < count; i++) {
		write_16(&pm1[i], (uint16_t)(value[i] | PM1_SLEEP));
	}
	return true;
}

bool power_sleep(const struct acpi_sleep *sleep)
{
	struct reached control;

	if (!sleep->reduced) {
		return sleep_by_pm1(sleep);
	}
	if (!reach(&sleep->control[0], sizeof(uint8_t), &control)) {
		return false;
	}
	write_8(&control,
		(uint8_t)((unsigned)sleep->type[0] << CONTROL_TYPE_SHIFT | CONTROL_SLEEP));
	return true;
}

/* ---- Reset ----------------------------------------------------------------------------------- */

/* Address of a register in configuration space of bus 0: device, function, offset (5.2.3.2). */
static bool reset_by_pci(const struct acpi_reset *reset)
{
	uint64_t place = reset->where.place;
	uint64_t device = place >> 32;
	uint64_t number = place >> 16 & 0xffff;
	uint64_t offset = place & 0xffff;

	if (device > 31 || number > 7 || offset > 255) {
		return false;
	}
	pci_write_8(PCI_FUNCTION(0, device, (uint32_t)number), (unsigned)offset, reset->value);
	return true;
}

bool power_reset_acpi(const struct acpi_reset *reset)
{
	struct reached where;

	if (reset->where.space == ACPI_PCI) {
		return reset_by_pci(reset);
	}
	if (!reach(&reset->where, sizeof(uint8_t), &where)) {
		return false;
	}
	write_8(&where, reset->value);
	return true;
}

bool power_reset_keyboard(void)
{
	if (port_read_8(KEYBOARD_COMMAND) == 0xff) {
		return false;
	}
	for (unsigned i = 0;
	     i < KEYBOARD_READS && (port_read_8(KEYBOARD_COMMAND) & KEYBOARD_FULL) != 0; i++) {
	}
	port_write_8(KEYBOARD_COMMAND, KEYBOARD_RESET);
	return true;
}

void power_reset_chipset(void)
{
	uint8_t others = port_read_8(CHIPSET_RESET) & (uint8_t)~CHIPSET_BITS;

	/* It acts when its middle bit rises. */
	port_write_8(CHIPSET_RESET, others | CHIPSET_HARD);
	for (unsigned i = 0; i < DELAY_READS; i++) {
		(void)port_read_8(DELAY_PORT);
	}
	port_write_8(CHIPSET_RESET, others | CHIPSET_FULL_RESET);
}
