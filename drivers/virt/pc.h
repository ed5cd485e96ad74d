/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual PC of one VM: its devices, and how they are wired. pc_build.c makes it; pc.c gives
 * each access to the device that it is for; pc_interrupt.c carries interrupts from devices to local
 * APICs and from there to vCPUs; pc_time.c runs the timers.
 *
 * Locks: `lock` (LOCK_PLATFORM) guards all devices but the local APICs, whose rules are in
 * vlapic.h.
 */
#ifndef DRIVERS_VIRT_PC_H
#define DRIVERS_VIRT_PC_H

#include "abi/aerostat.h"
#include "base/lock.h"
#include "drivers/virt/pc_dialect.h"
#include "drivers/virt/vi8042.h"
#include "drivers/virt/vioapic.h"
#include "drivers/virt/vlapic.h"
#include "drivers/virt/vpci.h"
#include "drivers/virt/vpic.h"
#include "drivers/virt/vpit.h"
#include "drivers/virt/vrtc.h"
#include "drivers/virt/vuart.h"
#include "kernel/vm/guest_console.h"
#include "kernel/vm/vm.h"

/* Legacy interrupt lines of a PC. */
#define PC_IRQ_PIT 0u
#define PC_IRQ_KEYBOARD 1u
#define PC_IRQ_COM1 4u
#define PC_IRQ_RTC 8u

#define PC_COM1_PORT 0x3f8u

/* Hardware-reduced ACPI (ACPI 6.5, 4.8.3.7): what the FADT of vacpi.c names. */
#define PC_SLEEP_CONTROL_PORT 0x600u
#define PC_SLEEP_STATUS_PORT 0x601u

struct platform {
	struct lock lock;
	struct vm *vm;

	/* Under the lock. */
	struct vuart uart;
	struct vpic pic;
	struct vpit pit;
	struct vrtc rtc;
	struct vi8042 keyboard;
	struct vpci pci;
	struct vioapic ioapic;
	uint8_t sleep_control;
	/* The balloon device, if as= gives the VM one (pc_dialect.h), and its own frames. */
	const struct pc_dialect *dialect;
	void *dialect_state;
	struct aerostat_balloon_page balloon_page; /* of a balloon by a device */
	uint64_t board_next_tsc; /* when pit or rtc want to be looked at; atomic */
	unsigned turn;		 /* spreads lowest-priority interrupts */

	bool pic_changed; /* under the lock: its output may be another than that */
	bool pic_output;  /* atomic: the PIC has an interrupt */

	struct vlapic lapics[AEROSTAT_VCPUS_MAX];
	/*
	 * By the CPU that runs the vCPU. The PIC was asked for its vector, and the processor has
	 * not got it: 0, or that vector. And the last one that it did get from there.
	 */
	uint8_t pic_vector[AEROSTAT_VCPUS_MAX];
	uint8_t pic_taken[AEROSTAT_VCPUS_MAX];

	/* Frames of their own. */
	pfn_t self;
	pfn_t console_frame;
	pfn_t scrollback_frames; /* an extent of PC_SCROLLBACK_ORDER */
	pfn_t dialect_frames;	 /* an extent of dialect->order, where there is a dialect */
};

#define PC_SCROLLBACK_ORDER 4u

static inline struct vlapic *pc_lapic(const struct vcpu *vcpu)
{
	return &vcpu->vm->platform->lapics[vcpu->index];
}

/*
 * The levels of all lines go from the devices to the PIC and the IOAPIC, whose messages go to the
 * local APICs: those that have changed, and those that a level-triggered pin may have to send anew.
 * The lock is held. `running`: the vCPU whose exit is being handled on this CPU, or NULL; it needs
 * no signal.
 */
void pc_settle_lines(struct platform *platform, const struct vcpu *running);

/* The same where only registers of the serial port have changed. */
void pc_settle_uart(struct platform *platform, const struct vcpu *running);

/* The timer has ticked: IRQ 0 goes low and high again. The lock is held. */
void pc_pulse_pit(struct platform *platform, const struct vcpu *running);

/* Carries a message of the IOAPIC (`sender` NULL) or of a local APIC. True: one has accepted it. */
bool pc_deliver(struct platform *platform, const struct apic_message *message,
		const struct vlapic *sender, const struct vcpu *running);

/* The messages that a call of vioapic.h has left. The lock is held. */
void pc_deliver_all(struct platform *platform, const struct vioapic_messages *messages,
		    const struct vcpu *running);

/* The local APIC of `vcpu`, which runs here, has changed: is there an interrupt to deliver? */
void pc_look_at_lapic(struct vcpu *vcpu);

/* The next expiry of the vCPU's timers goes into vcpu->timer_tsc. It runs here. */
void pc_arm(struct vcpu *vcpu);

/* They were programmed by another than vCPU 0, which is to look at them. No lock is held. */
void pc_arm_board(struct platform *platform);

/* The board's timers were programmed: recomputes board_next_tsc. The lock is held. */
void pc_time_changed(struct platform *platform, uint64_t now_tsc);

/* The UART takes what the operator has typed. The lock is held. */
void pc_feed_uart(struct platform *platform);

#endif
