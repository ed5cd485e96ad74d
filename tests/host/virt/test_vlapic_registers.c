/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drivers/virt/vlapic_registers.c: each register of the page and of the MSRs, each width and
 * alignment, the modes, and what writes leave to do.
 */
#include "vlapic_fixture.h"

/* ---- what there is ---- */

/* The page as the manual has it: what a write of ones leaves of it, with the APIC switched on. */
static const struct page_register {
	uint32_t offset;
	uint32_t after_ones;
	uint32_t after_zeros;
} page_registers[] = {
	{REG_ID, 0x05000000, 0x05000000},
	{REG_VERSION, 0x00050014, 0x00050014},
	{REG_TPR, 0xff, 0},
	{REG_APR, 0, 0},
	{REG_PPR, 0, 0},
	{REG_EOI, 0, 0},
	{0x0c0, 0, 0},
	{REG_LDR, 0xff000000, 0},
	{REG_DFR, 0xffffffff, 0x0fffffff},
	{REG_SVR, 0x3ff, 0},
	{REG_ISR, 0, 0},
	{REG_TMR, 0, 0},
	{REG_IRR, 0, 0},
	{REG_IRR + 0x70, 0, 0},
	{REG_ESR, 0, 0},
	{REG_ICR, 0x000ccfff, 0}, /* no delivery lasts: bit 12 stays 0 */
	{REG_ICR_HIGH, 0xff000000, 0},
	{REG_TIMER, 0x000700ff, 0},
	{REG_THERMAL, 0x000107ff, 0},
	{REG_PERFORMANCE, 0x000107ff, 0},
	{REG_LINT0, 0x0001a7ff, 0},
	{REG_LINT1, 0x0001a7ff, 0},
	{REG_ERROR, 0x000100ff, 0},
	{REG_INITIAL, 0xffffffff, 0},
	{REG_CURRENT, 0, 0},
	{REG_DIVIDE, 0xb, 0},
};

static bool is_page_register(uint32_t offset)
{
	if (offset >= REG_ISR && offset < REG_ESR) {
		return true;
	}
	for (unsigned i = 0; i < ARRAY_COUNT(page_registers); i++) {
		if (page_registers[i].offset == offset) {
			return true;
		}
	}
	return false;
}

static void test_bits_of_the_page(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(page_registers); i++) {
		const struct page_register *page = &page_registers[i];
		struct vlapic lapic = make_lapic(5);
		poke(&lapic, page->offset, 0xffffffff);
		assert_int_equal(peek(&lapic, page->offset), page->after_ones);
		poke(&lapic, page->offset, 0);
		assert_int_equal(peek(&lapic, page->offset), page->after_zeros);
		poke(&lapic, REG_ESR, 0);
		assert_int_equal(peek(&lapic, REG_ESR),
				 page->offset == REG_ICR ? VLAPIC_ERROR_SEND_VECTOR : 0);
	}
}

/* 11.5.3: an access where no register is. */
static void test_offsets_without_a_register(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(5);
	struct apic_message message;
	for (uint32_t offset = 0; offset < 4096; offset += 16) {
		for (unsigned write = 0; write < 2; write++) {
			poke(&lapic, REG_ESR, 0);
			poke(&lapic, REG_ESR, 0);
			if (!is_page_register(offset)) {
				assert_int_equal(
					write ? vlapic_write(&lapic, offset, 4, 0x55, 0, &message)
					      : peek(&lapic, offset),
					0);
			} else if (!write) {
				(void)peek(&lapic, offset);
			}
			poke(&lapic, REG_ESR, 0);
			assert_int_equal(peek(&lapic, REG_ESR),
					 is_page_register(offset) ? 0 : VLAPIC_ERROR_REGISTER);
		}
	}
}

/* Every offset and width reads as the bytes of the registers with zeros between them. */
static void test_reads_of_every_width(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(5);
	uint8_t image[4096 + 8] = {0};
	poke(&lapic, REG_TPR, 0x12);
	poke(&lapic, REG_LDR, 0x34000000);
	poke(&lapic, REG_INITIAL, 0x89abcdef);
	for (uint32_t offset = 0; offset < 4096; offset += 16) {
		uint32_t value = is_page_register(offset) ? peek(&lapic, offset) : 0;
		memcpy(image + offset, &value, 4);
	}
	for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
		for (uint32_t offset = 0; offset + bytes <= 4096; offset++) {
			uint64_t expected = 0;
			/* No access reaches a second register but by its zeros. */
			unsigned within = offset % 16;
			unsigned there = within < 4 ? (unsigned)min_u64(bytes, 4 - within) : 0;
			memcpy(&expected, image + offset, there);
			assert_true(vlapic_read(&lapic, offset, bytes, 0) == expected);
		}
	}
}

static void test_writes_of_other_widths_change_nothing(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(5);
	struct apic_message message;
	(void)vlapic_request(&lapic, 0x41, true);
	vlapic_take(&lapic, 0x41);
	poke(&lapic, REG_INITIAL, 1000);
	for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
		for (uint32_t offset = 0; offset + bytes <= 4096; offset++) {
			struct vlapic before = lapic;
			if (bytes == 4 && offset % 16 == 0) {
				continue;
			}
			assert_int_equal(vlapic_write(&lapic, offset, bytes, 0x5555555555555555, 7,
						      &message),
					 VLAPIC_NOTHING);
			before.errors = lapic.errors;
			assert_memory_equal(&before, &lapic, sizeof(lapic));
		}
	}
}

/* Table 11-6: R, W or both; the bits that are not reserved. */
static const struct msr_register {
	uint32_t offset;
	bool read;
	bool write;
	uint64_t bits;
} msr_registers[] = {
	{REG_ID, true, false, 0},
	{REG_VERSION, true, false, 0},
	{REG_TPR, true, true, 0xff},
	{REG_PPR, true, false, 0},
	{REG_EOI, false, true, 0},
	{REG_LDR, true, false, 0},
	{REG_SVR, true, true, 0x3ff},
	{REG_ESR, true, true, 0},
	{REG_ICR, true, true, 0xffffffff000cdfff},
	{REG_TIMER, true, true, 0x710ff},
	{REG_THERMAL, true, true, 0x117ff},
	{REG_PERFORMANCE, true, true, 0x117ff},
	{REG_LINT0, true, true, 0x1f7ff},
	{REG_LINT1, true, true, 0x1f7ff},
	{REG_ERROR, true, true, 0x110ff},
	{REG_INITIAL, true, true, 0xffffffff},
	{REG_CURRENT, true, false, 0},
	{REG_DIVIDE, true, true, 0xb},
	{REG_SELF, false, true, 0xff},
};

static struct msr_register msr_register(uint32_t offset)
{
	for (unsigned i = 0; i < ARRAY_COUNT(msr_registers); i++) {
		if (msr_registers[i].offset == offset) {
			return msr_registers[i];
		}
	}
	return (struct msr_register){offset, offset >= REG_ISR && offset < REG_ESR, false, 0};
}

static void test_access_to_every_msr(void **state)
{
	(void)state;
	struct apic_message message;
	for (uint32_t msr = 0x700; msr < 0xa00; msr++) {
		bool inside = msr >= 0x800 && msr < 0x900;
		struct msr_register rule = msr_register((msr - 0x800) * 16);
		struct vlapic lapic = make_x2apic(5);
		uint64_t value = 0x1234;
		assert_int_equal(vlapic_msr_read(&lapic, msr, 0, &value), inside && rule.read);
		assert_true(inside && rule.read ? value <= UINT32_MAX : value == 0x1234);
		assert_int_equal(vlapic_msr_write(&lapic, msr, 0, 0, &message) != VLAPIC_FAULT,
				 inside && rule.write);
		for (unsigned bit = 0; inside && rule.write && bit < 64; bit++) {
			enum vlapic_effect effect =
				vlapic_msr_write(&lapic, msr, BIT(bit), 0, &message);
			assert_int_equal(effect == VLAPIC_FAULT, (rule.bits & BIT(bit)) == 0);
		}
		/* In xAPIC mode they do not exist, nor when it is off. */
		lapic = make_lapic(5);
		assert_false(vlapic_msr_read(&lapic, msr, 0, &value));
		assert_int_equal(vlapic_msr_write(&lapic, msr, 0, 0, &message), VLAPIC_FAULT);
		wrmsr(&lapic, VLAPIC_MSR_BASE, VLAPIC_PAGE);
		assert_false(vlapic_msr_read(&lapic, msr, 0, &value));
		assert_int_equal(vlapic_msr_write(&lapic, msr, 0, 0, &message), VLAPIC_FAULT);
	}
}

static void test_fault_changes_nothing(void **state)
{
	(void)state;
	struct apic_message message;
	struct vlapic lapic = make_x2apic(5);
	(void)vlapic_request(&lapic, 0x41, true);
	vlapic_take(&lapic, 0x41);
	for (uint32_t msr = 0x800; msr < 0x900; msr++) {
		struct vlapic before = lapic;
		if (vlapic_msr_write(&lapic, msr, UINT64_MAX, 5, &message) == VLAPIC_FAULT) {
			assert_memory_equal(&before, &lapic, sizeof(lapic));
		} else {
			fail_msg("MSR %x takes ones", msr);
		}
	}
}

static void test_registers_have_one_state_in_both_modes(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0x13);
	poke(&lapic, REG_TPR, 0x12);
	poke(&lapic, REG_LINT0, 0x8058);
	poke(&lapic, REG_DIVIDE, 0xa);
	poke(&lapic, REG_ICR_HIGH, 0x07000000);
	poke(&lapic, REG_LDR, 0x55000000);
	(void)vlapic_request(&lapic, 0x41, true);
	wrmsr(&lapic, VLAPIC_MSR_BASE, X2APIC_ON);
	assert_int_equal(rdmsr(&lapic, msr_of(REG_TPR)), 0x12);
	assert_int_equal(rdmsr(&lapic, msr_of(REG_LINT0)), 0x8058);
	assert_int_equal(rdmsr(&lapic, msr_of(REG_DIVIDE)), 0xa);
	assert_int_equal(rdmsr(&lapic, msr_of(REG_SVR)), 0x1ff);
	assert_int_equal(rdmsr(&lapic, msr_of(REG_IRR + 0x20)), 2);
	assert_int_equal(rdmsr(&lapic, msr_of(REG_TMR + 0x20)), 2);
	/* Not so the identifiers (11.12.9, 11.12.10.2), and the upper half of the command. */
	assert_int_equal(rdmsr(&lapic, msr_of(REG_ID)), 0x13);
	assert_int_equal(rdmsr(&lapic, msr_of(REG_LDR)), 0x00010008);
	assert_int_equal(rdmsr(&lapic, msr_of(REG_ICR)), 0);
}

/* ---- the modes (11.12.5) ---- */

static void enter(struct vlapic *lapic, unsigned mode)
{
	*lapic = make_lapic(1);
	if (mode == 0) {
		wrmsr(lapic, VLAPIC_MSR_BASE, VLAPIC_PAGE);
	} else if (mode == 3) {
		wrmsr(lapic, VLAPIC_MSR_BASE, X2APIC_ON);
	}
}

/* Modes by their bits, EN and EXTD: off 0, invalid 1, xAPIC 2, x2APIC 3. */
static void test_ways_between_the_modes(void **state)
{
	(void)state;
	static const bool allowed[4][4] = {
		[0] = {[0] = true, [2] = true},
		[2] = {[0] = true, [2] = true, [3] = true},
		[3] = {[0] = true, [3] = true},
	};
	struct apic_message message;
	for (unsigned from = 0; from < 4; from++) {
		for (unsigned to = 0; from != 1 && to < 4; to++) {
			struct vlapic lapic;
			enter(&lapic, from);
			enum vlapic_effect effect = vlapic_msr_write(
				&lapic, VLAPIC_MSR_BASE, VLAPIC_PAGE | to << 10, 0, &message);
			enum vlapic_effect expected = !allowed[from][to] ? VLAPIC_FAULT
						      : from == to	 ? VLAPIC_NOTHING
									 : VLAPIC_MODE;
			assert_int_equal(effect, expected);
			unsigned now = allowed[from][to] ? to : from;
			assert_int_equal(rdmsr(&lapic, VLAPIC_MSR_BASE), VLAPIC_PAGE | now << 10);
			assert_int_equal(vlapic_is_on(&lapic), now != 0);
			assert_int_equal(vlapic_is_x2apic(&lapic), now == 3);
		}
	}
}

static void test_bits_of_the_base(void **state)
{
	(void)state;
	struct apic_message message;
	struct vlapic lapic = make_lapic(0);
	assert_int_equal(rdmsr(&lapic, VLAPIC_MSR_BASE), XAPIC_ON | 0x100);
	for (unsigned bit = 0; bit < 64; bit++) {
		/* BSP, EXTD and EN; each other bit is reserved or moves the page. */
		uint64_t value = (XAPIC_ON | 0x100) ^ BIT(bit);
		bool may = bit == 8 || bit == 10 || bit == 11;
		lapic = make_lapic(0);
		assert_int_equal(vlapic_msr_write(&lapic, VLAPIC_MSR_BASE, value, 0, &message) !=
					 VLAPIC_FAULT,
				 may);
		assert_int_equal(rdmsr(&lapic, VLAPIC_MSR_BASE), may ? value : XAPIC_ON | 0x100);
	}
}

static void test_page_answers_in_xapic_mode_only(void **state)
{
	(void)state;
	struct apic_message message;
	for (unsigned mode = 0; mode < 4; mode += 3) {
		struct vlapic lapic;
		enter(&lapic, mode);
		struct vlapic before = lapic;
		assert_true(vlapic_read(&lapic, REG_ID, 1, 0) == 0xff);
		assert_true(vlapic_read(&lapic, REG_ID, 2, 0) == 0xffff);
		assert_true(vlapic_read(&lapic, REG_ID, 4, 0) == 0xffffffff);
		assert_true(vlapic_read(&lapic, 0xff8, 8, 0) == UINT64_MAX);
		for (uint32_t offset = 0; offset < 4096; offset += 16) {
			assert_int_equal(vlapic_write(&lapic, offset, 4, 0x41, 0, &message),
					 VLAPIC_NOTHING);
		}
		assert_memory_equal(&before, &lapic, sizeof(lapic));
	}
}

static void test_switching_off_forgets(void **state)
{
	(void)state;
	for (unsigned mode = 2; mode < 4; mode++) {
		struct vlapic lapic;
		struct vlapic fresh;
		enter(&lapic, mode);
		(void)vlapic_request(&lapic, 0x41, true);
		vlapic_take(&lapic, 0x41);
		lapic.task_priority = 0x20;
		vlapic_set_entry(&lapic, VLAPIC_LVT_LINT0, 0x55);
		vlapic_timer_start(&lapic, 1000, 0);
		wrmsr(&lapic, VLAPIC_MSR_BASE, VLAPIC_PAGE);
		wrmsr(&lapic, VLAPIC_MSR_BASE, XAPIC_ON);
		vlapic_reset(&fresh, 1, false);
		assert_memory_equal(&fresh, &lapic, sizeof(lapic));
	}
}

/* ---- what writes do ---- */

static void test_end_of_interrupt_tells_the_ioapic(void **state)
{
	(void)state;
	struct apic_message message;
	for (unsigned mode = 2; mode < 4; mode++) {
		struct vlapic lapic;
		enter(&lapic, mode);
		for (unsigned level = 0; level < 3; level++) {
			if (level < 2) {
				(void)vlapic_request(&lapic, 0x93, level);
				vlapic_take(&lapic, 0x93);
			}
			enum vlapic_effect effect =
				mode == 2
					? vlapic_write(&lapic, REG_EOI, 4, 0x77, 0, &message)
					: vlapic_msr_write(&lapic, msr_of(REG_EOI), 0, 0, &message);
			assert_int_equal(effect, level == 1 ? VLAPIC_END : VLAPIC_NOTHING);
			if (level == 1) {
				assert_int_equal(message.vector, 0x93);
				assert_true(message.level);
			}
		}
	}
}

static void test_software_switch_masks_the_entries(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	for (uint32_t offset = REG_TIMER; offset <= REG_ERROR; offset += 16) {
		poke(&lapic, offset, 0x44);
		assert_int_equal(peek(&lapic, offset), 0x44);
	}
	poke(&lapic, REG_SVR, 0xff);
	for (uint32_t offset = REG_TIMER; offset <= REG_ERROR; offset += 16) {
		assert_int_equal(peek(&lapic, offset), 0x44 | MASKED);
		poke(&lapic, offset, 0x45);
		assert_int_equal(peek(&lapic, offset), 0x45 | MASKED);
	}
	poke(&lapic, REG_SVR, 0x1ff);
	for (uint32_t offset = REG_TIMER; offset <= REG_ERROR; offset += 16) {
		assert_int_equal(peek(&lapic, offset), 0x45 | MASKED);
	}
}

static void test_timer_registers_tell_the_caller(void **state)
{
	(void)state;
	struct apic_message message;
	struct vlapic lapic = make_lapic(0);
	static const uint32_t timer[] = {REG_TIMER, REG_INITIAL, REG_DIVIDE};
	for (unsigned i = 0; i < ARRAY_COUNT(timer); i++) {
		assert_int_equal(vlapic_write(&lapic, timer[i], 4, 8, 0, &message), VLAPIC_TIMER);
	}
	assert_int_equal(vlapic_write(&lapic, REG_SVR, 4, 0xff, 0, &message), VLAPIC_TIMER);
	assert_int_equal(vlapic_write(&lapic, REG_SVR, 4, 0x1ff, 0, &message), VLAPIC_NOTHING);
	assert_int_equal(vlapic_msr_write(&lapic, VLAPIC_MSR_TSC_DEADLINE, 8, 0, &message),
			 VLAPIC_TIMER);
}

/* ---- commands (11.6.1) ---- */

/* Table 11-3, line by line: what a Pentium 4 and later sends. */
static bool exists(unsigned delivery, unsigned shorthand, bool level, bool asserted)
{
	if (delivery == 2 || delivery == 3 || delivery == 7) {
		return false; /* SMI, reserved, ExtINT */
	}
	if (shorthand == APIC_ALL || shorthand == APIC_SELF) {
		return delivery == APIC_FIXED;
	}
	return !(delivery == APIC_INIT && level && !asserted);
}

static void check_command(uint32_t low, bool x2apic)
{
	unsigned delivery = low >> 8 & 7;
	unsigned shorthand = low >> 18 & 3;
	bool valid = exists(delivery, shorthand, low & 0x8000, low & 0x4000);
	struct vlapic lapic = x2apic ? make_x2apic(5) : make_lapic(5);
	struct apic_message message;
	enum vlapic_effect effect;

	if (x2apic) {
		effect = vlapic_msr_write(&lapic, msr_of(REG_ICR), 0x1234567800000000 | low, 0,
					  &message);
		assert_true(rdmsr(&lapic, msr_of(REG_ICR)) == (0x1234567800000000 | low));
	} else {
		poke(&lapic, REG_ICR_HIGH, 0x78123456);
		effect = vlapic_write(&lapic, REG_ICR, 4, low, 0, &message);
		assert_int_equal(peek(&lapic, REG_ICR), low);
		assert_int_equal(peek(&lapic, REG_ICR_HIGH), 0x78000000);
	}
	if (!valid || shorthand == APIC_SELF) {
		assert_int_equal(effect, VLAPIC_NOTHING);
		assert_int_equal(vlapic_ready(&lapic), valid ? 0x9a : 0);
		return;
	}
	assert_int_equal(effect, VLAPIC_SEND);
	assert_int_equal(vlapic_ready(&lapic), 0);
	assert_int_equal(message.vector, 0x9a);
	assert_int_equal(message.delivery, delivery);
	assert_int_equal(message.shorthand, shorthand);
	assert_int_equal(message.logical, !!(low & 0x800));
	assert_int_equal(message.destination, x2apic ? 0x12345678 : 0x78);
	assert_false(message.level);
}

static void test_every_command(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 256; bits++) {
		/* Delivery 0-2, mode 3, level 4, trigger 5, shorthand 6-7. */
		uint32_t low = 0x9a | (bits & 7) << 8 | (bits >> 3 & 1) << 11 |
			       (bits >> 4 & 3) << 14 | (bits >> 6) << 18;
		check_command(low, false);
		check_command(low, true);
	}
}

static void test_broadcast_of_eight_bits(void **state)
{
	(void)state;
	struct apic_message message;
	struct vlapic lapic = make_lapic(0);
	poke(&lapic, REG_ICR_HIGH, 0xff000000);
	assert_int_equal(vlapic_write(&lapic, REG_ICR, 4, 0x41, 0, &message), VLAPIC_SEND);
	assert_true(message.destination == APIC_BROADCAST);
	assert_int_equal(vlapic_write(&lapic, REG_ICR, 4, 0x841, 0, &message), VLAPIC_SEND);
	assert_int_equal(message.destination, 0xff);
	lapic = make_x2apic(0);
	assert_int_equal(vlapic_msr_write(&lapic, msr_of(REG_ICR), 0xff00000041, 0, &message),
			 VLAPIC_SEND);
	assert_int_equal(message.destination, 0xff);
}

static void test_commands_with_vectors_of_the_processor(void **state)
{
	(void)state;
	struct apic_message message;
	for (unsigned vector = 0; vector < 20; vector++) {
		for (unsigned delivery = 0; delivery < 7; delivery++) {
			struct vlapic lapic = make_lapic(0);
			bool fixed = delivery <= APIC_LOWEST_PRIORITY;
			bool bad = fixed && vector < 16;
			poke(&lapic, REG_ICR_HIGH, 0x01000000);
			enum vlapic_effect effect = vlapic_write(
				&lapic, REG_ICR, 4, delivery << 8 | vector, 0, &message);
			bool sent = !bad && exists(delivery, 0, false, false);
			assert_int_equal(effect, sent ? VLAPIC_SEND : VLAPIC_NOTHING);
			poke(&lapic, REG_ESR, 0);
			assert_int_equal(peek(&lapic, REG_ESR), bad ? VLAPIC_ERROR_SEND_VECTOR : 0);
		}
	}
}

static void test_self_ipi(void **state)
{
	(void)state;
	struct vlapic lapic = make_x2apic(0);
	wrmsr(&lapic, msr_of(REG_SELF), 0x41);
	assert_int_equal(vlapic_ready(&lapic), 0x41);
	assert_int_equal(rdmsr(&lapic, msr_of(REG_TMR + 0x20)), 0);
	assert_int_equal(rdmsr(&lapic, msr_of(REG_ICR)), 0);
	wrmsr(&lapic, msr_of(REG_SELF), 0x0f);
	wrmsr(&lapic, msr_of(REG_ESR), 0);
	assert_int_equal(rdmsr(&lapic, msr_of(REG_ESR)), VLAPIC_ERROR_SEND_VECTOR);
}

/* A command to itself while it is switched off by software is sent, and refused where it arrives.
 */
static void test_self_while_switched_off(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	poke(&lapic, REG_SVR, 0xff);
	poke(&lapic, REG_ICR, 0x40041);
	assert_int_equal(vlapic_ready(&lapic), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bits_of_the_page),
		cmocka_unit_test(test_offsets_without_a_register),
		cmocka_unit_test(test_reads_of_every_width),
		cmocka_unit_test(test_writes_of_other_widths_change_nothing),
		cmocka_unit_test(test_access_to_every_msr),
		cmocka_unit_test(test_fault_changes_nothing),
		cmocka_unit_test(test_registers_have_one_state_in_both_modes),
		cmocka_unit_test(test_ways_between_the_modes),
		cmocka_unit_test(test_bits_of_the_base),
		cmocka_unit_test(test_page_answers_in_xapic_mode_only),
		cmocka_unit_test(test_switching_off_forgets),
		cmocka_unit_test(test_end_of_interrupt_tells_the_ioapic),
		cmocka_unit_test(test_software_switch_masks_the_entries),
		cmocka_unit_test(test_timer_registers_tell_the_caller),
		cmocka_unit_test(test_every_command),
		cmocka_unit_test(test_broadcast_of_eight_bits),
		cmocka_unit_test(test_commands_with_vectors_of_the_processor),
		cmocka_unit_test(test_self_ipi),
		cmocka_unit_test(test_self_while_switched_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
