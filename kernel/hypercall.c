/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Native hypercalls. Arguments are in RDI, RSI, RDX, R10, the result in RAX; registers are judged
 * before anything is done, guest memory is copied before it is judged.
 */
#include "kernel/hypercall.h"

#include "abi/aerostat.h"
#include "base/bits.h"
#include "kernel/arch.h"
#include "kernel/balloon.h"
#include "kernel/vm.h"
#include "mm/guest_copy.h"

/* Keeps large stack frames out of the way of the calls that need none. */
#define NOT_INLINE __attribute__((noinline))

static enum exit_action answer(struct vcpu *vcpu, int64_t result)
{
	vcpu->regs[GPR_RAX] = (uint64_t)result;
	return EXIT_ADVANCE;
}

/* How many of RDI, RSI, RDX, R10 each call uses; the rest must be zero. */
static const uint8_t argument_counts[AEROSTAT_CALL_COUNT] = {
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
};

static bool unused_are_zero(const struct vcpu *vcpu, unsigned used)
{
	const uint64_t *regs = vcpu->regs;
	uint64_t rest = regs[GPR_R10] | regs[GPR_RDX];
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

static NOT_INLINE enum exit_action call_wait(struct vcpu *vcpu)
{
	uint64_t deadline = vcpu->regs[GPR_RDI];
	struct balloon *balloon = &vcpu->vm->balloon;
	answer(vcpu, 0);
	if (balloon->event) {
		balloon->event = false;
		return EXIT_ADVANCE;
	}
	if (deadline == 0 && !balloon->attached) {
		vm_kill(vcpu->vm, "it waits, and nothing can wake it");
		return EXIT_KILL;
	}
	vcpu->wake_tsc = deadline == 0 ? WAKE_NEVER : deadline;
	vcpu->state = VCPU_WAITING;
	return EXIT_WAIT;
}

static NOT_INLINE enum exit_action call_attach(struct vcpu *vcpu)
{
	uint64_t vector = vcpu->regs[GPR_RSI];
	if (vector != 0 && (vector < 32 || vector > 255)) {
		return answer(vcpu, AEROSTAT_ERROR_VECTOR);
	}
	gfn_t gfn = {vcpu->regs[GPR_RDI]};
	enum status status = balloon_attach(vcpu->vm, gfn, (uint8_t)vector);
	if (status == STATUS_EXISTS) {
		return answer(vcpu, AEROSTAT_ERROR_STATE);
	}
	return answer(vcpu, memory_error(status));
}

/* The page that holds the ranges must be wholly inside RAM and the ranges inside one page. */
static int64_t judge_array(const struct vm *vm, uint64_t address, uint64_t count)
{
	if (count == 0 || count > AEROSTAT_RANGES_MAX) {
		return AEROSTAT_ERROR_COUNT;
	}
	uint64_t bytes = count * sizeof(struct aerostat_range);
	if (!is_aligned_u64(address, 8) || (address & (PAGE_BYTES - 1)) + bytes > PAGE_BYTES ||
	    address >> PAGE_SHIFT >= vm->s2.limit_pages) {
		return AEROSTAT_ERROR_ADDRESS;
	}
	return 0;
}

/* Which balloon call works on these ranges. */
static unsigned work_on_ranges(struct vm *vm, uint64_t number, struct aerostat_range *ranges,
			       unsigned count, gfn_t array_gfn)
{
	switch (number) {
	case AEROSTAT_CALL_BALLOON_SURRENDER:
		return balloon_surrender(vm, ranges, count, array_gfn);
	case AEROSTAT_CALL_BALLOON_REPORT:
		return balloon_report(vm, ranges, count, array_gfn);
	case AEROSTAT_CALL_BALLOON_RETURN:
		return balloon_return(vm, ranges, count);
	default:
		return balloon_emergency(vm, ranges, count);
	}
}

static NOT_INLINE enum exit_action call_ranges(struct vcpu *vcpu, uint64_t number)
{
	struct vm *vm = vcpu->vm;
	struct aerostat_range ranges[AEROSTAT_RANGES_MAX];
	gpa_t address = {vcpu->regs[GPR_RDI]};
	uint64_t count = vcpu->regs[GPR_RSI];
	if (!vm->balloon.attached) {
		return answer(vcpu, AEROSTAT_ERROR_STATE);
	}
	int64_t error = judge_array(vm, address.v, count);
	if (error != 0) {
		return answer(vcpu, error);
	}
	size_t bytes = count * sizeof(struct aerostat_range);
	struct s2_locked locked = s2_lock(&vm->s2);
	enum status status = guest_copy_in(locked, address, ranges, bytes);
	s2_unlock(locked);
	if (status != STATUS_OK) {
		return answer(vcpu, memory_error(status));
	}
	unsigned finished =
		work_on_ranges(vm, number, ranges, (unsigned)count, gpa_to_gfn(address));
	locked = s2_lock(&vm->s2);
	status = guest_copy_out(locked, address, ranges, bytes);
	s2_unlock(locked);
	return answer(vcpu, status == STATUS_OK ? (int64_t)finished : memory_error(status));
}

static NOT_INLINE enum exit_action dispatch(struct vcpu *vcpu, uint64_t number)
{
	switch (number) {
	case AEROSTAT_CALL_EXIT:
		vm_finish(vcpu->vm, vcpu->regs[GPR_RDI], vcpu->regs[GPR_RSI]);
		return EXIT_KILL;
	case AEROSTAT_CALL_CONSOLE_WRITE:
		return call_console_write(vcpu);
	case AEROSTAT_CALL_WAIT:
		return call_wait(vcpu);
	case AEROSTAT_CALL_BALLOON_ATTACH:
		return call_attach(vcpu);
	case AEROSTAT_CALL_BALLOON_DETACH:
		return answer(vcpu,
			      balloon_detach(vcpu->vm) == STATUS_OK ? 0 : AEROSTAT_ERROR_STATE);
	case AEROSTAT_CALL_BALLOON_SURRENDER:
	case AEROSTAT_CALL_BALLOON_RETURN:
	case AEROSTAT_CALL_BALLOON_REPORT:
	case AEROSTAT_CALL_BALLOON_EMERGENCY:
		return call_ranges(vcpu, number);
	default:
		return answer(vcpu, AEROSTAT_ERROR_UNKNOWN_CALL);
	}
}

enum exit_action hypercall_handle(struct vcpu *vcpu, bool privileged)
{
	uint64_t number = vcpu->regs[GPR_RAX];
	vcpu->vm->hypercall_count++;
	if (!privileged) {
		return answer(vcpu, AEROSTAT_ERROR_PRIVILEGE);
	}
	if (number >= AEROSTAT_CALL_COUNT) {
		return answer(vcpu, AEROSTAT_ERROR_UNKNOWN_CALL);
	}
	if (!unused_are_zero(vcpu, argument_counts[number])) {
		return answer(vcpu, AEROSTAT_ERROR_RESERVED);
	}
	if (number == AEROSTAT_CALL_NULL) {
		return answer(vcpu, 0);
	}
	return dispatch(vcpu, number);
}
