/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See trace.h. Each CPU writes to its own ring, and the boot CPU alone reads: no locks. A host
 * without a port for it keeps the last records of each CPU, for the command `trace show`.
 */
#include "kernel/trace/trace.h"

#include "base/bits.h"
#include "base/log.h"
#include "base/time.h"
#include "arch/arch.h"
#include "kernel/trace/block.h"
#include "kernel/trace/mask.h"
#include "kernel/trace/owners.h"
#include "kernel/trace/text.h"
#include "kernel/overcommit/decisions.h"
#include "kernel/vm/vm.h"
#include "mm/alloc.h"
#include "mm/phys.h"
#include "mm/promise.h"

#define BLOCKS_PER_RING (TRACE_RING_RECORDS / TRACE_BLOCK_RECORDS_MOST + 1)
#define STEP_BYTES 2048 /* a serial port of an emulator takes them at once, a real one 16 */
#define SAMPLE_MS 10
#define SAMPLE_BACKLOG 256 /* records: more are left to what samples are not missed for */
#define DRAIN_ROUNDS 4	   /* of trace_finish(): other CPUs may write for a moment more */

/* Of a panic, from each CPU, and about in all: a line takes a real serial port 10 ms. */
#define REPORT_MOST 8
#define REPORT_LEAST 2
#define REPORT_LINES 64

uint32_t trace_mask;
bool trace_is_used;

static struct trace_ring rings[CPUS_MAX];
static struct trace_block block;
static unsigned ring_count; /* 0: the trace has never been on */
static unsigned next_cpu;   /* whose ring is looked at next */
static uint32_t used_mask;  /* events that have been on */
static bool has_port;
static bool has_introduced; /* the text has been sent */
static uint64_t next_sample_tsc;

void trace_reset(void)
{
	trace_mask = 0;
	trace_is_used = false;
	ring_count = 0;
	next_cpu = 0;
	used_mask = 0;
	has_port = false;
	has_introduced = false;
	next_sample_tsc = 0;
	trace_owners_reset();
	block = (struct trace_block){0};
	for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
		rings[cpu] = (struct trace_ring){0};
	}
}

void trace_record(uint32_t what, uint64_t first, uint64_t second)
{
	struct arch_moment now = arch_moment();

	trace_ring_put(&rings[now.cpu], now.tsc, what, first, second);
}

static const struct frame_tag ring_tag = {FRAME_HYPERVISOR, TRACE_RING_ORDER, VM_ID_HOST};

static enum status make_rings(struct error *error)
{
	unsigned count = arch_cpu_count();
	pfn_t frames[CPUS_MAX];

	for (unsigned cpu = 0; cpu < count; cpu++) {
		if (frame_alloc(TRACE_RING_ORDER, ring_tag, &frames[cpu]) != STATUS_OK) {
			while (cpu > 0) {
				frame_free(frames[--cpu], ring_tag);
			}
			return error_set(error, STATUS_NO_MEMORY,
					 "there is no memory for a trace: it needs %luK in a row "
					 "for each of %u CPUs",
					 (PAGE_BYTES << TRACE_RING_ORDER) >> 10, count);
		}
	}
	for (unsigned cpu = 0; cpu < count; cpu++) {
		rings[cpu].records = pfn_to_virt(frames[cpu]);
	}
	ring_count = count;
	trace_is_used = true;
	return STATUS_OK;
}

static void switch_events(uint32_t mask)
{
	used_mask |= mask;
	/* The rings are there before any CPU sees that an event is on. */
	__atomic_store_n(&trace_mask, mask, __ATOMIC_RELEASE);
	arch_trace_exits((mask & TRACE_EXITS) != 0);
}

enum status trace_set(uint32_t mask, struct error *error)
{
	bool map = has_port && (mask & 1u << TRACE_extent) != 0;
	enum status status = map ? trace_owners_prepare(error) : STATUS_OK;

	if (status == STATUS_OK && mask != 0 && ring_count == 0) {
		status = make_rings(error);
		if (status != STATUS_OK) {
			trace_owners_release();
		}
	}
	if (status == STATUS_OK) {
		switch_events(mask);
	}
	return status;
}

const char *trace_use_port(const struct console *port)
{
	const char *message = arch_trace_port_select(port);

	has_port = has_port || message == NULL;
	return message;
}

bool trace_has_port(void)
{
	return has_port;
}

static void sample(uint64_t now_tsc)
{
	const struct policy_host *host = decisions_last_host();

	next_sample_tsc = now_tsc + ticks_from_ms(SAMPLE_MS);
	if (has_port && rings[BOOT_CPU].written - rings[BOOT_CPU].read > SAMPLE_BACKLOG) {
		return;
	}
	trace_note(TRACE_host, 0, frame_count_free(), promise_spare());
	if (host != NULL) {
		trace_note(TRACE_limits, 0, host->low_pages, host->high_pages);
	}
	for (unsigned i = 0; i < vm_count; i++) {
		const struct vm *vm = &vms[i];
		if (vm_is_alive(vm)) {
			trace_note(TRACE_memory, trace_who(vm->id, 0), vm->s2.mapped_pages,
				   vm->balloon.target_pages << 32 | vm->s2.ballooned_pages);
		}
	}
}

/* The next records of some CPU are in the block; false: there are none. */
static bool fill_block(void)
{
	for (unsigned i = 0; i < ring_count; i++) {
		unsigned cpu = next_cpu;
		next_cpu = (next_cpu + 1) % ring_count;
		if (trace_block_fill(&block, &rings[cpu], cpu)) {
			return true;
		}
	}
	return false;
}

static void introduce(bool end)
{
	char *text = trace_block_text_place(&block);

	trace_block_text(&block, trace_text(text, TRACE_BLOCK_TEXT_BYTES, rings, ring_count,
					    used_mask, end));
	has_introduced = true;
}

/* True: the block is empty, and there is nothing to fill it with. */
static bool is_done(void)
{
	if (block.sent < block.used) {
		return false;
	}
	if (!has_introduced) {
		introduce(false);
		return false;
	}
	return !fill_block();
}

static bool send_step(void)
{
	for (size_t left = STEP_BYTES; left > 0;) {
		if (is_done()) {
			return false;
		}
		size_t count = min_u64(block.used - block.sent, left);
		size_t taken = arch_trace_port_offer(&block.out.bytes[block.sent], count);
		if (taken == 0) {
			return false;
		}
		block.sent += taken;
		left -= taken;
	}
	return true;
}

/* Half of the ring is left to what VMs do meanwhile. */
static bool has_room_for_window(void)
{
	return rings[BOOT_CPU].written - rings[BOOT_CPU].read + TRACE_WINDOW_PAGES <=
	       TRACE_RING_RECORDS / 2;
}

bool trace_step(uint64_t now_tsc)
{
	if (now_tsc >= next_sample_tsc) {
		sample(now_tsc);
	}
	/* Without a port the last records of a ring are wanted, and not a map of what was. */
	if (trace_is_on(TRACE_extent) && has_port && has_room_for_window()) {
		trace_owners_step(now_tsc);
	}
	return has_port && send_step();
}

static void send_block(void)
{
	arch_trace_port_write(&block.out.bytes[block.sent], block.used - block.sent);
	block.sent = block.used;
}

void trace_finish(void)
{
	if (ring_count == 0) {
		return;
	}
	switch_events(0);
	if (!has_port) {
		return;
	}
	/* So many blocks hold all that there was; what is written meanwhile does not keep us. */
	unsigned most = DRAIN_ROUNDS * ring_count * BLOCKS_PER_RING;
	for (unsigned i = 0; i < most && !is_done(); i++) {
		send_block();
	}
	introduce(true);
	send_block();
}

struct trace_sums trace_sums(void)
{
	struct trace_sums sums = {0};

	for (unsigned cpu = 0; cpu < ring_count; cpu++) {
		uint64_t written = __atomic_load_n(&rings[cpu].written, __ATOMIC_ACQUIRE);
		sums.written += written;
		uint64_t kept = min_u64(written - rings[cpu].read, TRACE_RING_RECORDS - 1);
		sums.lost += rings[cpu].lost + (written - rings[cpu].read) - kept;
		sums.unsent += kept;
	}
	return sums;
}

/* Of the records below each CPU's cursor, the latest: its CPU, or CPUS_MAX. */
static unsigned latest(const uint64_t *ends, struct trace_record *found)
{
	unsigned best = CPUS_MAX;

	for (unsigned cpu = 0; cpu < ring_count; cpu++) {
		struct trace_record record;
		if (ends[cpu] > 0 && trace_ring_look(&rings[cpu], ends[cpu] - 1, &record) &&
		    (best == CPUS_MAX || record.words[0] > found->words[0])) {
			*found = record;
			found->words[1] |= cpu << 8;
			best = cpu;
		}
	}
	return best;
}

unsigned trace_last(struct trace_record *records, unsigned most)
{
	uint64_t ends[CPUS_MAX] = {0}; /* what is written meanwhile moves none of them */
	unsigned count = 0;

	for (unsigned cpu = 0; cpu < ring_count; cpu++) {
		ends[cpu] = trace_ring_written(&rings[cpu]);
	}
	while (count < most) {
		struct trace_record record;
		unsigned cpu = latest(ends, &record);
		if (cpu == CPUS_MAX) {
			break;
		}
		ends[cpu]--;
		records[count++] = record;
	}
	for (unsigned i = 0; i < count / 2; i++) {
		struct trace_record other = records[i];
		records[i] = records[count - 1 - i];
		records[count - 1 - i] = other;
	}
	return count;
}

static void report_cpu(unsigned cpu, uint64_t most)
{
	uint64_t end = trace_ring_written(&rings[cpu]);

	for (uint64_t number = end - min_u64(end, most); number < end; number++) {
		struct trace_record record;
		char line[TRACE_LINE_BYTES];
		if (trace_ring_look(&rings[cpu], number, &record)) {
			record.words[1] |= cpu << 8;
			trace_text_record(&record, line);
			log_event(NULL, "trace %s", line);
		}
	}
}

void trace_report(void)
{
	if (ring_count == 0) {
		return;
	}
	uint64_t most = max_u64(REPORT_LEAST, min_u64(REPORT_MOST, REPORT_LINES / ring_count));
	log_event(NULL, "trace: the last records of each CPU, %lu at most (time, CPU, vCPU, event)",
		  most);
	for (unsigned cpu = 0; cpu < ring_count; cpu++) {
		report_cpu(cpu, most);
	}
}
