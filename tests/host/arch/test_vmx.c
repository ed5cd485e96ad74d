/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pure parts of the VT-x backend: control words from the capability registers of processors
 * good and bad, events that meet, and the software check of guest state.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "arch/x86/cpu/registers.h"
#include "arch/x86/guest/guest_msr.h"
#include "arch/x86/vmx/vmx_caps.h"
#include "arch/x86/vmx/vmx_check.h"
#include "arch/x86/guest/guest_event.h"
#include "base/bits.h"

/* ---- Capabilities ---- */

static struct vmx_msrs msrs;
static struct vmx_caps caps;
static struct error error;

/* A desktop processor of 2017. */
static const struct vmx_msrs skylake = {
	.cpuid_vmx = true,
	.feature_control = 5,
	.basic = 0x00da040000000004,
	.pin = 0x0000007f00000016,
	.primary = 0xfff9fffe04006172,
	.secondary = 0x00fdffff00000000,
	.exit = 0x01ffffff00036dfb,
	.entry = 0x0003ffff000011fb,
	.misc = 0x7004c1e7,
	.cr0_fixed0 = 0x80000021,
	.cr0_fixed1 = 0xffffffff,
	.cr4_fixed0 = 0x2000,
	.cr4_fixed1 = 0x3767ff,
	.ept_vpid = 0x00000f0106734141,
};

static int start(void **state)
{
	(void)state;
	msrs = skylake;
	memset(&caps, 0xa5, sizeof(caps));
	return 0;
}

static void expect_ok(void)
{
	assert_int_equal(vmx_caps_compute(&msrs, &caps, &error), STATUS_OK);
}

static void expect_error(const char *part)
{
	assert_int_equal(vmx_caps_compute(&msrs, &caps, &error), STATUS_UNSUPPORTED);
	assert_true(strlen(error.text) < sizeof(error.text) - 1); /* nothing is cut */
	if (!strstr(error.text, part)) {
		fail_msg("\"%s\" lacks \"%s\"", error.text, part);
	}
	msrs = skylake;
}

/* The bit can be neither set nor, for a forced one, cleared. */
static void forbid(uint64_t *word, uint32_t bit)
{
	*word &= ~((uint64_t)bit << 32 | bit);
}

static void test_caps_of_a_good_processor(void **state)
{
	(void)state;
	expect_ok();
	assert_int_equal(caps.revision, 4);
	assert_int_equal(caps.timer_shift, 7);
	assert_int_equal(caps.ept_leaf_level, 2);
	assert_true(caps.ept_accessed);
	assert_true(caps.vpid);
	assert_true(caps.vpid_single);
	/* What must be one is one, what may not be one is zero. */
	assert_int_equal(caps.pin & 0x16, 0x16);
	assert_int_equal(caps.primary & 0x04006172, 0x04006172);
	assert_int_equal(caps.exit & 0x36dfb, 0x36dfb);
	assert_int_equal(caps.entry & 0x11fb, 0x11fb);
	assert_int_equal(caps.entry & ENTRY_IA32E_GUEST, 0);
	/* CR3 is the guest's own; nothing of the time-stamp counter exits. */
	assert_int_equal(caps.primary & (0x8000 | 0x10000 | 0x1000 | 0x200), 0);
	assert_int_equal(caps.secondary,
			 SECONDARY_EPT | SECONDARY_VPID | SECONDARY_UNRESTRICTED_GUEST |
				 SECONDARY_WBINVD_EXITING | SECONDARY_ENCLS_EXITING);
}

static void test_caps_no_vtx(void **state)
{
	(void)state;
	msrs.cpuid_vmx = false;
	expect_error("needs VT-x");
}

static void test_caps_feature_control(void **state)
{
	(void)state;
	msrs.feature_control = 1;
	expect_error("firmware setup");
	msrs.feature_control = 3; /* only inside SMX */
	expect_error("firmware setup");
	msrs.feature_control = 0; /* unlocked: ours to lock */
	expect_ok();
	msrs.feature_control = 5;
	expect_ok();
}

static void test_caps_missing_controls(void **state)
{
	(void)state;
	forbid(&msrs.pin, PIN_PREEMPTION_TIMER);
	expect_error("preemption timer");
	forbid(&msrs.pin, PIN_VIRTUAL_NMIS);
	expect_error("virtual NMIs");
	forbid(&msrs.pin, PIN_EXTERNAL_INTERRUPT_EXITING);
	expect_error("external interrupts");
	forbid(&msrs.primary, PRIMARY_MSR_BITMAPS);
	expect_error("MSR bitmaps");
	forbid(&msrs.primary, PRIMARY_SECONDARY);
	msrs.secondary = 0;
	expect_error("secondary");
	forbid(&msrs.secondary, SECONDARY_EPT);
	expect_error("extended page tables");
	forbid(&msrs.secondary, SECONDARY_UNRESTRICTED_GUEST);
	expect_error("unrestricted");
	forbid(&msrs.exit, EXIT_LOAD_EFER);
	expect_error("EFER");
	forbid(&msrs.entry, ENTRY_LOAD_PAT);
	expect_error("PAT");
	msrs.primary |= PRIMARY_CR3_LOAD_EXITING;
	expect_error("CR3");
}

static void test_caps_missing_ept(void **state)
{
	(void)state;
	msrs.ept_vpid &= ~BIT(6);
	expect_error("four levels");
	msrs.ept_vpid &= ~BIT(14);
	expect_error("write-back");
	msrs.ept_vpid &= ~BIT(25);
	expect_error("INVEPT");
	msrs.basic &= ~(0xfull << 50);
	expect_error("write-back");
}

static void test_caps_optional(void **state)
{
	(void)state;
	forbid(&msrs.secondary,
	       SECONDARY_VPID | SECONDARY_WBINVD_EXITING | SECONDARY_ENCLS_EXITING);
	msrs.ept_vpid &= ~(BIT(16) | BIT(17) | BIT(21));
	expect_ok();
	assert_false(caps.ept_accessed);
	assert_false(caps.vpid);
	assert_false(caps.encls_exiting);
	assert_int_equal(caps.ept_leaf_level, 0);
	/* A VPID that cannot be dropped is not used. */
	msrs = skylake;
	msrs.ept_vpid &= ~(BIT(41) | BIT(42));
	expect_ok();
	assert_false(caps.vpid);
	assert_int_equal(caps.secondary & SECONDARY_VPID, 0);
	msrs = skylake;
	msrs.ept_vpid &= ~BIT(41);
	expect_ok();
	assert_true(caps.vpid);
	assert_false(caps.vpid_single);
}

/* What firmware has left on each processor of a machine may differ, what they can do may not. */
static void test_caps_alike(void **state)
{
	struct vmx_caps other;
	(void)state;

	expect_ok();
	memset(&other, 0x5a, sizeof(other)); /* bytes between members count for nothing */
	msrs.feature_control = 0;
	assert_int_equal(vmx_caps_compute(&msrs, &other, &error), STATUS_OK);
	assert_true(vmx_caps_alike(&caps, &other));
	msrs = skylake;
	msrs.ept_vpid &= ~BIT(17); /* no 1 GiB pages */
	assert_int_equal(vmx_caps_compute(&msrs, &other, &error), STATUS_OK);
	assert_false(vmx_caps_alike(&caps, &other));
	msrs = skylake;
	msrs.ept_vpid &= ~BIT(21); /* no accessed flags */
	assert_int_equal(vmx_caps_compute(&msrs, &other, &error), STATUS_OK);
	assert_false(vmx_caps_alike(&caps, &other));
	msrs = skylake;
	msrs.misc++; /* another rate of the preemption timer */
	assert_int_equal(vmx_caps_compute(&msrs, &other, &error), STATUS_OK);
	assert_false(vmx_caps_alike(&caps, &other));
}

/* ---- Events ---- */

static struct guest_event exception(unsigned vector)
{
	return (struct guest_event){.info = EVENT_VALID | EVENT_TYPE_EXCEPTION | vector};
}

static unsigned meet(struct guest_event first, unsigned second, bool *lost)
{
	struct guest_event result;
	struct guest_event now = exception(second);

	if (event_combine(&first, &now, &result, lost) == EVENT_TRIPLE_FAULT) {
		return 0x100;
	}
	assert_true(result.info & EVENT_VALID);
	return result.info & EVENT_VECTOR;
}

static void test_events(void **state)
{
	struct guest_event none = {0, 0, 0};
	struct guest_event external = {.info = EVENT_VALID | EVENT_TYPE_EXTERNAL | 0x40};
	struct guest_event nmi = {.info = EVENT_VALID | EVENT_TYPE_NMI | 2};
	struct guest_event software = {.info = EVENT_VALID | EVENT_TYPE_SOFTWARE_INTERRUPT | 0x80};
	bool lost;
	(void)state;

	assert_int_equal(meet(none, 13, &lost), 13);
	assert_false(lost);
	assert_int_equal(meet(exception(6), 13, &lost), 13); /* #UD is benign */
	assert_int_equal(meet(exception(13), 6, &lost), 6);
	assert_int_equal(meet(exception(13), 13, &lost), 8);
	assert_int_equal(meet(exception(0), 11, &lost), 8);
	assert_int_equal(meet(exception(13), 14, &lost), 14); /* one after the other */
	assert_int_equal(meet(exception(14), 13, &lost), 8);
	assert_int_equal(meet(exception(14), 14, &lost), 8);
	assert_int_equal(meet(exception(14), 1, &lost), 1);
	assert_int_equal(meet(exception(8), 13, &lost), 0x100);
	assert_int_equal(meet(exception(8), 14, &lost), 0x100);
	assert_false(lost);
	assert_int_equal(meet(software, 13, &lost), 13);
	assert_false(lost);
	assert_int_equal(meet(external, 13, &lost), 13);
	assert_true(lost);
	assert_int_equal(meet(nmi, 13, &lost), 13);
	assert_true(lost);
}

/* ---- Guest state ---- */

static struct vmx_guest_state guest;

static void flat_protected_mode(void)
{
	memset(&guest, 0, sizeof(guest));
	for (unsigned i = GUEST_ES; i <= GUEST_GS; i++) {
		guest.segments[i].selector = 0x10;
		guest.segments[i].limit = 0xffffffff;
		guest.segments[i].rights = 0xc093;
	}
	guest.segments[GUEST_CS].rights = 0xc09b;
	guest.segments[GUEST_LDTR].rights = 0x10000;
	guest.segments[GUEST_TR].limit = 0x67;
	guest.segments[GUEST_TR].rights = 0x8b;
	guest.cr0 = CR0_PE | CR0_ET | CR0_NE;
	guest.cr4 = CR4_VMXE;
	guest.dr7 = 0x400;
	guest.pat = GUEST_PAT_RESET;
	guest.rflags = 2;
	guest.rip = 0x100000;
	guest.link_pointer = UINT64_MAX;
	guest.physical_bits = 46;
	guest.cr0_fixed0 = skylake.cr0_fixed0;
	guest.cr0_fixed1 = skylake.cr0_fixed1;
	guest.cr4_fixed0 = skylake.cr4_fixed0;
	guest.cr4_fixed1 = skylake.cr4_fixed1;
}

static void long_mode(void)
{
	flat_protected_mode();
	guest.entry_controls = ENTRY_IA32E_GUEST;
	guest.cr0 |= CR0_PG;
	guest.cr4 |= CR4_PAE;
	guest.efer = EFER_LME | EFER_LMA;
	guest.segments[GUEST_CS].rights = 0xa09b;
	guest.rip = 0xffffffff80000000;
}

static int start_flat(void **state)
{
	(void)state;
	flat_protected_mode();
	return 0;
}

static unsigned check(struct entry_checks *violations)
{
	vmx_guest_check(&guest, violations);
	return violations->count;
}

/* Exactly one rule is broken, and its name contains `part`. */
static void expect_entry_check(const char *part)
{
	struct entry_checks violations;

	check(&violations);
	if (violations.count != 1 || !strstr(violations.names[0], part)) {
		fail_msg("%u violations, first \"%s\", expected \"%s\"", violations.count,
			 violations.count ? violations.names[0] : "", part);
	}
	flat_protected_mode();
}

static void test_check_accepts(void **state)
{
	struct entry_checks violations;
	(void)state;

	assert_int_equal(check(&violations), 0);
	long_mode();
	assert_int_equal(check(&violations), 0);
	/* real mode, as an unrestricted guest has it after MOV CR0 */
	flat_protected_mode();
	guest.cr0 &= ~(uint64_t)CR0_PE;
	assert_int_equal(check(&violations), 0);
	/* user code */
	flat_protected_mode();
	guest.segments[GUEST_CS].rights |= 0x60;
	guest.segments[GUEST_SS].rights |= 0x60;
	assert_int_equal(check(&violations), 0);
}

static void test_check_controls(void **state)
{
	(void)state;
	guest.cr0 &= ~(uint64_t)CR0_NE;
	expect_entry_check("CR0");
	guest.cr4 = 0;
	expect_entry_check("CR4");
	guest.cr4 |= CR4_CET;
	expect_entry_check("CR4");
	guest.cr3 = BIT(46);
	expect_entry_check("CR3");
	guest.dr7 |= BIT(32);
	expect_entry_check("DR7");
	guest.pat = 2;
	expect_entry_check("PAT");
	guest.efer = BIT(1);
	expect_entry_check("EFER");
	guest.efer = EFER_LMA;
	expect_entry_check("LMA");
	guest.sysenter_eip = BIT(47);
	expect_entry_check("SYSENTER_EIP");
	guest.debugctl = BIT(2);
	expect_entry_check("DEBUGCTL");
}

static void test_check_segments(void **state)
{
	(void)state;
	guest.segments[GUEST_CS].rights = 0xc093 | 0x20;
	expect_entry_check("CS: DPL");
	guest.segments[GUEST_CS].rights = 0xc092;
	expect_entry_check("CS: type");
	guest.segments[GUEST_SS].rights = 0xc09b;
	expect_entry_check("SS: type");
	guest.segments[GUEST_DS].rights = 0xc092;
	expect_entry_check("DS: type");
	guest.segments[GUEST_ES].rights = 0xc013;
	expect_entry_check("ES: not present");
	guest.segments[GUEST_FS].limit = 0xfffff000;
	expect_entry_check("FS: limit");
	guest.segments[GUEST_GS].base = BIT(47);
	expect_entry_check("GS: base");
	guest.segments[GUEST_ES].base = BIT(32);
	expect_entry_check("ES: base");
	guest.segments[GUEST_TR].rights = 0x89;
	expect_entry_check("TR: type");
	guest.segments[GUEST_TR].rights = 0x1008b;
	expect_entry_check("TR: reserved");
	guest.segments[GUEST_LDTR].rights = 0x83;
	expect_entry_check("LDTR: type");
	guest.gdtr_limit = 0x10000;
	expect_entry_check("GDTR");
	long_mode();
	guest.segments[GUEST_CS].rights = 0xe09b;
	guest.rip = 0;
	expect_entry_check("D/B and L");
}

static void test_check_rest(void **state)
{
	(void)state;
	guest.rip = BIT(32);
	expect_entry_check("RIP");
	long_mode();
	guest.rip = BIT(47);
	expect_entry_check("RIP");
	guest.rflags = 0;
	expect_entry_check("RFLAGS");
	guest.rflags |= BIT(15);
	expect_entry_check("RFLAGS");
	guest.activity = 1;
	guest.interruptibility = 2;
	expect_entry_check("not active");
	guest.interruptibility = 1;
	expect_entry_check("STI while");
	guest.interruptibility = 2;
	guest.rflags |= RFLAGS_TF;
	expect_entry_check("BS");
	guest.entry_event = EVENT_VALID | EVENT_TYPE_EXTERNAL | 0x40;
	expect_entry_check("external interrupt");
	guest.link_pointer = 0;
	expect_entry_check("link pointer");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_caps_of_a_good_processor, start),
		cmocka_unit_test_setup(test_caps_no_vtx, start),
		cmocka_unit_test_setup(test_caps_feature_control, start),
		cmocka_unit_test_setup(test_caps_missing_controls, start),
		cmocka_unit_test_setup(test_caps_missing_ept, start),
		cmocka_unit_test_setup(test_caps_optional, start),
		cmocka_unit_test_setup(test_caps_alike, start),
		cmocka_unit_test(test_events),
		cmocka_unit_test_setup(test_check_accepts, start_flat),
		cmocka_unit_test_setup(test_check_controls, start_flat),
		cmocka_unit_test_setup(test_check_segments, start_flat),
		cmocka_unit_test_setup(test_check_rest, start_flat),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
