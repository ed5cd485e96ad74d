/* SPDX-License-Identifier: BSD-2-Clause */
/* See oracle.h. */
#include "tests/spec/oracle.h"

#include "arch/arch.h"
#include "base/bits.h"
#include "base/string.h"
#include "kernel/balloon/balloon.h"
#include "kernel/balloon/ranges.h"
#include "kernel/balloon/release.h"
#include "kernel/balloon/single.h"
#include "kernel/exit/hypercall.h"
#include "tests/spec/spec.h"
#include "tests/spec/watch.h"

struct oracle_counts oracle_counts;

/* The wrapped function, and the one around it (ld, --wrap). */
#define WRAPPED(type, name, ...)                                                                   \
	type __real_##name(__VA_ARGS__);                                                           \
	type __wrap_##name(__VA_ARGS__)

WRAPPED(enum status, s2_create, struct s2 *s2, const struct s2_format *format, vm_id_t owner,
	uint64_t limit_pages, uint64_t min_pages);
WRAPPED(bool, s2_destroy_step, struct s2 *s2, uint64_t work_max);
WRAPPED(enum status, s2_fault, struct s2_locked locked, gfn_t gfn, unsigned order_max,
	bool fill_ballooned, enum s2_kind *was, uint64_t *pages);
WRAPPED(enum status, s2_populate, struct s2_locked locked, gfn_t gfn, unsigned order_max,
	uint64_t *pages);
WRAPPED(enum status, s2_merge, struct s2_locked locked, gfn_t gfn);
WRAPPED(unsigned, balloon_run_ranges, struct s2_locked locked, struct vm *vm,
	enum balloon_operation operation, struct aerostat_range *ranges, unsigned count,
	gfn_t array_gfn);
WRAPPED(bool, balloon_run_words, struct s2_locked locked, struct vm *vm,
	enum balloon_operation operation, uint64_t *words, gfn_t array_gfn);
WRAPPED(bool, balloon_release_step, struct s2_locked locked, struct vm *vm, uint64_t *next);
WRAPPED(enum exit_action, demand_fault, struct vcpu *vcpu, gfn_t gfn);
WRAPPED(enum exit_action, hypercall_handle, struct vcpu *vcpu, bool privileged);

/* ---- Life ------------------------------------------------------------------------------------ */

enum status __wrap_s2_create(struct s2 *s2, const struct s2_format *format, vm_id_t owner,
			     uint64_t limit_pages, uint64_t min_pages)
{
	enum status status = __real_s2_create(s2, format, owner, limit_pages, min_pages);
	struct watch *watch = watch_find(s2); /* one that is forgotten without an end: host tests */
	watch = watch == NULL ? watch_find(NULL) : watch;
	if (status != STATUS_OK) {
		return status;
	}
	if (watch == NULL || limit_pages > SPEC_PAGES_MAX) {
		watch_count(&oracle_counts.left_out, 1);
		return status;
	}
	spec_begin(&watch->spec, limit_pages);
	watch->busy = false;
	watch->serving = 0;
	watch->in_ranges = false;
	watch->ending = false;
	watch->next = 0;
	watch->calls = 0;
	watch->s2 = s2;
	watch->start = watch_vm(watch)->balloon;
	watch_refresh(watch);
	return status;
}

bool __wrap_s2_destroy_step(struct s2 *s2, uint64_t work_max)
{
	struct watch *watch = watch_find(s2);
	if (watch != NULL && !watch->ending) {
		struct s2_locked locked = s2_lock(s2);
		watch_pages(watch, locked, 0, watch->spec.pages);
		watch_counters(watch, 0);
		s2_unlock(locked);
		watch->ending = true;
	}
	bool done = __real_s2_destroy_step(s2, work_max);
	if (watch != NULL && done) {
		watch_no_frames(watch);
		watch_count(&oracle_counts.ends, 1);
		__atomic_store_n(&watch->s2, NULL, __ATOMIC_RELEASE);
	}
	return done;
}

enum status __wrap_s2_merge(struct s2_locked locked, gfn_t gfn)
{
	struct watch *watch = watch_find(locked.s2);
	enum status status = __real_s2_merge(locked, gfn);
	if (watch != NULL && status == STATUS_OK) {
		watch_pages(watch, locked, align_down_u64(gfn.n, SPEC_REGION), SPEC_REGION);
	}
	return status;
}

/* ---- Touches --------------------------------------------------------------------------------- */

enum status __wrap_s2_fault(struct s2_locked locked, gfn_t gfn, unsigned order_max,
			    bool fill_ballooned, enum s2_kind *was, uint64_t *pages)
{
	struct watch *watch = watch_find(locked.s2);
	enum status status = __real_s2_fault(locked, gfn, order_max, fill_ballooned, was, pages);
	if (watch == NULL) {
		return status;
	}
	enum spec_page before = (enum spec_page)watch->spec.page[gfn.n];
	bool closed = before == SPEC_IN_BALLOON && watch->spec.on_touch != SPEC_TOUCH_ZERO;
	watch_count(&oracle_counts.fills, 1);
	if (status == STATUS_OK) {
		watch_judge(watch,
			    watch_real_page(*was) == before ? NULL
							    : "the touch found something else",
			    gfn.n);
		watch_judge(watch, spec_filled(&watch->spec, gfn.n, *pages, true), gfn.n);
		watch_zeros(watch, locked, gfn.n, *pages);
	} else if (closed != (status == STATUS_SURRENDERED) || before == SPEC_HELD) {
		watch_mismatch(watch, "the touch fails for the wrong reason", gfn.n);
	}
	watch_page(watch, locked, gfn.n);
	return status;
}

/* For the hypervisor itself, and by EMERGENCY: of that spec_ranges() is told. */
enum status __wrap_s2_populate(struct s2_locked locked, gfn_t gfn, unsigned order_max,
			       uint64_t *pages)
{
	struct watch *watch = watch_find(locked.s2);
	enum status status = __real_s2_populate(locked, gfn, order_max, pages);
	if (watch == NULL) {
		return status;
	}
	watch_count(&oracle_counts.fills, 1);
	if (status == STATUS_OK) {
		watch_zeros(watch, locked, gfn.n, *pages);
	}
	if (status == STATUS_OK && !watch->in_ranges) {
		watch_judge(watch, spec_filled(&watch->spec, gfn.n, *pages, false), gfn.n);
		watch_page(watch, locked, gfn.n);
	}
	return status;
}

static enum spec_outcome outcome_of(const struct watch *watch, const struct vcpu *vcpu, gfn_t gfn,
				    enum exit_action action)
{
	switch (action) {
	case EXIT_RESUME:
		return SPEC_GOES_ON;
	case EXIT_BLOCK:
		return SPEC_WAITS;
	case EXIT_INJECT:
		watch_judge(watch,
			    vcpu->inject.vector == 13 && vcpu->inject.has_error &&
					    vcpu->inject.error == 0
				    ? NULL
				    : "not #GP with the error code 0",
			    gfn.n);
		return SPEC_PROTECTION_FAULT;
	case EXIT_KILL:
		return SPEC_ENDS;
	case EXIT_ADVANCE:
	case EXIT_ADVANCE_DECODED:
	case EXIT_WAIT:
	case EXIT_YIELD:
		break;
	}
	watch_mismatch(watch, "a touch ends in no such way", gfn.n);
}

enum exit_action __wrap_demand_fault(struct vcpu *vcpu, gfn_t gfn)
{
	struct watch *watch = watch_find(&vcpu->vm->s2);
	if (watch == NULL || vcpu->calls_platform) {
		return __real_demand_fault(vcpu, gfn);
	}
	watch_serve(watch);
	enum spec_page before = (enum spec_page)watch->spec.page[gfn.n];
	uint64_t plenty = watch_plenty();
	enum exit_action action = __real_demand_fault(vcpu, gfn);
	bool lacking = arch_cpu_count() > 1 || frame_count_free() == 0;
	watch_count(&oracle_counts.touches, 1);
	struct s2_locked locked = s2_lock(&vcpu->vm->s2);
	watch->spec.plenty = watch_plenty_still(plenty);
	watch_judge(watch,
		    spec_touch(&watch->spec, gfn.n, before, lacking,
			       outcome_of(watch, vcpu, gfn, action)),
		    gfn.n);
	watch_counters(watch, gfn.n);
	if (before == SPEC_IN_BALLOON && action == EXIT_RESUME) {
		watch_size(watch, (gfn_t){watch->spec.pages});
	}
	s2_unlock(locked);
	watch_serve_end(watch);
	return action;
}

/* ---- Ranges ---------------------------------------------------------------------------------- */

static enum spec_page look(const struct spec_vm *spec, uint64_t gfn)
{
	const struct watch *watch =
		(const struct watch *)((const uint8_t *)spec - offsetof(struct watch, spec));
	return watch_real_page(s2_lookup((struct s2_locked){watch->s2}, (gfn_t){gfn}).kind);
}

static enum spec_operation operation_of(enum balloon_operation operation)
{
	static const enum spec_operation operations[] = {
		[BALLOON_SURRENDER] = SPEC_SURRENDER,
		[BALLOON_REPORT] = SPEC_REPORT,
		[BALLOON_RETURN] = SPEC_RETURN,
		[BALLOON_EMERGENCY] = SPEC_EMERGENCY,
	};
	return operations[operation];
}

static void judge_ranges(struct watch *watch, struct s2_locked locked,
			 enum balloon_operation operation, const struct aerostat_range *after,
			 unsigned number, unsigned finished, gfn_t array_gfn)
{
	const struct aerostat_range *before = watch->before;
	unsigned at = finished < number ? finished : 0;
	watch_count(&oracle_counts.arrays, 1);
	watch_judge(watch,
		    spec_ranges(&watch->spec, operation_of(operation), array_gfn.n, before, after,
				number, finished, look),
		    before[at].gfn);
	watch_ranges(watch, locked, before, after, finished < number ? finished + 1 : number);
	watch_counters(watch, before[at].gfn);
	watch_size(watch, array_gfn);
	watch->finished = finished;
}

unsigned __wrap_balloon_run_ranges(struct s2_locked locked, struct vm *vm,
				   enum balloon_operation operation, struct aerostat_range *ranges,
				   unsigned number, gfn_t array_gfn)
{
	struct watch *watch = watch_find(&vm->s2);
	if (watch == NULL) {
		return __real_balloon_run_ranges(locked, vm, operation, ranges, number, array_gfn);
	}
	CHECK(number <= AEROSTAT_RANGES_MAX);
	memcpy(watch->before, ranges, number * sizeof(*ranges));
	watch->in_ranges = true;
	uint64_t plenty = watch_plenty();
	unsigned finished =
		__real_balloon_run_ranges(locked, vm, operation, ranges, number, array_gfn);
	watch->in_ranges = false;
	watch->spec.plenty = watch_plenty_still(plenty);
	judge_ranges(watch, locked, operation, ranges, number, finished, array_gfn);
	return finished;
}

/*
 * Where another vCPU may write into the range meanwhile, the call works on a copy of it, as it was
 * at one moment: that is what it is to look like in any case.
 */
bool __wrap_balloon_run_words(struct s2_locked locked, struct vm *vm,
			      enum balloon_operation operation, uint64_t *words, gfn_t array_gfn)
{
	struct watch *watch = watch_find(&vm->s2);
	if (watch == NULL) {
		return __real_balloon_run_words(locked, vm, operation, words, array_gfn);
	}
	uint64_t copy[3];
	bool alone = watch->spec.vcpus == 1;
	memcpy(copy, words, sizeof(copy));
	memcpy(watch->before, copy, sizeof(copy));
	bool done =
		__real_balloon_run_words(locked, vm, operation, alone ? words : copy, array_gfn);
	if (done) {
		const void *after = alone ? words : copy;
		judge_ranges(watch, locked, operation, after, 1, 1, array_gfn);
	} else {
		watch_counters(watch, watch->before[0].gfn);
	}
	if (done && !alone) {
		memcpy(words, copy, sizeof(copy));
	}
	return done;
}

bool __wrap_balloon_release_step(struct s2_locked locked, struct vm *vm, uint64_t *next)
{
	struct watch *watch = watch_find(&vm->s2);
	uint64_t gfn = *next;
	bool done = __real_balloon_release_step(locked, vm, next);
	if (watch == NULL) {
		return done;
	}
	for (uint64_t end = done ? watch->spec.pages : *next; gfn < end; gfn++) {
		if (watch->spec.page[gfn] == SPEC_IN_BALLOON) {
			spec_set_pages(&watch->spec, gfn, 1, SPEC_UNTOUCHED);
			watch->spec.returned_pages++;
			watch_page(watch, locked, gfn);
		}
	}
	watch_counters(watch, gfn);
	watch_size(watch, (gfn_t){watch->spec.pages});
	return done;
}

/* ---- Calls ----------------------------------------------------------------------------------- */

static struct spec_call call_of(const struct vcpu *vcpu, bool privileged)
{
	const uint64_t *regs = vcpu->regs;
	return (struct spec_call){
		.number = regs[GPR_RAX],
		.argument = {regs[GPR_RDI], regs[GPR_RSI], regs[GPR_RDX], regs[GPR_R10]},
		.vcpu = vcpu->index,
		.privileged = privileged,
	};
}

static void expect_registers(const struct watch *watch, const struct vcpu *vcpu,
			     const uint64_t *before)
{
	for (unsigned i = 0; i < GPR_COUNT; i++) {
		if (i != GPR_RAX && vcpu->regs[i] != before[i]) {
			watch_mismatch(watch, "the call has changed a register", 0);
		}
	}
}

/* A VM that another CPU has ended meanwhile has no vCPU that could be started. */
static struct spec_answer expected_at_end(const struct vm *vm, const struct spec_call *call,
					  struct spec_answer expected)
{
	bool about_vcpu =
		call->number == AEROSTAT_CALL_VCPU_START || call->number == AEROSTAT_CALL_VCPU_RING;
	if (about_vcpu && expected.kind == SPEC_ZERO && vm_state_now(vm) != VM_RUNNING) {
		expected.error = AEROSTAT_ERROR_STATE;
	}
	return expected;
}

static void judge_call(struct watch *watch, const struct vcpu *vcpu, const struct spec_call *call,
		       struct spec_answer expected, enum exit_action action)
{
	bool ended = action == EXIT_KILL && vm_state_now(vcpu->vm) != VM_RUNNING;
	struct spec_end end = {(int64_t)vcpu->regs[GPR_RAX], watch->finished, ended};
	bool attached = watch->spec.attached;
	watch_judge(watch,
		    action == EXIT_ADVANCE || action == EXIT_WAIT || ended
			    ? NULL
			    : "a call ends in no such way",
		    0);
	watch_judge(
		watch,
		spec_answered(&watch->spec, call, expected_at_end(vcpu->vm, call, expected), end),
		call->argument[0] / PAGE_BYTES);
	if (!attached && watch->spec.attached) {
		watch_attached(watch);
	}
}

enum exit_action __wrap_hypercall_handle(struct vcpu *vcpu, bool privileged)
{
	struct watch *watch = watch_find(&vcpu->vm->s2);
	uint64_t before[GPR_COUNT];
	if (watch == NULL || vcpu->calls_platform) {
		return __real_hypercall_handle(vcpu, privileged);
	}
	watch_serve(watch);
	struct spec_call call = call_of(vcpu, privileged);
	memcpy(before, vcpu->regs, sizeof(before));
	struct s2_locked locked = s2_lock(&vcpu->vm->s2);
	struct spec_answer expected = spec_expect(&watch->spec, &call);
	watch->finished = -1;
	watch->busy = true;
	s2_unlock(locked);
	uint64_t plenty = watch_plenty();
	enum exit_action action = __real_hypercall_handle(vcpu, privileged);
	watch_count(&oracle_counts.calls, 1);
	/* What the call has changed, and that it is over, others see at once. */
	locked = s2_lock(&vcpu->vm->s2);
	watch->spec.plenty = watch_plenty_still(plenty);
	judge_call(watch, vcpu, &call, expected, action);
	expect_registers(watch, vcpu, before);
	watch->busy = false;
	watch_rest(watch, locked);
	s2_unlock(locked);
	watch_serve_end(watch);
	return action;
}
