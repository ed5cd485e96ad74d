/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole of kernel/ and mm/ below an exit, driven by hostile guests: several VMs, arbitrary
 * registers, arbitrary ranges in guest memory, touches, a second CPU that interferes in the middle
 * of a call, failed allocations, kills. After every step the audit must be clean, no VM may see a
 * word of another's, every page that was not given away must hold what its guest wrote, and the
 * answers must be true. The input is a list of steps; each is one byte and its arguments.
 */
#include "fuzz.h"

#include "contents.h"
#include "fake/world.h"
#include "guest.h"
#include "machine.h"

#include "base/bits.h"
#include "kernel/balloon/balloon.h"
#include "kernel/overcommit/governor.h"
#include "kernel/exit/hypercall.h"
#include "kernel/sched/scheduler.h"
#include "kernel/lifecycle/end.h"
#include "mm/alloc.h"
#include "mm/guest_copy.h"
#include "mm/phys.h"
#include "mm/reclaim.h"

const char fuzz_name[] = "hypercall";

#define STEPS_MAX 64
#define VMS_LIMIT 6
#define RANGES_LIMIT 8

static struct fuzz_input input;

static uint64_t take(unsigned bytes)
{
	return fuzz_take(&input, bytes);
}

static void start_one_vm(void)
{
	static const char *const touches[] = {"zero", "zero", "fault", "stop"};
	static const char *const cpus[] = {"0-1", "0", "1", "1,5"};
	static const unsigned sizes[] = {16, 40, 600, 1100, 1100, 1600, 2100, 262144 + 600};
	char text[128];
	uint64_t shape = take(2);
	unsigned max = sizes[shape & 7];
	unsigned mem = (unsigned)(max * (1 + (shape >> 3 & 3)) / 4);
	unsigned min = (unsigned)(mem * (shape >> 5 & 3) / 4 % 400);
	if (vm_count >= VMS_LIMIT) {
		return;
	}
	snprintf(text, sizeof(text),
		 "name=vm%u mem=%uK min=%uK max=%uK on-touch=%s vcpus=%u cpu=%s -- args", vm_count,
		 mem * 4, min * 4, max * 4, touches[shape >> 8 & 3],
		 1 + (unsigned)(shape >> 10 & 1), cpus[shape >> 11 & 3]);
	struct vm *vm = machine_start_vm(text);
	if (vm != NULL) {
		contents_share(vm, MACHINE_IMAGE_GFN);
		contents_share(vm, MACHINE_START_INFO_GFN);
	}
}

static bool is_balloon_page(const struct vm *vm, uint64_t gfn)
{
	return vm->balloon.attached && vm->balloon.page_gfn.n == gfn;
}

static void touch_pages(struct vm *vm, unsigned cpu, bool write)
{
	uint64_t gfn = take(3) % vm->s2.limit_pages;
	uint64_t count = (take(1) & 15) + 1;
	for (; count > 0 && gfn < vm->s2.limit_pages; count--, gfn++) {
		uint64_t *page = guest_touch(vm, cpu, gfn);
		if (page != NULL && write && !is_balloon_page(vm, gfn)) {
			contents_write(vm, gfn, page);
		}
	}
}

/* A page that hypervisor and guest both write; the guest's words are harmless ones. */
static uint64_t *touch_shared(struct vm *vm, uint64_t gfn)
{
	uint64_t *page = guest_touch(vm, 0, gfn);
	if (page != NULL) {
		contents_share(vm, gfn);
	}
	return page;
}

static uint64_t take_value(const struct vm *vm)
{
	uint64_t kind = take(1);
	switch (kind & 7) {
	case 0:
		return 0;
	case 1:
		return take(1);
	case 2:
		return take(3) % vm->s2.limit_pages;
	case 3: /* an address in RAM */
		return (take(3) % vm->s2.limit_pages) << PAGE_SHIFT | (take(2) & 0xff8);
	case 4:
		return vm->s2.limit_pages + (kind >> 3) - 16;
	case 5:
		return (vm->s2.limit_pages << PAGE_SHIFT) + (kind >> 3) - 16;
	case 6:
		return UINT64_MAX >> (kind >> 3) * 2;
	default:
		return contents_harmless(take(8));
	}
}

static void raw_call(struct vm *vm)
{
	uint64_t number = take(1);
	bool privileged = (number & 0x80) == 0;
	uint64_t rdi = take_value(vm);
	uint64_t rsi = take_value(vm);
	guest_set_registers(number & 0x7f, rdi, rsi);
	if (number & 0x40) {
		guest_vcpu->regs[GPR_RAX] = number & 0xf;
		guest_vcpu->regs[GPR_RDX] = take_value(vm);
		guest_vcpu->regs[GPR_R10] = take_value(vm);
	}
	guest_note_ranges(vm, guest_vcpu->regs[GPR_RAX], rdi, rsi);
	(void)guest_call(privileged);
	if (vm->state == VM_RUNNING) {
		guest_share_written(vm);
	}
	guest_check();
}

static void attach(struct vm *vm)
{
	guest_set_registers(AEROSTAT_CALL_BALLOON_ATTACH, take(2) % vm->s2.limit_pages, take(1));
	if (guest_call(true) == EXIT_ADVANCE && vm->balloon.attached) {
		contents_share(vm, vm->balloon.page_gfn.n);
	}
	guest_check();
}

static struct aerostat_range take_range(const struct vm *vm)
{
	static const uint8_t orders[] = {0, 0, 0, 9, 9, 9, 18, 1};
	struct aerostat_range range = {0};
	uint64_t how = take(1);
	range.order = orders[how & 7];
	range.gfn = take(2);
	range.gfn = (how & 8 ? range.gfn : range.gfn << range.order) % vm->s2.limit_pages;
	range.count = (uint32_t)take(1) << (how & 0x10 ? 3 : 0);
	if ((how >> 5) == 7) { /* one of the fields is anything at all */
		uint64_t which = take(1);
		uint64_t value = contents_harmless(take(8));
		range.gfn = which & 1 ? value : range.gfn;
		range.count = which & 2 ? (uint32_t)value : range.count;
		range.order = which & 4 ? (uint8_t)value : range.order;
		range.done = which & 8 ? (uint32_t)value : range.done;
		range.reserved = which & 16 ? (uint16_t)value : range.reserved;
		range.flags = which & 32 ? (uint32_t)value : range.flags;
		range.status = which & 64 ? (uint8_t)value : range.status;
	}
	return range;
}

/* One call on ranges that lie in guest memory, continued while it answers early. */
static void ranges_call(struct vm *vm, bool meddling)
{
	uint64_t how = take(1);
	uint64_t number = AEROSTAT_CALL_BALLOON_SURRENDER + (how & 3);
	unsigned count = (unsigned)(how >> 2 & 7) + 1;
	uint64_t gfn = take(2) % vm->s2.limit_pages;
	uint64_t *page = touch_shared(vm, gfn);
	if (page == NULL || is_balloon_page(vm, gfn)) {
		return;
	}
	struct aerostat_range *ranges = (struct aerostat_range *)page + (how >> 5) * RANGES_LIMIT;
	for (unsigned i = 0; i < count; i++) {
		ranges[i] = take_range(vm);
	}
	uint64_t address = (gfn << PAGE_SHIFT) + (uint64_t)((uint8_t *)ranges - (uint8_t *)page);
	unsigned first = 0;
	for (unsigned calls = 0; first < count && calls < 8; calls++) {
		uint64_t at = address + first * sizeof(struct aerostat_range);
		guest_note_ranges(vm, number, at, count - first);
		guest_meddle(meddling ? vm : NULL, gfn);
		guest_set_registers(number, at, count - first);
		(void)guest_call(true);
		guest_meddle(NULL, 0);
		guest_check_answers(vm, at, count - first);
		guest_check();
		if ((int64_t)guest_vcpu->regs[GPR_RAX] < 0) {
			break;
		}
		first += (unsigned)guest_vcpu->regs[GPR_RAX];
	}
}

static void lie_in_statistics(struct vm *vm)
{
	struct balloon_statistics statistics;
	if (vm->balloon.attached) {
		uint64_t *page = (uint64_t *)vm->balloon.page;
		for (unsigned i = 0; i < 4; i++) {
			page[take(1) % 16] = take_value(vm);
		}
	}
	statistics = balloon_read_statistics(vm);
	FUZZ_CHECK(vm->balloon.attached || statistics.total_pages + statistics.free_pages == 0);
	FUZZ_CHECK(statistics.free_pages <= vm->s2.limit_pages);
	FUZZ_CHECK(statistics.idle_pages <= statistics.free_pages);
	FUZZ_CHECK(statistics.wanted_pages <= vm->s2.limit_pages);
}

static void join(struct vm *vm)
{
	gfn_t gfn = {take(2) % vm->s2.limit_pages};
	struct s2_locked locked = s2_lock(&vm->s2);
	enum status status = s2_merge(locked, gfn);
	FUZZ_CHECK(status == STATUS_OK || status == STATUS_NOT_FOUND || status == STATUS_NO_MEMORY);
	reclaim_flush(locked);
	s2_unlock(locked);
}

static void step_of_host(unsigned what)
{
	static const unsigned orders[] = {ORDER_4K, ORDER_2M, ORDER_1G, 3};
	switch (what) {
	case 0:
		(void)scrub_step(orders[take(1) & 3]);
		break;
	case 1:
		fake_tsc += take(2) << 8;
		governor_poll(fake_tsc);
		break;
	case 2:
		for (unsigned i = 0; i < vm_count; i++) {
			if (vm_is_over(&vms[i])) {
				FUZZ_CHECK(scheduler_retire(&vms[i]));
				(void)vm_teardown_step(&vms[i]);
			}
		}
		break;
	case 3:
		start_one_vm();
		break;
	default:
		frame_alloc_fail_at = take(1) & 15;
		return;
	}
}

static void step_of_guest(struct vm *vm, unsigned what, unsigned cpu)
{
	switch (what) {
	case 0:
		raw_call(vm);
		break;
	case 1:
	case 2:
	case 3:
		ranges_call(vm, what == 3);
		break;
	case 4:
		attach(vm);
		break;
	case 5:
	case 6:
		touch_pages(vm, cpu, what == 5);
		break;
	case 7:
		lie_in_statistics(vm);
		break;
	case 8:
		join(vm);
		break;
	default:
		vm_kill(vm, "killed by the test");
		break;
	}
}

static void one_step(void)
{
	unsigned code = (unsigned)take(1);
	unsigned what = code & 15;
	guest_forget_call();
	if (what < 5) {
		step_of_host(what);
	} else if (vm_count > 0) {
		struct vm *vm = &vms[(code >> 4 & 3) % vm_count];
		if (vm->state == VM_RUNNING) {
			/* Each of two vCPUs on a CPU of its own, or the first on either. */
			guest_act(vm, vm->config.vcpus == 2 ? code >> 6 & 1 : 0);
			step_of_guest(vm, what - 5, code >> 6 & 1);
			guest_act(NULL, 0);
			frame_alloc_fail_at = 0;
		}
	}
	guest_check();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const unsigned frames[] = {900, 1700, 2700, 4400};
	input = (struct fuzz_input){data, bytes};
	uint64_t shape = take(1);
	contents_reset();
	machine_start(frames[shape & 3], (unsigned)(shape >> 2 & 3) % 3);
	for (uint64_t i = 0; i < (shape >> 4 & 3) + 1; i++) {
		start_one_vm();
	}
	for (unsigned steps = 0; input.bytes > 0 && steps < STEPS_MAX; steps++) {
		one_step();
	}
	machine_stop();
	return 0;
}
