/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The short ways of one extent (mm/stage2/single.c, and one extent of a batch in mm/stage2/runs.c)
 * against the full one (mm/stage2/map.c): three address spaces do the same at random, each its own
 * way, and are the same after every step. ROUNDS in the environment: how many steps.
 */
#include "fake/environment.h"
#include "fake/world.h"

#include "base/bits.h"
#include "mm/frame.h"
#include "mm/reclaim.h"
#include "mm/stage2/runs.h"
#include "mm/stage2/single.h"

#define LIMIT 1700ull /* three whole tables and a part of one */
#define SPACES 3

enum way { FULL, SINGLE, BATCH };
static struct s2 *spaces[SPACES];
static unsigned quick[SPACES]; /* steps that went the short way */
static uint64_t random_state = 1;

static uint64_t draw(uint64_t below)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (random_state >> 33) % below;
}

static void start(void)
{
	world_start(64, 8000, 1);
	for (unsigned i = 0; i < SPACES; i++) {
		spaces[i] = world_create((vm_id_t)(i + 1), LIMIT, 0);
		assert_non_null(spaces[i]);
		quick[i] = 0;
	}
	world_scrub_all();
}

static enum status full(struct s2_locked locked, enum world_operation operation, gfn_t gfn,
			unsigned order)
{
	uint64_t freed, work;
	enum status status;
	switch (operation) {
	case WORLD_SURRENDER:
		status = s2_surrender(locked, gfn, order, &freed, &work);
		break;
	case WORLD_REPORT:
		status = s2_report(locked, gfn, order, &freed, &work);
		break;
	default:
		status = s2_return(locked, gfn, order, &work);
		break;
	}
	reclaim_flush(locked);
	return status;
}

static bool by_single(struct s2_locked locked, enum world_operation operation, gfn_t gfn,
		      unsigned order)
{
	uint64_t freed;
	if (operation == WORLD_RETURN) {
		return s2_single_return(locked, gfn, order);
	}
	uint64_t held = locked.s2->mapped_pages;
	bool done = s2_single_take_out(
		locked, gfn, order, operation == WORLD_SURRENDER ? S2_BALLOONED : S2_EMPTY, &freed);
	if (done) {
		assert_int_equal(freed, held - locked.s2->mapped_pages);
	}
	return done;
}

static bool by_batch(struct s2_locked locked, enum world_operation operation, gfn_t gfn,
		     unsigned order)
{
	struct s2_batch batch;
	bool done = false;
	s2_batch_begin(&batch, locked);
	if (s2_batch_find(&batch, gfn, order)) {
		done = operation == WORLD_RETURN
			       ? s2_return_one(&batch, gfn)
			       : s2_take_out_one(&batch, gfn, operation == WORLD_SURRENDER);
	}
	s2_batch_end(&batch);
	reclaim_flush(locked);
	return done;
}

/* What a short way does not do, the full one does: where it would succeed at least. */
static enum status step(enum way way, enum world_operation operation, gfn_t gfn, unsigned order)
{
	struct s2_locked locked = s2_lock(spaces[way]);
	bool done = false;
	if (way != FULL) {
		done = way == SINGLE ? by_single(locked, operation, gfn, order)
				     : by_batch(locked, operation, gfn, order);
		quick[way] += done;
	}
	enum status status = done ? STATUS_OK : full(locked, operation, gfn, order);
	s2_unlock(locked);
	return status;
}

static void expect_same(uint64_t round)
{
	for (unsigned way = 1; way < SPACES; way++) {
		const struct s2 *a = spaces[FULL], *b = spaces[way];
		if (a->mapped_pages != b->mapped_pages || a->large_pages != b->large_pages ||
		    a->ballooned_pages != b->ballooned_pages || a->table_pages != b->table_pages ||
		    b->revoking_pages != 0 || b->revoking_head != FRAME_NONE ||
		    a->promise.held_pages != b->promise.held_pages) {
			fail_msg("round %llu: sums by way %u differ", (unsigned long long)round,
				 way);
		}
		for (uint64_t gfn = 0; gfn < LIMIT;) {
			struct s2_slot one = world_lookup(spaces[FULL], gfn);
			struct s2_slot other = world_lookup(spaces[way], gfn);
			if (one.kind != other.kind || one.order != other.order ||
			    one.pinned != other.pinned) {
				fail_msg("round %llu: gfn %llu by way %u differs",
					 (unsigned long long)round, (unsigned long long)gfn, way);
			}
			gfn += order_pages(one.order);
		}
	}
}

static void populate(uint64_t gfn, unsigned order)
{
	for (unsigned way = 0; way < SPACES; way++) {
		assert_int_equal(world_populate(spaces[way], gfn, order), STATUS_OK);
	}
}

static void pin_or_unpin(uint64_t gfn)
{
	bool pinned = world_lookup(spaces[FULL], gfn).pinned;
	for (unsigned way = 0; way < SPACES; way++) {
		if (pinned) {
			world_unpin(spaces[way], gfn);
		} else {
			(void)world_pin(spaces[way], gfn);
		}
	}
}

static void test_three_ways(void **state)
{
	uint64_t rounds = environment_number("ROUNDS", 6000);
	(void)state;
	start();
	for (uint64_t round = 0; round < rounds; round++) {
		/* Often around a few places, so that tables become uniform. */
		uint64_t gfn = draw(3) ? draw(6) * 300 + draw(4) : draw(LIMIT + 100);
		unsigned order = draw(4) ? ORDER_4K : ORDER_2M;
		gfn = order == ORDER_2M && draw(8) ? align_down_u64(gfn, 512) : gfn;
		if (draw(4) == 0 && gfn < LIMIT) {
			populate(gfn, draw(2) ? ORDER_4K : ORDER_2M);
		} else if (draw(16) == 0 && gfn < LIMIT) {
			pin_or_unpin(gfn);
		} else {
			enum world_operation operation = (enum world_operation)draw(3);
			enum status statuses[SPACES];
			for (unsigned way = 0; way < SPACES; way++) {
				statuses[way] = step((enum way)way, operation, (gfn_t){gfn}, order);
			}
			assert_int_equal(statuses[SINGLE], statuses[FULL]);
			assert_int_equal(statuses[BATCH], statuses[FULL]);
		}
		expect_same(round);
	}
	assert_true(quick[SINGLE] > rounds / 8 && quick[BATCH] > rounds / 8);
	world_check();
	world_destroy_all();
}

/* Nothing at all changes where the short way says no. */
static void expect_refused(uint64_t gfn, unsigned order)
{
	struct s2 *s2 = spaces[SINGLE];
	uint64_t freed;
	struct world_image before = world_image();
	struct s2_locked locked = s2_lock(s2);
	assert_false(s2_single_take_out(locked, (gfn_t){gfn}, order, S2_BALLOONED, &freed));
	assert_false(s2_single_return(locked, (gfn_t){gfn}, order));
	s2_unlock(locked);
	struct world_image after = world_image();
	assert_true(world_image_equal(&before, &after));
	world_image_free(&before);
	world_image_free(&after);
}

static void test_what_is_not_plain(void **state)
{
	(void)state;
	start();
	struct s2 *s2 = spaces[SINGLE];
	assert_int_equal(world_populate(s2, 0, ORDER_2M), STATUS_OK);
	assert_int_equal(world_populate(s2, 600, ORDER_4K), STATUS_OK);
	assert_int_equal(world_populate(s2, 700, ORDER_4K), STATUS_OK);
	assert_int_equal(world_pin(s2, 700), STATUS_OK);
	expect_refused(5, ORDER_4K);	 /* in a large leaf */
	expect_refused(700, ORDER_4K);	 /* pinned */
	expect_refused(512, ORDER_2M);	 /* a table */
	expect_refused(1, ORDER_2M);	 /* misaligned */
	expect_refused(LIMIT, ORDER_4K); /* outside */
	expect_refused(1536, ORDER_2M);	 /* not all of it is RAM */
	expect_refused(UINT64_MAX, ORDER_4K);
	expect_refused(-512ull, ORDER_2M);
	world_unpin(s2, 700);
	assert_int_equal(world_surrender(s2, 700, 0), STATUS_OK);
	struct s2_locked locked = s2_lock(s2);
	uint64_t freed;
	/* The table would hold nothing, and then nothing but what is in the balloon. */
	assert_true(s2_single_take_out(locked, (gfn_t){600}, 0, S2_EMPTY, &freed));
	assert_false(s2_single_return(locked, (gfn_t){700}, 0));
	s2_unlock(locked);
	assert_int_equal(world_populate(s2, 1100, ORDER_4K), STATUS_OK);
	locked = s2_lock(s2);
	assert_false(s2_single_take_out(locked, (gfn_t){1100}, 0, S2_EMPTY, &freed));
	s2_unlock(locked);
	for (uint64_t gfn = 1024; gfn < 1536; gfn++) {
		if (gfn != 1100) {
			assert_int_equal(world_surrender(s2, gfn, 0), STATUS_OK);
		}
	}
	locked = s2_lock(s2);
	assert_false(s2_single_take_out(locked, (gfn_t){1100}, 0, S2_BALLOONED, &freed));
	s2_unlock(locked);
	world_destroy_all();
}

/* The frame is free at once, and no CPU can use what it has cached of it. */
static void test_flush_comes_before_reuse(void **state)
{
	(void)state;
	start();
	struct s2 *s2 = spaces[SINGLE];
	world_write(s2, 600, 7);
	world_write(s2, 601, 8);
	uint64_t dirty = frame_count(FRAME_DIRTY), epochs = s2->tlb.requested;
	struct s2_locked locked = s2_lock(s2);
	uint64_t freed;
	assert_true(s2_single_take_out(locked, (gfn_t){600}, 0, S2_BALLOONED, &freed));
	s2_unlock(locked);
	assert_int_equal(freed, 1);
	assert_int_equal(frame_count(FRAME_DIRTY), dirty + 1);
	assert_int_equal(frame_count(FRAME_REVOKING), 0);
	assert_int_equal(s2->tlb.requested, epochs + 1);
	world_check();
	world_expect(s2, 601, 8);
	world_destroy_all();
}

/* The page that was found last is found again, until it may be elsewhere. */
static void test_page_that_was_found(void **state)
{
	(void)state;
	start();
	struct s2 *s2 = spaces[SINGLE];
	uint64_t freed;
	world_write(s2, 600, 7);
	world_write(s2, 601, 8);
	world_write(s2, 602, 9);
	struct s2_locked locked = s2_lock(s2);
	assert_null(s2_single_page(locked, (gfn_t){5}));
	assert_null(s2_single_page(locked, (gfn_t){LIMIT}));
	uint8_t *page = s2_single_page(locked, (gfn_t){600});
	assert_int_equal(*(uint64_t *)(void *)page, 7);
	/* Another page goes: it is where it was. */
	assert_true(s2_single_take_out(locked, (gfn_t){601}, 0, S2_BALLOONED, &freed));
	assert_int_equal(s2->found.removals, s2_removals(locked));
	assert_ptr_equal(s2_single_page(locked, (gfn_t){600}), page);
	/* It goes itself. */
	assert_true(s2_single_take_out(locked, (gfn_t){600}, 0, S2_BALLOONED, &freed));
	assert_null(s2_single_page(locked, (gfn_t){600}));
	/* Any other way out counts, too. */
	page = s2_single_page(locked, (gfn_t){602});
	assert_int_equal(*(uint64_t *)(void *)page, 9);
	s2_unlock(locked);
	assert_int_equal(world_surrender(s2, 602, 0), STATUS_OK);
	world_flush(s2);
	locked = s2_lock(s2);
	assert_null(s2_single_page(locked, (gfn_t){602}));
	s2_unlock(locked);
	world_destroy_all();
}

/* Pages of one batch that share the lower tables' numbers, but not the gigabyte. */
static void test_batch_across_gigabytes(void **state)
{
	static const uint64_t gfns[] = {5, 262144 + 5, 6, 262144 + 6, 262144 + 600, 600};
	(void)state;
	world_start(64, 8000, 1);
	struct s2 *s2 = world_create(1, 530000, 0);
	assert_non_null(s2);
	for (unsigned i = 0; i < ARRAY_COUNT(gfns); i++) {
		assert_int_equal(world_populate(s2, gfns[i], ORDER_4K), STATUS_OK);
		assert_int_equal(world_populate(s2, gfns[i] + 2, ORDER_4K), STATUS_OK);
	}
	struct s2_locked locked = s2_lock(s2);
	struct s2_batch batch;
	s2_batch_begin(&batch, locked);
	for (unsigned i = 0; i < ARRAY_COUNT(gfns); i++) {
		assert_true(s2_batch_find(&batch, (gfn_t){gfns[i]}, ORDER_4K));
		assert_true(s2_take_out_one(&batch, (gfn_t){gfns[i]}, true));
	}
	s2_batch_end(&batch);
	reclaim_flush(locked);
	s2_unlock(locked);
	for (unsigned i = 0; i < ARRAY_COUNT(gfns); i++) {
		world_expect_slot(s2, gfns[i], S2_BALLOONED, ORDER_4K);
		world_expect_slot(s2, gfns[i] + 2, S2_MAPPED, ORDER_4K);
	}
	world_check();
	world_destroy_all();
}

/* The end of an address space: once for the pages of a table, once for the tables themselves. */
static void test_flush_at_the_end(void **state)
{
	static struct s2 ended;
	(void)state;
	world_start(64, 8000, 0);
	assert_int_equal(s2_create(&ended, &fake_format, 9, LIMIT, 0), STATUS_OK);
	world_adopt(&ended);
	world_write(&ended, 600, 7);
	world_write(&ended, 601, 8);
	uint64_t epochs = ended.tlb.requested;
	world_forget(&ended);
	assert_true(s2_destroy_step(&ended, 4096));
	assert_int_equal(ended.tlb.requested, epochs + 2);
	assert_int_equal(frame_count(FRAME_GUEST), 0);
	assert_int_equal(frame_count(FRAME_REVOKING), 0);
	world_check();
}

#define TEST(name) cmocka_unit_test_teardown(name, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_three_ways),
		TEST(test_what_is_not_plain),
		TEST(test_flush_comes_before_reuse),
		TEST(test_page_that_was_found),
		TEST(test_batch_across_gigabytes),
		TEST(test_flush_at_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
