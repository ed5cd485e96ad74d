/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See explorer.h. What the explorer itself has to remember lies on the heap, where no state's
 * restoration reaches it. Variables are saved as differences from the first state; of frames, what
 * matters in their state: everything of tables, first and last word of guests' pages.
 */
#include "fake/explorer.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/compiler.h"
#include "fake/world.h"

#include "mm/frame.h"
#include "mm/phys.h"

#define WORDS (PAGE_BYTES / sizeof(uint64_t))
#define LAST (WORDS - 1)
#define FRAMES_MAX 4096

/* All variables of the program: from the linker. */
extern uint64_t __data_start[];
extern uint64_t _end[];

/*
 * The variables lie between the sanitizer's red zones, which these functions step over; they must
 * not become calls of the library's copying functions, which would not.
 */
#define RAW NO_LOOP_IDIOMS __attribute__((no_sanitize("address", "undefined"), noinline))

struct saved {
	uint32_t parent;
	uint16_t operation;
	uint16_t depth;
	uint32_t pair_count; /* of (place, value), variables first, then memory */
	uint32_t variable_count;
	uint64_t *pairs; /* freed once the state is expanded */
};

struct explorer {
	uint64_t *first; /* the variables of the first state */
	size_t variables;
	uint64_t *buffer;
	uint32_t buffered;
	uint32_t buffer_max;
	struct saved *states;
	uint64_t state_count;
	uint64_t states_max;
	uint64_t *seen; /* open addressing, two words per state */
	uint64_t seen_max;
	uint64_t hash[2];
	uint32_t current;
	unsigned operation;
	struct explorer_result result;
	uint8_t frames[FRAMES_MAX]; /* states */
	uint8_t frames_before[FRAMES_MAX];
};

static struct explorer *explorer;
unsigned explorer_page_words = 1;
void (*explorer_describe)(unsigned operation);

void explorer_mix(uint64_t word)
{
	uint64_t *hash = explorer->hash;
	hash[0] = (hash[0] ^ word) * 0x9e3779b97f4a7c15;
	hash[0] ^= hash[0] >> 29;
	hash[1] = (hash[1] + word) * 0xd6e8feb86659fd93 + hash[0];
	hash[1] ^= hash[1] >> 32;
}

RAW static void put(uint64_t place, uint64_t value)
{
	if (explorer->buffered + 2 > explorer->buffer_max) {
		panic("explorer: a state is larger than expected");
	}
	explorer->buffer[explorer->buffered++] = place;
	explorer->buffer[explorer->buffered++] = value;
}

/* The word behind word i, of those that matter in a frame. */
static uint64_t next_word(uint64_t i, bool whole)
{
	return whole || i + 1 < explorer_page_words || i == LAST ? i + 1 : LAST;
}

RAW static void put_frame(uint64_t pfn, enum frame_state state)
{
	const uint64_t *words = pfn_to_virt((pfn_t){pfn});
	bool whole = state == FRAME_HYPERVISOR || state == FRAME_REVOKING;
	for (uint64_t i = 0; i < WORDS; i = next_word(i, whole)) {
		if (words[i] != 0) {
			put(pfn * WORDS + i, words[i]);
		}
	}
}

/* For every frame the state of the extent it belongs to. */
RAW static void collect_states(uint8_t *states)
{
	for (uint64_t head = 0; head < frame_table_count;) {
		const struct frame *frame = &frame_table[head];
		uint64_t end = head + (1ull << frame->tag.order);
		while (head < end && head < frame_table_count) {
			states[head++] = frame->tag.state;
		}
	}
}

RAW static void save(struct saved *state)
{
	explorer->buffered = 0;
	for (size_t i = 0; i < explorer->variables; i++) {
		if (__data_start[i] != explorer->first[i]) {
			put(i, __data_start[i]);
		}
	}
	state->variable_count = explorer->buffered;
	collect_states(explorer->frames);
	for (uint64_t pfn = 0; pfn < frame_table_count; pfn++) {
		enum frame_state frame_state = (enum frame_state)explorer->frames[pfn];
		if (frame_state != FRAME_RESERVED && frame_state != FRAME_ZEROED) {
			put_frame(pfn, frame_state);
		}
	}
	state->pair_count = explorer->buffered;
	state->pairs = malloc(explorer->buffered * sizeof(uint64_t));
	for (uint32_t i = 0; i < explorer->buffered; i++) {
		state->pairs[i] = explorer->buffer[i];
	}
}

static void clear(uint64_t pfn, bool whole)
{
	uint64_t *words = pfn_to_virt((pfn_t){pfn});
	memset(words, 0, (whole ? WORDS : explorer_page_words) * sizeof(uint64_t));
	words[LAST] = 0;
}

/* Most are as they were in the first state, so eight are looked at in one go. */
RAW static void restore_first(void)
{
	const uint64_t *first = explorer->first;
	size_t count = explorer->variables;
	size_t i = 0;
	for (; i + 8 <= count; i += 8) {
		const uint64_t *now = __data_start + i;
		uint64_t changed = (now[0] ^ first[i]) | (now[1] ^ first[i + 1]) |
				   (now[2] ^ first[i + 2]) | (now[3] ^ first[i + 3]) |
				   (now[4] ^ first[i + 4]) | (now[5] ^ first[i + 5]) |
				   (now[6] ^ first[i + 6]) | (now[7] ^ first[i + 7]);
		for (size_t at = i; changed != 0 && at < i + 8; at++) {
			__data_start[at] = first[at];
		}
	}
	for (; i < count; i++) {
		__data_start[i] = first[i];
	}
}

/* Such a frame has nothing but its first and its last word. */
static bool plain(uint8_t state)
{
	return state == FRAME_GUEST || state == FRAME_ZEROED;
}

RAW static void restore(const struct saved *state)
{
	collect_states(explorer->frames_before);
	restore_first();
	for (uint32_t i = 0; i < state->variable_count; i += 2) {
		__data_start[state->pairs[i]] = state->pairs[i + 1];
	}
	collect_states(explorer->frames);
	for (uint64_t pfn = 0; pfn < frame_table_count; pfn++) {
		if (explorer->frames[pfn] != FRAME_RESERVED) {
			clear(pfn, explorer->frames[pfn] != FRAME_DIRTY &&
					   !(plain(explorer->frames[pfn]) &&
					     plain(explorer->frames_before[pfn])));
		}
	}
	uint64_t *memory = pfn_to_virt((pfn_t){0});
	for (uint32_t i = state->variable_count; i < state->pair_count; i += 2) {
		memory[state->pairs[i]] = state->pairs[i + 1];
	}
}

/* True when the hash is new; it is remembered. */
static bool remember(void)
{
	uint64_t mask = explorer->seen_max - 1;
	uint64_t at = explorer->hash[0] & mask;
	for (;; at = (at + 1) & mask) {
		uint64_t *slot = &explorer->seen[2 * at];
		if (slot[0] == 0 && slot[1] == 0) {
			slot[0] = explorer->hash[0];
			slot[1] = explorer->hash[1];
			return true;
		}
		if (slot[0] == explorer->hash[0] && slot[1] == explorer->hash[1]) {
			return false;
		}
	}
}

static bool take_in(void (*hash)(void), uint16_t depth)
{
	explorer->hash[0] = 0x243f6a8885a308d3;
	explorer->hash[1] = 0x13198a2e03707344;
	hash();
	if (!remember()) {
		return false;
	}
	struct saved *state = &explorer->states[explorer->state_count++];
	*state = (struct saved){
		.parent = explorer->current,
		.operation = (uint16_t)explorer->operation,
		.depth = depth,
	};
	save(state);
	return true;
}

static void print_operations(uint32_t at)
{
	if (at != 0) {
		print_operations(explorer->states[at].parent);
		explorer_describe(explorer->states[at].operation);
	}
}

void explorer_print_path(void)
{
	uint32_t at = explorer->current;
	if (explorer_describe != NULL) {
		print_error("after this, from the first state:\n");
		print_operations(at);
		explorer_describe(explorer->operation);
		return;
	}
	print_error("operations, last first: %u", explorer->operation);
	while (at != 0) {
		print_error(" %u", explorer->states[at].operation);
		at = explorer->states[at].parent;
	}
	print_error("\n");
}

static void begin(uint64_t states_max)
{
	explorer = calloc(1, sizeof(*explorer));
	explorer->variables = (size_t)(_end - __data_start);
	explorer->buffer_max = 4 << 20;
	explorer->buffer = malloc(explorer->buffer_max * sizeof(uint64_t));
	explorer->states_max = states_max;
	explorer->states = calloc(states_max + 1, sizeof(struct saved));
	explorer->seen_max = 1;
	while (explorer->seen_max < 2 * states_max + 2) {
		explorer->seen_max *= 2;
	}
	explorer->seen = calloc(2 * explorer->seen_max, sizeof(uint64_t));
	explorer->first = malloc(explorer->variables * sizeof(uint64_t));
}

RAW static void remember_first(void)
{
	for (size_t i = 0; i < explorer->variables; i++) {
		explorer->first[i] = __data_start[i];
	}
}

static void end(void)
{
	for (uint64_t i = 0; i < explorer->state_count; i++) {
		free(explorer->states[i].pairs);
	}
	free(explorer->buffer);
	free(explorer->states);
	free(explorer->seen);
	free(explorer->first);
	free(explorer);
	explorer = NULL;
}

void explorer_stop(void)
{
	if (explorer != NULL) {
		explorer_print_path();
		end();
	}
}

static void expand(const struct saved *state, explorer_operation operation,
		   unsigned operation_count, void (*hash)(void), struct explorer_result *result)
{
	restore(state);
	for (unsigned i = 0; i < operation_count; i++) {
		explorer->operation = i;
		enum explorer_outcome outcome = operation(i);
		if (outcome == EXPLORER_DONE) {
			result->transitions++;
			(void)take_in(hash, state->depth + 1);
		}
		if (explorer->state_count == explorer->states_max) {
			return;
		}
		if (outcome != EXPLORER_IMPOSSIBLE) {
			restore(state);
		}
	}
}

struct explorer_result explorer_run(explorer_operation operation, unsigned operation_count,
				    void (*hash)(void), uint64_t states_max, unsigned seconds)
{
	time_t stop = time(NULL) + (time_t)seconds;
	begin(states_max);
	struct explorer_result *result = &explorer->result; /* not among what is restored */
	assert_true(frame_table_count <= FRAMES_MAX);
	remember_first();
	(void)take_in(hash, 0);
	uint64_t at = 0;
	for (;
	     at < explorer->state_count && explorer->state_count < states_max && time(NULL) < stop;
	     at++) {
		struct saved *state = &explorer->states[at];
		explorer->current = (uint32_t)at;
		result->depth = state->depth;
		expand(state, operation, operation_count, hash, result);
		free(state->pairs);
		state->pairs = NULL;
	}
	result->complete = at == explorer->state_count;
	result->states = explorer->state_count;
	struct explorer_result answer = *result;
	end();
	return answer;
}
