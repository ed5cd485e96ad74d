/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See handovers.h. Tags of frames are read one by one without a lock, piece by piece between two
 * guests: a frame that changes hands meanwhile is found by this look or by the next one.
 */
#include "kernel/monitor/handovers.h"

#include "base/bits.h"
#include "base/log.h"
#include "base/string.h"
#include "kernel/monitor/output.h"
#include "kernel/vm/vm.h"
#include "mm/alloc.h"
#include "mm/frame.h"
#include "mm/phys.h"

#define FRAMES_AT_ONCE 16384 /* some 0.1 ms */
#define STEP_LINES 4

_Static_assert(VMS_MAX <= UINT8_MAX, "a VM's id fits into a byte");

struct pair {
	uint32_t pages; /* in this look */
	uint32_t all;	/* in all looks */
};

struct notes {
	struct pair pairs[VMS_MAX][VMS_MAX]; /* [from][to], without the host */
	uint8_t owners[];		     /* the VM that had each frame last; 0: none */
};

/* The notes, and the look that is under way. */
static struct {
	struct notes *notes; /* NULL: there are none */
	pfn_t pfn;	     /* where they are */
	unsigned order;
	bool first;
	uint64_t next;	/* frame to be looked at */
	uint64_t left;	/* of the extent that it is in */
	vm_id_t owner;	/* of that, if a VM has it */
	unsigned shown; /* pairs */
	uint64_t pages; /* of these */
} look;

static struct frame_tag notes_tag(void)
{
	return (struct frame_tag){FRAME_HYPERVISOR, (uint8_t)look.order, VM_ID_HOST};
}

static void begin_extent(void)
{
	struct frame_tag tag = frame_tag_now((pfn_t){look.next});
	bool whole =
		tag.order <= FRAME_ORDER_MAX && is_aligned_u64(look.next, order_pages(tag.order));

	look.left = min_u64(whole ? order_pages(tag.order) : 1, frame_table_count - look.next);
	look.owner = tag.state == FRAME_GUEST && tag.owner <= vm_count ? tag.owner : VM_ID_HOST;
}

/* What a VM left behind when it ended, it has not given. */
static void note_frame(uint8_t *last)
{
	if (*last != 0 && *last != look.owner && vm_is_alive(&vms[*last - 1])) {
		struct pair *pair = &look.notes->pairs[*last - 1][look.owner - 1];
		pair->pages++;
		pair->all += pair->all < UINT32_MAX ? 1 : 0;
	}
	*last = (uint8_t)look.owner;
}

static void show_pair(unsigned number)
{
	unsigned from = number / VMS_MAX;
	unsigned to = number % VMS_MAX;
	struct pair *pair = &look.notes->pairs[from][to];

	if (pair->pages > 0) {
		output_print("  %s -> %s: %luK, so far %luK", vm_name(&vms[from]),
			     vm_name(&vms[to]), pair->pages * 4ul, pair->all * 4ul);
		look.pages += pair->pages;
		pair->pages = 0;
	}
}

static bool show_pairs(void)
{
	while (look.shown < VMS_MAX * VMS_MAX && output_has_room(STEP_LINES)) {
		show_pair(look.shown++);
	}
	if (look.shown < VMS_MAX * VMS_MAX) {
		return true;
	}
	if (look.first) {
		output_print("from now on it is noted which VM's frames become another VM's");
	} else {
		output_print("handovers since the last time: %luK", look.pages * 4);
	}
	return false;
}

static bool go_on(uint64_t now_tsc, int key)
{
	uint64_t stop = min_u64(look.next + FRAMES_AT_ONCE, frame_table_count);

	(void)now_tsc;
	(void)key;
	if (look.notes == NULL) {
		return false; /* given back meanwhile */
	}
	if (look.next == frame_table_count) {
		return show_pairs();
	}
	while (look.next < stop) {
		if (look.left == 0) {
			begin_extent();
		}
		uint64_t pages = min_u64(look.left, stop - look.next);
		for (uint64_t i = 0; i < pages && look.owner != VM_ID_HOST; i++) {
			note_frame(&look.notes->owners[look.next + i]);
		}
		look.next += pages;
		look.left -= pages;
	}
	return true;
}

static enum status make_notes(struct error *error)
{
	uint64_t bytes = sizeof(struct notes) + frame_table_count;

	look.order = 0;
	while (order_pages(look.order) << PAGE_SHIFT < bytes && look.order < FRAME_ORDER_MAX) {
		look.order++;
	}
	if (order_pages(look.order) << PAGE_SHIFT < bytes ||
	    frame_alloc(look.order, notes_tag(), &look.pfn) != STATUS_OK) {
		return error_set(error, STATUS_NO_MEMORY,
				 "there are no %luK of free memory in one piece for the notes",
				 order_pages(look.order) * 4);
	}
	look.notes = pfn_to_virt(look.pfn);
	return STATUS_OK;
}

static void forget(void)
{
	if (look.notes != NULL) {
		frame_free(look.pfn, notes_tag());
		look.notes = NULL;
	}
}

enum status handovers_run(const struct command_call *call, struct error *error)
{
	bool off = call->count > 0;
	enum status status = STATUS_OK;

	if (off && !word_is(call->words[0], "off")) {
		return error_set(error, STATUS_INVALID, "%.*s is not off",
				 word_shown(call->words[0]), call->words[0].text);
	}
	if (off) {
		forget();
		output_print("handovers are not noted");
		return STATUS_OK;
	}
	look.first = look.notes == NULL;
	if (look.first) {
		status = make_notes(error);
	}
	if (status == STATUS_OK) {
		look.next = 0;
		look.left = 0;
		look.shown = 0;
		look.pages = 0;
		command_go_on(go_on);
	}
	return status;
}

void handovers_print_results(void)
{
	for (unsigned from = 0; look.notes != NULL && from < vm_count; from++) {
		for (unsigned to = 0; to < vm_count; to++) {
			uint32_t pages = look.notes->pairs[from][to].all;
			if (pages > 0) {
				log_event(vm_name(&vms[from]), "handover to=%s pages=%lu",
					  vm_name(&vms[to]), (unsigned long)pages);
			}
		}
	}
}
