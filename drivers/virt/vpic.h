/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two 8259A interrupt controllers of a PC (Intel 8259A data sheet; ELCR: Intel 82371AB data
 * sheet). One plain struct and pure functions, under the lock of the VM's devices.
 *
 * A request of an edge-triggered line is the rise of the line, and it vanishes when the line falls
 * before the processor has acknowledged it, as with the chip. So a source that pulses leaves its
 * line high after the pulse: vpic_line(low), vpic_line(high).
 */
#ifndef DRIVERS_VIRT_VPIC_H
#define DRIVERS_VIRT_VPIC_H

#include "base/types.h"

#define VPIC_LINES 16
#define VPIC_MASTER_PORT 0x20 /* and the next one */
#define VPIC_SLAVE_PORT 0xa0  /* and the next one */
#define VPIC_ELCR_PORT 0x4d0  /* and the next one */

/* Where the initialization words stand. */
enum vpic_step {
	VPIC_OFF, /* after power-on: never initialized, raises nothing */
	VPIC_READY,
	VPIC_WANTS_ICW2,
	VPIC_WANTS_ICW3,
	VPIC_WANTS_ICW4,
};

struct vpic_chip {
	uint8_t lines;	 /* levels of the inputs */
	uint8_t edges;	 /* rises that have not been acknowledged */
	uint8_t service; /* ISR */
	uint8_t mask;	 /* IMR */
	uint8_t level;	 /* ELCR: 1 is level-triggered */
	uint8_t base;	 /* ICW2: vector of input 0 */
	uint8_t lowest;	 /* input of lowest priority, 0 to 7 */
	enum vpic_step step;
	bool single; /* of ICW1: no ICW3 follows */
	bool wants_icw4;
	bool automatic; /* automatic end of interrupt */
	bool rotates;	/* in automatic mode */
	bool nested;	/* special fully nested mode */
	bool special_mask;
	bool reads_service; /* of the even port: ISR instead of IRR */
	bool polls;	    /* the next read is a poll */
};

struct vpic {
	struct vpic_chip master;
	struct vpic_chip slave; /* its output is input 2 of the master */
};

/* As after power-on. */
void vpic_reset(struct vpic *pic);

/* Byte accesses to the six ports above; another port reads as ones and swallows writes. */
uint8_t vpic_read(struct vpic *pic, uint16_t port);
void vpic_write(struct vpic *pic, uint16_t port, uint8_t value);

/* The level of line `irq`, 0 to 15. Line 2 is the cascade's own: ignored, as are others. */
void vpic_line(struct vpic *pic, unsigned irq, bool level);

/* Level of INTR. Look after every call here. */
bool vpic_output(const struct vpic *pic);

/*
 * The processor takes the interrupt: returns its vector. Without a request (the line fell, or a
 * mask came in between) it is the vector of input 7, the spurious interrupt, which sets no bit in
 * service of the chip that raises it.
 */
uint8_t vpic_acknowledge(struct vpic *pic);

#endif
