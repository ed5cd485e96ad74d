/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of ModRM and SIB, in 16, 32 and 64 bits. */
#include "arch/x86/guest/guest_place.h"

#include "base/bits.h"

#define MODRM_MOD(modrm) ((modrm) >> 6)
#define MODRM_RM(modrm) ((modrm)&7u)
#define MOD_NO_DISPLACEMENT 0
#define MOD_DISPLACEMENT_8 1
#define MOD_REGISTER 3
#define RM_SIB 4
#define RM_DISPLACEMENT 5    /* with mod 0 */
#define RM_DISPLACEMENT_16 6 /* the same, where addresses have 16 bits */

uint64_t guest_next_bytes(struct guest_reader *reader, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++) {
		value |= (uint64_t)guest_next_byte(reader) << (8 * i);
	}
	return value;
}

int64_t guest_next_signed(struct guest_reader *reader, unsigned bytes)
{
	unsigned unused = 64 - 8 * bytes;

	return (int64_t)(guest_next_bytes(reader, bytes) << unused) >> unused;
}

static uint8_t address_bits(const struct guest_prefixes *prefixes, unsigned bits)
{
	if (!prefixes->address_size) {
		return (uint8_t)bits;
	}
	return bits == 32 ? 16 : 32;
}

void guest_place_init(struct guest_place *place, const struct guest_prefixes *prefixes,
		      unsigned bits)
{
	*place = (struct guest_place){
		.segment = prefixes->has_segment ? prefixes->segment : GUEST_SEGMENT_DS,
		.base = GUEST_NO_REGISTER,
		.index = GUEST_NO_REGISTER,
		.scale = 1,
		.bits = address_bits(prefixes, bits),
	};
}

/* With RSP or RBP as its base an operand is on the stack, unless a prefix says otherwise. */
static void set_base(struct guest_place *place, const struct guest_prefixes *prefixes,
		     unsigned base)
{
	place->base = (uint8_t)base;
	if (!prefixes->has_segment && (base == GPR_RSP || base == GPR_RBP)) {
		place->segment = GUEST_SEGMENT_SS;
	}
}

/* SDM vol. 2, table 2-1 */
static void read_16(struct guest_place *place, struct guest_reader *reader,
		    const struct guest_prefixes *prefixes, uint8_t modrm)
{
	static const uint8_t bases[] = {GPR_RBX, GPR_RBX, GPR_RBP, GPR_RBP,
					GPR_RSI, GPR_RDI, GPR_RBP, GPR_RBX};
	static const uint8_t indices[] = {GPR_RSI, GPR_RDI, GPR_RSI, GPR_RDI};
	unsigned mod = MODRM_MOD(modrm);
	unsigned rm = MODRM_RM(modrm);

	if (mod == MOD_NO_DISPLACEMENT && rm == RM_DISPLACEMENT_16) {
		place->displacement = guest_next_signed(reader, 2);
		return;
	}
	set_base(place, prefixes, bases[rm]);
	if (rm < ARRAY_COUNT(indices)) {
		place->index = indices[rm];
	}
	if (mod != MOD_NO_DISPLACEMENT) {
		place->displacement = guest_next_signed(reader, mod == MOD_DISPLACEMENT_8 ? 1 : 2);
	}
}

/* Answers the low bits of the base register. */
static unsigned read_sib(struct guest_place *place, struct guest_reader *reader,
			 const struct guest_prefixes *prefixes)
{
	uint8_t sib = guest_next_byte(reader);
	unsigned index = (sib >> 3 & 7u) | (prefixes->rex & REX_X ? 8u : 0);

	if (index != GPR_RSP) {
		place->index = (uint8_t)index;
		place->scale = (uint8_t)(1u << (sib >> 6));
	}
	return sib & 7u;
}

/* SDM vol. 2, tables 2-2 and 2-3; with REX: 2.2.1.2 and 2.2.1.6 */
static void read_32_64(struct guest_place *place, struct guest_reader *reader,
		       const struct guest_prefixes *prefixes, unsigned bits, uint8_t modrm)
{
	unsigned mod = MODRM_MOD(modrm);
	unsigned base = MODRM_RM(modrm);
	bool sib = base == RM_SIB;

	if (sib) {
		base = read_sib(place, reader, prefixes);
	}
	if (mod == MOD_NO_DISPLACEMENT && base == RM_DISPLACEMENT) {
		place->next_rip = !sib && bits == 64;
		place->displacement = guest_next_signed(reader, 4);
		return;
	}
	set_base(place, prefixes, base | (prefixes->rex & REX_B ? 8u : 0));
	if (mod != MOD_NO_DISPLACEMENT) {
		place->displacement = guest_next_signed(reader, mod == MOD_DISPLACEMENT_8 ? 1 : 4);
	}
}

bool guest_place_read(struct guest_place *place, struct guest_reader *reader,
		      const struct guest_prefixes *prefixes, unsigned bits, uint8_t modrm)
{
	if (MODRM_MOD(modrm) == MOD_REGISTER) {
		return false;
	}
	if (place->bits == 16) {
		read_16(place, reader, prefixes, modrm);
	} else {
		read_32_64(place, reader, prefixes, bits, modrm);
	}
	return true;
}

uint64_t guest_place_offset(const struct guest_place *place, uint64_t base, uint64_t index,
			    uint64_t next_rip)
{
	uint64_t offset = (uint64_t)place->displacement;

	if (place->base != GUEST_NO_REGISTER) {
		offset += base;
	}
	if (place->index != GUEST_NO_REGISTER) {
		offset += index * place->scale;
	}
	if (place->next_rip) {
		offset += next_rip;
	}
	return offset & ~0ull >> (64 - place->bits);
}
