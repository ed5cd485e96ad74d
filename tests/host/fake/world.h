/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine for one test: fake memory, frame table, pools, fake TLB, and the address spaces that
 * exist. Together with the checks that must hold after every step.
 */
#ifndef FAKE_WORLD_H
#define FAKE_WORLD_H

#include "fake/panic.h"
#include "fake/phys.h"
#include "fake/tlb.h"
#include "mm/audit.h"
#include "mm/memmap.h"
#include "mm/stage2/map.h"

#define WORLD_SPACES_MAX 16

/* Nothing like a real processor's bits, on purpose; its max_leaf_level is set by world_start(). */
extern struct s2_format fake_format;

extern struct s2 *world_spaces[WORLD_SPACES_MAX];
extern unsigned world_space_count;

/*
 * Frames [first, first + frames) are available, those below and `hole` (a pfn, 0 for none) are
 * RESERVED. Every frame's content is its former owner's: a pattern that nobody may ever see.
 */
void world_start(uint64_t first, uint64_t frames, unsigned max_leaf_level);
void world_start_map(const struct memmap *available, const struct memmap *hypervisor,
		     uint64_t frames, unsigned max_leaf_level);
void world_stop(void);

/* cmocka teardown: world_stop(). */
int world_teardown(void **state);

#define WORLD_FORMER_OWNER 0x5ec7e75ec7e75ec7

/* A new address space that world_check() knows, or NULL: not enough memory. */
struct s2 *world_create(vm_id_t owner, uint64_t limit_pages, uint64_t min_pages);

/* Adds an address space that somebody else created and will destroy; takes one out. */
void world_adopt(struct s2 *s2);
void world_forget(struct s2 *s2);

/* Destroys it in steps of `work_max`, checking after each. */
void world_destroy(struct s2 *s2, uint64_t work_max);

/* Destroys all spaces, and sees that every frame is free again. */
void world_destroy_all(void);

/* Auditor clean, no lock held, nothing stale that could be reached. */
void world_check(void);
void world_check_at(const char *file, int line);

/* Every ZEROED frame is zero. Slow: looks at all bytes. */
void world_check_zeroed(void);

/* Scrubs everything. */
void world_scrub_all(void);

/* Operations with the lock, and a check of the world after each. */
enum status world_populate(struct s2 *s2, uint64_t gfn, unsigned order_max);
enum status world_surrender(struct s2 *s2, uint64_t gfn, unsigned order);
enum status world_report(struct s2 *s2, uint64_t gfn, unsigned order);
enum world_operation { WORLD_SURRENDER, WORLD_REPORT, WORLD_RETURN };
enum status world_run(struct s2 *s2, enum world_operation operation, uint64_t gfn, unsigned order,
		      uint64_t count);
enum status world_return(struct s2 *s2, uint64_t gfn, unsigned order);
enum status world_pin(struct s2 *s2, uint64_t gfn);
void world_unpin(struct s2 *s2, uint64_t gfn);
enum status world_join(struct s2 *s2, uint64_t gfn);
void world_flush(struct s2 *s2);
struct s2_slot world_lookup(struct s2 *s2, uint64_t gfn);
extern uint64_t world_pages; /* of the last populate */
extern uint64_t world_freed; /* of the last surrender */
extern uint64_t world_work;  /* of the last surrender or return */
extern uint64_t world_done;  /* of the last run */

/* Stores through the fake TLB of CPU 0; populates first if the access faults. Loads likewise. */
void world_write(struct s2 *s2, uint64_t gfn, uint64_t word);
void world_expect(struct s2 *s2, uint64_t gfn, uint64_t word);

/* The state of gfn is as said. */
void world_expect_slot(struct s2 *s2, uint64_t gfn, enum s2_kind kind, unsigned order);

/*
 * All that an operation without success must leave alone, as one blob: address spaces, tables,
 * frames that are not free, contents of guest memory, sums. Which free frame lies in which list is
 * not in it. Caller frees.
 */
struct world_image {
	size_t bytes;
	size_t room;
	uint8_t *data;
};
struct world_image world_image(void);
bool world_image_equal(const struct world_image *a, const struct world_image *b);
void world_image_free(struct world_image *image);

/* Copies of all table pages of a space, to count which words of tables in use have changed. */
struct world_tables;
struct world_tables *world_tables_save(const struct s2 *s2);
uint64_t world_tables_changed(const struct world_tables *saved); /* words; frees `saved` */

#endif
