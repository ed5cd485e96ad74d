/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See top.h. Four views of the same VMs, each within 80 columns; top_columns.c has what is in them.
 * Rates are from the counters of two screens.
 */
#include "kernel/monitor/top.h"

#include "base/bits.h"
#include "base/string.h"
#include "base/time.h"
#include "arch/arch.h"
#include "kernel/log/log.h"
#include "kernel/monitor/output.h"
#include "kernel/monitor/table.h"
#include "kernel/monitor/top_columns.h"
#include "kernel/overcommit/decisions.h"
#include "kernel/overcommit/host_limits.h"
#include "kernel/vm/vm.h"
#include "mm/frame.h"
#include "mm/promise.h"

#define CELL_BYTES 12
#define LINE_BYTES 192 /* before it is cut to the columns of a screen */
#define SCREEN_LINES (TOP_ROWS + 6)

#define HOME "\x1b[H"	  /* CUP: to the first column of the first row (ECMA-48, 8.3.21) */
#define CLEAR "\x1b[2J"	  /* ED: away with all of it (8.3.39) */
#define LINE_END "\x1b[K" /* EL: away with what is behind (8.3.41) */
#define REST_OFF "\x1b[J" /* ED: and what is below */

static const char *const view_names[TOP_VIEWS] = {"memory", "balloon", "rates", "other"};

static struct {
	enum top_view view;
	unsigned sort; /* column by which VMs are ordered, the largest first; 0: by name's place */
	unsigned page;
	bool once; /* a script wants one screen, plain */
	bool drawn;
	uint64_t next_tsc;
	uint64_t last_tsc;
	struct top_counters before[VMS_MAX];
	struct top_counters rates[VMS_MAX]; /* in a second; of ran_ticks: percent of a CPU */
} top;

static struct top_counters counters_of(const struct vm *vm)
{
	struct top_counters now = {
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
		struct top_counters now = counters_of(&vms[i]);
		const struct top_counters *old = &top.before[i];
		top.rates[i] = (struct top_counters){
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

static uint64_t value_of(const struct vm *vm, unsigned cell)
{
	return top_value(top.view, vm, cell, &top.rates[vm->id - 1]);
}

/* MiB with one digit behind the point where there is room for it. */
static void print_cell(uint64_t value, enum top_unit unit, char *text)
{
	if (value == TOP_UNKNOWN) {
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
	for (unsigned i = 0; i < TOP_CELLS; i++) {
		print_cell(value_of(vm, i), top_columns[top.view][i].unit, cell);
		used += (size_t)snprintf(line + used, sizeof(line) - used, " %7.7s", cell);
	}
	snprintf(line + used, sizeof(line) - used, " %s", top_health(vm));
	show(line);
}

static void show_titles(void)
{
	char line[LINE_BYTES];
	size_t used = (size_t)snprintf(line, sizeof(line), "%-8s", "NAME");
	for (unsigned i = 0; i < TOP_CELLS; i++) {
		used += (size_t)snprintf(line + used, sizeof(line) - used, " %7s",
					 top_columns[top.view][i].title);
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
		target += top_target_pages(&vms[i]);
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
	left = left == TOP_UNKNOWN ? 0 : left;
	right = right == TOP_UNKNOWN ? 0 : right;
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
	const struct top_column *column = &top_columns[top.view][top.sort > 0 ? top.sort - 1 : 0];
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
	for (unsigned i = 0; i < TOP_VIEWS; i++) {
		if (key == views[i]) {
			top.view = (enum top_view)i;
			top.sort = 0;
		}
	}
	if (key >= '0' && key <= '0' + TOP_CELLS) {
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
		while (view < TOP_VIEWS && !word_is(call->words[0], view_names[view])) {
			view++;
		}
		if (view == TOP_VIEWS) {
			return error_set(error, STATUS_INVALID,
					 "%.*s is not memory, balloon, rates or other",
					 word_shown(call->words[0]), call->words[0].text);
		}
	}
	memset(&top, 0, sizeof(top));
	top.view = (enum top_view)view;
	top.once = call->script;
	command_go_on(step);
	return STATUS_OK;
}
