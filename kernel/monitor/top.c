/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See top.h. Four views of the same VMs, each within 80 columns; sizes in MiB. Columns are named as
 * operators of other hypervisors know them, and the legend says what they are here. Rates are from
 * the counters of two screens.
 */
#include "kernel/monitor/top.h"

#include "base/bits.h"
#include "base/string.h"
#include "base/time.h"
#include "arch/arch.h"
#include "kernel/log/log.h"
#include "kernel/monitor/output.h"
#include "kernel/monitor/table.h"
#include "kernel/overcommit/decisions.h"
#include "kernel/overcommit/host_limits.h"
#include "kernel/vm/vm.h"
#include "mm/frame.h"
#include "mm/promise.h"

#define CELL_BYTES 12
#define LINE_BYTES 192 /* before it is cut to the columns of a screen */
#define CELLS 8
#define SCREEN_LINES (TOP_ROWS + 6)
#define UNKNOWN UINT64_MAX

#define HOME "\x1b[H"	  /* CUP: to the first column of the first row (ECMA-48, 8.3.21) */
#define CLEAR "\x1b[2J"	  /* ED: away with all of it (8.3.39) */
#define LINE_END "\x1b[K" /* EL: away with what is behind (8.3.41) */
#define REST_OFF "\x1b[J" /* ED: and what is below */

enum view { VIEW_MEMORY, VIEW_BALLOON, VIEW_RATES, VIEW_OTHER, VIEWS };

static const char *const view_names[VIEWS] = {"memory", "balloon", "rates", "other"};

/* Counters that only grow, of which the screen shows how fast. */
struct counters {
	uint64_t ran_ticks;
	uint64_t exits;
	uint64_t faults;
	uint64_t hypercalls;
	uint64_t surrendered_pages;
	uint64_t returned_pages;
	uint64_t kicks;
};

static struct {
	enum view view;
	unsigned sort; /* column by which VMs are ordered, the largest first; 0: by name's place */
	unsigned page;
	bool once; /* a script wants one screen, plain */
	bool drawn;
	uint64_t next_tsc;
	uint64_t last_tsc;
	struct counters before[VMS_MAX];
	struct counters rates[VMS_MAX]; /* in a second; of ran_ticks: percent of a CPU */
} top;

static struct counters counters_of(const struct vm *vm)
{
	struct counters now = {
		.exits = vm_exit_count(vm),
		.faults = vm_fault_count(vm),
		.hypercalls = vm_hypercall_count(vm),
		.surrendered_pages = vm->balloon.surrendered_pages,
		.returned_pages = vm->balloon.returned_pages + vm->balloon.touched_pages,
		.kicks = vm->s2.tlb.kick_count,
	};
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		now.ran_ticks += vm->vcpus[i].ran_ticks;
	}
	return now;
}

static uint64_t per_second(uint64_t now, uint64_t before, uint64_t ms)
{
	return sub_floor_u64(now, before) * MS_PER_SECOND / ms;
}

static void measure(uint64_t now_tsc)
{
	uint64_t ticks = sub_floor_u64(now_tsc, top.last_tsc);
	uint64_t ms = max_u64(ms_from_ticks(ticks), 1);
	for (unsigned i = 0; i < vm_count; i++) {
		struct counters now = counters_of(&vms[i]);
		const struct counters *old = &top.before[i];
		top.rates[i] = (struct counters){
			.ran_ticks =
				sub_floor_u64(now.ran_ticks, old->ran_ticks) / (ticks / 100 + 1),
			.exits = per_second(now.exits, old->exits, ms),
			.faults = per_second(now.faults, old->faults, ms),
			.hypercalls = per_second(now.hypercalls, old->hypercalls, ms),
			.surrendered_pages =
				per_second(now.surrendered_pages, old->surrendered_pages, ms),
			.returned_pages = per_second(now.returned_pages, old->returned_pages, ms),
			.kicks = per_second(now.kicks, old->kicks, ms),
		};
		top.before[i] = now;
	}
	top.last_tsc = now_tsc;
}

/* What the guest cannot do without: what it uses by its own word or by the estimate. */
static uint64_t demand_pages(const struct vm *vm)
{
	const struct policy_vm *view = decisions_last_view(vm);
	if (vm->balloon.attached) {
		return sub_floor_u64(vm->s2.mapped_pages, view->idle_pages) + view->wanted_pages;
	}
	return vm->working_set.known ? vm->working_set.active_pages : UNKNOWN;
}

static uint64_t pressure(const struct vm *vm)
{
	uint64_t demand = demand_pages(vm);
	uint64_t held = vm->s2.mapped_pages;
	return demand == UNKNOWN || held == 0 ? UNKNOWN : demand * 100 / held;
}

static const char *health(const struct vm *vm)
{
	if (vm->state != VM_RUNNING) {
		return "-";
	}
	if (vm_waits_for_memory(vm)) {
		return "warn";
	}
	return vm->s2.mapped_pages < vm->config.mem_pages && pressure(vm) != UNKNOWN &&
			       pressure(vm) > 90
		       ? "low"
		       : "ok";
}

enum unit { MIB, NUMBER };

struct column {
	const char *title;
	enum unit unit;
	const char *meaning;
};

static const struct column columns[VIEWS][CELLS] = {
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
	const uint64_t values[CELLS] = {
		vm->config.max_pages,
		vm->config.min_pages,
		vm->config.mem_pages,
		vm->s2.mapped_pages,
		vm->working_set.known ? vm->working_set.active_pages : UNKNOWN,
		demand_pages(vm),
		pressure(vm),
		vm->s2_exists ? vm->s2.table_pages : 0,
	};
	return values[cell];
}

/* The last one of a VM that has ended means nothing any more. */
static uint64_t target_pages(const struct vm *vm)
{
	return vm_is_alive(vm) ? vm->balloon.target_pages : 0;
}

static uint64_t balloon_value(const struct vm *vm, unsigned cell)
{
	const struct policy_vm *view = decisions_last_view(vm);
	uint64_t target = target_pages(vm);
	const uint64_t values[CELLS] = {
		vm->balloon.attached ? 1 : 0,
		vm->s2.ballooned_pages,
		target,
		sub_floor_u64(vm->config.max_pages, vm->config.min_pages),
		sub_floor_u64(vm->config.max_pages, target),
		vm->balloon.attached ? view->idle_pages : UNKNOWN,
		vm->balloon.attached ? view->wanted_pages : UNKNOWN,
		vm->config.shares,
	};
	return values[cell];
}

static uint64_t rate_value(const struct vm *vm, unsigned cell)
{
	const struct counters *rates = &top.rates[vm->id - 1];
	const uint64_t values[CELLS] = {
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
	const uint64_t values[CELLS] = {
		vm->s2.large_pages,
		vm->balloon.surrendered_pages,
		vm->balloon.returned_pages + vm->balloon.touched_pages,
		max_u64(vm->held_peak_pages, vm->s2.mapped_pages),
		UNKNOWN,
		UNKNOWN,
		UNKNOWN,
		UNKNOWN,
	};
	return values[cell];
}

static uint64_t value_of(const struct vm *vm, unsigned cell)
{
	switch (top.view) {
	case VIEW_BALLOON:
		return balloon_value(vm, cell);
	case VIEW_RATES:
		return rate_value(vm, cell);
	case VIEW_OTHER:
		return other_value(vm, cell);
	case VIEW_MEMORY:
	case VIEWS:
		break;
	}
	return memory_value(vm, cell);
}

/* MiB with one digit behind the point where there is room for it. */
static void print_cell(uint64_t value, enum unit unit, char *text)
{
	if (value == UNKNOWN) {
		snprintf(text, CELL_BYTES, "-");
	} else if (unit == NUMBER) {
		snprintf(text, CELL_BYTES, "%lu", min_u64(value, 9999999));
	} else {
		uint64_t tenths = value * 10 / 256;
		snprintf(text, CELL_BYTES, tenths < 10000 ? "%lu.%lu" : "%lu", tenths / 10,
			 tenths % 10);
	}
}

static void show(const char *text)
{
	output_print("%.*s%s", TOP_COLUMNS - 1, text, top.once ? "" : LINE_END);
}

static void show_row(const struct vm *vm)
{
	char line[LINE_BYTES];
	char cell[CELL_BYTES];
	size_t used = (size_t)snprintf(line, sizeof(line), "%-8.8s", vm_name(vm));
	for (unsigned i = 0; i < CELLS; i++) {
		print_cell(value_of(vm, i), columns[top.view][i].unit, cell);
		used += (size_t)snprintf(line + used, sizeof(line) - used, " %7.7s", cell);
	}
	snprintf(line + used, sizeof(line) - used, " %s", health(vm));
	show(line);
}

static void show_titles(void)
{
	char line[LINE_BYTES];
	size_t used = (size_t)snprintf(line, sizeof(line), "%-8s", "NAME");
	for (unsigned i = 0; i < CELLS; i++) {
		used += (size_t)snprintf(line + used, sizeof(line) - used, " %7s",
					 columns[top.view][i].title);
	}
	snprintf(line + used, sizeof(line) - used, " STATUS");
	show(line);
}

static uint64_t mib(uint64_t pages)
{
	return pages / 256;
}

static void show_host(uint64_t now_tsc)
{
	char line[LINE_BYTES];
	const struct policy_host *host = decisions_last_host();
	uint64_t total = frame_table_count - frame_count(FRAME_RESERVED);
	uint64_t granted = 0;
	uint64_t held = 0;
	uint64_t ballooned = 0;
	uint64_t target = 0;
	for (unsigned i = 0; i < vm_count; i++) {
		granted += vm_is_alive(&vms[i]) ? vms[i].config.mem_pages : 0;
		held += vms[i].s2.mapped_pages;
		ballooned += vms[i].s2.ballooned_pages;
		target += target_pages(&vms[i]);
	}
	uint64_t spare = min_u64(promise_spare(), frame_count_free());
	snprintf(line, sizeof(line), "up %lu s, %u CPUs, %u VMs, %s state, overcommit %lu%%",
		 ms_from_ticks(now_tsc - log_origin_tsc()) / MS_PER_SECOND, arch_cpu_count(),
		 vm_count, host_state_name(host_limits_report().state),
		 total > 0 ? granted * 100 / total : 0);
	show(line);
	snprintf(line, sizeof(line),
		 "PMEM/MB: %lu total, %lu vmk, %lu guests, %lu free, %lu zeroed", mib(total),
		 mib(frame_count(FRAME_HYPERVISOR)), mib(held), mib(frame_count_free()),
		 mib(frame_count(FRAME_ZEROED)));
	show(line);
	snprintf(line, sizeof(line),
		 "rsvd %lu, spare %lu, minfree %lu-%lu, MEMCTL/MB: %lu curr, %lu target, SWAP -, "
		 "ZIP -",
		 mib(promise_owed()), mib(spare), mib(host->low_pages), mib(host->high_pages),
		 mib(ballooned), mib(target));
	show(line);
}

static bool goes_before(const struct vm *a, const struct vm *b)
{
	if (top.sort == 0) {
		return a->id < b->id;
	}
	uint64_t left = value_of(a, top.sort - 1);
	uint64_t right = value_of(b, top.sort - 1);
	left = left == UNKNOWN ? 0 : left;
	right = right == UNKNOWN ? 0 : right;
	return left > right || (left == right && a->id < b->id);
}

/* Insertion: there are 64 at most. */
static void sort(const struct vm *order[VMS_MAX])
{
	for (unsigned i = 0; i < vm_count; i++) {
		unsigned at = i;
		for (; at > 0 && goes_before(&vms[i], order[at - 1]); at--) {
			order[at] = order[at - 1];
		}
		order[at] = &vms[i];
	}
}

static void show_screen(uint64_t now_tsc)
{
	const struct vm *order[VMS_MAX] = {NULL};
	char line[LINE_BYTES];
	unsigned first = top.page * TOP_ROWS;
	first = first < vm_count ? first : 0;
	measure(now_tsc);
	sort(order);
	if (!top.once) {
		/* The first line of a screen begins where the cursor is sent to. */
		output_print(top.drawn ? HOME LINE_END : CLEAR HOME);
		top.drawn = true;
	}
	show_host(now_tsc);
	show_titles();
	for (unsigned i = first; i < vm_count && i < first + TOP_ROWS && order[i] != NULL; i++) {
		show_row(order[i]);
	}
	if (top.once) {
		return;
	}
	const struct column *column = &columns[top.view][top.sort > 0 ? top.sort - 1 : 0];
	snprintf(line, sizeof(line),
		 "%s: q leaves; m b r o other columns; 1-8 order by (now %s); n page",
		 view_names[top.view], top.sort > 0 ? column->title : "none");
	show(line);
	if (top.sort > 0) {
		snprintf(line, sizeof(line), "%s: %s", column->title, column->meaning);
		show(line);
	}
	output_print(REST_OFF);
}

/* False: q, Ctrl-C or Ctrl-D. */
static bool obey(int key)
{
	static const char views[] = "mbro";
	for (unsigned i = 0; i < VIEWS; i++) {
		if (key == views[i]) {
			top.view = (enum view)i;
			top.sort = 0;
		}
	}
	if (key >= '0' && key <= '0' + CELLS) {
		top.sort = (unsigned)(key - '0');
	}
	if (key == 'n' || key == ' ') {
		top.page = (top.page + 1) * TOP_ROWS < vm_count ? top.page + 1 : 0;
	}
	return key != 'q' && key != 0x03 && key != 0x04;
}

static bool step(uint64_t now_tsc, int key)
{
	if (key >= 0) {
		if (!obey(key)) {
			return false;
		}
		top.next_tsc = now_tsc;
	}
	if (now_tsc < top.next_tsc || !output_has_room(SCREEN_LINES)) {
		return true;
	}
	top.next_tsc = now_tsc + ticks_from_seconds(1);
	show_screen(now_tsc);
	return !top.once;
}

enum status top_run(const struct command_call *call, struct error *error)
{
	unsigned view = VIEW_MEMORY;
	if (call->count > 0) {
		while (view < VIEWS && !word_is(call->words[0], view_names[view])) {
			view++;
		}
		if (view == VIEWS) {
			return error_set(error, STATUS_INVALID,
					 "%.*s is not memory, balloon, rates or other",
					 word_shown(call->words[0]), call->words[0].text);
		}
	}
	memset(&top, 0, sizeof(top));
	top.view = (enum view)view;
	top.once = call->script;
	command_go_on(step);
	return STATUS_OK;
}
