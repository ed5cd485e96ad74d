/* SPDX-License-Identifier: BSD-2-Clause */
/* See small_search.h. */
#include "fake/small_search.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fake/small_mm.h"

struct path {
	uint32_t parent;
	uint32_t operation;
};

static struct {
	uint64_t *keys; /* a hash table, 0: free */
	uint64_t mask;
	struct path *paths;		   /* how each state was reached */
	struct small_snapshot **snapshots; /* of those that are still to be expanded */
	uint32_t count;
	uint32_t max;
	uint32_t expanded;
	uint64_t steps;
	bool trying; /* from state `expanded`, this operation: */
	unsigned operation;
	unsigned operation_count;
	small_search_operation operate;
	void (*describe)(unsigned operation);
} search;

static bool is_new(uint64_t key)
{
	for (uint64_t at = key & search.mask;; at = (at + 1) & search.mask) {
		if (search.keys[at] == key) {
			return false;
		}
		if (search.keys[at] == 0) {
			search.keys[at] = key;
			return true;
		}
	}
}

static void note_state(uint32_t parent, unsigned operation)
{
	if (search.count == search.max || !is_new(small_mm_key())) {
		return;
	}
	search.paths[search.count] = (struct path){parent, operation};
	search.snapshots[search.count] = small_mm_save();
	search.count++;
}

static void print_path(uint32_t at)
{
	if (at != 0) {
		print_path(search.paths[at].parent);
		search.describe(search.paths[at].operation);
	}
}

static void expand(uint32_t at)
{
	const struct small_snapshot *snapshot = search.snapshots[at];
	bool restored = false;
	for (unsigned i = 0; i < search.operation_count; i++) {
		if (!restored) {
			small_mm_restore(snapshot);
		}
		search.trying = true;
		search.operation = i;
		restored = !search.operate(i);
		search.trying = false;
		if (!restored) {
			search.steps++;
			note_state(at, i);
		}
	}
	free(search.snapshots[at]);
	search.snapshots[at] = NULL;
}

static void start(uint64_t states)
{
	search.max = (uint32_t)states;
	search.mask = 1024;
	while (search.mask < states * 2) {
		search.mask *= 2;
	}
	search.keys = calloc(search.mask, sizeof(*search.keys));
	search.mask--;
	search.paths = calloc(states, sizeof(*search.paths));
	search.snapshots = calloc(states, sizeof(struct snapshot *));
	assert_true(search.keys != NULL && search.paths != NULL && search.snapshots != NULL);
	note_state(0, 0);
}

struct small_search_result small_search_run(small_search_operation operate,
					    void (*describe)(unsigned operation),
					    unsigned operation_count, uint64_t states_max,
					    uint64_t seconds)
{
	time_t end = time(NULL) + (time_t)seconds;
	memset(&search, 0, sizeof(search));
	search.operate = operate;
	search.describe = describe;
	search.operation_count = operation_count;
	start(states_max);
	while (search.expanded < search.count && search.count < search.max && time(NULL) < end) {
		expand(search.expanded);
		search.expanded++;
	}
	struct small_search_result result = {
		.states = search.count,
		.expanded = search.expanded,
		.steps = search.steps,
	};
	for (uint32_t at = search.count - 1; at != 0; at = search.paths[at].parent) {
		result.depth++;
	}
	return result;
}

void small_search_stop(void)
{
	if (search.trying) {
		print_error("after this, from an empty world:\n");
		print_path(search.expanded);
		search.describe(search.operation);
	}
	for (uint32_t i = 0; i < search.count; i++) {
		free(search.snapshots[i]);
	}
	free(search.keys);
	free(search.paths);
	free(search.snapshots);
	memset(&search, 0, sizeof(search));
}
