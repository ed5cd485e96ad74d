/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * as=hyper-v behind the channel (drivers/virt/vdynmem.c, vdynmem_request.c, vvmring.c): rings that
 * wrap, are full, or are no rings; the protocol of Dynamic Memory with a driver that speaks it as
 * Linux does, and with one that does not; what enters the balloon, what leaves it, and hot add.
 */
#include "hyperv_fixture.h"

#include "kernel/overcommit/governor.h"

static void touch(uint64_t gfn, uint64_t pages)
{
	uint8_t one = 1;
	for (uint64_t i = 0; i < pages; i++) {
		put((gfn + i) << PAGE_SHIFT, &one, 1);
	}
}

static struct aerostat_balloon_page *page(void)
{
	return &pc->platform->balloon_page;
}

/* The request that has just come is for so many pages. */
static void hear_balloon(uint64_t pages)
{
	assert_int_equal(hear_type(), DYNMEM_BALLOON);
	assert_int_equal((uint32_t)heard[1], pages);
	assert_int_equal(hear_type(), 0);
}

/* The pages that come back in one message, which is answered; 0: there is none. */
static uint64_t hear_unballoon(void)
{
	uint64_t pages = 0;
	if (hear_type() != DYNMEM_UNBALLOON) {
		return 0;
	}
	const struct dynmem_unballoon *head = (const void *)heard;
	assert_int_equal(head->more, 0);
	assert_int_equal(head->header.bytes, 16 + 8 * head->ranges);
	for (unsigned i = 0; i < head->ranges; i++) {
		uint64_t gfn = dynmem_range_gfn(heard[2 + i]);
		for (uint64_t j = 0; j < dynmem_range_pages(heard[2 + i]); j++) {
			assert_int_equal(kind_of(gfn + j), S2_EMPTY);
		}
		pages += dynmem_range_pages(heard[2 + i]);
	}
	say_header(DYNMEM_UNBALLOON_RESPONSE);
	return pages;
}

/* ---- the agreement --------------------------------------------------------------------------- */

static void test_versions(void **state)
{
	(void)state;
	connect();
	open_channel();
	say_version(0x30000);
	assert_int_equal(hear_type(), DYNMEM_VERSION_RESPONSE);
	assert_int_equal(heard[1], 0);
	say_version(3); /* of Windows 7 */
	assert_int_equal(hear_type(), DYNMEM_VERSION_RESPONSE);
	assert_int_equal(heard[1], 0);
	say_version(DYNMEM_VERSION_1_0);
	assert_int_equal(hear_type(), DYNMEM_VERSION_RESPONSE);
	assert_int_equal(heard[1], 1);
	say_capabilities(2); /* without a balloon */
	assert_int_equal(hear_type(), DYNMEM_CAPABILITIES_RESPONSE);
	assert_int_equal(heard[1], 0);
	assert_false(pc->balloon.attached);
	say_capabilities(1);
	assert_int_equal(hear_type(), DYNMEM_CAPABILITIES_RESPONSE);
	assert_int_equal(heard[1], 1);
	assert_true(pc->balloon.attached);
	assert_true(pc->balloon.by_device);
}

/* The event flag is set, and the interrupt comes, unless the guest masks it in its ring. */
static void test_signal(void **state)
{
	(void)state;
	connect();
	open_channel();
	put_32(HV_FLAG, 0);
	say_version(DYNMEM_VERSION_2_0);
	assert_int_equal(get_32(HV_FLAG), 1u << VVMBUS_CHANNEL);
	assert_true(interrupted(boot_vcpu));
	put_32(HV_FLAG, 0);
	put_32(RING_IN + 8, 1);
	say_capabilities(1);
	assert_int_equal(get_32(HV_FLAG), 0);
	assert_false(interrupted(boot_vcpu));
	assert_int_equal(hear_type(), DYNMEM_VERSION_RESPONSE);
	assert_int_equal(hear_type(), DYNMEM_CAPABILITIES_RESPONSE);
}

/* ---- statistics ------------------------------------------------------------------------------ */

static void test_statistics(void **state)
{
	(void)state;
	drive();
	assert_int_equal(page()->free_pages, 0); /* it has not said anything yet */
	assert_int_equal(page()->wanted_pages, 0);
	touch(1000, 500);
	uint64_t held = pc->s2.mapped_pages;
	say_status(1800, 400);
	assert_int_equal(page()->total_pages, HV_BOOT_PAGES);
	assert_int_equal(page()->free_pages, HV_BOOT_PAGES - 400);
	/* Of 1800 that are available those without a frame are not idle. */
	assert_int_equal(page()->idle_pages, 1800 - (HV_BOOT_PAGES - held));
	say_status(1000, 400);
	assert_int_equal(page()->free_pages, 1000);
	/* More committed than there is, or next to nothing available. */
	say_status(1000, HV_BOOT_PAGES + 300);
	assert_int_equal(page()->wanted_pages, 300);
	assert_int_equal(page()->free_pages, 0);
	assert_int_equal(page()->idle_pages, 0);
	say_status(HV_BOOT_PAGES / 16 - 20, 400);
	assert_int_equal(page()->wanted_pages, 20);
	say_status(UINT64_MAX, UINT64_MAX);
	assert_true(page()->wanted_pages > 0);
	(void)balloon_read_statistics(pc);
	say_status(0, 0);
	assert_int_equal(page()->free_pages, 0);
}

/*
 * Regression: a small Linux has most of what it calls available in slab when it runs out of memory,
 * with pages in its balloon: a sixteenth of its memory was still available.
 */
static void test_short_of_its_floor(void **state)
{
	(void)state;
	drive();
	say_status(1000, 400);
	hv()->memory.floor_pages = 1000;
	say_status(500, 400);
	assert_int_equal(page()->wanted_pages, 0);
	say_status(460, 400);
	assert_int_equal(page()->wanted_pages, 40);
	assert_int_equal(page()->free_pages, 0);
	hv()->memory.floor_pages = 0; /* not known yet */
	say_status(460, 400);
	assert_int_equal(page()->wanted_pages, 0);
	assert_true(HV_BOOT_PAGES / 16 < 460);
}

/* ---- giving ---------------------------------------------------------------------------------- */

static void test_balloon(void **state)
{
	const uint64_t ranges[3][2] = {{1024, 512}, {700, 3}, {1022, 2}};
	(void)state;
	drive();
	touch(700, 3);
	touch(1024, 512);
	say_status(1800, 300);
	set_target(1000);
	hear_balloon(1000);
	give(ranges, 3, true);
	assert_int_equal(pc->s2.ballooned_pages, 517);
	assert_int_equal(page()->size_pages, 517);
	assert_int_equal(kind_of(1024), S2_BALLOONED);
	assert_int_equal(kind_of(1023), S2_BALLOONED);
	assert_int_equal(kind_of(702), S2_BALLOONED);
	assert_int_equal(hear_type(), 0); /* one request at a time */
	give_one(1600, 448);
	assert_int_equal(pc->s2.ballooned_pages, 965);
	/* It gave less than it was asked for: that was all, and it is not asked again. */
	assert_int_equal(hv()->memory.floor_pages, 1800 - 965);
	assert_int_equal(hear_type(), 0);
	say_status(830, 300 + 965);
	assert_int_equal(hv()->memory.floor_pages, 830);
	assert_int_equal(page()->free_pages, 0);
	assert_int_equal(hear_type(), 0);
	say_status(870, 300 + 965); /* it could */
	assert_int_equal(page()->free_pages, 40);
	hear_balloon(35);
	give(NULL, 0, false);
	assert_int_equal(hv()->memory.floor_pages, 870);
	assert_int_equal(hear_type(), 0);
}

/* What is asked for is never more than the driver can have. */
static void test_asked_within_its_word(void **state)
{
	(void)state;
	drive();
	set_target(500); /* nothing is known of it */
	assert_int_equal(hear_type(), 0);
	say_status(300, 100);
	hear_balloon(300);
	/* Its kernel may clear those pages, also when the target falls meanwhile. */
	assert_int_equal(pc->balloon.under_way_pages, 300);
	set_target(0);
	pc->config.mem_pages = 0;
	assert_true(balloon_may_use_reserve(pc));
	give(NULL, 0, false);
	assert_int_equal(pc->balloon.under_way_pages, 0);
}

static void test_answers_take_many_steps(void **state)
{
	uint64_t ranges[400][2];
	(void)state;
	drive();
	say_status(1800, 100);
	set_target(800);
	hear_balloon(800);
	for (unsigned i = 0; i < 400; i++) {
		ranges[i][0] = 200 + 4 * i;
		ranges[i][1] = i % 7 == 0 ? 0 : 2; /* a range of no pages is one, too */
	}
	uint64_t message[2 + 400];
	const struct dynmem_balloon_response head = {
		.header = {DYNMEM_BALLOON_RESPONSE, 16 + 8 * 400, 4}, .ranges = 400 << 1};
	memcpy(message, &head, sizeof(head));
	for (unsigned i = 0; i < 400; i++) {
		message[2 + i] = dynmem_range(ranges[i][0], ranges[i][1]);
	}
	enqueue(message, sizeof(message));
	signal_host();
	assert_true(pc->s2.ballooned_pages < 680); /* not in one go */
	assert_true(pc->s2.ballooned_pages > 0);
	const struct dynmem_status report = {.header = {DYNMEM_STATUS, sizeof(report), 3},
					     .available_pages = 77};
	say(&report, sizeof(report)); /* behind it, and not read before it is done */
	run_device();
	assert_int_equal(pc->s2.ballooned_pages, 2 * (400 - 58));
	assert_int_equal(hv()->memory.available_pages, 77);
}

/* ---- taking back ----------------------------------------------------------------------------- */

static void test_unballoon(void **state)
{
	(void)state;
	drive();
	say_status(1800, 100);
	set_target(900);
	hear_balloon(900);
	const uint64_t ranges[3][2] = {{1024, 512}, {600, 100}, {1700, 288}};
	give(ranges, 3, false);
	assert_int_equal(pc->s2.ballooned_pages, 900);
	set_target(700);
	uint64_t pages = 0, more;
	while ((more = hear_unballoon()) != 0) {
		pages += more;
	}
	assert_int_equal(pages, 200);
	assert_int_equal(pc->s2.ballooned_pages, 700);
	set_target(0);
	while ((more = hear_unballoon()) != 0) {
		pages += more;
	}
	assert_int_equal(pages, 900);
	assert_int_equal(pc->s2.ballooned_pages, 0);
	assert_int_equal(pc->balloon.returned_pages, 900);
}

/* A page that it has touched is not in the balloon any more, and is not given back twice. */
static void test_unballoon_is_what_is_there(void **state)
{
	(void)state;
	drive();
	say_status(1800, 100);
	set_target(20);
	hear_balloon(20);
	give_one(800, 20);
	assert_int_equal(demand_fault(boot_vcpu, (gfn_t){805}), EXIT_RESUME);
	assert_int_equal(pc->s2.ballooned_pages, 19);
	set_target(0);
	assert_int_equal(hear_type(), DYNMEM_UNBALLOON);
	assert_int_equal((uint32_t)(heard[1] >> 32), 2);
	assert_int_equal(heard[2], dynmem_range(800, 5));
	assert_int_equal(heard[3], dynmem_range(806, 14));
	assert_int_equal(pc->s2.ballooned_pages, 0);
}

/* What it wants is asked of the host once: not in each period until the pages are back. */
static void test_wanted_once(void **state)
{
	(void)state;
	drive();
	say_status(1800, 100);
	set_target(900);
	hear_balloon(900);
	give_one(1024, 900);
	say_status(100, HV_BOOT_PAGES + 50);
	assert_int_equal(page()->wanted_pages, 50);
	balloon_set_target(pc, 850, AEROSTAT_PRESSURE_NONE);
	assert_int_equal(page()->wanted_pages, 0);
	run_device();
	assert_int_equal(hear_unballoon(), 50);
	assert_int_equal(page()->wanted_pages, 0);
}

/* Under a full ring pages stay in the balloon, and the driver hears of them later. */
static void test_full_ring(void **state)
{
	(void)state;
	drive();
	say_status(1800, 100);
	set_target(100);
	hear_balloon(100);
	give_one(800, 100);
	put_32(RING_IN + 4, (get_32(RING_IN) + 128) % RING_BYTES); /* 128 bytes of room */
	set_target(0);
	assert_int_equal(pc->s2.ballooned_pages, 100);
	assert_int_equal(hv()->memory.state, VDYNMEM_READY);
	put_32(RING_IN + 4, get_32(RING_IN));
	pass_ms(30);
	assert_int_equal(hear_unballoon(), 100);
}

/* Indices that are equal mean an empty ring: the last bytes are never used. */
static void test_last_bytes_of_a_ring(void **state)
{
	(void)state;
	drive();
	say_status(1800, 100);
	uint32_t write = get_32(RING_IN);
	put_32(RING_IN + 4, (write + 40) % RING_BYTES); /* a request is so long with its trailer */
	set_target(100);
	assert_int_equal(hv()->memory.state, VDYNMEM_READY);
	assert_int_equal(get_32(RING_IN), write);
	put_32(RING_IN + 4, (write + 48) % RING_BYTES);
	pass_ms(30);
	assert_int_equal(hv()->memory.state, VDYNMEM_BALLOON);
	assert_int_equal(get_32(RING_IN), (write + 40) % RING_BYTES);
}

/* Packets of both sides go around the end of their rings. */
static void test_rings_wrap(void **state)
{
	(void)state;
	drive();
	unsigned turns = 0;
	uint32_t before = 0;
	for (unsigned i = 0; i < 900; i++) {
		say_status(1800, 100);
		set_target(50);
		hear_balloon(50);
		give_one(700, 50);
		set_target(0);
		assert_int_equal(hear_unballoon(), 50);
		turns += get_32(RING_IN) < before;
		before = get_32(RING_IN);
	}
	assert_true(turns >= 4);
	assert_int_equal(pc->balloon.surrendered_pages, 900 * 50);
}

/* ---- hot add --------------------------------------------------------------------------------- */

static void say_added(uint32_t pages, uint32_t result)
{
	const struct dynmem_hot_add_response message = {
		.header = {DYNMEM_HOT_ADD_RESPONSE, sizeof(message), 6},
		.pages = pages,
		.result = result,
	};
	say(&message, sizeof(message));
	run_device();
}

static void hear_hot_add(uint64_t gfn, uint64_t pages)
{
	assert_int_equal(hear_type(), DYNMEM_HOT_ADD);
	assert_int_equal(heard[1], dynmem_range(gfn, pages));
	assert_int_equal(heard[2], dynmem_range(gfn, pages));
}

#define STEP 256u /* 1 MiB, as HV_CAPABILITIES says */

static void test_hot_add(void **state)
{
	(void)state;
	drive();
	say_status(1000, 100);
	assert_int_equal(hear_type(), 0); /* it wants nothing */
	uint64_t gfn = HV_BOOT_PAGES;
	while (gfn + STEP <= HV_PAGES) {
		say_status(10, HV_PAGES + 1000);
		hear_hot_add(gfn, STEP);
		assert_int_equal(hear_type(), 0);
		say_added(STEP, 1);
		gfn += STEP;
		assert_int_equal(page()->total_pages, gfn);
	}
	say_status(10, HV_PAGES + 1000);
	assert_int_equal(hear_type(), 0); /* that is max= */
	/* It keeps its RAM when the driver goes and comes. */
	short_message(7, VVMBUS_CHANNEL, 0);
	run_device();
	short_message(11, VVMBUS_CHANNEL, 5);
	uint8_t answer[240];
	(void)receive(answer);
	open_channel();
	negotiate();
	say_status(10, HV_PAGES + 1000);
	assert_int_equal(page()->total_pages, HV_PAGES);
	assert_int_equal(hear_type(), 0);
	platform_reset(pc);
	drive();
	say_status(10, HV_PAGES + 1000);
	hear_hot_add(HV_BOOT_PAGES, STEP);
}

static void test_hot_add_refused(void **state)
{
	(void)state;
	drive();
	say_status(10, HV_PAGES);
	hear_hot_add(HV_BOOT_PAGES, STEP);
	say_added(0, 0); /* not now */
	say_status(10, HV_PAGES);
	assert_int_equal(hear_type(), 0);
	fake_tsc += ticks_from_ms(11000);
	say_status(10, HV_PAGES);
	hear_hot_add(HV_BOOT_PAGES, STEP);
	say_added(0, 1); /* never */
	fake_tsc += ticks_from_ms(11000);
	say_status(10, HV_PAGES);
	assert_int_equal(hear_type(), 0);
}

/* Not while others need the memory, nor while it has some in the balloon. */
static void test_hot_add_waits(void **state)
{
	(void)state;
	drive();
	balloon_set_target(pc, 0, AEROSTAT_PRESSURE_LOW);
	say_status(10, HV_PAGES);
	assert_int_equal(hear_type(), 0);
	say_status(1000, 100);
	balloon_set_target(pc, 10, AEROSTAT_PRESSURE_NONE);
	run_device();
	hear_balloon(10);
	give_one(700, 10);
	say_status(10, HV_PAGES);
	assert_int_equal(hear_type(), 0);
	set_target(0);
	assert_int_equal(hear_unballoon(), 10);
	hear_hot_add(HV_BOOT_PAGES, STEP);
}

/* ---- drivers that speak wrongly -------------------------------------------------------------- */

static void assert_stopped(const char *reason)
{
	run_device();
	assert_int_equal(hv()->memory.state, VDYNMEM_STOPPED);
	assert_false(pc->balloon.attached);
	assert_non_null(strstr(fake_log_text, reason));
	/* Whatever it says now, nothing is heard. */
	uint64_t size = pc->s2.ballooned_pages;
	say_status(1, 1);
	assert_int_equal(hv()->memory.state, VDYNMEM_STOPPED);
	assert_int_equal(pc->s2.ballooned_pages, size);
	/* A channel that is closed and opened again begins anew, with an empty balloon. */
	uint8_t answer[240];
	short_message(7, VVMBUS_CHANNEL, 0);
	run_device();
	assert_int_equal(pc->s2.ballooned_pages, 0);
	short_message(11, VVMBUS_CHANNEL, 5);
	(void)receive(answer);
	open_channel();
	negotiate();
}

static void test_wrong_messages(void **state)
{
	static const struct {
		uint16_t type, bytes;
		const char *reason;
	} cases[] = {
		{0, 16, "no known type"},
		{DYNMEM_BALLOON, 16, "no known type"},
		{DYNMEM_HOT_ADD_RESPONSE + 1, 16, "no known type"},
		{UINT16_MAX, 16, "no known type"},
		{DYNMEM_STATUS, 56, "shorter than it says"},
		{DYNMEM_STATUS, 40, "too short for its type"},
		{DYNMEM_STATUS, 0, "too short for its type"},
		{DYNMEM_VERSION_REQUEST, 16, "not asked for"},
		{DYNMEM_CAPABILITIES, 32, "not asked for"},
		{DYNMEM_BALLOON_RESPONSE, 16, "not asked for"},
		{DYNMEM_UNBALLOON_RESPONSE, 8, "not asked for"},
		{DYNMEM_HOT_ADD_RESPONSE, 16, "not asked for"},
	};
	(void)state;
	drive();
	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		uint64_t message[6] = {0};
		struct dynmem_header head = {cases[i].type, cases[i].bytes, 0};
		memcpy(message, &head, sizeof(head));
		fake_log_clear();
		say(message, sizeof(message));
		assert_stopped(cases[i].reason);
	}
}

static void test_wrong_ranges(void **state)
{
	static const uint64_t cases[][2][2] = {
		{{HV_PAGES, 1}, {0, 0}},
		{{HV_PAGES - 1, 2}, {0, 0}},
		{{DYNMEM_RANGE_GFN_MASK, 0xffffff}, {0, 0}},
		{{0, 0xffffff}, {0, 0}},
		{{900, 5}, {904, 1}},	  /* a page twice */
		{{1030, 1}, {1024, 512}}, /* a part of a large one before */
	};
	(void)state;
	drive();
	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		say_status(1500, 100);
		set_target(700);
		hear_balloon(700);
		fake_log_clear();
		give(cases[i], 2, false);
		assert_stopped("pages that it does not have");
		world_check();
	}
	/* More ranges than there are in the message. */
	uint64_t message[3] = {0};
	const struct dynmem_balloon_response head = {.header = {DYNMEM_BALLOON_RESPONSE, 24, 4},
						     .ranges = 2 << 1};
	memcpy(message, &head, sizeof(head));
	say_status(1500, 100);
	set_target(700);
	hear_balloon(700);
	say(message, sizeof(message));
	assert_stopped("more ranges");
}

static void test_wrong_rings(void **state)
{
	(void)state;
	drive();
	for (unsigned i = 0; i < 8; i++) {
		uint32_t at = get_32(RING_OUT);
		uint64_t message[4] = {DYNMEM_STATUS | 48 << 16};
		fake_log_clear();
		switch (i) {
		case 0: /* an index that is none */
			put_32(RING_OUT, RING_BYTES);
			break;
		case 1:
			put_32(RING_OUT, at + 4);
			break;
		case 2: /* less than a packet */
			put_32(RING_OUT, (at + 16) % RING_BYTES);
			break;
		case 3: /* another type, no length, too much, a longer head than the whole */
		case 4:
		case 5:
		case 6: {
			const uint16_t heads[][8] = {{7, 2, 4}, {6, 2, 1}, {6, 2, 600}, {6, 9, 4}};
			enqueue(message, sizeof(message));
			ring_put(RING_OUT, at, heads[i - 3], 16);
			break;
		}
		case 7: /* longer than what was written */
			enqueue(message, sizeof(message));
			put_32(RING_OUT, (at + 32) % RING_BYTES);
			break;
		}
		signal_host();
		assert_stopped("the ring from the guest is broken");
	}
	put_32(RING_IN + 4, 12);
	say_status(1000, 100);
	set_target(10);
	assert_stopped("the ring to the guest is broken");
}

/* The ring itself, and the pages of the interrupt controller, are given away. */
static void test_gives_its_ring(void **state)
{
	(void)state;
	drive();
	say_status(1500, 100);
	set_target(100);
	hear_balloon(100);
	fake_log_clear();
	give_one(HV_MESSAGES_GFN, 60);
	assert_int_equal(pc->s2.ballooned_pages, 60);
	assert_int_equal(hv()->memory.state, VDYNMEM_STOPPED);
	assert_non_null(strstr(fake_log_text, "ring"));
	contact(0x40000);
	run_device();
	assert_int_equal(pc->s2.ballooned_pages, 0);
	world_check();
}

/* Anything may end the channel in the middle of an answer: the balloon is emptied in steps. */
static void test_reset_with_a_full_balloon(void **state)
{
	(void)state;
	connect();
	for (unsigned i = 0; i < 3; i++) {
		uint8_t answer[240];
		open_channel();
		negotiate();
		say_status(1500, 100);
		set_target(1200);
		hear_balloon(1200);
		give_one(1000, 1000);
		enqueue((const uint64_t[3]){DYNMEM_BALLOON_RESPONSE | 24 << 16, 1ull << 33,
					    dynmem_range(200, 100)},
			24);
		if (i == 0) {
			contact(0x40000);
		} else if (i == 1) {
			short_message(16, 0, 0);
			contact(0x40000);
		} else {
			set_msr(boot_vcpu, VHYPERV_MSR_GUEST_ID, 0);
			hv_boot(boot_vcpu);
			contact(0x40000);
		}
		assert_false(pc->balloon.attached);
		run_device();
		assert_int_equal(pc->s2.ballooned_pages, 0);
		while (receive(answer) != 0) {
		}
		(void)interrupted(boot_vcpu);
	}
}

/* ---- no memory ------------------------------------------------------------------------------- */

/* The page of the event flags has no frame, and there is none: the guest is told later. */
static void test_flags_without_a_frame(void **state)
{
	(void)state;
	connect();
	open_channel();
	touch(1000, 40); /* beyond what it was promised */
	assert_int_equal(world_report(&pc->s2, HV_FLAGS_GFN, 0), STATUS_OK);
	struct vm *other = kernel_vm("other", HV_FRAMES, 100, 20);
	kernel_exhaust(other);
	say_version(DYNMEM_VERSION_2_0);
	assert_false(interrupted(boot_vcpu));
	assert_true(hv()->event);
	kernel_vm_end(other);
	world_scrub_all();
	pass_ms(30);
	assert_false(hv()->event);
	assert_true(interrupted(boot_vcpu));
	assert_int_equal(hear_type(), DYNMEM_VERSION_RESPONSE);
}

/* The guest calls into its hypercall page whatever is there: it is written, once by the reserve. */
static void test_hypercall_page_without_a_frame(void **state)
{
	static const uint8_t stub[] = {0xf3, 0x0f, 0x1e, 0xfa, 0x0f, 0x01, 0xc1, 0xc3};
	uint8_t code[sizeof(stub)];
	(void)state;
	touch(1000, 40);
	struct vm *other = kernel_vm("other", HV_FRAMES, 100, 20);
	kernel_exhaust(other);
	assert_int_equal(kind_of(HV_CALL_GFN), S2_EMPTY);
	set_msr(boot_vcpu, VHYPERV_MSR_GUEST_ID, 1);
	set_msr(boot_vcpu, VHYPERV_MSR_HYPERCALL, HV_CALL_GFN << PAGE_SHIFT | 1);
	assert_int_equal(get_msr(boot_vcpu, VHYPERV_MSR_HYPERCALL), HV_CALL_GFN << PAGE_SHIFT | 1);
	get(HV_CALL_GFN << PAGE_SHIFT, code, sizeof(code));
	assert_memory_equal(code, stub, sizeof(stub));
	set_msr(boot_vcpu, VHYPERV_MSR_HYPERCALL, (HV_CALL_GFN + 1) << PAGE_SHIFT | 1);
	assert_int_equal(get_msr(boot_vcpu, VHYPERV_MSR_HYPERCALL), (HV_CALL_GFN + 1)
									    << PAGE_SHIFT);
	world_check();
	kernel_vm_end(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HV_TEST(test_versions),
		HV_TEST(test_signal),
		HV_TEST(test_statistics),
		HV_TEST(test_short_of_its_floor),
		HV_TEST(test_balloon),
		HV_TEST(test_asked_within_its_word),
		HV_TEST(test_answers_take_many_steps),
		HV_TEST(test_unballoon),
		HV_TEST(test_unballoon_is_what_is_there),
		HV_TEST(test_wanted_once),
		HV_TEST(test_full_ring),
		HV_TEST(test_last_bytes_of_a_ring),
		HV_TEST(test_rings_wrap),
		HV_TEST(test_hot_add),
		HV_TEST(test_hot_add_refused),
		HV_TEST(test_hot_add_waits),
		HV_TEST(test_wrong_messages),
		HV_TEST(test_wrong_ranges),
		HV_TEST(test_wrong_rings),
		HV_TEST(test_gives_its_ring),
		HV_TEST(test_reset_with_a_full_balloon),
		HV_TEST(test_flags_without_a_frame),
		HV_TEST(test_hypercall_page_without_a_frame),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
