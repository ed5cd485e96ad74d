/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the oracle remembers of one address space, and how that is compared with the real one. A
 * difference is a panic, and both states are in the log before it. Locks: oracle.h.
 */
#ifndef SPEC_WATCH_H
#define SPEC_WATCH_H

#include "kernel/vm/vm.h"
#include "tests/spec/oracle.h"
#include "tests/spec/spec.h"

struct watch {
	struct s2 *s2; /* NULL: free */
	struct spec_vm spec;
	uint32_t serving; /* a call or touch of this VM */
	bool busy;	  /* such a one has changed what the specification has not heard of yet */
	bool in_ranges;
	bool ending;
	int64_t finished; /* ranges in this call */
	uint64_t next;	  /* page of the window */
	uint64_t calls;
	struct balloon start; /* counters go on over a restart */
	struct aerostat_range before[AEROSTAT_RANGES_MAX];
};

/* The watch of an address space; NULL: it is not watched. Of NULL: a free one. */
struct watch *watch_find(const struct s2 *s2);
struct vm *watch_vm(const struct watch *watch);

/* Reads what the operator may change, or a test. */
void watch_refresh(struct watch *watch);

/* Calls and touches of one VM come one after the other. */
void watch_serve(struct watch *watch);
void watch_serve_end(struct watch *watch);

/*
 * Has the host frames that no vCPU waits for, more than one call or touch can need? Not 0: then
 * watch_plenty_still() with that says whether it was so all the time. And what the governor does.
 */
uint64_t watch_plenty(void);
bool watch_plenty_still(uint64_t before);
void watch_governor_looks(void);
void watch_governor_saw(bool waiting);
void watch_governor_reserved(bool scarce);

void watch_count(uint64_t *counter, uint64_t by);
enum spec_page watch_real_page(enum s2_kind kind);

_Noreturn void watch_mismatch(const struct watch *watch, const char *wrong, uint64_t gfn);

/* Nothing if `wrong` is NULL. */
void watch_judge(const struct watch *watch, const char *wrong, uint64_t gfn);

/*
 * Each panics when both sides are not the same: a page with its frame; pages, as far as they are
 * RAM; the counters, while no touch is half done; the contents of pages that have just got frames;
 * all frames, when none is the VM's any more; the pages that `count` ranges were about; the size in
 * the balloon page, which was just written, behind a call over an array in that page; that page
 * behind ATTACH; and behind a call the next pages of RAM, or all of them, and whether it is
 * attached. The lock of the address space is held.
 */
void watch_page(const struct watch *watch, struct s2_locked locked, uint64_t gfn);
void watch_pages(const struct watch *watch, struct s2_locked locked, uint64_t gfn, uint64_t pages);
void watch_counters(const struct watch *watch, uint64_t gfn);
void watch_zeros(const struct watch *watch, struct s2_locked locked, uint64_t gfn, uint64_t pages);
void watch_no_frames(const struct watch *watch);
void watch_ranges(const struct watch *watch, struct s2_locked locked,
		  const struct aerostat_range *before, const struct aerostat_range *after,
		  unsigned count);
void watch_size(const struct watch *watch, gfn_t array_gfn);
void watch_attached(const struct watch *watch);
void watch_rest(struct watch *watch, struct s2_locked locked);

#endif
