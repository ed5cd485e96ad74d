/* SPDX-License-Identifier: BSD-2-Clause */
/* See driver.h. */
#include "fake/driver.h"

struct vm *driver_vm;
struct vcpu *driver_vcpu;

void driver_start(void)
{
	kernel_start(5000, 1);
	driver_vm = kernel_vm("vm", DRIVER_PAGES, 2000, 100);
	driver_vcpu = &driver_vm->vcpus[0];
}

struct aerostat_range driver_range(uint64_t gfn, unsigned order, uint32_t count)
{
	return (struct aerostat_range){.gfn = gfn, .order = (uint8_t)order, .count = count};
}

void driver_work_off(enum balloon_operation operation, struct aerostat_range *ranges,
		     unsigned count, uint64_t array)
{
	for (unsigned first = 0, calls = 0; first < count; calls++) {
		first += kernel_ranges(driver_vm, operation, ranges + first, count - first, array);
		world_check();
		assert_int_equal(driver_vm->s2.revoking_pages, 0);
		for (unsigned i = 0; i < count; i++) {
			bool pending = ranges[i].status == AEROSTAT_RANGE_PENDING;
			assert_int_equal(pending, i >= first);
		}
		assert_true(calls < 100);
	}
}

struct aerostat_range driver_surrender(struct aerostat_range r)
{
	driver_work_off(BALLOON_SURRENDER, &r, 1, DRIVER_NO_ARRAY);
	return r;
}

struct aerostat_range driver_return(struct aerostat_range r)
{
	driver_work_off(BALLOON_RETURN, &r, 1, DRIVER_NO_ARRAY);
	return r;
}

struct aerostat_range driver_report(struct aerostat_range r)
{
	driver_work_off(BALLOON_REPORT, &r, 1, DRIVER_NO_ARRAY);
	return r;
}

struct aerostat_range driver_emergency(struct aerostat_range r)
{
	driver_work_off(BALLOON_EMERGENCY, &r, 1, DRIVER_NO_ARRAY);
	return r;
}

void driver_write(uint64_t gfn, uint64_t word)
{
	uint64_t *page = kernel_guest_page(driver_vm, gfn);
	page[0] = word;
	page[511] = word;
}

uint64_t driver_read(uint64_t gfn)
{
	const uint64_t *page = kernel_guest_page(driver_vm, gfn);
	assert_int_equal(page[0], page[511]);
	return page[0];
}
