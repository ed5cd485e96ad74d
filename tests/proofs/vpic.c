/* SPDX-License-Identifier: BSD-2-Clause */
/* The two interrupt controllers of a PC. Real: drivers/virt/vpic.c. Stubbed: nothing. */
#include "tests/proofs/proof.h"

#include "drivers/virt/vpic.c"

static bool is_sound(const struct vpic_chip *chip)
{
	return chip->lowest < CHIP_LINES && chip->step <= VPIC_WANTS_ICW4 &&
	       (chip->base & ~ICW2_BASE) == 0;
}

static struct vpic_chip any_chip(void)
{
	struct vpic_chip chip = {
		.lines = any_u8(),
		.edges = any_u8(),
		.service = any_u8(),
		.mask = any_u8(),
		.level = any_u8(),
		.base = any_u8(),
		.lowest = any_u8(),
		.step = (enum vpic_step)any_u8(),
		.single = any_bool(),
		.wants_icw4 = any_bool(),
		.automatic = any_bool(),
		.rotates = any_bool(),
		.nested = any_bool(),
		.special_mask = any_bool(),
		.reads_service = any_bool(),
		.polls = any_bool(),
	};
	ASSUME(is_sound(&chip));
	return chip;
}

/*
 * PROOF pic_accesses_keep_it_sound
 * Shows: whatever a guest reads and writes at whatever port, and whatever lines change, the order
 * of priorities stays one of eight lines, the step of the initialization one that there is, and
 * no shift leaves a byte
 * Bound: all states, ports, bytes and lines; one access
 * Assumes: the state was sound
 * Classes: H13
 * Sources: drivers/virt/vpic.c
 * Options: --unwind 10
 * Fault: drivers/virt/vpic.c | unsigned line = value & OCW2_LINE; | unsigned line = value;
 */
void pic_accesses_keep_it_sound(void)
{
	struct vpic pic = {any_chip(), any_chip()};
	switch (any_below(4)) {
	case 0:
		(void)vpic_read(&pic, any_u16());
		break;
	case 1:
		vpic_write(&pic, any_u16(), any_u8());
		break;
	case 2:
		vpic_line(&pic, any_u32(), any_bool());
		break;
	default:
		(void)vpic_acknowledge(&pic);
		break;
	}
	PROVE(is_sound(&pic.master) && is_sound(&pic.slave));
}

/*
 * PROOF pic_serves_what_asks
 * Shows: a line that a chip serves asked for it, was not masked and stands before all that is in
 * service; without such a line nothing goes into service, and the vector is the spurious one
 * Bound: all states of a chip
 * Assumes: the state is sound
 * Classes: H13
 * Sources: drivers/virt/vpic.c
 * Options: --unwind 10
 * Fault: drivers/virt/vpic.c | unsigned line = highest(chip, requests(chip) & (uint8_t)~chip->mask); |
 * unsigned line = highest(chip, requests(chip));
 */
void pic_serves_what_asks(void)
{
	struct vpic_chip chip = any_chip();
	struct vpic_chip before = chip;
	unsigned asked = winner(&chip);
	unsigned line = acknowledge(&chip);
	PROVE(line < CHIP_LINES);
	if (asked == NONE) {
		PROVE(line == SPURIOUS && chip.service == before.service);
		return;
	}
	PROVE(line == asked && before.step == VPIC_READY);
	PROVE((before.lines & (before.level | before.edges) & ~before.mask) >> line & 1);
	PROVE(chip.automatic || (chip.service >> line & 1));
	unsigned other = (unsigned)any_below(CHIP_LINES);
	if ((before.service >> other & 1) && !before.special_mask && !before.nested) {
		PROVE((line + 7 - before.lowest) % 8 < (other + 7 - before.lowest) % 8);
	}
}
