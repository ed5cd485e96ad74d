/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drivers/virt/pc_kvm.c: where a VM with as=kvm finds its balloon, by ACPI and in memory, and how
 * the balloon's interrupt and its timer reach vCPUs. The balloon itself: test_vballoon.c.
 */
#include "pc_fixture.h"

#include <string.h>

#include "base/time.h"
#include "drivers/virt/pc_kvm.h"
#include "drivers/virt/vballoon.h"
#include "kernel/balloon/balloon.h"
#include "mm/alloc.h"

#define RING_GFN 500u

static int setup(void **state)
{
	pc_setup(state);
	platform_destroy(pc);
	pc->config.as = AS_KVM;
	assert_int_equal(platform_create(pc), STATUS_OK);
	world_check();
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, pc_end)

static uint32_t reg(uint32_t offset)
{
	return load(boot_vcpu, PC_KVM_WINDOW + offset);
}

static void set(struct vcpu *vcpu, uint32_t offset, uint32_t value)
{
	store(vcpu, PC_KVM_WINDOW + offset, value);
}

/* With VERSION_1 alone, and queue 0 at RING_GFN. */
static void connect(void)
{
	set(boot_vcpu, 0x70, 0);
	set(boot_vcpu, 0x70, 3);
	set(boot_vcpu, 0x24, 1);
	set(boot_vcpu, 0x20, 1);
	set(boot_vcpu, 0x70, 0xb);
	set(boot_vcpu, 0x30, 0);
	set(boot_vcpu, 0x38, 8);
	set(boot_vcpu, 0x80, RING_GFN << PAGE_SHIFT);
	set(boot_vcpu, 0x90, (RING_GFN + 1) << PAGE_SHIFT);
	set(boot_vcpu, 0xa0, (RING_GFN + 2) << PAGE_SHIFT);
	set(boot_vcpu, 0x44, 1);
	set(boot_vcpu, 0x70, 0xf);
	assert_true(pc->balloon.attached);
}

static void test_window(void **state)
{
	struct device_access access = {.bytes = 4};
	(void)state;
	assert_int_equal(reg(0), 0x74726976);
	assert_int_equal(reg(8), 5);
	assert_int_equal(reg(VMMIO_BYTES - 4), 0);
	assert_false(platform_memory(boot_vcpu, (gpa_t){PC_KVM_WINDOW - 4}, &access));
	assert_false(platform_memory(boot_vcpu, (gpa_t){PC_KVM_WINDOW + VMMIO_BYTES}, &access));
	assert_false(platform_memory(boot_vcpu, (gpa_t){(1ull << 32) + PC_KVM_WINDOW}, &access));
	/* Eight bytes at once are no access to it. */
	access.bytes = 8;
	assert_true(platform_memory(boot_vcpu, (gpa_t){PC_KVM_WINDOW}, &access));
	assert_int_equal(access.value, 0);
	platform_destroy(pc);
	pc->config.as = AS_PLAIN;
	assert_int_equal(platform_create(pc), STATUS_OK);
	assert_false(platform_memory(boot_vcpu, (gpa_t){PC_KVM_WINDOW}, &access));
}

static void test_made_and_ended(void **state)
{
	(void)state;
	uint64_t free = frame_count_free();
	connect();
	platform_reset(pc); /* a restart */
	assert_int_equal(reg(0x70), 0);
	assert_int_equal(reg(0x10), 0x37);
	platform_destroy(pc);
	assert_int_equal(frame_count_free(), free + 3 + (1u << PC_SCROLLBACK_ORDER));
	balloon_detach_device(pc);
	assert_int_equal(platform_create(pc), STATUS_OK);
}

/* The target rises: the interrupt stays until the driver has acknowledged it. */
static void test_interrupt(void **state)
{
	(void)state;
	connect();
	lapic_write(boot_vcpu, REG_SVR, 0x1ff);
	ioapic_entry(PC_KVM_IRQ, 0x8051); /* by level, vector 0x51 */
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0);
	balloon_set_target(pc, 50, AEROSTAT_PRESSURE_LOW);
	assert_true(has_rung(boot_vcpu));
	assert_int_equal(reg(0x100), 50);
	assert_int_equal(platform_interrupt_take(boot_vcpu, 0x51), 0x51);
	lapic_write(boot_vcpu, REG_EOI, 0); /* too early: it comes again */
	assert_int_equal(platform_interrupt_take(boot_vcpu, 0x51), 0x51);
	set(boot_vcpu, 0x64, reg(0x60));
	lapic_write(boot_vcpu, REG_EOI, 0);
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0);
}

/* Inflates one page; the interrupt for that comes by the timer of vCPU 0, whoever inflates. */
static void test_timer(void **state)
{
	static const uint64_t descriptor[2] = {(uint64_t)(RING_GFN + 3) << PAGE_SHIFT, 4};
	(void)state;
	connect();
	for (unsigned i = 0; i < 2; i++) {
		struct vcpu *vcpu = &pc->vcpus[i];
		uint32_t number = 100 + i;
		memcpy(kernel_guest_page(pc, RING_GFN), descriptor, sizeof(descriptor));
		memcpy(kernel_guest_page(pc, RING_GFN + 3), &number, 4);
		((uint16_t *)kernel_guest_page(pc, RING_GFN + 1))[1] = (uint16_t)(i + 1);
		boot_vcpu->timer_tsc = WAKE_NEVER;
		set(vcpu, 0x50, 0);
		assert_int_equal(pc->s2.ballooned_pages, i + 1);
		assert_int_equal(((uint16_t *)kernel_guest_page(pc, RING_GFN + 2))[1], i + 1);
		assert_int_equal(reg(0x60), 0);
		assert_true(boot_vcpu->timer_tsc != WAKE_NEVER);
		fake_tsc += ticks_from_ms(2);
		platform_tick(boot_vcpu, fake_tsc);
		assert_int_equal(reg(0x60), VMMIO_INTERRUPT_USED);
		set(boot_vcpu, 0x64, 1);
	}
	platform_reset(pc);
	balloon_detach_device(pc);
}

/* The device of the DSDT: each length is right, and what it names is where the registers are. */
static void test_acpi(void **state)
{
	static uint8_t tables[PAGE_BYTES];
	static const char scope[] = "\x10\x42\x04_SB_\x5b\x82\x3aVBAL";
	static const uint8_t memory[] = {0x86, 9, 0, 1};
	static const uint8_t interrupt[] = {0x89, 6, 0, 1, 1};
	(void)state;
	size_t bytes = platform_tables(pc, tables, sizeof(tables), 0xf0000);
	assert_in_range(bytes, 1, sizeof(tables));
	const uint8_t *dsdt = NULL;
	for (size_t i = 0; i + 36 < bytes; i += 16) {
		dsdt = memcmp(tables + i, "DSDT", 4) == 0 ? tables + i : dsdt;
	}
	assert_non_null(dsdt);
	uint32_t length;
	memcpy(&length, dsdt + 4, 4);
	uint8_t sum = 0;
	for (uint32_t i = 0; i < length; i++) {
		sum = (uint8_t)(sum + dsdt[i]);
	}
	assert_int_equal(sum, 0);
	const uint8_t *block = dsdt + length - pc_kvm.aml_bytes;
	assert_memory_equal(block, scope, sizeof(scope) - 1);
	assert_int_equal(pc_kvm.aml_bytes, 1 + 66);    /* the opcode, and the scope */
	const uint8_t *device = block + 1 + 2 + 4 + 2; /* its length */
	assert_ptr_equal(device + 58, block + pc_kvm.aml_bytes);
	const uint8_t *name = device + 1 + 4;
	assert_memory_equal(name, "\x08_HID\x0dLNRO0005\0\x08_UID\0\x08_CRS\x11\x1a\x0a\x17", 30);
	const uint8_t *resources = name + 30;
	uint32_t window[2];
	assert_memory_equal(resources, memory, sizeof(memory));
	memcpy(window, resources + 4, 8);
	assert_int_equal(window[0], PC_KVM_WINDOW);
	assert_int_equal(window[1], VMMIO_BYTES);
	assert_memory_equal(resources + 12, interrupt, sizeof(interrupt));
	memcpy(window, resources + 17, 4);
	assert_int_equal(window[0], PC_KVM_IRQ);
	assert_memory_equal(resources + 21, "\x79\0", 2);
	assert_ptr_equal(resources + 23, block + pc_kvm.aml_bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_window), TEST(test_made_and_ended), TEST(test_interrupt),
		TEST(test_timer),  TEST(test_acpi),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
