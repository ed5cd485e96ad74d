/* SPDX-License-Identifier: BSD-2-Clause */
/* From the manual's table of opcodes to bytes: written from the other end than the decoder. */
#include "fake/forms.h"

#include <string.h>

enum immediate { NO_IMMEDIATE, BYTE, WIDE };

#define ESCAPED 0x01u  /* behind 0x0f */
#define LOCK 0x02u     /* it may have that prefix */
#define LOGIC 0x04u    /* AF is undefined */
#define BIT_TEST 0x08u /* so are OF, SF and PF */
#define ONLY_64 0x10u
#define NOT_64 0x20u
#define ABSOLUTE 0x40u /* an address without ModRM */

static const struct kind {
	uint8_t opcode;
	uint8_t digits; /* which values ModRM.reg may have */
	enum immediate immediate;
	unsigned traits;
} kinds[] = {
	{0x00, 0xff, NO_IMMEDIATE, LOCK},
	{0x01, 0xff, NO_IMMEDIATE, LOCK},
	{0x02, 0xff, NO_IMMEDIATE, 0},
	{0x03, 0xff, NO_IMMEDIATE, 0},
	{0x08, 0xff, NO_IMMEDIATE, LOCK | LOGIC},
	{0x09, 0xff, NO_IMMEDIATE, LOCK | LOGIC},
	{0x0a, 0xff, NO_IMMEDIATE, LOGIC},
	{0x0b, 0xff, NO_IMMEDIATE, LOGIC},
	{0x10, 0xff, NO_IMMEDIATE, LOCK},
	{0x11, 0xff, NO_IMMEDIATE, LOCK},
	{0x12, 0xff, NO_IMMEDIATE, 0},
	{0x13, 0xff, NO_IMMEDIATE, 0},
	{0x18, 0xff, NO_IMMEDIATE, LOCK},
	{0x19, 0xff, NO_IMMEDIATE, LOCK},
	{0x1a, 0xff, NO_IMMEDIATE, 0},
	{0x1b, 0xff, NO_IMMEDIATE, 0},
	{0x20, 0xff, NO_IMMEDIATE, LOCK | LOGIC},
	{0x21, 0xff, NO_IMMEDIATE, LOCK | LOGIC},
	{0x22, 0xff, NO_IMMEDIATE, LOGIC},
	{0x23, 0xff, NO_IMMEDIATE, LOGIC},
	{0x28, 0xff, NO_IMMEDIATE, LOCK},
	{0x29, 0xff, NO_IMMEDIATE, LOCK},
	{0x2a, 0xff, NO_IMMEDIATE, 0},
	{0x2b, 0xff, NO_IMMEDIATE, 0},
	{0x30, 0xff, NO_IMMEDIATE, LOCK | LOGIC},
	{0x31, 0xff, NO_IMMEDIATE, LOCK | LOGIC},
	{0x32, 0xff, NO_IMMEDIATE, LOGIC},
	{0x33, 0xff, NO_IMMEDIATE, LOGIC},
	{0x38, 0xff, NO_IMMEDIATE, 0},
	{0x39, 0xff, NO_IMMEDIATE, 0},
	{0x3a, 0xff, NO_IMMEDIATE, 0},
	{0x3b, 0xff, NO_IMMEDIATE, 0},
	{0x63, 0xff, NO_IMMEDIATE, ONLY_64},
	{0x80, 0x2d, BYTE, LOCK},
	{0x80, 0x52, BYTE, LOCK | LOGIC},
	{0x80, 0x80, BYTE, 0},
	{0x81, 0x2d, WIDE, LOCK},
	{0x81, 0x52, WIDE, LOCK | LOGIC},
	{0x81, 0x80, WIDE, 0},
	{0x82, 0xff, BYTE, NOT_64},
	{0x83, 0x2d, BYTE, LOCK},
	{0x83, 0x52, BYTE, LOCK | LOGIC},
	{0x83, 0x80, BYTE, 0},
	{0x84, 0xff, NO_IMMEDIATE, LOGIC},
	{0x85, 0xff, NO_IMMEDIATE, LOGIC},
	{0x86, 0xff, NO_IMMEDIATE, LOCK},
	{0x87, 0xff, NO_IMMEDIATE, LOCK},
	{0x88, 0xff, NO_IMMEDIATE, 0},
	{0x89, 0xff, NO_IMMEDIATE, 0},
	{0x8a, 0xff, NO_IMMEDIATE, 0},
	{0x8b, 0xff, NO_IMMEDIATE, 0},
	{0xa0, 0xff, NO_IMMEDIATE, ABSOLUTE},
	{0xa1, 0xff, NO_IMMEDIATE, ABSOLUTE},
	{0xa2, 0xff, NO_IMMEDIATE, ABSOLUTE},
	{0xa3, 0xff, NO_IMMEDIATE, ABSOLUTE},
	{0xc6, 0x01, BYTE, 0},
	{0xc7, 0x01, WIDE, 0},
	{0xf6, 0x03, BYTE, LOGIC},
	{0xf7, 0x03, WIDE, LOGIC},
	{0xf6, 0x0c, NO_IMMEDIATE, LOCK},
	{0xf7, 0x0c, NO_IMMEDIATE, LOCK},
	{0xfe, 0x03, NO_IMMEDIATE, LOCK},
	{0xff, 0x03, NO_IMMEDIATE, LOCK},
	{0xb6, 0xff, NO_IMMEDIATE, ESCAPED},
	{0xb7, 0xff, NO_IMMEDIATE, ESCAPED},
	{0xbe, 0xff, NO_IMMEDIATE, ESCAPED},
	{0xbf, 0xff, NO_IMMEDIATE, ESCAPED},
	{0xba, 0x10, BYTE, ESCAPED | BIT_TEST},
	{0xba, 0xe0, BYTE, ESCAPED | BIT_TEST | LOCK},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static uint64_t seed;
static unsigned last;

void forms_start(uint64_t from)
{
	seed = from;
}

uint64_t forms_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1dull;
}

unsigned forms_below(unsigned limit)
{
	return (unsigned)(forms_random() >> 33) % limit;
}

static bool one_in(unsigned times)
{
	return forms_below(times) == 0;
}

unsigned forms_kinds(void)
{
	return KINDS;
}

unsigned forms_kind(void)
{
	return last;
}

static void put(struct form *form, unsigned byte)
{
	form->bytes[form->length++] = (uint8_t)byte;
}

static void put_random(struct form *form, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++) {
		put(form, forms_below(256));
	}
}

static void put_displacement(struct form *form, unsigned bytes)
{
	form->place = form->length;
	form->place_bytes = bytes;
	put_random(form, bytes);
}

int64_t form_displacement(const struct form *form)
{
	uint64_t value = 0;

	for (unsigned i = form->place_bytes; i-- > 0;) {
		value = value << 8 | form->bytes[form->place + i];
	}
	switch (form->place_bytes) {
	case 1:
		return (int8_t)value;
	case 2:
		return (int16_t)value;
	case 4:
		return (int32_t)value;
	default:
		return (int64_t)value;
	}
}

void form_set_displacement(struct form *form, int64_t value)
{
	memcpy(form->bytes + form->place, &value, form->place_bytes);
}

static unsigned put_modrm(struct form *form, unsigned digits, unsigned rm_forced, bool forced)
{
	unsigned mod = forms_below(3);
	unsigned rm = forced ? rm_forced : forms_below(8);
	unsigned reg;

	do {
		reg = forms_below(8);
	} while ((digits >> reg & 1) == 0);
	put(form, mod << 6 | reg << 3 | rm);
	return mod << 6 | rm;
}

static void put_place_16(struct form *form, unsigned digits)
{
	static const unsigned bases[] = {3, 3, 5, 5, 6, 7, 5, 3};
	unsigned modrm = put_modrm(form, digits, 0, false);

	if (modrm == 6) {
		put_displacement(form, 2);
		return;
	}
	form->base = bases[modrm & 7];
	if ((modrm & 7) < 4) {
		form->index = modrm & 1 ? 7 : 6;
	}
	put_displacement(form, modrm >> 6);
}

static void put_place(struct form *form, unsigned digits, unsigned bits, unsigned rex)
{
	static const unsigned displacements[] = {0, 1, 4};
	unsigned modrm = put_modrm(form, digits, 4, one_in(2));
	unsigned low = modrm & 7;
	bool sib = low == 4;

	if (sib) {
		unsigned byte = forms_below(256);
		unsigned index = (byte >> 3 & 7) | (rex & 2 ? 8u : 0);

		put(form, byte);
		low = byte & 7;
		if (index != 4) {
			form->index = index;
			form->scale = 1u << (byte >> 6);
		}
	}
	if (modrm >> 6 == 0 && low == 5) {
		form->next_rip = bits == 64 && !sib;
		put_displacement(form, 4);
		return;
	}
	form->base = low | (rex & 1 ? 8u : 0);
	put_displacement(form, displacements[modrm >> 6]);
}

static void shuffle(uint8_t *bytes, unsigned count)
{
	for (unsigned i = count; i > 1; i--) {
		unsigned other = forms_below(i);
		uint8_t kept = bytes[i - 1];

		bytes[i - 1] = bytes[other];
		bytes[other] = kept;
	}
}

static const struct kind *choose(unsigned bits)
{
	do {
		last = forms_below(KINDS);
	} while ((kinds[last].traits & (bits == 64 ? NOT_64 : ONLY_64)) != 0);
	return &kinds[last];
}

/* Answers the REX prefix that counts, 0: none. */
static unsigned put_prefixes(struct form *form, const struct kind *kind, unsigned bits, bool stray,
			     bool *operand_size)
{
	/* Not FS, where a test program has its threads' data. */
	static const uint8_t segments[] = {0x26, 0x2e, 0x36, 0x3e, 0x65};
	bool address_size = one_in(4);
	unsigned rex = bits == 64 && !one_in(3) ? 0x40 | forms_below(16) : 0;

	*operand_size = one_in(4) && kind->opcode != 0x63;
	if (*operand_size) {
		put(form, 0x66);
	}
	if (address_size) {
		put(form, 0x67);
	}
	if (one_in(4)) {
		put(form, segments[forms_below(sizeof(segments))]);
	}
	if ((kind->traits & LOCK) != 0 && one_in(3)) {
		put(form, 0xf0);
	}
	shuffle(form->bytes, form->length);
	if (stray && bits == 64 && form->length > 0 && one_in(4)) {
		/* In front of another prefix it is void. */
		uint8_t kept = form->bytes[form->length - 1];

		form->bytes[form->length - 1] = (uint8_t)(0x40 | forms_below(16));
		put(form, kept);
	}
	if (rex != 0) {
		put(form, rex);
	}
	form->address_bits = !address_size ? bits : bits == 32 ? 16 : 32;
	return rex;
}

void form_make(struct form *form, unsigned bits, bool stray)
{
	const struct kind *kind = choose(bits);
	bool operand_size;
	unsigned rex;

	memset(form, 0, sizeof(*form));
	form->base = form->index = FORM_NONE;
	form->scale = 1;
	form->undefined_adjust = (kind->traits & (LOGIC | BIT_TEST)) != 0;
	form->only_carry = (kind->traits & BIT_TEST) != 0;
	rex = put_prefixes(form, kind, bits, stray, &operand_size);
	if ((kind->traits & ESCAPED) != 0) {
		put(form, 0x0f);
	}
	put(form, kind->opcode);
	if ((kind->traits & ABSOLUTE) != 0) {
		put_displacement(form, form->address_bits / 8);
	} else if (form->address_bits == 16) {
		put_place_16(form, kind->digits);
	} else {
		put_place(form, kind->digits, bits, rex);
	}
	if (kind->immediate == BYTE) {
		put_random(form, 1);
	} else if (kind->immediate == WIDE) {
		put_random(form, rex & 8 || operand_size == (bits == 16) ? 4 : 2);
	}
}
