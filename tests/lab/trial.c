/* SPDX-License-Identifier: BSD-2-Clause */
/* See trial.h: a run, and the rules. */
#include "tests/lab/trial.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"

#define SHORT_PERIODS 50 /* that the host may be short, or a VM may lack memory, at a stretch */
#define GIVABLE_PAGES (16 * TRIAL_MIB) /* less than this beyond the floor does not count */
#define REVERSALS_MOST 12
#define HOT_TAKEN_MOST (16 * TRIAL_MIB)
#define NEEDS_MOST 16
#define NONSENSE_ROUNDS 4000
#define EMPTY_PAGES TRIAL_MIB
#define WARM_PAGES (12 * TRIAL_MIB)

static const char *const names[TRIAL_RULES + 1] = {
	"bounds", "vm_floor", "gradual", "plenty", "host_floor",
	"met",	  "returned", "calm",	 "in_use", "gives",
};

void (*trial_watch)(const struct trial *trial, const struct lab_world *world);

const char *trial_rule_name(enum trial_rule rule)
{
	return names[rule];
}

/* A run: the world, what is needed, and for how long something is not as it should be. */
static struct run {
	struct lab_world world;
	struct trial_need needs[NEEDS_MOST];
	unsigned needs_count;
	unsigned empty_period; /* 0: no matter */
	unsigned short_periods;
	unsigned lacking[LAB_VMS_MAX];
	unsigned rules;
	struct trial_result *result;
} run;

static unsigned long long mib(uint64_t pages)
{
	return pages / TRIAL_MIB;
}

static uint64_t floor_pages(const struct policy_vm *vm)
{
	return vm->max_pages / TRIAL_FLOOR_PARTS;
}

/* By a letter, as tables of the page have it; there is no letter behind the 26th. */
static char letter(const struct lab_vm *vm)
{
	return (char)min_u64('a' + (uint64_t)(vm - run.world.vms), 'z');
}

/* The first rule that is broken ends the trial. */
static void __attribute__((format(printf, 2, 3)))
complain(enum trial_rule rule, const char *format, ...)
{
	if (!run.result->passed || (run.rules & 1u << rule) == 0) {
		return;
	}
	uint64_t ms = run.world.period * LAB_PERIOD_MS;
	int used = snprintf(run.result->text, TRIAL_TEXT, "%s: at %llu.%02llu s ", names[rule],
			    (unsigned long long)ms / 1000, (unsigned long long)ms % 1000 / 10);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(run.result->text + used, (size_t)(TRIAL_TEXT - used), format, arguments);
	va_end(arguments);
	run.result->broken = rule;
	run.result->passed = false;
}

/* ---- Rules for one target: `before` is the VM as the policy has seen it -----------------------
 */

static void look_at_target(const struct lab_vm *vm, const struct policy_vm *seen)
{
	uint64_t target = seen->new_target_pages;
	uint64_t most = seen->attached ? seen->max_pages - seen->min_pages : 0;
	uint64_t asked = sub_floor_u64(target, seen->ballooned_pages);
	uint64_t givable = sub_floor_u64(seen->free_pages, floor_pages(seen));
	uint64_t stood = max_u64(seen->target_pages, seen->ballooned_pages);
	uint64_t least =
		sub_floor_u64(min_u64(min_u64(seen->target_pages, most), seen->ballooned_pages),
			      seen->wanted_pages + TRIAL_RELEASE_MOST);
	if (target > most) {
		complain(TRIAL_BOUNDS,
			 "the target of VM %c is %llu MiB (%llu pages): at most max - min, %llu "
			 "MiB, is allowed%s",
			 letter(vm), mib(target), (unsigned long long)target, mib(most),
			 seen->attached ? "" : ", and nothing of a VM without a driver");
	}
	if (asked > givable) {
		complain(TRIAL_FLOOR,
			 "VM %c is asked for %llu MiB (%llu pages) more than its balloon has. It "
			 "has %llu MiB free, and keeps %llu of them: at most %llu MiB (%llu pages)",
			 letter(vm), mib(asked), (unsigned long long)asked, mib(seen->free_pages),
			 mib(floor_pages(seen)), mib(givable), (unsigned long long)givable);
	}
	if (target > stood + TRIAL_ASK_MOST) {
		complain(TRIAL_GRADUAL,
			 "the target of VM %c rises from %llu to %llu MiB in one decision: by at "
			 "most %llu",
			 letter(vm), mib(seen->target_pages), mib(target), mib(TRIAL_ASK_MOST));
	}
	/* What it makes no sense to ask for any more may be taken back at once. */
	if (target < least) {
		complain(
			TRIAL_GRADUAL,
			"the target of VM %c falls from %llu to %llu MiB in one decision, its "
			"balloon has %llu MiB, and it wants %llu MiB: by at most that and %llu MiB",
			letter(vm), mib(seen->target_pages), mib(target),
			mib(seen->ballooned_pages), mib(seen->wanted_pages),
			mib(TRIAL_RELEASE_MOST));
	}
	if (run.world.host.spare_pages > run.world.host.high_pages && target > stood) {
		complain(TRIAL_PLENTY,
			 "VM %c is asked for more (%llu MiB after %llu) while the host has plenty: "
			 "%llu MiB (%llu pages) to spare, more than its high mark of %llu pages",
			 letter(vm), mib(target), mib(seen->target_pages),
			 mib(run.world.host.spare_pages),
			 (unsigned long long)run.world.host.spare_pages,
			 (unsigned long long)run.world.host.high_pages);
	}
}

/* ---- Rules for what came of it ----------------------------------------------------------------
 */

/* What a VM could give, in truth. */
static uint64_t givable_pages(const struct lab_vm *vm)
{
	const struct policy_vm *view = &vm->view;
	uint64_t held = vm->hot + vm->warm + vm->idle;
	uint64_t unused = view->max_pages - view->ballooned_pages - held;
	uint64_t free = vm->idle + vm->warm + unused;
	return min_u64(min_u64(vm->idle, sub_floor_u64(free, floor_pages(view))),
		       sub_floor_u64(held, view->min_pages));
}

static const struct lab_vm *richest(const struct lab_vm *but)
{
	const struct lab_vm *best = NULL;
	for (unsigned i = 0; i < run.world.count; i++) {
		const struct lab_vm *vm = &run.world.vms[i];
		if (vm != but && (best == NULL || givable_pages(vm) > givable_pages(best))) {
			best = vm;
		}
	}
	return best;
}

static void look_at_host(void)
{
	const struct lab_vm *rich = richest(NULL);
	uint64_t spare = lab_spare(&run.world);
	bool is_short = spare < run.world.host.low_pages && givable_pages(rich) >= GIVABLE_PAGES;
	run.short_periods = is_short ? run.short_periods + 1 : 0;
	if (run.short_periods > SHORT_PERIODS) {
		complain(TRIAL_HOST_FLOOR,
			 "the host has had less than its low mark of %llu MiB for %u ms, now %llu "
			 "MiB, while VM %c could give %llu MiB (target %llu MiB, balloon %llu MiB)",
			 mib(run.world.host.low_pages), SHORT_PERIODS * LAB_PERIOD_MS, mib(spare),
			 letter(rich), mib(givable_pages(rich)), mib(rich->view.target_pages),
			 mib(rich->view.ballooned_pages));
	}
}

static void look_at_vm(const struct lab_vm *vm)
{
	unsigned index = (unsigned)(vm - run.world.vms);
	uint64_t lacks = sub_floor_u64(vm->hot_wanted, vm->hot);
	const struct lab_vm *rich = richest(vm);
	run.lacking[index] = lacks > vm->hot_wanted / 100 ? run.lacking[index] + 1 : 0;
	if (run.lacking[index] > SHORT_PERIODS) {
		complain(TRIAL_MET,
			 "VM %c has lacked memory for %u ms: now %llu of the %llu MiB that it "
			 "needs. Its balloon has %llu MiB, its target is %llu MiB; the host has "
			 "%llu MiB to spare; VM %c could give %llu MiB",
			 letter(vm), SHORT_PERIODS * LAB_PERIOD_MS, mib(lacks), mib(vm->hot_wanted),
			 mib(vm->view.ballooned_pages), mib(vm->view.target_pages),
			 mib(lab_spare(&run.world)), letter(rich), mib(givable_pages(rich)));
	}
	if (vm->ended) {
		complain(TRIAL_MET,
			 "the host has given up on VM %c: another VM had waited for 4 s, and no "
			 "page came back",
			 letter(vm));
	}
	if (run.empty_period > 0 && run.world.period == run.empty_period &&
	    vm->view.ballooned_pages > EMPTY_PAGES) {
		complain(TRIAL_RETURNED,
			 "the balloon of VM %c still has %llu MiB (target %llu MiB), and the need "
			 "for them is long over: the host has %llu MiB to spare, its high mark is "
			 "%llu MiB",
			 letter(vm), mib(vm->view.ballooned_pages), mib(vm->view.target_pages),
			 mib(lab_spare(&run.world)), mib(run.world.host.high_pages));
	}
	if (vm->reversals > REVERSALS_MOST) {
		complain(TRIAL_CALM,
			 "the target of VM %c has changed its direction %llu times, now to %llu "
			 "MiB: %u times are allowed in a trial",
			 letter(vm), (unsigned long long)vm->reversals, mib(vm->view.target_pages),
			 REVERSALS_MOST);
	}
	if (vm->hot_taken > HOT_TAKEN_MOST) {
		complain(TRIAL_IN_USE,
			 "%llu MiB that VM %c uses have been taken from it. Its statistics stand "
			 "still: %llu MiB idle, it says; but the hypervisor has seen %llu of its "
			 "%llu MiB in use",
			 mib(vm->hot_taken), letter(vm), mib(vm->view.idle_pages),
			 mib(vm->view.active_pages), mib(vm->view.held_pages));
	}
}

/* ---- A run ------------------------------------------------------------------------------------
 */

static void apply_need(struct lab_vm *vm, const struct trial_need *need)
{
	uint64_t goal = need->mib * TRIAL_MIB;
	uint64_t step = need->mib_per_s * TRIAL_MIB * LAB_PERIOD_MS / 1000;
	if (need->freezes && need->at_ms == run.world.period * LAB_PERIOD_MS) {
		vm->frozen = vm->blind = true;
	}
	if (vm->hot_wanted < goal) {
		vm->hot_wanted = min_u64(goal, vm->hot_wanted + step);
	} else if (vm->hot_wanted > goal) {
		vm->hot_wanted = max_u64(goal, sub_floor_u64(vm->hot_wanted, step));
	} else if (need->reports && vm->hot <= goal) {
		vm->idle = 0;
	}
}

/* The last need of a VM that has begun is the one that holds. */
static void need_now(void)
{
	for (unsigned i = 0; i < run.world.count; i++) {
		const struct trial_need *last = NULL;
		for (unsigned n = 0; n < run.needs_count; n++) {
			const struct trial_need *need = &run.needs[n];
			bool is_its = need->vm < 0 || need->vm == (int)i;
			if (is_its && need->at_ms <= run.world.period * LAB_PERIOD_MS) {
				last = need;
			}
		}
		if (last != NULL) {
			apply_need(&run.world.vms[i], last);
		}
	}
}

/* Never more than the trial says, so that there is enough for all in each variation. */
static void vary(uint64_t seed)
{
	unsigned turn = (unsigned)lab_draw(&seed, run.world.count);
	unsigned late = (unsigned)lab_draw(&seed, 50) * LAB_PERIOD_MS;
	for (unsigned n = 0; n < run.needs_count; n++) {
		struct trial_need *need = &run.needs[n];
		need->vm = need->vm < 0 ? need->vm
					: (int)((unsigned)need->vm + turn) % (int)run.world.count;
		need->mib -= (unsigned)lab_draw(&seed, need->mib / 20);
		need->at_ms += need->at_ms > 0 ? late : 0;
	}
	run.empty_period += run.empty_period > 0 ? late / LAB_PERIOD_MS : 0;
	for (unsigned i = 0; i < run.world.count; i++) {
		struct lab_vm *vm = &run.world.vms[i];
		vm->delay = 1 + (unsigned)lab_draw(&seed, 4);
		vm->speed += lab_draw(&seed, vm->speed);
		vm->warm_wanted += lab_draw(&seed, 8) * TRIAL_MIB;
	}
}

static void prepare(const struct trial *trial, uint64_t seed)
{
	lab_start(&run.world, trial->host_mib * TRIAL_MIB);
	for (unsigned i = 0; i < trial->vms; i++) {
		uint64_t max = trial->max_mib * TRIAL_MIB;
		struct lab_vm *vm = lab_add(&run.world, max / 8, max * 5 / 8, max, 100);
		vm->speed = trial->speed;
		vm->stays = true;
		vm->warm_wanted = WARM_PAGES;
	}
	memcpy(run.needs, trial->needs, sizeof(run.needs[0]) * trial->needs_count);
	run.needs_count = trial->needs_count;
	run.empty_period =
		trial->empty_ms == 0 ? 0 : (trial->empty_from_ms + trial->empty_ms) / LAB_PERIOD_MS;
	if (seed > 0) {
		vary(seed * 0x9e3779b97f4a7c15ull);
	}
}

static void begin(unsigned rules, struct trial_result *result)
{
	memset(&run, 0, sizeof(run));
	memset(result, 0, sizeof(*result));
	result->passed = true;
	run.rules = rules;
	run.result = result;
}

void trial_run(const struct trial *trial, uint64_t seed, unsigned rules,
	       struct trial_result *result)
{
	begin(rules, result);
	prepare(trial, seed);
	while (run.world.period < trial->end_ms / LAB_PERIOD_MS && result->passed) {
		need_now();
		lab_step(&run.world);
		uint64_t given = 0;
		for (unsigned i = 0; i < run.world.count; i++) {
			look_at_target(&run.world.vms[i], &run.world.views[i]);
			look_at_vm(&run.world.vms[i]);
			given += run.world.vms[i].view.ballooned_pages;
		}
		result->given_pages = max_u64(result->given_pages, given);
		look_at_host();
		if (trial_watch != NULL) {
			trial_watch(trial, &run.world);
		}
	}
}

/* ---- Nonsense ---------------------------------------------------------------------------------
 */

/* A guest chooses what it says; the rest keeps what the hypervisor promises. */
static void draw_view(struct policy_vm *view, uint64_t *seed)
{
	uint64_t max = 1 + lab_draw(seed, 1 << 20);
	uint64_t min = lab_draw(seed, max);
	uint64_t ballooned = lab_draw(seed, max - min + 1);
	uint64_t words[] = {0, lab_draw(seed, max), lab_draw(seed, 1ull << 32), (1ull << 32) - 1};
	*view = (struct policy_vm){
		.min_pages = min,
		.mem_pages = min + lab_draw(seed, max - min + 1),
		.max_pages = max,
		.ballooned_pages = ballooned,
		.held_pages = lab_draw(seed, max - ballooned + 1),
		.target_pages = lab_draw(seed, max + 1),
		.free_pages = words[lab_draw(seed, 4)],
		.idle_pages = words[lab_draw(seed, 4)],
		.wanted_pages = words[lab_draw(seed, 4)],
		.refault_pages = words[lab_draw(seed, 4)],
		.active_pages = lab_draw(seed, max - ballooned + 1),
		.active_known = lab_draw(seed, 2) == 0,
		.shares = 1 + lab_draw(seed, 10000),
		.buffer_percent = lab_draw(seed, 100),
		.attached = lab_draw(seed, 4) > 0,
		.slow = lab_draw(seed, 4) == 0,
		.unresponsive = lab_draw(seed, 4) == 0,
		.waiting = lab_draw(seed, 4) == 0,
		.acts = lab_draw(seed, 2) == 0,
	};
}

void trial_nonsense(struct trial_result *result)
{
	uint64_t seed = 1;
	begin(1u << TRIAL_BOUNDS | 1u << TRIAL_PLENTY, result);
	for (unsigned round = 0; round < NONSENSE_ROUNDS && result->passed; round++) {
		struct lab_world *world = &run.world;
		world->period = round;
		world->count = round % 64 == 0 ? LAB_VMS_MAX : (unsigned)lab_draw(&seed, 5);
		world->host = (struct policy_host){
			.low_pages = 1000 + lab_draw(&seed, 1000),
			.high_pages = 2000 + lab_draw(&seed, 2000),
			.spare_pages = lab_draw(&seed, 8000),
			.idle_tax_percent = 75,
			.total_pages = 1 << 20,
			.passed_us = lab_draw(&seed, 2) * LAB_PERIOD_MS * 1000,
		};
		for (unsigned i = 0; i < world->count; i++) {
			draw_view(&world->views[i], &seed);
			memcpy(world->views[i].memory, world->vms[i].view.memory,
			       sizeof(world->views[i].memory));
		}
		policy_decide(&world->host, world->views, world->count);
		for (unsigned i = 0; i < world->count; i++) {
			memcpy(world->vms[i].view.memory, world->views[i].memory,
			       sizeof(world->views[i].memory));
			look_at_target(&world->vms[i], &world->views[i]);
		}
	}
}
