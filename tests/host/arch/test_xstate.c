/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extended state and debug registers between guests: arch/x86/cpu/xstate.c and
 * arch/x86/guest/guest_vcpu.c on a fake processor. A guest here does what XSETBV without an exit
 * lets it do.
 */
#include "fake/world.h"

#include <string.h>

#include "arch/x86/cpu/features.h"
#include "arch/x86/cpu/msr.h"
#include "arch/x86/cpu/registers.h"
#include "arch/x86/cpu/xstate.h"
#include "arch/x86/guest/guest_cpuid.h"
#include "arch/x86/guest/guest_vcpu.h"
#include "base/bits.h"
#include "fake/processor.h"
#include "kernel/vm/vm.h"

#define OFFERED (XCR0_X87 | XCR0_SSE | XCR0_AVX)
#define PKRU BIT(9)
#define LWP BIT(62)
#define PLAIN_QEMU (OFFERED | XCR0_MPX | PKRU)

struct cpu_features cpu_features;
struct guest_features guest_features;
static unsigned cpu;
static struct vm vms_here[2];

/* No measures against speculation: their barriers need a real CPU. */
uint32_t speculation_actions;

void guest_cpuid_choose(struct vcpu *vcpu)
{
	(void)vcpu;
}

void speculation_barrier(void)
{
	fail_msg("a barrier that no measure asks for");
}
static struct vcpu vcpus[2];

unsigned arch_cpu_index(void)
{
	return cpu;
}

static uint64_t nothing_read(const struct vcpu *vcpu, enum guest_register name)
{
	(void)vcpu;
	(void)name;
	return 0;
}

static const struct guest_access no_access = {.read = nothing_read};

/* The boot CPU of a machine whose XCR0 has `components`, 0: no XSAVE. */
static void boot(uint64_t components)
{
	processor_reset(components);
	memset(&cpu_features, 0, sizeof(cpu_features));
	cpu_features.xsave = components != 0;
	cpu_features.avx = (components & XCR0_AVX) != 0;
	cpu = 0;
	xstate_cpu_init();
	guest_features.xcr0 = components ? xstate_mask() : 0;
}

/* Two VMs, one vCPU each. */
static void make_vcpus(void)
{
	for (unsigned i = 0; i < 2; i++) {
		vms_here[i].id = (vm_id_t)(i + 1);
		vcpus[i] = (struct vcpu){.vm = &vms_here[i]};
		assert_int_equal(
			guest_vcpu_alloc(&vcpus[i], NULL, sizeof(struct arch_vcpu), &no_access),
			STATUS_OK);
	}
}

/* XSAVEC is tried where AVX-512 is offered, for guests that would use it. */
static void test_compacted_format_is_tried(void **state)
{
	const uint64_t all = OFFERED | XCR0_AVX512;
	const struct cpuid with = {BIT(0) | BIT(1), 0, 0, 0};
	const struct cpuid without = {BIT(0), 0, 0, 0};
	(void)state;

	for (unsigned loses = 0; loses < 2; loses++) {
		processor_reset(all);
		processor_cpuid_set(0xd, 1, with);
		processor_loses_compacted = loses != 0;
		cpu_features = (struct cpu_features){.xsave = true, .avx = true};
		cpu = 0;
		xstate_cpu_init();
		assert_int_equal(processor_compacted_trials, 1);
		assert_int_equal(xstate_compacts(), loses == 0);
		cpu = 1;
		xstate_cpu_init();
		assert_int_equal(processor_compacted_trials, 1);
	}
	processor_reset(all);
	processor_cpuid_set(0xd, 1, without);
	cpu = 0;
	xstate_cpu_init();
	assert_int_equal(processor_compacted_trials, 0);
	processor_reset(OFFERED);
	processor_cpuid_set(0xd, 1, with);
	xstate_cpu_init();
	assert_int_equal(processor_compacted_trials, 0);
	assert_true(xstate_compacts());
}

static void start(uint64_t components)
{
	world_start(16, 200, 1);
	boot(components);
	make_vcpus();
}

static void stop(void)
{
	for (unsigned i = 0; i < 2; i++) {
		guest_vcpu_free(&vcpus[i]);
	}
}

static void load(unsigned which)
{
	guest_state_load(vcpus[which].arch);
}

/* What a backend does: XCR0 of the guest is read, and only what is offered of it is kept. */
static void save(unsigned which)
{
	if (guest_features.xcr0) {
		vcpus[which].arch->xcr0 = read_xcr0() & guest_features.xcr0;
	}
	guest_state_save(vcpus[which].arch);
}

static void fill_all(uint64_t components, uint8_t byte)
{
	for (unsigned i = 0; i < PROCESSOR_COMPONENTS; i++) {
		if (components & BIT(i)) {
			processor_fill(i, byte);
		}
	}
}

static void check_initial(uint64_t components)
{
	for (unsigned i = 0; i < PROCESSOR_COMPONENTS; i++) {
		if (components & BIT(i) && !processor_is_initial(i)) {
			fail_msg("component %u holds something of the other VM", i);
		}
	}
}

static void check_holds(uint64_t components, uint8_t byte)
{
	for (unsigned i = 0; i < PROCESSOR_COMPONENTS; i++) {
		if (components & BIT(i) && !processor_holds(i, byte)) {
			fail_msg("component %u does not hold 0x%x any more", i, byte);
		}
	}
}

/* ---- What there is ---- */

static void test_masks(void **state)
{
	static const struct {
		uint64_t components, offered, hardware;
	} machines[] = {
		{0x3, 0x3, 0x3},
		{0x7, 0x7, 0x7},
		{PLAIN_QEMU, 0x7, PLAIN_QEMU},
		{0x2e7, 0xe7, 0x2e7},
		{0x602e7, 0xe7, 0x602e7},
		{0x7 | LWP, 0x7, 0x7 | LWP},
		/* What an outer hypervisor hides goes with the rest of its group. */
		{0x27, 0x7, 0x7},
		{0xf, 0x7, 0x7},
		{0x20007, 0x7, 0x7},
		{0xe3, 0x3, 0x3},
	};
	(void)state;

	world_start(16, 50, 1);
	for (size_t i = 0; i < ARRAY_COUNT(machines); i++) {
		boot(machines[i].components);
		assert_int_equal(xstate_mask(), machines[i].offered);
		assert_int_equal(xstate_reachable(), machines[i].offered);
		xstate_reach_hardware();
		assert_int_equal(xstate_reachable(), machines[i].hardware);
		write_xcr0(xstate_reachable()); /* which the processor accepts */
		xstate_reach_offered();
		assert_int_equal(xstate_reachable(), machines[i].offered);
	}
}

static void test_sizes(void **state)
{
	(void)state;
	world_start(16, 50, 1);
	boot(0);
	assert_int_equal(xstate_bytes(), 576);
	assert_int_equal(xstate_mask(), 3);
	assert_int_equal(processor_xsetbv_count, 0);
	boot(3);
	assert_int_equal(xstate_bytes(), 576);
	boot(PLAIN_QEMU);
	/* No room for what is never saved. */
	assert_int_equal(xstate_bytes(), 576 + 96);
}

/* XSAVES is not in the way of anybody who does not look at CPUID: its components are off. */
static void test_supervisor_components(void **state)
{
	(void)state;
	world_start(16, 50, 1);
	processor_reset(OFFERED);
	processor_cpuid_set(0xd, 1, (struct cpuid){BIT(0) | BIT(3), 0, 0, 0});
	msr_write(MSR_IA32_XSS, BIT(8) | BIT(11)); /* firmware */
	cpu_features.xsave = cpu_features.avx = true;
	for (cpu = 0; cpu < 2; cpu++) {
		msr_write(MSR_IA32_XSS, BIT(8) | BIT(11));
		xstate_cpu_init();
		assert_int_equal(msr_read(MSR_IA32_XSS), 0);
		assert_int_equal(read_xcr0(), OFFERED);
	}
	boot(OFFERED);
	assert_int_equal(processor_msr_writes(MSR_IA32_XSS), 0); /* it does not exist there */
}

/* ---- From one guest to the next ---- */

/* Where XSETBV does not exit, a guest fills what it is not offered; the next one finds nothing. */
static void leave_and_look(uint64_t components, uint64_t left_on)
{
	start(components);
	xstate_reach_hardware();
	load(0);
	processor_guest_xsetbv(components);
	fill_all(components, 0xa5);
	processor_guest_xsetbv(left_on);
	save(0);
	load(1);
	check_initial(components);
	assert_int_equal(read_xcr0(), XCR0_X87);
	save(1);
	load(0);
	check_holds(components & xstate_mask(), 0xa5);
	check_initial(components & ~xstate_mask());
	assert_int_equal(read_xcr0(), left_on & xstate_mask());
	save(0);
	stop();
	world_stop();
}

static void test_nothing_is_left(void **state)
{
	static const uint64_t machines[] = {PLAIN_QEMU, 0x2e7, 0x602e7, 0x7 | LWP, 0x7, 0x3};
	(void)state;

	for (size_t i = 0; i < ARRAY_COUNT(machines); i++) {
		leave_and_look(machines[i], machines[i]);
		/* What it switched off again before it went to sleep is still in the registers. */
		leave_and_look(machines[i], machines[i] & OFFERED);
		leave_and_look(machines[i], XCR0_X87);
	}
}

/* Every component alone: none is covered by what the test fills beside it. */
static void test_each_component(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PROCESSOR_COMPONENTS; i++) {
		if (!((PLAIN_QEMU | XCR0_AVX512 | XCR0_AMX | LWP) & BIT(i))) {
			continue;
		}
		start(PLAIN_QEMU | XCR0_AVX512 | XCR0_AMX | LWP);
		xstate_reach_hardware();
		load(0);
		processor_fill(i, 0x5a);
		save(0);
		load(1);
		if (!processor_is_initial(i)) {
			fail_msg("component %u", i);
		}
		save(1);
		stop();
		world_stop();
	}
}

/* Once XSETBV has exited, a switch costs no XSETBV more than the guests themselves ask for. */
static void test_cost_when_xsetbv_exits(void **state)
{
	unsigned before;
	(void)state;

	start(PLAIN_QEMU);
	xstate_reach_hardware();
	xstate_reach_offered();
	vcpus[0].arch->xcr0 = vcpus[1].arch->xcr0 = OFFERED;
	load(0);
	before = processor_xsetbv_count;
	for (unsigned i = 0; i < 4; i++) {
		fill_all(OFFERED, (uint8_t)(0x10 + i));
		save(i % 2);
		load((i + 1) % 2);
	}
	assert_int_equal(processor_xsetbv_count, before);
	save(0);
	stop();
}

/* Also a vCPU that has only x87 on: the rest of what it once wrote is kept, and nobody sees it. */
static void test_what_is_off_is_switched(void **state)
{
	(void)state;
	start(OFFERED);
	load(0);
	processor_guest_xsetbv(OFFERED);
	fill_all(OFFERED, 0x77);
	processor_guest_xsetbv(XCR0_X87);
	save(0);
	load(1);
	check_initial(OFFERED);
	save(1);
	load(0);
	assert_int_equal(read_xcr0(), XCR0_X87);
	check_holds(OFFERED, 0x77);
	save(0);
	stop();
}

/* Processors that neither save nor restore x87 pointers: FNINIT takes them away. */
static void pointers(uint64_t components)
{
	start(components);
	processor_drops_pointers = true;
	load(0);
	processor_fill(0, 0x3c);
	save(0);
	load(1);
	assert_true(processor_is_initial(0));
	save(1);
	stop();
	world_stop();
}

static void test_pointers(void **state)
{
	(void)state;
	pointers(OFFERED);
	pointers(0);
}

/* Without XSAVE: FXSAVE and FXRSTOR, and XCR0 is never touched. */
static void test_without_xsave(void **state)
{
	(void)state;
	start(0);
	load(0);
	fill_all(3, 0x99);
	save(0);
	load(1);
	check_initial(3);
	fill_all(3, 0x66);
	save(1);
	load(0);
	check_holds(3, 0x99);
	save(0);
	assert_int_equal(processor_xsetbv_count, 0);
	stop();
}

/* To another CPU and back: all that is its own goes with it. */
static void test_to_another_cpu(void **state)
{
	(void)state;
	start(PLAIN_QEMU);
	xstate_reach_hardware();
	load(0);
	processor_guest_xsetbv(PLAIN_QEMU);
	fill_all(PLAIN_QEMU, 0x42);
	write_dr1(0x1234);
	save(0);
	/* The other CPU has seen another guest. */
	write_xcr0(PLAIN_QEMU);
	fill_all(PLAIN_QEMU, 0xee);
	write_dr1(0xeeee);
	load(0);
	check_holds(OFFERED, 0x42);
	check_initial(PLAIN_QEMU & ~(uint64_t)OFFERED);
	assert_int_equal(read_dr1(), 0x1234);
	save(0);
	stop();
}

static void test_debug_registers(void **state)
{
	(void)state;
	start(OFFERED);
	load(0);
	write_dr0(1);
	write_dr1(2);
	write_dr2(3);
	write_dr3(4);
	write_dr6(0xffff4ff0);
	save(0);
	load(1);
	assert_int_equal(read_dr0() | read_dr1() | read_dr2() | read_dr3(), 0);
	assert_int_equal(read_dr6(), GUEST_ENTRY_DR6);
	save(1);
	load(0);
	assert_int_equal(read_dr0(), 1);
	assert_int_equal(read_dr1(), 2);
	assert_int_equal(read_dr2(), 3);
	assert_int_equal(read_dr3(), 4);
	assert_int_equal(read_dr6(), 0xffff4ff0);
	save(0);
	stop();
}

/* ---- Frames of a vCPU ---- */

static void test_allocation(void **state)
{
	uint64_t free_before;
	(void)state;

	world_start(16, 200, 1);
	boot(PLAIN_QEMU);
	free_before = frame_count_free();
	make_vcpus();
	assert_int_equal(frame_count_free(), free_before - 4);
	assert_true(is_aligned_u64((uintptr_t)vcpus[0].arch->xstate, XSTATE_ALIGN));
	assert_int_equal(vcpus[0].arch->xcr0, XCR0_X87);
	stop();
	assert_int_equal(frame_count_free(), free_before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compacted_format_is_tried),
		cmocka_unit_test_teardown(test_masks, world_teardown),
		cmocka_unit_test_teardown(test_sizes, world_teardown),
		cmocka_unit_test_teardown(test_supervisor_components, world_teardown),
		cmocka_unit_test(test_nothing_is_left),
		cmocka_unit_test(test_each_component),
		cmocka_unit_test_teardown(test_cost_when_xsetbv_exits, world_teardown),
		cmocka_unit_test_teardown(test_what_is_off_is_switched, world_teardown),
		cmocka_unit_test(test_pointers),
		cmocka_unit_test_teardown(test_without_xsave, world_teardown),
		cmocka_unit_test_teardown(test_to_another_cpu, world_teardown),
		cmocka_unit_test_teardown(test_debug_registers, world_teardown),
		cmocka_unit_test_teardown(test_allocation, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
