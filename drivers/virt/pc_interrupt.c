/* SPDX-License-Identifier: BSD-2-Clause */
/* See pc.h: interrupts, from a device's line to the vCPU that takes them. */
#include "drivers/virt/pc.h"

#include "arch/arch.h"
#include "base/bits.h"
#include "base/compiler.h"
#include "drivers/virt/vlapic_message.h"
#include "kernel/lifecycle/end.h"
#include "kernel/sched/scheduler.h"
#include "kernel/sched/startup.h"
#include "kernel/vm/platform.h"

/* There is something for it: it looks when it runs next, and at once if it runs elsewhere. */
static void kick(struct vcpu *vcpu, const struct vcpu *running)
{
	if (vlapic_nmi_pending(pc_lapic(vcpu))) {
		__atomic_store_n(&vcpu->nmi_pending, true, __ATOMIC_SEQ_CST);
	}
	__atomic_store_n(&vcpu->doorbell_pending, true, __ATOMIC_SEQ_CST);
	if (vcpu != running) {
		scheduler_signal(vcpu);
	}
}

/*
 * An INIT message. The boot processor goes through the reset vector, to firmware, which starts the
 * machine anew (SDM vol. 3, 9.4.2); the others wait for a startup IPI (9.4.4).
 */
static void initialize(struct vcpu *vcpu)
{
	if (vcpu->index == 0) {
		vm_log(vcpu->vm, "INIT for vCPU 0, the boot processor: a reset");
		vm_restart_or_finish(vcpu->vm);
	} else if (__atomic_load_n(&vcpu->state, __ATOMIC_ACQUIRE) == VCPU_OFF) {
		vlapic_init(pc_lapic(vcpu));
	} else {
		startup_send_init(vcpu);
	}
}

void platform_initialize(struct vcpu *vcpu)
{
	struct platform *platform = vcpu->vm->platform;

	/* In this order: an NMI that comes in between leaves a flag, not a request without one. */
	__atomic_store_n(&vcpu->nmi_pending, false, __ATOMIC_SEQ_CST);
	__atomic_store_n(&vcpu->doorbell_pending, false, __ATOMIC_SEQ_CST);
	vlapic_init(pc_lapic(vcpu));
	platform->pic_vector[vcpu->index] = 0;
	platform->pic_taken[vcpu->index] = 0;
	vcpu->timer_tsc = WAKE_NEVER;
	vcpu->nmi_open = false;
	vcpu->doorbell_open = false;
}

/* Hands a message to one of its targets. True: accepted. */
static bool hand_over(struct platform *platform, unsigned index, const struct apic_message *message,
		      const struct vcpu *running)
{
	struct vlapic *lapic = &platform->lapics[index];
	struct vcpu *vcpu = &platform->vm->vcpus[index];

	if (message->delivery == APIC_NMI && startup_is_awaited(vcpu)) {
		return false; /* or it would meet it before it has a table of vectors */
	}
	switch (vlapic_accept(lapic, message)) {
	case VLAPIC_REFUSED:
		return false;
	case VLAPIC_MERGED:
		return true;
	case VLAPIC_PENDING:
	case VLAPIC_PIC:
		kick(vcpu, running);
		return true;
	case VLAPIC_RESET:
		initialize(vcpu);
		return true;
	case VLAPIC_STARTING:
		startup_begin(vcpu, (uint32_t)message->vector << PAGE_SHIFT);
		return true;
	}
	return false;
}

static bool deliver_to_one(struct platform *platform, const struct apic_message *message,
			   const struct vlapic *sender, const struct vcpu *running)
{
	const struct vlapic *candidates[AEROSTAT_VCPUS_MAX];
	uint8_t indices[AEROSTAT_VCPUS_MAX];
	unsigned count = 0;

	for (unsigned i = 0; i < platform->vm->config.vcpus; i++) {
		if (vlapic_is_target(&platform->lapics[i], message, sender)) {
			indices[count] = (uint8_t)i;
			candidates[count++] = &platform->lapics[i];
		}
	}
	unsigned turn = __atomic_fetch_add(&platform->turn, 1, __ATOMIC_RELAXED);
	unsigned chosen = vlapic_arbitrate(candidates, count, turn);
	return chosen < count && hand_over(platform, indices[chosen], message, running);
}

bool pc_deliver(struct platform *platform, const struct apic_message *message,
		const struct vlapic *sender, const struct vcpu *running)
{
	bool accepted = false;

	if (message->delivery == APIC_LOWEST_PRIORITY) {
		return deliver_to_one(platform, message, sender, running);
	}
	for (unsigned i = 0; i < platform->vm->config.vcpus; i++) {
		if (vlapic_is_target(&platform->lapics[i], message, sender)) {
			accepted = hand_over(platform, i, message, running) || accepted;
		}
	}
	return accepted;
}

void pc_deliver_all(struct platform *platform, const struct vioapic_messages *messages,
		    const struct vcpu *running)
{
	for (unsigned i = 0; i < messages->count; i++) {
		const struct apic_message *message = &messages->items[i].message;

		if (!pc_deliver(platform, message, NULL, running) && message->level) {
			vioapic_refused(&platform->ioapic, messages->items[i].pin);
		}
	}
}

/* The output of the PIC goes to LINT0 of all local APICs; the boot processor's listens to it. */
static void settle_pic(struct platform *platform, const struct vcpu *running)
{
	bool output = vpic_output(&platform->pic);

	platform->pic_changed = false;
	__atomic_store_n(&platform->pic_output, output, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < platform->vm->config.vcpus; i++) {
		struct vlapic *lapic = &platform->lapics[i];
		bool pending = vlapic_line(lapic, 0, output);

		if (pending || (output && vlapic_accepts_pic(lapic))) {
			kick(&platform->vm->vcpus[i], running);
		}
	}
}

static NOT_INLINE void set_line(struct platform *platform, unsigned irq, bool level,
				const struct vcpu *running)
{
	unsigned pin = vioapic_pin_of_irq(irq);

	platform->pic_changed = true;
	vpic_line(&platform->pic, irq, level);
	if (pin != VIOAPIC_NO_PIN) {
		struct vioapic_messages messages;
		vioapic_line(&platform->ioapic, pin, level, &messages);
		pc_deliver_all(platform, &messages, running);
	}
}

/* Of a device whose pin has its number: mostly both controllers know the level already. */
static inline void tell_line(struct platform *platform, unsigned irq, bool level,
			     const struct vcpu *running)
{
	if (!vioapic_is_told(&platform->ioapic, irq, level)) {
		set_line(platform, irq, level, running);
	}
}

void pc_settle_uart(struct platform *platform, const struct vcpu *running)
{
	tell_line(platform, PC_IRQ_COM1, vuart_interrupt(&platform->uart), running);
	if (platform->pic_changed) {
		settle_pic(platform, running);
	}
}

void pc_settle_lines(struct platform *platform, const struct vcpu *running)
{
	tell_line(platform, PC_IRQ_KEYBOARD, vi8042_interrupt(&platform->keyboard), running);
	tell_line(platform, PC_IRQ_COM1, vuart_interrupt(&platform->uart), running);
	tell_line(platform, PC_IRQ_RTC, vrtc_interrupt(&platform->rtc, arch_tsc()), running);
	const struct pc_dialect *dialect = platform->dialect;
	if (dialect != NULL && dialect->line != NULL) {
		tell_line(platform, dialect->irq, dialect->line(platform), running);
	}
	if (platform->pic_changed) {
		settle_pic(platform, running);
	}
}

void pc_pulse_pit(struct platform *platform, const struct vcpu *running)
{
	set_line(platform, PC_IRQ_PIT, false, running);
	set_line(platform, PC_IRQ_PIT, true, running);
}

/* ---- towards the processor ---- */

bool platform_nmi_pending(const struct vcpu *vcpu)
{
	return vlapic_nmi_pending(pc_lapic(vcpu));
}

bool platform_nmi_take(struct vcpu *vcpu)
{
	return vlapic_take_nmi(pc_lapic(vcpu));
}

void platform_nmi_put_back(struct vcpu *vcpu)
{
	(void)vlapic_request_nmi(pc_lapic(vcpu)); /* another one may have come: they are one */
	kick(vcpu, vcpu);
}

uint8_t platform_interrupt_ready(struct vcpu *vcpu)
{
	struct platform *platform = vcpu->vm->platform;
	uint8_t *latched = &platform->pic_vector[vcpu->index];
	uint8_t vector = *latched != 0 ? *latched : vlapic_ready(pc_lapic(vcpu));

	if (vector != 0 || !__atomic_load_n(&platform->pic_output, __ATOMIC_ACQUIRE) ||
	    !vlapic_accepts_pic(pc_lapic(vcpu))) {
		return vector;
	}
	lock_acquire(&platform->lock);
	if (vpic_output(&platform->pic)) {
		struct vpic copy = platform->pic; /* the real one is asked by take() */
		vector = vpic_acknowledge(&copy);
	}
	lock_release(&platform->lock);
	return vector;
}

/*
 * The local APIC goes before the PIC, as in platform_interrupt_ready(). What is taken is what it
 * has now: another CPU may have requested more since that was asked, and the PIC, which has no
 * request then, would answer with a spurious vector. False: it has none.
 */
static bool take_from_lapic(struct vcpu *vcpu, uint8_t *vector)
{
	uint8_t now = vlapic_ready(pc_lapic(vcpu));

	if (now == 0) {
		return false;
	}
	vlapic_take(pc_lapic(vcpu), now);
	pc_look_at_lapic(vcpu); /* the PIC's knows no priority, and waits for no end of service */
	*vector = now;
	return true;
}

uint8_t platform_interrupt_take(struct vcpu *vcpu, uint8_t vector)
{
	struct platform *platform = vcpu->vm->platform;
	uint8_t *latched = &platform->pic_vector[vcpu->index];

	platform->pic_taken[vcpu->index] = 0;
	if (*latched == 0 && take_from_lapic(vcpu, &vector)) {
		return vector;
	}
	if (*latched == 0) {
		lock_acquire(&platform->lock);
		*latched = vpic_acknowledge(&platform->pic);
		settle_pic(platform, vcpu);
		lock_release(&platform->lock);
	}
	vector = *latched;
	*latched = 0;
	platform->pic_taken[vcpu->index] = vector;
	return vector;
}

void platform_interrupt_put_back(struct vcpu *vcpu, uint8_t vector)
{
	struct platform *platform = vcpu->vm->platform;

	if (platform->pic_taken[vcpu->index] == vector) {
		platform->pic_taken[vcpu->index] = 0;
		platform->pic_vector[vcpu->index] = vector;
	} else {
		vlapic_put_back(pc_lapic(vcpu), vector);
	}
}

void pc_look_at_lapic(struct vcpu *vcpu)
{
	const struct platform *platform = vcpu->vm->platform;
	const struct vlapic *lapic = pc_lapic(vcpu);

	if (vlapic_ready(lapic) != 0 || vlapic_nmi_pending(lapic) ||
	    (__atomic_load_n(&platform->pic_output, __ATOMIC_ACQUIRE) &&
	     vlapic_accepts_pic(lapic))) {
		__atomic_store_n(&vcpu->doorbell_pending, true, __ATOMIC_RELEASE);
	}
}

uint8_t platform_task_priority(const struct vcpu *vcpu)
{
	return vlapic_task_priority(pc_lapic(vcpu));
}

void platform_task_priority_set(struct vcpu *vcpu, uint8_t priority)
{
	vlapic_set_task_priority(pc_lapic(vcpu), priority);
	pc_look_at_lapic(vcpu);
}
