/* SPDX-License-Identifier: BSD-2-Clause */
/* See spec.h. The words in capitals are those of docs/abi.md, and so is the order of judgements. */
#include "tests/spec/spec.h"

#define PAGE 4096u

/* ---- Pages ----------------------------------------------------------------------------------- */

void spec_begin(struct spec_vm *vm, uint64_t pages)
{
	__builtin_memset(vm, 0, sizeof(*vm));
	vm->pages = pages;
	vm->started = 1;
}

static void count_page(struct spec_vm *vm, uint64_t gfn, unsigned change)
{
	if (vm->page[gfn] == SPEC_HELD) {
		vm->held_pages += (uint64_t)(int64_t)(int)change;
		vm->region_held[gfn / SPEC_REGION] += (uint16_t)change;
	} else if (vm->page[gfn] == SPEC_IN_BALLOON) {
		vm->balloon_pages += (uint64_t)(int64_t)(int)change;
		vm->region_balloon[gfn / SPEC_REGION] += (uint16_t)change;
	}
}

static void set_page(struct spec_vm *vm, uint64_t gfn, enum spec_page page)
{
	count_page(vm, gfn, -1u);
	vm->page[gfn] = (uint8_t)page;
	count_page(vm, gfn, 1);
}

void spec_set_pages(struct spec_vm *vm, uint64_t gfn, uint64_t pages, enum spec_page page)
{
	for (uint64_t i = 0; i < pages; i++) {
		set_page(vm, gfn + i, page);
	}
}

struct spec_counts spec_count_regions(const struct spec_vm *vm, uint64_t gfn, uint64_t pages)
{
	struct spec_counts counts = {0, 0, false, false};
	for (uint64_t at = gfn; at < gfn + pages && at < vm->pages; at += SPEC_REGION) {
		uint64_t held = vm->region_held[at / SPEC_REGION];
		counts.held += held;
		counts.balloon += vm->region_balloon[at / SPEC_REGION];
		counts.whole = counts.whole || held == SPEC_REGION;
		counts.pieces = counts.pieces || (held != 0 && held != SPEC_REGION);
	}
	return counts;
}

struct spec_counts spec_count_extent(const struct spec_vm *vm, uint64_t gfn, uint64_t pages)
{
	struct spec_counts counts = {0, 0, false, false};
	if (pages > 1) {
		return spec_count_regions(vm, gfn, pages);
	}
	counts.held = vm->page[gfn] == SPEC_HELD;
	counts.balloon = vm->page[gfn] == SPEC_IN_BALLOON;
	return counts;
}

/* ---- Touches --------------------------------------------------------------------------------- */

const char *spec_filled(struct spec_vm *vm, uint64_t gfn, uint64_t pages, bool by_touch)
{
	if (gfn >= vm->pages) {
		return "a page beyond RAM has got a frame";
	}
	if (pages == 0) {
		return vm->page[gfn] == SPEC_HELD ? NULL
						  : "a page without a frame was taken for one";
	}
	if (pages != 1 && pages != SPEC_REGION && pages != SPEC_GIGABYTE) {
		return "an extent of another size has got frames";
	}
	uint64_t first = gfn - gfn % pages;
	if (pages > vm->pages - first) {
		return "an extent that is not all in RAM has got frames";
	}
	struct spec_counts counts = spec_count_extent(vm, first, pages);
	if (pages == 1 && counts.balloon == 1) {
		if (!by_touch || vm->on_touch != SPEC_TOUCH_ZERO) {
			return "a page in the balloon has got a frame";
		}
		vm->touched_pages++;
	} else if (counts.held + counts.balloon != 0) {
		return "what was touched already, or is in the balloon, has got frames";
	}
	spec_set_pages(vm, first, pages, SPEC_HELD);
	return NULL;
}

const char *spec_touch(const struct spec_vm *vm, uint64_t gfn, enum spec_page before, bool lacking,
		       enum spec_outcome outcome)
{
	enum spec_outcome surrendered =
		vm->on_touch == SPEC_TOUCH_FAULT ? SPEC_PROTECTION_FAULT : SPEC_ENDS;
	if (before == SPEC_IN_BALLOON && vm->on_touch != SPEC_TOUCH_ZERO) {
		if (vm->page[gfn] != SPEC_IN_BALLOON) {
			return "a touch took a page out of the balloon";
		}
		return outcome == surrendered ? NULL : "a touch of the balloon is not as on-touch=";
	}
	if (outcome == SPEC_GOES_ON) {
		return vm->page[gfn] == SPEC_HELD ? NULL : "the touched page has no frame";
	}
	if (outcome != SPEC_WAITS) {
		return "a touch that is allowed ended in a fault";
	}
	if (before == SPEC_HELD) {
		return "a touch of a page with a frame waits";
	}
	if (!lacking && vm->held_pages < vm->min_pages) {
		return "a VM below its minimum waits for a frame";
	}
	if (vm->plenty) {
		return "a touch waits though there are frames";
	}
	return vm->page[gfn] == before ? NULL : "a touch that waits has changed the page";
}

/* ---- What a call may answer ------------------------------------------------------------------ */

static const uint8_t arguments_used[AEROSTAT_CALL_COUNT] = {0, 2, 2, 1, 2, 0, 2, 2, 2, 2, 3, 1, 1};

static struct spec_answer error(int64_t code)
{
	return (struct spec_answer){SPEC_ERROR, code, false};
}

static struct spec_answer zero(void)
{
	return (struct spec_answer){SPEC_ZERO, 0, false};
}

static bool is_vector(uint64_t vector)
{
	return vector == 0 || (vector >= 32 && vector <= 255);
}

/* [address, address + bytes) is in RAM, and nothing of it in the balloon. */
static bool can_be_read(const struct spec_vm *vm, uint64_t address, uint64_t bytes)
{
	uint64_t end = vm->pages * PAGE;
	if (address >= end || bytes > end - address) {
		return false;
	}
	for (uint64_t gfn = address / PAGE; gfn <= (address + bytes - 1) / PAGE; gfn++) {
		if (vm->page[gfn] == SPEC_IN_BALLOON) {
			return false;
		}
	}
	return true;
}

/* A page that was never touched needs a frame first, and there may be none. */
static struct spec_answer needs_page(const struct spec_vm *vm, uint64_t gfn, enum spec_kind kind)
{
	struct spec_answer answer = {kind, 0, false};
	if (gfn >= vm->pages || vm->page[gfn] == SPEC_IN_BALLOON) {
		return error(AEROSTAT_ERROR_ADDRESS);
	}
	if (vm->page[gfn] == SPEC_UNTOUCHED) {
		answer.error = AEROSTAT_ERROR_ADDRESS;
		answer.lacks = true;
	}
	return answer;
}

static struct spec_answer expect_console_write(const struct spec_vm *vm, const uint64_t *argument)
{
	if (argument[1] == 0 || argument[1] > 200) {
		return error(AEROSTAT_ERROR_COUNT);
	}
	return can_be_read(vm, argument[0], argument[1]) ? zero() : error(AEROSTAT_ERROR_ADDRESS);
}

static struct spec_answer expect_attach(const struct spec_vm *vm, const uint64_t *argument)
{
	if (!is_vector(argument[1])) {
		return error(AEROSTAT_ERROR_VECTOR);
	}
	if (vm->attached || vm->by_device) {
		return error(AEROSTAT_ERROR_STATE);
	}
	return needs_page(vm, argument[0], SPEC_ZERO);
}

static struct spec_answer expect_ranges(const struct spec_vm *vm, const uint64_t *argument)
{
	if (!vm->attached && !vm->by_device) {
		return error(AEROSTAT_ERROR_STATE);
	}
	if (argument[1] == 0 || argument[1] > 170) {
		return error(AEROSTAT_ERROR_COUNT);
	}
	if (argument[0] % 8 != 0 || argument[0] % PAGE + argument[1] * 24 > PAGE) {
		return error(AEROSTAT_ERROR_ADDRESS);
	}
	return needs_page(vm, argument[0] / PAGE, SPEC_COUNT);
}

/* Of a vCPU that is there. `possible`: it is in a state for the call, as far as that is known. */
static struct spec_answer depends_on_vcpu(const struct spec_vm *vm, bool possible)
{
	if (vm->started_elsewhere) {
		return (struct spec_answer){SPEC_ZERO, AEROSTAT_ERROR_STATE, false};
	}
	return possible ? zero() : error(AEROSTAT_ERROR_STATE);
}

static bool was_started(const struct spec_vm *vm, uint64_t number)
{
	return (vm->started >> number & 1) != 0;
}

static struct spec_answer expect_ring(const struct spec_vm *vm, const uint64_t *argument)
{
	if (argument[0] >= vm->vcpus) {
		return error(AEROSTAT_ERROR_VCPU);
	}
	return depends_on_vcpu(vm, was_started(vm, argument[0]) && vm->vector[argument[0]] != 0);
}

static struct spec_answer expect_start(const struct spec_vm *vm, const uint64_t *argument)
{
	if (argument[2] >> 32 != 0) {
		return error(AEROSTAT_ERROR_RESERVED);
	}
	if (argument[0] >= vm->vcpus) {
		return error(AEROSTAT_ERROR_VCPU);
	}
	if (argument[1] >> 32 != 0 || argument[1] >= vm->pages * PAGE) {
		return error(AEROSTAT_ERROR_ADDRESS);
	}
	return depends_on_vcpu(vm, !was_started(vm, argument[0]));
}

struct spec_answer spec_expect(const struct spec_vm *vm, const struct spec_call *call)
{
	const uint64_t *argument = call->argument;
	if (!call->privileged) {
		return error(AEROSTAT_ERROR_PRIVILEGE);
	}
	if (call->number >= AEROSTAT_CALL_COUNT) {
		return error(AEROSTAT_ERROR_UNKNOWN_CALL);
	}
	for (unsigned i = arguments_used[call->number]; i < 4; i++) {
		if (argument[i] != 0) {
			return error(AEROSTAT_ERROR_RESERVED);
		}
	}
	switch (call->number) {
	case AEROSTAT_CALL_EXIT:
		return (struct spec_answer){SPEC_NOTHING, 0, false};
	case AEROSTAT_CALL_CONSOLE_WRITE:
		return expect_console_write(vm, argument);
	case AEROSTAT_CALL_BALLOON_ATTACH:
		return expect_attach(vm, argument);
	case AEROSTAT_CALL_BALLOON_DETACH:
		return vm->attached ? zero() : error(AEROSTAT_ERROR_STATE);
	case AEROSTAT_CALL_BALLOON_SURRENDER:
	case AEROSTAT_CALL_BALLOON_RETURN:
	case AEROSTAT_CALL_BALLOON_REPORT:
	case AEROSTAT_CALL_BALLOON_EMERGENCY:
		return expect_ranges(vm, argument);
	case AEROSTAT_CALL_VCPU_START:
		return expect_start(vm, argument);
	case AEROSTAT_CALL_VCPU_DOORBELL:
		return is_vector(argument[0]) ? zero() : error(AEROSTAT_ERROR_VECTOR);
	case AEROSTAT_CALL_VCPU_RING:
		return expect_ring(vm, argument);
	default: /* NULL, WAIT */
		return zero();
	}
}

static bool is_allowed(const struct spec_vm *vm, struct spec_answer expected, struct spec_end end)
{
	bool lacking = expected.lacks && !vm->plenty;
	bool refused = expected.error != 0 && end.result == expected.error && end.finished < 0 &&
		       (lacking || !expected.lacks);
	bool none = expected.kind == SPEC_ZERO && end.result == 0 && end.finished < 0;
	bool counted =
		expected.kind == SPEC_COUNT && end.result == end.finished && end.finished >= 0;
	return refused || none || counted || expected.kind == SPEC_NOTHING;
}

/* EXIT does, and a WAIT that nothing can end. */
static bool ends_rightly(const struct spec_vm *vm, const struct spec_call *call,
			 struct spec_answer expected, bool vm_ended)
{
	bool may_end = call->number == AEROSTAT_CALL_WAIT && expected.kind == SPEC_ZERO &&
		       call->argument[0] == 0 && !vm->attached && vm->vcpus == 1;
	return expected.kind == SPEC_NOTHING ? vm_ended : !vm_ended || may_end;
}

static const char *attach(struct spec_vm *vm, const struct spec_call *call)
{
	vm->attached = true;
	vm->balloon_page = call->argument[0];
	vm->vector[call->vcpu] = (uint8_t)call->argument[1];
	vm->doorbell_attached |= 1ull << call->vcpu;
	return vm->page[vm->balloon_page] == SPEC_HELD ? NULL : "the balloon page has no frame";
}

static void detach(struct spec_vm *vm, unsigned vcpu)
{
	vm->attached = false;
	if ((vm->doorbell_attached >> vcpu & 1) != 0) {
		vm->vector[vcpu] = 0;
		vm->doorbell_attached &= ~(1ull << vcpu);
	}
}

const char *spec_answered(struct spec_vm *vm, const struct spec_call *call,
			  struct spec_answer expected, struct spec_end end)
{
	if (!is_allowed(vm, expected, end)) {
		return "the call answers what it must not";
	}
	if (!ends_rightly(vm, call, expected, end.vm_ended)) {
		return "the VM has ended by this call, or has not";
	}
	if (expected.kind != SPEC_ZERO || end.result != 0) {
		return NULL;
	}
	switch (call->number) {
	case AEROSTAT_CALL_BALLOON_ATTACH:
		return attach(vm, call);
	case AEROSTAT_CALL_BALLOON_DETACH:
		detach(vm, call->vcpu);
		break;
	case AEROSTAT_CALL_VCPU_START:
		vm->started |= 1ull << call->argument[0];
		break;
	case AEROSTAT_CALL_VCPU_DOORBELL:
		vm->vector[call->vcpu] = (uint8_t)call->argument[0];
		vm->doorbell_attached &= ~(1ull << call->vcpu);
		break;
	default:
		break;
	}
	return NULL;
}
