/* SPDX-License-Identifier: BSD-2-Clause */
/* Instructions with an operand in memory, made at random: every form that guest_decode.h covers. */
#ifndef FAKE_FORMS_H
#define FAKE_FORMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORM_NONE 0xffu

/* One instruction, as it was put together. */
struct form {
	uint8_t bytes[32];
	unsigned length; /* may be more than an instruction may have */

	/* Its address, without what a segment adds. */
	unsigned base;	/* number of the register, or FORM_NONE */
	unsigned index; /* the same */
	unsigned scale;
	unsigned address_bits;
	bool next_rip;
	unsigned place;	      /* of the displacement among the bytes */
	unsigned place_bytes; /* 0, 1, 2, 4 or 8 */

	bool undefined_adjust; /* the manual says nothing about AF behind it */
	bool only_carry;       /* nor about any other flag but CF and ZF */
};

/* The same ones every time. */
void forms_start(uint64_t seed);
uint64_t forms_random(void);
unsigned forms_below(unsigned limit);

/* For code of `bits` (16, 32 or 64); `stray`: with REX prefixes that another prefix makes void. */
void form_make(struct form *form, unsigned bits, bool stray);

/* How many kinds there are, and which the last one was of. */
unsigned forms_kinds(void);
unsigned forms_kind(void);

/* The displacement, signed; and another one in its place. */
int64_t form_displacement(const struct form *form);
void form_set_displacement(struct form *form, int64_t value);

#endif
