/* SPDX-License-Identifier: BSD-2-Clause */
/* See vpic.h. Names of words and modes are those of the 8259A data sheet. */
#include "drivers/virt/vpic.h"

#include "base/bits.h"

#define CHIP_LINES 8
#define CASCADE 2  /* input of the master that the slave drives */
#define SPURIOUS 7 /* input whose vector a chip gives without a request */
#define NONE CHIP_LINES

/* Lines 0, 1 and 2, 8 and 13 are always edge-triggered. */
#define ELCR_MASTER 0xf8
#define ELCR_SLAVE 0xde

#define ICW1 0x10
#define ICW1_WANTS_ICW4 0x01
#define ICW1_SINGLE 0x02
#define ICW2_BASE 0xf8
#define ICW4_AUTOMATIC 0x02
#define ICW4_NESTED 0x10

#define OCW2_LINE 0x07
#define OCW2_COMMAND_SHIFT 5
#define OCW3 0x08
#define OCW3_READ_ISR 0x01
#define OCW3_READ 0x02
#define OCW3_POLL 0x04
#define OCW3_SPECIAL_MASK 0x20
#define OCW3_SPECIAL_MASK_SET 0x40
#define POLL_REQUEST 0x80

/* Bits 7 to 5 of OCW2. */
enum eoi_command {
	EOI_ROTATE_AUTOMATIC_OFF,
	EOI_ANY,
	EOI_NOTHING,
	EOI_ONE,
	EOI_ROTATE_AUTOMATIC_ON,
	EOI_ANY_ROTATE,
	EOI_SET_PRIORITY,
	EOI_ONE_ROTATE,
};

static uint8_t bit_of(unsigned line)
{
	return (uint8_t)(1u << line);
}

/* IRR: a level that is high, or a rise that has not been served and is still high. */
static uint8_t requests(const struct vpic_chip *chip)
{
	return (uint8_t)(chip->lines & (chip->level | chip->edges));
}

/* The line of highest priority in `set`; NONE: it is empty. */
static unsigned highest(const struct vpic_chip *chip, uint8_t set)
{
	for (unsigned i = 1; set != 0 && i <= CHIP_LINES; i++) {
		unsigned line = (chip->lowest + i) % CHIP_LINES;
		if (set & bit_of(line)) {
			return line;
		}
	}
	return NONE;
}

/* Its place in the order of priorities, 0 is the most urgent; NONE comes behind all. */
static unsigned rank_of(const struct vpic_chip *chip, unsigned line)
{
	return line == NONE ? CHIP_LINES : (line + CHIP_LINES - 1 - chip->lowest) % CHIP_LINES;
}

/* The line whose interrupt the chip asks for, or NONE. */
static unsigned winner(const struct vpic_chip *chip)
{
	if (chip->step != VPIC_READY) {
		return NONE;
	}
	unsigned line = highest(chip, requests(chip) & (uint8_t)~chip->mask);
	/* With the special mask, what is in service and masked holds nothing back. */
	uint8_t service = chip->service & (uint8_t) ~(chip->special_mask ? chip->mask : 0);
	if (line == CASCADE && chip->nested) {
		/* The slave may interrupt itself: it knows the order of its own lines. */
		service &= (uint8_t)~bit_of(CASCADE);
	}
	return rank_of(chip, line) < rank_of(chip, highest(chip, service)) ? line : NONE;
}

static void set_line(struct vpic_chip *chip, unsigned line, bool level)
{
	uint8_t bit = bit_of(line);
	if (!level) {
		chip->lines &= (uint8_t)~bit;
		chip->edges &= (uint8_t)~bit;
	} else if ((chip->lines & bit) == 0) {
		chip->lines |= bit;
		chip->edges |= bit;
	}
}

/* The slave's output, after each change of it. It falls and rises with each of its requests. */
static void cascade(struct vpic *pic)
{
	struct vpic_chip *master = &pic->master;
	bool level = winner(&pic->slave) != NONE;
	set_line(master, CASCADE, level);
	if (level) {
		master->edges |= bit_of(CASCADE);
	}
}

/* INTA of one chip: the line that it serves from now on. */
static unsigned acknowledge(struct vpic_chip *chip)
{
	unsigned line = winner(chip);
	if (line == NONE) {
		return SPURIOUS;
	}
	chip->edges &= (uint8_t)~bit_of(line);
	if (!chip->automatic) {
		chip->service |= bit_of(line);
	} else if (chip->rotates) {
		chip->lowest = (uint8_t)line;
	}
	return line;
}

static void begin(struct vpic_chip *chip, uint8_t value)
{
	/* The edge detectors start again: a line has to fall and rise. */
	chip->edges = 0;
	chip->service = 0;
	chip->mask = 0;
	chip->lowest = SPURIOUS;
	chip->automatic = false;
	chip->rotates = false;
	chip->nested = false;
	chip->special_mask = false;
	chip->reads_service = false;
	chip->polls = false;
	chip->single = (value & ICW1_SINGLE) != 0;
	chip->wants_icw4 = (value & ICW1_WANTS_ICW4) != 0;
	chip->step = VPIC_WANTS_ICW2;
}

static void end_service(struct vpic_chip *chip, uint8_t value)
{
	enum eoi_command command = value >> OCW2_COMMAND_SHIFT;
	unsigned line = value & OCW2_LINE;
	if (command == EOI_ANY || command == EOI_ANY_ROTATE) {
		/* One that is masked is not ended by this command under the special mask. */
		uint8_t kept = chip->special_mask ? chip->mask : 0;
		line = highest(chip, chip->service & (uint8_t)~kept);
	}
	switch (command) {
	case EOI_ROTATE_AUTOMATIC_OFF:
	case EOI_ROTATE_AUTOMATIC_ON:
		chip->rotates = command == EOI_ROTATE_AUTOMATIC_ON;
		break;
	case EOI_ANY:
	case EOI_ONE:
	case EOI_ANY_ROTATE:
	case EOI_ONE_ROTATE:
		if (line == NONE) {
			break;
		}
		chip->service &= (uint8_t)~bit_of(line);
		if (command == EOI_ANY_ROTATE || command == EOI_ONE_ROTATE) {
			chip->lowest = (uint8_t)line;
		}
		break;
	case EOI_SET_PRIORITY:
		chip->lowest = (uint8_t)line;
		break;
	case EOI_NOTHING:
		break;
	}
}

static void set_modes(struct vpic_chip *chip, uint8_t value)
{
	if (value & OCW3_SPECIAL_MASK_SET) {
		chip->special_mask = (value & OCW3_SPECIAL_MASK) != 0;
	}
	if (value & OCW3_READ) {
		chip->reads_service = (value & OCW3_READ_ISR) != 0;
	}
	chip->polls = (value & OCW3_POLL) != 0;
}

static void write_even(struct vpic_chip *chip, uint8_t value)
{
	if (value & ICW1) {
		begin(chip, value);
	} else if (value & OCW3) {
		set_modes(chip, value);
	} else {
		end_service(chip, value);
	}
}

static void write_odd(struct vpic_chip *chip, uint8_t value)
{
	switch (chip->step) {
	case VPIC_OFF:
	case VPIC_READY:
		chip->mask = value;
		return;
	case VPIC_WANTS_ICW2:
		chip->base = value & ICW2_BASE;
		if (!chip->single) {
			chip->step = VPIC_WANTS_ICW3;
			return;
		}
		break;
	case VPIC_WANTS_ICW3: /* how the two are wired does not change */
		break;
	case VPIC_WANTS_ICW4:
		chip->automatic = (value & ICW4_AUTOMATIC) != 0;
		chip->nested = (value & ICW4_NESTED) != 0;
		chip->step = VPIC_READY;
		return;
	}
	chip->step = chip->wants_icw4 ? VPIC_WANTS_ICW4 : VPIC_READY;
}

static uint8_t read_chip(struct vpic_chip *chip, bool odd)
{
	if (chip->polls) {
		chip->polls = false;
		bool request = winner(chip) != NONE;
		return (uint8_t)(acknowledge(chip) | (request ? POLL_REQUEST : 0));
	}
	if (odd) {
		return chip->mask;
	}
	return chip->reads_service ? chip->service : requests(chip);
}

void vpic_reset(struct vpic *pic)
{
	*pic = (struct vpic){
		.master = {.lowest = SPURIOUS, .step = VPIC_OFF},
		.slave = {.lowest = SPURIOUS, .step = VPIC_OFF},
	};
}

/* NULL: the port is no chip's. */
static struct vpic_chip *chip_at(struct vpic *pic, uint16_t port)
{
	switch (port & ~1u) {
	case VPIC_MASTER_PORT:
	case VPIC_ELCR_PORT:
		return port == VPIC_ELCR_PORT + 1 ? &pic->slave : &pic->master;
	case VPIC_SLAVE_PORT:
		return &pic->slave;
	default:
		return NULL;
	}
}

uint8_t vpic_read(struct vpic *pic, uint16_t port)
{
	struct vpic_chip *chip = chip_at(pic, port);
	if (chip == NULL) {
		return 0xff;
	}
	if ((port & ~1u) == VPIC_ELCR_PORT) {
		return chip->level;
	}
	uint8_t value = read_chip(chip, port & 1);
	cascade(pic);
	return value;
}

void vpic_write(struct vpic *pic, uint16_t port, uint8_t value)
{
	struct vpic_chip *chip = chip_at(pic, port);
	if (chip == NULL) {
		return;
	}
	if ((port & ~1u) == VPIC_ELCR_PORT) {
		chip->level = value & (chip == &pic->slave ? ELCR_SLAVE : ELCR_MASTER);
	} else if (port & 1) {
		write_odd(chip, value);
	} else {
		write_even(chip, value);
	}
	cascade(pic);
}

void vpic_line(struct vpic *pic, unsigned irq, bool level)
{
	if (irq >= VPIC_LINES || irq == CASCADE) {
		return;
	}
	struct vpic_chip *chip = irq < CHIP_LINES ? &pic->master : &pic->slave;
	bool before = (chip->lines & bit_of(irq % CHIP_LINES)) != 0;
	if (level != before) { /* told after each access to any device, mostly the same */
		set_line(chip, irq % CHIP_LINES, level);
		cascade(pic);
	}
}

bool vpic_output(const struct vpic *pic)
{
	return winner(&pic->master) != NONE;
}

uint8_t vpic_acknowledge(struct vpic *pic)
{
	bool request = winner(&pic->master) != NONE;
	unsigned line = acknowledge(&pic->master);
	uint8_t vector = (uint8_t)(pic->master.base + line);
	if (request && line == CASCADE) {
		vector = (uint8_t)(pic->slave.base + acknowledge(&pic->slave));
	}
	cascade(pic);
	return vector;
}
