/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Native hypercalls. Arguments are in RDI, RSI, RDX, R10, the result in RAX; registers are judged
 * before anything is done, guest memory is copied before it is judged.
 */
#include "kernel/exit/hypercall.h"

#include "abi/aerostat.h"
#include "base/bits.h"
#include "base/compiler.h"
#include "base/nospec.h"
#include "arch/arch.h"
#include "kernel/balloon/balloon.h"
#include "kernel/balloon/ranges.h"
#include "kernel/balloon/single.h"
#include "kernel/sched/scheduler.h"
#include "kernel/vm/platform.h"
#include "kernel/vm/vm.h"
#include "kernel/lifecycle/end.h"
#include "kernel/sched/wake.h"
#include "mm/guest_copy.h"
#include "mm/stage2/single.h"

static enum exit_action answer(struct vcpu *vcpu, int64_t result)
{
	vcpu->regs[GPR_RAX] = (uint64_t)result;
	return EXIT_ADVANCE;
}

/* The same for calls that others may be waiting for on this very CPU. */
static enum exit_action answer_and_yield(struct vcpu *vcpu, int64_t result)
{
	answer(vcpu, result);
	return scheduler_wants_cpu() ? EXIT_WAIT : EXIT_ADVANCE;
}

/*
 * How many of RDI, RSI, RDX, R10 each call uses; the rest must be zero. A power of two, so that a
 * mask keeps the index inside also where the check before it is predicted wrongly (base/nospec.h).
 */
#define ARGUMENT_COUNTS 16
_Static_assert(AEROSTAT_CALL_COUNT <= ARGUMENT_COUNTS, "argument_counts");
static const uint8_t argument_counts[ARGUMENT_COUNTS] = {
	[AEROSTAT_CALL_NULL] = 0,
	[AEROSTAT_CALL_EXIT] = 2,
	[AEROSTAT_CALL_CONSOLE_WRITE] = 2,
	[AEROSTAT_CALL_WAIT] = 1,
	[AEROSTAT_CALL_BALLOON_ATTACH] = 2,
	[AEROSTAT_CALL_BALLOON_DETACH] = 0,
	[AEROSTAT_CALL_BALLOON_SURRENDER] = 2,
	[AEROSTAT_CALL_BALLOON_RETURN] = 2,
	[AEROSTAT_CALL_BALLOON_REPORT] = 2,
	[AEROSTAT_CALL_BALLOON_EMERGENCY] = 2,
	[AEROSTAT_CALL_VCPU_START] = 3,
	[AEROSTAT_CALL_VCPU_DOORBELL] = 1,
	[AEROSTAT_CALL_VCPU_RING] = 1,
};

static bool unused_are_zero(const struct vcpu *vcpu, unsigned used)
{
	const uint64_t *regs = vcpu->regs;
	uint64_t rest = regs[GPR_R10];
	rest |= used < 3 ? regs[GPR_RDX] : 0;
	rest |= used < 2 ? regs[GPR_RSI] : 0;
	rest |= used < 1 ? regs[GPR_RDI] : 0;
	return rest == 0;
}

static int64_t memory_error(enum status status)
{
	return status == STATUS_OK ? 0 : AEROSTAT_ERROR_ADDRESS;
}

static NOT_INLINE enum exit_action call_console_write(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	char text[AEROSTAT_CONSOLE_BYTES_MAX];
	uint64_t bytes = vcpu->regs[GPR_RSI];
	if (bytes == 0 || bytes > sizeof(text)) {
		return answer(vcpu, AEROSTAT_ERROR_COUNT);
	}
	struct s2_locked locked = s2_lock(&vm->s2);
	enum status status = guest_copy_in(locked, (gpa_t){vcpu->regs[GPR_RDI]}, text, bytes);
	s2_unlock(locked);
	if (status != STATUS_OK) {
		return answer(vcpu, memory_error(status));
	}
	vm_log(vm, "says: %.*s", (int)bytes, text);
	return answer(vcpu, 0);
}

static inline enum exit_action wait_until(struct vcpu *vcpu, uint64_t tsc)
{
	vcpu->wake_tsc = tsc;
	vcpu->wait = WAIT_EVENT;
	return EXIT_WAIT;
}

/* Of several vCPUs another one may ring (housekeeping.c looks after those that all wait). */
static NOT_INLINE enum exit_action wait_for_ever(struct vcpu *vcpu)
{
	if (!vcpu->vm->balloon.attached && vcpu->vm->config.vcpus == 1) {
		vm_kill(vcpu->vm, "it waits, and nothing can wake it");
		return EXIT_KILL;
	}
	return wait_until(vcpu, WAKE_NEVER);
}

static inline enum exit_action wait_begin(struct vcpu *vcpu)
{
	uint64_t deadline = vcpu->regs[GPR_RDI];
	return deadline == 0 ? wait_for_ever(vcpu) : wait_until(vcpu, deadline);
}

/* The doorbell is pending, which the guest may hold off, or there is an event. */
static NOT_INLINE enum exit_action wait_with_news(struct vcpu *vcpu, bool pending)
{
	vcpu->doorbell_open =
		pending && arch_guest_openness(vcpu, vcpu->doorbell_vector).to_interrupt;
	if (vcpu_has_news(vcpu)) {
		vcpu_forget_news(vcpu);
		return EXIT_ADVANCE;
	}
	return wait_begin(vcpu);
}

static NOT_INLINE enum exit_action call_wait(struct vcpu *vcpu)
{
	answer(vcpu, 0);
	/* One that rings from here on is news, whether it is let through or not. */
	bool pending = __atomic_load_n(&vcpu->doorbell_pending, __ATOMIC_ACQUIRE);
	vcpu->doorbell_open = false;
	bool event = __atomic_load_n(&vcpu->event, __ATOMIC_ACQUIRE);
	if (__builtin_expect(pending || event, 0)) {
		return wait_with_news(vcpu, pending);
	}
	return wait_begin(vcpu);
}

/* A vector that a guest can take, or 0 for none. */
static bool is_doorbell(uint64_t vector)
{
	return vector == 0 || (vector >= 32 && vector <= 255);
}

static NOT_INLINE enum exit_action call_attach(struct vcpu *vcpu)
{
	uint64_t vector = vcpu->regs[GPR_RSI];
	if (!is_doorbell(vector)) {
		return answer(vcpu, AEROSTAT_ERROR_VECTOR);
	}
	gfn_t gfn = {vcpu->regs[GPR_RDI]};
	enum status status = balloon_attach(vcpu, gfn, (uint8_t)vector);
	if (status == STATUS_EXISTS) {
		return answer(vcpu, AEROSTAT_ERROR_STATE);
	}
	return answer(vcpu, memory_error(status));
}

/* What can be said of an array of ranges before it is looked for. */
static int64_t judge_array(uint64_t address, uint64_t count)
{
	if (count == 0 || count > AEROSTAT_RANGES_MAX) {
		return AEROSTAT_ERROR_COUNT;
	}
	return is_aligned_u64(address, 8) ? 0 : AEROSTAT_ERROR_ADDRESS;
}

/* Nearly always the page is there already, and was found for the last call, too. */
static inline int64_t open_window(struct s2_locked locked, struct vm *vm, gpa_t address,
				  uint64_t bytes, struct guest_window *window)
{
	uint64_t offset = address.v & (PAGE_BYTES - 1);
	gfn_t gfn = gpa_to_gfn(address);
	uint8_t *page = offset + bytes <= PAGE_BYTES ? s2_single_page(locked, gfn) : NULL;
	if (page != NULL) {
		*window = (struct guest_window){.start = page + offset, .bytes = bytes};
		return 0;
	}
	if (!balloon_may_populate(locked, vm, gfn)) {
		return AEROSTAT_ERROR_ADDRESS;
	}
	return memory_error(guest_window_open(locked, address, bytes, window));
}

/* One page on the stack: the copy that is judged must be out of every guest's reach. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wframe-larger-than="

/*
 * Copies the ranges in, works on them, and copies them out. They must be wholly inside one page of
 * RAM, which stays where it is meanwhile: no operation takes it out.
 */
static NOT_INLINE int64_t work_on_ranges(struct s2_locked locked, struct vm *vm,
					 enum balloon_operation operation, gpa_t address,
					 uint64_t count)
{
	struct aerostat_range ranges[AEROSTAT_RANGES_MAX];
	count = nospec_index(count, AEROSTAT_RANGES_MAX + 1);
	struct guest_window window;
	int64_t error = open_window(locked, vm, address, count * sizeof(ranges[0]), &window);
	if (error != 0) {
		return error;
	}
	guest_window_read(window, ranges);
	unsigned finished = balloon_run_ranges(locked, vm, operation, ranges, (unsigned)count,
					       gpa_to_gfn(address));
	guest_window_write(window, ranges);
	return finished;
}

#pragma GCC diagnostic pop

static NOT_INLINE int64_t ranges_in_full(struct s2_locked locked, struct vm *vm,
					 enum balloon_operation operation, gpa_t address,
					 uint64_t count)
{
	int64_t result =
		vm->balloon.attached ? judge_array(address.v, count) : AEROSTAT_ERROR_STATE;
	return result != 0 ? result : work_on_ranges(locked, vm, operation, address, count);
}

static NOT_INLINE enum exit_action call_ranges(struct vcpu *vcpu, enum balloon_operation operation)
{
	struct vm *vm = vcpu->vm;
	gpa_t address = {vcpu->regs[GPR_RDI]};
	uint64_t count = vcpu->regs[GPR_RSI];
	int64_t result = 1;
	/* One lock from the first look to the last word: other vCPUs' calls come before or after.
	 */
	struct s2_locked locked = s2_lock(&vm->s2);
	/* Most calls move one page: those that are plain go past the array. */
	if (count != 1 || !vm->balloon.attached ||
	    !balloon_run_single(locked, vm, operation, address)) {
		result = ranges_in_full(locked, vm, operation, address, count);
	}
	s2_unlock(locked);
	return answer_and_yield(vcpu, result);
}

/* Which vCPU of its VM the caller means; NULL: there is none of that number. */
static struct vcpu *named_vcpu(const struct vcpu *vcpu, uint64_t number)
{
	unsigned count = vcpu->vm->config.vcpus;
	return number < count ? &vcpu->vm->vcpus[nospec_index(number, count)] : NULL;
}

static NOT_INLINE enum exit_action call_vcpu_start(struct vcpu *vcpu)
{
	struct vcpu *target = named_vcpu(vcpu, vcpu->regs[GPR_RDI]);
	uint64_t entry = vcpu->regs[GPR_RSI];
	uint64_t argument = vcpu->regs[GPR_RDX];
	if (argument > UINT32_MAX) {
		return answer(vcpu, AEROSTAT_ERROR_RESERVED);
	}
	if (target == NULL) {
		return answer(vcpu, AEROSTAT_ERROR_VCPU);
	}
	if (entry > UINT32_MAX || entry >> PAGE_SHIFT >= vcpu->vm->s2.limit_pages) {
		return answer(vcpu, AEROSTAT_ERROR_ADDRESS);
	}
	enum status status = scheduler_start(target, (uint32_t)entry, (uint32_t)argument);
	return answer(vcpu, status == STATUS_OK ? 0 : AEROSTAT_ERROR_STATE);
}

static NOT_INLINE enum exit_action call_vcpu_doorbell(struct vcpu *vcpu)
{
	uint64_t vector = vcpu->regs[GPR_RDI];
	if (!is_doorbell(vector)) {
		return answer(vcpu, AEROSTAT_ERROR_VECTOR);
	}
	vcpu_set_doorbell(vcpu, (uint8_t)vector);
	return answer(vcpu, 0);
}

static NOT_INLINE enum exit_action call_vcpu_ring(struct vcpu *vcpu)
{
	struct vcpu *target = named_vcpu(vcpu, vcpu->regs[GPR_RDI]);
	if (target == NULL) {
		return answer(vcpu, AEROSTAT_ERROR_VCPU);
	}
	return answer_and_yield(vcpu, vcpu_ring(target) == STATUS_OK ? 0 : AEROSTAT_ERROR_STATE);
}

/* The call that comes most often is compared first: a switch is a tree of comparisons here. */
static NOT_INLINE enum exit_action dispatch(struct vcpu *vcpu, uint64_t number)
{
	if (number == AEROSTAT_CALL_WAIT) {
		return call_wait(vcpu);
	}
	switch (number) {
	case AEROSTAT_CALL_EXIT:
		vm_finish(vcpu->vm, vcpu->regs[GPR_RDI], vcpu->regs[GPR_RSI]);
		return EXIT_KILL;
	case AEROSTAT_CALL_CONSOLE_WRITE:
		return call_console_write(vcpu);
	case AEROSTAT_CALL_BALLOON_ATTACH:
		return call_attach(vcpu);
	case AEROSTAT_CALL_BALLOON_DETACH:
		return answer(vcpu, balloon_detach(vcpu) == STATUS_OK ? 0 : AEROSTAT_ERROR_STATE);
	case AEROSTAT_CALL_BALLOON_SURRENDER:
		return call_ranges(vcpu, BALLOON_SURRENDER);
	case AEROSTAT_CALL_BALLOON_RETURN:
		return call_ranges(vcpu, BALLOON_RETURN);
	case AEROSTAT_CALL_BALLOON_REPORT:
		return call_ranges(vcpu, BALLOON_REPORT);
	case AEROSTAT_CALL_BALLOON_EMERGENCY:
		return call_ranges(vcpu, BALLOON_EMERGENCY);
	case AEROSTAT_CALL_VCPU_START:
		return call_vcpu_start(vcpu);
	case AEROSTAT_CALL_VCPU_DOORBELL:
		return call_vcpu_doorbell(vcpu);
	case AEROSTAT_CALL_VCPU_RING:
		return call_vcpu_ring(vcpu);
	default:
		return answer(vcpu, AEROSTAT_ERROR_UNKNOWN_CALL);
	}
}

enum exit_action hypercall_handle(struct vcpu *vcpu, bool privileged)
{
	uint64_t number = vcpu->regs[GPR_RAX];
	vcpu->hypercall_count++;
	if (__builtin_expect(vcpu->calls_platform, 0)) {
		return platform_hypercall(vcpu, privileged);
	}
	if (!privileged) {
		return answer(vcpu, AEROSTAT_ERROR_PRIVILEGE);
	}
	if (__builtin_expect(number == AEROSTAT_CALL_NULL, 1)) {
		return answer(vcpu, unused_are_zero(vcpu, 0) ? 0 : AEROSTAT_ERROR_RESERVED);
	}
	if (number >= AEROSTAT_CALL_COUNT) {
		return answer(vcpu, AEROSTAT_ERROR_UNKNOWN_CALL);
	}
	if (!unused_are_zero(vcpu, argument_counts[nospec_modulo(number, ARGUMENT_COUNTS)])) {
		return answer(vcpu, AEROSTAT_ERROR_RESERVED);
	}
	return dispatch(vcpu, number);
}
