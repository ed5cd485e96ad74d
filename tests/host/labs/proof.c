/* SPDX-License-Identifier: BSD-2-Clause */
/* See proof.h. Lab 5 has the proof written. */
#include "labs/proof.h"

#include "fake/world.h"

#include "mm/frame.h"

#define PAGES 3

static struct s2 *vm;
static pfn_t frames[PAGES];
static bool stale;

/* Another CPU's chance: whatever has left the quarantine must be out of reach. */
static void look(void)
{
	for (unsigned i = 0; i < PAGES; i++) {
		bool held = fake_tlb_holds(vm, 0, (gfn_t){i}) || fake_tlb_holds(vm, 1, (gfn_t){i});
		stale = stale || (held && frame_of(frames[i])->tag.state != FRAME_REVOKING);
	}
}

enum proof prove_flush(void (*flush)(struct s2_locked locked))
{
	stale = false;
	world_start(512, 2000, 1);
	vm = world_create(1, 1500, 0);
	for (unsigned i = 0; i < PAGES; i++) {
		world_write(vm, i, i + 1);
		(void)fake_tlb_access(vm, 1, (gfn_t){i});
		frames[i] = world_lookup(vm, i).pfn;
	}
	for (unsigned i = 0; i < PAGES; i++) {
		assert_int_equal(world_surrender(vm, i, 0), STATUS_OK);
	}
	struct s2_locked locked = s2_lock(vm);
	fake_on_unlock = look;
	flush(locked);
	fake_on_unlock = NULL;
	look();
	s2_unlock(locked);
	return stale ? PROOF_STALE : PROOF_RIGHT;
}
