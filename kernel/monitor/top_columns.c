/* SPDX-License-Identifier: BSD-2-Clause */
/* See top_columns.h. The legend says what a column of another hypervisor is here. */
#include "kernel/monitor/top_columns.h"

#include "base/bits.h"
#include "base/time.h"
#include "kernel/overcommit/decisions.h"

/* What the guest cannot do without: what it uses by its own word or by the estimate. */
static uint64_t demand_pages(const struct vm *vm)
{
	const struct policy_vm *view = decisions_last_view(vm);
	if (vm->balloon.attached) {
		return sub_floor_u64(vm->s2.mapped_pages, view->idle_pages) + view->wanted_pages;
	}
	return vm->working_set.known ? vm->working_set.active_pages : TOP_UNKNOWN;
}

static uint64_t pressure(const struct vm *vm)
{
	uint64_t demand = demand_pages(vm);
	uint64_t held = vm->s2.mapped_pages;
	return demand == TOP_UNKNOWN || held == 0 ? TOP_UNKNOWN : demand * 100 / held;
}

const char *top_health(const struct vm *vm)
{
	if (vm->state != VM_RUNNING) {
		return "-";
	}
	if (vm_waits_for_memory(vm)) {
		return "warn";
	}
	return vm->s2.mapped_pages < vm->config.mem_pages && pressure(vm) != TOP_UNKNOWN &&
			       pressure(vm) > 90
		       ? "low"
		       : "ok";
}

const struct top_column top_columns[TOP_VIEWS][TOP_CELLS] = {
	[VIEW_MEMORY] =
		{
			{"MEMSZ", MIB, "RAM that the guest sees"},
			{"AMIN", MIB, "promised"},
			{"GRANT", MIB, "allotted, mem="},
			{"CNSM", MIB, "held"},
			{"ACTV", MIB, "in use, estimated"},
			{"DEMAND", MIB, "what it cannot do without"},
			{"PRESS%", NUMBER, "demand of held"},
			{"OVHD", MIB, "page tables"},
		},
	[VIEW_BALLOON] =
		{
			{"MCTL?", NUMBER, "driver attached: 1"},
			{"MCTLSZ", MIB, "balloon now"},
			{"MCTLTGT", MIB, "balloon wanted"},
			{"MCTLMAX", MIB, "balloon at most"},
			{"SZTGT", MIB, "size that the target leaves it"},
			{"IDLE", MIB, "idle by its guest's word"},
			{"WANTED", MIB, "that its guest wants back"},
			{"ASHRS", NUMBER, "shares"},
		},
	[VIEW_RATES] =
		{
			{"%CPU", NUMBER, "of one CPU"},
			{"EXIT/s", NUMBER, "exits"},
			{"FAULT/s", NUMBER, "touches without a frame"},
			{"CALL/s", NUMBER, "hypercalls"},
			{"GIVEN/s", NUMBER, "pages put into the balloon"},
			{"TAKEN/s", NUMBER, "pages taken out of it"},
			{"KICK/s", NUMBER, "CPUs interrupted to flush"},
			{"WAITms", NUMBER, "longest wait for a frame"},
		},
	[VIEW_OTHER] =
		{
			{"LARGE", MIB, "mapped by large pages"},
			{"GIVEN", MIB, "put into the balloon since the start"},
			{"TAKEN", MIB, "taken out of it since the start"},
			{"PEAK", MIB, "most that it has held"},
			{"SWCUR", MIB, "swapped: there is no swap here"},
			{"SHRD", MIB, "shared: no page is shared here"},
			{"ZIPPED", MIB, "compressed: no page is compressed here"},
			{"N%L", NUMBER, "local to a NUMA node: nodes are not told apart here"},
		},
};

static uint64_t memory_value(const struct vm *vm, unsigned cell)
{
	const uint64_t values[TOP_CELLS] = {
		vm->config.max_pages,
		vm->config.min_pages,
		vm->config.mem_pages,
		vm->s2.mapped_pages,
		vm->working_set.known ? vm->working_set.active_pages : TOP_UNKNOWN,
		demand_pages(vm),
		pressure(vm),
		vm->s2_exists ? vm->s2.table_pages : 0,
	};
	return values[cell];
}

uint64_t top_target_pages(const struct vm *vm)
{
	return vm_is_alive(vm) ? vm->balloon.target_pages : 0;
}

static uint64_t balloon_value(const struct vm *vm, unsigned cell)
{
	const struct policy_vm *view = decisions_last_view(vm);
	uint64_t target = top_target_pages(vm);
	const uint64_t values[TOP_CELLS] = {
		vm->balloon.attached ? 1 : 0,
		vm->s2.ballooned_pages,
		target,
		sub_floor_u64(vm->config.max_pages, vm->config.min_pages),
		sub_floor_u64(vm->config.max_pages, target),
		vm->balloon.attached ? view->idle_pages : TOP_UNKNOWN,
		vm->balloon.attached ? view->wanted_pages : TOP_UNKNOWN,
		vm->config.shares,
	};
	return values[cell];
}

static uint64_t rate_value(const struct vm *vm, unsigned cell, const struct top_counters *rates)
{
	const uint64_t values[TOP_CELLS] = {
		rates->ran_ticks,
		rates->exits,
		rates->faults,
		rates->hypercalls,
		rates->surrendered_pages,
		rates->returned_pages,
		rates->kicks,
		ms_from_ticks(vm->wait_peak_ticks),
	};
	return values[cell];
}

static uint64_t other_value(const struct vm *vm, unsigned cell)
{
	const uint64_t values[TOP_CELLS] = {
		vm->s2.large_pages,
		vm->balloon.surrendered_pages,
		vm->balloon.returned_pages + vm->balloon.touched_pages,
		max_u64(vm->held_peak_pages, vm->s2.mapped_pages),
		TOP_UNKNOWN,
		TOP_UNKNOWN,
		TOP_UNKNOWN,
		TOP_UNKNOWN,
	};
	return values[cell];
}

uint64_t top_value(enum top_view view, const struct vm *vm, unsigned cell,
		   const struct top_counters *rates)
{
	switch (view) {
	case VIEW_BALLOON:
		return balloon_value(vm, cell);
	case VIEW_RATES:
		return rate_value(vm, cell, rates);
	case VIEW_OTHER:
		return other_value(vm, cell);
	case VIEW_MEMORY:
	case TOP_VIEWS:
		break;
	}
	return memory_value(vm, cell);
}
