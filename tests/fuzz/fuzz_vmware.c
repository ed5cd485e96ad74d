/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMware's balloon under a driver that speaks wrongly: any command with any arguments, batches with
 * any entries, from several vCPUs, given up half-way, rewritten meanwhile, with touches and resets
 * in between. After each step the auditor is content, what the guest has written is where it wrote
 * it or reads as zeros, and each answer is true.
 */
#include "fuzz.h"

#include "base/bits.h"
#include "drivers/virt/pc.h"
#include "drivers/virt/vbackdoor.h"
#include "fake/kernel.h"
#include "kernel/lib/tunables.h"
#include "kernel/vm/platform.h"

const char fuzz_name[] = "vmware";

#define FRAMES 3000
#define RAM 1200u /* pages: twice 2 MiB, and some more */
#define LINE_BYTES 400
#define BATCHES 3 /* pages that hold batches: from BATCH_GFN on */
#define BATCH_GFN 5u
#define STEPS_MAX 20000 /* of one command */

static struct vm *vm;
static uint64_t marks[RAM]; /* what the guest has written to the page; 0: nothing */
static uint64_t shared_gfn; /* a page that may be named as one that holds a batch */

static bool is_batch(uint64_t gfn)
{
	return (gfn >= BATCH_GFN && gfn < BATCH_GFN + BATCHES) || gfn == shared_gfn;
}

static void check(void)
{
	world_check();
	for (uint64_t gfn = 0; gfn < RAM; gfn++) {
		struct s2_slot slot = world_lookup(&vm->s2, gfn);
		if (slot.kind != S2_MAPPED) {
			marks[gfn] = 0;
			gfn |= order_pages(slot.order) - 1;
		} else if (!is_batch(gfn)) {
			const uint64_t *words = (const uint64_t *)(const void *)fake_tlb_access(
				&vm->s2, 0, (gfn_t){gfn});
			FUZZ_CHECK(words == NULL || words[0] == marks[gfn]);
		}
	}
}

static void touch(uint64_t gfn, uint64_t mark)
{
	struct s2_slot slot = world_lookup(&vm->s2, gfn);

	if (slot.kind != S2_MAPPED && kernel_touch(vm, gfn) != EXIT_RESUME) {
		return;
	}
	for (uint64_t i = 0; slot.kind != S2_MAPPED && i < RAM; i++) {
		marks[i] = world_lookup(&vm->s2, i).kind == S2_MAPPED ? marks[i] : 0;
	}
	if (!is_batch(gfn)) {
		*(uint64_t *)(void *)fake_tlb_access(&vm->s2, 0, (gfn_t){gfn}) = mark;
		marks[gfn] = mark;
	}
}

/* One IN; true: again. */
static bool in_once(struct vcpu *vcpu, uint16_t port, uint8_t bytes)
{
	struct device_access access = {.bytes = bytes};
	uint64_t rax = vcpu->regs[GPR_RAX];

	platform_port(vcpu, port, &access);
	FUZZ_CHECK(!access.again || (bytes == 4 && vcpu->regs[GPR_RAX] == rax));
	vcpu->regs[GPR_RAX] = access.again ? rax : access.value;
	check();
	return access.again;
}

static void set_call(struct vcpu *vcpu, uint64_t command, uint64_t first, uint64_t second)
{
	vcpu->regs[GPR_RAX] = VBACKDOOR_BALLOON_MAGIC;
	vcpu->regs[GPR_RCX] = command;
	vcpu->regs[GPR_RBX] = first;
	vcpu->regs[GPR_RSI] = second;
}

/* A batch page is rewritten while a command is at it, or a page is touched. */
static void meddle(struct fuzz_input *input)
{
	unsigned choice = (unsigned)fuzz_take(input, 1);
	uint64_t *entries = kernel_guest_page(vm, BATCH_GFN + choice % BATCHES);

	if (choice & 0x80) {
		touch(fuzz_take(input, 2) % RAM, choice + 1);
	} else {
		entries[choice] = fuzz_take(input, 3) << 12;
	}
}

/* The command in the vCPU's registers; false: it was given up. */
static bool finish(struct vcpu *vcpu, struct fuzz_input *input, unsigned choice)
{
	for (unsigned i = 0; in_once(vcpu, VBACKDOOR_BALLOON_PORT, 4); i++) {
		FUZZ_CHECK(i < STEPS_MAX);
		if (choice & 0x40) {
			meddle(input);
		}
		if ((choice & 0x80) && i == (choice & 3)) {
			return false;
		}
	}
	return true;
}

/* A page that was locked is in the balloon, one that was unlocked is not. */
static void check_batch(const uint64_t *entries, const uint64_t *gfns, unsigned count, bool lock)
{
	for (unsigned i = 0; i < count; i++) {
		unsigned status = entries[i] & 0xfff;
		FUZZ_CHECK(entries[i] >> 12 == gfns[i]);
		FUZZ_CHECK(status <= VVMBALLOON_PPN_PINNED || status == VVMBALLOON_BUSY);
		FUZZ_CHECK(status != VVMBALLOON_PPN_INVALID || gfns[i] >= RAM ||
			   gfns[i] % 512 != 0 || gfns[i] + 512 > RAM);
		if (status == VVMBALLOON_OK) {
			enum s2_kind kind = world_lookup(&vm->s2, gfns[i]).kind;
			FUZZ_CHECK((kind == S2_BALLOONED) == lock);
		}
	}
}

static void run_batch(struct vcpu *vcpu, struct fuzz_input *input, unsigned choice)
{
	unsigned command = VVMBALLOON_BATCHED_LOCK + (choice & 3);
	unsigned count = 1 + (unsigned)fuzz_take(input, 1);
	uint64_t page = BATCH_GFN + (choice >> 2 & 3) % BATCHES;
	uint64_t gfn = fuzz_take(input, 2);
	uint64_t step = fuzz_take(input, 1);
	uint64_t *entries = kernel_guest_page(vm, page);
	uint64_t gfns[256];

	for (unsigned i = 0; i < count; i++) {
		gfns[i] = (gfn + i * step) & (UINT64_MAX >> 12);
		entries[i] = gfns[i] << 12 | (i & 0xfff);
	}
	set_call(vcpu, command, page, count);
	if (finish(vcpu, input, choice) && vcpu->regs[GPR_RAX] == VVMBALLOON_OK &&
	    !(choice & 0xc0)) {
		entries = kernel_guest_page(vm, page);
		check_batch(entries, gfns, count, command % 2 == 0);
	}
}

static void reset(void)
{
	platform_reset(vm);
	FUZZ_CHECK(!vm->balloon.attached);
}

/* What is in the page now is what the guest knows. */
static void unshare(void)
{
	uint64_t gfn = shared_gfn;

	shared_gfn = UINT64_MAX;
	if (gfn < RAM && !is_batch(gfn)) {
		bool mapped = world_lookup(&vm->s2, gfn).kind == S2_MAPPED;
		marks[gfn] = mapped ? *(uint64_t *)kernel_guest_page(vm, gfn) : 0;
	}
}

static void step(struct fuzz_input *input)
{
	unsigned what = (unsigned)fuzz_take(input, 1);
	unsigned choice = (unsigned)fuzz_take(input, 1);
	struct vcpu *vcpu = &vm->vcpus[what >> 7];

	switch (what & 7) {
	case 0:
		set_call(vcpu, VVMBALLOON_START, choice & 0x20 ? 0x3e : choice, 0);
		(void)finish(vcpu, input, choice);
		break;
	case 1:
		set_call(vcpu, VVMBALLOON_LOCK + (choice & 1), fuzz_take(input, 2), 1);
		(void)finish(vcpu, input, choice);
		break;
	case 2: {
		uint64_t command = choice & 15;
		uint64_t first = fuzz_take(input, 8);
		set_call(vcpu, command, first, fuzz_take(input, 3));
		shared_gfn = first;
		(void)finish(vcpu, input, choice);
		unshare();
		break;
	}
	case 3:
		touch(fuzz_take(input, 2) % RAM, choice + 1);
		break;
	case 4:
		balloon_set_target(vm, choice, AEROSTAT_PRESSURE_LOW);
		fake_tsc += choice * 10000;
		set_call(vcpu, VVMBALLOON_GET_TARGET, fuzz_take(input, 2), 0);
		(void)finish(vcpu, input, 0);
		break;
	case 5:
		if (choice == 0x55) {
			reset();
		}
		set_call(vcpu, choice, choice, choice);
		vcpu->regs[GPR_RAX] = choice & 1 ? VBACKDOOR_MAGIC : VBACKDOOR_BALLOON_MAGIC;
		(void)in_once(vcpu, choice & 2 ? VBACKDOOR_PORT : VBACKDOOR_BALLOON_PORT,
			      (uint8_t)(1u << (choice >> 4) % 3));
		break;
	default:
		run_batch(vcpu, input, choice);
		break;
	}
	check();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = {data, bytes};

	if (bytes > LINE_BYTES) {
		return 0;
	}
	kernel_start(FRAMES, 1);
	fake_tsc = 1000000;
	memset(marks, 0, sizeof(marks));
	shared_gfn = UINT64_MAX;
	vm = kernel_vm_with(2, "pc", RAM, RAM, 20);
	vm->config.devices = DEVICES_PC;
	vm->config.as = AS_VMWARE;
	FUZZ_CHECK(platform_create(vm) == STATUS_OK);
	set_call(&vm->vcpus[0], VVMBALLOON_START, 0x3e, 0);
	(void)finish(&vm->vcpus[0], &input, 0);
	while (input.bytes > 0) {
		step(&input);
	}
	kernel_vm_end(vm);
	(void)kernel_teardown(NULL);
	return 0;
}
