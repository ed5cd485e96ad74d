/* SPDX-License-Identifier: BSD-2-Clause */
/* A driver that speaks wrongly. See speak.h. */
#include "guests/backdoor/port.h"
#include "guests/backdoor/speak.h"
#include "guests/lib/bare.h"

#define RAM_PAGES_MAX 8192ul

static uint64_t ram;
static uint64_t random_state;
static bool was_given[RAM_PAGES_MAX]; /* was named in a LOCK: may read as zeros */
static bool was_written[RAM_PAGES_MAX];
static bool two_speak; /* any page may have been named at any time */

static uint64_t draw(uint64_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % limit;
}

static uint64_t mark_of(uint64_t gfn)
{
	return gfn * 0x9e3779b97f4a7c15 | 1;
}

/* Of the playground, or just behind RAM; now and then anything. */
static uint64_t draw_gfn(void)
{
	uint64_t kind = draw(32);

	if (kind == 0) {
		return draw(UINT64_MAX >> 12) | ram;
	}
	if (kind == 1) {
		return gfn_of(batch_page);
	}
	return FIRST_GFN + draw(ram - FIRST_GFN + 8);
}

static void note_given(uint64_t gfn, uint64_t pages)
{
	for (uint64_t i = gfn; i < gfn + pages && i < ram; i++) {
		was_given[i] = true;
	}
}

/* Fewer large ones, so that not all is in the balloon all the time. */
static void say_batch(void)
{
	uint64_t command = COMMAND_BATCHED_LOCK + draw(4);
	bool large = command >= COMMAND_BATCHED_2M_LOCK;
	uint64_t pages = large ? LARGE_PAGES : 1;
	uint64_t count = large ? 1 + draw(4) : 1 + draw(draw(8) == 0 ? BATCH_MAX : 20);
	uint64_t step = draw(5) * pages;
	uint64_t gfn = draw_gfn() / pages * pages;

	for (uint64_t i = 0; i < count; i++) {
		gfn = draw(8) == 0 ? draw_gfn() : gfn + step;
		/* What lies below holds this program. */
		gfn = gfn < FIRST_GFN && gfn != gfn_of(batch_page) ? FIRST_GFN : gfn;
		batch_page[i] = entry_of(gfn) | draw(32);
		if (command % 2 == 0 && gfn != gfn_of(batch_page)) {
			note_given(gfn, pages);
		}
	}
	(void)speak(command, gfn_of(batch_page), count);
}

/* Absurd batch pages and counts. What is written back goes to a page that is no part of the game.
 */
static void say_absurd_batch(void)
{
	static const uint64_t counts[] = {0, 513, 1ul << 31, 1ul << 32, 1ul << 32 | 1, UINT64_MAX};
	uint64_t command = COMMAND_BATCHED_LOCK + draw(4);
	uint64_t page = draw(2) == 0 ? ram + draw(1ul << 40) : UINT64_MAX - draw(3);

	if (draw(2) == 0) {
		(void)speak(command, page, 1 + draw(BATCH_MAX));
	} else {
		(void)speak(command, gfn_of(batch_page), counts[draw(6)]);
	}
}

static void say_single(void)
{
	uint64_t gfn = draw_gfn();

	if (gfn >= FIRST_GFN) {
		note_given((uint32_t)gfn,
			   1); /* without 64-bit targets only the lower half counts */
		note_given(gfn, 1);
		if ((uint32_t)gfn >= FIRST_GFN) {
			(void)speak(COMMAND_LOCK + draw(2), gfn, 1);
		}
	}
}

static void say_anything(void)
{
	struct call call = {draw(2) == 0 ? QUESTION_MAGIC : draw(1ul << 32), draw(1ul << 32),
			    draw(128), draw(1ul << 32)};

	switch (draw(8)) {
	case 0:
		(void)port_read8(BALLOON_PORT + (uint16_t)draw(4));
		break;
	case 1:
		(void)port_read16(QUESTION_PORT + (uint16_t)draw(4));
		break;
	case 2:
		port_write32(BALLOON_PORT, BALLOON_MAGIC);
		break;
	case 3:
		(void)speak(11 + draw(1ul << 33), draw(1ul << 32), draw(1ul << 32));
		break;
	default:
		port_call(QUESTION_PORT, &call);
		break;
	}
}

static void say_something(void)
{
	switch (draw(16)) {
	case 0:
		(void)speak(COMMAND_START, draw(2) == 0 ? 0x3e : draw(64), draw(64));
		break;
	case 1:
		(void)speak(COMMAND_GET_TARGET, draw(2) == 0 ? ram : draw(UINT64_MAX), draw(9));
		break;
	case 2:
		(void)speak(COMMAND_GUEST_ID + draw(2), draw(9), draw(9));
		break;
	case 3:
		(void)speak(COMMAND_DOORBELL_SET, draw(1ul << 40), draw(9));
		break;
	case 4:
		say_absurd_batch();
		break;
	case 5:
	case 6:
		say_single();
		break;
	case 7:
		say_anything();
		break;
	default:
		say_batch();
		break;
	}
}

/* What was written is there, or zeros if the page may have been given. */
static bool look(uint64_t gfn)
{
	volatile uint64_t *page = (volatile uint64_t *)(gfn * PAGE_BYTES);
	uint64_t found = *page;
	bool right = found == 0 ? was_given[gfn] || !was_written[gfn]
				: was_written[gfn] && found == mark_of(gfn);

	if (!right) {
		bare_print("backdoor: page %u holds %u\n", gfn, found);
	}
	*page = mark_of(gfn);
	was_written[gfn] = true;
	was_given[gfn] = two_speak;
	return right;
}

/* The other vCPU says as much: it writes into batches of this one, and says START, at every moment.
 */
static void begin_beside(void)
{
	two_speak = true;
	note_given(0, ram);
	bare_start_second(say_something);
}

bool speak_wrongly(uint64_t ram_pages, uint64_t messages, uint64_t seed, bool two)
{
	ram = ram_pages < RAM_PAGES_MAX ? ram_pages : RAM_PAGES_MAX;
	random_state = seed * 2 + 0x9e3779b97f4a7c15;
	if (two) {
		begin_beside();
	}
	for (uint64_t i = 0; i < messages; i++) {
		say_something();
		if (!look(FIRST_GFN + draw(ram - FIRST_GFN))) {
			return false;
		}
	}
	return true;
}

void speak_of_everything(uint64_t ram_pages)
{
	(void)speak(COMMAND_START, 0x3e, 0);
	for (uint64_t gfn = 0; gfn < ram_pages; gfn++) {
		(void)speak(COMMAND_LOCK, gfn, 1);
	}
}
