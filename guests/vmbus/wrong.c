/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver that speaks wrongly: messages of all kinds at random, right ones among them. What makes
 * the host write to memory points to pages of this image that are for it, to pages of the game that
 * are not looked at, or out of RAM; so the guest outlives whatever it says, and can look at its
 * pages in the end. An MSR that would be a fault is not written: hostile, the native guest, does.
 */
#include "guests/lib/bare.h"
#include "guests/lib/cpu.h"
#include "guests/lib/memory.h"
#include "guests/vmbus/bus.h"
#include "guests/vmbus/game.h"
#include "guests/vmbus/speak.h"

#define CHECKED_PER_MESSAGE 2u
#define RANGES_MAX 40u
#define LARGE_PAGES 512u
#define RANGE_PAGES_SHIFT 40

static uint32_t heard; /* types of messages since the last answer */

/* ---- ranges ---------------------------------------------------------------------------------- */

/* Pages that a driver has no business with, or some of the game, or of the rings. */
static uint64_t any_range(void)
{
	uint64_t first = random_below(game.pages);
	uint64_t count = random_below(8) == 0 ? 1 + random_below(1024) : 1 + random_below(16);

	switch (random_below(12)) {
	case 0:
		return (game.ram_end + random_below(5)) | count << RANGE_PAGES_SHIFT;
	case 1:
		return random_below(1ul << 40) | game.ram_end |
		       random_below(1ul << 24) << RANGE_PAGES_SHIFT;
	case 2:
		return gfn_of(ring_pages) | (1 + random_below(2 * RING_PAGES)) << RANGE_PAGES_SHIFT;
	case 3: /* across the end of RAM */
		game_lose(first, game.pages);
		return (FIRST_GFN + first) | (1ul << 23) << RANGE_PAGES_SHIFT;
	case 4: /* 2 MiB that are aligned */
		first &= ~(uint64_t)(LARGE_PAGES - 1);
		count = LARGE_PAGES;
		break;
	case 5:
		count = 0;
		break;
	}
	game_lose(first, count);
	return (FIRST_GFN + first) | count << RANGE_PAGES_SHIFT;
}

static void say_response(void)
{
	static uint64_t message[2 + RANGES_MAX];
	uint32_t count = (uint32_t)random_below(RANGES_MAX + 1);
	/* An odd number: read as a range it is none of RAM. */
	uint32_t told = random_below(8) == 0 ? (uint32_t)random_below(1ul << 31) | 1 : count;
	uint32_t bytes = (2 + count) * 8;

	for (unsigned i = 0; i < count; i++) {
		message[2 + i] = i > 0 && random_below(8) == 0 ? message[1 + i] : any_range();
	}
	message[0] = MEMORY_BALLOON_RESPONSE | bytes << 16 | random_below(1ul << 32) << 32;
	message[1] = (uint64_t)(told << 1 | (random_below(4) == 0)) << 32;
	bus_say(message, random_below(16) == 0 ? bytes - (uint32_t)random_below(16) : bytes);
	heard &= random_below(4) == 0 ? ~0u : ~(1u << MEMORY_BALLOON);
}

/* ---- messages of Dynamic Memory -------------------------------------------------------------- */

static void say_status(void)
{
	uint64_t message[6] = {MEMORY_STATUS | 48 << 16};

	message[1] = random_below(2) != 0 ? random_below(game.pages) : random_below(UINT64_MAX);
	message[2] = random_below(2) != 0 ? random_below(game.pages) : random_below(UINT64_MAX);
	bus_say(message, sizeof(message));
}

static void say_any_message(void)
{
	static uint64_t message[MEMORY_MESSAGE_MAX / 8];
	uint32_t bytes = (uint32_t)random_below(random_below(4) == 0 ? MEMORY_MESSAGE_MAX : 64);

	for (unsigned i = 1; i < 8; i++) {
		message[i] = random_below(2) != 0 ? random_below(4) : random_below(UINT64_MAX);
	}
	/* What it may be is not a response with ranges: those are above. */
	uint64_t type = random_below(14);
	type = type == MEMORY_BALLOON_RESPONSE ? MEMORY_UNBALLOON_RESPONSE : type;
	message[0] = type | random_below(random_below(2) != 0 ? 64 : 1ul << 16) << 16;
	bus_say(message, bytes);
}

/* ---- rings ----------------------------------------------------------------------------------- */

/* Torn indices, and packets whose header lies. */
static void break_ring(void)
{
	volatile uint64_t *units = (volatile uint64_t *)ring_pages[1];
	uint32_t near = random_below(2) != 0 ? RING_BYTES : UINT32_MAX;

	if (random_below(2) != 0) {
		ring_indices(random_below(2) != 0 ? RING_OUT : RING_IN)[random_below(4)] =
			(uint32_t)random_below(near) & (random_below(4) == 0 ? ~0u : ~7u);
	} else {
		uint32_t at = ring_indices(RING_OUT)[RING_READ_INDEX] % RING_BYTES;
		units[at / 8] =
			random_below(8) | random_below(4) << 16 | random_below(RING_BYTES) << 32;
		ring_indices(RING_OUT)[RING_WRITE_INDEX] =
			(at + 8 * (uint32_t)random_below(64)) % RING_BYTES;
	}
	(void)bus_call(CALL_SIGNAL_EVENT | CALL_FAST, random_below(4), 0);
}

/* ---- messages of VMBus ----------------------------------------------------------------------- */

static uint64_t any_ring_gfn(void)
{
	switch (random_below(8)) {
	case 0:
		return game.ram_end + random_below(3);
	case 1:
		return random_below(UINT64_MAX);
	case 2:
		return FIRST_GFN + random_below(WILD_PAGES);
	}
	return gfn_of(ring_pages[random_below(2 * RING_PAGES)]);
}

/* A list of pages for rings; most are as they should be but for one word. */
static void post_any_list(void)
{
	uint8_t message[MESSAGE_MAX] = {0};
	uint32_t head[7] = {8, 0, CHANNEL, GPADL, 1u << 16, 2 * RING_PAGES * 4096u, 0};
	uint32_t listed = (uint32_t)random_below(26);

	if (random_below(2) != 0) {
		head[2 + random_below(5)] = (uint32_t)random_below(1ul << 32);
	}
	memcpy(message, head, sizeof(head));
	for (unsigned i = 0; i < listed; i++) {
		uint64_t gfn = any_ring_gfn();
		memcpy(message + sizeof(head) + 8ul * i, &gfn, sizeof(gfn));
	}
	bus_post(message, (uint32_t)sizeof(head) + 8 * listed);
}

static void post_anything(void)
{
	uint32_t message[MESSAGE_MAX / 4];

	for (unsigned i = 0; i < MESSAGE_MAX / 4; i++) {
		message[i] = (uint32_t)random_below(random_below(2) != 0 ? 12 : 1ul << 32);
	}
	message[0] = (uint32_t)random_below(26);
	if (message[0] == 8) { /* a list of pages: those are above */
		message[0] = 5;
	}
	bus_post(message, (uint32_t)random_below(MESSAGE_MAX + 1));
}

/* ---- hypercalls and MSRs --------------------------------------------------------------------- */

static uint64_t any_input(void)
{
	switch (random_below(8)) {
	case 0:
		return game.ram_end * PAGE_BYTES - 8 * random_below(4);
	case 1:
		return UINT64_MAX - random_below(64);
	case 2:
		return (uint64_t)call_input + random_below(PAGE_BYTES);
	case 3:
		return (FIRST_GFN + random_below(WILD_PAGES)) * PAGE_BYTES;
	}
	return (uint64_t)call_input;
}

static void lose_hint(uint64_t hint)
{
	uint64_t gfn = hint >> 12;

	if (gfn >= FIRST_GFN && gfn < game.ram_end) {
		game_lose(gfn - FIRST_GFN, hint >> 11 & 1 ? LARGE_PAGES : (hint & 0x7ff) + 1);
	}
}

/* Cold memory: free pages are reported. */
static void report(void)
{
	uint64_t *words = (uint64_t *)hint_input;
	uint64_t count = 1 + random_below(30);

	words[0] = random_below(8) == 0 ? random_below(UINT64_MAX) : 2;
	for (uint64_t i = 1; i <= count; i++) {
		uint64_t first = random_below(game.pages);
		uint64_t many = 1 + random_below(64);
		uint64_t large = random_below(8) == 0;
		if (large) {
			first &= ~(uint64_t)(LARGE_PAGES - 1);
			many = 1;
		}
		game_lose(first, large ? LARGE_PAGES : many);
		words[i] = (FIRST_GFN + first) << 12 | large << 11 | (many - 1);
	}
	(void)bus_call(CALL_MEMORY_HINT | count << 32 | random_below(2) * random_below(40) << 48,
		       (uint64_t)hint_input, 0);
}

static void call_anything(void)
{
	static const uint32_t codes[] = {CALL_POST_MESSAGE,
					 CALL_SIGNAL_EVENT,
					 CALL_CAPABILITIES,
					 CALL_MEMORY_HINT,
					 2,
					 0x8002};
	uint64_t code = codes[random_below(sizeof(codes) / sizeof(codes[0]))];
	uint64_t control = code | random_below(4) * CALL_FAST | random_below(0x1000) << 32 |
			   random_below(0x1000) << 48;
	uint64_t output = random_below(2) != 0 ? (uint64_t)scratch_page + random_below(16)
					       : game.ram_end * PAGE_BYTES + random_below(64);

	if (code != CALL_MEMORY_HINT) {
		(void)bus_call(control, any_input(), output);
		return;
	}
	/* Whatever earlier reports have left there, as many ranges as it says. */
	for (unsigned i = 1; i < PAGE_BYTES / 8; i++) {
		lose_hint(((uint64_t *)hint_input)[i]);
	}
	(void)bus_call(control, (uint64_t)hint_input, output);
}

static uint64_t any_page(void)
{
	uint64_t page = FIRST_GFN + random_below(WILD_PAGES);

	return (random_below(4) == 0 ? game.ram_end + random_below(1ul << 20) : page) * PAGE_BYTES |
	       random_below(4);
}

static void write_any_msr(void)
{
	switch (random_below(8)) {
	case 0:
		msr_write(MSR_MESSAGES, any_page());
		break;
	case 1:
		msr_write(MSR_EVENT_FLAGS, any_page());
		break;
	case 2:
		msr_write(MSR_SOURCE + (uint32_t)random_below(16),
			  random_below(2) << 16 | (16 + random_below(240)));
		break;
	case 3:
		msr_write(MSR_CONTROL, random_below(4));
		break;
	case 4:
		msr_write(MSR_HYPERCALL, 0);
		break;
	case 5:
		msr_write(random_below(2) != 0 ? MSR_ASSIST : MSR_REFERENCE_TSC,
			  random_below(UINT64_MAX));
		break;
	case 6:
		msr_write(MSR_GUEST_ID, random_below(2));
		break;
	default:
		msr_write(MSR_END, random_below(UINT64_MAX));
		break;
	}
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void connect(void)
{
	bus_connect();
	heard = 0;
}

static void say_something(void)
{
	heard |= bus_listen();
	if (heard >> MEMORY_BALLOON & 1 && random_below(4) != 0) {
		say_response();
		return;
	}
	switch (random_below(64)) {
	case 0:
		say_response();
		break;
	case 1 ... 24:
		say_status();
		break;
	case 25 ... 27:
		say_any_message();
		break;
	case 28 ... 30:
		break_ring();
		break;
	case 31 ... 33:
		post_any_list();
		break;
	case 34 ... 37:
		post_anything();
		break;
	case 38 ... 45:
		report();
		break;
	case 46 ... 49:
		call_anything();
		break;
	case 50 ... 52:
		write_any_msr();
		break;
	default: /* mostly it works */
		connect();
		break;
	}
}

/* Until the host has asked for something, or the TSC is there. */
static void wait_for_request(uint64_t until_tsc)
{
	const uint64_t status[6] = {MEMORY_STATUS | sizeof(status) << 16, game.pages, 0};

	bus_say(status, sizeof(status)); /* it is asked for no more than it has */
	while (!(heard >> MEMORY_BALLOON & 1) && cpu_read_tsc() < until_tsc) {
		heard |= bus_listen();
	}
}

/*
 * The other vCPU says as much in the same words: it writes into rings, packets and hypercalls of
 * this one at every moment, and lets all be forgotten.
 */
static void begin_beside(void)
{
	game_share();
	bare_start_second(say_something);
}

bool speak_wrongly(uint64_t ram_pages, uint64_t messages, uint64_t seed, uint64_t until_tsc,
		   bool two)
{
	bool right = game_begin(ram_pages, seed);

	for (unsigned i = 0; i < PAGE_BYTES / 8; i++) {
		((uint64_t *)hint_input)[i] = 2 | ram_pages << 12; /* no range of RAM */
	}
	connect();
	wait_for_request(until_tsc);
	if (two) {
		begin_beside();
	}
	for (uint64_t i = 0; i < messages && right; i++) {
		say_something();
		for (unsigned j = 0; j < CHECKED_PER_MESSAGE && right; j++) {
			right = game_look(random_below(game.pages));
		}
	}
	bus_leave();
	for (uint64_t i = 0; i < game.pages && right; i++) {
		right = game_look(i);
	}
	return right;
}

void speak_of_everything(uint64_t ram_pages, uint64_t until_tsc)
{
	const uint64_t message[3] = {
		MEMORY_BALLOON_RESPONSE | sizeof(message) << 16,
		1ul << 33, /* one range */
		ram_pages << RANGE_PAGES_SHIFT,
	};

	(void)game_begin(ram_pages, 0);
	connect();
	wait_for_request(until_tsc);
	bus_say(message, sizeof(message));
}
