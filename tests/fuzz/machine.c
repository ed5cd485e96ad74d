/* SPDX-License-Identifier: BSD-2-Clause */
/* See machine.h. One thread; frames 0..15 are firmware's, 16 holds the module, the rest is RAM. */
#include "machine.h"

#include <stdlib.h>

#include "fake/world.h"
#include "fuzz.h"

#include "arch/arch.h"
#include "arch/backend.h"
#include "arch/boot_info.h"
#include "kernel/overcommit/governor.h"
#include "kernel/sched/run_queue.h"
#include "kernel/sched/scheduler.h"
#include "kernel/lifecycle/build.h"
#include "kernel/lifecycle/end.h"
#include "kernel/monitor/audit.h"
#include "kernel/sched/wake.h"
#include "mm/alloc.h"
#include "mm/audit.h"
#include "mm/phys.h"

#define MODULE_FRAME 16
#define MODULE_BYTES 512
#define ENTRY (MACHINE_IMAGE_GFN << PAGE_SHIFT)

static struct frame records[MACHINE_FRAMES_MAX];
static uint64_t free_at_start;

static const struct s2_format *format(void)
{
	return &fake_format;
}

static enum status vcpu_create(struct vcpu *vcpu, struct s2 *s2)
{
	FUZZ_CHECK(s2 == &vcpu->vm->s2 && vcpu->state == VCPU_OFF);
	vcpu->arch = (struct arch_vcpu *)vcpu;
	return STATUS_OK;
}

static void vcpu_destroy(struct vcpu *vcpu)
{
	(void)vcpu;
}

static const struct backend fake_backend = {
	.name = "fake",
	.s2_format = format,
	.vcpu_create = vcpu_create,
	.vcpu_destroy = vcpu_destroy,
};

const struct backend *backend = &fake_backend;

static void put(uint8_t *at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++) {
		at[i] = (uint8_t)(value >> (8 * i));
	}
}

/* ELF64, EXEC, x86-64, one segment of two pages, of which the file holds 256 bytes. */
static void put_module(uint8_t *file)
{
	uint8_t *program = file + 64;
	memset(file, 0x90, MODULE_BYTES);
	memset(file, 0, 128);
	memcpy(file, "\177ELF\2\1\1", 7);
	put(file + 16, 2, 2);
	put(file + 18, 62, 2);
	put(file + 24, ENTRY, 8);
	put(file + 32, 64, 8);
	put(file + 54, 56, 2);
	put(file + 56, 1, 2);
	put(program, 1, 4);
	put(program + 4, 5, 4);
	put(program + 8, 128, 8);
	put(program + 24, MACHINE_IMAGE_GFN << PAGE_SHIFT, 8);
	put(program + 32, 256, 8);
	put(program + 40, 2 * PAGE_BYTES, 8);
}

/*
 * The memory is the same for all machines: what the last one left is what a former owner left. A
 * word on every page says so, which nobody may ever see.
 */
static void memory_start(uint64_t frames)
{
	static uint8_t *memory;
	FUZZ_CHECK(frames <= MACHINE_FRAMES_MAX);
	if (memory == NULL) {
		memory = aligned_alloc(PAGE_BYTES, MACHINE_FRAMES_MAX * PAGE_BYTES);
	}
	direct_map_base = (uintptr_t)memory;
	for (uint64_t pfn = 0; pfn < frames; pfn++) {
		*(uint64_t *)pfn_to_virt((pfn_t){pfn}) = WORLD_FORMER_OWNER;
	}
}

void machine_start(uint64_t frames, unsigned max_leaf_level)
{
	static struct memmap available;
	static struct memmap ours;
	available.count = 1;
	available.regions[0].start = (MODULE_FRAME + 1) << PAGE_SHIFT;
	available.regions[0].end = frames << PAGE_SHIFT;
	ours.count = 1;
	ours.regions[0].start = MODULE_FRAME << PAGE_SHIFT;
	ours.regions[0].end = (MODULE_FRAME + 1) << PAGE_SHIFT;
	memset(vms, 0, sizeof(vms));
	vm_count = 0;
	fake_locks_reset();
	fake_cpus_reset(2);
	fake_log_clear();
	fake_tlb_reset();
	frame_alloc_fail_at = 0;
	fake_format.max_leaf_level = max_leaf_level;
	memory_start(frames);
	frame_table_init(records, frames, &available, &ours);
	put_module(pfn_to_virt((pfn_t){MODULE_FRAME}));
	free_at_start = frame_count_free();
	governor_init();
	machine_check();
}

void machine_pick(struct vcpu *vcpu)
{
	FUZZ_CHECK(vcpu->state != VCPU_OFF && vcpu->state != VCPU_ENDED);
	struct run_queue *queue = &run_queues[vcpu->home];
	if (vcpu->state == VCPU_ASLEEP) {
		vcpu_signal(vcpu);
		vcpu_wake_for_memory(vcpu);
		vcpu->event = false;
		vcpu->doorbell_pending = false;
	}
	lock_acquire(&queue->lock);
	queue->wanted = false;
	while (vcpu->state != VCPU_RUNNING) {
		struct vcpu *other = run_queue_take(queue);
		FUZZ_CHECK(other != NULL);
		if (other != vcpu) {
			run_queue_put(queue, other, 1000, fake_tsc);
		}
	}
	lock_release(&queue->lock);
	fake_cpu = vcpu->home;
}

void machine_settle(struct vcpu *vcpu)
{
	struct run_queue *queue = &run_queues[vcpu->home];
	FUZZ_CHECK(vcpu->state == VCPU_RUNNING);
	lock_acquire(&queue->lock);
	run_queue_put(queue, vcpu, 100, fake_tsc);
	lock_release(&queue->lock);
	FUZZ_CHECK(vcpu->state != VCPU_RUNNING && vcpu->state != VCPU_OFF);
	fake_cpu = 0;
}

void machine_stop(void)
{
	fake_on_unlock = NULL;
	frame_alloc_fail_at = 0;
	for (unsigned i = 0; i < vm_count; i++) {
		if (vms[i].state == VM_RUNNING) {
			vm_kill(&vms[i], "the test is over");
		}
		FUZZ_CHECK(vms[i].state == VM_REFUSED || scheduler_retire(&vms[i]));
		while (!vm_teardown_step(&vms[i])) {
			machine_check();
		}
	}
	machine_check();
	FUZZ_CHECK(frame_count_free() == free_at_start);
	FUZZ_CHECK(promise_owed() == 0);
	promise_reserve_set(0);
	fake_tlb_reset();
}

struct vm *machine_start_vm(const char *text)
{
	static struct boot_module module;
	module.start = MODULE_FRAME << PAGE_SHIFT;
	module.end = module.start + MODULE_BYTES;
	module.text = text;
	module.released = false;
	struct vms_pages pages;
	unsigned before = vm_count;
	fake_cpu = 0;
	vms_start(&module, 1, &pages);
	vms_release();
	machine_check();
	if (vm_count == before || vms[before].state != VM_RUNNING) {
		return NULL;
	}
	const struct vcpu *first = &vms[before].vcpus[0];
	FUZZ_CHECK(first->entry == ENTRY && first->regs[GPR_RBX] % PAGE_BYTES == 0);
	return &vms[before];
}

void machine_check(void)
{
	static struct audit_report report;
	unsigned count = fake_cpu_count;
	fake_cpu_count = 1; /* there is nobody to stop */
	vms_audit(&report);
	fake_cpu_count = count;
	if (report.error_count != 0) {
		fail_msg("audit: %llu errors; %s", (unsigned long long)report.error_count,
			 report.first_error);
	}
	fake_locks_check();
	fake_tlb_check();
}
