/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What leaves the machine: blocks, each with a head by which a decoder finds its begin, sees
 * whether it arrived whole, and how many are missing before it. All numbers are little-endian.
 */
#ifndef KERNEL_TRACE_BLOCK_H
#define KERNEL_TRACE_BLOCK_H

#include "base/types.h"
#include "kernel/trace/ring.h"

#define TRACE_BLOCK_MAGIC                                                                          \
	"\xa5"                                                                                     \
	"AEROTR"                                                                                   \
	"\x01" /* the last byte is the version */

enum trace_block_kind {
	TRACE_BLOCK_TEXT = 1, /* lines of text about the machine and its VMs (trace.c) */
	TRACE_BLOCK_RECORDS,  /* of one CPU */
};

struct trace_block_head {
	uint8_t magic[8];
	uint8_t kind;
	uint8_t cpu;
	uint16_t bytes;	   /* of what follows */
	uint32_t number;   /* of the block: one more than that of the block before */
	uint64_t lost;	   /* records of that CPU so far, because the ring was full */
	uint32_t reserved; /* 0 */
	uint32_t sum;	   /* Adler-32 (RFC 1950) of the head, this field 0, and what follows */
};
_Static_assert(sizeof(struct trace_block_head) == 32, "no padding");

#define TRACE_BLOCK_BYTES 8192
#define TRACE_BLOCK_TEXT_BYTES (TRACE_BLOCK_BYTES - sizeof(struct trace_block_head))
#define TRACE_BLOCK_RECORDS_MOST 63u

struct trace_block {
	union {
		struct trace_block_head head;
		uint8_t bytes[TRACE_BLOCK_BYTES];
	} out;
	size_t used; /* bytes of `out`, 0: there is none */
	size_t sent; /* the caller's */
	uint32_t next_number;
};

/* Takes records of CPU `cpu` out of its ring; false: there are none, and the block is empty. */
bool trace_block_fill(struct trace_block *block, struct trace_ring *ring, unsigned cpu);

/* Where the text goes, TRACE_BLOCK_TEXT_BYTES; then trace_block_text() makes a block of `bytes`. */
char *trace_block_text_place(struct trace_block *block);
void trace_block_text(struct trace_block *block, size_t bytes);

#endif
