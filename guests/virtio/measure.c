/* SPDX-License-Identifier: BSD-2-Clause */
/* A driver that speaks rightly, and measures what its messages cost. See speak.h. */
#include "guests/lib/bare.h"
#include "guests/lib/cpu.h"
#include "guests/virtio/ring.h"
#include "guests/virtio/speak.h"

#define BUFFER_PAGES 256u
#define BUFFERS 64u /* 16,384 pages: 64 MiB */
#define PAGES ((uint64_t)BUFFER_PAGES * BUFFERS)
#define LARGE_PAGES 512u
#define CHAIN 32u /* of a report, of 2 MiB each */
#define ROUNDS 3  /* the last one counts: all is in the caches, and known */
#define PATIENCE 1000000u

struct costs {
	uint64_t inflate, deflate, inflate_large, report, report_small, actual;
};

static void touch(void)
{
	for (uint64_t gfn = FIRST_GFN; gfn < FIRST_GFN + PAGES; gfn++) {
		*(volatile uint64_t *)(gfn * PAGE_BYTES) = gfn;
	}
}

/* Each look is an exit, so that the timer of the VM runs. */
static bool wait_for(unsigned queue)
{
	for (unsigned i = 0; i < PATIENCE && !ring_is_idle(queue); i++) {
		(void)board_read(REG_STATUS);
	}
	return ring_is_idle(queue);
}

/* All pages, as Linux does it: 256 in a buffer, downwards. Answers its ticks; 0: not done. */
static uint64_t move_pages(unsigned queue)
{
	uint64_t ticks = 0;

	for (unsigned i = 0; i < BUFFERS; i++) {
		for (unsigned j = 0; j < BUFFER_PAGES; j++) {
			numbers[j] = (uint32_t)(FIRST_GFN + (i + 1) * BUFFER_PAGES - 1 - j);
		}
		uint64_t begin = cpu_read_tsc();
		ring_offer_buffer(queue, (uint64_t)numbers, BUFFER_PAGES * 4, 0);
		ticks += cpu_read_tsc() - begin;
		if (!wait_for(queue)) {
			return 0;
		}
	}
	return ticks;
}

static uint64_t report_all(void)
{
	volatile struct descriptor *chain = rings[REPORTS].descriptors;

	for (unsigned i = 0; i < CHAIN; i++) {
		chain[i].address = (FIRST_GFN + i * LARGE_PAGES) * PAGE_BYTES;
		chain[i].bytes = LARGE_PAGES * PAGE_BYTES;
		chain[i].flags = FLAG_WRITE | (i + 1 < CHAIN ? FLAG_NEXT : 0);
		chain[i].next = (uint16_t)(i + 1);
	}
	uint64_t begin = cpu_read_tsc();
	ring_offer(REPORTS, 0);
	bool done = wait_for(REPORTS);
	return done ? cpu_read_tsc() - begin : 0;
}

static bool measure(struct costs *costs)
{
	touch();
	costs->report_small = report_all(); /* the pages have entries of their own, but at first */
	touch();
	costs->report = report_all();
	touch();
	costs->inflate_large = move_pages(INFLATE); /* out of entries of 2 MiB */
	costs->actual = UINT64_MAX;
	for (unsigned i = 0; i < 5; i++) { /* the timer may end one of them */
		uint64_t begin = cpu_read_tsc();
		board_write(REG_ACTUAL, PAGES);
		uint64_t ticks = cpu_read_tsc() - begin;
		costs->actual = ticks < costs->actual ? ticks : costs->actual;
	}
	bool done = move_pages(DEFLATE) != 0;
	touch();
	costs->inflate = move_pages(INFLATE);
	costs->deflate = move_pages(DEFLATE);
	return done && costs->report != 0 && costs->report_small != 0 &&
	       costs->inflate_large != 0 && costs->inflate != 0 && costs->deflate != 0;
}

bool speak_rightly(uint64_t ram_pages)
{
	struct costs costs = {0};

	if (ram_pages < FIRST_GFN + PAGES) {
		return false;
	}
	ring_connect(FEATURES_ALL);
	for (unsigned i = 0; i < ROUNDS; i++) {
		if (!measure(&costs)) {
			return false;
		}
	}
	bare_print("virtio: ticks per 4 KiB: inflate=%u inflate-of-2M=%u deflate=%u\n",
		   costs.inflate / PAGES, costs.inflate_large / PAGES, costs.deflate / PAGES);
	bare_print("virtio: ticks of a write of actual=%u\n", costs.actual);
	bare_print("virtio: ticks of a report per 2 MiB: one entry=%u 512 entries=%u\n",
		   costs.report / CHAIN, costs.report_small / CHAIN);
	return true;
}

bool speak_until(uint64_t ram_pages, uint64_t begin_tsc, uint64_t ticks_per_second,
		 uint64_t seconds)
{
	if (ram_pages < FIRST_GFN + PAGES) {
		return false;
	}
	ring_connect(FEATURES_ALL);
	touch();
	if (move_pages(INFLATE) == 0) {
		return false;
	}
	if (begin_tsc < seconds * ticks_per_second) {
		while (cpu_read_tsc() - begin_tsc < ticks_per_second + ticks_per_second / 5) {
			(void)board_read(REG_STATUS);
		}
		board_reset();
	}
	return true;
}
