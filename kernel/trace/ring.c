/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See ring.h. A sequence lock without a lock: `written` says which place the writer may be busy
 * with. It is stored behind a record and before the next one is begun, and the reader looks at it
 * before and behind its copy.
 */
#include "kernel/trace/ring.h"

/* The oldest record that the writer is not about to replace. */
static uint64_t oldest(uint64_t written)
{
	return written < TRACE_RING_RECORDS ? 0 : written - (TRACE_RING_RECORDS - 1);
}

/* False: the writer came round meanwhile. */
static bool copy(const struct trace_ring *ring, uint64_t number, struct trace_record *record)
{
	const uint64_t *words = trace_ring_place(ring, number)->words;

	for (unsigned i = 0; i < 4; i++) {
		record->words[i] = __atomic_load_n(&words[i], __ATOMIC_RELAXED);
	}
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return number >= oldest(__atomic_load_n(&ring->written, __ATOMIC_RELAXED));
}

unsigned trace_ring_take(struct trace_ring *ring, struct trace_record *records, unsigned most)
{
	uint64_t written = __atomic_load_n(&ring->written, __ATOMIC_ACQUIRE);
	uint64_t first = oldest(written);
	unsigned count = 0;

	if (ring->read < first) {
		ring->lost += first - ring->read;
		ring->read = first;
	}
	while (count < most && ring->read < written) {
		if (!copy(ring, ring->read, &records[count])) {
			break; /* the next call counts what was lost */
		}
		ring->read++;
		count++;
	}
	return count;
}

uint64_t trace_ring_written(const struct trace_ring *ring)
{
	return __atomic_load_n(&ring->written, __ATOMIC_ACQUIRE);
}

bool trace_ring_look(const struct trace_ring *ring, uint64_t number, struct trace_record *record)
{
	uint64_t written = trace_ring_written(ring);

	if (number >= written || number < oldest(written)) {
		return false;
	}
	return copy(ring, number, record);
}
