/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/ with real threads as processors, under ThreadSanitizer: several VMs, each run by any number
 *of CPUs at once, that fault, surrender, return, report, join, split, die and come back, while
 *frames run short, are scrubbed, lent and taken back.
 *
 * What must hold: a page holds what its own VM wrote, or zero, whatever a CPU has cached; the pages
 * of a VM's lower half, which it never gives away, keep what each CPU wrote last; nobody races with
 * anybody (the sanitizer's word); and the audit is clean whenever all have stopped.
 *
 *	THREADS_SEED=n THREADS_SECONDS=n build/host/test_mm_threads
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "fake/phys.h"
#include "fake/runs.h"
#include "fake/threads.h"

#include "base/bits.h"
#include "kernel/tlb.h"
#include "mm/alloc.h"
#include "mm/audit.h"
#include "mm/cache.h"
#include "mm/guest_copy.h"
#include "mm/reclaim.h"
#include "mm/s2.h"
#include "mm/s2_sample.h"
#include "mm/tlb.h"

#define CPUS FAKE_THREADS
#define VMS 3
#define FRAMES 2560u
#define FIRST 512u
#define LIMIT 1060u
#define KEPT 512u /* gfns below are never given away */
#define STEPS_BETWEEN_AUDITS 400
#define PIN_GFN 77

static const struct s2_format format = {
	.present_mask = BIT(62) | BIT(3),
	.table_flags = BIT(62) | BIT(1),
	.leaf_flags = BIT(3) | BIT(9) | BIT(58),
	.large_flag = BIT(61),
	.address_mask = 0x00fffffffffff000,
	.ballooned_entry = 0x2ba1100000ba1105,
	.pinned_flag = BIT(57),
	.accessed_flag = BIT(7),
	.max_leaf_level = 1,
};

enum life { ABSENT, CHANGING, ALIVE };

struct machine {
	struct s2 s2;
	enum life life; /* whoever moves it to CHANGING begins or ends the VM */
	uint32_t users; /* CPUs between look and leave */
	uint64_t lives; /* how often it was begun */
	bool pinned;	/* under the address space's lock */
	struct s2_sample sample;
};

/* What a CPU has written last to its word of a kept page. */
struct memory {
	uint64_t lives;
	uint32_t words[KEPT];
};

static struct machine machines[VMS];
static __thread struct memory memories[VMS];
static pthread_barrier_t barrier;
static uint64_t seed;
static uint64_t end_time;
static bool over;

enum event {
	FAULTS,
	REFUSED,
	GIVEN,
	RETURNED,
	JOINS,
	MOVES,
	SPLITS,
	DEATHS,
	SCRUBBED,
	AUDITS,
	SAMPLES,
	IDLE_SAMPLES,
	EVENTS
};
static const char *const event_names[EVENTS] = {
	"faults", "refused", "given",	 "returned", "joins",	"moves",
	"splits", "deaths",  "scrubbed", "audits",   "samples", "idle samples",
};
static uint64_t events[EVENTS];

static void count(enum event event)
{
	__atomic_fetch_add(&events[event], 1, __ATOMIC_RELAXED);
}

static uint64_t draw(uint64_t below)
{
	return fake_cpu_draw(below);
}

static uint64_t seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

/* ---- Beginning and end of a VM -----------------------------------------------------------------
 */

static enum life life_of(const struct machine *machine)
{
	return (enum life)__atomic_load_n(&machine->life, __ATOMIC_SEQ_CST);
}

static bool claim(struct machine *machine, enum life from)
{
	return __atomic_compare_exchange_n(&machine->life, &from, CHANGING, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

static void begin(struct machine *machine)
{
	if (!claim(machine, ABSENT)) {
		return;
	}
	/* Nobody has it in use: a structure is taken over only when the last has left. */
	const struct s2_tlb epochs = machine->s2.tlb;
	vm_id_t owner = (vm_id_t)(machine - machines + 1);
	enum status status = s2_create(&machine->s2, &format, owner, LIMIT, draw(64));
	/* A name that is used again goes on with its epochs: CPUs remember the one before. */
	machine->s2.tlb = epochs;
	(void)tlb_epoch_request(&machine->s2);
	machine->lives++;
	machine->pinned = false;
	s2_sample_init(&machine->sample, machine->lives);
	__atomic_store_n(&machine->life, status == STATUS_OK ? ALIVE : ABSENT, __ATOMIC_SEQ_CST);
}

static void end(struct machine *machine)
{
	if (!claim(machine, ALIVE)) {
		return;
	}
	while (__atomic_load_n(&machine->users, __ATOMIC_SEQ_CST) != 0) {
		for (unsigned cpu = 0; cpu < CPUS; cpu++) {
			if (cpu != arch_cpu_index()) {
				arch_cpu_kick(cpu);
			}
		}
		arch_pause();
	}
	while (!s2_destroy_step(&machine->s2, 4096)) {
	}
	count(DEATHS);
	__atomic_store_n(&machine->life, ABSENT, __ATOMIC_SEQ_CST);
}

static bool enter_use(struct machine *machine)
{
	__atomic_fetch_add(&machine->users, 1, __ATOMIC_SEQ_CST);
	if (life_of(machine) == ALIVE) {
		return true;
	}
	__atomic_fetch_sub(&machine->users, 1, __ATOMIC_SEQ_CST);
	return false;
}

static void leave_use(struct machine *machine)
{
	__atomic_fetch_sub(&machine->users, 1, __ATOMIC_SEQ_CST);
}

/* ---- What the guest does -----------------------------------------------------------------------
 */

static uint64_t mark_of(const struct machine *machine, uint64_t gfn)
{
	return machine->lives << 32 | (uint64_t)machine->s2.owner << 20 | gfn;
}

/* Every CPU has a word of its own in each page, far from the others. */
static unsigned word_of(unsigned cpu)
{
	return 40 + cpu * 64;
}

static void use_kept_page(struct machine *machine, uint64_t gfn, uint64_t *word)
{
	struct memory *memory = &memories[machine - machines];
	uint64_t found = __atomic_load_n(word, __ATOMIC_RELAXED);
	uint64_t mark = mark_of(machine, gfn);
	uint64_t expected = memory->words[gfn] == 0 ? 0 : mark << 12 | memory->words[gfn];
	if (found != expected) {
		fake_fail("VM %u gfn %#llx of what was kept: found %#llx, expected %#llx",
			  machine->s2.owner, (unsigned long long)gfn, (unsigned long long)found,
			  (unsigned long long)expected);
	}
	if (draw(2) == 0) {
		memory->words[gfn] = memory->words[gfn] % 4000 + 1;
		__atomic_store_n(word, mark << 12 | memory->words[gfn], __ATOMIC_RELAXED);
	}
}

static void use_page(struct machine *machine, uint64_t gfn, uint64_t *word)
{
	uint64_t found = __atomic_load_n(word, __ATOMIC_RELAXED);
	uint64_t mark = mark_of(machine, gfn);
	if (found != 0 && found != mark) {
		fake_fail("VM %u gfn %#llx: found %#llx, expected %#llx or zero", machine->s2.owner,
			  (unsigned long long)gfn, (unsigned long long)found,
			  (unsigned long long)mark);
	}
	__atomic_store_n(word, mark, __ATOMIC_RELAXED);
}

/* Near the last one, so that what is cached is used. */
static uint64_t reach = LIMIT;
static uint64_t longest_stay = 60;

static uint64_t draw_gfn(void)
{
	static __thread uint64_t near;
	near = (draw(8) == 0 ? draw(reach) : near + draw(3)) % reach;
	return near;
}

/* One stay in the guest; answers the gfn that it faulted at, or LIMIT. */
static uint64_t stay(struct machine *machine)
{
	unsigned cpu = arch_cpu_index();
	uint64_t faulted = LIMIT;
	tlb_enter(&machine->s2, cpu);
	for (uint64_t left = 1 + draw(longest_stay); left > 0 && !fake_cpu_is_kicked(); left--) {
		uint64_t gfn = draw_gfn();
		uint64_t *word = fake_cpu_access(&machine->s2, gfn, word_of(cpu));
		if (word == NULL) {
			faulted = gfn;
			break;
		}
		if (gfn < KEPT && gfn != PIN_GFN) {
			use_kept_page(machine, gfn, word);
		} else {
			use_page(machine, gfn, word);
		}
	}
	tlb_leave(cpu);
	fake_cpu_kick_seen();
	return faulted;
}

/* ---- What the hypervisor does for it -----------------------------------------------------------
 */

static void fault(struct machine *machine, uint64_t gfn)
{
	enum s2_kind was;
	uint64_t pages;
	struct s2_locked locked = s2_lock(&machine->s2);
	machine->s2.promise.emergency = draw(20) == 0;
	enum status status = s2_touch(locked, (gfn_t){gfn}, draw(30) == 0 ? ORDER_2M : ORDER_4K,
				      true, &was, &pages);
	machine->s2.promise.emergency = false;
	s2_unlock(locked);
	count(status == STATUS_OK ? FAULTS : REFUSED);
}

/* A call over ranges: some extents, one flush. */
static void change_balloon(struct machine *machine)
{
	struct s2_locked locked = s2_lock(&machine->s2);
	for (uint64_t left = 1 + draw(3); left > 0; left--) {
		unsigned order = draw(6) == 0 ? ORDER_2M : ORDER_4K;
		gfn_t gfn = {order == ORDER_2M ? KEPT : KEPT + draw(LIMIT - KEPT)};
		uint64_t done;
		uint64_t work;
		uint64_t extents = 1 + draw(draw(4) == 0 ? 600 : 20);
		uint64_t what = draw(5);
		enum status status =
			what < 2
				? run_once(locked, RUN_SURRENDER, gfn, order, extents, &done, &work)
			: what < 3
				? run_once(locked, RUN_REPORT, gfn, order, extents, &done, &work)
				: run_once(locked, RUN_RETURN, gfn, order, extents, &done, &work);
		if (status == STATUS_OK) {
			count(what < 3 ? GIVEN : RETURNED);
		}
		if (status == STATUS_NO_MEMORY) {
			fake_fail("VM %u is not given a page for a table that it was promised",
				  machine->s2.owner);
		}
	}
	reclaim_flush(locked);
	s2_unlock(locked);
}

static void join(struct machine *machine)
{
	struct s2_locked locked = s2_lock(&machine->s2);
	if (s2_join(locked, (gfn_t){draw(LIMIT)}) == STATUS_OK) {
		count(JOINS);
	}
	reclaim_flush(locked);
	s2_unlock(locked);
}

/* What was used since the last time, and forgets it. */
static void sample(struct machine *machine)
{
	struct s2_locked locked = s2_lock(&machine->s2);
	uint64_t pages = s2_sample_end(locked, &machine->sample);
	if (pages > machine->s2.mapped_pages) {
		fake_fail("VM %u uses more than it has", machine->s2.owner);
	}
	s2_sample_begin(locked, &machine->sample);
	s2_unlock(locked);
	count(pages > 0 ? SAMPLES : IDLE_SAMPLES);
}

static void pin_or_unpin(struct machine *machine)
{
	struct s2_locked locked = s2_lock(&machine->s2);
	pfn_t pfn;
	if (machine->pinned) {
		s2_unpin(locked, (gfn_t){PIN_GFN});
		machine->pinned = false;
	} else if (s2_pin(locked, (gfn_t){PIN_GFN}, &pfn) == STATUS_OK) {
		machine->pinned = true;
		count(SPLITS);
	}
	reclaim_flush(locked);
	s2_unlock(locked);
}

/*
 * One page of a large one is given away, and another frame comes in its place: a join has to move
 * the rest.
 */
static void scatter(struct machine *machine)
{
	struct s2_locked locked = s2_lock(&machine->s2);
	const gfn_t gfn = {PIN_GFN};
	uint64_t done;
	uint64_t work;
	uint64_t pages;
	if (!machine->pinned &&
	    run_once(locked, RUN_SURRENDER, gfn, 0, 1, &done, &work) == STATUS_OK) {
		reclaim_flush(locked);
		uint64_t before = s2_lookup(locked, (gfn_t){0}).pfn.n;
		if (s2_populate(locked, gfn, ORDER_4K, &pages) == STATUS_OK &&
		    s2_join(locked, gfn) == STATUS_OK) {
			count(s2_lookup(locked, (gfn_t){0}).pfn.n == before ? JOINS : MOVES);
		}
	}
	reclaim_flush(locked);
	s2_unlock(locked);
}

/* All pages of the kept half, one by one: what can be joined. */
static void fill(struct machine *machine)
{
	for (uint64_t gfn = KEPT; gfn-- > 0;) {
		struct s2_locked locked = s2_lock(&machine->s2);
		uint64_t pages;
		enum status status = s2_populate(locked, (gfn_t){gfn}, ORDER_4K, &pages);
		s2_unlock(locked);
		if (status != STATUS_OK) {
			return;
		}
	}
	join(machine);
}

static void begin_run(struct machine *machine)
{
	struct memory *memory = &memories[machine - machines];
	if (memory->lives != machine->lives) {
		memset(memory, 0, sizeof(*memory));
		memory->lives = machine->lives;
	}
	tlb_run_begin(&machine->s2, arch_cpu_index());
}

static void use_memory(struct machine *machine)
{
	begin_run(machine);
	uint64_t gfn = stay(machine);
	if (gfn != LIMIT) {
		fault(machine, gfn);
	}
}

static void use_machine(struct machine *machine)
{
	begin_run(machine);
	for (uint64_t left = 1 + draw(20); left > 0 && life_of(machine) == ALIVE; left--) {
		uint64_t gfn = stay(machine);
		uint64_t what = draw(40);
		if (gfn != LIMIT) {
			fault(machine, gfn);
		} else if (what < 12) {
			change_balloon(machine);
		} else if (what < 15) {
			join(machine);
		} else if (what < 17) {
			pin_or_unpin(machine);
		} else if (what < 18) {
			fill(machine);
		} else if (what < 22) {
			scatter(machine);
		} else if (what < 24) {
			sample(machine);
		}
	}
}

/* ---- What the host does besides ----------------------------------------------------------------
 */

static __thread bool host_has;
static __thread pfn_t host_page;

/* A page for the hypervisor itself, and back. */
static void take_or_give(bool wanted)
{
	const struct frame_tag tag = {FRAME_HYPERVISOR, 0, VM_ID_HOST};
	if (host_has) {
		frame_free(host_page, tag);
	}
	host_has = wanted && !host_has && frame_alloc(0, tag, &host_page) == STATUS_OK;
}

static void keep_house(void)
{
	switch (draw(8)) {
	case 0:
		frame_caches_floor_set(draw(3) == 0 ? FRAME_CACHES_OFF : draw(600));
		break;
	case 1:
		frame_caches_empty();
		break;
	case 2:
		take_or_give(true);
		break;
	case 3: /* sums of a moment: possible ones, at least */
		if (frame_count_free() > FRAMES || promise_spare() > FRAMES ||
		    frame_count(FRAME_GUEST) > FRAMES) {
			fake_fail("more frames than there are");
		}
		break;
	default:
		for (unsigned i = 0; i < 16 && scrub_step((unsigned)draw(10)) != 0; i++) {
			count(SCRUBBED);
		}
		break;
	}
}

/* One VM: three CPUs store to its pages, while the fourth moves them. */
static void one_move(void)
{
	struct machine *machine = &machines[0];
	begin(machine);
	if (enter_use(machine)) {
		if (arch_cpu_index() == 0) {
			uint64_t moves = events[MOVES];
			fill(machine);
			scatter(machine);
			while (events[MOVES] == moves && scrub_step(ORDER_2M) != 0) {
			}
		} else {
			use_memory(machine);
		}
		leave_use(machine);
	}
}

static void one_step(void)
{
	struct machine *machine = &machines[draw(VMS)];
	uint64_t what = draw(100);
	if (what < 20) {
		keep_house();
	} else if (what < 23) {
		end(machine);
	} else if (enter_use(machine)) {
		use_machine(machine);
		leave_use(machine);
	} else {
		begin(machine);
		if (draw(4) != 0 && enter_use(machine)) {
			fill(machine);
			leave_use(machine);
		}
	}
}

static void audit(void)
{
	struct s2 *spaces[VMS];
	struct audit_report report;
	unsigned existing = 0;
	for (unsigned i = 0; i < VMS; i++) {
		if (life_of(&machines[i]) == ALIVE) {
			spaces[existing++] = &machines[i].s2;
		}
	}
	audit_run(spaces, existing, &report);
	if (report.error_count != 0) {
		fake_fail("audit: %llu errors; %s", (unsigned long long)report.error_count,
			  report.first_error);
	}
	for (uint64_t pfn = FIRST; pfn < FIRST + FRAMES; pfn++) {
		const struct frame *frame = &frame_table[pfn];
		if (frame->tag.state == FRAME_ZEROED && !fake_frame_is((pfn_t){pfn}, 0)) {
			fake_fail("frame %#llx is ZEROED but not zero", (unsigned long long)pfn);
		}
	}
	events[AUDITS]++;
}

static void (*step)(void);

static void *cpu_main(void *argument)
{
	unsigned cpu = (unsigned)(uintptr_t)argument;
	fake_cpu_begin(cpu, seed);
	while (!over) {
		for (unsigned i = 0; i < STEPS_BETWEEN_AUDITS; i++) {
			step();
		}
		pthread_barrier_wait(&barrier);
		if (cpu == 0) {
			audit();
			over = seconds_now() >= end_time;
		}
		pthread_barrier_wait(&barrier);
	}
	take_or_give(false);
	return NULL;
}

static uint64_t environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	return text == NULL ? otherwise : strtoull(text, NULL, 0);
}

static void start(void)
{
	static struct memmap available;
	static struct memmap nothing;
	available.count = 1;
	available.regions[0] =
		(struct memmap_region){FIRST << PAGE_SHIFT, (FIRST + FRAMES) << PAGE_SHIFT};
	fake_phys_start(FIRST + FRAMES);
	struct frame *table = calloc(FIRST + FRAMES, sizeof(*table));
	frame_table_init(table, FIRST + FRAMES, &available, &nothing);
	promise_reserve_set(8);
	for (uint64_t pfn = FIRST; pfn < FIRST + FRAMES; pfn++) {
		fake_frame_fill((pfn_t){pfn}, 0x5ec7e75ec7e75ec7);
	}
}

static void run(void (*what)(void), uint64_t seconds)
{
	pthread_t threads[CPUS];
	step = what;
	over = false;
	memset(events, 0, sizeof(events));
	seed = environment("THREADS_SEED", 1);
	end_time = seconds_now() + environment("THREADS_SECONDS", seconds);
	print_message("THREADS_SEED=%llu\n", (unsigned long long)seed);
	frame_caches_floor_set(FRAME_CACHES_OFF);
	while (scrub_step(ORDER_2M) != 0) {
	}
	pthread_barrier_init(&barrier, NULL, CPUS);
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		assert_int_equal(
			pthread_create(&threads[cpu], NULL, cpu_main, (void *)(uintptr_t)cpu), 0);
	}
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		pthread_join(threads[cpu], NULL);
	}
	for (unsigned i = 0; i < VMS; i++) {
		end(&machines[i]);
	}
	audit();
	for (unsigned i = 0; i < EVENTS; i++) {
		print_message("%s=%llu ", event_names[i], (unsigned long long)events[i]);
	}
	print_message("hits=%llu flushes=%llu kicks=%llu\n", (unsigned long long)fake_cpus_hits(),
		      (unsigned long long)fake_cpus_flushes(),
		      (unsigned long long)fake_cpus_kicks());
	assert_int_equal(frame_count(FRAME_GUEST), 0);
	assert_int_equal(promise_owed(), 0);
}

static void test_all_at_once(void **state)
{
	(void)state;
	run(one_step, 3);
	assert_true(events[FAULTS] > 0 && events[GIVEN] > 0 && events[DEATHS] > 0 &&
		    events[SAMPLES] > 0);
}

static void test_move_under_stores(void **state)
{
	(void)state;
	reach = KEPT;
	longest_stay = 3000;
	run(one_move, 2);
	assert_true(events[MOVES] > 0);
}

/* What the sanitizer reads at its start. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "halt_on_error=1";
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_move_under_stores),
	};
	start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
