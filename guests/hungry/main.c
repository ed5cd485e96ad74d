/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hungry: needs a lot of memory for a computation whose result can be checked. Its pages form one
 * cycle: each holds the number of its successor and a pattern of its own. The digest of a walk
 * around the cycle depends on the order and on every byte; a second computation that does not look
 * at the memory has to come to the same result.
 *
 *	need=SIZE rounds=N [after=MS] [phase=even|odd slot=MS] [slots=MASK slot=MS] [linger=MS]
 *
 * It starts `after` that time, so that others can have had their memory first. With a phase, it
 * computes in every second slot of time only, and owns nothing in the others: two such VMs with
 * opposite phases pull the host's memory to and fro. With slots, it computes in those whose bit is
 * set, once in each: bit N (of 44) is the slot that begins N times `slot` after TSC 0. It ends
 * `linger` after the last computation, so that others can have its memory while it still lives.
 *
 * Where the VM has several vCPUs, each writes its share of the pages and then walks its share of
 * the way around; the digest is the sum of theirs.
 */
#include <stddef.h>

#include "guests/lib/arguments.h"
#include "guests/lib/balloon.h"
#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/page_set.h"
#include "guests/lib/pattern.h"
#include "guests/lib/runtime.h"
#include "guests/lib/vcpu.h"
#include "guests/lib/wait.h"

#define BALLOON_INTERVAL_PAGES 64
#define SLOTS 44 /* that a mask can name: numbers of arguments end near 2^44 */

enum phase { PHASE_EVEN, PHASE_ODD, PHASE_NONE };

static struct page_set pages;

/* One computation; what does not change while the vCPUs are at it, and what each has found. */
static struct job {
	uint64_t seed;
	uint64_t stride;
	uint64_t count;
	uint64_t digests[AEROSTAT_VCPUS_MAX];
} job;

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b)
{
	while (b > 0) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* A stride without a common divisor with the count visits every page once; prefer long jumps. */
static uint64_t choose_stride(uint64_t count)
{
	uint64_t stride = count / 8 * 5 + 1;

	while (greatest_common_divisor(stride, count) != 1) {
		stride++;
	}
	return stride;
}

static uint64_t successor(uint64_t index)
{
	return (index + job.stride) % job.count;
}

/* Where a walk is after so many steps. */
static uint64_t index_after(uint64_t steps)
{
	return steps * job.stride % job.count;
}

/* Depends on the order of the steps. */
static uint64_t fold(uint64_t digest, uint64_t sum, uint64_t next)
{
	return (digest << 7 | digest >> 57) * 3 + (sum ^ next << 40);
}

/* This vCPU's share of the pages. */
static void write_cycle(void *unused)
{
	uint64_t first;
	uint64_t end;

	(void)unused;
	vcpu_share(job.count, &first, &end);
	for (uint64_t i = first; i < end; i++) {
		uint64_t *words = page_set_address(&pages, i);

		pattern_fill(words, runtime_mix(job.seed + i));
		words[0] = successor(i);
		if (i % BALLOON_INTERVAL_PAGES == 0) {
			balloon_work();
		}
	}
}

/* What a walk of these steps must find, from arithmetic alone. */
static uint64_t expected_digest(uint64_t first, uint64_t end)
{
	uint64_t digest = 0;
	uint64_t at = index_after(first);

	for (uint64_t i = first; i < end; i++) {
		uint64_t base = runtime_mix(job.seed + at);
		uint64_t next = successor(at);

		digest = fold(digest, pattern_expected_sum(base) - base + next, next);
		at = next;
	}
	return digest;
}

/*
 * This vCPU's share of the steps; follows the links in memory. A wrong link leads to a wrong
 * digest, not out of the set, and that ends the VM.
 */
static void walk_cycle(void *unused)
{
	uint64_t digest = 0;
	uint64_t first;
	uint64_t end;

	(void)unused;
	vcpu_share(job.count, &first, &end);
	for (uint64_t i = first, at = index_after(first); i < end; i++) {
		const uint64_t *words = page_set_address(&pages, at);

		digest = fold(digest, pattern_sum(words), words[0]);
		at = words[0] % job.count;
		if (i % BALLOON_INTERVAL_PAGES == 0) {
			balloon_work();
		}
	}
	if (digest != expected_digest(first, end)) {
		console_print("the digest is 0x%lx, which is wrong\n", digest);
		runtime_exit(GUEST_EXIT_DIGEST);
	}
	job.digests[vcpu_index()] = digest;
}

/* One computation over `need` pages, from nothing to nothing. */
static int compute(uint64_t seed, uint64_t need, uint64_t *digest)
{
	job = (struct job){.seed = seed, .stride = choose_stride(need), .count = need};
	if (!page_set_grow(&pages, need)) {
		console_print("no memory: %lu pages wanted, %lu had\n", need, pages.count);
		return GUEST_EXIT_NO_MEMORY;
	}
	if (!vcpu_run_all(write_cycle, NULL) || !vcpu_run_all(walk_cycle, NULL)) {
		return GUEST_EXIT_INTERFACE;
	}
	page_set_shrink(&pages, 0);
	for (unsigned i = 0; i < vcpu_count(); i++) {
		*digest += job.digests[i];
	}
	return GUEST_EXIT_SUCCESS;
}

/* In which slots it computes: those of one phase, or those whose bit is set. */
static bool is_own_slot(uint64_t slot, enum phase phase, uint64_t slots)
{
	if (phase != PHASE_NONE) {
		return slot % 2 == phase;
	}
	return slot < SLOTS && (slots >> slot & 1) != 0;
}

/*
 * Sleeps to the next start of a slot of its own. Slots count from TSC 0, for all VMs alike. False:
 * there is none any more.
 */
static bool wait_for_slot(enum phase phase, uint64_t slots, uint64_t slot_ms)
{
	uint64_t slot_ticks = slot_ms * runtime_tsc_khz;
	uint64_t slot = cpu_read_tsc() / slot_ticks + 1;

	while (!is_own_slot(slot, phase, slots)) {
		if (phase == PHASE_NONE && slot >= SLOTS) {
			return false;
		}
		slot++;
	}
	wait_until(slot * slot_ticks);
	return true;
}

int guest_main(const struct guest_arguments *arguments)
{
	static const char *const phase_words[] = {"even", "odd", NULL};
	uint64_t need = 0;
	uint64_t rounds = 1;
	uint64_t phase = PHASE_NONE;
	uint64_t slots = 0;
	uint64_t slot_ms = 500;
	uint64_t after_ms = 0;
	uint64_t linger_ms = 0;
	uint64_t digest = 0;
	const struct argument known[] = {
		{"need", ARGUMENT_SIZE, true, &need, NULL},
		{"rounds", ARGUMENT_COUNT, false, &rounds, NULL},
		{"after", ARGUMENT_COUNT, false, &after_ms, NULL},
		{"phase", ARGUMENT_WORD, false, &phase, phase_words},
		{"slots", ARGUMENT_COUNT, false, &slots, NULL},
		{"slot", ARGUMENT_COUNT, false, &slot_ms, NULL},
		{"linger", ARGUMENT_COUNT, false, &linger_ms, NULL},
	};

	if (!arguments_parse(arguments->text, known, sizeof(known) / sizeof(known[0]))) {
		return GUEST_EXIT_ARGUMENTS;
	}
	if (slot_ms == 0) {
		console_print("slot= is zero\n");
		return GUEST_EXIT_ARGUMENTS;
	}
	if (!balloon_attach()) {
		return GUEST_EXIT_INTERFACE;
	}
	console_print("needs %lu pages\n", need);
	wait_until(cpu_read_tsc() + after_ms * runtime_tsc_khz);
	for (uint64_t round = 0; round < rounds; round++) {
		int code;

		if ((phase != PHASE_NONE || slots != 0) &&
		    !wait_for_slot((enum phase)phase, slots, slot_ms)) {
			console_print("slots= has no slot for round %lu\n", round);
			return GUEST_EXIT_ARGUMENTS;
		}
		code = compute(runtime_mix(arguments->seed + round), need, &digest);
		if (code != GUEST_EXIT_SUCCESS) {
			return code;
		}
	}
	wait_until(cpu_read_tsc() + linger_ms * runtime_tsc_khz);
	runtime_set_digest(digest);
	console_print("computed %lu times, digest 0x%lx\n", rounds, digest);
	return GUEST_EXIT_SUCCESS;
}
