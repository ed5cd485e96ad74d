/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drivers/virt/pc_interrupt.c and pc_time.c: interrupts on their way from a device or a vCPU to the
 * vCPU that takes them, and the timers of the board.
 */
#include "pc_fixture.h"

#include "kernel/sched/startup.h"
#include "kernel/sched/wake.h"

/* Starts vCPU `index` as a guest does; its local APIC is on, and it runs. */
static struct vcpu *start_vcpu(unsigned index)
{
	struct vcpu *vcpu = &pc->vcpus[index];
	send(boot_vcpu, index, 0x4500);
	send(boot_vcpu, index, 0x4608);
	assert_int_equal(vcpu->state, VCPU_QUEUED);
	lapic_write(vcpu, REG_SVR, 0x1ff);
	(void)has_rung(vcpu);
	return vcpu;
}

static void expect_interrupt(struct vcpu *vcpu, uint8_t vector)
{
	assert_int_equal(platform_interrupt_ready(vcpu), vector);
	assert_int_equal(platform_interrupt_take(vcpu, vector), vector);
}

/* ---- the PIC, as firmware leaves it ---- */

static void test_virtual_wire(void **state)
{
	(void)state;
	start_pic(1u << PC_IRQ_COM1);
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0);
	assert_false(has_rung(boot_vcpu));
	com1_line(true);
	assert_true(has_rung(boot_vcpu));
	/* Looking changes nothing; no other vCPU listens to the PIC. */
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0x34);
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0x34);
	assert_int_equal(platform_interrupt_ready(&pc->vcpus[1]), 0);
	assert_false(has_rung(&pc->vcpus[1]));
	assert_int_equal(platform_interrupt_take(boot_vcpu, 0x34), 0x34);
	assert_int_equal(pc->platform->pic.master.service, 1u << PC_IRQ_COM1);
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0);
	/* The processor has not got it: it is the next one again, and the PIC is not asked twice.
	 */
	platform_interrupt_put_back(boot_vcpu, 0x34);
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0x34);
	assert_int_equal(pc->platform->pic.master.service, 1u << PC_IRQ_COM1);
	assert_int_equal(vlapic_ready(pc_lapic(boot_vcpu)), 0);
	expect_interrupt(boot_vcpu, 0x34);
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0);
}

/* A latched vector goes before what the local APIC has; after it the same number is another. */
static void test_latched_vector_goes_first(void **state)
{
	(void)state;
	start_pic(1u << PC_IRQ_COM1);
	com1_line(true);
	expect_interrupt(boot_vcpu, 0x34);
	platform_interrupt_put_back(boot_vcpu, 0x34);
	assert_true(vlapic_request(pc_lapic(boot_vcpu), 0x34, false));
	expect_interrupt(boot_vcpu, 0x34);
	assert_int_equal(peek(pc_lapic(boot_vcpu), REG_ISR + 0x10), 0);
	expect_interrupt(boot_vcpu, 0x34);
	assert_int_equal(peek(pc_lapic(boot_vcpu), REG_ISR + 0x10), 1u << 20);
	platform_interrupt_put_back(boot_vcpu, 0x34);
	assert_int_equal(peek(pc_lapic(boot_vcpu), REG_ISR + 0x10), 0);
	assert_int_equal(peek(pc_lapic(boot_vcpu), REG_IRR + 0x10), 1u << 20);
}

/* The PIC changes its mind between the look and the acknowledgement. */
static void test_pic_vector_that_changes(void **state)
{
	(void)state;
	start_pic(1u << PC_IRQ_COM1 | 1u << PC_IRQ_KEYBOARD);
	com1_line(true);
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0x34);
	vpic_line(&pc->platform->pic, PC_IRQ_KEYBOARD, true);
	assert_int_equal(platform_interrupt_take(boot_vcpu, 0x34), 0x31);
	platform_interrupt_put_back(boot_vcpu, 0x31);
	expect_interrupt(boot_vcpu, 0x31);
	/* The line falls: what is taken is spurious, which sets nothing in service. */
	out(0x20, 0x20);
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0x34);
	vpic_line(&pc->platform->pic, PC_IRQ_COM1, false);
	assert_int_equal(platform_interrupt_take(boot_vcpu, 0x34), 0x37);
	assert_int_equal(pc->platform->pic.master.service, 0);
}

/*
 * Regression: another CPU requested a higher vector between the look and the take, and the PIC,
 * which had nothing, was acknowledged: the guest got a spurious vector, or 7 where it had never
 * touched the PIC.
 */
static void test_lapic_vector_that_changes(void **state)
{
	(void)state;
	struct vlapic *lapic = pc_lapic(boot_vcpu);
	assert_true(vlapic_request(lapic, 0x51, false));
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0x51);
	assert_true(vlapic_request(lapic, 0x91, false));
	assert_int_equal(platform_interrupt_take(boot_vcpu, 0x51), 0x91);
	platform_interrupt_put_back(boot_vcpu, 0x91);
	expect_interrupt(boot_vcpu, 0x91);
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0);
	lapic_write(boot_vcpu, REG_EOI, 0);
	assert_true(has_rung(boot_vcpu));
	expect_interrupt(boot_vcpu, 0x51);

	/* The same when the look has seen the PIC's: that waits, and the doorbell says so. */
	start_pic(1u << PC_IRQ_COM1);
	com1_line(true);
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0x34);
	assert_true(vlapic_request(lapic, 0x92, false));
	(void)has_rung(boot_vcpu);
	assert_int_equal(platform_interrupt_take(boot_vcpu, 0x34), 0x92);
	assert_int_equal(pc->platform->pic.master.service, 0);
	assert_true(has_rung(boot_vcpu));
	expect_interrupt(boot_vcpu, 0x34);
}

/* Regression: LINT0 is opened while the PIC's output is up, and nobody told the vCPU. */
static void test_line_opened_late(void **state)
{
	(void)state;
	start_pic(1u << PC_IRQ_COM1);
	lapic_write(boot_vcpu, REG_LINT0, MASKED | 0x700);
	com1_line(true);
	assert_false(has_rung(boot_vcpu));
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0);
	lapic_write(boot_vcpu, REG_LINT0, 0x700);
	assert_true(has_rung(boot_vcpu));
	expect_interrupt(boot_vcpu, 0x34);
}

static void test_task_priority(void **state)
{
	(void)state;
	struct vlapic *lapic = pc_lapic(boot_vcpu);
	platform_task_priority_set(boot_vcpu, 5);
	assert_int_equal(platform_task_priority(boot_vcpu), 5);
	assert_true(vlapic_request(lapic, 0x51, false));
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0);
	assert_false(has_rung(boot_vcpu));
	platform_task_priority_set(boot_vcpu, 4);
	assert_true(has_rung(boot_vcpu));
	expect_interrupt(boot_vcpu, 0x51);
}

/* ---- what an access to another device tells ---- */

/* The PIC's output follows what is written to it and polled from it, while all lines are still. */
static void test_pic_that_changes_alone(void **state)
{
	(void)state;
	start_pic(1u << PC_IRQ_COM1);
	com1_line(true);
	assert_true(has_rung(boot_vcpu));
	out(0x21, 0xff); /* masked: the output falls */
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0);
	assert_false(pc->platform->pic_output);
	(void)has_rung(boot_vcpu);
	out(0x21, (uint8_t) ~(1u << PC_IRQ_COM1));
	assert_true(pc->platform->pic_output);
	assert_true(has_rung(boot_vcpu));
	out(0x20, 0x0c); /* the next read acknowledges */
	assert_int_equal(in(0x20), 0x80 | PC_IRQ_COM1);
	assert_false(pc->platform->pic_output);
}

/* A device other than the serial port: the keyboard's controller has an answer. */
static void test_answer_of_the_keyboard(void **state)
{
	(void)state;
	start_pic(1u << PC_IRQ_KEYBOARD);
	out(0x64, 0x60);
	out(0x60, 1); /* with an interrupt */
	out(0x64, 0xaa);
	assert_true(has_rung(boot_vcpu));
	expect_interrupt(boot_vcpu, 0x31);
	assert_int_equal(in(0x60), 0x55);
	out(0x20, 0x20);
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0);
}

/*
 * A level-triggered pin whose message nobody accepted sends again with each access while it is
 * asserted; an edge-triggered one has lost it. The serial port's own registers do it, too.
 */
static void test_refused_level_is_told_again(void **state)
{
	(void)state;
	ioapic_entry(PC_IRQ_COM1, 0x8045);
	lapic_write(boot_vcpu, REG_SVR, 0xff); /* off */
	com1_line(true);
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0);
	lapic_write(boot_vcpu, REG_SVR, 0x1ff);
	(void)in(0x3ff);
	expect_interrupt(boot_vcpu, 0x45);
	com1_line(false);
	lapic_write(boot_vcpu, REG_EOI, 0);
	ioapic_entry(PC_IRQ_COM1, 0x45);
	lapic_write(boot_vcpu, REG_SVR, 0xff);
	com1_line(true);
	lapic_write(boot_vcpu, REG_SVR, 0x1ff);
	(void)in(0x3ff);
	(void)in(0x64);
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0);
}

/* ---- writes that concern the local APIC alone ---- */

#define MODE_DEADLINE 0x40000

static void test_quick_deadline(void **state)
{
	(void)state;
	lapic_write(boot_vcpu, REG_SVR, 0x1ff);
	assert_false(platform_msr_write_quick(boot_vcpu, VLAPIC_MSR_TSC_DEADLINE, 5000000));
	lapic_write(boot_vcpu, REG_TIMER, MODE_DEADLINE | 0x60);
	assert_true(platform_msr_write_quick(boot_vcpu, VLAPIC_MSR_TSC_DEADLINE, 5000000));
	assert_int_equal(boot_vcpu->timer_tsc, 5000000);
	/* The board's timers are still there. */
	uint64_t board = pc->platform->board_next_tsc;
	pc->platform->board_next_tsc = 4000000;
	assert_true(platform_msr_write_quick(boot_vcpu, VLAPIC_MSR_TSC_DEADLINE, 6000000));
	assert_int_equal(boot_vcpu->timer_tsc, 4000000);
	pc->platform->board_next_tsc = board;
	assert_true(platform_msr_write_quick(boot_vcpu, VLAPIC_MSR_TSC_DEADLINE, 0));
	assert_int_equal(boot_vcpu->timer_tsc, board);
	assert_int_equal(pc_lapic(boot_vcpu)->due, UINT64_MAX);
	/* What was due before is not hidden: nothing is done. */
	assert_true(platform_msr_write_quick(boot_vcpu, VLAPIC_MSR_TSC_DEADLINE, 5000000));
	fake_tsc = 5000000;
	assert_false(platform_msr_write_quick(boot_vcpu, VLAPIC_MSR_TSC_DEADLINE, 7000000));
	assert_int_equal(pc_lapic(boot_vcpu)->due, 5000000);
	assert_false(has_rung(boot_vcpu));
	assert_true(platform_msr_write(boot_vcpu, VLAPIC_MSR_TSC_DEADLINE, 7000000));
	assert_true(has_rung(boot_vcpu));
	expect_interrupt(boot_vcpu, 0x60);
}

static void test_quick_end_of_interrupt(void **state)
{
	(void)state;
	struct vlapic *lapic = pc_lapic(boot_vcpu);
	lapic_write(boot_vcpu, REG_SVR, 0x1ff);
	assert_true(vlapic_request(lapic, 0x51, false));
	expect_interrupt(boot_vcpu, 0x51);
	assert_false(platform_msr_write_quick(boot_vcpu, VLAPIC_MSR_EOI, 0)); /* xAPIC mode */
	assert_true(platform_msr_write(boot_vcpu, VLAPIC_MSR_BASE, X2APIC_ON | VLAPIC_BASE_BSP));
	assert_false(platform_msr_write_quick(boot_vcpu, VLAPIC_MSR_EOI, 1));
	assert_false(platform_msr_write_quick(boot_vcpu, VLAPIC_MSR_EOI + 1, 0));
	assert_int_equal(lapic->in_service_top, 0x51);
	/* One that waits for it is delivered next: not on the spot. */
	assert_true(vlapic_request(lapic, 0x41, false));
	assert_false(platform_msr_write_quick(boot_vcpu, VLAPIC_MSR_EOI, 0));
	assert_true(platform_msr_write(boot_vcpu, VLAPIC_MSR_EOI, 0));
	expect_interrupt(boot_vcpu, 0x41);
	assert_true(platform_msr_write_quick(boot_vcpu, VLAPIC_MSR_EOI, 0));
	assert_int_equal(lapic->in_service_top, 0);
	assert_false(platform_msr_write_quick(boot_vcpu, VLAPIC_MSR_EOI, 0)); /* there is none */
	/* A level-triggered one is told to the IOAPIC. */
	assert_true(vlapic_request(lapic, 0x61, true));
	expect_interrupt(boot_vcpu, 0x61);
	assert_false(platform_msr_write_quick(boot_vcpu, VLAPIC_MSR_EOI, 0));
	assert_int_equal(lapic->in_service_top, 0x61);
}

/* ---- the IOAPIC ---- */

static void test_ioapic_to_one(void **state)
{
	(void)state;
	struct vcpu *second = start_vcpu(1);
	ioapic_entry(PC_IRQ_COM1, 1ull << 56 | 0x45);
	com1_line(true);
	assert_true(has_rung(second));
	assert_false(has_rung(boot_vcpu));
	expect_interrupt(second, 0x45);
	/* A legacy line of the timer is pin 2. */
	ioapic_entry(VIOAPIC_PIN_OF_PIT, 1ull << 56 | 0x46);
	lock_acquire(&pc->platform->lock);
	pc_pulse_pit(pc->platform, NULL);
	lock_release(&pc->platform->lock);
	assert_true(has_rung(second));
	lapic_write(second, REG_EOI, 0);
	expect_interrupt(second, 0x46);
}

static void test_lowest_priority(void **state)
{
	(void)state;
	unsigned got[2] = {0, 0};
	struct vcpu *second = start_vcpu(1);
	lapic_write(boot_vcpu, REG_LDR, 1u << 24);
	lapic_write(second, REG_LDR, 2u << 24);
	ioapic_entry(PC_IRQ_COM1, 7ull << 56 | 0x845 | 0x100);
	for (unsigned i = 0; i < 8; i++) {
		com1_line(true);
		bool rung[2] = {platform_interrupt_ready(boot_vcpu) == 0x45,
				platform_interrupt_ready(second) == 0x45};
		assert_true(rung[0] != rung[1]);
		unsigned who = rung[1];
		got[who]++;
		expect_interrupt(&pc->vcpus[who], 0x45);
		lapic_write(&pc->vcpus[who], REG_EOI, 0);
		com1_line(false);
	}
	assert_int_equal(got[0], 4);
	assert_int_equal(got[1], 4);
	/* One that is busy with something more urgent does not get it. */
	platform_task_priority_set(boot_vcpu, 9);
	for (unsigned i = 0; i < 4; i++) {
		com1_line(true);
		expect_interrupt(second, 0x45);
		lapic_write(second, REG_EOI, 0);
		com1_line(false);
	}
	assert_int_equal(peek(pc_lapic(boot_vcpu), REG_IRR + 0x20), 0);
}

#define REMOTE_IRR 0x4000u

/* A level-triggered line comes again at the end of its service, as long as it is up. */
static void test_end_of_interrupt_is_broadcast(void **state)
{
	(void)state;
	ioapic_entry(PC_IRQ_COM1, 0x8045);
	com1_line(true);
	assert_true(ioapic_low(PC_IRQ_COM1) & REMOTE_IRR);
	expect_interrupt(boot_vcpu, 0x45);
	com1_line(true);
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0);
	lapic_write(boot_vcpu, REG_EOI, 0);
	expect_interrupt(boot_vcpu, 0x45);
	com1_line(false);
	lapic_write(boot_vcpu, REG_EOI, 0);
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0);
	assert_false(ioapic_low(PC_IRQ_COM1) & REMOTE_IRR);
}

/* Nobody accepts the message: nothing is outstanding, and the line can be heard again. */
static void test_refused_level_message(void **state)
{
	(void)state;
	lapic_write(boot_vcpu, REG_SVR, 0xff);
	ioapic_entry(PC_IRQ_COM1, 0x8045);
	com1_line(true);
	assert_false(ioapic_low(PC_IRQ_COM1) & REMOTE_IRR);
	lapic_write(boot_vcpu, REG_SVR, 0x1ff);
	com1_line(false);
	com1_line(true);
	assert_true(ioapic_low(PC_IRQ_COM1) & REMOTE_IRR);
	expect_interrupt(boot_vcpu, 0x45);
}

/* ---- between vCPUs ---- */

static unsigned ready_set(uint8_t vector)
{
	unsigned set = 0;
	for (unsigned i = 0; i < pc->config.vcpus; i++) {
		if (platform_interrupt_ready(&pc->vcpus[i]) == vector) {
			assert_int_equal(platform_interrupt_take(&pc->vcpus[i], vector), vector);
			lapic_write(&pc->vcpus[i], REG_EOI, 0);
			set |= 1u << i;
		}
	}
	return set;
}

static void test_shorthands(void **state)
{
	(void)state;
	for (unsigned i = 1; i < 4; i++) {
		(void)start_vcpu(i);
	}
	send(boot_vcpu, 2, 0x4061);
	assert_true(has_rung(&pc->vcpus[2]));
	assert_int_equal(ready_set(0x61), 4);
	send(&pc->vcpus[2], 0, 0x44061); /* itself */
	assert_int_equal(ready_set(0x61), 4);
	send(&pc->vcpus[2], 0, 0x84061); /* all */
	assert_int_equal(ready_set(0x61), 15);
	send(&pc->vcpus[2], 0, 0xc4061); /* all but itself */
	assert_int_equal(ready_set(0x61), 11);
	send(boot_vcpu, 0xff, 0x4061);
	assert_int_equal(ready_set(0x61), 15);
	send(boot_vcpu, 9, 0x4061); /* there is none */
	assert_int_equal(ready_set(0x61), 0);
}

/* A vCPU that is not the sender comes out of the guest; the sender need not. */
static void test_receiver_is_kicked(void **state)
{
	(void)state;
	struct vcpu *second = start_vcpu(1);
	kernel_pick(second);
	second->wait = WAIT_DOORBELL;
	second->doorbell_open = true;
	kernel_settle(second);
	assert_int_equal(second->state, VCPU_ASLEEP);
	send(boot_vcpu, 1, 0x4061);
	assert_int_equal(second->state, VCPU_QUEUED);
}

static void test_startup(void **state)
{
	(void)state;
	struct vcpu *second = &pc->vcpus[1];
	lapic_write(second, REG_SVR, 0x1ff);
	send(boot_vcpu, 1, 0x4500); /* INIT: registers as after power-on */
	assert_int_equal(peek(pc_lapic(second), REG_SVR), 0xff);
	assert_int_equal(second->state, VCPU_OFF);
	send(boot_vcpu, 1, 0x8500); /* its end, which has no effect */
	send(boot_vcpu, 1, 0x4699);
	assert_int_equal(second->state, VCPU_QUEUED);
	assert_true(second->entry_real_mode);
	assert_int_equal(second->entry, 0x99000);
	send(boot_vcpu, 1, 0x4677); /* the second one */
	assert_int_equal(second->entry, 0x99000);
	assert_int_equal(pc->vcpus[2].state, VCPU_OFF);
}

static bool has_nmi_flag(struct vcpu *vcpu)
{
	return __atomic_exchange_n(&vcpu->nmi_pending, false, __ATOMIC_SEQ_CST);
}

static void test_nmi(void **state)
{
	(void)state;
	struct vcpu *second = start_vcpu(1);
	send(boot_vcpu, 1, 0x4400);
	assert_true(has_rung(second) && has_nmi_flag(second));
	assert_true(platform_nmi_pending(second));
	assert_int_equal(platform_interrupt_ready(second), 0);
	/* Two are one. */
	send(boot_vcpu, 1, 0x4400);
	assert_true(platform_nmi_take(second));
	assert_false(platform_nmi_take(second) || platform_nmi_pending(second));
	/* Not delivered after all: the flags are as if it had just come. */
	(void)has_rung(second);
	(void)has_nmi_flag(second);
	platform_nmi_put_back(second);
	assert_true(has_rung(second) && has_nmi_flag(second) && platform_nmi_take(second));
	/* To itself, and from a line of the IOAPIC. */
	send(boot_vcpu, 0, 0x4400);
	assert_true(has_rung(boot_vcpu) && platform_nmi_take(boot_vcpu));
	ioapic_entry(PC_IRQ_COM1, 1ull << 56 | 0x400);
	com1_line(true);
	assert_true(has_rung(second) && platform_nmi_take(second));
	/* What is requested between the look and the take of an interrupt rings again. */
	assert_true(vlapic_request(pc_lapic(second), 0x51, false));
	send(boot_vcpu, 1, 0x4400);
	(void)has_rung(second);
	expect_interrupt(second, 0x51);
	assert_true(has_rung(second));
}

/* HLT with interrupts off: an NMI ends it, an interrupt does not. */
static void test_nmi_wakes(void **state)
{
	(void)state;
	struct vcpu *second = start_vcpu(1);
	kernel_pick(second);
	second->wait = WAIT_DOORBELL;
	second->doorbell_open = false;
	second->nmi_open = true;
	kernel_settle(second);
	send(boot_vcpu, 1, 0x4061);
	assert_int_equal(second->state, VCPU_ASLEEP);
	send(boot_vcpu, 1, 0x4400);
	assert_int_equal(second->state, VCPU_QUEUED);
	/* Not where one is being handled. */
	assert_true(platform_nmi_take(second) && has_nmi_flag(second));
	kernel_pick(second);
	second->wait = WAIT_DOORBELL;
	second->nmi_open = false;
	kernel_settle(second);
	send(boot_vcpu, 1, 0x4400);
	assert_int_equal(second->state, VCPU_ASLEEP);
}

/* One that waits for a startup IPI has no table of vectors. */
static void test_nmi_before_the_start(void **state)
{
	(void)state;
	struct vcpu *second = &pc->vcpus[1];
	send(boot_vcpu, 1, 0x4400);
	assert_false(platform_nmi_pending(second) || has_rung(second));
	(void)start_vcpu(1);
	send(boot_vcpu, 1, 0x4500);
	send(boot_vcpu, 1, 0x4400);
	assert_false(platform_nmi_pending(second) || has_rung(second));
}

/* What its CPU does when it takes it next (kernel/sched/scheduler.c). */
static void stop_now(struct vcpu *vcpu)
{
	unsigned before = fake_vcpu_resets;
	kernel_pick(vcpu);
	startup_stop(&run_queues[vcpu->home], vcpu);
	assert_int_equal(fake_vcpu_resets, before + 1);
	assert_false(vcpu->stopping);
}

static void test_init_of_a_started_vcpu(void **state)
{
	(void)state;
	struct vcpu *second = start_vcpu(1);
	lapic_write(second, REG_TIMER, 0x20040);
	lapic_write(second, REG_INITIAL, 1000);
	assert_true(second->timer_tsc != WAKE_NEVER);
	assert_true(vlapic_request(pc_lapic(second), 0x51, false));
	send(boot_vcpu, 1, 0x4500);
	assert_true(second->stopping);
	assert_int_equal(second->state, VCPU_QUEUED);
	/* Its registers belong to the CPU that runs it, until that stops it. */
	assert_int_equal(peek(pc_lapic(second), REG_SVR), 0x1ff);
	stop_now(second);
	assert_int_equal(second->state, VCPU_OFF);
	assert_int_equal(peek(pc_lapic(second), REG_SVR), 0xff);
	assert_int_equal(platform_interrupt_ready(second), 0);
	assert_int_equal(second->timer_tsc, WAKE_NEVER);
	assert_false(second->entry_real_mode);
	send(boot_vcpu, 1, 0x4612);
	assert_int_equal(second->state, VCPU_QUEUED);
	assert_true(second->entry_real_mode);
	assert_int_equal(second->entry, 0x12000);
	/* It runs: another one has no effect. */
	send(boot_vcpu, 1, 0x4634);
	assert_int_equal(second->entry, 0x12000);
	assert_false(second->stopping);
}

/* Both messages come before any CPU has had it in its hands; and again. */
static void test_init_and_startup_in_a_row(void **state)
{
	(void)state;
	struct vcpu *second = start_vcpu(1);
	send(boot_vcpu, 1, 0x4500);
	send(boot_vcpu, 1, 0x4600); /* page 0 is one, too */
	stop_now(second);
	assert_int_equal(second->state, VCPU_QUEUED);
	assert_int_equal(second->entry, 0);
	assert_true(second->entry_real_mode);
	/* A second INIT: the startup IPI before it does not count. */
	send(boot_vcpu, 1, 0x4500);
	send(boot_vcpu, 1, 0x4655);
	send(boot_vcpu, 1, 0x4500);
	stop_now(second);
	assert_int_equal(second->state, VCPU_OFF);
}

/* Asleep for good, it is stopped all the same; while it waits for a frame, it gets that first. */
static void test_init_of_a_sleeper(void **state)
{
	(void)state;
	struct vcpu *second = start_vcpu(1);
	kernel_pick(second);
	second->wait = WAIT_DOORBELL;
	second->doorbell_open = false;
	kernel_settle(second);
	send(boot_vcpu, 1, 0x4500);
	assert_int_equal(second->state, VCPU_QUEUED);
	/* About to sleep. */
	kernel_pick(second);
	second->wait = WAIT_DOORBELL;
	kernel_settle(second);
	assert_int_equal(second->state, VCPU_QUEUED);
	kernel_pick(second);
	second->wait = WAIT_MEMORY;
	kernel_settle(second);
	assert_int_equal(second->state, VCPU_ASLEEP);
	send(boot_vcpu, 1, 0x4500);
	assert_int_equal(second->state, VCPU_ASLEEP);
	vcpu_wake_for_memory(second);
	stop_now(second);
	assert_int_equal(second->state, VCPU_OFF);
}

static void test_init_of_itself(void **state)
{
	(void)state;
	struct vcpu *second = start_vcpu(1);
	kernel_pick(second);
	send(second, 1, 0x4500);
	assert_true(second->stopping);
	assert_false(vm_lets_go_on(second)); /* so its run ends with the access */
	startup_stop(&run_queues[second->home], second);
	assert_int_equal(second->state, VCPU_OFF);
}

/* Firmware would start the machine anew. */
static void test_init_of_the_boot_processor(void **state)
{
	(void)state;
	struct vcpu *second = start_vcpu(1);
	send(second, 0, 0x4500);
	assert_non_null(strstr(fake_log_text, "INIT for vCPU 0, the boot processor: a reset"));
	assert_int_equal(pc->state, VM_FINISHED);
	/* Nor does a vCPU that is stopped outlive its VM. */
	send(boot_vcpu, 1, 0x4500);
	stop_now(second);
	assert_int_equal(second->state, VCPU_ENDED);
}

/* ---- timers ---- */

/* Channel 0, mode 2, every 11932 clocks: 10 ms, which are 10000 ticks of the TSC here. */
static void program_pit(struct vcpu *vcpu)
{
	static const uint8_t writes[3][2] = {{0x43, 0x34}, {0x40, 0x9c}, {0x40, 0x2e}};
	for (unsigned i = 0; i < 3; i++) {
		struct device_access access = {.write = true, .bytes = 1, .value = writes[i][1]};
		platform_port(vcpu, writes[i][0], &access);
	}
}

static void test_board_timer(void **state)
{
	(void)state;
	start_pic(1u << PC_IRQ_PIT);
	assert_int_equal(boot_vcpu->timer_tsc, WAKE_NEVER);
	program_pit(boot_vcpu);
	assert_in_range(boot_vcpu->timer_tsc, fake_tsc + 9990, fake_tsc + 10010);
	fake_tsc += 9900;
	uint64_t next = platform_tick(boot_vcpu, fake_tsc);
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0);
	assert_in_range(next, fake_tsc + 90, fake_tsc + 110);
	fake_tsc = next;
	next = platform_tick(boot_vcpu, fake_tsc);
	expect_interrupt(boot_vcpu, 0x30);
	assert_in_range(next, fake_tsc + 9900, fake_tsc + 10010);
	/* Only vCPU 0 drives them. */
	assert_int_equal(platform_tick(&pc->vcpus[1], fake_tsc + 20000), WAKE_NEVER);
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0);
}

/* vCPU 0 does not wait for what it knows of: it is told to look. */
static void test_board_timer_of_another_vcpu(void **state)
{
	(void)state;
	struct vcpu *second = start_vcpu(1);
	assert_int_equal(boot_vcpu->timer_tsc, WAKE_NEVER);
	program_pit(second);
	assert_int_equal(second->timer_tsc, WAKE_NEVER);
	assert_int_equal(boot_vcpu->timer_tsc, 0);
	uint64_t next = platform_tick(boot_vcpu, fake_tsc);
	assert_in_range(next, fake_tsc + 9990, fake_tsc + 10010);
}

/* However close together the guest wants its ticks, each has time for its work. */
static void test_ticks_are_apart(void **state)
{
	(void)state;
	lapic_write(boot_vcpu, REG_TIMER, 0x20071);
	lapic_write(boot_vcpu, REG_DIVIDE, 0xb);
	lapic_write(boot_vcpu, REG_INITIAL, 1);
	fake_tsc += 100;
	assert_int_equal(platform_tick(boot_vcpu, fake_tsc), fake_tsc + 20);
	expect_interrupt(boot_vcpu, 0x71);
	lapic_write(boot_vcpu, REG_INITIAL, 0);
	assert_int_equal(boot_vcpu->timer_tsc, WAKE_NEVER);
	assert_int_equal(platform_tick(boot_vcpu, fake_tsc + 100), WAKE_NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PC_TEST(test_virtual_wire),
		PC_TEST(test_latched_vector_goes_first),
		PC_TEST(test_pic_vector_that_changes),
		PC_TEST(test_lapic_vector_that_changes),
		PC_TEST(test_line_opened_late),
		PC_TEST(test_task_priority),
		PC_TEST(test_pic_that_changes_alone),
		PC_TEST(test_answer_of_the_keyboard),
		PC_TEST(test_refused_level_is_told_again),
		PC_TEST(test_quick_deadline),
		PC_TEST(test_quick_end_of_interrupt),
		PC_TEST(test_ioapic_to_one),
		PC_TEST(test_lowest_priority),
		PC_TEST(test_end_of_interrupt_is_broadcast),
		PC_TEST(test_refused_level_message),
		PC_TEST(test_shorthands),
		PC_TEST(test_receiver_is_kicked),
		PC_TEST(test_startup),
		PC_TEST(test_nmi),
		PC_TEST(test_nmi_wakes),
		PC_TEST(test_nmi_before_the_start),
		PC_TEST(test_init_of_a_started_vcpu),
		PC_TEST(test_init_and_startup_in_a_row),
		PC_TEST(test_init_of_a_sleeper),
		PC_TEST(test_init_of_itself),
		PC_TEST(test_init_of_the_boot_processor),
		PC_TEST(test_board_timer),
		PC_TEST(test_board_timer_of_another_vcpu),
		PC_TEST(test_ticks_are_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
