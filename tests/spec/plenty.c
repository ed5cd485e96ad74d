/* SPDX-License-Identifier: BSD-2-Clause */
/* See watch.h: whether the host has frames for all. The governor's looks are wrapped (oracle.h). */
#include "kernel/overcommit/wait_queue.h"
#include "mm/alloc.h"
#include "mm/promise.h"
#include "tests/spec/watch.h"

#define PLENTY_PAGES 256u /* more than one call may lack, whatever it takes for tables */

bool __real_wait_queue_look(void);
bool __wrap_wait_queue_look(void);
void __real_wait_queue_reserve(bool scarce, uint64_t now_tsc);
void __wrap_wait_queue_reserve(bool scarce, uint64_t now_tsc);

/*
 * How often the governor has looked for VMs that wait, and whether it saw any or was short: then it
 * may keep back what is free until it looks again. Atomic; the boot CPU writes.
 */
static uint64_t governor_looks = 1;
static bool governor_saw_waiting;
static bool governor_is_calm = true;

void watch_governor_looks(void)
{
	__atomic_store_n(&governor_is_calm, false, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&governor_looks, 1, __ATOMIC_SEQ_CST);
}

void watch_governor_saw(bool waiting)
{
	governor_saw_waiting = waiting;
}

void watch_governor_reserved(bool scarce)
{
	__atomic_store_n(&governor_is_calm, !governor_saw_waiting && !scarce, __ATOMIC_SEQ_CST);
}

uint64_t watch_plenty(void)
{
	uint64_t looks = __atomic_load_n(&governor_looks, __ATOMIC_SEQ_CST);
	bool fails = frame_alloc_fail_at != 0;
	return __atomic_load_n(&governor_is_calm, __ATOMIC_SEQ_CST) && !fails &&
			       promise_spare() > PLENTY_PAGES
		       ? looks
		       : 0;
}

bool watch_plenty_still(uint64_t before)
{
	return before != 0 && watch_plenty() == before;
}

bool __wrap_wait_queue_look(void)
{
	watch_governor_looks();
	bool waiting = __real_wait_queue_look();
	watch_governor_saw(waiting);
	return waiting;
}

void __wrap_wait_queue_reserve(bool scarce, uint64_t now_tsc)
{
	__real_wait_queue_reserve(scarce, now_tsc);
	watch_governor_reserved(scarce);
}
