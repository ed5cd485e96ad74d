/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See memory.h. Store buffers, as on x86 (SDM vol. 3, 9.2): atomic stores that are no locked
 * instruction wait in a queue of their CPU, first in first out; its own loads see them, and locked
 * instructions and fences send them off. When they arrive makes a difference only to a CPU that
 * uses the word; so that is when it is chosen. Plain stores arrive at once: nobody looks before a
 * release of theirs has arrived, or there is a race.
 */
#include "interleave/memory.h"

#include <string.h>

#include "interleave/cells.h"
#include "interleave/cpus.h"

#define WAITING_MOST 32

struct waiting {
	uintptr_t at;
	unsigned bytes;
	uint64_t value;
	uint32_t released[INTERLEAVE_CPUS];
};

static bool with_buffers;
static bool raw_locks;
static unsigned cpu_count;

static struct {
	struct waiting stores[WAITING_MOST];
	unsigned count;
} buffers[INTERLEAVE_CPUS];

bool memory_learned;

void memory_begin(unsigned cpus, bool stores_wait, bool locks_are_code)
{
	cells_begin(cpus);
	cpu_count = cpus;
	with_buffers = stores_wait;
	raw_locks = locks_are_code;
	for (unsigned cpu = 0; cpu < INTERLEAVE_CPUS; cpu++) {
		buffers[cpu].count = 0;
	}
}

/* ---- Store buffers ---- */

/* By hand: memcpy is watched here, whoever calls it. */
static uint64_t value_at(uintptr_t at, unsigned bytes)
{
	switch (bytes) {
	case 1:
		return *(const uint8_t *)at;
	case 2:
		return *(const uint16_t *)at;
	case 4:
		return *(const uint32_t *)at;
	default:
		return *(const uint64_t *)at;
	}
}

static void put_value(uintptr_t at, unsigned bytes, uint64_t value)
{
	switch (bytes) {
	case 1:
		*(uint8_t *)at = (uint8_t)value;
		break;
	case 2:
		*(uint16_t *)at = (uint16_t)value;
		break;
	case 4:
		*(uint32_t *)at = (uint32_t)value;
		break;
	default:
		*(uint64_t *)at = value;
		break;
	}
}

/* The newest store of `cpu` to any of these bytes, or NULL. */
static struct waiting *waiting_for(unsigned cpu, uintptr_t at, unsigned bytes)
{
	for (unsigned i = buffers[cpu].count; i-- > 0;) {
		struct waiting *store = &buffers[cpu].stores[i];
		if (store->at < at + bytes && at < store->at + store->bytes) {
			return store;
		}
	}
	return NULL;
}

static void others_arrive(unsigned cpu, uintptr_t at, unsigned bytes, bool at_once);

/* The oldest store of `cpu` arrives. */
static void arrive(unsigned cpu, bool at_once)
{
	struct waiting store = buffers[cpu].stores[0];
	buffers[cpu].count--;
	memmove(buffers[cpu].stores, buffers[cpu].stores + 1, buffers[cpu].count * sizeof(store));
	others_arrive(cpu, store.at, store.bytes, at_once);
	struct cell *cell = cell_of(store.at);
	cell_keep(cell, store.at);
	put_value(store.at, store.bytes, store.value);
	for (unsigned i = 0; i < INTERLEAVE_CPUS; i++) {
		cell->released[i] = store.released[i];
	}
	cpus_changed(cpu);
}

static void arrive_all(unsigned cpu, bool at_once)
{
	while (buffers[cpu].count > 0) {
		arrive(cpu, at_once);
	}
}

/* A CPU uses a word: have the stores of other CPUs to it arrived, or not yet? */
static void others_arrive(unsigned cpu, uintptr_t at, unsigned bytes, bool at_once)
{
	for (unsigned other = 0; with_buffers && other < cpu_count; other++) {
		if (other == cpu || waiting_for(other, at, bytes) == NULL) {
			continue;
		}
		cpus_steps++;
		if (!at_once && cpus_may_delay() && cpus_choose(2) == 1) {
			cpus_delayed();
			cpus_tell("does not see yet the store to", at, NULL);
			continue;
		}
		while (waiting_for(other, at, bytes) != NULL) {
			arrive(other, at_once);
		}
	}
}

void memory_settle_all(void)
{
	for (unsigned cpu = 0; cpu < cpu_count; cpu++) {
		arrive_all(cpu, true);
	}
}

static void store_later(uintptr_t at, struct atomic atomic)
{
	if (buffers[cpus_now].count == WAITING_MOST) {
		arrive(cpus_now, true);
	}
	struct waiting *store = &buffers[cpus_now].stores[buffers[cpus_now].count++];
	*store = (struct waiting){.at = at, .bytes = atomic.bytes, .value = atomic.operand};
	clock_release(store->released, atomic.order);
}

/* ---- Accesses ---- */

void memory_plain(uintptr_t at, size_t bytes, bool write, const void *from)
{
	/* A CPU's own store that it looks at is taken to have arrived. */
	while (with_buffers && buffers[cpus_now].count > 0 &&
	       waiting_for(cpus_now, at, (unsigned)bytes) != NULL) {
		arrive(cpus_now, true);
	}
	while (bytes > 0) {
		size_t part = 8 - (at & 7);
		part = part < bytes ? part : bytes;
		cell_plain(at, (unsigned)part, write, from);
		at += part;
		bytes -= part;
	}
}

static uint64_t computed(struct atomic atomic, uint64_t before)
{
	switch (atomic.kind) {
	case ATOMIC_LOAD:
		return before;
	case ATOMIC_STORE:
	case ATOMIC_EXCHANGE:
		return atomic.operand;
	case ATOMIC_ADD:
		return before + atomic.operand;
	case ATOMIC_SUB:
		return before - atomic.operand;
	case ATOMIC_AND:
		return before & atomic.operand;
	case ATOMIC_OR:
		return before | atomic.operand;
	case ATOMIC_XOR:
		return before ^ atomic.operand;
	case ATOMIC_COMPARE:
		return before == atomic.expected ? atomic.operand : before;
	}
	return before;
}

static uint64_t change_now(uintptr_t at, struct atomic atomic)
{
	uint64_t before = value_at(at, atomic.bytes);
	put_value(at, atomic.bytes, computed(atomic, before));
	return before;
}

static void note_use(struct cell *cell, bool write)
{
	uint8_t bit = (uint8_t)(1u << cpus_now);
	bool before = cell_is_shared(cell);
	cell->users |= bit;
	cell->writers |= write ? bit : 0;
	memory_learned = memory_learned || (!before && cell_is_shared(cell));
}

static const char *const kind_names[] = {
	[ATOMIC_LOAD] = "loads",
	[ATOMIC_STORE] = "stores to",
	[ATOMIC_EXCHANGE] = "exchanges",
	[ATOMIC_ADD] = "adds to",
	[ATOMIC_SUB] = "subtracts from",
	[ATOMIC_AND] = "clears in",
	[ATOMIC_OR] = "sets in",
	[ATOMIC_XOR] = "changes",
	[ATOMIC_COMPARE] = "compares and replaces",
};

uint64_t memory_atomic(uintptr_t at, struct atomic atomic)
{
	struct cell *cell = cpus_active ? cell_of(at) : NULL;
	bool write = atomic.kind != ATOMIC_LOAD;
	if (cell == NULL) {
		return change_now(at, atomic);
	}
	cpus_steps++;
	if ((cell_is_shared(cell) || cpus_replays) && (raw_locks || !cell->is_lock)) {
		cpus_point(kind_names[atomic.kind], at, atomic.from);
	}
	note_use(cell, write);
	cell_atomic(cell, at, atomic.bytes, write, atomic.from);
	if (with_buffers) {
		const struct waiting *own = waiting_for(cpus_now, at, atomic.bytes);
		if (atomic.kind == ATOMIC_STORE && atomic.order != __ATOMIC_SEQ_CST) {
			store_later(at, atomic);
			if (raw_locks || !cell->is_lock) {
				cpus_changed(cpus_now);
			}
			return 0;
		}
		if (atomic.kind == ATOMIC_LOAD && own != NULL && own->at == at &&
		    own->bytes == atomic.bytes) {
			return own->value;
		}
		if (write || own != NULL) {
			arrive_all(cpus_now, false);
		}
		others_arrive(cpus_now, at, atomic.bytes, cell->is_lock && !raw_locks);
	}
	if (!write) {
		clock_acquire(cell, atomic.order);
		return value_at(at, atomic.bytes);
	}
	cell_keep(cell, at);
	if (atomic.kind == ATOMIC_STORE) {
		for (unsigned i = 0; i < INTERLEAVE_CPUS; i++) {
			cell->released[i] = 0;
		}
	} else {
		clock_acquire(cell, atomic.order);
	}
	uint64_t before = change_now(at, atomic);
	if (atomic.kind != ATOMIC_COMPARE || before == atomic.expected) {
		clock_release(cell->released, atomic.order);
	}
	if (raw_locks || !cell->is_lock) {
		cpus_changed(cpus_now);
	}
	return before;
}

void memory_fence(int order)
{
	if (!cpus_active) {
		return;
	}
	if (order == __ATOMIC_SEQ_CST) {
		arrive_all(cpus_now, false);
	}
	clock_fence(order);
}

/* ---- Locks that are one step ---- */

bool memory_lock_is_free(uintptr_t serving, uintptr_t next)
{
	uint64_t now = value_at(serving, 4);
	for (unsigned cpu = 0; with_buffers && cpu < cpu_count; cpu++) {
		const struct waiting *store = waiting_for(cpu, serving, 4);
		now = store != NULL ? store->value : now;
	}
	return now == value_at(next, 4);
}

bool memory_lock_is_shared(uintptr_t serving, uintptr_t next)
{
	struct cell *first = cell_of(serving);
	struct cell *second = cell_of(next);
	if (first == NULL || second == NULL) {
		return false;
	}
	first->is_lock = true;
	second->is_lock = true;
	return cell_is_shared(second);
}
