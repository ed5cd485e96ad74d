/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copies between guest memory and the hypervisor's. Real: mm/guest_copy.c. Stubbed: look-up and
 * populating, which give any page in any state, and prove that only pages inside RAM are asked for.
 */
#include "tests/proofs/proof.h"

#include "mm/guest_copy.c"

#define BYTES 8u

static uint8_t memory[2][PAGE_BYTES] __attribute__((aligned(4096)));
static struct s2 space;
static unsigned asked;

uintptr_t direct_map_base;

struct s2_slot s2_lookup(struct s2_locked locked, gfn_t gfn)
{
	PROVE(gfn.n < locked.s2->limit_pages);
	asked++;
	struct s2_slot slot = {
		.kind = (enum s2_kind)any_below(3),
		.pfn.n = any_below(2),
	};
	return slot;
}

enum status s2_populate(struct s2_locked locked, gfn_t gfn, unsigned order_max, uint64_t *count)
{
	PROVE(gfn.n < locked.s2->limit_pages && order_max == ORDER_4K);
	*count = 1;
	return any_bool() ? STATUS_OK : STATUS_NO_MEMORY;
}

static struct s2_locked any_space(void)
{
	direct_map_base = (uintptr_t)memory;
	space.limit_pages = any_below(1ull << 32);
	return (struct s2_locked){&space};
}

/*
 * PROOF copy_in_stays_in_ram
 * Shows: a copy from any address of any length is refused as a whole when one byte of it is beyond
 * RAM; else no byte outside the pages that were looked up is read, and none beyond the target
 * written
 * Bound: all 64-bit addresses, up to 8 bytes copied, any length refused; RAM of any size
 * Assumes: RAM has fewer than 2^32 pages
 * Classes: F8
 * Sources: mm/guest_copy.c
 * Options: --unwind 10
 * Fault: mm/guest_copy.c | return address.v <= limit && bytes <= limit - address.v; | return
 * address.v + bytes <= limit;
 */
void copy_in_stays_in_ram(void)
{
	uint8_t target[BYTES];
	struct s2_locked locked = any_space();
	gpa_t from = {any_u64()};
	uint64_t bytes = any_u64();
	uint64_t limit = space.limit_pages << PAGE_SHIFT;
	bool inside = from.v <= limit && bytes <= limit - from.v;
	ASSUME(!inside || bytes <= BYTES);
	enum status status = guest_copy_in(locked, from, target, bytes);
	PROVE(inside || (status == STATUS_OUTSIDE && asked == 0));
	PROVE(!inside || status != STATUS_OUTSIDE);
}

/*
 * PROOF copy_find_is_in_one_page
 * Shows: what is found for later reading lies in one mapped page of RAM
 * Bound: all 64-bit addresses and lengths; RAM of any size
 * Assumes: RAM has fewer than 2^32 pages; at least one byte is wanted
 * Classes: F8
 * Sources: mm/guest_copy.c
 * Fault: mm/guest_copy.c | return (size_t)min_u64(bytes, PAGE_BYTES - (address.v & (PAGE_BYTES -
 * 1))); | return (size_t)min_u64(bytes, PAGE_BYTES);
 */
void copy_find_is_in_one_page(void)
{
	struct s2_locked locked = any_space();
	gpa_t at = {any_u64()};
	uint64_t bytes = any_u64();
	const uint8_t *start;
	ASSUME(bytes > 0);
	if (guest_copy_find(locked, at, bytes, &start) == STATUS_OK) {
		uint64_t offset = (uintptr_t)start - direct_map_base;
		PROVE(offset % PAGE_BYTES == at.v % PAGE_BYTES);
		PROVE(offset / PAGE_BYTES == (offset + bytes - 1) / PAGE_BYTES);
		PROVE(offset < sizeof(memory) && bytes <= PAGE_BYTES);
		PROVE(at.v < space.limit_pages << PAGE_SHIFT);
	}
}
