/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/x86/guest/guest_decode.c: what each form is in each mode, lengths as binutils have them, and
 * any bytes at all. What the instructions do is in test_guest_native.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "arch/x86/guest/guest_decode.h"
#include "base/bits.h"
#include "fake/forms.h"

/* ---- What each form is ---- */

#define NONE GUEST_NO_REGISTER
#define LOAD 1u
#define STORE 2u
#define BOTH 3u

struct expected {
	const char *text;
	unsigned bits;
	unsigned length;
	const char *code;
	enum guest_operation operation;
	unsigned bytes, access;
	unsigned gpr, gpr_bytes;
	bool high, first, written, sign;
	uint64_t immediate;
	enum guest_segment_register segment;
	unsigned base, index, scale, address_bits;
	bool next_rip;
	int64_t displacement;
};

#define DS_(base, index, scale, address_bits, displacement)                                        \
	GUEST_SEGMENT_DS, base, index, scale, address_bits, false, displacement
#define SS_(base, index, scale, address_bits, displacement)                                        \
	GUEST_SEGMENT_SS, base, index, scale, address_bits, false, displacement
#define CODE(bits, code) #code, bits, sizeof(code) - 1, code

static const struct expected expected[] = {
	/* The end of an interrupt, as Linux writes it. */
	{CODE(64, "\x89\xb7\x00\xc0\x5f\xff"), GUEST_MOV, 4, STORE, GPR_RSI, 4, false, false, false,
	 false, 0, DS_(GPR_RDI, NONE, 1, 64, -0xa04000)},
	{CODE(64, "\xc7\x04\x25\xb0\x00\x5f\xff\x00\x00\x00\x00"), GUEST_MOV, 4, STORE, NONE, 0,
	 false, false, false, false, 0, DS_(NONE, NONE, 1, 64, -0xa0ff50)},
	{CODE(64, "\x8b\x87\x20\xc0\x5f\xff"), GUEST_MOV, 4, LOAD, GPR_RAX, 4, false, true, true,
	 false, 0, DS_(GPR_RDI, NONE, 1, 64, -0xa03fe0)},
	{CODE(32, "\xa3\xb0\x00\xe0\xfe"), GUEST_MOV, 4, STORE, GPR_RAX, 4, false, false, false,
	 false, 0, DS_(NONE, NONE, 1, 32, 0xfee000b0)},
	{CODE(32, "\xa1\x30\x00\xe0\xfe"), GUEST_MOV, 4, LOAD, GPR_RAX, 4, false, true, true, false,
	 0, DS_(NONE, NONE, 1, 32, 0xfee00030)},
	{CODE(64, "\xa0\x88\x77\x66\x55\x44\x33\x22\x11"), GUEST_MOV, 1, LOAD, GPR_RAX, 1, false,
	 true, true, false, 0, DS_(NONE, NONE, 1, 64, 0x1122334455667788)},
	{CODE(64, "\x48\xa3\x88\x77\x66\x55\x44\x33\x22\x91"), GUEST_MOV, 8, STORE, GPR_RAX, 8,
	 false, false, false, false, 0, DS_(NONE, NONE, 1, 64, (int64_t)0x9122334455667788)},
	{CODE(64, "\x67\x66\xa1\x88\x77\x66\x95"), GUEST_MOV, 2, LOAD, GPR_RAX, 2, false, true,
	 true, false, 0, DS_(NONE, NONE, 1, 32, 0x95667788)},
	{CODE(32, "\x67\xa2\x34\x92"), GUEST_MOV, 1, STORE, GPR_RAX, 1, false, false, false, false,
	 0, DS_(NONE, NONE, 1, 16, 0x9234)},
	/* Bytes of registers: AH to BH, or with any REX prefix SPL to DIL. */
	{CODE(64, "\x88\x38"), GUEST_MOV, 1, STORE, GPR_RBX, 1, true, false, false, false, 0,
	 DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(64, "\x40\x88\x38"), GUEST_MOV, 1, STORE, GPR_RDI, 1, false, false, false, false, 0,
	 DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(64, "\x44\x8a\x20"), GUEST_MOV, 1, LOAD, GPR_R12, 1, false, true, true, false, 0,
	 DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(64, "\x40\x66\x88\x20"), GUEST_MOV, 1, STORE, GPR_RAX, 1, true, false, false, false,
	 0, DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(32, "\x8a\x30"), GUEST_MOV, 1, LOAD, GPR_RDX, 1, true, true, true, false, 0,
	 DS_(GPR_RAX, NONE, 1, 32, 0)},
	/* Extensions: only the source may be a byte of AH. */
	{CODE(64, "\x0f\xb6\x27"), GUEST_MOV, 1, LOAD, GPR_RSP, 4, false, true, true, false, 0,
	 DS_(GPR_RDI, NONE, 1, 64, 0)},
	{CODE(64, "\x4c\x0f\xbf\x27"), GUEST_MOV, 2, LOAD, GPR_R12, 8, false, true, true, true, 0,
	 DS_(GPR_RDI, NONE, 1, 64, 0)},
	{CODE(16, "\x0f\xbe\x05"), GUEST_MOV, 1, LOAD, GPR_RAX, 2, false, true, true, true, 0,
	 DS_(GPR_RDI, NONE, 1, 16, 0)},
	{CODE(64, "\x48\x63\x07"), GUEST_MOV, 4, LOAD, GPR_RAX, 8, false, true, true, true, 0,
	 DS_(GPR_RDI, NONE, 1, 64, 0)},
	{CODE(64, "\x63\x07"), GUEST_MOV, 4, LOAD, GPR_RAX, 4, false, true, true, true, 0,
	 DS_(GPR_RDI, NONE, 1, 64, 0)},
	/* Immediates. */
	{CODE(64, "\x48\xc7\x00\x80\x00\x00\x80"), GUEST_MOV, 8, STORE, NONE, 0, false, false,
	 false, false, 0xffffffff80000080, DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(64, "\x66\xc7\x00\x80\x80"), GUEST_MOV, 2, STORE, NONE, 0, false, false, false, false,
	 0xffffffffffff8080, DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(16, "\xc7\x06\x34\x12\x78\x56"), GUEST_MOV, 2, STORE, NONE, 0, false, false, false,
	 false, 0x5678, DS_(NONE, NONE, 1, 16, 0x1234)},
	{CODE(16, "\x66\xc7\x07\x78\x56\x34\x12"), GUEST_MOV, 4, STORE, NONE, 0, false, false,
	 false, false, 0x12345678, DS_(GPR_RBX, NONE, 1, 16, 0)},
	{CODE(64, "\xc6\x00\xff"), GUEST_MOV, 1, STORE, NONE, 0, false, false, false, false,
	 UINT64_MAX, DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(64, "\x48\x83\x08\xff"), GUEST_OR, 8, BOTH, NONE, 0, false, false, false, false,
	 UINT64_MAX, DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(64, "\x81\x38\x01\x02\x03\x04"), GUEST_CMP, 4, LOAD, NONE, 0, false, false, false,
	 false, 0x04030201, DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(32, "\x82\x20\x0f"), GUEST_AND, 1, BOTH, NONE, 0, false, false, false, false, 0x0f,
	 DS_(GPR_RAX, NONE, 1, 32, 0)},
	{CODE(64, "\xf7\x00\x00\x10\x00\x00"), GUEST_TEST, 4, LOAD, NONE, 0, false, false, false,
	 false, 0x1000, DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(64, "\xf6\x08\x01"), GUEST_TEST, 1, LOAD, NONE, 0, false, false, false, false, 1,
	 DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(64, "\xf7\x10"), GUEST_NOT, 4, BOTH, NONE, 0, false, false, false, false, 0,
	 DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(64, "\xf6\x18"), GUEST_NEG, 1, BOTH, NONE, 0, false, false, false, false, 0,
	 DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(64, "\xff\x08"), GUEST_DEC, 4, BOTH, NONE, 0, false, false, false, false, 0,
	 DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(64, "\x66\xf0\xff\x00"), GUEST_INC, 2, BOTH, NONE, 0, false, false, false, false, 0,
	 DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(64, "\x0f\xba\x20\x1f"), GUEST_BT, 4, LOAD, NONE, 0, false, false, false, false, 0x1f,
	 DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(64, "\xf0\x48\x0f\xba\x28\x3f"), GUEST_BTS, 8, BOTH, NONE, 0, false, false, false,
	 false, 0x3f, DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(64, "\x0f\xba\x38\x02"), GUEST_BTC, 4, BOTH, NONE, 0, false, false, false, false, 2,
	 DS_(GPR_RAX, NONE, 1, 64, 0)},
	/* Registers, both ways. */
	{CODE(64, "\xf0\x01\x08"), GUEST_ADD, 4, BOTH, GPR_RCX, 4, false, false, false, false, 0,
	 DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(64, "\x1b\x08"), GUEST_SBB, 4, LOAD, GPR_RCX, 4, false, true, true, false, 0,
	 DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(64, "\x39\x08"), GUEST_CMP, 4, LOAD, GPR_RCX, 4, false, false, false, false, 0,
	 DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(64, "\x3a\x28"), GUEST_CMP, 1, LOAD, GPR_RCX, 1, true, true, false, false, 0,
	 DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(64, "\x4d\x85\x08"), GUEST_TEST, 8, LOAD, GPR_R9, 8, false, false, false, false, 0,
	 DS_(GPR_R8, NONE, 1, 64, 0)},
	{CODE(64, "\xf0\x87\x08"), GUEST_XCHG, 4, BOTH, GPR_RCX, 4, false, false, true, false, 0,
	 DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(64, "\xf2\xf0\x86\x08"), GUEST_XCHG, 1, BOTH, GPR_RCX, 1, false, false, true, false,
	 0, DS_(GPR_RAX, NONE, 1, 64, 0)},
	/* Addresses. */
	{CODE(64, "\x8b\x05\x10\x00\x00\x00"), GUEST_MOV, 4, LOAD, GPR_RAX, 4, false, true, true,
	 false, 0, GUEST_SEGMENT_DS, NONE, NONE, 1, 64, true, 0x10},
	{CODE(32, "\x8b\x05\x10\x00\x00\x80"), GUEST_MOV, 4, LOAD, GPR_RAX, 4, false, true, true,
	 false, 0, DS_(NONE, NONE, 1, 32, -0x7ffffff0)},
	{CODE(64, "\x67\x8b\x05\x10\x00\x00\x00"), GUEST_MOV, 4, LOAD, GPR_RAX, 4, false, true,
	 true, false, 0, GUEST_SEGMENT_DS, NONE, NONE, 1, 32, true, 0x10},
	{CODE(64, "\x8b\x45\xfc"), GUEST_MOV, 4, LOAD, GPR_RAX, 4, false, true, true, false, 0,
	 SS_(GPR_RBP, NONE, 1, 64, -4)},
	{CODE(64, "\x41\x8b\x45\xfc"), GUEST_MOV, 4, LOAD, GPR_RAX, 4, false, true, true, false, 0,
	 DS_(GPR_R13, NONE, 1, 64, -4)},
	{CODE(64, "\x8b\x04\x24"), GUEST_MOV, 4, LOAD, GPR_RAX, 4, false, true, true, false, 0,
	 SS_(GPR_RSP, NONE, 1, 64, 0)},
	{CODE(64, "\x42\x8b\x44\xe4\x08"), GUEST_MOV, 4, LOAD, GPR_RAX, 4, false, true, true, false,
	 0, SS_(GPR_RSP, GPR_R12, 8, 64, 8)},
	{CODE(64, "\x41\x8b\x84\x54\x00\x01\x00\x00"), GUEST_MOV, 4, LOAD, GPR_RAX, 4, false, true,
	 true, false, 0, DS_(GPR_R12, GPR_RDX, 2, 64, 0x100)},
	{CODE(64, "\x41\x8b\x04\x45\x00\x01\x00\x00"), GUEST_MOV, 4, LOAD, GPR_RAX, 4, false, true,
	 true, false, 0, DS_(NONE, GPR_RAX, 2, 64, 0x100)},
	{CODE(64, "\x65\x8b\x00"), GUEST_MOV, 4, LOAD, GPR_RAX, 4, false, true, true, false, 0,
	 GUEST_SEGMENT_GS, GPR_RAX, NONE, 1, 64, false, 0},
	{CODE(64, "\x64\x2e\x8b\x45\x00"), GUEST_MOV, 4, LOAD, GPR_RAX, 4, false, true, true, false,
	 0, GUEST_SEGMENT_FS, GPR_RBP, NONE, 1, 64, false, 0},
	{CODE(64, "\x36\x8b\x00"), GUEST_MOV, 4, LOAD, GPR_RAX, 4, false, true, true, false, 0,
	 DS_(GPR_RAX, NONE, 1, 64, 0)},
	{CODE(32, "\x26\x8b\x45\x00"), GUEST_MOV, 4, LOAD, GPR_RAX, 4, false, true, true, false, 0,
	 GUEST_SEGMENT_ES, GPR_RBP, NONE, 1, 32, false, 0},
	{CODE(32, "\x36\xa1\x00\x00\x00\x00"), GUEST_MOV, 4, LOAD, GPR_RAX, 4, false, true, true,
	 false, 0, SS_(NONE, NONE, 1, 32, 0)},
	{CODE(16, "\x2e\x8b\x42\x80"), GUEST_MOV, 2, LOAD, GPR_RAX, 2, false, true, true, false, 0,
	 GUEST_SEGMENT_CS, GPR_RBP, GPR_RSI, 1, 16, false, -0x80},
	{CODE(16, "\x8b\x83\x80\x80"), GUEST_MOV, 2, LOAD, GPR_RAX, 2, false, true, true, false, 0,
	 SS_(GPR_RBP, GPR_RDI, 1, 16, -0x7f80)},
	{CODE(16, "\x8b\x46\x00"), GUEST_MOV, 2, LOAD, GPR_RAX, 2, false, true, true, false, 0,
	 SS_(GPR_RBP, NONE, 1, 16, 0)},
	{CODE(16, "\x67\x66\x8b\x04\x48"), GUEST_MOV, 4, LOAD, GPR_RAX, 4, false, true, true, false,
	 0, DS_(GPR_RAX, GPR_RCX, 2, 32, 0)},
	{CODE(32, "\x67\x8b\x00"), GUEST_MOV, 4, LOAD, GPR_RAX, 4, false, true, true, false, 0,
	 DS_(GPR_RBX, GPR_RSI, 1, 16, 0)},
	{CODE(32, "\x67\x8b\x4c\x04"), GUEST_MOV, 4, LOAD, GPR_RCX, 4, false, true, true, false, 0,
	 DS_(GPR_RSI, NONE, 1, 16, 4)},
};

#define SAME(name, value)                                                                          \
	do {                                                                                       \
		if ((uint64_t)(got.name) != (uint64_t)(value)) {                                   \
			fail_msg("%s: " #name " is 0x%llx", form->text,                            \
				 (unsigned long long)got.name);                                    \
		}                                                                                  \
	} while (0)

static void check(const struct expected *form)
{
	struct guest_instruction got;

	assert_int_equal(guest_decode((const uint8_t *)form->code, form->length, form->bits, &got),
			 GUEST_DECODED);
	SAME(length, form->length);
	SAME(operation, form->operation);
	SAME(bytes, form->bytes);
	SAME(reads, (form->access & LOAD) != 0);
	SAME(writes, (form->access & STORE) != 0);
	SAME(gpr, form->gpr);
	SAME(gpr_bytes, form->gpr_bytes);
	SAME(gpr_high, form->high);
	SAME(gpr_first, form->first);
	SAME(gpr_written, form->written);
	SAME(sign_extends, form->sign);
	SAME(immediate, form->immediate);
	SAME(place.segment, form->segment);
	SAME(place.base, form->base);
	SAME(place.index, form->index);
	SAME(place.scale, form->scale);
	SAME(place.bits, form->address_bits);
	SAME(place.next_rip, form->next_rip);
	SAME(place.displacement, form->displacement);
}

static void test_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(expected); i++) {
		check(&expected[i]);
	}
}

static const struct {
	unsigned bits;
	const char *code;
	size_t length;
} refused[] = {
#define REFUSED(bits, code)                                                                        \
	{                                                                                          \
		bits, code, sizeof(code) - 1                                                       \
	}
	REFUSED(64, "\x89\xc0"),		 /* MOV to a register */
	REFUSED(64, "\x8b\xc0"),		 /* from one */
	REFUSED(64, "\xc7\xc0\x00\x00\x00\x00"), /* an immediate */
	REFUSED(64, "\x0f\xb6\xc0"),		 /* MOVZX */
	REFUSED(64, "\x48\x63\xc0"),		 /* MOVSXD */
	REFUSED(64, "\xf7\xd8"),		 /* NEG */
	REFUSED(64, "\xff\xc0"),		 /* INC */
	REFUSED(64, "\x81\xc0\x00\x00\x00\x00"), /* ADD */
	REFUSED(64, "\x0f\xba\xe0\x00"),	 /* BT */
	REFUSED(64, "\xa4"),			 /* MOVS */
	REFUSED(64, "\xf3\xa5"),		 /* REP MOVS */
	REFUSED(64, "\xf3\xab"),		 /* REP STOS */
	REFUSED(64, "\x04\x00"),		 /* ADD AL */
	REFUSED(64, "\x3d\x00\x00\x00\x00"),	 /* CMP EAX */
	REFUSED(32, "\x06"),			 /* PUSH ES */
	REFUSED(32, "\x40"),			 /* INC EAX */
	REFUSED(64, "\x50"),			 /* PUSH RAX */
	REFUSED(64, "\xff\x10"),		 /* CALL */
	REFUSED(64, "\xff\x30"),		 /* PUSH */
	REFUSED(64, "\xfe\x10"),		 /* nothing */
	REFUSED(64, "\xf7\x20"),		 /* MUL */
	REFUSED(64, "\xf6\x38"),		 /* IDIV */
	REFUSED(64, "\xc7\x08\x00\x00\x00\x00"), /* nothing */
	REFUSED(64, "\xd1\x20"),		 /* SHL */
	REFUSED(64, "\x8f\x00"),		 /* POP */
	REFUSED(64, "\x8c\x00"),		 /* MOV from a segment register */
	REFUSED(64, "\x8d\x00"),		 /* LEA */
	REFUSED(64, "\x0f\xa3\x00"),		 /* BT with a register: it may reach further */
	REFUSED(64, "\x0f\xba\x18\x00"),	 /* nothing */
	REFUSED(64, "\x0f\xb0\x00"),		 /* CMPXCHG */
	REFUSED(64, "\x0f\xc1\x00"),		 /* XADD */
	REFUSED(64, "\x0f\x6f\x00"),		 /* MMX */
	REFUSED(64, "\x0f\x38\xf0\x00"),	 /* MOVBE */
	REFUSED(64, "\xc5\xf8\x10\x00"),	 /* AVX */
	REFUSED(64, "\x62\xf1\x7c\x48"),	 /* AVX-512 */
	REFUSED(64, "\xd9\x00"),		 /* x87 */
	REFUSED(64, "\xcc"),			 /* INT3 */
	REFUSED(64, "\x82\x00\x00"),		 /* gone with 64-bit mode */
	REFUSED(32, "\x63\x00"),		 /* ARPL */
	REFUSED(64, "\x66\x63\x00"),		 /* MOVSXD of 16 bits */
	/* LOCK where nothing is both read and written. */
	REFUSED(64, "\xf0\x89\x00"),
	REFUSED(64, "\xf0\x8b\x00"),
	REFUSED(64, "\xf0\x39\x00"),
	REFUSED(64, "\xf0\x03\x00"),
	REFUSED(64, "\xf0\x85\x00"),
	REFUSED(64, "\xf0\xf7\x00\x00\x00\x00\x00"),
	REFUSED(64, "\xf0\x0f\xba\x20\x00"),
	REFUSED(64, "\xf0\xc7\x00\x00\x00\x00\x00"),
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
		struct guest_instruction got;

		if (guest_decode((const uint8_t *)refused[i].code, refused[i].length,
				 refused[i].bits, &got) != GUEST_REFUSED) {
			fail_msg("form %u is not refused", (unsigned)i);
		}
	}
}

static void test_offsets(void **state)
{
	struct guest_place place = {
		.base = GPR_RAX, .index = GPR_RCX, .scale = 4, .bits = 64, .displacement = -8};

	(void)state;
	assert_int_equal(guest_place_offset(&place, 0x100000000, 0x10, 0x999), 0x100000038);
	place.bits = 32;
	assert_int_equal(guest_place_offset(&place, 0x100000000, 0x10, 0x999), 0x38);
	place.bits = 16;
	assert_int_equal(guest_place_offset(&place, 0xfffff, 0x10, 0x999), 0x37);
	place.next_rip = true;
	place.base = GUEST_NO_REGISTER;
	assert_int_equal(guest_place_offset(&place, 0xfffff, 0x10, 0x999), 0x9d1);
	place.index = GUEST_NO_REGISTER;
	assert_int_equal(guest_place_offset(&place, 0xfffff, 0x10, 0x999), 0x991);
}

/* ---- Lengths ---- */

#define SLOT 32u /* with space for instructions of other lengths */
#define SLOTS 4000u
#define NOP 0x90

/* Where the second instruction of each slot begins, according to objdump. */
static void disassemble(const char *path, const char *machine, uint8_t lengths[SLOTS])
{
	char command[256], line[256];
	unsigned slot = SLOTS;
	FILE *output;

	snprintf(command, sizeof(command),
		 "LC_ALL=C objdump -D -w -z --no-show-raw-insn -b binary -m %s %s", machine, path);
	output = popen(command, "r");
	assert_non_null(output);
	memset(lengths, 0, SLOTS);
	while (fgets(line, sizeof(line), output) != NULL) {
		unsigned at;

		if (sscanf(line, " %x:", &at) != 1) {
			continue;
		}
		if (slot < SLOTS && lengths[slot] == 0) {
			lengths[slot] = (uint8_t)(at - slot * SLOT);
		}
		slot = at % SLOT == 0 ? at / SLOT : slot;
	}
	assert_int_equal(pclose(output), 0);
}

static void check_lengths(unsigned bits, const char *machine)
{
	static uint8_t code[SLOTS * SLOT];
	uint8_t lengths[SLOTS];
	char path[] = P_tmpdir "/aerostat.XXXXXX";
	int file = mkstemp(path);

	assert_true(file >= 0);
	memset(code, NOP, sizeof(code));
	for (unsigned i = 0; i < SLOTS; i++) {
		struct form form;

		do {
			form_make(&form, bits, false);
		} while (form.length > GUEST_INSTRUCTION_BYTES_MAX);
		memcpy(code + (size_t)i * SLOT, form.bytes, form.length);
	}
	assert_int_equal(write(file, code, sizeof(code)), sizeof(code));
	close(file);
	disassemble(path, machine, lengths);
	assert_int_equal(unlink(path), 0);
	for (unsigned i = 0; i < SLOTS; i++) {
		struct guest_instruction got;

		if (guest_decode(code + (size_t)i * SLOT, SLOT, bits, &got) != GUEST_DECODED ||
		    got.length != lengths[i]) {
			fail_msg("%u bits, form %u: %02x %02x %02x %02x: length %u, objdump %u",
				 bits, i, code[i * SLOT], code[i * SLOT + 1], code[i * SLOT + 2],
				 code[i * SLOT + 3], got.length, lengths[i]);
		}
	}
}

static void test_lengths(void **state)
{
	(void)state;
	forms_start(0x12345678);
	check_lengths(16, "i8086");
	check_lengths(32, "i386");
	check_lengths(64, "i386:x86-64");
}

/* ---- Any bytes ---- */

/* At the end of a page, with none behind it: one byte too many is a fault. */
static uint8_t *at_the_edge(const uint8_t *bytes, size_t count)
{
	static uint8_t *page;

	if (page == NULL) {
		page = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert_ptr_not_equal(page, MAP_FAILED);
		assert_int_equal(mprotect(page, 4096, PROT_READ | PROT_WRITE), 0);
	}
	memcpy(page + 4096 - count, bytes, count);
	return page + 4096 - count;
}

/* Of all beginnings: those that are too short are cut, the others say the same. */
static void check_beginnings(const uint8_t *bytes, size_t count, unsigned bits)
{
	struct guest_instruction whole, part;
	enum guest_decoding decoding = guest_decode(bytes, count, bits, &whole);

	assert_true(decoding == GUEST_CUT || whole.length <= GUEST_INSTRUCTION_BYTES_MAX);
	assert_true(decoding == GUEST_CUT || whole.length >= 1);
	for (size_t i = 0; i <= count; i++) {
		enum guest_decoding got = guest_decode(at_the_edge(bytes, i), i, bits, &part);

		if (decoding == GUEST_CUT || i < whole.length) {
			assert_int_equal(got, GUEST_CUT);
		} else {
			assert_int_equal(got, decoding);
			assert_memory_equal(&part, &whole, sizeof(whole));
		}
	}
}

static void test_random_bytes(void **state)
{
	unsigned decoded = 0;

	(void)state;
	forms_start(77);
	for (unsigned i = 0; i < 60000; i++) {
		uint8_t bytes[20];
		unsigned bits = 16u << i % 3;
		struct guest_instruction got;

		for (size_t k = 0; k < sizeof(bytes); k++) {
			bytes[k] = (uint8_t)forms_below(256);
		}
		check_beginnings(bytes, sizeof(bytes), bits);
		decoded += guest_decode(bytes, sizeof(bytes), bits, &got) == GUEST_DECODED;
	}
	assert_true(decoded > 6000);
	for (unsigned i = 0; i < 6000; i++) {
		struct form form;

		form_make(&form, 16u << i % 3, true);
		check_beginnings(form.bytes, form.length, 16u << i % 3);
	}
}

/* Fifteen bytes are the limit, whatever follows (SDM vol. 2, 2.3.11). */
static void test_too_long(void **state)
{
	uint8_t bytes[20];
	struct guest_instruction got;

	(void)state;
	memset(bytes, 0x2e, sizeof(bytes));
	memcpy(bytes + 13, "\x89\x08", 2);
	assert_int_equal(guest_decode(bytes, sizeof(bytes), 64, &got), GUEST_DECODED);
	assert_int_equal(got.length, 15);
	memset(bytes, 0x2e, sizeof(bytes));
	memcpy(bytes + 14, "\x89\x08", 2);
	assert_int_equal(guest_decode(bytes, sizeof(bytes), 64, &got), GUEST_CUT);
	memset(bytes, 0x66, sizeof(bytes));
	assert_int_equal(guest_decode(bytes, sizeof(bytes), 32, &got), GUEST_CUT);
	assert_int_equal(guest_decode(bytes, 0, 32, &got), GUEST_CUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),	     cmocka_unit_test(test_refused),
		cmocka_unit_test(test_offsets),	     cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_random_bytes), cmocka_unit_test(test_too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
