/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver that speaks wrongly: messages of all kinds at random, right ones among them. What can
 * make the device write to memory points to the rings, to pages that are given and taken back, or
 * out of RAM; so the guest outlives whatever it says, and can look at its pages in the end.
 */
#include "guests/lib/bare.h"
#include "guests/virtio/ring.h"
#include "guests/virtio/speak.h"

#define PAGES_MAX 4096u
#define CHECKED_PER_MESSAGE 2u

static uint64_t state;
static uint64_t pages; /* from FIRST_GFN on */
static uint64_t ram_end;
static uint8_t may_be_lost[PAGES_MAX]; /* zeros are right as well */
static bool two_speak;		       /* so they are of any page at any time */

static uint64_t random_below(uint64_t limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % limit;
}

static volatile uint64_t *word_of(uint64_t page)
{
	return (volatile uint64_t *)((FIRST_GFN + page) * PAGE_BYTES);
}

/* No half of it is the number of a page of RAM. */
static uint64_t content_of(uint64_t page)
{
	return (page << 32 | page) | 0x9000000080000000ul;
}

static bool look_at(uint64_t page)
{
	uint64_t word = *word_of(page);
	bool right = word == content_of(page) || (may_be_lost[page] && word == 0);

	*word_of(page) = content_of(page);
	may_be_lost[page] = two_speak;
	return right;
}

/* A number that a driver has no business with, or one of the pages, or of the rings. */
static uint32_t any_number(void)
{
	uint64_t page = random_below(pages);

	switch (random_below(8)) {
	case 0:
		return (uint32_t)(ram_end + random_below(5));
	case 1:
		return UINT32_MAX - (uint32_t)random_below(3);
	case 2:
		return (uint32_t)(gfn_of(rings) + random_below(sizeof(rings) / PAGE_BYTES));
	case 3:
		return (uint32_t)gfn_of(numbers);
	}
	may_be_lost[page] = 1;
	return (uint32_t)(FIRST_GFN + page);
}

static void run_of_pages(unsigned queue)
{
	uint64_t count = random_below(256) + 1;
	uint64_t first = random_below(pages - 256);
	bool down = random_below(2) != 0;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t page = first + (down ? count - 1 - i : i);
		may_be_lost[page] = 1;
		numbers[i] = (uint32_t)(FIRST_GFN + page);
	}
	ring_offer_buffer(queue, (uint64_t)numbers, (uint32_t)count * 4, 0);
}

static void any_pages(unsigned queue)
{
	uint64_t count = random_below(NUMBERS_MAX) + 1;

	for (uint64_t i = 0; i < count; i++) {
		numbers[i] = any_number();
	}
	ring_offer_buffer(queue, (uint64_t)numbers, (uint32_t)(count * 4 - random_below(4)), 0);
}

static void any_report(void)
{
	uint64_t first = random_below(pages);
	uint64_t count = random_below(pages - first) + 1;

	for (uint64_t i = first; i < first + count; i++) {
		may_be_lost[i] = 1;
	}
	ring_offer_buffer(REPORTS, (FIRST_GFN + first) * PAGE_BYTES + random_below(2) * 17,
			  (uint32_t)(count * PAGE_BYTES - random_below(2) * 17), FLAG_WRITE);
}

/*
 * Where a descriptor may point. What lies there are numbers of the pages above, or of none: a
 * number of a page of this image would be the end of the guest.
 */
static uint64_t any_address(uint32_t bytes)
{
	switch (random_below(4)) {
	case 0:
		if (bytes < 256) {
			return (uint64_t)numbers + random_below(PAGE_BYTES - 256);
		}
		break;
	case 1:
		return ram_end * PAGE_BYTES - random_below(2) * 8;
	case 2:
		return UINT64_MAX - random_below(100);
	}
	return (FIRST_GFN + random_below(pages)) * PAGE_BYTES;
}

static void any_descriptors(void)
{
	static const uint32_t lengths[] = {0, 1, 3, 4, 8, 64, 255, 0x10000000, UINT32_MAX};
	unsigned queue = (unsigned)random_below(REPORTS); /* a report would take any page */
	volatile struct descriptor *table = rings[queue].descriptors;

	for (unsigned i = 0; i < 8; i++) {
		uint32_t bytes = lengths[random_below(sizeof(lengths) / sizeof(lengths[0]))];
		table[i].address = any_address(bytes);
		table[i].bytes = bytes;
		uint16_t flags = (uint16_t)(random_below(4) == 0 ? random_below(8) : FLAG_NEXT);
		/* Half of it may be the other vCPU's: as a report it would take any page. */
		table[i].flags = two_speak ? flags & (uint16_t)~FLAG_WRITE : flags;
		table[i].next = (uint16_t)random_below(random_below(10) == 0 ? 70 : 8);
	}
	ring_offer(queue, (uint16_t)random_below(random_below(10) == 0 ? 70 : 8));
}

/* The parts of the rings themselves, torn and out of order. */
static void any_index(void)
{
	unsigned queue = (unsigned)random_below(QUEUES);

	((volatile uint16_t *)rings[queue].driver)[random_below(3)] =
		(uint16_t)random_below(UINT16_MAX + 1ul);
	board_write(REG_NOTIFY, queue);
}

static void any_register(void)
{
	uint32_t offset = (uint32_t)random_below(WINDOW_BYTES / 4) * 4;
	uint32_t value = (uint32_t)random_below(UINT32_MAX + 1ul);

	if (offset >= REG_DESCRIPTORS && offset < REG_DEVICE + 8) {
		value = offset & 4 ? (uint32_t)random_below(2)
				   : (uint32_t)((uint64_t)&rings[random_below(QUEUES)] +
						random_below(3) * PAGE_BYTES + random_below(2));
	} else if (random_below(2) != 0) {
		value = (uint32_t)random_below(16);
	}
	if (random_below(8) == 0) {
		board_write_byte(offset + (uint32_t)random_below(4), (uint8_t)value);
	} else {
		board_write(offset, value);
	}
	(void)board_read(offset);
}

static void any_statistics(void)
{
	for (unsigned i = 0; i < 200; i++) {
		((volatile uint8_t *)statistics)[i] = (uint8_t)random_below(i % 10 < 2 ? 20 : 256);
	}
	ring_offer_buffer(STATISTICS, (uint64_t)statistics, (uint32_t)random_below(201), 0);
}

static void say_something(void)
{
	switch (random_below(16)) {
	case 0 ... 2:
		run_of_pages(INFLATE);
		break;
	case 3:
		run_of_pages(DEFLATE);
		break;
	case 4:
		any_pages(INFLATE);
		break;
	case 5:
		any_pages(DEFLATE);
		break;
	case 6:
		any_report();
		break;
	case 7:
	case 8:
		any_descriptors();
		break;
	case 9:
		any_index();
		break;
	case 10 ... 12:
		any_register();
		break;
	case 13:
		any_statistics();
		break;
	default: /* mostly the device works */
		ring_connect(random_below(2) != 0 ? FEATURES_ALL
						  : (uint32_t)random_below(FEATURES_ALL + 1));
		break;
	}
}

/*
 * The other vCPU says as much in the same words: it writes into rings and buffers of this one at
 * every moment, and resets the device.
 */
static void begin_beside(void)
{
	two_speak = true;
	for (uint64_t i = 0; i < pages; i++) {
		may_be_lost[i] = 1;
	}
	bare_start_second(say_something);
}

bool speak_wrongly(uint64_t ram_pages, uint64_t messages, uint64_t seed, bool two)
{
	bool right = ram_pages > FIRST_GFN + 512;

	state = seed | 1;
	ram_end = ram_pages;
	pages = right ? ram_pages - FIRST_GFN : 0;
	pages = pages < PAGES_MAX ? pages : PAGES_MAX;
	for (uint64_t i = 0; i < pages; i++) {
		*word_of(i) = content_of(i);
	}
	ring_connect(FEATURES_ALL);
	if (two) {
		begin_beside();
	}
	for (uint64_t i = 0; i < messages && right; i++) {
		say_something();
		for (unsigned j = 0; j < CHECKED_PER_MESSAGE && right; j++) {
			right = look_at(random_below(pages));
		}
	}
	board_write(REG_STATUS, 0);
	for (uint64_t i = 0; i < pages && right; i++) {
		right = look_at(i);
	}
	return right;
}

static bool is_needed(uint64_t gfn)
{
	return (gfn >= gfn_of(rings) && gfn < gfn_of(rings) + sizeof(rings) / PAGE_BYTES) ||
	       gfn == gfn_of(numbers);
}

void speak_of_everything(uint64_t ram_pages)
{
	uint32_t count = 0;

	ring_connect(FEATURES_ALL);
	for (uint64_t gfn = 0; gfn < ram_pages; gfn++) {
		if (!is_needed(gfn)) {
			numbers[count++] = (uint32_t)gfn;
		}
		if (count == 256) {
			ring_offer_buffer(INFLATE, (uint64_t)numbers, count * 4, 0);
			count = 0;
		}
	}
}
