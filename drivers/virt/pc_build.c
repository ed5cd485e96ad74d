/* SPDX-License-Identifier: BSD-2-Clause */
/* See pc.h and kernel/vm/platform.h: a virtual PC is made, reset and ended. */
#include "arch/arch.h"
#include "base/string.h"
#include "base/time.h"
#include "drivers/virt/pc.h"
#include "drivers/virt/vlapic_registers.h"
#include "kernel/vm/platform.h"
#include "mm/alloc.h"
#include "mm/phys.h"

_Static_assert(sizeof(struct platform) <= PAGE_BYTES, "the devices share a page");
_Static_assert(sizeof(struct guest_console) <= PAGE_BYTES, "the console has a page");
_Static_assert(GUEST_CONSOLE_BYTES == PAGE_BYTES << PC_SCROLLBACK_ORDER, "its scrollback");

/* 2026-01-01 00:00:00 UTC, when the TSC was 0: the host's own clock is not read. */
#define PC_EPOCH_SECONDS 1767225600ll

static struct frame_tag tag_of(const struct vm *vm, unsigned order)
{
	return (struct frame_tag){FRAME_HYPERVISOR, (uint8_t)order, vm->id};
}

void platform_reset(struct vm *vm)
{
	struct platform *platform = vm->platform;
	uint64_t now = arch_tsc();
	uint64_t khz = arch_tsc_khz();

	vuart_reset(&platform->uart);
	vpic_reset(&platform->pic);
	vpit_reset(&platform->pit, now, khz);
	vrtc_reset(&platform->rtc, now, khz, PC_EPOCH_SECONDS + (int64_t)(now / (khz * 1000)),
		   vm->config.boot_pages << PAGE_SHIFT);
	vi8042_reset(&platform->keyboard);
	vpci_reset(&platform->pci);
	vioapic_reset(&platform->ioapic, 0);
	platform->sleep_control = 0;
	if (platform->dialect != NULL) {
		platform->dialect->reset(platform);
	}
	platform->pic_changed = false;
	platform->pic_output = false;
	platform->turn = 0;
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		vlapic_reset(&platform->lapics[i], i, i == 0);
		platform->pic_vector[i] = 0;
		platform->pic_taken[i] = 0;
		vm->vcpus[i].timer_tsc = WAKE_NEVER;
	}
	vlapic_set_virtual_wire(&platform->lapics[0]);
	pc_time_changed(platform, now);
	vm->vcpus[0].timer_tsc = platform->board_next_tsc;
}

/* Frames for the dialect's state, zeroed. */
static enum status create_dialect(struct vm *vm)
{
	struct platform *platform = vm->platform;
	const struct pc_dialect *dialect = pc_dialect_of(vm);

	platform->dialect = NULL;
	if (dialect == NULL) {
		return STATUS_OK;
	}
	enum status status =
		frame_alloc(dialect->order, tag_of(vm, dialect->order), &platform->dialect_frames);
	if (status == STATUS_OK) {
		platform->dialect = dialect;
		platform->dialect_state = pfn_to_virt(platform->dialect_frames);
		memset(platform->dialect_state, 0, PAGE_BYTES << dialect->order);
	}
	return status;
}

enum status platform_create(struct vm *vm)
{
	pfn_t self, console, scrollback;
	enum status status = frame_alloc(ORDER_4K, tag_of(vm, ORDER_4K), &self);

	if (status != STATUS_OK) {
		return status;
	}
	status = frame_alloc(ORDER_4K, tag_of(vm, ORDER_4K), &console);
	if (status != STATUS_OK) {
		frame_free(self, tag_of(vm, ORDER_4K));
		return status;
	}
	status = frame_alloc(PC_SCROLLBACK_ORDER, tag_of(vm, PC_SCROLLBACK_ORDER), &scrollback);
	if (status != STATUS_OK) {
		frame_free(console, tag_of(vm, ORDER_4K));
		frame_free(self, tag_of(vm, ORDER_4K));
		return status;
	}
	vm->platform = pfn_to_virt(self);
	vm->platform->vm = vm;
	vm->platform->self = self;
	vm->platform->console_frame = console;
	vm->platform->scrollback_frames = scrollback;
	lock_init(&vm->platform->lock, LOCK_PLATFORM);
	vm->console = pfn_to_virt(console);
	guest_console_init(vm->console, pfn_to_virt(scrollback), arch_tsc());
	status = create_dialect(vm);
	if (status != STATUS_OK) {
		platform_destroy(vm);
		return status;
	}
	platform_reset(vm);
	return STATUS_OK;
}

void platform_destroy(struct vm *vm)
{
	struct platform *platform = vm->platform;

	if (platform == NULL) {
		return;
	}
	guest_console_close(vm->console, vm_name(vm));
	vm->console = NULL;
	vm->platform = NULL;
	if (platform->dialect != NULL) {
		frame_free(platform->dialect_frames, tag_of(vm, platform->dialect->order));
	}
	frame_free(platform->scrollback_frames, tag_of(vm, PC_SCROLLBACK_ORDER));
	frame_free(platform->console_frame, tag_of(vm, ORDER_4K));
	frame_free(platform->self, tag_of(vm, ORDER_4K));
}
