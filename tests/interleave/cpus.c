/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPUs as coroutines of one thread: see interleave.h. Where there is more than one way to go on,
 * search.c says which is taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/lock.h"
#include "interleave/cpus.h"
#include "interleave/memory.h"

#define STACK_BYTES (256u << 10)
#define POINTS_MOST 300000 /* of one schedule: it does not end */

struct cpu {
	void *stack_pointer;
	char *stack;
	bool done;
	bool rests;
	bool (*until)(void); /* NULL: it can go on */
	const struct lock *lock;
	uint64_t changes_seen;
	bool overlooked; /* a store that was on its way, since it looked last */
	uint32_t ranks_held;
};

bool cpus_active;
uint32_t cpus_steps;
unsigned cpus_now = INTERLEAVE_CPUS;

static struct cpu cpus[INTERLEAVE_CPUS];
static void *main_pointer;
static const struct scenario *scenario;

static unsigned preemptions_left;
static unsigned delays_left;
static uint64_t changes;
static uint64_t own_changes[INTERLEAVE_CPUS];
uint64_t cpus_points;

static bool failed;
static char failure[512];
static jmp_buf judged;

/* ---- Coroutines ---- */

/* Keeps what the calling convention says a function keeps, and goes on with the other stack. */
void cpus_switch(void **from, void **to);
#if defined(__x86_64__)
__asm__(".text\n"
	".globl cpus_switch\n"
	".type cpus_switch, @function\n"
	"cpus_switch:\n"
	"	push %rbp\n"
	"	push %rbx\n"
	"	push %r12\n"
	"	push %r13\n"
	"	push %r14\n"
	"	push %r15\n"
	"	mov %rsp, (%rdi)\n"
	"	mov (%rsi), %rsp\n"
	"	pop %r15\n"
	"	pop %r14\n"
	"	pop %r13\n"
	"	pop %r12\n"
	"	pop %rbx\n"
	"	pop %rbp\n"
	"	ret\n"
	".size cpus_switch, . - cpus_switch\n");
#else
#error "cpus_switch: write it for this processor"
#endif

static void go_on_with(unsigned cpu)
{
	void **from = cpus_now < INTERLEAVE_CPUS ? &cpus[cpus_now].stack_pointer : &main_pointer;
	cpus_now = cpu;
	cpus_active = cpu < INTERLEAVE_CPUS;
	cpus_switch(from, cpus_active ? &cpus[cpu].stack_pointer : &main_pointer);
}

static void leave(void);

static void cpu_main(void)
{
	scenario->run[cpus_now]();
	cpus[cpus_now].done = true;
	leave();
	abort();
}

static void begin_cpu(unsigned number)
{
	struct cpu *cpu = &cpus[number];
	char *stack = cpu->stack;
	if (stack == NULL) {
		stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
	}
	*cpu = (struct cpu){.stack = stack};
	/* As if cpu_main had been called there: the stack is aligned but for the return address. */
	void **top = (void **)(void *)(stack + STACK_BYTES - 64);
	top[-1] = NULL;
	top[-2] = (void *)(uintptr_t)cpu_main;
	cpu->stack_pointer = &top[-8];
}

unsigned interleave_cpu(void)
{
	return cpus_now;
}

/* ---- Failures ---- */

static _Noreturn void fail_with(const char *format, va_list arguments)
{
	vsnprintf(failure, sizeof(failure), format, arguments);
	failed = true;
	if (scenario == NULL) {
		fprintf(stderr, "# %s\n", failure);
		exit(1);
	}
	if (cpus_active) {
		go_on_with(INTERLEAVE_CPUS);
	}
	longjmp(judged, 1);
}

void interleave_fail(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fail_with(format, arguments);
}

_Noreturn void panic(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fail_with(format, arguments);
}

void cpus_tell(const char *what, uintptr_t at, const void *from)
{
	if (cpus_showing) {
		char where[128];
		snprintf(where, sizeof(where), "%s", from == NULL ? "" : name_of((uintptr_t)from));
		printf("#   CPU %u %s: %s %s\n", cpus_now, where, what, name_of(at));
	}
}

/* ---- Bounds ---- */

bool cpus_may_delay(void)
{
	return delays_left > 0;
}

void cpus_delayed(void)
{
	delays_left--;
	cpus[cpus_now].overlooked = true;
}

void cpus_changed(unsigned by)
{
	changes++;
	own_changes[by]++;
}

/* ---- Who goes on ---- */

static bool can_go_on(unsigned number)
{
	struct cpu *cpu = &cpus[number];
	if (cpu->done || cpu->until == NULL) {
		return !cpu->done;
	}
	unsigned now = cpus_now;
	cpus_active = false; /* what it looks at is no access */
	cpus_now = number;
	bool can = cpu->until();
	cpus_now = now;
	cpus_active = true;
	return can;
}

/* The others that can go on. */
static unsigned find_others(uint8_t *which)
{
	unsigned count = 0;
	for (unsigned cpu = 0; cpu < scenario->cpus; cpu++) {
		if (cpu != cpus_now && can_go_on(cpu)) {
			which[count++] = (uint8_t)cpu;
		}
	}
	return count;
}

static void count_point(void)
{
	if (++cpus_points > POINTS_MOST) {
		interleave_fail("the schedule does not end");
	}
}

/* This CPU cannot go on: another does, or the schedule ends. */
static void leave(void)
{
	uint8_t others[INTERLEAVE_CPUS];
	cpus_steps++;
	unsigned count = find_others(others);
	count_point();
	if (count > 0) {
		go_on_with(others[count == 1 ? 0 : cpus_choose(count)]);
		return;
	}
	for (unsigned cpu = 0; cpu < scenario->cpus; cpu++) {
		if (!cpus[cpu].done && !cpus[cpu].rests) {
			interleave_fail("a deadlock: CPU %u waits for ever", cpu);
		}
	}
	go_on_with(INTERLEAVE_CPUS);
}

void cpus_point(const char *what, uintptr_t at, const void *from)
{
	uint8_t others[INTERLEAVE_CPUS];
	count_point();
	if (preemptions_left > 0) {
		unsigned count = find_others(others);
		unsigned choice = count == 0 ? 0 : cpus_choose(count + 1);
		if (choice > 0) {
			preemptions_left--;
			if (cpus_showing) {
				printf("#   CPU %u is stopped\n", cpus_now);
			}
			go_on_with(others[choice - 1]);
		}
	}
	cpus_tell(what, at, from);
}

static uint64_t changes_by_others(void)
{
	return changes - own_changes[cpus_now];
}

static bool has_changed(void)
{
	return changes_by_others() != cpus[cpus_now].changes_seen || cpus[cpus_now].overlooked;
}

/* Another CPU may have changed what was looked at first while the rest was looked at: once more. */
void interleave_pause(void)
{
	if (!cpus_active) {
		return;
	}
	struct cpu *cpu = &cpus[cpus_now];
	uint8_t others[INTERLEAVE_CPUS];
	bool again = has_changed();
	cpus_steps++;
	cpu->changes_seen = changes_by_others();
	cpu->overlooked = false;
	unsigned count = find_others(others);
	count_point();
	if (again) {
		unsigned choice = count == 0 ? 0 : cpus_choose(count + 1);
		if (choice < count) {
			go_on_with(others[choice]);
		}
	} else if (count > 0) {
		cpu->until = has_changed;
		go_on_with(others[count == 1 ? 0 : cpus_choose(count)]);
		cpu->until = NULL;
	}
	/* Else nothing can change any more: it tries until it gives up, if it does. */
}

void interleave_wait(bool (*until)(void), bool rests)
{
	struct cpu *cpu = &cpus[cpus_now];
	cpu->until = until;
	cpu->rests = rests;
	if (!can_go_on(cpus_now)) {
		leave();
	}
	cpu->until = NULL;
	cpu->rests = false;
}

static bool lock_is_free(void)
{
	const struct lock *lock = cpus[cpus_now].lock;
	return memory_lock_is_free((uintptr_t)&lock->serving, (uintptr_t)&lock->next);
}

void lock_order_check(const struct lock *lock, bool taken)
{
	if (!cpus_active) {
		return;
	}
	struct cpu *cpu = &cpus[cpus_now];
	uint32_t bit = 1u << lock->rank;
	if (taken ? cpu->ranks_held >= bit : (cpu->ranks_held & bit) == 0) {
		interleave_fail("a lock of rank %u, while ranks %#x are held", lock->rank,
				cpu->ranks_held);
	}
	cpu->ranks_held ^= bit;
	if (!taken || scenario->locks_are_code) {
		return;
	}
	bool shared = memory_lock_is_shared((uintptr_t)&lock->serving, (uintptr_t)&lock->next);
	cpus_steps++;
	cpu->lock = lock;
	cpu->until = lock_is_free;
	if (!can_go_on(cpus_now)) {
		leave();
	} else if (shared || cpus_replays) {
		cpus_point("locks", (uintptr_t)lock, __builtin_return_address(0));
	}
	cpu->until = NULL;
}

/* ---- One schedule ---- */

const char *cpus_run(const struct scenario *what, unsigned preemptions, unsigned delays,
		     void (*judge)(void))
{
	scenario = what;
	failed = false;
	cpus_points = 0;
	cpus_steps = 0;
	changes = 1;
	memset(own_changes, 0, sizeof(own_changes));
	preemptions_left = preemptions;
	delays_left = delays;
	memory_begin(scenario->cpus, scenario->delays > 0, scenario->locks_are_code);
	for (unsigned cpu = 0; cpu < scenario->cpus; cpu++) {
		begin_cpu(cpu);
	}
	if (setjmp(judged) == 0) {
		go_on_with(cpus_choose(scenario->cpus));
		if (!failed) {
			memory_settle_all();
			judge();
		}
	}
	cpus_now = INTERLEAVE_CPUS;
	cpus_active = false;
	memory_undo();
	scenario = NULL;
	return failed ? failure : NULL;
}
