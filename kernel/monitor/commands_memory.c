/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands that show memory: which VM owns which frame, and how an address of a guest is
 * translated. They change nothing. Tags of frames are read one by one without a lock, so a frame
 * that changes hands meanwhile is counted where it was or where it is.
 */
#include "kernel/monitor/commands.h"

#include "base/bits.h"
#include "base/string.h"
#include "arch/arch.h"
#include "kernel/monitor/output.h"
#include "kernel/vm/vm.h"
#include "mm/frame.h"
#include "mm/stage2/steps.h"

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

static const char *const level_words[S2_LEVELS] = {"4 KiB", "2 MiB", "1 GiB", "512 GiB"};

static void show_step(const struct s2_step *step)
{
	char where[80];
	snprintf(where, sizeof(where), "  level %u (%s): entry %u of table 0x%lx is 0x%lx",
		 step->level + 1, level_words[step->level], step->index, pfn_to_hpa(step->table).v,
		 step->entry);
	switch (step->kind) {
	case S2_STEP_EMPTY:
		output_print("%s: nothing is there yet", where);
		break;
	case S2_STEP_BALLOONED:
		output_print("%s: all %s are in the balloon", where, level_words[step->level]);
		break;
	case S2_STEP_TABLE:
		output_print("%s: table 0x%lx%s", where, pfn_to_hpa(step->pfn).v,
			     step->accessed ? ", accessed" : "");
		break;
	case S2_STEP_LEAF:
		output_print("%s: frames at 0x%lx%s%s", where, pfn_to_hpa(step->pfn).v,
			     step->accessed ? ", accessed" : "",
			     step->pinned ? ", pinned (the balloon page)" : "");
		break;
	}
}

static void show_walk(struct vm *vm, gpa_t address)
{
	struct s2_step steps[S2_LEVELS];
	struct s2_locked locked = s2_lock(&vm->s2);
	unsigned count = s2_steps(locked, gpa_to_gfn(address), steps);
	s2_unlock(locked);
	for (unsigned i = 0; i < count; i++) {
		show_step(&steps[i]);
	}
	const struct s2_step *last = &steps[count - 1];
	if (last->kind == S2_STEP_LEAF) {
		uint64_t inside = address.v & ((PAGE_BYTES << (9 * last->level)) - 1);
		output_print("  host-physical 0x%lx", pfn_to_hpa(last->pfn).v + inside);
	} else {
		output_print("  no frame: a touch %s", last->kind == S2_STEP_EMPTY
							       ? "is given a zeroed one"
							       : "is answered as on-touch= says");
	}
}

static enum status walk(const struct command_call *call, struct error *error)
{
	struct vm *vm = call->vm;
	uint64_t address;
	if (!vm->s2_exists) {
		return error_set(error, STATUS_INVALID, "%s has no memory any more", vm_name(vm));
	}
	if (!word_parse_number(call->words[1], &address)) {
		return error_set(error, STATUS_INVALID, "%.*s is not an address such as 0x200000",
				 word_shown(call->words[1]), call->words[1].text);
	}
	if (address >> PAGE_SHIFT >= vm->s2.limit_pages) {
		return error_set(error, STATUS_OUTSIDE, "0x%lx is beyond the RAM of %s, 0x%lx",
				 address, vm_name(vm), vm->s2.limit_pages << PAGE_SHIFT);
	}
	output_print("%s: guest-physical 0x%lx", vm_name(vm), address);
	show_walk(vm, (gpa_t){address});
	return STATUS_OK;
}

static const struct command table[] = {
	{
		.name = "frames",
		.arguments = "[BEGIN[-END]]",
		.meaning = "which VM owns how much, or which frames of a range",
		.example = "frames 0x2000000-0x2ffffff",
		.most = 1,
		.run = frames,
	},
	{
		.name = "walk",
		.arguments = "NAME ADDRESS",
		.meaning = "the second-stage tables at a guest-physical address, in words",
		.example = "walk steady 0x200000",
		.least = 2,
		.most = 2,
		.takes_vm = true,
		.run = walk,
	},
};

const struct command_group commands_memory = {"look at memory", table, ARRAY_COUNT(table)};
