/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/virt/vring.c: chains that are taken and given back, and every way to offer a wrong one.
 */
#include "virtio_fixture.h"

#include "base/bits.h"
#include "mm/alloc.h"
#include "mm/cache.h"

#define SIZE 8u

static struct vring ring;
static struct vring_chain chain;
static struct queue queue;
static const char *reason;
static bool notify;

static void start(void)
{
	driver_start();
	queue = (struct queue){.number = 0, .size = SIZE};
	ring = (struct vring){
		.descriptors = descriptors_at(&queue),
		.driver = driver_at(&queue),
		.device = device_at(&queue),
		.size = SIZE,
		.ready = true,
	};
	reason = NULL;
}

static enum vring_outcome take(void)
{
	struct s2_locked locked = s2_lock(&driver_vm->s2);
	enum vring_outcome outcome = vring_take(&ring, locked, &chain, &reason);
	s2_unlock(locked);
	world_check();
	return outcome;
}

static enum vring_outcome give(uint16_t head)
{
	struct s2_locked locked = s2_lock(&driver_vm->s2);
	enum vring_outcome outcome = vring_give(&ring, locked, head, 0, &notify, &reason);
	s2_unlock(locked);
	world_check();
	return outcome;
}

/* It is refused for this reason, and nothing was taken. */
static void expect_broken(const char *text)
{
	uint16_t taken = ring.taken;
	reason = NULL;
	assert_int_equal(take(), VRING_BROKEN);
	assert_non_null(reason);
	assert_string_equal(reason, text);
	assert_int_equal(ring.taken, taken);
}

static void test_judged_before_use(void **state)
{
	(void)state;
	start();
	assert_null(vring_judge(&ring));
	for (unsigned size = 0; size <= 130; size++) {
		struct vring other = ring;
		bool good = size > 0 && size <= 64 && (size & (size - 1)) == 0;
		other.size = (uint16_t)size;
		assert_int_equal(vring_judge(&other) == NULL, good);
	}
	for (unsigned shift = 1; shift < 16; shift++) {
		struct vring other = ring;
		other.descriptors += shift;
		assert_non_null(vring_judge(&other));
		other = ring;
		other.driver += shift;
		assert_int_equal(vring_judge(&other) == NULL, shift % 2 == 0);
		other = ring;
		other.device += shift;
		assert_int_equal(vring_judge(&other) == NULL, shift % 4 == 0);
	}
	kernel_vm_end(driver_vm);
}

static void test_taken_and_given_back(void **state)
{
	(void)state;
	start();
	assert_int_equal(take(), VRING_NONE); /* pages that were never touched are zeros */
	describe(&queue, 3, 0x5000, 100, NEXT, 6);
	describe(&queue, 6, 0x7ff0, 32, NEXT | WRITE, 1);
	describe(&queue, 1, 0x9000, 0, WRITE, 77); /* the last: where it points does not matter */
	offer(&queue, 3);
	assert_int_equal(take(), VRING_DONE);
	assert_int_equal(chain.head, 3);
	assert_int_equal(chain.count, 3);
	assert_int_equal(chain.pieces[0].address, 0x5000);
	assert_int_equal(chain.pieces[0].bytes, 100);
	assert_false(chain.pieces[0].for_device);
	assert_int_equal(chain.pieces[1].address, 0x7ff0);
	assert_true(chain.pieces[1].for_device);
	assert_int_equal(chain.pieces[2].bytes, 0);
	assert_int_equal(take(), VRING_NONE);
	assert_int_equal(back(&queue), 0);
	assert_int_equal(give(3), VRING_DONE);
	assert_true(notify);
	assert_int_equal(see(&queue), 3);
	suppress(&queue, true);
	assert_int_equal(give(5), VRING_DONE);
	assert_false(notify);
	assert_int_equal(see(&queue), 5);
	kernel_vm_end(driver_vm);
}

/* Both indices run past 2^16, and every place of the rings is used. */
static void test_indices_wrap(void **state)
{
	(void)state;
	start();
	ring.taken = ring.given = queue.offered = queue.seen = UINT16_MAX - 5;
	put_word(driver_at(&queue) + 2, queue.offered);
	put_word(device_at(&queue) + 2, queue.seen);
	for (unsigned i = 0; i < SIZE; i++) {
		describe(&queue, i, 0x1000 * (i + 1), 4, 0, 0);
	}
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < SIZE; i++) {
			offer(&queue, (uint16_t)i);
		}
		for (unsigned i = 0; i < SIZE; i++) {
			assert_int_equal(take(), VRING_DONE);
			assert_int_equal(chain.head, i);
			assert_int_equal(give(chain.head), VRING_DONE);
		}
		assert_int_equal(take(), VRING_NONE);
		assert_int_equal(back(&queue), SIZE);
		for (unsigned i = 0; i < SIZE; i++) {
			assert_int_equal(see(&queue), i);
		}
	}
	kernel_vm_end(driver_vm);
}

/* As long as the queue is the longest that ends. */
static void test_length_of_chains(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < SIZE; i++) {
		describe(&queue, i, 0x1000, 4, i + 1 < SIZE ? NEXT : 0, (uint16_t)(i + 1));
	}
	offer(&queue, 0);
	assert_int_equal(take(), VRING_DONE);
	assert_int_equal(chain.count, SIZE);
	offer(&queue, 0);
	describe(&queue, SIZE - 1, 0x1000, 4, NEXT, 0);
	expect_broken("a chain is longer than the queue");
	describe(&queue, 0, 0x1000, 4, NEXT, 0); /* itself */
	expect_broken("a chain is longer than the queue");
	assert_int_equal(chain.count, SIZE);
	describe(&queue, 0, 0x1000, 4, NEXT, SIZE);
	expect_broken("there is no such descriptor");
	describe(&queue, 0, 0x1000, 4, NEXT, UINT16_MAX);
	expect_broken("there is no such descriptor");
	kernel_vm_end(driver_vm);
}

static void test_wrong_descriptors(void **state)
{
	(void)state;
	start();
	offer(&queue, SIZE);
	expect_broken("there is no such descriptor");
	queue.offered--;
	offer(&queue, 0);
	describe(&queue, 0, 0x1000, 16, INDIRECT, 0);
	expect_broken("it has an indirect descriptor");
	describe(&queue, 0, UINT64_MAX - 15, 16, 0, 0);
	expect_broken("a descriptor wraps");
	describe(&queue, 0, UINT64_MAX - 16, 16, 0, 0); /* the buffer is judged when it is used */
	assert_int_equal(take(), VRING_DONE);
	offer(&queue, 0);
	describe(&queue, 0, 0x1000, 16, NEXT | WRITE, 1);
	describe(&queue, 1, 0x1000, 16, 0, 0);
	expect_broken("a descriptor to be read follows one to be written");
	describe(&queue, 0, 0x1000, UINT32_MAX, NEXT, 1);
	describe(&queue, 1, 0x1000, 2, 0, 0);
	expect_broken("a chain is longer than 2^32 bytes");
	describe(&queue, 1, 0x1000, 1, 0, 0);
	assert_int_equal(take(), VRING_DONE);
	put_word(driver_at(&queue) + 2, (uint16_t)(ring.taken + SIZE + 1));
	expect_broken("more is offered than it has descriptors");
	put_word(driver_at(&queue) + 2, (uint16_t)(ring.taken - 1));
	expect_broken("more is offered than it has descriptors");
	put_word(driver_at(&queue) + 2, (uint16_t)(ring.taken + SIZE));
	assert_int_equal(take(), VRING_DONE);
	kernel_vm_end(driver_vm);
}

/* Each part of the queue in the balloon, and beyond RAM up to the last address. */
static void test_parts_that_are_not_there(void **state)
{
	(void)state;
	for (unsigned part = 0; part < 3; part++) {
		start();
		offer_one(&queue, 0x1000, 4, 0);
		uint64_t gfn = QUEUE_GFN(0) + part;
		assert_int_equal(driver_surrender(driver_range(gfn, 0, 1)).status,
				 AEROSTAT_RANGE_OK);
		if (part < 2) {
			expect_broken("a part of it is in the balloon");
		} else {
			assert_int_equal(give(0), VRING_BROKEN);
			assert_string_equal(reason, "a part of it is in the balloon");
			assert_int_equal(ring.given, 0);
		}
		uint64_t *places[] = {&ring.descriptors, &ring.driver, &ring.device};
		const uint64_t outside[] = {DRIVER_PAGES * PAGE_BYTES,
					    (DRIVER_PAGES << PAGE_SHIFT) - 4 * (part == 2),
					    1ull << 63, UINT64_MAX - 15};
		assert_int_equal(driver_return(driver_range(gfn, 0, 1)).status, AEROSTAT_RANGE_OK);
		queue.offered = 0;
		offer_one(&queue, 0x1000, 4, 0);
		for (unsigned i = 0; i < 4; i++) {
			*places[part] = outside[i];
			if (part < 2) {
				expect_broken("a part of it is not in RAM");
			} else {
				assert_int_equal(give(0), VRING_BROKEN);
				assert_string_equal(reason, "a part of it is not in RAM");
				assert_int_equal(ring.given, 0);
			}
		}
		kernel_vm_end(driver_vm);
		if (part < 2) {
			world_stop();
		}
	}
}

/* The device's ring has no frame yet, and there is none: it is written later. */
static void test_no_frame_for_the_ring(void **state)
{
	(void)state;
	start();
	offer_one(&queue, 0x1000, 4, 0);
	assert_int_equal(take(), VRING_DONE);
	frame_caches_empty();
	frame_caches_floor_set(FRAME_CACHES_OFF);
	frame_alloc_fail_at = 1;
	assert_int_equal(give(0), VRING_LATER);
	assert_int_equal(ring.given, 0);
	frame_alloc_fail_at = 0;
	assert_int_equal(give(0), VRING_DONE);
	assert_int_equal(see(&queue), 0);
	kernel_vm_end(driver_vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_judged_before_use, kernel_teardown),
		cmocka_unit_test_teardown(test_taken_and_given_back, kernel_teardown),
		cmocka_unit_test_teardown(test_indices_wrap, kernel_teardown),
		cmocka_unit_test_teardown(test_length_of_chains, kernel_teardown),
		cmocka_unit_test_teardown(test_wrong_descriptors, kernel_teardown),
		cmocka_unit_test_teardown(test_parts_that_are_not_there, kernel_teardown),
		cmocka_unit_test_teardown(test_no_frame_for_the_ring, kernel_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
