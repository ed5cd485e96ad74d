/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ring of records with one writer, the CPU that it belongs to, and one reader, the boot CPU. The
 * writer never looks at the reader: a ring that is full loses its oldest records, and the reader
 * finds out how many.
 */
#ifndef KERNEL_TRACE_RING_H
#define KERNEL_TRACE_RING_H

#include "base/types.h"

#define TRACE_RING_ORDER 4 /* of its frames: 64 KiB */
#define TRACE_RING_RECORDS 2048u

/*
 * TSC; event | VM << 16 | vCPU << 24 | number << 32; and the two words of the event. The number
 * counts the records of the CPU. Which CPU that is (bits 15:8) is left to who reads the ring.
 */
struct trace_record {
	uint64_t words[4];
};
_Static_assert(sizeof(struct trace_record) * TRACE_RING_RECORDS == (size_t)PAGE_BYTES
									   << TRACE_RING_ORDER,
	       "a ring fills its frames");

struct trace_ring {
	struct trace_record *records; /* NULL: none */
	uint64_t written;	      /* since the start; atomic */
	uint64_t read;		      /* of those, by the reader: taken, or found lost */
	uint64_t lost;
} __attribute__((aligned(64)));

static inline struct trace_record *trace_ring_place(const struct trace_ring *ring, uint64_t number)
{
	return &ring->records[number % TRACE_RING_RECORDS];
}

/* `what` is the second word without its number. By the writer. */
static inline void trace_ring_put(struct trace_ring *ring, uint64_t tsc, uint32_t what,
				  uint64_t first, uint64_t second)
{
	uint64_t number = ring->written;
	uint64_t *words = trace_ring_place(ring, number)->words;

	/* `written` as it was is visible before any part of this record is. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	__atomic_store_n(&words[0], tsc, __ATOMIC_RELAXED);
	__atomic_store_n(&words[1], what | number << 32, __ATOMIC_RELAXED);
	__atomic_store_n(&words[2], first, __ATOMIC_RELAXED);
	__atomic_store_n(&words[3], second, __ATOMIC_RELAXED);
	__atomic_store_n(&ring->written, number + 1, __ATOMIC_RELEASE);
}

/* Takes the oldest records, at most `most`; answers how many. By the reader. */
unsigned trace_ring_take(struct trace_ring *ring, struct trace_record *records, unsigned most);

/* How many were written so far: their numbers are below. */
uint64_t trace_ring_written(const struct trace_ring *ring);

/* Reads the record with this number, of all 64 bits; false: it is not there yet, or any more. */
bool trace_ring_look(const struct trace_ring *ring, uint64_t number, struct trace_record *record);

#endif
