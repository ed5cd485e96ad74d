/* SPDX-License-Identifier: BSD-2-Clause */
/* A driver that speaks rightly, and measures what its messages cost. See speak.h. */
#include "guests/backdoor/port.h"
#include "guests/backdoor/speak.h"
#include "guests/lib/bare.h"
#include "guests/lib/cpu.h"

#define EXTENTS 32ul /* 64 MiB, one batch of 2 MiB pages */
#define ROUNDS 3     /* the last one counts: all is in the caches, and known */

uint64_t batch_page[BATCH_MAX] __attribute__((aligned(4096)));

uint32_t speak(uint64_t command, uint64_t first, uint64_t second)
{
	struct call call = {BALLOON_MAGIC, first, command, second};

	port_call(BALLOON_PORT, &call);
	return (uint32_t)call.rax;
}

static void touch(uint64_t gfn, uint64_t count)
{
	for (uint64_t i = gfn; i < gfn + count; i++) {
		*(volatile uint64_t *)(i * PAGE_BYTES) = i;
	}
}

/* A batch of `count` pages that are `apart`; answers its ticks, or 0 where one was refused. */
static uint64_t batch(uint64_t command, uint64_t gfn, uint64_t count, uint64_t apart)
{
	for (uint64_t i = 0; i < count; i++) {
		batch_page[i] = entry_of(gfn + i * apart);
	}
	uint64_t begin = cpu_read_tsc();
	uint32_t status = speak(command, gfn_of(batch_page), count);
	uint64_t ticks = cpu_read_tsc() - begin;
	for (uint64_t i = 0; i < count; i++) {
		ticks = batch_page[i] == entry_of(gfn + i * apart) ? ticks : 0;
	}
	return status == STATUS_OK ? ticks : 0;
}

struct costs {
	uint64_t lock_2m, unlock_2m, lock_4k, unlock_4k, target;
};

static bool measure(struct costs *costs)
{
	uint64_t gfn = FIRST_GFN;

	touch(gfn, EXTENTS * LARGE_PAGES);
	costs->lock_2m = batch(COMMAND_BATCHED_2M_LOCK, gfn, EXTENTS, LARGE_PAGES);
	costs->unlock_2m = batch(COMMAND_BATCHED_2M_UNLOCK, gfn, EXTENTS, LARGE_PAGES);
	touch(gfn, LARGE_PAGES);
	/* So that the second-stage entry is no longer one. */
	bool apart = speak(COMMAND_LOCK, gfn, 1) == STATUS_OK &&
		     speak(COMMAND_UNLOCK, gfn, 1) == STATUS_OK;
	touch(gfn, LARGE_PAGES);
	costs->lock_4k = batch(COMMAND_BATCHED_LOCK, gfn, LARGE_PAGES, 1);
	costs->unlock_4k = batch(COMMAND_BATCHED_UNLOCK, gfn, LARGE_PAGES, 1);
	uint64_t begin = cpu_read_tsc();
	uint32_t status = speak(COMMAND_GET_TARGET, gfn, 0);
	costs->target = cpu_read_tsc() - begin;
	return status == STATUS_OK && apart && costs->lock_2m != 0 && costs->unlock_2m != 0 &&
	       costs->lock_4k != 0 && costs->unlock_4k != 0;
}

bool speak_rightly(uint64_t ram_pages)
{
	struct costs costs = {0};

	if (ram_pages < FIRST_GFN + EXTENTS * LARGE_PAGES ||
	    speak(COMMAND_START, 0x3e, 0) != STATUS_START_OK) {
		return false;
	}
	for (unsigned i = 0; i < ROUNDS; i++) {
		if (!measure(&costs)) {
			return false;
		}
	}
	bare_print("backdoor: ticks per 2 MiB: lock=%u unlock=%u\n", costs.lock_2m / EXTENTS,
		   costs.unlock_2m / EXTENTS);
	bare_print("backdoor: ticks per 4 KiB: lock=%u unlock=%u\n", costs.lock_4k / LARGE_PAGES,
		   costs.unlock_4k / LARGE_PAGES);
	bare_print("backdoor: ticks of GET_TARGET=%u\n", costs.target);
	return true;
}
