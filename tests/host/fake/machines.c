/* SPDX-License-Identifier: BSD-2-Clause */
/* See machines.h. */
#include "fake/machines.h"

#include <string.h>

#include "fake/format.h"
#include "fake/runs.h"
#include "fake/threads.h"

#include "base/bits.h"
#include "kernel/vm/tlb.h"
#include "mm/reclaim.h"
#include "mm/tlb.h"

#define PIN_GFN 77

static const struct s2_format format = {
	FAKE_FORMAT,
	.accessed_flag = FAKE_ACCESSED_FLAG,
	.max_leaf_level = 1,
};

/* What a CPU has written last to its word of a kept page. */
struct memory {
	uint64_t lives;
	uint32_t words[KEPT];
};

struct machine machines[MACHINES];
static __thread struct memory memories[MACHINES];
uint64_t events[EVENTS];

void event_count(enum event event)
{
	__atomic_fetch_add(&events[event], 1, __ATOMIC_RELAXED);
}

/* ---- Beginning and end of a VM ---- */

enum life machine_life(const struct machine *machine)
{
	return (enum life)__atomic_load_n(&machine->life, __ATOMIC_SEQ_CST);
}

static bool claim(struct machine *machine, enum life from)
{
	return __atomic_compare_exchange_n(&machine->life, &from, CHANGING, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

void machine_begin(struct machine *machine)
{
	if (!claim(machine, ABSENT)) {
		return;
	}
	/* Nobody has it in use: a structure is taken over only when the last has left. */
	const struct s2_tlb epochs = machine->s2.tlb;
	vm_id_t owner = (vm_id_t)(machine - machines + 1);
	enum status status = s2_create(&machine->s2, &format, owner, LIMIT, fake_cpu_draw(64));
	/* A name that is used again goes on with its epochs: CPUs remember the one before. */
	machine->s2.tlb = epochs;
	(void)tlb_epoch_request(&machine->s2);
	machine->lives++;
	machine->pinned = false;
	s2_sample_init(&machine->sample, machine->lives);
	__atomic_store_n(&machine->life, status == STATUS_OK ? ALIVE : ABSENT, __ATOMIC_SEQ_CST);
}

void machine_end(struct machine *machine)
{
	if (!claim(machine, ALIVE)) {
		return;
	}
	while (__atomic_load_n(&machine->users, __ATOMIC_SEQ_CST) != 0) {
		for (unsigned cpu = 0; cpu < FAKE_THREADS; cpu++) {
			if (cpu != arch_cpu_index()) {
				arch_cpu_kick(cpu);
			}
		}
		arch_pause();
	}
	while (!s2_destroy_step(&machine->s2, 4096)) {
	}
	event_count(DEATHS);
	__atomic_store_n(&machine->life, ABSENT, __ATOMIC_SEQ_CST);
}

bool machine_enter(struct machine *machine)
{
	__atomic_fetch_add(&machine->users, 1, __ATOMIC_SEQ_CST);
	if (machine_life(machine) == ALIVE) {
		return true;
	}
	__atomic_fetch_sub(&machine->users, 1, __ATOMIC_SEQ_CST);
	return false;
}

void machine_leave(struct machine *machine)
{
	__atomic_fetch_sub(&machine->users, 1, __ATOMIC_SEQ_CST);
}

/* ---- What the guest does ---- */

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
	if (fake_cpu_draw(2) == 0) {
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

uint64_t machine_reach = LIMIT;
uint64_t machine_longest_stay = 60;

static uint64_t draw_gfn(void)
{
	static __thread uint64_t near;
	near = (fake_cpu_draw(8) == 0 ? fake_cpu_draw(machine_reach) : near + fake_cpu_draw(3)) %
	       machine_reach;
	return near;
}

/* One stay in the guest; answers the gfn that it faulted at, or LIMIT. */
static uint64_t stay(struct machine *machine)
{
	unsigned cpu = arch_cpu_index();
	uint64_t faulted = LIMIT;
	tlb_enter(&machine->s2, cpu);
	for (uint64_t left = 1 + fake_cpu_draw(machine_longest_stay);
	     left > 0 && !fake_cpu_is_kicked(); left--) {
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

/* ---- What the hypervisor does for it ---- */

static void fault(struct machine *machine, uint64_t gfn)
{
	enum s2_kind was;
	uint64_t pages;
	struct s2_locked locked = s2_lock(&machine->s2);
	machine->s2.promise.emergency = fake_cpu_draw(20) == 0;
	enum status status =
		s2_fault(locked, (gfn_t){gfn}, fake_cpu_draw(30) == 0 ? ORDER_2M : ORDER_4K, true,
			 &was, &pages);
	machine->s2.promise.emergency = false;
	s2_unlock(locked);
	event_count(status == STATUS_OK ? FAULTS : REFUSED);
}

/* A call over ranges: some extents, one flush. */
static void change_balloon(struct machine *machine)
{
	struct s2_locked locked = s2_lock(&machine->s2);
	for (uint64_t left = 1 + fake_cpu_draw(3); left > 0; left--) {
		unsigned order = fake_cpu_draw(6) == 0 ? ORDER_2M : ORDER_4K;
		gfn_t gfn = {order == ORDER_2M ? KEPT : KEPT + fake_cpu_draw(LIMIT - KEPT)};
		uint64_t done;
		uint64_t work;
		uint64_t extents = 1 + fake_cpu_draw(fake_cpu_draw(4) == 0 ? 600 : 20);
		uint64_t what = fake_cpu_draw(5);
		enum status status =
			what < 2
				? run_once(locked, RUN_SURRENDER, gfn, order, extents, &done, &work)
			: what < 3
				? run_once(locked, RUN_REPORT, gfn, order, extents, &done, &work)
				: run_once(locked, RUN_RETURN, gfn, order, extents, &done, &work);
		if (status == STATUS_OK) {
			event_count(what < 3 ? GIVEN : RETURNED);
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
	if (s2_merge(locked, (gfn_t){fake_cpu_draw(LIMIT)}) == STATUS_OK) {
		event_count(JOINS);
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
	event_count(pages > 0 ? SAMPLES : IDLE_SAMPLES);
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
		event_count(SPLITS);
	}
	reclaim_flush(locked);
	s2_unlock(locked);
}

void machine_scatter(struct machine *machine)
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
		    s2_merge(locked, gfn) == STATUS_OK) {
			event_count(s2_lookup(locked, (gfn_t){0}).pfn.n == before ? JOINS : MOVES);
		}
	}
	reclaim_flush(locked);
	s2_unlock(locked);
}

void machine_fill(struct machine *machine)
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

void machine_use_memory(struct machine *machine)
{
	begin_run(machine);
	uint64_t gfn = stay(machine);
	if (gfn != LIMIT) {
		fault(machine, gfn);
	}
}

void machine_use(struct machine *machine)
{
	begin_run(machine);
	for (uint64_t left = 1 + fake_cpu_draw(20); left > 0 && machine_life(machine) == ALIVE;
	     left--) {
		uint64_t gfn = stay(machine);
		uint64_t what = fake_cpu_draw(40);
		if (gfn != LIMIT) {
			fault(machine, gfn);
		} else if (what < 12) {
			change_balloon(machine);
		} else if (what < 15) {
			join(machine);
		} else if (what < 17) {
			pin_or_unpin(machine);
		} else if (what < 18) {
			machine_fill(machine);
		} else if (what < 22) {
			machine_scatter(machine);
		} else if (what < 24) {
			sample(machine);
		}
	}
}
