/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/x86/cpu/mitigations.c: what processors enumerate, and the measures that follow. The bits are
 * those of the vendors' pages (Intel: "Affected Processors", "CPUID Enumeration and Architectural
 * MSRs"; AMD: APM vol. 3, appendix E) and of the named CPU models of QEMU, which are taken from
 * real machines: Nehalem, Haswell, Skylake, Cascadelake, Icelake, SapphireRapids, Snowridge, EPYC,
 * Rome, Milan, Genoa, Turin. And arch/x86/cpu/speculation.c: which registers are written, and what
 * follows where the processor refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "arch/x86/cpu/features.h"
#include "arch/x86/cpu/cpuid.h"
#include "arch/x86/cpu/mitigations.h"
#include "arch/x86/cpu/msr.h"
#include "arch/x86/cpu/speculation.h"
#include "base/bits.h"
#include "base/nospec.h"

/* CPUID.(EAX=7,ECX=0):EDX */
#define SRBDS_CTRL BIT(9)
#define MD_CLEAR BIT(10)
#define IBRS BIT(26)
#define STIBP BIT(27)
#define L1D_FLUSH BIT(28)
#define SSBD BIT(31)
#define EDX_2018 (IBRS | STIBP | L1D_FLUSH | SSBD)
#define EDX_2019 (EDX_2018 | MD_CLEAR)
/* EBX */
#define AVX2 BIT(5)
#define RTM BIT(11)
/* IA32_ARCH_CAPABILITIES */
#define RDCL_NO BIT(0)
#define IBRS_ALL BIT(1)
#define RSBA BIT(2)
#define SKIP_L1D BIT(3)
#define MDS_NO BIT(5)
#define PSCHANGE_NO BIT(6)
#define TSX_CTRL BIT(7)
#define TAA_NO BIT(8)
#define PBRSB_NO BIT(24)
#define GDS_CTRL BIT(25)
#define GDS_NO BIT(26)
#define RFDS_NO BIT(27)
#define RFDS_CLEAR BIT(28)
#define ITS_NO BIT(62)
#define CAP_2019 (RDCL_NO | IBRS_ALL | SKIP_L1D | MDS_NO | PSCHANGE_NO)
/* CPUID.8000_0008:EBX and 8000_0021 */
#define IBPB BIT(12)
#define AMD_STIBP BIT(15)
#define STIBP_PREFERRED BIT(17)
#define BTC_NO BIT(29)
#define IBPB_RET BIT(30)
#define LFENCE_SERIAL BIT(2)
#define VERW_CLEAR BIT(5)
#define AUTO_IBRS BIT(8)
#define IBPB_BRTYPE BIT(28)
#define SRSO_NO BIT(29)
#define SRSO_USER_KERNEL_NO BIT(30)
#define BP_REDUCE BIT(31)
#define TSA_NO (BIT(1) | BIT(2))

#define FILLED (MITIGATE_REGISTERS | MITIGATE_RSB_FILL)
#define FILLED_IBPB (FILLED | MITIGATE_IBPB_SWITCH)
#define ENHANCED (MITIGATE_REGISTERS | MITIGATE_IBRS | MITIGATE_IBPB_SWITCH)

#define INTEL(m, s, ebx, edx, cap)                                                                 \
	{                                                                                          \
		.vendor = MITIGATION_INTEL, .family = 6, .model = (m), .stepping = (s),            \
		.leaf7_ebx = (uint32_t)(ebx), .leaf7_edx = (uint32_t)(edx),                        \
		.arch_capabilities = (cap),                                                        \
	}
#define AMD(f, m, leaf8, leaf21, ecx21)                                                            \
	{                                                                                          \
		.vendor = MITIGATION_AMD, .family = (f), .model = (m),                             \
		.leaf8_ebx = (uint32_t)(leaf8), .leaf21_eax = (uint32_t)(leaf21),                  \
		.leaf21_ecx = (uint32_t)(ecx21),                                                   \
	}

static const struct {
	const char *name;
	struct mitigation_facts facts;
	uint32_t actions, vulnerable;
} processors[] = {
	{"Bonnell, in order", INTEL(0x1c, 10, 0, 0, 0), 0, 0},
	{"Nehalem, microcode of 2010", INTEL(0x1a, 5, 0, 0, 0), FILLED,
	 ATTACK_SPECTRE_V2 | ATTACK_L1TF | ATTACK_MDS},
	{"Nehalem, microcode of 2018", INTEL(0x1a, 5, 0, EDX_2018, 0),
	 FILLED_IBPB | MITIGATE_L1D_FLUSH, ATTACK_MDS},
	{"Haswell, microcode of 2019", INTEL(0x3c, 3, AVX2, EDX_2019, 0),
	 FILLED_IBPB | MITIGATE_L1D_FLUSH | MITIGATE_VERW, 0},
	{"Haswell with TSX, microcode of 2020",
	 INTEL(0x3c, 3, AVX2 | RTM, EDX_2019 | SRBDS_CTRL, 0),
	 FILLED_IBPB | MITIGATE_L1D_FLUSH | MITIGATE_VERW | MITIGATE_MCU_OPT, 0},
	{"Skylake, microcode of 2019", INTEL(0x5e, 3, AVX2 | RTM, EDX_2019, RSBA),
	 FILLED_IBPB | MITIGATE_L1D_FLUSH | MITIGATE_VERW, ATTACK_GDS},
	{"Skylake, microcode of 2023", INTEL(0x5e, 3, AVX2, EDX_2019 | SRBDS_CTRL, RSBA | GDS_CTRL),
	 FILLED_IBPB | MITIGATE_L1D_FLUSH | MITIGATE_VERW | MITIGATE_MCU_OPT, 0},
	{"Skylake-X without microcode (Bochs)", INTEL(0x55, 4, AVX2, 0, 0), FILLED,
	 ATTACK_SPECTRE_V2 | ATTACK_L1TF | ATTACK_MDS | ATTACK_GDS},
	{"Cascade Lake, microcode of 2019", INTEL(0x55, 7, AVX2 | RTM, EDX_2019, CAP_2019),
	 ENHANCED | MITIGATE_RSB_FILL | MITIGATE_VERW, ATTACK_GDS},
	{"Cascade Lake, microcode of 2023",
	 INTEL(0x55, 7, AVX2 | RTM, EDX_2019, CAP_2019 | TSX_CTRL | GDS_CTRL | PBRSB_NO),
	 ENHANCED | MITIGATE_RSB_FILL | MITIGATE_NO_RTM | MITIGATE_MCU_OPT, 0},
	{"Ice Lake server", INTEL(0x6a, 6, AVX2 | RTM, EDX_2019, CAP_2019 | TAA_NO | GDS_CTRL),
	 ENHANCED | MITIGATE_RSB_FILL | MITIGATE_MCU_OPT, 0},
	{"Ice Lake as Bochs enumerates it",
	 INTEL(0x7e, 5, AVX2, EDX_2018, RDCL_NO | IBRS_ALL | RSBA | SKIP_L1D | BIT(4)),
	 ENHANCED | MITIGATE_RSB_FILL, ATTACK_MDS | ATTACK_GDS},
	{"Tiger Lake", INTEL(0x8c, 1, AVX2, EDX_2019, CAP_2019 | TAA_NO | GDS_CTRL | PBRSB_NO),
	 ENHANCED | MITIGATE_RSB_FILL | MITIGATE_MCU_OPT, 0},
	{"Alder Lake, microcode of 2022", INTEL(0x97, 2, AVX2, EDX_2019, CAP_2019 | TAA_NO),
	 ENHANCED | MITIGATE_RSB_ONE, ATTACK_RFDS},
	{"Alder Lake, microcode of 2024",
	 INTEL(0x97, 2, AVX2, EDX_2019, CAP_2019 | TAA_NO | PBRSB_NO | RFDS_CLEAR | GDS_NO),
	 ENHANCED | MITIGATE_VERW, 0},
	{"Sapphire Rapids",
	 INTEL(0x8f, 8, AVX2 | RTM, EDX_2019, CAP_2019 | TAA_NO | PBRSB_NO | GDS_NO | RFDS_NO),
	 ENHANCED, 0},
	{"Granite Rapids",
	 INTEL(0xad, 1, AVX2, EDX_2019, CAP_2019 | TAA_NO | PBRSB_NO | GDS_NO | RFDS_NO | ITS_NO),
	 ENHANCED, 0},
	{"Silvermont", INTEL(0x37, 8, 0, IBRS | STIBP | MD_CLEAR, 0), FILLED_IBPB | MITIGATE_VERW,
	 0},
	{"Goldmont Plus, microcode of 2024",
	 INTEL(0x7a, 8, 0, IBRS | STIBP | MD_CLEAR, RDCL_NO | RFDS_CLEAR),
	 FILLED_IBPB | MITIGATE_VERW, 0},
	{"Snow Ridge", INTEL(0x86, 7, 0, EDX_2019, CAP_2019 | TAA_NO | RFDS_CLEAR),
	 ENHANCED | MITIGATE_RSB_ONE | MITIGATE_VERW, 0},
	{"Athlon 64", AMD(0xf, 0x6b, 0, 0, 0), FILLED, ATTACK_SPECTRE_V2},
	{"Family 10h", AMD(0x10, 2, 0, 0, 0), FILLED | MITIGATE_LFENCE, ATTACK_SPECTRE_V2},
	{"Bulldozer, microcode of 2018", AMD(0x15, 2, IBPB, 0, 0),
	 FILLED | MITIGATE_IBPB_EXIT | MITIGATE_LFENCE, 0},
	{"Zen, without microcode", AMD(0x17, 1, 0, 0, 0), FILLED | MITIGATE_LFENCE,
	 ATTACK_SPECTRE_V2 | ATTACK_RETBLEED | ATTACK_SRSO},
	{"Zen (EPYC-IBPB)", AMD(0x17, 1, IBPB, 0, 0), FILLED | MITIGATE_IBPB_EXIT | MITIGATE_LFENCE,
	 0},
	{"Zen 2 (Rome)", AMD(0x17, 0x31, IBPB | AMD_STIBP, LFENCE_SERIAL, 0),
	 FILLED | MITIGATE_IBPB_EXIT, 0},
	{"Zen 3 (Milan), microcode of 2022",
	 AMD(0x19, 1, IBPB | AMD_STIBP | STIBP_PREFERRED | BTC_NO, LFENCE_SERIAL, 0),
	 FILLED_IBPB | MITIGATE_STIBP, ATTACK_SRSO | ATTACK_TSA},
	{"Zen 3 (Milan), microcode of 2025",
	 AMD(0x19, 1, IBPB | AMD_STIBP | STIBP_PREFERRED | BTC_NO,
	     LFENCE_SERIAL | IBPB_BRTYPE | VERW_CLEAR, 0),
	 FILLED | MITIGATE_STIBP | MITIGATE_IBPB_EXIT | MITIGATE_VERW, 0},
	{"Zen 4 (Genoa), microcode of 2025",
	 AMD(0x19, 0x11, IBPB | AMD_STIBP | STIBP_PREFERRED | BTC_NO | IBPB_RET,
	     LFENCE_SERIAL | AUTO_IBRS | IBPB_BRTYPE | VERW_CLEAR, 0),
	 MITIGATE_REGISTERS | MITIGATE_AUTO_IBRS | MITIGATE_STIBP | MITIGATE_IBPB_EXIT |
		 MITIGATE_VERW,
	 0},
	{"Zen 5 (Turin)",
	 AMD(0x1a, 2, IBPB | AMD_STIBP | STIBP_PREFERRED | BTC_NO | IBPB_RET,
	     LFENCE_SERIAL | AUTO_IBRS | IBPB_BRTYPE | SRSO_USER_KERNEL_NO | BP_REDUCE, TSA_NO),
	 MITIGATE_REGISTERS | MITIGATE_AUTO_IBRS | MITIGATE_STIBP | MITIGATE_IBPB_SWITCH |
		 MITIGATE_BP_REDUCE,
	 0},
	{"one that is affected by neither SRSO nor TSA",
	 AMD(0x19, 0x11, IBPB | BTC_NO | IBPB_RET, LFENCE_SERIAL | AUTO_IBRS | SRSO_NO, TSA_NO),
	 MITIGATE_REGISTERS | MITIGATE_AUTO_IBRS | MITIGATE_IBPB_SWITCH, 0},
	{"a barrier that clears returns, too",
	 AMD(0x19, 1, IBPB | BTC_NO | IBPB_RET, LFENCE_SERIAL | IBPB_BRTYPE, TSA_NO),
	 MITIGATE_REGISTERS | MITIGATE_IBPB_EXIT, 0},
	{"another vendor's, without any enumeration",
	 {.vendor = MITIGATION_OTHER, .family = 6},
	 FILLED,
	 ATTACK_SPECTRE_V2},
};

static void test_processors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(processors); i++) {
		struct mitigation_plan plan = mitigation_decide(&processors[i].facts);

		if (plan.actions != processors[i].actions ||
		    plan.vulnerable != processors[i].vulnerable) {
			char actions[MITIGATION_TEXT_BYTES];
			char attacks[MITIGATION_TEXT_BYTES];

			mitigation_actions_text(plan.actions, actions);
			mitigation_attacks_text(plan.vulnerable, attacks);
			fail_msg("%s: on=%s vulnerable=%s", processors[i].name, actions, attacks);
		}
	}
}

/* STIBP is for the other thread of the core, where there is one. */
static void test_threads(void **state)
{
	struct mitigation_facts haswell = INTEL(0x3c, 3, AVX2, EDX_2019, 0);
	struct mitigation_facts ice_lake = INTEL(0x6a, 6, AVX2, EDX_2019, CAP_2019);
	struct mitigation_facts rome = AMD(0x17, 0x31, IBPB | AMD_STIBP, 0, 0);
	struct mitigation_facts naples = AMD(0x17, 1, IBPB, 0, 0);

	(void)state;
	assert_false(mitigation_decide(&haswell).actions & MITIGATE_STIBP);
	haswell.smt = ice_lake.smt = rome.smt = naples.smt = true;
	assert_true(mitigation_decide(&haswell).actions & MITIGATE_STIBP);
	/* Enhanced IBRS includes it. */
	assert_false(mitigation_decide(&ice_lake).actions & MITIGATE_STIBP);
	assert_true(mitigation_decide(&rome).actions & MITIGATE_STIBP);
	assert_false(mitigation_decide(&naples).actions & MITIGATE_STIBP);
}

/* Nothing is done with a register that the processor does not enumerate. */
static void test_only_what_is_enumerated(void **state)
{
	const uint32_t registers = MITIGATE_IBPB_EXIT | MITIGATE_IBPB_SWITCH | MITIGATE_L1D_FLUSH |
				   MITIGATE_IBRS | MITIGATE_STIBP | MITIGATE_AUTO_IBRS |
				   MITIGATE_NO_RTM | MITIGATE_MCU_OPT | MITIGATE_BP_REDUCE |
				   MITIGATE_VERW;

	(void)state;
	for (unsigned vendor = MITIGATION_OTHER; vendor <= MITIGATION_AMD; vendor++) {
		for (unsigned family = 0; family < 0x20; family++) {
			for (unsigned model = 0; model < 0x100; model++) {
				struct mitigation_facts bare = {
					.vendor = (enum mitigation_vendor)vendor,
					.family = family,
					.model = model,
					.leaf7_ebx = AVX2 | RTM,
					.smt = true,
				};

				assert_false(mitigation_decide(&bare).actions & registers);
			}
		}
	}
}

/* Every bit has a name, and all names fit. */
static void test_names(void **state)
{
	char text[MITIGATION_TEXT_BYTES];

	(void)state;
	mitigation_actions_text(0, text);
	assert_string_equal(text, "none");
	mitigation_actions_text(MITIGATE_IBRS | MITIGATE_VERW, text);
	assert_string_equal(text, "ibrs,verw");
	mitigation_actions_text(0x3fff, text);
	assert_string_equal(text, "ibrs,auto-ibrs,stibp,registers,rsb-fill,rsb-one,ibpb-exit,"
				  "ibpb-switch,verw,l1d-flush,no-rtm,mcu-opt,lfence,bp-reduce");
	mitigation_attacks_text(0x1ff, text);
	assert_string_equal(text, "spectre-v2,retbleed,srso,l1tf,mds,taa,rfds,gds,tsa");
}

static void test_index(void **state)
{
	static const uint64_t counts[] = {1, 2, 13, 170, 171, 1ull << 32, INT64_MAX};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
		uint64_t count = counts[i];

		assert_int_equal(nospec_index(0, count), 0);
		assert_int_equal(nospec_index(count - 1, count), count - 1);
		assert_int_equal(nospec_index(count / 2, count), count / 2);
		assert_int_equal(nospec_index(count, count), 0);
		assert_int_equal(nospec_index(count + 1, count), 0);
		assert_int_equal(nospec_index(UINT64_MAX, count), 0);
		assert_int_equal(nospec_index(1ull << 63, count), 0);
	}
	assert_int_equal(nospec_modulo(15, 16), 15);
	assert_int_equal(nospec_modulo(16, 16), 0);
	assert_int_equal(nospec_modulo(UINT64_MAX, 16), 15);
}

/* ---- Registers: what speculation.c writes ---- */

#define SPEC_CTRL 0x48
#define PRED_CMD 0x49
#define FLUSH_CMD 0x10b
#define TSX_CTRL_MSR 0x122
#define MCU_OPT_CTRL 0x123
#define EFER 0xc0000080
#define DE_CFG 0xc0011029
#define BP_CFG 0xc001102e

struct cpu_features cpu_features;
struct cpu cpus[CPUS_MAX];

static unsigned log_lines;

void log_event(const char *vm, const char *format, ...)
{
	(void)vm;
	(void)format;
	log_lines++;
}

static struct {
	uint32_t index;
	uint64_t value;
	unsigned writes;
} msrs[] = {{.index = SPEC_CTRL},    {.index = PRED_CMD},     {.index = FLUSH_CMD},
	    {.index = TSX_CTRL_MSR}, {.index = MCU_OPT_CTRL}, {.index = EFER},
	    {.index = DE_CFG},	     {.index = BP_CFG}};

static uint32_t missing; /* the one that faults */

static size_t place_of(uint32_t index)
{
	for (size_t i = 0; i < ARRAY_COUNT(msrs); i++) {
		if (msrs[i].index == index) {
			return i;
		}
	}
	fail_msg("MSR 0x%x is nobody's business", index);
	return 0;
}

/* Only the parts that look at no real processor run here. */
struct cpuid cpuid_read(uint32_t leaf, uint32_t subleaf)
{
	fail_msg("CPUID leaf 0x%x, %u", leaf, subleaf);
	return (struct cpuid){0};
}

void msr_write(uint32_t index, uint64_t value)
{
	fail_msg("unchecked write of 0x%llx to MSR 0x%x", (unsigned long long)value, index);
}

bool msr_read_safe(uint32_t index, uint64_t *value)
{
	/* Commands cannot be read. */
	if (index == missing || index == PRED_CMD || index == FLUSH_CMD) {
		return false;
	}
	*value = msrs[place_of(index)].value;
	return true;
}

bool msr_write_safe(uint32_t index, uint64_t value)
{
	size_t place = place_of(index);

	if (index == missing) {
		return false;
	}
	msrs[place].value = value;
	msrs[place].writes++;
	return true;
}

static struct mitigation_plan apply(uint32_t actions, uint32_t absent)
{
	struct mitigation_plan plan = {.actions = actions};

	missing = absent;
	for (size_t i = 0; i < ARRAY_COUNT(msrs); i++) {
		msrs[i].value = 0x5a0000;
		msrs[i].writes = 0;
	}
	speculation_apply(&plan);
	return plan;
}

static unsigned writes(void)
{
	unsigned count = 0;

	for (size_t i = 0; i < ARRAY_COUNT(msrs); i++) {
		count += msrs[i].writes;
	}
	return count;
}

/* Each action writes its register, keeps the other bits of it, and touches no other. */
static void test_writes(void **state)
{
	static const struct {
		uint32_t action, msr;
		uint64_t value;
	} cases[] = {
		{MITIGATE_IBRS, SPEC_CTRL, 1},		{MITIGATE_STIBP, SPEC_CTRL, 2},
		{MITIGATE_IBPB_EXIT, PRED_CMD, 1},	{MITIGATE_IBPB_SWITCH, PRED_CMD, 1},
		{MITIGATE_L1D_FLUSH, FLUSH_CMD, 1},	{MITIGATE_NO_RTM, TSX_CTRL_MSR, 0x5a0001},
		{MITIGATE_AUTO_IBRS, EFER, 0x7a0000},	{MITIGATE_LFENCE, DE_CFG, 0x5a0002},
		{MITIGATE_BP_REDUCE, BP_CFG, 0x5a0010},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct mitigation_plan plan = apply(cases[i].action, 0);

		assert_int_equal(plan.actions, cases[i].action);
		assert_int_equal(plan.vulnerable, 0);
		assert_int_equal(msrs[place_of(cases[i].msr)].value, cases[i].value);
		assert_int_equal(writes(), 1);
	}
	(void)apply(MITIGATE_IBRS | MITIGATE_STIBP, 0);
	assert_int_equal(msrs[place_of(SPEC_CTRL)].value, 3);
	(void)apply(MITIGATE_REGISTERS | MITIGATE_RSB_FILL | MITIGATE_RSB_ONE | MITIGATE_VERW, 0);
	assert_int_equal(writes(), 0);
}

/* What firmware has switched off goes on again, unless microcode has locked it on. */
static void test_microcode_option(void **state)
{
	struct mitigation_plan plan = {.actions = MITIGATE_MCU_OPT};
	size_t place = place_of(MCU_OPT_CTRL);

	(void)state;
	(void)apply(0, 0);
	msrs[place].value = 0x51; /* bits 0 and 4 switch off; bit 6 is another's */
	speculation_apply(&plan);
	assert_int_equal(msrs[place].value, 0x40);
	msrs[place].value = 0x31; /* bit 5 locks bit 4 */
	speculation_apply(&plan);
	assert_int_equal(msrs[place].value, 0x30);
	assert_int_equal(plan.actions, MITIGATE_MCU_OPT);
}

/* A register that is enumerated and faults: the plan says what is not done. */
static void test_refused(void **state)
{
	static const struct {
		uint32_t action, msr, left, vulnerable;
	} cases[] = {
		{MITIGATE_IBRS, SPEC_CTRL, MITIGATE_RSB_FILL, ATTACK_SPECTRE_V2},
		{MITIGATE_STIBP, SPEC_CTRL, MITIGATE_RSB_FILL, ATTACK_SPECTRE_V2},
		{MITIGATE_IBPB_SWITCH, PRED_CMD, 0, ATTACK_SPECTRE_V2},
		{MITIGATE_IBPB_EXIT, PRED_CMD, 0,
		 ATTACK_SPECTRE_V2 | ATTACK_RETBLEED | ATTACK_SRSO},
		{MITIGATE_L1D_FLUSH, FLUSH_CMD, 0, ATTACK_L1TF},
		{MITIGATE_NO_RTM, TSX_CTRL_MSR, 0, ATTACK_TAA},
		{MITIGATE_MCU_OPT, MCU_OPT_CTRL, 0, ATTACK_GDS},
		{MITIGATE_AUTO_IBRS, EFER, MITIGATE_RSB_FILL, 0},
		{MITIGATE_LFENCE, DE_CFG, 0, 0},
		{MITIGATE_BP_REDUCE, BP_CFG, 0, ATTACK_SRSO},
	};

	(void)state;
	log_lines = 0;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct mitigation_plan plan = apply(cases[i].action, cases[i].msr);

		assert_int_equal(plan.actions, cases[i].left);
		assert_int_equal(plan.vulnerable, cases[i].vulnerable);
		/* One line each; a register that no bit enumerates may be missing in silence. */
		assert_int_equal(log_lines, cases[i].msr == DE_CFG ? 0 : 1);
		log_lines = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_processors),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_only_what_is_enumerated),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_index),
		cmocka_unit_test(test_writes),
		cmocka_unit_test(test_microcode_option),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
