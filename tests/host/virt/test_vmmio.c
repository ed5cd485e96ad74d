/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/virt/vmmio.c: registers, features and the status machine, driven rightly and wrongly. */
#include "cmocka.h"

#include <string.h>

#include "drivers/virt/vmmio.h"

#define OFFERED (VMMIO_VERSION_1 | 0x37u)

static struct vmmio mmio;
static unsigned queue;

static enum vmmio_effect set(uint32_t offset, uint32_t value)
{
	queue = 99;
	return vmmio_write(&mmio, offset, value, &queue);
}

static uint32_t status(void)
{
	return vmmio_read(&mmio, 0x70);
}

static void accept(uint64_t features)
{
	set(0x24, 1);
	set(0x20, (uint32_t)(features >> 32));
	set(0x24, 0);
	set(0x20, (uint32_t)features);
}

/* Up to FEATURES_OK, with two queues. */
static void negotiate(void)
{
	vmmio_reset(&mmio, 5, OFFERED);
	set(0x70, 1);
	set(0x70, 3);
	accept(VMMIO_VERSION_1 | 2);
	assert_int_equal(set(0x70, 0xb), VMMIO_FEATURES);
	assert_int_equal(status(), 0xb);
	mmio.queue_count = 2;
}

static void test_discovery(void **state)
{
	(void)state;
	vmmio_reset(&mmio, 5, OFFERED);
	assert_int_equal(vmmio_read(&mmio, 0), 0x74726976);
	assert_int_equal(vmmio_read(&mmio, 4), 2);
	assert_int_equal(vmmio_read(&mmio, 8), 5);
	assert_int_equal(vmmio_read(&mmio, 0x10), 0x37);
	set(0x14, 1);
	assert_int_equal(vmmio_read(&mmio, 0x10), 1);
	for (uint32_t select = 2; select != 0; select <<= 1) {
		set(0x14, select);
		assert_int_equal(vmmio_read(&mmio, 0x10), 0);
	}
	assert_int_equal(vmmio_read(&mmio, 0xb0), UINT32_MAX);
	assert_int_equal(vmmio_read(&mmio, 0xb4), UINT32_MAX);
	/* Before the features are known there are no queues. */
	assert_int_equal(vmmio_read(&mmio, 0x34), 0);
	assert_int_equal(set(0x50, 0), VMMIO_NOTHING);
}

static void test_features_are_judged(void **state)
{
	static const struct {
		uint64_t features;
		bool accepted;
	} tried[] = {
		{VMMIO_VERSION_1, true},
		{OFFERED, true},
		{0x37, false},
		{OFFERED | 8, false},
		{VMMIO_VERSION_1 | 1ull << 33, false},
		{VMMIO_VERSION_1 | 1u << 28, false},
		{0, false},
		{UINT64_MAX, false},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(tried) / sizeof(tried[0]); i++) {
		vmmio_reset(&mmio, 5, OFFERED);
		set(0x70, 3);
		accept(0x30000003f); /* the first of two writes does not count */
		accept(tried[i].features);
		enum vmmio_effect effect = set(0x70, 0xb);
		assert_int_equal(effect, tried[i].accepted ? VMMIO_FEATURES : VMMIO_NOTHING);
		assert_int_equal(status(), tried[i].accepted ? 0xb : 3);
		assert_int_equal(set(0x70, 0xf), tried[i].accepted ? VMMIO_STARTED : VMMIO_NOTHING);
		assert_int_equal(vmmio_runs(&mmio), tried[i].accepted);
	}
	/* Afterwards they stay as they are. */
	negotiate();
	accept(OFFERED);
	assert_int_equal(mmio.features, VMMIO_VERSION_1 | 2);
	set(0x24, 2);
	set(0x20, UINT32_MAX);
	assert_int_equal(mmio.features, VMMIO_VERSION_1 | 2);
}

static void test_status_in_the_wrong_order(void **state)
{
	(void)state;
	vmmio_reset(&mmio, 5, OFFERED);
	assert_int_equal(set(0x70, 7), VMMIO_NOTHING); /* a driver of before 1.0 */
	assert_int_equal(status(), 3);
	accept(VMMIO_VERSION_1);
	/* Both in one step: whether the features were accepted was not looked at. */
	assert_int_equal(set(0x70, 0xf), VMMIO_FEATURES);
	assert_int_equal(status(), 0xb);
	assert_false(vmmio_runs(&mmio));
	assert_int_equal(set(0x70, 4), VMMIO_STARTED); /* no bit is lost */
	assert_int_equal(status(), 0xf);
	assert_int_equal(set(0x70, 0xf), VMMIO_NOTHING);
	assert_int_equal(set(0x70, 0x40), VMMIO_NOTHING); /* that one is the device's */
	assert_int_equal(status(), 0xf);
	assert_true(vmmio_runs(&mmio));
	assert_int_equal(set(0x70, 0x8f), VMMIO_STOPPED);
	assert_false(vmmio_runs(&mmio));
	assert_int_equal(set(0x70, 0), VMMIO_RESET);
	assert_int_equal(status(), 0);
	assert_int_equal(mmio.features, 0);
	assert_int_equal(mmio.offered, OFFERED);
	assert_int_equal(mmio.id, 5);
}

static void test_queues(void **state)
{
	(void)state;
	negotiate();
	for (uint32_t i = 0; i < 2; i++) {
		set(0x30, i);
		assert_int_equal(vmmio_read(&mmio, 0x34), VRING_SIZE_MAX);
		set(0x38, 16);
		set(0x80, 0x1000 + i);
		set(0x84, 2);
		set(0x90, 0x3000);
		set(0x94, 0x4);
		set(0xa0, 0x5000);
		set(0xa4, 0x6);
		assert_int_equal(vmmio_read(&mmio, 0x44), 0);
		/* Only the second one is not aligned. */
		assert_int_equal(set(0x44, 1), i == 0 ? VMMIO_NOTHING : VMMIO_BAD_QUEUE);
		assert_int_equal(vmmio_read(&mmio, 0x44), i == 0);
		assert_int_equal(queue, i == 0 ? 99 : 1);
	}
	assert_int_equal(mmio.queues[0].descriptors, 0x200001000);
	assert_int_equal(mmio.queues[0].driver, 0x400003000);
	assert_int_equal(mmio.queues[0].device, 0x600005000);
	assert_int_equal(mmio.queues[0].size, 16);
	/* One that is ready stays as it is, and begins anew when it is made ready again. */
	set(0x30, 0);
	set(0x38, 32);
	set(0x80, 0x8000);
	assert_int_equal(mmio.queues[0].size, 16);
	assert_int_equal(mmio.queues[0].descriptors, 0x200001000);
	mmio.queues[0].taken = 5;
	assert_int_equal(set(0x44, 1), VMMIO_NOTHING);
	assert_int_equal(mmio.queues[0].taken, 5);
	set(0x44, 0);
	assert_int_equal(vmmio_read(&mmio, 0x44), 0);
	assert_int_equal(mmio.queues[0].taken, 0);
	set(0x38, 0x10010); /* not cut to 16 */
	assert_int_equal(set(0x44, 1), VMMIO_BAD_QUEUE);
	assert_int_equal(set(0x50, 1), VMMIO_NOTIFY);
	assert_int_equal(queue, 1);
	assert_int_equal(set(0x50, 2), VMMIO_NOTHING);
	assert_int_equal(set(0x50, UINT32_MAX), VMMIO_NOTHING);
	/* There is no such queue: nothing of it can be written or read. */
	for (uint32_t i = 2; i != 0; i <<= 1) {
		struct vmmio before;
		set(0x30, i);
		before = mmio;
		assert_int_equal(vmmio_read(&mmio, 0x34), 0);
		assert_int_equal(vmmio_read(&mmio, 0x44), 0);
		set(0x38, 4);
		set(0x80, 4);
		assert_int_equal(set(0x44, 1), VMMIO_NOTHING);
		assert_memory_equal(&mmio, &before, sizeof(mmio));
	}
}

static void test_interrupts(void **state)
{
	(void)state;
	negotiate();
	uint32_t generation = vmmio_read(&mmio, 0xfc);
	vmmio_config_changed(&mmio);
	mmio.interrupt |= VMMIO_INTERRUPT_USED;
	assert_int_not_equal(vmmio_read(&mmio, 0xfc), generation);
	assert_int_equal(vmmio_read(&mmio, 0x60), 3);
	set(0x64, 1);
	assert_int_equal(vmmio_read(&mmio, 0x60), 2);
	set(0x64, 0xff);
	assert_int_equal(vmmio_read(&mmio, 0x60), 0);
	/* The device stops: the driver hears of it if it has come as far as that. */
	vmmio_break(&mmio);
	assert_int_equal(vmmio_read(&mmio, 0x60), 0);
	assert_int_equal(status(), 0x4b);
	negotiate();
	set(0x70, 0xf);
	vmmio_break(&mmio);
	assert_int_equal(vmmio_read(&mmio, 0x60), 2);
	assert_int_equal(status(), 0x4f);
	assert_false(vmmio_runs(&mmio));
}

/* Every register at every offset: only those that are there change anything or read as anything. */
static void test_all_offsets(void **state)
{
	(void)state;
	for (uint32_t offset = 0; offset < VMMIO_CONFIG; offset++) {
		negotiate();
		set(0x30, 7); /* no queue */
		struct vmmio before = mmio;
		uint32_t value = vmmio_read(&mmio, offset);
		bool known = offset == 0 || offset == 4 || offset == 8 || offset == 0xc ||
			     offset == 0x10 || offset == 0x70 || offset == 0xb0 || offset == 0xb4;
		assert_int_equal(value != 0, known);
		assert_memory_equal(&mmio, &before, sizeof(mmio));
		assert_int_equal(set(offset, 0x55),
				 VMMIO_NOTHING + (offset == 0x70 ? VMMIO_STARTED : 0));
		known = offset == 0x14 || offset == 0x24 || offset == 0x30 || offset == 0x70;
		assert_int_equal(memcmp(&mmio, &before, sizeof(mmio)) != 0, known);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_discovery),
		cmocka_unit_test(test_features_are_judged),
		cmocka_unit_test(test_status_in_the_wrong_order),
		cmocka_unit_test(test_queues),
		cmocka_unit_test(test_interrupts),
		cmocka_unit_test(test_all_offsets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
