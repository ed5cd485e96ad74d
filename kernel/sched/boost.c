/* SPDX-License-Identifier: BSD-2-Clause */
/* See boost.h. Only the boot CPU adds to a budget; all CPUs take from it. */
#include "kernel/sched/boost.h"

#include "base/bits.h"
#include "base/time.h"
#include "arch/arch.h"

#define SLICE_MICROS_MIN 100 /* shorter ones would be spent on coming and going */

static int64_t ms(uint64_t count)
{
	return (int64_t)ticks_from_ms(count);
}

void boost_init(struct vm *vm)
{
	vm->boost.wanted = false;
	vm->boost.left_ticks = ms(tunables.boost_most_ms);
}

void boost_fill(struct vm *vm, uint64_t ticks)
{
	int64_t left = __atomic_load_n(&vm->boost.left_ticks, __ATOMIC_RELAXED);
	int64_t room = ms(tunables.boost_most_ms) - left;
	int64_t more = (int64_t)(ticks * tunables.boost_percent / 100);
	if (room > 0) {
		__atomic_fetch_add(&vm->boost.left_ticks, more < room ? more : room,
				   __ATOMIC_RELAXED);
	}
}

void boost_want(struct vm *vm, bool wanted)
{
	__atomic_store_n(&vm->boost.wanted, wanted, __ATOMIC_SEQ_CST);
}

void boost_charge(struct vm *vm, uint64_t ticks)
{
	int64_t most = ms(BOOST_CHARGE_MS);
	int64_t price = ticks > (uint64_t)most ? most : (int64_t)ticks;
	__atomic_fetch_sub(&vm->boost.left_ticks, price, __ATOMIC_RELAXED);
}

uint64_t boost_slice(const struct vm *vm, uint64_t most)
{
	int64_t left = __atomic_load_n(&vm->boost.left_ticks, __ATOMIC_RELAXED);
	uint64_t least = ticks_from_us(SLICE_MICROS_MIN);
	uint64_t slice = left > 0 ? (uint64_t)left : 0;
	return min_u64(max_u64(slice, least), most);
}
