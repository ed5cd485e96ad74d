/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The legacy interrupt controllers (Intel 8259A data sheet). All interrupts come from the local
 * APIC, so both are masked. They are moved away from the exceptions all the same: a masked 8259
 * still answers a line that vanished with a spurious IRQ 7 or 15, whose default vector is #DF.
 */
#include "arch/x86/cpu/pic.h"

#include "arch/x86/cpu/interrupt.h"
#include "drivers/phys/port.h"

#define FIRST_COMMAND 0x20
#define FIRST_DATA 0x21
#define SECOND_COMMAND 0xa0
#define SECOND_DATA 0xa1

#define ICW1_START_ICW4 0x11
#define ICW3_SECOND_ON_LINE_2 0x04
#define ICW3_IS_LINE_2 0x02
#define ICW4_8086 0x01
#define OCW2_END_OF_INTERRUPT 0x20
#define OCW3_READ_IN_SERVICE 0x0b
#define MASK_ALL 0xff

void pic_disable(void)
{
	port_write_8(FIRST_DATA, MASK_ALL);
	port_write_8(SECOND_DATA, MASK_ALL);
	port_write_8(FIRST_COMMAND, ICW1_START_ICW4);
	port_write_8(SECOND_COMMAND, ICW1_START_ICW4);
	port_write_8(FIRST_DATA, VECTOR_PIC);
	port_write_8(SECOND_DATA, VECTOR_PIC + 8);
	port_write_8(FIRST_DATA, ICW3_SECOND_ON_LINE_2);
	port_write_8(SECOND_DATA, ICW3_IS_LINE_2);
	port_write_8(FIRST_DATA, ICW4_8086);
	port_write_8(SECOND_DATA, ICW4_8086);
	port_write_8(FIRST_DATA, MASK_ALL);
	port_write_8(SECOND_DATA, MASK_ALL);
}

/* Only an interrupt that is really in service is ended; the line from the second chip always is. */
void pic_handle_spurious(uint8_t vector)
{
	bool second = vector >= VECTOR_PIC + 8;
	uint16_t command = second ? SECOND_COMMAND : FIRST_COMMAND;

	port_write_8(command, OCW3_READ_IN_SERVICE);
	if (port_read_8(command) & (1u << (vector & 7))) {
		port_write_8(command, OCW2_END_OF_INTERRUPT);
	}
	if (second) {
		port_write_8(FIRST_COMMAND, OCW2_END_OF_INTERRUPT);
	}
}
