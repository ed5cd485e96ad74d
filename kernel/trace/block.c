/* SPDX-License-Identifier: BSD-2-Clause */
/* See block.h. */
#include "kernel/trace/block.h"

#include "base/string.h"

#define ADLER_MODULUS 65521u

static uint32_t adler_32(const uint8_t *bytes, size_t count)
{
	uint32_t low = 1;
	uint32_t high = 0;

	for (size_t i = 0; i < count; i++) {
		low += bytes[i];
		low = low >= ADLER_MODULUS ? low - ADLER_MODULUS : low;
		high += low;
		high = high >= ADLER_MODULUS ? high - ADLER_MODULUS : high;
	}
	return high << 16 | low;
}

static void finish(struct trace_block *block, struct trace_block_head head)
{
	memcpy(head.magic, TRACE_BLOCK_MAGIC, sizeof(head.magic));
	head.number = block->next_number++;
	block->out.head = head;
	block->used = sizeof(head) + head.bytes;
	block->sent = 0;
	block->out.head.sum = adler_32(block->out.bytes, block->used);
}

bool trace_block_fill(struct trace_block *block, struct trace_ring *ring, unsigned cpu)
{
	struct trace_record *records = (void *)(block->out.bytes + sizeof(block->out.head));
	unsigned count = trace_ring_take(ring, records, TRACE_BLOCK_RECORDS_MOST);

	if (count == 0) {
		block->used = 0;
		return false;
	}
	finish(block, (struct trace_block_head){
			      .kind = TRACE_BLOCK_RECORDS,
			      .cpu = (uint8_t)cpu,
			      .bytes = (uint16_t)(count * sizeof(records[0])),
			      .lost = ring->lost,
		      });
	return true;
}

char *trace_block_text_place(struct trace_block *block)
{
	return (char *)block->out.bytes + sizeof(block->out.head);
}

void trace_block_text(struct trace_block *block, size_t bytes)
{
	finish(block, (struct trace_block_head){
			      .kind = TRACE_BLOCK_TEXT,
			      .bytes = (uint16_t)bytes,
		      });
}
