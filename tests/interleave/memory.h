/* SPDX-License-Identifier: BSD-2-Clause */
/* Accesses to memory, one by one, and the stores that are on their way. Internal to
 * tests/interleave. */
#ifndef INTERLEAVE_MEMORY_H
#define INTERLEAVE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "interleave/interleave.h"

enum atomic_kind {
	ATOMIC_LOAD,
	ATOMIC_STORE,
	ATOMIC_EXCHANGE,
	ATOMIC_ADD,
	ATOMIC_SUB,
	ATOMIC_AND,
	ATOMIC_OR,
	ATOMIC_XOR,
	ATOMIC_COMPARE,
};

struct atomic {
	enum atomic_kind kind;
	int order; /* __ATOMIC_* */
	unsigned bytes;
	uint64_t operand;
	uint64_t expected; /* ATOMIC_COMPARE */
	const void *from;  /* return address */
};

/* Forgets who shares what; before a scenario. */
void memory_scenario_begin(void);

/* Before each schedule; `stores_wait`: with store buffers. */
void memory_begin(unsigned cpus, bool stores_wait, bool locks_are_code);

/* All stores arrive. Then, once it has been judged, everything is as at the beginning. */
void memory_settle_all(void);
void memory_undo(void);

/* A word was found to be shared that was not known to be. */
extern bool memory_learned;

void memory_plain(uintptr_t at, size_t bytes, bool write, const void *from);
/* Answers the value before. */
uint64_t memory_atomic(uintptr_t at, struct atomic atomic);
void memory_fence(int order);

/* Is the lock whose two words are at `serving` and `next` free, as far as this CPU can know? */
bool memory_lock_is_free(uintptr_t serving, uintptr_t next);
/* Takes note that they are a lock's; other CPUs use it too. */
bool memory_lock_is_shared(uintptr_t serving, uintptr_t next);

#endif
