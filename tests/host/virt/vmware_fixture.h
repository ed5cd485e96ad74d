/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM that is as=vmware, with the real virtual PC, over a world; and its driver, which speaks by
 * IN EAX, DX on vCPU 0 and executes the instruction again when it is to.
 */
#ifndef VMWARE_FIXTURE_H
#define VMWARE_FIXTURE_H

#include "vlapic_fixture.h"

#include "drivers/virt/pc.h"
#include "drivers/virt/vbackdoor.h"
#include "fake/kernel.h"
#include "kernel/vm/platform.h"

#define VMWARE_FRAMES 6000
#define VMWARE_RAM 4096ull /* pages: eight times 2 MiB */
#define VMWARE_BATCH_GFN 7ull
#define VMWARE_STEPS_MAX 5000 /* of one command */

static struct vm *pc;
static struct vcpu *boot_vcpu;
static unsigned steps; /* that the last call took */

static inline int vmware_setup(void **state)
{
	(void)state;
	kernel_start(VMWARE_FRAMES, 1);
	fake_log_clear();
	fake_tsc = 1000000;
	pc = kernel_vm_with(2, "pc", VMWARE_RAM, VMWARE_RAM, 20);
	pc->config.devices = DEVICES_PC;
	pc->config.as = AS_VMWARE;
	pc->config.on_reboot = ON_REBOOT_STOP;
	boot_vcpu = &pc->vcpus[0];
	assert_int_equal(platform_create(pc), STATUS_OK);
	world_check();
	return 0;
}

static inline int vmware_end(void **state)
{
	kernel_vm_end(pc);
	assert_null(pc->platform);
	fake_locks_check();
	return kernel_teardown(state);
}

#define VMWARE_TEST(name) cmocka_unit_test_setup_teardown(name, vmware_setup, vmware_end)

/* One IN of four bytes. True: it is to be executed again. */
static inline bool in_once(struct vcpu *vcpu, uint16_t port)
{
	struct device_access access = {.bytes = 4, .value = 0xeeeeeeeeeeeeeeee};

	platform_port(vcpu, port, &access);
	if (!access.again) {
		vcpu->regs[GPR_RAX] = (uint32_t)access.value;
	}
	return access.again;
}

static inline void set_call(struct vcpu *vcpu, uint64_t command, uint64_t first, uint64_t second)
{
	vcpu->regs[GPR_RAX] = VBACKDOOR_BALLOON_MAGIC;
	vcpu->regs[GPR_RBX] = first;
	vcpu->regs[GPR_RCX] = command;
	vcpu->regs[GPR_RDX] = VBACKDOOR_BALLOON_PORT;
	vcpu->regs[GPR_RSI] = second;
}

/* One command from beginning to end; answers EAX. */
static inline uint32_t command(uint64_t number, uint64_t first, uint64_t second)
{
	set_call(boot_vcpu, number, first, second);
	for (steps = 1; in_once(boot_vcpu, VBACKDOOR_BALLOON_PORT); steps++) {
		assert_true(steps < VMWARE_STEPS_MAX);
		assert_int_equal(boot_vcpu->regs[GPR_RAX], VBACKDOOR_BALLOON_MAGIC);
		assert_int_equal(boot_vcpu->regs[GPR_RBX], first);
		world_check();
	}
	world_check();
	return (uint32_t)boot_vcpu->regs[GPR_RAX];
}

static inline uint64_t *batch_page(void)
{
	return kernel_guest_page(pc, VMWARE_BATCH_GFN);
}

/* `count` entries, `apart` pages from one to the next. */
static inline void fill_batch(uint64_t gfn, unsigned count, uint64_t apart)
{
	uint64_t *entries = batch_page();

	for (unsigned i = 0; i < count; i++) {
		entries[i] = (gfn + i * apart) << 12;
	}
}

static inline uint32_t batch(uint64_t number, unsigned count)
{
	return command(number, VMWARE_BATCH_GFN, count);
}

static inline uint32_t start_driver(uint32_t capabilities)
{
	assert_int_equal(command(VVMBALLOON_START, capabilities, 0),
			 VVMBALLOON_OK_WITH_CAPABILITIES);
	return (uint32_t)boot_vcpu->regs[GPR_RCX];
}

#endif
