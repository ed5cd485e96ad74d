/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * as=hyper-v up to the channel (drivers/virt/pc_hyperv.c, vhyperv.c, vsynic.c, vvmbus.c): MSRs,
 * hypercalls, messages and their slot, versions, pages of rings, and what each reset forgets.
 */
#include "hyperv_fixture.h"

/* ---- MSRs ---- */

static void test_msrs(void **state)
{
	uint64_t value;
	(void)state;
	assert_int_equal(get_msr(&pc->vcpus[1], VHYPERV_MSR_INDEX), 1);
	assert_int_equal(get_msr(boot_vcpu, VHYPERV_MSR_TSC_FREQUENCY), arch_tsc_khz() * 1000);
	assert_int_equal(get_msr(boot_vcpu, VHYPERV_MSR_APIC_FREQUENCY), arch_tsc_khz() * 1000 / 4);
	assert_false(platform_msr_write(boot_vcpu, VHYPERV_MSR_INDEX, 0));
	assert_false(platform_msr_write(boot_vcpu, VHYPERV_MSR_TSC_FREQUENCY, 1));
	assert_false(platform_msr_write(boot_vcpu, VSYNIC_MSR_VERSION, 1));
	assert_int_equal(get_msr(boot_vcpu, VSYNIC_MSR_VERSION), 1);
	for (unsigned i = 0; i < VSYNIC_SOURCES; i++) {
		assert_int_equal(get_msr(&pc->vcpus[1], VSYNIC_MSR_SOURCE + i), 0x10000);
	}
	/* One for each processor, and stored as they are. */
	set_msr(&pc->vcpus[1], VHYPERV_MSR_ASSIST, 0x5001);
	assert_int_equal(get_msr(&pc->vcpus[1], VHYPERV_MSR_ASSIST), 0x5001);
	assert_int_equal(get_msr(boot_vcpu, VHYPERV_MSR_ASSIST), 0);
	set_msr(boot_vcpu, VHYPERV_MSR_REFERENCE_TSC, 0x7001);
	assert_int_equal(get_msr(boot_vcpu, VHYPERV_MSR_REFERENCE_TSC), 0x7001);
	set_msr(boot_vcpu, VHYPERV_MSR_TSC_INVARIANT, 1);
	assert_int_equal(get_msr(boot_vcpu, VHYPERV_MSR_TSC_INVARIANT), 1);
	/* A vector of the processor's own, unless it is masked. */
	assert_false(platform_msr_write(boot_vcpu, VSYNIC_MSR_SOURCE + 2, 15));
	assert_int_equal(get_msr(boot_vcpu, VSYNIC_MSR_SOURCE + 2), 0x10000);
	set_msr(boot_vcpu, VSYNIC_MSR_SOURCE + 2, 0x1000f);
	/* What is not offered: the reference counter, crash registers, timers. */
	assert_false(platform_msr_read(boot_vcpu, 0x40000020, &value));
	assert_false(platform_msr_write(boot_vcpu, 0x40000100, 0));
	assert_false(platform_msr_read(boot_vcpu, 0x400000b0, &value));
}

static void test_hypercall_page(void **state)
{
	static const uint8_t stub[] = {0xf3, 0x0f, 0x1e, 0xfa, 0x0f, 0x01, 0xc1, 0xc3};
	uint8_t code[sizeof(stub)];
	const uint64_t page = HV_CALL_GFN << PAGE_SHIFT;
	(void)state;
	/* Not before the guest has said which one it is. */
	set_msr(boot_vcpu, VHYPERV_MSR_HYPERCALL, page | 1);
	assert_int_equal(get_msr(boot_vcpu, VHYPERV_MSR_HYPERCALL), page);
	assert_int_equal(call(VHYPERV_CALL_CAPABILITIES, 0, 0), VHYPERV_UNKNOWN_CALL);
	set_msr(boot_vcpu, VHYPERV_MSR_GUEST_ID, 1);
	assert_false(platform_msr_write(boot_vcpu, VHYPERV_MSR_HYPERCALL,
					(uint64_t)HV_PAGES << PAGE_SHIFT | 1));
	assert_int_equal(get_msr(boot_vcpu, VHYPERV_MSR_HYPERCALL), page);
	set_msr(boot_vcpu, VHYPERV_MSR_HYPERCALL, page | 1);
	assert_int_equal(get_msr(boot_vcpu, VHYPERV_MSR_HYPERCALL), page | 1);
	get(page, code, sizeof(code));
	assert_memory_equal(code, stub, sizeof(stub));
	set_msr(boot_vcpu, VHYPERV_MSR_GUEST_ID, 0);
	assert_int_equal(get_msr(boot_vcpu, VHYPERV_MSR_HYPERCALL), page);
	set_msr(boot_vcpu, VHYPERV_MSR_GUEST_ID, 1);
	set_msr(boot_vcpu, VHYPERV_MSR_HYPERCALL, page | 3);
	set_msr(boot_vcpu, VHYPERV_MSR_HYPERCALL, 0); /* it is locked */
	assert_int_equal(get_msr(boot_vcpu, VHYPERV_MSR_HYPERCALL), page | 3);
}

/* ---- hypercalls ---- */

static void test_hypercalls_that_are_refused(void **state)
{
	const uint64_t input = (uint64_t)HV_INPUT_GFN << PAGE_SHIFT;
	uint32_t head[4] = {VVMBUS_CONNECTION, 0, 1, 8};
	(void)state;
	hv_boot(boot_vcpu);
	put(input, head, sizeof(head));
	assert_int_equal(call(0x46, input, 0), VHYPERV_UNKNOWN_CALL);
	assert_int_equal(call(0x5c | VHYPERV_CALL_FAST, input, 0), VHYPERV_BAD_INPUT);
	assert_int_equal(call(0x5c, input + 4, 0), VHYPERV_BAD_ALIGNMENT);
	assert_int_equal(call(0x5c, (uint64_t)HV_PAGES << PAGE_SHIFT, 0), VHYPERV_BAD_PARAMETER);
	assert_int_equal(call(0x5c, -8ull, 0), VHYPERV_BAD_PARAMETER);
	assert_int_equal(call(0x5c, input + PAGE_BYTES - 8, 0), VHYPERV_BAD_PARAMETER);
	assert_int_equal(call(0x5c, input, 0), VHYPERV_OK); /* it means nothing yet */
	head[0] = 4; /* where versions from 5.0 on are asked for */
	put(input, head, sizeof(head));
	assert_int_equal(call(0x5c, input, 0), VHYPERV_NO_CONNECTION);
	head[0] = VVMBUS_CONNECTION;
	head[2] = 2;
	put(input, head, sizeof(head));
	assert_int_equal(call(0x5c, input, 0), VHYPERV_BAD_PARAMETER);
	head[2] = 1;
	head[3] = 241;
	put(input, head, sizeof(head));
	assert_int_equal(call(0x5c, input, 0), VHYPERV_BAD_PARAMETER);
	/* A message that crosses the end of its page. */
	head[3] = 100;
	put(input + PAGE_BYTES - 64, head, sizeof(head));
	assert_int_equal(call(0x5c, input + PAGE_BYTES - 64, 0), VHYPERV_BAD_PARAMETER);
	assert_int_equal(call(0x5d, VVMBUS_CHANNEL_CONNECTION, 0), VHYPERV_BAD_INPUT);
	assert_int_equal(call(0x5d | VHYPERV_CALL_FAST, 1, 0), VHYPERV_NO_CONNECTION);
	assert_int_equal(call(0x8001, 0, input + 4), VHYPERV_BAD_ALIGNMENT);
	assert_int_equal(call(0x8001, 0, (uint64_t)HV_PAGES << PAGE_SHIFT), VHYPERV_BAD_PARAMETER);
	assert_int_equal(call(0x8001, 0, input), VHYPERV_OK);
	assert_int_equal(get_32(input), 0x100);
	/* From user mode there is nothing. */
	assert_int_equal(platform_hypercall(boot_vcpu, false), EXIT_ADVANCE);
	assert_int_equal(boot_vcpu->regs[GPR_RAX], -1ull);
}

static uint64_t hint(unsigned count, unsigned start, const uint64_t *ranges, uint64_t kind)
{
	const uint64_t input = (uint64_t)HV_INPUT_GFN << PAGE_SHIFT;
	put(input, &kind, sizeof(kind));
	put(input + 8, ranges, count * sizeof(ranges[0]));
	return call(0x8003 | (uint64_t)count << 32 | (uint64_t)start << 48, input, 0);
}

static void test_cold_memory(void **state)
{
	const uint64_t input = (uint64_t)HV_INPUT_GFN << PAGE_SHIFT;
	uint64_t ranges[500];
	uint8_t one = 1;
	(void)state;
	hv_boot(boot_vcpu);
	put(100 << PAGE_SHIFT, &one, 1);
	put(101 << PAGE_SHIFT, &one, 1);
	put(700 << PAGE_SHIFT, &one, 1);
	ranges[0] = 100 << PAGE_SHIFT | 1;		  /* two small pages */
	ranges[1] = (uint64_t)1 << 21 | 1 << 11;	  /* a large one */
	ranges[2] = (uint64_t)HV_PAGES << PAGE_SHIFT | 1; /* no RAM: passed over */
	assert_int_equal(hint(3, 0, ranges, 2), 3ull << 32);
	assert_int_equal(kind_of(100), S2_EMPTY);
	assert_int_equal(kind_of(101), S2_EMPTY);
	assert_int_equal(kind_of(700), S2_EMPTY);
	assert_int_equal(pc->s2.ballooned_pages, 0); /* it is free to be touched */
	assert_true(pc->balloon.reported_pages >= 3);
	/* Never more than is there, and never without getting on. */
	for (unsigned i = 0; i < 500; i++) {
		ranges[i] = (uint64_t)1 << 21 | 1 << 11 | 2;
	}
	unsigned at = 0, calls = 0;
	while (at < 500) {
		uint64_t done = hint(500, at, ranges, 2) >> 32;
		assert_true(done > at && done <= 500);
		at = (unsigned)done;
		calls++;
	}
	assert_true(calls > 1);
	assert_int_equal(hint(1, 1, ranges, 2), VHYPERV_BAD_INPUT);
	assert_int_equal(hint(1, 0, ranges, 1), VHYPERV_BAD_PARAMETER);
	assert_int_equal(call(0x8003, input, 0), VHYPERV_BAD_INPUT);
	assert_int_equal(call(0x8003 | 1ull << 32, input + 4, 0), VHYPERV_BAD_ALIGNMENT);
	assert_int_equal(call(0x8003 | 1ull << 32, input + PAGE_BYTES - 8, 0),
			 VHYPERV_BAD_ALIGNMENT);
	assert_int_equal(call(0x8003 | 1ull << 32, (uint64_t)HV_PAGES << PAGE_SHIFT, 0),
			 VHYPERV_BAD_PARAMETER);
}

/* ---- messages ---- */

static void test_versions(void **state)
{
	uint32_t message[10] = {14, 0, 0x50000, 0, 2};
	uint8_t answer[240];
	(void)state;
	hv_boot(boot_vcpu);
	assert_int_equal(post(message, sizeof(message)), VHYPERV_NO_CONNECTION);
	assert_int_equal(receive(answer), 0);
	message[2] = 0x40000;
	message[3] = 2; /* there is no such processor */
	assert_int_equal(post(message, sizeof(message)), VHYPERV_NO_CONNECTION);
	contact(0x40001); /* 4.1 */
	assert_int_equal(receive(answer), 16);
	assert_int_equal(answer[0], 15);
	assert_int_equal(answer[8], 0);
	assert_false(hv()->bus.connected);
	short_message(3, 0, 0); /* offers are asked for too early */
	assert_int_equal(receive(answer), 0);
	contact(0x40000);
	assert_int_equal(receive(answer), 16);
	assert_int_equal(answer[8], 1);
	assert_true(hv()->bus.connected);
}

static void test_offers_wait_for_their_slot(void **state)
{
	static const uint8_t type[16] = {0xdc, 0x74, 0x50, 0x52, 0x85, 0x89, 0xe2, 0x46,
					 0x80, 0x57, 0xa3, 0x07, 0xdc, 0x18, 0xa5, 0x02};
	uint8_t answer[240];
	(void)state;
	connect();
	short_message(3, 0, 0);
	/* The first is there and says that there is another; that comes with EOM. */
	assert_true(interrupted(boot_vcpu));
	assert_false(interrupted(boot_vcpu));
	assert_int_equal(get_32(HV_SLOT + 4) >> 8 & 1, 1);
	assert_int_equal(receive(answer), 196);
	assert_int_equal(answer[0], 1);
	assert_memory_equal(answer + 8, type, sizeof(type));
	assert_int_equal(answer[0xb8], VVMBUS_CHANNEL);
	assert_int_equal(answer[0xbd], 0); /* no monitor page */
	assert_int_equal(answer[0xc0], VVMBUS_CHANNEL_CONNECTION);
	assert_true(interrupted(boot_vcpu));
	assert_int_equal(get_32(HV_SLOT + 4) >> 8 & 1, 0);
	assert_int_equal(receive(answer), 8);
	assert_int_equal(answer[0], 4);
	assert_int_equal(receive(answer), 0);
	/* A guest that empties nothing gets told so, and loses nothing. */
	unsigned posted = 0;
	const uint32_t message[4] = {3, 0};
	while (post(message, sizeof(message)) == VHYPERV_OK) {
		posted++;
	}
	assert_int_equal(post(message, sizeof(message)), VHYPERV_NO_MEMORY);
	unsigned received = 0;
	while (receive(answer) != 0) {
		received++;
	}
	assert_int_equal(received, 2 * posted);
	assert_true(posted >= VSYNIC_QUEUE / 2 - 1);
}

/* A message for which there is no room is announced in the one that takes it. */
static void test_announced_in_a_full_slot(void **state)
{
	uint8_t answer[240];
	(void)state;
	connect();
	short_message(11, VVMBUS_CHANNEL, 1);
	assert_int_equal(get_32(HV_SLOT + 4) >> 8 & 1, 0); /* it is the only one */
	short_message(11, VVMBUS_CHANNEL, 2);
	assert_int_equal(get_32(HV_SLOT + 4) >> 8 & 1, 1);
	assert_int_equal(receive(answer), 12);
	assert_int_equal(answer[8], 1);
	assert_int_equal(receive(answer), 12);
	assert_int_equal(answer[8], 2);
	assert_int_equal(receive(answer), 0);
}

/* Nothing is delivered through a source that is masked, or pages that are not switched on. */
static void test_masked(void **state)
{
	uint8_t answer[240];
	(void)state;
	hv_boot(boot_vcpu);
	set_msr(boot_vcpu, VSYNIC_MSR_SOURCE + 2, 0x10000 | HV_VECTOR);
	contact(0x40000);
	assert_false(interrupted(boot_vcpu));
	assert_int_equal(receive(answer), 0);
	set_msr(boot_vcpu, VSYNIC_MSR_MESSAGES, HV_MESSAGES_GFN << PAGE_SHIFT);
	set_msr(boot_vcpu, VSYNIC_MSR_SOURCE + 2, HV_VECTOR);
	assert_int_equal(receive(answer), 0);
	set_msr(boot_vcpu, VSYNIC_MSR_CONTROL, 0);
	set_msr(boot_vcpu, VSYNIC_MSR_MESSAGES, HV_MESSAGES_GFN << PAGE_SHIFT | 1);
	assert_int_equal(receive(answer), 0);
	set_msr(boot_vcpu, VSYNIC_MSR_CONTROL, 1);
	assert_true(interrupted(boot_vcpu));
	assert_int_equal(receive(answer), 16);
	/* Where there is no RAM, the message waits, and the host goes on. */
	set_msr(boot_vcpu, VSYNIC_MSR_MESSAGES, (uint64_t)HV_PAGES << PAGE_SHIFT | 1);
	contact(0x40000);
	assert_false(interrupted(boot_vcpu));
	set_msr(boot_vcpu, VSYNIC_MSR_MESSAGES, -1ull);
	assert_false(interrupted(boot_vcpu));
	set_msr(boot_vcpu, VSYNIC_MSR_MESSAGES, HV_MESSAGES_GFN << PAGE_SHIFT | 1);
	assert_int_equal(receive(answer), 16);
}

/* Another processor than the first asks: a kernel that was started by a crashed one. */
static void test_another_processor(void **state)
{
	const uint32_t message[10] = {14, 0, 0x40000, 1, 2};
	uint8_t answer[240];
	(void)state;
	hv_boot(&pc->vcpus[1]);
	assert_int_equal(post(message, sizeof(message)), VHYPERV_OK);
	assert_false(interrupted(boot_vcpu));
	assert_true(interrupted(&pc->vcpus[1]));
	assert_int_equal(receive(answer), 16);
}

/* ---- channels ---- */

static void test_pages_of_rings_are_judged(void **state)
{
	uint64_t message[30] = {0};
	uint32_t *words = (uint32_t *)message;
	uint32_t answer[60];
	static const struct {
		uint32_t channel, ranges, bytes, offset;
		uint64_t gfn;
		unsigned listed;
	} cases[] = {
		{2, 1, 10 * PAGE_BYTES, 0, 40, 10},
		{1, 2, 10 * PAGE_BYTES, 0, 40, 10},
		{1, 1, 10 * PAGE_BYTES + 8, 0, 40, 10},
		{1, 1, 10 * PAGE_BYTES, 8, 40, 10},
		{1, 1, 3 * PAGE_BYTES, 0, 40, 10},
		{1, 1, 27 * PAGE_BYTES, 0, 40, 26},
		{1, 1, 10 * PAGE_BYTES, 0, 40, 9},
		{1, 1, 10 * PAGE_BYTES, 0, HV_PAGES, 10},
		{1, 1, 10 * PAGE_BYTES, 0, UINT64_MAX, 10},
	};
	(void)state;
	connect();
	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		words[0] = 8;
		words[2] = cases[i].channel;
		words[3] = 5;
		words[4] = cases[i].ranges << 16;
		words[5] = cases[i].bytes;
		words[6] = cases[i].offset;
		for (unsigned j = 0; j < cases[i].listed; j++) {
			memcpy((uint8_t *)message + 28 + 8 * j, &cases[i].gfn, 8);
		}
		assert_int_equal(post(message, 28 + 8 * cases[i].listed), VHYPERV_OK);
		assert_int_equal(receive(answer), 20);
		assert_int_equal(answer[0], 10);
		assert_int_not_equal(answer[4], 0);
		assert_false(hv()->bus.gpadl.exists);
	}
	assert_int_equal(post(message, 20), VHYPERV_OK); /* too short to be one */
	assert_int_equal(receive(answer), 0);
}

static void test_open_is_judged(void **state)
{
	uint32_t answer[60];
	(void)state;
	connect();
	open_message(5, HV_RING_PAGES); /* of pages that do not exist */
	assert_int_equal(receive(answer), 20);
	assert_int_not_equal(answer[4], 0);
	clear_rings();
	make_gpadl(5);
	assert_int_equal(receive(answer), 20);
	for (uint32_t page = 0; page < 14; page++) {
		if (page >= 2 && page <= 8) {
			continue;
		}
		open_message(5, page);
		assert_int_equal(receive(answer), 20);
		assert_int_not_equal(answer[4], 0);
	}
	open_message(6, HV_RING_PAGES);
	assert_int_equal(receive(answer), 20);
	assert_int_not_equal(answer[4], 0);
	put_32(RING_OUT + 4, RING_BYTES); /* an index beyond the end */
	open_message(5, HV_RING_PAGES);
	assert_int_equal(receive(answer), 20);
	assert_int_not_equal(answer[4], 0);
	put_32(RING_OUT + 4, 0);
	open_message(5, HV_RING_PAGES);
	assert_int_equal(receive(answer), 20);
	assert_int_equal(answer[4], 0);
	open_message(5, HV_RING_PAGES); /* twice */
	assert_int_equal(receive(answer), 20);
	assert_int_not_equal(answer[4], 0);
	assert_true(hv()->bus.open);
	make_gpadl(6); /* not under an open channel */
	assert_int_equal(receive(answer), 20);
	assert_int_not_equal(answer[4], 0);
	short_message(7, VVMBUS_CHANNEL, 0);
	assert_false(hv()->bus.open);
	assert_int_equal(receive(answer), 0);
	short_message(11, VVMBUS_CHANNEL, 9); /* of others: an answer, and nothing else */
	assert_int_equal(receive(answer), 12);
	assert_true(hv()->bus.gpadl.exists);
	short_message(11, VVMBUS_CHANNEL, 5);
	assert_int_equal(receive(answer), 12);
	assert_int_equal(answer[0], 12);
	assert_int_equal(answer[2], 5);
	assert_false(hv()->bus.gpadl.exists);
	open_channel(); /* the number may be used again */
}

static void test_messages_that_mean_nothing(void **state)
{
	const uint32_t types[] = {0, 1, 2, 4, 6, 10, 12, 13, 15, 17, 22, 25, 0x1000000};
	uint8_t answer[240];
	uint32_t word = 14;
	(void)state;
	connect();
	for (unsigned i = 0; i < ARRAY_COUNT(types); i++) {
		short_message(types[i], 1, 1);
		assert_int_equal(receive(answer), 0);
	}
	assert_int_equal(post(&word, 4), VHYPERV_OK);
	assert_int_equal(post(&word, 0), VHYPERV_OK);
	assert_true(hv()->bus.connected);
	assert_int_equal(receive(answer), 0);
}

/* UNLOAD, another contact, the guest's identity and a reset of the VM all end a channel. */
static void test_resets(void **state)
{
	uint8_t answer[240];
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		drive();
		switch (i) {
		case 0:
			short_message(16, 0, 0);
			assert_int_equal(receive(answer), 8);
			assert_int_equal(answer[0], 17);
			assert_false(hv()->bus.connected);
			break;
		case 1:
			contact(0x40000);
			assert_int_equal(receive(answer), 16);
			break;
		case 2:
			set_msr(boot_vcpu, VHYPERV_MSR_GUEST_ID, 0);
			assert_int_equal(call(0x5c, 0, 0), VHYPERV_UNKNOWN_CALL);
			break;
		case 3:
			platform_reset(pc);
			assert_int_equal(get_msr(boot_vcpu, VHYPERV_MSR_GUEST_ID), 0);
			assert_int_equal(get_msr(boot_vcpu, VSYNIC_MSR_MESSAGES), 0);
			assert_int_equal(get_msr(boot_vcpu, VSYNIC_MSR_SOURCE + 2), 0x10000);
			break;
		}
		assert_false(hv()->bus.open);
		assert_false(pc->balloon.attached);
		while (interrupted(boot_vcpu)) {
		}
		run_device();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HV_TEST(test_msrs),
		HV_TEST(test_hypercall_page),
		HV_TEST(test_hypercalls_that_are_refused),
		HV_TEST(test_cold_memory),
		HV_TEST(test_versions),
		HV_TEST(test_offers_wait_for_their_slot),
		HV_TEST(test_announced_in_a_full_slot),
		HV_TEST(test_masked),
		HV_TEST(test_another_processor),
		HV_TEST(test_pages_of_rings_are_judged),
		HV_TEST(test_open_is_judged),
		HV_TEST(test_messages_that_mean_nothing),
		HV_TEST(test_resets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
