/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio balloon over the real balloon core: the input is a program of a guest, accesses to
 * registers, words in its rings and buffers, touches of its pages, and of the hypervisor, targets
 * and time. After each step the audit is clean and what the device keeps is within its bounds; in
 * the end a reset empties the balloon in bounded steps, and no frame is lost.
 */
#include "fuzz.h"

#include "drivers/virt/vballoon.h"
#include "fake/devices.h"
#include "fake/kernel.h"
#include "mm/alloc.h"

const char fuzz_name[] = "virtio";

#define FRAMES 1600
#define PAGES 1100u /* of the VM; two extents of 2 MiB lie in it */
#define STEPS_MAX 300
#define QUEUES 4u
#define QUEUE_GFN 1040u /* three pages for each */
#define BUFFER_GFN 1060u
#define TICKS_MAX 200 /* until a release is done */

static struct vm *vm;
static struct vballoon balloon;
static struct aerostat_balloon_page page;
static uint16_t offered[QUEUES];

static void store(uint32_t offset, uint32_t value)
{
	vballoon_write(&balloon, offset, 4, value, fake_tsc);
}

/* Guest memory as a vCPU reaches it; NULL: it waits for a frame. */
static uint8_t *reach(uint64_t gfn)
{
	uint8_t *there = fake_tlb_access(&vm->s2, 0, (gfn_t){gfn});
	if (there == NULL && vm->vcpus[0].state == VCPU_RUNNING) {
		(void)kernel_touch(vm, gfn);
		there = fake_tlb_access(&vm->s2, 0, (gfn_t){gfn});
	}
	return there;
}

static void put(uint64_t address, const void *from, size_t bytes)
{
	uint8_t *there = reach(address / PAGE_BYTES);
	if (there != NULL && address % PAGE_BYTES + bytes <= PAGE_BYTES) {
		memcpy(there + address % PAGE_BYTES, from, bytes);
	}
}

static uint64_t part_at(unsigned queue, unsigned part)
{
	return (QUEUE_GFN + queue * 3 + part) * PAGE_BYTES;
}

static void describe(unsigned queue, unsigned number, uint64_t address, uint32_t bytes,
		     uint16_t flags, uint16_t next)
{
	uint8_t descriptor[16];
	memcpy(descriptor, &address, 8);
	memcpy(descriptor + 8, &bytes, 4);
	memcpy(descriptor + 12, &flags, 2);
	memcpy(descriptor + 14, &next, 2);
	put(part_at(queue, 0) + 16 * number, descriptor, sizeof(descriptor));
}

static void offer(unsigned queue, uint16_t head)
{
	put(part_at(queue, 1) + 4 + 2 * (offered[queue] % 64u), &head, 2);
	offered[queue]++;
	put(part_at(queue, 1) + 2, &offered[queue], 2);
	store(0x50, queue);
}

/* All that a good driver does, with any features. */
static void connect(uint32_t features)
{
	store(0x70, 0);
	store(0x70, 3);
	store(0x24, 1);
	store(0x20, 1);
	store(0x24, 0);
	store(0x20, features);
	store(0x70, 0xb);
	for (unsigned i = 0; i < QUEUES; i++) {
		static const uint8_t zeros[PAGE_BYTES];
		offered[i] = 0;
		put(part_at(i, 1), zeros, sizeof(zeros));
		store(0x30, i);
		store(0x38, 64);
		store(0x80, (uint32_t)part_at(i, 0));
		store(0x90, (uint32_t)part_at(i, 1));
		store(0xa0, (uint32_t)part_at(i, 2));
		store(0x44, 1);
	}
	store(0x70, 0xf);
}

/* A buffer of page numbers. */
static void offer_pages(struct fuzz_input *input, unsigned queue)
{
	uint32_t gfn = (uint32_t)fuzz_take(input, 2) % (PAGES + 20);
	int step = (int)(fuzz_take(input, 1) & 7) - 3;
	unsigned count = (unsigned)fuzz_take(input, 1) + 1;

	for (unsigned i = 0; i < count; i++) {
		uint32_t number = gfn + (uint32_t)(step * (int)i);
		put(BUFFER_GFN * PAGE_BYTES + 4 * i, &number, 4);
	}
	describe(queue, 0, BUFFER_GFN * PAGE_BYTES, 4 * count, 0, 0);
	offer(queue, 0);
}

static void offer_report(struct fuzz_input *input)
{
	uint64_t address = fuzz_take(input, 3) << 4;
	uint32_t bytes = (uint32_t)fuzz_take(input, 3);

	describe(3, 0, address, bytes, 2, 0);
	offer(3, 0);
}

static void any_descriptor(struct fuzz_input *input)
{
	unsigned queue = (unsigned)fuzz_take(input, 1) % QUEUES;
	unsigned number = (unsigned)fuzz_take(input, 1) % 64;
	uint64_t address = fuzz_take(input, 4) * 4 + (fuzz_take(input, 1) == 0 ? 1ull << 63 : 0);
	uint32_t bytes = (uint32_t)fuzz_take(input, 2);
	uint16_t flags = (uint16_t)(fuzz_take(input, 1) & 7);

	describe(queue, number, address, bytes, flags, (uint16_t)(fuzz_take(input, 1) % 66));
}

static void any_word(struct fuzz_input *input)
{
	uint64_t address = QUEUE_GFN * PAGE_BYTES + fuzz_take(input, 2) % (24 * PAGE_BYTES);
	uint32_t value = (uint32_t)fuzz_take(input, 4);

	put(address & ~3ull, &value, sizeof(value));
}

static void any_access(struct fuzz_input *input)
{
	unsigned bytes = 1u << (fuzz_take(input, 1) & 3);
	uint32_t offset = (uint32_t)fuzz_take(input, 2) % VMMIO_BYTES;

	vballoon_write(&balloon, offset, bytes, (uint32_t)fuzz_take(input, 4), fake_tsc);
	(void)vballoon_read(&balloon, offset, bytes);
}

static void tick(uint64_t ms)
{
	fake_tsc += ms * 1000 * 1000;
	if (vballoon_next(&balloon) <= fake_tsc) {
		vballoon_tick(&balloon, fake_tsc);
	}
}

static void act(struct fuzz_input *input)
{
	switch (fuzz_take(input, 1) % 14) {
	case 0:
		store((uint32_t)(fuzz_take(input, 1) << 2) % VMMIO_BYTES,
		      (uint32_t)fuzz_take(input, 4));
		break;
	case 1:
		any_access(input);
		break;
	case 2:
		connect((uint32_t)fuzz_take(input, 1) & 0x37);
		break;
	case 3:
	case 4:
		offer_pages(input, 0);
		break;
	case 5:
		offer_pages(input, 1);
		break;
	case 6:
		offer_report(input);
		break;
	case 7:
		any_descriptor(input);
		break;
	case 8:
		offer((unsigned)fuzz_take(input, 1) % QUEUES, (uint16_t)fuzz_take(input, 1) % 66);
		break;
	case 9:
		any_word(input);
		break;
	case 10:
		tick(fuzz_take(input, 1) * 8);
		break;
	case 11:
		tick(0);
		break;
	case 12:
		balloon_set_target(vm, fuzz_take(input, 2), AEROSTAT_PRESSURE_LOW);
		vballoon_target_changed(&balloon);
		break;
	case 13:
		(void)reach(fuzz_take(input, 2) % PAGES);
		break;
	}
}

static void check(void)
{
	const struct vballoon_job *job = &balloon.job;
	const struct vmmio *mmio = &balloon.mmio;

	world_check();
	FUZZ_CHECK(vm->state == VM_RUNNING);
	FUZZ_CHECK(vm->balloon.attached == balloon.attached);
	FUZZ_CHECK(!balloon.attached || page.size_pages == vm->s2.ballooned_pages);
	FUZZ_CHECK(job->chain.count <= VRING_SIZE_MAX);
	FUZZ_CHECK(!job->active || job->piece <= job->chain.count);
	FUZZ_CHECK(!job->active || job->count <= VBALLOON_BATCH_PAGES);
	FUZZ_CHECK(mmio->queue_count <= QUEUES && mmio->interrupt <= 3);
	FUZZ_CHECK(!(mmio->status & VMMIO_DRIVER_OK) || (mmio->status & VMMIO_FEATURES_OK));
	FUZZ_CHECK(!(mmio->status & VMMIO_FEATURES_OK) || (mmio->features & ~mmio->offered) == 0);
	for (unsigned i = 0; i < mmio->queue_count; i++) {
		FUZZ_CHECK(!mmio->queues[i].ready || vring_judge(&mmio->queues[i]) == NULL);
	}
	FUZZ_CHECK(page.free_pages <= PAGES && page.idle_pages <= page.free_pages);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = {data, bytes};
	unsigned ticks = 0;

	kernel_start(FRAMES, 1);
	fake_devices_reset();
	memset(&page, 0, sizeof(page));
	vm = kernel_vm("vm", PAGES, PAGES, 100);
	vballoon_init(&balloon, vm, &page);
	connect(0x37);
	for (unsigned step = 0; step < STEPS_MAX && input.bytes > 0; step++) {
		act(&input);
		check();
	}
	store(0x70, 0);
	while (vballoon_next(&balloon) <= fake_tsc) {
		vballoon_tick(&balloon, fake_tsc);
		FUZZ_CHECK(++ticks <= TICKS_MAX);
		check();
	}
	FUZZ_CHECK(vm->s2.ballooned_pages == 0);
	kernel_vm_end(vm);
	world_stop();
	return 0;
}
