/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands that show memory: which VM owns which frame, and (walk.c) how an address of a guest is
 * translated. They change nothing. Tags of frames are read one by one without a lock, so a frame
 * that changes hands meanwhile is counted where it was or where it is.
 */
#include "kernel/monitor/commands.h"

#include "base/bits.h"
#include "base/string.h"
#include "kernel/monitor/frame_map.h"
#include "kernel/monitor/handovers.h"
#include "kernel/monitor/output.h"
#include "kernel/monitor/walk.h"
#include "kernel/vm/vm.h"
#include "mm/frame.h"

#define RECORDS_AT_ONCE 16384 /* some 0.1 ms */
#define RUNS_MOST 48
#define STEP_LINES 4

static const char *const state_words[FRAME_STATE_COUNT] = {
	[FRAME_TAIL] = "part of a larger one", [FRAME_RESERVED] = "not RAM",
	[FRAME_HYPERVISOR] = "hypervisor",     [FRAME_DIRTY] = "free, to be zeroed",
	[FRAME_ZEROED] = "free, zeroed",       [FRAME_GUEST] = "guest",
	[FRAME_REVOKING] = "to be flushed",
};

static const char *owner_name(vm_id_t owner)
{
	return owner == VM_ID_HOST || owner > vm_count ? "-" : vm_name(&vms[owner - 1]);
}

/* The walk through the frame table that is under way. */
static struct {
	uint64_t next;
	uint64_t end;
	uint64_t counts[VMS_MAX + 1][FRAME_STATE_COUNT];
	/* With a range: the run that is being put together. */
	struct frame_tag run;
	uint64_t run_begin;
	unsigned runs;
	uint64_t left_out; /* frames behind the last run that is shown */
} look;

/* The head of the extent at `pfn`, and how many of its frames there are from `pfn` on. */
static struct frame_tag tag_at(uint64_t pfn, uint64_t *pages)
{
	struct frame_tag tag = frame_tag_now((pfn_t){pfn});
	*pages = 1;
	if (tag.order <= FRAME_ORDER_MAX && is_aligned_u64(pfn, 1ull << tag.order)) {
		*pages = 1ull << tag.order;
	}
	*pages = min_u64(*pages, look.end - pfn);
	return tag;
}

static void show_counts(unsigned owner)
{
	const uint64_t *counts = look.counts[owner];
	output_print("  %-24s guest %luK, tables and control %luK, to be flushed %luK",
		     owner == 0 ? "(host)" : owner_name((vm_id_t)owner), counts[FRAME_GUEST] * 4,
		     counts[FRAME_HYPERVISOR] * 4, counts[FRAME_REVOKING] * 4);
}

static bool count_all(uint64_t now_tsc, int key)
{
	uint64_t stop = min_u64(look.next + RECORDS_AT_ONCE, look.end);
	(void)now_tsc;
	(void)key;
	while (look.next < stop) {
		uint64_t pages;
		struct frame_tag tag = tag_at(look.next, &pages);
		unsigned owner = tag.owner <= VMS_MAX ? tag.owner : 0;
		if (tag.state < FRAME_STATE_COUNT) {
			look.counts[owner][tag.state] += pages;
		}
		look.next += pages;
	}
	if (look.next < look.end) {
		return true;
	}
	uint64_t zeroed = 0;
	for (unsigned owner = 0; owner <= vm_count; owner++) {
		zeroed += look.counts[owner][FRAME_ZEROED]; /* a VM's: lent to its cache */
	}
	output_print("frames: free and zeroed %luK, free and to be zeroed %luK, not RAM %luK",
		     zeroed * 4, look.counts[0][FRAME_DIRTY] * 4,
		     look.counts[0][FRAME_RESERVED] * 4);
	for (unsigned owner = 0; owner <= vm_count; owner++) {
		show_counts(owner);
	}
	return false;
}

static void end_run(uint64_t end)
{
	if (look.run_begin == end) {
		return;
	}
	if (look.runs++ >= RUNS_MOST) {
		look.left_out += end - look.run_begin;
		return;
	}
	output_print("  0x%010lx-0x%010lx %8luK  %-20s %s", look.run_begin << PAGE_SHIFT,
		     (end << PAGE_SHIFT) - 1, (end - look.run_begin) * 4,
		     state_words[look.run.state], owner_name(look.run.owner));
}

static bool show_runs(uint64_t now_tsc, int key)
{
	uint64_t stop = min_u64(look.next + RECORDS_AT_ONCE, look.end);
	(void)now_tsc;
	(void)key;
	while (look.next < stop && output_has_room(STEP_LINES)) {
		uint64_t pages;
		struct frame_tag tag = tag_at(look.next, &pages);
		/* A range may begin inside of an extent: its frames belong to what is before. */
		bool same = tag.state == FRAME_TAIL || tag.state >= FRAME_STATE_COUNT ||
			    (tag.state == look.run.state && tag.owner == look.run.owner);
		if (!same) {
			end_run(look.next);
			look.run = tag;
			look.run_begin = look.next;
		}
		look.next += pages;
	}
	if (look.next < look.end) {
		return true;
	}
	end_run(look.end);
	if (look.left_out > 0) {
		output_print("  %luK more are not shown: choose a smaller range",
			     look.left_out * 4);
	}
	return false;
}

/* The head of the extent that `pfn` is in: heads are aligned to their own size. */
static struct frame_tag head_of(uint64_t pfn)
{
	for (unsigned order = 0; order <= FRAME_ORDER_MAX; order++) {
		struct frame_tag tag = frame_tag_now((pfn_t){align_down_u64(pfn, 1ull << order)});
		if (tag.state != FRAME_TAIL) {
			return tag;
		}
	}
	return frame_tag_now((pfn_t){pfn});
}

static enum status frames(const struct command_call *call, struct error *error)
{
	memset(&look, 0, sizeof(look));
	look.end = frame_table_count;
	if (call->count == 0) {
		command_go_on(count_all);
		return STATUS_OK;
	}
	struct word rest = call->words[0];
	struct word first = word_take_part(&rest, '-');
	uint64_t begin;
	uint64_t end;
	bool good = word_parse_number(first, &begin);
	end = good ? begin : 0;
	if (good && first.length < call->words[0].length) {
		good = word_parse_number(rest, &end);
	}
	if (!good || end < begin || begin >> PAGE_SHIFT >= frame_table_count) {
		return error_set(error, STATUS_INVALID,
				 "%.*s is not a range such as 0x200000-0x3fffff below 0x%lx",
				 word_shown(call->words[0]), call->words[0].text,
				 frame_table_count << PAGE_SHIFT);
	}
	look.next = begin >> PAGE_SHIFT;
	look.end = min_u64((end >> PAGE_SHIFT) + 1, frame_table_count);
	look.run = head_of(look.next);
	look.run_begin = look.next;
	command_go_on(show_runs);
	return STATUS_OK;
}

static enum status show_map(const struct command_call *call, struct error *error)
{
	bool on = word_is(call->words[0], "on");
	if (!on && !word_is(call->words[0], "off")) {
		return error_set(error, STATUS_INVALID, "%.*s is not on or off",
				 word_shown(call->words[0]), call->words[0].text);
	}
	const char *message = frame_map_set(on);
	if (message != NULL) {
		return error_set(error, STATUS_INVALID, "%s", message);
	}
	output_print("the map is %s", on ? "on" : "off");
	return STATUS_OK;
}

static const struct command table[] = {
	{
		.name = "map",
		.arguments = "on|off",
		.meaning = "the map of frames on the screen",
		.example = "map on",
		.least = 1,
		.most = 1,
		.choices = "on off",
		.run = show_map,
	},
	{
		.name = "frames",
		.arguments = "[BEGIN[-END]]",
		.meaning = "which VM owns how much, or which frames of a range",
		.example = "frames 0x2000000-0x2ffffff",
		.most = 1,
		.run = frames,
	},
	{
		.name = "handovers",
		.arguments = "[off]",
		.meaning = "which VM's frames have become which other VM's since the last time",
		.example = "handovers",
		.most = 1,
		.choices = "off",
		.run = handovers_run,
	},
	{
		.name = "walk",
		.arguments = "NAME [virtual] ADDRESS [VCPU]",
		.meaning = "how a guest-physical address is translated, or both walks of a virtual "
			   "one",
		.example = "walk steady 0x200000",
		.least = 2,
		.most = 4,
		.takes_vm = true,
		.choices = "virtual",
		.run = walk_run,
	},
};

const struct command_group commands_memory = {"look at memory", table, ARRAY_COUNT(table)};
