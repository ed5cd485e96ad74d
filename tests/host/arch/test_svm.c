/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pure parts of the AMD-V backend: what a processor must offer, the decoder, ASIDs with their
 * model of the TLB, events that come back from an exit, and the software check of a VMCB.
 */
#include "fake/panic.h"

#include <string.h>

#include "arch/x86/cpu/registers.h"
#include "arch/x86/guest/guest_event.h"
#include "arch/x86/guest/guest_msr.h"
#include "arch/x86/svm/svm_asid.h"
#include "arch/x86/svm/svm_caps.h"
#include "arch/x86/svm/svm_check.h"
#include "arch/x86/svm/svm_decode.h"
#include "base/bits.h"

/* ---- Capabilities ---- */

static const struct svm_facts epyc = {
	.cpuid_svm = true,
	.gib_pages = true,
	.asid_count = 32768,
	.features = 0x0001bcff,
};

/* The error message, or NULL. */
static const char *judge(struct svm_facts facts, struct svm_caps *caps)
{
	static struct error error;

	if (svm_caps_compute(&facts, caps, &error) == STATUS_OK) {
		return NULL;
	}
	assert_true(strlen(error.text) < sizeof(error.text) - 1); /* nothing is cut */
	return error.text;
}

static void test_caps_of_processors(void **state)
{
	struct svm_facts facts = epyc;
	struct svm_caps caps;
	(void)state;

	assert_null(judge(facts, &caps));
	assert_true(caps.next_rip && caps.decode && caps.flush_by_asid && !caps.unlock);
	assert_false(caps.breakpoints_stay || caps.virtual_exits);
	assert_int_equal(caps.leaf_level, 2);
	assert_int_equal(caps.asid_count, 32768);

	/* The emulated one: nested paging, 16 ASIDs, and nothing else. */
	facts = (struct svm_facts){.cpuid_svm = true, .asid_count = 16, .features = 1};
	assert_null(judge(facts, &caps));
	assert_false(caps.next_rip || caps.decode || caps.flush_by_asid);
	assert_true(caps.breakpoints_stay && caps.virtual_exits);
	assert_false(caps.repeats_injected);
	assert_int_equal(caps.leaf_level, 1);
	/* The same below no other hypervisor: its entries repeat what they inject. */
	facts.tcg = true;
	assert_null(judge(facts, &caps));
	assert_true(caps.repeats_injected && caps.breakpoints_stay);
	assert_false(caps.virtual_exits);
}

static void test_caps_error_messages(void **state)
{
	struct svm_facts facts = {0};
	struct svm_caps caps;
	(void)state;

	assert_non_null(strstr(judge(facts, &caps), "no AMD-V"));
	facts = epyc;
	facts.features &= ~(uint32_t)SVM_FEATURE_NESTED_PAGING;
	assert_non_null(strstr(judge(facts, &caps), "nested paging"));
	facts = epyc;
	facts.asid_count = 1;
	assert_non_null(strstr(judge(facts, &caps), "address-space identifiers"));
	facts = epyc;
	facts.vm_cr = VM_CR_SVMDIS | VM_CR_LOCK;
	assert_non_null(strstr(judge(facts, &caps), "enable SVM mode in the firmware"));
	facts.vm_cr = VM_CR_LOCK;
	assert_null(judge(facts, &caps));
	facts.vm_cr = VM_CR_SVMDIS;
	assert_null(judge(facts, &caps));
	assert_true(caps.unlock);
}

/* What firmware has left on each processor of a machine may differ, what they can do may not. */
static void test_caps_alike(void **state)
{
	struct svm_facts facts = epyc;
	struct svm_caps first, second;
	(void)state;

	assert_null(judge(facts, &first));
	facts.vm_cr = VM_CR_SVMDIS;
	assert_null(judge(facts, &second));
	assert_true(svm_caps_alike(&first, &second));
	facts.features &= ~(uint32_t)SVM_FEATURE_NEXT_RIP;
	assert_null(judge(facts, &second));
	assert_false(svm_caps_alike(&first, &second));
	facts = epyc;
	facts.asid_count = 16;
	assert_null(judge(facts, &second));
	assert_false(svm_caps_alike(&first, &second));
}

/* ---- The trial of CR2 ---- */

/* What a processor does with it: 0 as the manual has it, 1 nothing, 2 it only loads, 3 saves it. */
static void look(struct svm_cr2_look *at, unsigned kind, bool restores)
{
	*at = (struct svm_cr2_look){
		.vmcb = 0x1000, .processor = 0x2000, .guest = 0x3000, .done = true};
	at->seen = kind == 0 || kind == 2 ? at->vmcb : at->processor;
	at->saved = kind == 0 || kind == 3 ? at->guest : at->vmcb;
	at->left = restores ? at->processor : at->guest;
}

/*
 * Regression: CR2 was read after the exit: one that a hypervisor below had restored for its own
 * guest, us, was taken for a processor that does not load it, and guests then saw the host's.
 */
static void test_cr2_of_the_trial(void **state)
{
	static const struct {
		bool good, takes;
	} expected[4][2] = {
		{{true, true}, {true, true}}, /* the second: where CR2 is restored at exits */
		{{true, false}, {false, false}},
		{{false, false}, {false, false}},
		{{true, false}, {false, false}},
	};
	struct svm_cr2_look looks[SVM_CR2_LOOKS];
	struct svm_caps caps;
	(void)state;

	for (unsigned kind = 0; kind < 4; kind++) {
		for (unsigned restores = 0; restores < 2; restores++) {
			/* Three looks, or one of each place. */
			for (unsigned which = 0; which <= SVM_CR2_LOOKS; which++) {
				for (unsigned i = 0; i < SVM_CR2_LOOKS; i++) {
					look(&looks[i], kind, restores);
					looks[i].done = which == SVM_CR2_LOOKS || which == i;
				}
				caps = (struct svm_caps){.takes_cr2 = true};
				assert_int_equal(svm_caps_judge_cr2(looks, &caps),
						 expected[kind][restores].good);
				assert_int_equal(caps.takes_cr2, expected[kind][restores].takes);
			}
		}
	}
	/* Looks that differ: nothing is certain. */
	look(&looks[0], 0, true);
	look(&looks[1], 1, false);
	looks[2].done = false;
	assert_false(svm_caps_judge_cr2(looks, &caps));
	/* No look could be done: as the manual has it. */
	looks[0].done = looks[1].done = false;
	assert_true(svm_caps_judge_cr2(looks, &caps));
	assert_true(caps.takes_cr2);
}

/* ---- Decoder ---- */

#define DECODE(bits, ...)                                                                          \
	svm_decode((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), bits)

static void expect_instruction(struct svm_instruction got, enum svm_instruction_kind kind,
			       unsigned length, unsigned cr, unsigned gpr)
{
	assert_int_equal(got.kind, kind);
	if (kind != INSTRUCTION_OTHER && kind != INSTRUCTION_CUT) {
		assert_int_equal(got.length, length);
		assert_int_equal(got.cr, cr);
		assert_int_equal(got.gpr, gpr);
	}
}

static void test_decode_moves(void **state)
{
	(void)state;
	expect_instruction(DECODE(32, 0x0f, 0x22, 0xc0), INSTRUCTION_MOV_TO, 3, 0, 0);
	expect_instruction(DECODE(16, 0x0f, 0x22, 0xe6), INSTRUCTION_MOV_TO, 3, 4, 6);
	expect_instruction(DECODE(64, 0x0f, 0x20, 0xe3), INSTRUCTION_MOV_FROM, 3, 4, 3);
	/* REX.B names R8 to R15, REX.R CR8; REX.W changes nothing. */
	expect_instruction(DECODE(64, 0x41, 0x0f, 0x22, 0xc7), INSTRUCTION_MOV_TO, 4, 0, 15);
	expect_instruction(DECODE(64, 0x4c, 0x0f, 0x22, 0xc1), INSTRUCTION_MOV_TO, 4, 8, 1);
	/* LOCK is AMD's way to CR8 without REX. */
	expect_instruction(DECODE(32, 0xf0, 0x0f, 0x22, 0xc1), INSTRUCTION_MOV_TO, 4, 8, 1);
	/* The mod field does not count, and prefixes without a meaning do not disturb. */
	expect_instruction(DECODE(32, 0x66, 0x2e, 0x0f, 0x22, 0x03), INSTRUCTION_MOV_TO, 5, 0, 3);
	/* Debug registers have opcodes of their own. */
	expect_instruction(DECODE(32, 0x0f, 0x23, 0xf8), INSTRUCTION_MOV_TO_DR, 3, 7, 0);
	expect_instruction(DECODE(64, 0x41, 0x0f, 0x21, 0xeb), INSTRUCTION_MOV_FROM_DR, 4, 5, 11);
	/* Outside 64-bit mode 0x41 is INC ECX. */
	expect_instruction(DECODE(32, 0x41, 0x0f, 0x22, 0xc7), INSTRUCTION_OTHER, 0, 0, 0);
	/* REX counts only right before the opcode, and only the last. */
	expect_instruction(DECODE(64, 0x45, 0x66, 0x0f, 0x22, 0xc7), INSTRUCTION_MOV_TO, 5, 0, 7);
	expect_instruction(DECODE(64, 0x48, 0x66, 0x0f, 0x22, 0xe0), INSTRUCTION_MOV_TO, 5, 4, 0);
	expect_instruction(DECODE(64, 0x45, 0x40, 0x0f, 0x22, 0xc7), INSTRUCTION_MOV_TO, 5, 0, 7);
}

static void test_decode_machine_status_word(void **state)
{
	struct svm_instruction instruction;
	(void)state;

	expect_instruction(DECODE(64, 0x0f, 0x06), INSTRUCTION_CLTS, 2, 0, 0);
	expect_instruction(DECODE(16, 0x0f, 0x01, 0xf0), INSTRUCTION_LMSW, 3, 0, 0);
	expect_instruction(DECODE(64, 0x41, 0x0f, 0x01, 0xf3), INSTRUCTION_LMSW, 4, 0, 11);
	assert_true(DECODE(32, 0x0f, 0x01, 0x33).memory);
	assert_int_equal(DECODE(32, 0x0f, 0x01, 0x33).kind, INSTRUCTION_LMSW);
	assert_int_equal(DECODE(32, 0x0f, 0x01, 0x25).kind, INSTRUCTION_SMSW);
	assert_false(DECODE(32, 0x0f, 0x01, 0xe1).memory);
	expect_instruction(DECODE(32, 0x0f, 0x01, 0xc1), INSTRUCTION_OTHER, 0, 0, 0);
	instruction = DECODE(32, 0x0f, 0x01, 0xe2);
	expect_instruction(instruction, INSTRUCTION_SMSW, 3, 0, 2);
	assert_false(instruction.operand_16);
	assert_true(DECODE(16, 0x0f, 0x01, 0xe2).operand_16);
	assert_true(DECODE(64, 0x66, 0x0f, 0x01, 0xe2).operand_16);
	assert_false(DECODE(16, 0x66, 0x0f, 0x01, 0xe2).operand_16);
	assert_false(DECODE(64, 0x66, 0x48, 0x0f, 0x01, 0xe2).operand_16);
}

/*
 * Every order of up to four prefixes, against the manual's rules written down once more (APM vol.
 * 3, 1.2): a REX prefix is one in 64-bit code alone and counts only as the last before the opcode;
 * LOCK leads to the upper control registers; 66 makes the operand of SMSW the other size.
 */
static const uint8_t prefix_bytes[] = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26,
				       0x64, 0x65, 0x40, 0x41, 0x44, 0x48, 0x4d, 0x4f};

struct reference {
	bool whole; /* all of them are prefixes in this mode */
	bool upper_cr, upper_gpr, word;
};

static struct reference refer(const uint8_t *prefixes, unsigned count, unsigned bits)
{
	uint8_t last = count > 0 ? prefixes[count - 1] : 0;
	bool rex = bits == 64 && last >= 0x40 && last <= 0x4f;
	struct reference reference = {.whole = true};

	for (unsigned i = 0; i < count; i++) {
		reference.upper_cr |= prefixes[i] == 0xf0;
		reference.word |= prefixes[i] == 0x66;
		reference.whole &= bits == 64 || prefixes[i] < 0x40 || prefixes[i] > 0x4f;
	}
	if (bits == 16) {
		reference.word = !reference.word;
	}
	if (rex) {
		reference.upper_cr |= (last & 4) != 0;
		reference.upper_gpr = (last & 1) != 0;
		reference.word &= !(last & 8);
	}
	return reference;
}

static void expect_prefixed(const uint8_t *prefixes, unsigned count, unsigned bits)
{
	static const struct {
		uint8_t bytes[3];
		unsigned count;
		enum svm_instruction_kind kind;
		unsigned cr, gpr;
	} table[] = {
		{{0x0f, 0x22, 0xe6}, 3, INSTRUCTION_MOV_TO, 4, 6},
		{{0x0f, 0x20, 0x03}, 3, INSTRUCTION_MOV_FROM, 0, 3},
		{{0x0f, 0x06}, 2, INSTRUCTION_CLTS, 0, 0},
		{{0x0f, 0x01, 0xf5}, 3, INSTRUCTION_LMSW, 0, 5},
		{{0x0f, 0x01, 0xe2}, 3, INSTRUCTION_SMSW, 0, 2},
	};
	struct reference reference = refer(prefixes, count, bits);

	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		unsigned whole = count + table[i].count;
		uint8_t bytes[SVM_INSTRUCTION_BYTES_MAX];
		bool moves = table[i].kind == INSTRUCTION_MOV_TO ||
			     table[i].kind == INSTRUCTION_MOV_FROM;
		struct svm_instruction got;

		memcpy(bytes, prefixes, count);
		memcpy(bytes + count, table[i].bytes, table[i].count);
		got = svm_decode(bytes, whole, bits);
		if (!reference.whole) {
			assert_int_equal(got.kind, INSTRUCTION_OTHER);
			continue;
		}
		assert_int_equal(got.kind, table[i].kind);
		assert_int_equal(got.length, whole);
		assert_int_equal(svm_prefix_bytes(bytes, whole, bits), count);
		assert_int_equal(got.cr, table[i].cr + (moves && reference.upper_cr ? 8 : 0));
		if (table[i].kind != INSTRUCTION_CLTS) {
			assert_int_equal(got.gpr, table[i].gpr + (reference.upper_gpr ? 8 : 0));
		}
		if (table[i].kind == INSTRUCTION_SMSW) {
			assert_int_equal(got.operand_16, reference.word);
		}
		for (unsigned cut = 0; cut < whole; cut++) {
			assert_int_equal(svm_decode(bytes, cut, bits).kind, INSTRUCTION_CUT);
		}
	}
}

static void test_decode_all_orders_of_prefixes(void **state)
{
	const unsigned kinds = ARRAY_COUNT(prefix_bytes);
	uint8_t prefixes[4];
	(void)state;

	for (unsigned count = 0, orders = 1; count <= 4; count++, orders *= kinds) {
		for (unsigned order = 0; order < orders; order++) {
			for (unsigned i = 0, rest = order; i < count; i++, rest /= kinds) {
				prefixes[i] = prefix_bytes[rest % kinds];
			}
			for (unsigned bits = 16; bits <= 64; bits *= 2) {
				expect_prefixed(prefixes, count, bits);
			}
		}
	}
}

static void test_steps_that_the_guest_would_see(void **state)
{
	static const uint8_t seen[][2] = {
		{0x17, 0},    {0x8e, 0xd0}, {0x9c, 0},	  {0x9d, 0},	{0xcc, 0},
		{0xcd, 0x80}, {0xce, 0},    {0xcf, 0},	  {0xf1, 0},	{0xfb, 0},
		{0x0f, 0x05}, {0x0f, 0x07}, {0x0f, 0x34}, {0x0f, 0x35},
	};
	static const uint8_t unseen[][2] = {{0x90, 0}, {0xf4, 0}, {0x0f, 0xa2}, {0x8b, 0x07}};
	uint8_t bytes[4] = {0x66, 0x48};
	(void)state;

	for (size_t i = 0; i < ARRAY_COUNT(seen); i++) {
		memcpy(bytes + 2, seen[i], 2);
		assert_false(svm_steps_unseen(bytes, 4, 64));
		assert_false(svm_steps_unseen(bytes + 2, 2, 16));
	}
	for (size_t i = 0; i < ARRAY_COUNT(unseen); i++) {
		memcpy(bytes + 2, unseen[i], 2);
		assert_true(svm_steps_unseen(bytes, 4, 64));
		assert_false(svm_steps_unseen(bytes, 3, 64));
	}
}

/* Twelve prefixes make 15 bytes; a sixteenth byte is never looked at. */
static void test_decode_ends_at_fifteen_bytes(void **state)
{
	uint8_t bytes[SVM_INSTRUCTION_BYTES_MAX + 1];
	(void)state;

	memset(bytes, 0x66, sizeof(bytes));
	memcpy(bytes + 12, "\x0f\x22\xe0", 3);
	assert_int_equal(svm_decode(bytes, sizeof(bytes), 64).kind, INSTRUCTION_MOV_TO);
	assert_int_equal(svm_decode(bytes, sizeof(bytes), 64).length, 15);
	memset(bytes, 0x66, sizeof(bytes));
	memcpy(bytes + 13, "\x0f\x22\xe0", 3);
	assert_int_equal(svm_decode(bytes, sizeof(bytes), 64).kind, INSTRUCTION_CUT);
}

/* Whatever the bytes are: nothing behind the last one is looked at (the sanitizer watches). */
static void test_decode_anything(void **state)
{
	static const uint8_t all_prefixes[SVM_INSTRUCTION_BYTES_MAX] = {
		0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
		0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
	};
	uint64_t random = 1;
	(void)state;

	assert_int_equal(svm_decode(all_prefixes, sizeof(all_prefixes), 64).kind, INSTRUCTION_CUT);
	for (unsigned round = 0; round < 200000; round++) {
		static const uint8_t likely[] = {0x0f, 0x22, 0x20, 0x01, 0x06, 0x23, 0x48, 0xf0};
		size_t count = round % (SVM_INSTRUCTION_BYTES_MAX + 1);
		uint8_t *bytes = test_malloc(count + 1);
		struct svm_instruction instruction;

		for (size_t i = 0; i < count; i++) {
			random = random * 6364136223846793005ull + 1442695040888963407ull;
			bytes[i] = random >> 60 & 1 ? likely[random >> 40 & 7]
						    : (uint8_t)(random >> 50);
		}
		instruction = svm_decode(bytes, count, 16u << round % 3);
		assert_true(instruction.length <= count);
		assert_true(instruction.gpr < 16 && instruction.cr < 16);
		test_free(bytes);
	}
}

/* ---- ASIDs ---- */

#define VCPUS 40
#define SPACES 8
#define SPACE(vcpu) ((vcpu) % SPACES)

static struct svm_asids asids[2];
static struct svm_asid mine[VCPUS];
static const char users[VCPUS];
static uint64_t epochs[2][SPACES]; /* as each CPU has seen them */

static int start_asids(void **state)
{
	(void)state;
	svm_asids_init(&asids[0], 16);
	svm_asids_init(&asids[1], 70000);
	memset(mine, 0, sizeof(mine));
	memset(epochs, 0, sizeof(epochs));
	return 0;
}

/* CPU 1 can flush a single ASID. */
static uint8_t enter(unsigned cpu, unsigned vcpu)
{
	return svm_asid_enter(&asids[cpu], &mine[vcpu], &users[vcpu], epochs[cpu][SPACE(vcpu)],
			      cpu == 1);
}

static void check(unsigned cpu, unsigned vcpu)
{
	svm_asid_check(&asids[cpu], &mine[vcpu], &users[vcpu], epochs[cpu][SPACE(vcpu)]);
}

static void test_asid_first_entry_flushes(void **state)
{
	(void)state;
	assert_int_equal(enter(0, 0), TLB_FLUSH_ALL);
	assert_int_equal(mine[0].number, 1);
	assert_int_equal(enter(0, 0), TLB_KEEP);
	assert_int_equal(enter(0, 1), TLB_KEEP);
	assert_int_equal(mine[1].number, 2);
}

static void test_asid_generations(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 15; i++) {
		assert_int_equal(enter(0, i), i == 0 ? TLB_FLUSH_ALL : TLB_KEEP);
	}
	/* All 15 are in use: the next one begins anew, and the others follow. */
	assert_int_equal(enter(0, 15), TLB_FLUSH_ALL);
	assert_int_equal(mine[15].number, 1);
	assert_int_equal(enter(0, 0), TLB_KEEP);
	assert_int_equal(mine[0].number, 2);
}

static void test_asid_flush(void **state)
{
	uint32_t before;
	(void)state;

	enter(0, 0);
	before = mine[0].number;
	svm_asid_stale(&asids[0], &mine[0]);
	assert_int_equal(enter(0, 0), TLB_KEEP); /* another ASID does it */
	assert_int_not_equal(mine[0].number, before);

	enter(1, 1);
	before = mine[1].number;
	svm_asid_stale(&asids[1], &mine[1]);
	assert_int_equal(enter(1, 1), TLB_FLUSH_ASID);
	assert_int_equal(mine[1].number, before);
	assert_int_equal(enter(1, 1), TLB_KEEP);
}

/* One vCPU's entry raises this CPU's epoch; what the other has here is as old as before. */
static void test_asid_of_each_vcpu_is_flushed_on_a_shared_cpu(void **state)
{
	const unsigned other = 0 + SPACES;
	uint32_t before;
	(void)state;

	for (unsigned cpu = 0; cpu < 2; cpu++) {
		enter(cpu, 0);
		enter(cpu, other);
		before = mine[other].number;
		epochs[cpu][SPACE(0)]++;
		enter(cpu, 0);
		check(cpu, 0);
		expect_panic("epoch", check(cpu, other));
		if (cpu == 0) {
			assert_int_equal(enter(cpu, other), TLB_KEEP);
			assert_int_not_equal(mine[other].number, before);
		} else {
			assert_int_equal(enter(cpu, other), TLB_FLUSH_ASID);
		}
		/* Once, and that of neither is disturbed by the other's. */
		assert_int_equal(enter(cpu, 0), TLB_KEEP);
		assert_int_equal(enter(cpu, other), TLB_KEEP);
	}
}

/* A flush here is nothing to a vCPU that is on another CPU, and it starts afresh where it comes to.
 */
static void test_asid_flush_leaves_those_on_other_cpus_alone(void **state)
{
	const unsigned other = 1 + SPACES;
	struct svm_asid before;
	(void)state;

	enter(0, 1);
	enter(1, other);
	before = mine[other];
	epochs[0][SPACE(1)]++;
	enter(0, 1);
	assert_memory_equal(&mine[other], &before, sizeof(before));
	check(1, other);
	assert_int_equal(enter(1, other), TLB_KEEP);
	assert_int_equal(mine[other].number, before.number);

	/* CPU 0 has flushed for an epoch that CPU 1 has not seen: the numbers are no measure. */
	enter(0, other);
	assert_ptr_equal(mine[other].from, &asids[0]);
	check(0, other);
	enter(1, other);
	assert_int_not_equal(mine[other].number, before.number);
	check(1, other);
}

/* What no emulator would notice. */
static void test_asid_mistakes_are_caught(void **state)
{
	struct svm_asid before;
	(void)state;

	enter(1, 0);
	before = mine[0];
	svm_asid_stale(&asids[1], &mine[0]);
	mine[0] = before;
	expect_panic("holder", (void)enter(1, 0)); /* the flush was forgotten */
	expect_panic("holder", check(1, 0));

	enter(1, 4);
	epochs[1][SPACE(4)]++;
	expect_panic("epoch", check(1, 4)); /* nobody compared the epochs */
	mine[4].epoch = epochs[1][SPACE(4)];
	expect_panic("epoch", (void)enter(1, 4)); /* somebody took it for his own */

	enter(0, 1);
	mine[2] = mine[1];
	expect_panic("holder", (void)enter(0, 2)); /* two have the same one */
	mine[3] = (struct svm_asid){&asids[0], asids[0].generation, epochs[0][SPACE(3)], 0};
	expect_panic("number > 0", (void)enter(0, 3)); /* the host's */
}

/*
 * vCPUs wander between two CPUs; they and their address spaces are flushed at random: the model
 * finds no fault.
 */
static void test_asid_at_random(void **state)
{
	uint64_t random = 7;
	(void)state;

	for (unsigned round = 0; round < 200000; round++) {
		unsigned vcpu, cpu;

		random = random * 6364136223846793005ull + 1442695040888963407ull;
		vcpu = random >> 33 & 31;
		cpu = random >> 40 & 1;
		if (mine[vcpu].from != NULL && (random >> 50 & 3) == 0) {
			svm_asid_stale((struct svm_asids *)mine[vcpu].from, &mine[vcpu]);
		}
		if ((random >> 52 & 3) == 0) {
			epochs[cpu][SPACE(random >> 54)]++;
		}
		(void)enter(cpu, vcpu);
		check(cpu, vcpu);
	}
	assert_true(asids[0].generation > 1000);
}

/* ---- Events ---- */

static void test_repeated_events(void **state)
{
	(void)state;
	assert_true(event_is_repeated(EVENT_VALID | EVENT_TYPE_SOFTWARE_INTERRUPT | 0x80));
	assert_true(event_is_repeated(EVENT_VALID | EVENT_TYPE_EXCEPTION | 3));
	assert_true(event_is_repeated(EVENT_VALID | EVENT_TYPE_EXCEPTION | 4));
	assert_false(event_is_repeated(EVENT_VALID | EVENT_TYPE_EXCEPTION | 14));
	assert_false(event_is_repeated(EVENT_VALID | EVENT_TYPE_EXTERNAL | 3));
	assert_false(event_is_repeated(EVENT_VALID | EVENT_TYPE_NMI | 2));
}

static void test_normal_events(void **state)
{
	const uint32_t doorbell = EVENT_VALID | EVENT_TYPE_EXTERNAL | 64;
	const uint32_t fault = EVENT_VALID | EVENT_TYPE_EXCEPTION | EVENT_HAS_ERROR | 14;
	(void)state;

	assert_int_equal(event_normal(doorbell), doorbell);
	assert_int_equal(event_normal(EVENT_VALID | EVENT_TYPE_EXCEPTION | 64), doorbell);
	assert_int_equal(event_normal(fault), fault);
	assert_int_equal(event_normal(EVENT_VALID | EVENT_TYPE_EXCEPTION | 2),
			 EVENT_VALID | EVENT_TYPE_NMI | 2);
	assert_int_equal(event_normal(0), 0);
}

/* ---- VMCB ---- */

static struct vmcb vmcb;

static int start_vmcb(void **state)
{
	(void)state;
	memset(&vmcb, 0, sizeof(vmcb));
	vmcb.intercept_2 = INTERCEPT_VMRUN;
	vmcb.asid = 1;
	vmcb.efer = EFER_SVME;
	vmcb.cr0 = CR0_PE | CR0_ET;
	vmcb.dr6 = 0xffff0ff0;
	vmcb.dr7 = 0x400;
	vmcb.pat = GUEST_PAT_RESET;
	vmcb.segments[VMCB_CS].attributes = 0xc9b;
	vmcb.nested_cr3 = 0x5000;
	return 0;
}

/* One rule is broken, the one that begins with `name`; then everything is well again. */
static void expect_entry_check(const char *name)
{
	struct entry_checks violations;

	svm_vmcb_check(&vmcb, 16, 40, &violations);
	assert_int_equal(violations.count, 1);
	assert_ptr_equal(strstr(violations.names[0], name), violations.names[0]);
	start_vmcb(NULL);
}

static void test_check_accepts(void **state)
{
	struct entry_checks violations;
	(void)state;

	svm_vmcb_check(&vmcb, 16, 40, &violations);
	assert_int_equal(violations.count, 0);
	vmcb.efer |= EFER_LME | EFER_LMA | EFER_NXE;
	vmcb.cr0 |= CR0_PG;
	vmcb.cr4 = CR4_PAE | CR4_MCE;
	vmcb.segments[VMCB_CS].attributes = 0xa9b;
	vmcb.entry_event = EVENT_VALID | EVENT_TYPE_EXCEPTION | EVENT_HAS_ERROR | 14;
	svm_vmcb_check(&vmcb, 16, 40, &violations);
	assert_int_equal(violations.count, 0);
}

static void test_check_state(void **state)
{
	(void)state;
	vmcb.efer = 0;
	expect_entry_check("EFER: SVME");
	vmcb.efer |= BIT(16);
	expect_entry_check("EFER: reserved");
	vmcb.cr0 |= BIT(32);
	expect_entry_check("CR0: bits");
	vmcb.cr0 |= CR0_NW;
	expect_entry_check("CR0: NW");
	vmcb.cr3 = BIT(40);
	expect_entry_check("CR3");
	vmcb.cr4 = BIT(63);
	expect_entry_check("CR4");
	vmcb.dr6 |= BIT(32);
	expect_entry_check("DR6");
	vmcb.dr7 |= BIT(32);
	expect_entry_check("DR7");
	vmcb.pat = 2;
	expect_entry_check("PAT");
	vmcb.efer |= EFER_LME;
	vmcb.cr0 |= CR0_PG;
	expect_entry_check("long mode without CR4.PAE");
	vmcb.efer |= EFER_LME;
	vmcb.cr0 = CR0_PG;
	vmcb.cr4 = CR4_PAE;
	expect_entry_check("long mode without CR0.PE");
	vmcb.efer |= EFER_LME;
	vmcb.cr0 |= CR0_PG;
	vmcb.cr4 = CR4_PAE;
	vmcb.segments[VMCB_CS].attributes = 0xe9b;
	expect_entry_check("CS");
}

static void test_check_controls(void **state)
{
	(void)state;
	vmcb.intercept_2 = 0;
	expect_entry_check("VMRUN");
	vmcb.asid = 0;
	expect_entry_check("ASID is zero");
	vmcb.asid = 16;
	expect_entry_check("ASID: the processor");
	vmcb.msrpm_base = BIT(40) - PAGE_BYTES;
	expect_entry_check("MSR permission map");
	vmcb.iopm_base = BIT(41);
	expect_entry_check("I/O permission map");
	vmcb.nested_cr3 |= 0x18;
	expect_entry_check("nested CR3");
	vmcb.entry_event = EVENT_VALID | 0x100;
	expect_entry_check("injected event: a type");
	vmcb.entry_event = EVENT_VALID | EVENT_TYPE_EXCEPTION | 32;
	expect_entry_check("injected event: no exception");
	vmcb.entry_event = EVENT_VALID | EVENT_TYPE_EXCEPTION | 2;
	expect_entry_check("injected event: no exception");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_caps_of_processors),
		cmocka_unit_test(test_caps_error_messages),
		cmocka_unit_test(test_caps_alike),
		cmocka_unit_test(test_cr2_of_the_trial),
		cmocka_unit_test(test_decode_moves),
		cmocka_unit_test(test_decode_machine_status_word),
		cmocka_unit_test(test_decode_all_orders_of_prefixes),
		cmocka_unit_test(test_decode_ends_at_fifteen_bytes),
		cmocka_unit_test(test_steps_that_the_guest_would_see),
		cmocka_unit_test(test_decode_anything),
		cmocka_unit_test_setup(test_asid_first_entry_flushes, start_asids),
		cmocka_unit_test_setup(test_asid_generations, start_asids),
		cmocka_unit_test_setup(test_asid_flush, start_asids),
		cmocka_unit_test_setup(test_asid_of_each_vcpu_is_flushed_on_a_shared_cpu,
				       start_asids),
		cmocka_unit_test_setup(test_asid_flush_leaves_those_on_other_cpus_alone,
				       start_asids),
		cmocka_unit_test_setup(test_asid_mistakes_are_caught, start_asids),
		cmocka_unit_test_setup(test_asid_at_random, start_asids),
		cmocka_unit_test(test_repeated_events),
		cmocka_unit_test(test_normal_events),
		cmocka_unit_test_setup(test_check_accepts, start_vmcb),
		cmocka_unit_test_setup(test_check_state, start_vmcb),
		cmocka_unit_test_setup(test_check_controls, start_vmcb),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
