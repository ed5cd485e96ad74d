/* SPDX-License-Identifier: BSD-2-Clause */
/* See policy.h. */
#include "fake/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bits.h"

struct policy_vm policy_typical(void)
{
	return (struct policy_vm){
		.min_pages = 1000,
		.mem_pages = 8000,
		.max_pages = 10000,
		.held_pages = 8000,
		.free_pages = 4000,
		.idle_pages = 4000,
		.shares = 100,
		.attached = true,
		.new_target_pages = 0x5a5a5a5a5a5a5a5a,
	};
}

uint64_t policy_random;

static uint64_t next_random(void)
{
	policy_random ^= policy_random << 13;
	policy_random ^= policy_random >> 7;
	policy_random ^= policy_random << 17;
	return policy_random;
}

uint64_t policy_draw(uint64_t limit)
{
	return next_random() % limit;
}

struct policy_vm policy_random_vm(void)
{
	struct policy_vm vm = {0};
	uint64_t scale = 1ull << (3 + policy_draw(28));
	vm.max_pages = policy_draw(scale) + 1;
	vm.mem_pages = policy_draw(vm.max_pages) + 1;
	vm.min_pages = policy_draw(vm.mem_pages + 1);
	vm.ballooned_pages = policy_draw(3) == 0 ? policy_draw(vm.max_pages + 1) : 0;
	vm.held_pages = policy_draw(vm.max_pages - vm.ballooned_pages + 1);
	vm.target_pages = policy_draw(2) * policy_draw(vm.max_pages - vm.min_pages + 1);
	vm.shares = policy_draw(2) == 0 ? 100 : policy_draw(10000) + 1;
	vm.active_pages = policy_draw(8) == 0 ? UINT64_MAX : policy_draw(vm.held_pages + 1);
	vm.active_known = policy_draw(4) != 0;
	vm.attached = policy_draw(8) != 0;
	vm.unresponsive = policy_draw(8) == 0;
	vm.waiting = policy_draw(8) == 0;
	uint64_t *words[] = {&vm.free_pages, &vm.idle_pages, &vm.wanted_pages};
	for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
		uint64_t kind = policy_draw(8);
		*words[i] = kind == 0	? UINT64_MAX
			    : kind == 1 ? next_random()
					: policy_draw(2 * scale);
	}
	return vm;
}

struct policy_host policy_random_host(void)
{
	struct policy_host host = {.low_pages = policy_draw(1ull << (5 + policy_draw(20)))};
	host.high_pages = host.low_pages * 2;
	host.spare_pages = policy_draw(host.low_pages * 4 + 1);
	host.idle_tax_percent =
		(unsigned)policy_draw(3) * 50; /* 100 is too much, and is taken as 99 */
	return host;
}

void policy_expect_alike(const struct policy_vm *vms, const struct policy_vm *expected,
			 unsigned count, unsigned round)
{
	for (unsigned i = 0; i < count; i++) {
		if (vms[i].new_target_pages != expected[i].new_target_pages ||
		    vms[i].reason != expected[i].reason) {
			fail_msg("round %u, VM %u: %lu pages for the reason %d, not %lu for %d",
				 round, i, vms[i].new_target_pages, (int)vms[i].reason,
				 expected[i].new_target_pages, (int)expected[i].reason);
		}
	}
}
