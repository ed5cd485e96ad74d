/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lab 5: mm/reclaim.c flushes before it frees; and the student's proof tells right flushes from
 * wrong ones, which are these.
 */
#include "labs/check.h"

#include "fake/world.h"

#include <string.h>

#include "labs/proof.h"
#include "mm/pool.h"
#include "mm/reclaim.h"
#include "mm/tlb.h"

static struct s2 *vm;

static void start(void)
{
	world_start(512, 2000, 1);
	vm = world_create(1, 1500, 0);
	want(vm != NULL, "the model has no memory for a VM");
}

static void surrender(uint64_t gfn)
{
	want(world_surrender(vm, gfn, 0) == STATUS_OK, "the model refuses");
}

/* ---- The product -------------------------------------------------------------------------------
 */

static void translation_is_gone(void)
{
	start();
	world_write(vm, 3, 0x33);
	surrender(3);
	world_flush(vm);
	want(!fake_tlb_holds(vm, 0, (gfn_t){3}), "CPU 0 still has a translation of page 3, whose"
						 " frame is free");
}

static void on_every_cpu(void)
{
	start();
	world_write(vm, 3, 0x33);
	(void)fake_tlb_access(vm, 1, (gfn_t){3});
	surrender(3);
	world_flush(vm);
	want(!fake_tlb_holds(vm, 1, (gfn_t){3}), "CPU 1 still has a translation of page 3, whose"
						 " frame is free");
}

static void waits_in_quarantine(void)
{
	start();
	world_write(vm, 3, 0x33);
	uint64_t free_before = frame_count_free();
	surrender(3);
	want_number("the count of free frames before the flush", frame_count_free(), free_before);
	world_flush(vm);
	want_number("the count of free frames after it", frame_count_free(), free_before + 1);
	want_number("the count of flushes", fake_tlb_flush_count, 1);
}

static void one_flush_for_many(void)
{
	start();
	for (uint64_t gfn = 0; gfn < 300; gfn++) {
		world_write(vm, gfn, gfn);
	}
	for (uint64_t gfn = 0; gfn < 300; gfn++) {
		surrender(gfn);
	}
	want_number("the count of flushes before", fake_tlb_flush_count, 0);
	world_flush(vm);
	want_number("the count of flushes of 300 pages", fake_tlb_flush_count, 1);
}

static void none_for_nothing(void)
{
	start();
	world_flush(vm);
	want_number("the count of flushes of an empty quarantine", fake_tlb_flush_count, 0);
	world_write(vm, 3, 0x33);
	surrender(3);
	world_flush(vm);
	world_flush(vm);
	want_number("the count of flushes of one page, twice called", fake_tlb_flush_count, 1);
}

static void tables_wait_too(void)
{
	start();
	world_write(vm, 600, 0x66);
	surrender(600);
	want(world_return(vm, 600, 0) == STATUS_OK, "the model refuses"); /* its table goes */
	want_number("the count of frames in quarantine", frame_count(FRAME_REVOKING), 3);
	world_flush(vm);
	want_number("the count of flushes", fake_tlb_flush_count, 1);
}

static void next_owner_sees_nothing(void)
{
	world_start(512, 1000, 1);
	vm = world_create(1, 1500, 0);
	struct s2 *other = world_create(2, 1500, 0);
	world_write(vm, 3, 0x5ec7e7);
	surrender(3);
	world_flush(vm);
	for (uint64_t gfn = 0; gfn < 1500 && world_populate(other, gfn, 0) == STATUS_OK; gfn++) {
	}
	want(fake_tlb_access(vm, 0, (gfn_t){3}) == NULL,
	     "the VM can still read and write a frame that is another VM's by now");
}

static void after_the_end_of_a_vm(void)
{
	start();
	for (uint64_t gfn = 0; gfn < 20; gfn++) {
		world_write(vm, gfn, gfn);
	}
	world_destroy(vm, 4096);
	want(fake_tlb_flush_count >= 1, "a VM has ended, and nothing was flushed");
}

/* ---- Flushes for the proof ---------------------------------------------------------------------
 */

static void take(struct s2 *s2)
{
	pool_take_revoked(s2->revoking_head, s2->owner);
	s2->revoking_head = FRAME_NONE;
	s2->revoking_pages = 0;
}

static void right(struct s2_locked locked)
{
	if (locked.s2->revoking_head != FRAME_NONE) {
		tlb_epoch_enforce(locked.s2, tlb_epoch_request(locked.s2));
		take(locked.s2);
	}
}

/* Slower, and as right: for each frame of the list a flush of its own. */
static void right_and_slow(struct s2_locked locked)
{
	struct s2 *s2 = locked.s2;
	uint32_t next;
	for (uint32_t at = s2->revoking_head; at != FRAME_NONE; at = next) {
		next = frame_table[at].next;
		frame_table[at].next = FRAME_NONE;
		uint64_t epoch = tlb_epoch_request(s2);
		tlb_epoch_enforce(s2, epoch);
		pool_take_revoked(at, s2->owner);
		s2->revoking_head = next;
	}
	s2->revoking_pages = 0;
}

static void missing(struct s2_locked locked)
{
	take(locked.s2);
}

static void requested_only(struct s2_locked locked)
{
	(void)tlb_epoch_request(locked.s2);
	take(locked.s2);
}

static void old_epoch(struct s2_locked locked)
{
	tlb_epoch_enforce(locked.s2, locked.s2->tlb.requested);
	take(locked.s2);
}

static void too_late(struct s2_locked locked)
{
	take(locked.s2);
	tlb_epoch_enforce(locked.s2, tlb_epoch_request(locked.s2));
}

/* One of the list is free before the flush. */
static void first_one_early(struct s2_locked locked)
{
	struct s2 *s2 = locked.s2;
	uint32_t first = s2->revoking_head;
	s2->revoking_head = frame_table[first].next;
	frame_table[first].next = FRAME_NONE;
	pool_take_revoked(first, s2->owner);
	tlb_epoch_enforce(s2, tlb_epoch_request(s2));
	take(s2);
}

static void want_proof(void (*flush)(struct s2_locked locked), enum proof proof, const char *what)
{
	want(prove_flush(flush) == proof, "prove_flush() says %s of a flush that %s",
	     proof == PROOF_RIGHT ? "PROOF_STALE" : "PROOF_RIGHT", what);
}

static void right_before_wrong(void (*wrong)(struct s2_locked locked), const char *what)
{
	want_proof(right, PROOF_RIGHT, "is right");
	want_proof(wrong, PROOF_STALE, what);
	want_proof(right, PROOF_RIGHT, "is right (after a wrong one)");
}

static void proof_of_a_missing_one(void)
{
	right_before_wrong(missing, "does not flush at all");
}

static void proof_of_a_request_alone(void)
{
	right_before_wrong(requested_only, "requests an epoch and does not wait for it");
}

static void proof_of_an_old_epoch(void)
{
	right_before_wrong(old_epoch, "waits for an epoch that was requested before the pages"
				      " were taken out");
}

static void proof_of_a_late_one(void)
{
	right_before_wrong(too_late, "frees first and flushes then");
}

static void proof_of_an_early_frame(void)
{
	right_before_wrong(first_one_early, "frees one frame before it flushes, the others after");
}

static void proof_of_a_slow_one(void)
{
	want_proof(missing, PROOF_STALE, "does not flush at all");
	want_proof(right_and_slow, PROOF_RIGHT, "flushes for each frame");
}

static void proof_of_the_product(void)
{
	want_proof(missing, PROOF_STALE, "does not flush at all");
	want(prove_flush(reclaim_flush) == PROOF_RIGHT,
	     "by your own proof reclaim_flush() is wrong");
}

/* ---- Questions ---------------------------------------------------------------------------------
 */

static const char *where(void)
{
	return "reclaim_flush";
}

static const char *state_of_a_reachable_frame(void)
{
	start();
	world_write(vm, 3, 0x33);
	pfn_t frame = world_lookup(vm, 3).pfn;
	surrender(3);
	struct s2_locked locked = s2_lock(vm);
	missing(locked);
	s2_unlock(locked);
	return frame_of(frame)->tag.state == FRAME_DIRTY ? "FRAME_DIRTY" : "";
}

static const char *flushes_of_a_batch(void)
{
	start();
	for (uint64_t gfn = 0; gfn < 1000; gfn++) {
		world_write(vm, gfn, gfn);
	}
	for (uint64_t gfn = 0; gfn < 1000; gfn++) {
		surrender(gfn);
	}
	struct s2_locked locked = s2_lock(vm);
	right(locked);
	s2_unlock(locked);
	return text_of(fake_tlb_flush_count);
}

int main(void)
{
	const struct check checks[] = {
		{"translation_is_gone", 2, translation_is_gone},
		{"on_every_cpu", 1, on_every_cpu},
		{"waits_in_quarantine", 1, waits_in_quarantine},
		{"one_flush_for_many", 2, one_flush_for_many},
		{"none_for_nothing", 1, none_for_nothing},
		{"tables_wait_too", 1, tables_wait_too},
		{"next_owner_sees_nothing", 2, next_owner_sees_nothing},
		{"after_the_end_of_a_vm", 1, after_the_end_of_a_vm},
		{"proof_of_a_missing_one", 3, proof_of_a_missing_one},
		{"proof_of_a_request_alone", 2, proof_of_a_request_alone},
		{"proof_of_an_old_epoch", 2, proof_of_an_old_epoch},
		{"proof_of_a_late_one", 3, proof_of_a_late_one},
		{"proof_of_an_early_frame", 3, proof_of_an_early_frame},
		{"proof_of_a_slow_one", 1, proof_of_a_slow_one},
		{"proof_of_the_product", 2, proof_of_the_product},
	};
	const struct question questions[] = {
		{"q1", 2, where, "who makes frames of the quarantine free?"},
		{"q2", 1, state_of_a_reachable_frame, "mm/pool.h: pool_take_revoked()"},
		{"q3", 1, flushes_of_a_batch, "what is the quarantine for?"},
	};
	return labs_run(checks, LABS_COUNT(checks), questions, LABS_COUNT(questions));
}
