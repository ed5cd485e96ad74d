/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a harness says to CBMC. A harness is a function without arguments that makes its input,
 * says what is assumed of it, calls the real code and says what must hold then: for every input,
 * not for some. Comments in front of harnesses are read by tests/proofs/run (see there).
 */
#ifndef TESTS_PROOFS_PROOF_H
#define TESTS_PROOFS_PROOF_H

#include "base/string.h"
#include "base/types.h"

void __CPROVER_assume(_Bool condition);
void __CPROVER_assert(_Bool condition, const char *text);
void __CPROVER_havoc_object(void *object);

/* Set where a panic is one of the right answers; never otherwise. */
extern bool may_panic;

#define ASSUME(condition) __CPROVER_assume(condition)
#define PROVE(condition) __CPROVER_assert((condition), #condition)

/* CBMC lets functions of such names return anything. */
uint8_t nondet_u8(void);
uint16_t nondet_u16(void);
uint32_t nondet_u32(void);
uint64_t nondet_u64(void);
bool nondet_bool(void);

#define any_u8() nondet_u8()
#define any_u16() nondet_u16()
#define any_u32() nondet_u32()
#define any_u64() nondet_u64()
#define any_bool() nondet_bool()

static inline uint64_t any_below(uint64_t limit)
{
	uint64_t value = any_u64();
	ASSUME(value < limit);
	return value;
}

/* Any contents; of a variable as a whole. */
#define HAVOC(object) __CPROVER_havoc_object(&(object))

#endif
