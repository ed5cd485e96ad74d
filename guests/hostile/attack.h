/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the attacks share: pages that are not needed (the pool), calls over ranges, and complaints.
 * Attacks go past the library's allocator and balloon driver.
 */
#ifndef GUESTS_HOSTILE_ATTACK_H
#define GUESTS_HOSTILE_ATTACK_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/aerostat.h"
#include "guests/lib/exit_codes.h"

#define EXTENT_PAGES 512
#define ORDER_2M 9
#define ORDER_1G 18

struct attack_arguments {
	uint64_t ms;	 /* how long, where an attack has no natural end */
	uint64_t rounds; /* how often, where it has rounds */
	uint64_t calls;	 /* random: how many */
	uint64_t seed;
	bool vital; /* random: its own code, tables and stack are fair game */
};

/* The pool: [first, first + pages), first is a multiple of 512; RAM ends there. */
extern uint64_t pool_first;
extern uint64_t pool_pages;

/* AEROSTAT_RANGES_MAX of them, in a page of their own. */
extern struct aerostat_range *const ranges;

/* Finds the pool; call once, first. False: RAM is too small. */
bool attack_init(void);

/* Attaches the balloon page of this file, with the doorbell. */
bool attack_attach(void);
volatile struct aerostat_balloon_page *attack_balloon_page(void);
uint64_t attack_balloon_gfn(void);

static inline void *page_address(uint64_t gfn)
{
	return (void *)(gfn * 4096);
}

void range_set(unsigned index, uint64_t gfn, unsigned order, uint64_t count);

/* Issues ranges[0, count) until none is PENDING. False: an error, with a line. */
bool issue(uint64_t call, unsigned count);

/* One range, which must become OK. */
bool move(uint64_t call, uint64_t gfn, unsigned order, uint64_t count);

/* False after a line that says what was expected. */
bool expect(const char *what, uint64_t found, uint64_t expected);
bool expect_range(const char *what, unsigned index, uint8_t status, uint64_t done);

bool page_is_zero(uint64_t gfn);

/* The next of a sequence of random numbers. */
uint64_t random_next(uint64_t *state);

/* The attacks, named as in the list of classes: answers are exit codes. */
int play_h1(const struct attack_arguments *arguments);
int play_h2(const struct attack_arguments *arguments);
int play_h2_tables(const struct attack_arguments *arguments);
int play_h2_idt(const struct attack_arguments *arguments);
int play_h2_stack(const struct attack_arguments *arguments);
int play_h2_code(const struct attack_arguments *arguments);
int play_h2_beyond(const struct attack_arguments *arguments);
int play_h5(const struct attack_arguments *arguments);
int play_h6(const struct attack_arguments *arguments);
int play_h7(const struct attack_arguments *arguments);
int play_h7_busy(const struct attack_arguments *arguments);
int play_h7_churn(const struct attack_arguments *arguments);
int play_h8(const struct attack_arguments *arguments);
int play_h9(const struct attack_arguments *arguments);
int play_h10_before(const struct attack_arguments *arguments);
int play_h10_after(const struct attack_arguments *arguments);
int play_h10_exit(const struct attack_arguments *arguments);
int play_h11(const struct attack_arguments *arguments);
int play_h11_clock(const struct attack_arguments *arguments);
int play_h12(const struct attack_arguments *arguments);
int play_h12_search(const struct attack_arguments *arguments);
int play_h12_cr3(const struct attack_arguments *arguments);
int play_report(const struct attack_arguments *arguments);
int play_emergency(const struct attack_arguments *arguments);
int play_devices(const struct attack_arguments *arguments);
int play_random(const struct attack_arguments *arguments);

#endif
