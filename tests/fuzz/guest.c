/* SPDX-License-Identifier: BSD-2-Clause */
/* See guest.h. */
#include "guest.h"

#include "contents.h"
#include "fake/world.h"
#include "fuzz.h"
#include "machine.h"

#include "base/bits.h"
#include "kernel/balloon/balloon.h"
#include "kernel/exit/hypercall.h"
#include "mm/guest_copy.h"

struct vcpu *guest_vcpu;

/* The call on ranges that is being made, as the guest wrote it. */
static struct aerostat_range asked[AEROSTAT_RANGES_MAX];
static unsigned asked_count;
static uint64_t asked_number;

/* The other CPU while a call runs. */
static struct vm *meddled_vm;
static uint64_t meddled_gfn;

/* Does a range of the last call speak of the page, so that its memory may be gone? */
static bool was_asked_for(uint64_t gfn)
{
	if (asked_number != AEROSTAT_CALL_BALLOON_SURRENDER &&
	    asked_number != AEROSTAT_CALL_BALLOON_REPORT) {
		return false;
	}
	for (unsigned i = 0; i < asked_count; i++) {
		const struct aerostat_range *range = &asked[i];
		if (range->order <= ORDER_1G && gfn >= range->gfn &&
		    (gfn - range->gfn) >> range->order < range->count) {
			return true;
		}
	}
	return false;
}

void guest_check(void)
{
	machine_check();
	for (unsigned i = 0; i < vm_count; i++) {
		if (vms[i].state == VM_RUNNING) {
			contents_check(&vms[i], was_asked_for);
			FUZZ_CHECK(!vms[i].s2.promise.emergency);
			FUZZ_CHECK(vms[i].s2.revoking_pages == 0);
		}
	}
}

void guest_act(struct vm *vm, unsigned index)
{
	if (guest_vcpu != NULL && guest_vcpu->state == VCPU_RUNNING) {
		machine_settle(guest_vcpu);
	}
	guest_vcpu = NULL;
	if (vm != NULL) {
		index = vm->vcpus[index].state == VCPU_OFF ? 0 : index;
		guest_vcpu = &vm->vcpus[index];
		machine_pick(guest_vcpu);
	}
}

/* It left its CPU in the middle of something; next time it will be there again. */
static void leave(struct vcpu *vcpu)
{
	bool over = vcpu->vm->state != VM_RUNNING;
	machine_settle(vcpu);
	FUZZ_CHECK(over == (vcpu->state == VCPU_ENDED));
	if (!over) {
		machine_pick(vcpu);
	}
}

uint64_t *guest_touch(struct vm *vm, unsigned cpu, uint64_t gfn)
{
	for (unsigned tries = 0; vm->state == VM_RUNNING && tries < 2; tries++) {
		uint64_t *page = (uint64_t *)fake_tlb_access(&vm->s2, cpu, (gfn_t){gfn});
		if (page != NULL) {
			contents_check_page(vm, gfn, page);
			return page;
		}
		struct s2_locked locked = s2_lock(&vm->s2);
		enum s2_kind kind = s2_lookup(locked, (gfn_t){gfn}).kind;
		s2_unlock(locked);
		enum exit_action action = demand_fault(guest_vcpu, (gfn_t){gfn});
		guest_check();
		if (action == EXIT_INJECT) {
			FUZZ_CHECK(kind == S2_BALLOONED && vm->config.on_touch == ON_TOUCH_FAULT);
			FUZZ_CHECK(guest_vcpu->inject.vector == 13);
			return NULL;
		}
		if (action == EXIT_KILL) {
			FUZZ_CHECK(kind == S2_BALLOONED && vm->config.on_touch == ON_TOUCH_STOP);
			FUZZ_CHECK(vm->state == VM_KILLED);
			leave(guest_vcpu);
			return NULL;
		}
		if (action == EXIT_BLOCK) {
			FUZZ_CHECK(vm_waits_for_memory(vm));
			leave(guest_vcpu);
			FUZZ_CHECK(!vm_waits_for_memory(vm));
			return NULL;
		}
		FUZZ_CHECK(action == EXIT_RESUME);
	}
	FUZZ_CHECK(vm->state != VM_RUNNING);
	return NULL;
}

/* The call must be refused for an argument that it does not use (docs/abi.md). */
static bool has_surplus_argument(const uint64_t *regs)
{
	uint64_t number = regs[GPR_RAX];
	uint64_t surplus = regs[GPR_R10];
	bool none = number == AEROSTAT_CALL_NULL || number == AEROSTAT_CALL_BALLOON_DETACH;
	bool one = number == AEROSTAT_CALL_WAIT || number == AEROSTAT_CALL_VCPU_DOORBELL ||
		   number == AEROSTAT_CALL_VCPU_RING;
	surplus |= number == AEROSTAT_CALL_VCPU_START ? regs[GPR_RDX] >> 32 : regs[GPR_RDX];
	surplus |= none || one ? regs[GPR_RSI] : 0;
	surplus |= none ? regs[GPR_RDI] : 0;
	return number < AEROSTAT_CALL_COUNT && surplus != 0;
}

/* Every register but RAX keeps its value; RAX is an answer of the interface. */
enum exit_action guest_call(bool privileged)
{
	struct vcpu *vcpu = guest_vcpu;
	struct vm *vm = vcpu->vm;
	uint64_t before[GPR_COUNT];
	uint64_t ballooned = vm->s2.ballooned_pages;
	bool attached = vm->balloon.attached;
	memcpy(before, vcpu->regs, sizeof(before));
	enum exit_action action = hypercall_handle(vcpu, privileged);
	int64_t result = (int64_t)vcpu->regs[GPR_RAX];
	FUZZ_CHECK(memcmp(before + 1, vcpu->regs + 1, sizeof(before) - sizeof(*before)) == 0);
	FUZZ_CHECK(action == EXIT_ADVANCE || action == EXIT_WAIT || action == EXIT_KILL);
	if (action == EXIT_ADVANCE) {
		FUZZ_CHECK(result >= AEROSTAT_ERROR_VCPU && result <= AEROSTAT_RANGES_MAX);
	}
	if (privileged && has_surplus_argument(before)) {
		FUZZ_CHECK(action == EXIT_ADVANCE);
	}
	if (action == EXIT_ADVANCE && result < 0) {
		FUZZ_CHECK(vm->s2.ballooned_pages == ballooned);
		FUZZ_CHECK(vm->balloon.attached == attached);
	}
	FUZZ_CHECK(!privileged || action != EXIT_ADVANCE ||
		   (result == AEROSTAT_ERROR_RESERVED) == has_surplus_argument(before));
	FUZZ_CHECK(privileged || result == AEROSTAT_ERROR_PRIVILEGE);
	if (action != EXIT_ADVANCE) {
		leave(vcpu);
	}
	return action;
}

void guest_set_registers(uint64_t rax, uint64_t rdi, uint64_t rsi)
{
	for (unsigned i = 0; i < GPR_COUNT; i++) {
		guest_vcpu->regs[i] = 0xa5a5000000000000 + i;
	}
	guest_vcpu->regs[GPR_RAX] = rax;
	guest_vcpu->regs[GPR_RDI] = rdi;
	guest_vcpu->regs[GPR_RSI] = rsi;
	guest_vcpu->regs[GPR_RDX] = 0;
	guest_vcpu->regs[GPR_R10] = 0;
}

/* Whatever lies at the address is taken for ranges: what they ask for may go. */
void guest_note_ranges(struct vm *vm, uint64_t number, uint64_t address, uint64_t count)
{
	asked_number = number;
	asked_count = 0;
	if (count == 0 || count > AEROSTAT_RANGES_MAX) {
		return;
	}
	struct s2_locked locked = s2_lock(&vm->s2);
	if (guest_copy_in(locked, (gpa_t){address}, asked, count * sizeof(asked[0])) == STATUS_OK) {
		asked_count = (unsigned)count;
	}
	s2_unlock(locked);
}

void guest_share_written(struct vm *vm)
{
	uint64_t gfn = guest_vcpu->regs[GPR_RDI] >> PAGE_SHIFT;
	if (asked_count > 0 && gfn < vm->s2.limit_pages) {
		contents_share(vm, gfn);
	}
	if (vm->balloon.attached) {
		contents_share(vm, vm->balloon.page_gfn.n);
	}
}

/* The second CPU: reads the pages of the ranges through its own TLB and rewrites the array. */
static void meddle(void)
{
	struct vm *vm = meddled_vm;
	void (*again)(void) = fake_on_unlock;
	fake_on_unlock = NULL;
	for (unsigned i = 0; i < asked_count; i++) {
		uint64_t gfn = asked[i].gfn;
		if (gfn < vm->s2.limit_pages && gfn != meddled_gfn) {
			uint64_t *page = (uint64_t *)fake_tlb_access(&vm->s2, 1, (gfn_t){gfn});
			uint64_t word = page != NULL ? page[0] : 0;
			FUZZ_CHECK(contents_harmless(word) == word ||
				   (word >> 40 & 0xff) == vm->id);
		}
	}
	uint64_t *array = (uint64_t *)fake_tlb_access(&vm->s2, 1, (gfn_t){meddled_gfn});
	for (unsigned i = 0; array != NULL && i < PAGE_BYTES / sizeof(*array); i++) {
		array[i] ^= 0x0000000900000200;
	}
	fake_on_unlock = again;
}

/* What was answered for one range is what the tables say. */
static void check_answer(struct vm *vm, const struct aerostat_range *before,
			 const struct aerostat_range *after)
{
	bool taken = asked_number == AEROSTAT_CALL_BALLOON_SURRENDER;
	FUZZ_CHECK(after->gfn == before->gfn && after->count == before->count);
	FUZZ_CHECK(after->order == before->order && after->done >= before->done);
	FUZZ_CHECK(after->status != AEROSTAT_RANGE_OK || after->done == after->count);
	if (after->done == before->done) {
		return;
	}
	FUZZ_CHECK(after->done <= after->count);
	struct s2_locked locked = s2_lock(&vm->s2);
	for (uint64_t i = before->done; i < after->done; i++) {
		gfn_t first = {after->gfn + (i << after->order)};
		gfn_t last = {first.n + order_pages(after->order) - 1};
		FUZZ_CHECK(last.n < vm->s2.limit_pages);
		FUZZ_CHECK((s2_lookup(locked, first).kind == S2_BALLOONED) == taken);
		FUZZ_CHECK((s2_lookup(locked, last).kind == S2_BALLOONED) == taken);
		if (after->flags & AEROSTAT_RANGE_FLAG_BACKED) {
			FUZZ_CHECK(s2_lookup(locked, first).kind == S2_MAPPED);
			FUZZ_CHECK(s2_lookup(locked, last).kind == S2_MAPPED);
		}
	}
	s2_unlock(locked);
}

void guest_check_answers(struct vm *vm, uint64_t address, unsigned count)
{
	static struct aerostat_range after[AEROSTAT_RANGES_MAX];
	int64_t finished = (int64_t)guest_vcpu->regs[GPR_RAX];
	if (finished < 0) {
		return;
	}
	FUZZ_CHECK((unsigned)finished <= count);
	struct s2_locked locked = s2_lock(&vm->s2);
	enum status status =
		guest_copy_in(locked, (gpa_t){address}, after, count * sizeof(after[0]));
	s2_unlock(locked);
	FUZZ_CHECK(status == STATUS_OK);
	for (unsigned i = 0; i < count; i++) {
		if (i < (unsigned)finished) {
			FUZZ_CHECK(after[i].status > AEROSTAT_RANGE_PENDING &&
				   after[i].status <= AEROSTAT_RANGE_RESERVED);
		} else if (i == (unsigned)finished) {
			FUZZ_CHECK(after[i].status == AEROSTAT_RANGE_PENDING);
		} else {
			FUZZ_CHECK(memcmp(&after[i], &asked[i], sizeof(after[i])) == 0);
		}
		check_answer(vm, &asked[i], &after[i]);
	}
}

void guest_forget_call(void)
{
	asked_number = 0;
	asked_count = 0;
}

void guest_meddle(struct vm *vm, uint64_t array_gfn)
{
	meddled_vm = vm;
	meddled_gfn = array_gfn;
	fake_on_unlock = vm != NULL ? meddle : NULL;
}
