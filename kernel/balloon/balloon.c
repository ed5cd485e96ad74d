/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The balloon core: attaching, targets, statistics and touches; see balloon.h. Surrender and return
 * are in ranges.c. Mechanism only: kernel/overcommit/policy.c decides which VM gives.
 */
#include "kernel/balloon/balloon.h"

#include "base/bits.h"
#include "arch/arch.h"
#include "kernel/sched/clock.h"
#include "kernel/balloon/admission.h"
#include "kernel/lib/tunables.h"
#include "kernel/lifecycle/end.h"
#include "kernel/sched/wake.h"
#include "kernel/vm/platform.h"
#include "mm/phys.h"
#include "mm/reclaim.h"

static void begin(struct balloon *balloon, uint64_t ballooned_pages)
{
	balloon->attached = true;
	balloon->page->magic = AEROSTAT_BALLOON_MAGIC;
	balloon->page->version = AEROSTAT_ABI_VERSION;
	balloon->page->doorbells = 0;
	balloon->page->target_tsc = 0;
	balloon->page->pressure = AEROSTAT_PRESSURE_NONE;
	balloon->page->target_pages = balloon->target_pages;
	balloon->page->size_pages = ballooned_pages;
}

bool balloon_may_populate(struct s2_locked locked, const struct vm *vm, gfn_t gfn)
{
	if (gfn.n >= vm->s2.limit_pages) {
		return true;
	}
	return admission_allows_fill(vm) || s2_lookup(locked, gfn).kind != S2_EMPTY;
}

static enum status pin(struct s2_locked locked, const struct vm *vm, gfn_t gfn, pfn_t *pfn)
{
	if (!balloon_may_populate(locked, vm, gfn)) {
		return STATUS_NO_MEMORY;
	}
	return s2_pin(locked, gfn, pfn);
}

enum status balloon_attach(struct vcpu *vcpu, gfn_t gfn, uint8_t vector)
{
	struct vm *vm = vcpu->vm;
	pfn_t pfn;
	struct s2_locked locked = s2_lock(&vm->s2);
	enum status status = vm->balloon.attached ? STATUS_EXISTS : pin(locked, vm, gfn, &pfn);
	if (status == STATUS_OK) {
		vm->balloon.page = pfn_to_virt(pfn);
		vm->balloon.page_gfn = gfn;
		begin(&vm->balloon, vm->s2.ballooned_pages);
		/* Under the lock: the first change of the target is to ring it. */
		vcpu_set_doorbell(vcpu, vector);
		vcpu->doorbell_attached = true;
	}
	s2_unlock(locked);
	return status;
}

enum status balloon_attach_device(struct vm *vm, struct aerostat_balloon_page *page)
{
	struct s2_locked locked = s2_lock(&vm->s2);
	enum status status = vm->balloon.attached ? STATUS_EXISTS : STATUS_OK;
	if (status == STATUS_OK) {
		vm->balloon.page = page;
		vm->balloon.by_device = true;
		begin(&vm->balloon, vm->s2.ballooned_pages);
	}
	s2_unlock(locked);
	return status;
}

void balloon_detach_device(struct vm *vm)
{
	struct balloon *balloon = &vm->balloon;
	struct s2_locked locked = s2_lock(&vm->s2);
	if (balloon->attached && balloon->by_device) {
		balloon->attached = false;
		balloon->by_device = false;
		balloon->page = NULL;
		balloon->target_pages = 0;
	}
	s2_unlock(locked);
}

enum status balloon_detach(struct vcpu *vcpu)
{
	struct balloon *balloon = &vcpu->vm->balloon;
	enum status status = STATUS_NOT_FOUND;
	struct s2_locked locked = s2_lock(&vcpu->vm->s2);
	if (balloon->attached && !balloon->by_device) {
		s2_unpin(locked, balloon->page_gfn);
		balloon->attached = false;
		balloon->page = NULL;
		balloon->target_pages = 0;
		status = STATUS_OK;
	}
	s2_unlock(locked);
	if (status == STATUS_OK && vcpu->doorbell_attached) {
		vcpu_set_doorbell(vcpu, 0);
	}
	return status;
}

void balloon_publish_size(struct vm *vm)
{
	uint64_t size = vm->s2.ballooned_pages;
	vm->balloon.size_peak_pages = max_u64(vm->balloon.size_peak_pages, size);
	if (vm->balloon.attached) {
		__atomic_store_n(&vm->balloon.page->size_pages, size, __ATOMIC_RELEASE);
	}
}

static enum exit_action inject_protection_fault(struct vcpu *vcpu)
{
	vcpu->inject.vector = 13; /* #GP: what a bus that answers with an abort looks like */
	vcpu->inject.has_error = true;
	vcpu->inject.error = 0;
	return EXIT_INJECT;
}

/* The guest gets nothing now: it waits until there is a frame. The governor hears of it at once. */
static enum exit_action wait_for_frame(struct vcpu *vcpu, gfn_t gfn)
{
	uint64_t ran = __atomic_load_n(&vcpu->granted_ran_ticks, __ATOMIC_RELAXED);
	/*
	 * Others took what it was told of, though it came as soon as it had a CPU: it waits still,
	 * not again.
	 */
	if (vcpu->fault_count != vcpu->retry_fault ||
	    sub_floor_u64(vcpu->ran_ticks, ran) > admission_hold_ticks()) {
		vcpu->blocked_since_tsc = clock_now();
	}
	vcpu->retry_fault = vcpu->fault_count + 1;
	__atomic_store_n(&vcpu->granted, false, __ATOMIC_RELAXED);
	__atomic_store_n(&vcpu->wait, WAIT_MEMORY, __ATOMIC_SEQ_CST);
	trace_note(TRACE_wait, vcpu_trace_who(vcpu), gfn.n, 0);
	admission_note_waiter();
	return EXIT_BLOCK;
}

/* What it had waited for is there. The VM's lock is held. */
static void note_wait(const struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	uint64_t waited = sub_floor_u64(clock_now(), vcpu->blocked_since_tsc);
	vm->wait_peak_ticks = max_u64(vm->wait_peak_ticks, waited);
	trace_note(TRACE_waited, vcpu_trace_who(vcpu), waited, 0);
}

/* A surrendered page was touched, and the configuration does not say `zero`. */
static enum exit_action answer_touch(struct vcpu *vcpu)
{
	if (vcpu->vm->config.on_touch == ON_TOUCH_FAULT) {
		return inject_protection_fault(vcpu);
	}
	vm_kill(vcpu->vm, "it touched a page that it had surrendered (on-touch=stop)");
	return EXIT_KILL;
}

/* So many freed frames repay one of the reserve. A device's driver gives it back as it is. */
static uint64_t reserve_price(const struct balloon *balloon)
{
	return balloon->by_device ? 1 : tunables.driver_reserve_price;
}

/* What it may owe the reserve. */
static uint64_t reserve_debt_most(const struct balloon *balloon, bool asked)
{
	uint64_t pages = balloon->by_device && asked ? max_u64(tunables.device_reserve_pages,
							       tunables.driver_reserve_pages)
						     : tunables.driver_reserve_pages;
	return pages * reserve_price(balloon);
}

/*
 * The VM is asked to give, or will be if it goes on, for it has less than its allotment: perhaps
 * its driver needs a frame to be able to give (for metadata or a stack). A few come from the
 * emergency reserve: without them a driver and the VMs that wait for its memory could wait for each
 * other. Each must be repaid by several freed frames (driver_debt_pages), so that a VM cannot drain
 * the reserve by freeing and faulting in turn.
 *
 * The driver of another hypervisor takes whole batches of pages before it gives the first, and a
 * kernel may clear them all, though it has never touched them. While it is asked it may have 2 MiB,
 * once: they come back with the batch. So may one that is not asked, but holds more than its
 * allotment while others wait: it is asked as soon as it goes on.
 */
bool balloon_may_use_reserve(const struct vm *vm)
{
	const struct balloon *balloon = &vm->balloon;
	bool needed = balloon->by_device && !balloon->unresponsive &&
		      __atomic_load_n(&balloon->needed, __ATOMIC_RELAXED) &&
		      vm->s2.mapped_pages > vm->config.mem_pages;
	bool asked =
		max_u64(balloon->target_pages, balloon->under_way_pages) > vm->s2.ballooned_pages;
	bool entitled = vm->s2.mapped_pages < vm->config.mem_pages;
	uint64_t debt = balloon->driver_debt_pages + reserve_price(balloon);
	return balloon->attached && (asked || needed || entitled) &&
	       debt <= reserve_debt_most(balloon, asked || needed);
}

/*
 * There is no frame for what the VM touches but in the reserve; perhaps it needs none: another vCPU
 * was faster, or a touch of the balloon is an error.
 */
static enum status touch_for_driver(struct s2_locked locked, struct vm *vm, gfn_t gfn,
				    enum s2_kind *was, uint64_t *pages)
{
	bool zero = vm->config.on_touch == ON_TOUCH_ZERO;
	bool may_fill = balloon_may_use_reserve(vm);
	if (!may_fill) {
		*was = s2_lookup(locked, gfn).kind;
		if (*was == S2_EMPTY || (*was == S2_BALLOONED && zero)) {
			return STATUS_NO_MEMORY;
		}
	}
	vm->s2.promise.emergency = may_fill;
	enum status status = s2_fault(locked, gfn, ORDER_4K, zero, was, pages);
	vm->s2.promise.emergency = false;
	vm->balloon.driver_debt_pages += *pages * reserve_price(&vm->balloon);
	return status;
}

enum exit_action demand_fault(struct vcpu *vcpu, gfn_t gfn)
{
	struct vm *vm = vcpu->vm;
	enum s2_kind was;
	uint64_t pages;
	enum status status = STATUS_NO_MEMORY;
	struct s2_locked locked = s2_lock(&vm->s2);
	if (admission_allows_fill(vm)) {
		status = s2_fault(locked, gfn, admission_fill_order(vm),
				  vm->config.on_touch == ON_TOUCH_ZERO, &was, &pages);
	}
	if (__builtin_expect(status == STATUS_NO_MEMORY, 0)) {
		status = touch_for_driver(locked, vm, gfn, &was, &pages);
	}
	if (__builtin_expect(vcpu->fault_count == vcpu->retry_fault, 0) && status == STATUS_OK) {
		note_wait(vcpu);
	}
	if (status == STATUS_OK && was == S2_BALLOONED) {
		vm->balloon.touched_pages += pages;
		balloon_publish_size(vm);
	}
	s2_unlock(locked);
	if (status == STATUS_SURRENDERED) {
		return answer_touch(vcpu);
	}
	if (status == STATUS_NO_MEMORY) {
		return wait_for_frame(vcpu, gfn);
	}
	CHECK(status == STATUS_OK);
	if (trace_is_on(TRACE_fault)) {
		trace_note(TRACE_fault, vcpu_trace_who(vcpu), gfn.n,
			   pages | (was == S2_BALLOONED ? TRACE_FAULT_SURRENDERED : 0));
	}
	if (pages > 1) {
		admission_filled_large(pages);
	}
	return EXIT_RESUME;
}

/* Writes the page; true: the target has changed. */
static bool publish_target(struct vm *vm, uint64_t target_pages, uint32_t pressure)
{
	struct balloon *balloon = &vm->balloon;
	if (!balloon->attached) {
		return false;
	}
	__atomic_store_n(&balloon->page->pressure, pressure, __ATOMIC_RELEASE);
	if (balloon->target_pages == target_pages) {
		return false;
	}
	balloon->target_pages = target_pages;
	balloon->target_peak_pages = max_u64(balloon->target_peak_pages, target_pages);
	balloon->page->doorbells++;
	balloon->page->target_tsc = arch_tsc();
	__atomic_store_n(&balloon->page->target_pages, target_pages, __ATOMIC_RELEASE);
	return true;
}

void balloon_set_target(struct vm *vm, uint64_t target_pages, uint32_t pressure)
{
	struct s2_locked locked = s2_lock(&vm->s2);
	bool changed = publish_target(vm, target_pages, pressure);
	bool by_device = vm->balloon.by_device;
	s2_unlock(locked);
	if (changed && by_device) {
		platform_balloon_changed(vm);
		return;
	}
	for (unsigned i = 0; changed && i < vm->config.vcpus; i++) {
		vcpu_signal(&vm->vcpus[i]);
	}
}

static struct balloon_statistics read_page(const struct aerostat_balloon_page *page,
					   uint64_t max_pages)
{
	struct balloon_statistics statistics;
	/* Each field is read exactly once: the guest may rewrite it at any time. */
	statistics.total_pages =
		min_u64(__atomic_load_n(&page->total_pages, __ATOMIC_RELAXED), max_pages);
	statistics.free_pages =
		min_u64(__atomic_load_n(&page->free_pages, __ATOMIC_RELAXED), max_pages);
	statistics.idle_pages = min_u64(__atomic_load_n(&page->idle_pages, __ATOMIC_RELAXED),
					statistics.free_pages);
	statistics.wanted_pages =
		min_u64(__atomic_load_n(&page->wanted_pages, __ATOMIC_RELAXED), max_pages);
	statistics.refault_count = __atomic_load_n(&page->refault_count, __ATOMIC_RELAXED);
	return statistics;
}

struct balloon_statistics balloon_read_statistics(struct vm *vm)
{
	struct balloon_statistics statistics = {0};
	struct s2_locked locked = s2_lock(&vm->s2);
	if (vm->balloon.page != NULL) {
		statistics = read_page(vm->balloon.page, vm->s2.limit_pages);
	}
	s2_unlock(locked);
	return statistics;
}
