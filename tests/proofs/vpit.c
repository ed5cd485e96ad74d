/* SPDX-License-Identifier: BSD-2-Clause */
/* A counter of the timer. Real: drivers/virt/vpit_channel.c. Stubbed: nothing. */
#include "tests/proofs/proof.h"

#include "drivers/virt/vpit_channel.c"

#define CLOCKS_MAX (1ull << 62)

/* What each function relies on, and leaves so. */
static bool is_sound(const struct vpit_channel *channel)
{
	return channel->mode <= 5 && channel->access >= 1 && channel->access <= 3 &&
	       channel->count >= 1 && channel->count <= COUNT_MAX &&
	       channel->next_count <= COUNT_MAX && channel->start <= CLOCKS_MAX + 1 &&
	       channel->elapsed <= CLOCKS_MAX;
}

static struct vpit_channel any_channel(void)
{
	struct vpit_channel channel;
	HAVOC(channel);
	channel.bcd = any_bool();
	channel.gate = any_bool();
	channel.loaded = any_bool();
	channel.started = any_bool();
	channel.half_written = any_bool();
	channel.half_read = any_bool();
	channel.status_latched = any_bool();
	channel.count_latched = any_bool();
	ASSUME(is_sound(&channel) && channel.next_start <= CLOCKS_MAX);
	return channel;
}

/*
 * PROOF pit_writes_keep_counts
 * Shows: whatever is written to a counter, its count stays 1 to 65536, so that nothing divides by
 * zero; mode and access stay ones that there are
 * Bound: all counters, bytes, control words and gates; one write
 * Assumes: clocks below 2^62; counts were 1 to 65536; a control word is no latch command, as
 * vpit_write() sees to
 * Classes: H13
 * Sources: drivers/virt/vpit_channel.c
 * Fault: drivers/virt/vpit_channel.c | return count == 0 ? count_max(channel) :
 * (uint32_t)min_u64(count, count_max(channel)); | return (uint32_t)min_u64(count,
 * count_max(channel));
 */
void pit_writes_keep_counts(void)
{
	struct vpit_channel channel = any_channel();
	uint64_t clock = any_below(CLOCKS_MAX);
	uint8_t value = any_u8();
	vpit_channel_settle(&channel, clock);
	PROVE(is_sound(&channel));
	switch (any_below(4)) {
	case 0:
		vpit_channel_write(&channel, value, clock);
		break;
	case 1:
		vpit_channel_set_gate(&channel, value & 1, clock);
		break;
	case 2:
		ASSUME((value >> CONTROL_ACCESS_SHIFT & 3) != 0);
		vpit_channel_set_mode(&channel, value, clock);
		break;
	default:
		vpit_channel_reset(&channel, value & 1);
		break;
	}
	PROVE(channel.mode <= 5 && channel.access >= 1 && channel.access <= 3);
	PROVE(channel.count >= 1 && channel.count <= COUNT_MAX);
	PROVE(channel.next_count <= COUNT_MAX);
}

/*
 * PROOF pit_reads_change_only_latches
 * Shows: a read or a latch command changes no count and no mode; a latched byte is read once; no
 * read divides by zero
 * Bound: all counters, one read or latch command
 * Assumes: clocks below 2^62; counts are 1 to 65536
 * Classes: H13
 * Sources: drivers/virt/vpit_channel.c
 * Fault: drivers/virt/vpit_channel.c | if (!channel->count_latched) { | if (!channel->bcd) {
 */
void pit_reads_change_only_latches(void)
{
	struct vpit_channel channel = any_channel();
	struct vpit_channel before = channel;
	uint64_t clock = any_below(CLOCKS_MAX);
	switch (any_below(3)) {
	case 0:
		vpit_channel_latch_count(&channel, clock);
		PROVE(channel.count_latched);
		PROVE(!before.count_latched || channel.latched_count == before.latched_count);
		break;
	case 1:
		vpit_channel_latch_status(&channel, clock);
		PROVE(channel.status_latched);
		PROVE(!before.status_latched || channel.latched_status == before.latched_status);
		break;
	default:
		(void)vpit_channel_read(&channel, clock);
		PROVE(!channel.status_latched);
		PROVE(!before.status_latched || channel.count_latched == before.count_latched);
		break;
	}
	PROVE(channel.count == before.count && channel.mode == before.mode);
	PROVE(channel.start == before.start && channel.next_count == before.next_count);
}

/*
 * PROOF pit_next_rise_is_later
 * Shows: the next rise of the output lies behind the present clock, so that the timer of it never
 * fires in vain
 * Bound: counts of up to 16 clocks, up to 64 clocks after the start
 * Assumes: clocks below 2^62; the count began
 * Classes: H13
 * Sources: drivers/virt/vpit_channel.c
 * Fault: drivers/virt/vpit_channel.c | return first > clock ? first : UINT64_MAX; | return first >=
 * clock ? first : UINT64_MAX;
 */
void pit_next_rise_is_later(void)
{
	struct vpit_channel channel = any_channel();
	ASSUME(channel.count <= 16);
	uint64_t clock = any_below(CLOCKS_MAX);
	ASSUME(clock < channel.start || clock - channel.start < 64);
	(void)vpit_channel_rises(&channel, clock);
	(void)vpit_channel_output(&channel, clock);
	PROVE(vpit_channel_next_rise(&channel, clock) > clock);
}
