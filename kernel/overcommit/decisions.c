/* SPDX-License-Identifier: BSD-2-Clause */
/* See decisions.h. */
#include "kernel/overcommit/decisions.h"

#include "base/log.h"
#include "base/string.h"
#include "kernel/overcommit/timed_reclaim.h"
#include "kernel/vm/vm.h"

static struct history {
	uint64_t count; /* since the start */
	struct decision kept[DECISIONS_KEPT];
} histories[VMS_MAX];

static const struct policy_host *last_host;
static const struct policy_vm *last_views;

static const char *const reason_texts[POLICY_REASONS] = {
	[POLICY_KEEPS] = "it stays as it is",
	[POLICY_DETACHED] = "it has no driver, so nothing can be asked of it",
	[POLICY_BOUND] = "its minimum allows no more",
	[POLICY_USED] = "its guest has come to use what it was asked for",
	[POLICY_SILENT] = "its driver does not answer, so what was not given is not waited for",
	[POLICY_WANTED] = "its guest wants pages, and gets them from its own balloon",
	[POLICY_SPARE] = "asked for idle pages beyond a margin for its guest",
	[POLICY_IDLE] = "asked for all idle pages, for a VM below its allotment or for a reclaim",
	[POLICY_GROWTH] = "asked not to grow, for a VM below its allotment or for a reclaim",
	[POLICY_VOID] = "the host has plenty, so what was not given yet is not asked for",
	[POLICY_RETURNED] = "the host has plenty, so its balloon may shrink",
	[POLICY_CLAIMED] = "it has less than the policy grants it, and others have more than that",
};

void decisions_init(const struct policy_host *host, const struct policy_vm *views)
{
	memset(histories, 0, sizeof(histories));
	last_host = host;
	last_views = views;
}

static struct history *history_of(const struct vm *vm)
{
	return &histories[vm->id - 1];
}

const struct policy_vm *decisions_last_view(const struct vm *vm)
{
	return &last_views[vm->id - 1];
}

const struct policy_host *decisions_last_host(void)
{
	return last_host;
}

/* Less would leave it more than the operator lets it hold. */
static bool is_bounded(const struct vm *vm, uint64_t target_pages)
{
	return vm->balloon.floor_pages != 0 && target_pages == vm->balloon.floor_pages;
}

void decisions_add(const struct vm *vm, uint64_t target_pages, bool waiting, uint64_t now_tsc)
{
	struct history *history = history_of(vm);
	const struct policy_host *host = last_host;
	const struct policy_vm *is = decisions_last_view(vm);
	history->kept[history->count++ % DECISIONS_KEPT] = (struct decision){
		.tsc = now_tsc,
		.reason = is->reason,
		.waiting = waiting,
		.overridden = vm->balloon.fixed,
		.bounded = is_bounded(vm, target_pages),
		.old_target_pages = vm->balloon.target_pages,
		.new_target_pages = target_pages,
		.spare_pages = host->spare_pages,
		.low_pages = host->low_pages,
		.high_pages = host->high_pages,
		.reclaim_pages = timed_reclaim_pages(),
		.held_pages = is->held_pages,
		.ballooned_pages = vm->s2.ballooned_pages,
		.free_pages = is->free_pages,
		.idle_pages = is->idle_pages,
		.wanted_pages = is->wanted_pages,
	};
	bool operators = vm->balloon.fixed || is_bounded(vm, target_pages);
	trace_note(TRACE_decision, vm_trace_who(vm), vm->balloon.target_pages << 32 | target_pages,
		   host->spare_pages << 16 | (uint64_t)(timed_reclaim_pages() > 0) << 10 |
			   (uint64_t)operators << 9 | (uint64_t)waiting << 8 | is->reason);
	if (log_level_now() == LOG_VERBOSE) {
		log_event(vm_name(vm), "decided target=%lu was=%lu reason=%s", target_pages,
			  vm->balloon.target_pages,
			  operators ? "the operator's" : decisions_reason_text(is->reason));
	}
}

bool decisions_read(const struct vm *vm, unsigned back, struct decision *decision)
{
	const struct history *history = history_of(vm);
	if (back >= DECISIONS_KEPT || back >= history->count) {
		return false;
	}
	*decision = history->kept[(history->count - 1 - back) % DECISIONS_KEPT];
	return true;
}

const char *decisions_reason_text(enum policy_reason reason)
{
	return reason_texts[reason];
}
