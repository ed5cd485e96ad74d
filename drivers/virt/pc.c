/* SPDX-License-Identifier: BSD-2-Clause */
/* See pc.h and kernel/vm/platform.h: accesses to the devices of a virtual PC. */
#include "drivers/virt/pc.h"

#include "arch/arch.h"
#include "base/bits.h"
#include "base/time.h"
#include "drivers/virt/vlapic_registers.h"
#include "drivers/virt/vlapic_timer.h"
#include "kernel/lifecycle/end.h"
#include "kernel/vm/platform.h"

/* ---- ports ---- */

void pc_feed_uart(struct platform *platform)
{
	struct guest_console *console = platform->vm->console;
	int byte;

	while ((byte = guest_console_input(console)) >= 0 &&
	       vuart_give(&platform->uart, (uint8_t)byte)) {
		guest_console_input_done(console);
	}
}

static uint8_t uart_read(struct platform *platform, uint16_t port)
{
	uint8_t value = vuart_read(&platform->uart, port - PC_COM1_PORT);

	pc_feed_uart(platform); /* there may be room again */
	return value;
}

static void uart_write(struct platform *platform, uint16_t port, uint8_t value)
{
	uint8_t byte;

	vuart_write(&platform->uart, port - PC_COM1_PORT, value);
	while (vuart_take(&platform->uart, &byte)) {
		guest_console_put(platform->vm->console, byte);
	}
	pc_feed_uart(platform); /* loopback mode may have ended */
}

/* ACPI 6.5, 4.8.3.7: SLP_TYPx in bits 2 to 4, SLP_EN in bit 5. The DSDT gives S5 the type 5. */
#define SLEEP_ENABLE 0x20u
#define SLEEP_TYPE(value) ((value) >> 2 & 7u)
#define SLEEP_TYPE_S5 5u

static uint8_t byte_read(struct platform *platform, uint16_t port, uint64_t now)
{
	switch (port) {
	case VPIC_MASTER_PORT ... VPIC_MASTER_PORT + 1:
	case VPIC_SLAVE_PORT ... VPIC_SLAVE_PORT + 1:
	case VPIC_ELCR_PORT ... VPIC_ELCR_PORT + 1:
		platform->pic_changed = true; /* a poll acknowledges */
		return vpic_read(&platform->pic, port);
	case VPIT_PORT ... VPIT_CONTROL_PORT:
	case VPIT_SYSTEM_PORT:
		return vpit_read(&platform->pit, port, now);
	case VI8042_DATA_PORT:
	case VI8042_COMMAND_PORT:
	case VI8042_SYSTEM_PORT:
		return vi8042_read(&platform->keyboard, port);
	case VRTC_INDEX_PORT ... VRTC_DATA_PORT:
		return vrtc_read(&platform->rtc, port, now);
	case PC_COM1_PORT ... PC_COM1_PORT + VUART_REGISTERS - 1:
		return uart_read(platform, port);
	case PC_SLEEP_CONTROL_PORT:
		return platform->sleep_control;
	case PC_SLEEP_STATUS_PORT:
		return 0; /* it has not just woken */
	}
	return UINT8_MAX;
}

static void byte_write(struct platform *platform, uint16_t port, uint8_t value, uint64_t now)
{
	switch (port) {
	case VPIC_MASTER_PORT ... VPIC_MASTER_PORT + 1:
	case VPIC_SLAVE_PORT ... VPIC_SLAVE_PORT + 1:
	case VPIC_ELCR_PORT ... VPIC_ELCR_PORT + 1:
		platform->pic_changed = true;
		vpic_write(&platform->pic, port, value);
		break;
	case VPIT_PORT ... VPIT_CONTROL_PORT:
	case VPIT_SYSTEM_PORT:
		vpit_write(&platform->pit, port, value, now);
		pc_time_changed(platform, now);
		break;
	case VI8042_DATA_PORT:
	case VI8042_COMMAND_PORT:
	case VI8042_SYSTEM_PORT:
		vi8042_write(&platform->keyboard, port, value);
		break;
	case VRTC_INDEX_PORT ... VRTC_DATA_PORT:
		vrtc_write(&platform->rtc, port, value, now);
		pc_time_changed(platform, now);
		break;
	case PC_COM1_PORT ... PC_COM1_PORT + VUART_REGISTERS - 1:
		uart_write(platform, port, value);
		break;
	case PC_SLEEP_CONTROL_PORT:
		platform->sleep_control = value;
		break;
	}
}

/* The PCI ports alone take whole words; an access to others is one of each byte, as on the ISA bus.
 */
static bool is_pci(uint16_t port)
{
	return port >= VPCI_PORT && port < VPCI_PORT + VPCI_PORTS;
}

static void access_locked(struct vcpu *vcpu, uint16_t port, struct device_access *access,
			  uint64_t now)
{
	struct platform *platform = vcpu->vm->platform;
	const struct pc_dialect *dialect = platform->dialect;

	if (dialect != NULL && dialect->port != NULL && dialect->port(vcpu, port, access)) {
		pc_time_changed(platform, now);
		return;
	}
	if (is_pci(port)) {
		if (access->write) {
			vpci_write(&platform->pci, port, access->bytes, (uint32_t)access->value);
		} else {
			access->value = vpci_read(&platform->pci, port, access->bytes);
		}
		return;
	}
	uint64_t value = 0;
	for (unsigned i = 0; i < access->bytes; i++) {
		uint16_t byte_port = (uint16_t)(port + i);
		if (access->write) {
			byte_write(platform, byte_port, (uint8_t)(access->value >> 8 * i), now);
		} else {
			value |= (uint64_t)byte_read(platform, byte_port, now) << 8 * i;
		}
	}
	if (!access->write) {
		access->value = value;
	}
}

/* What the guest has asked of the board as a whole, with the last access. */
enum board_request {
	BOARD_RUN,
	BOARD_RESET,
	BOARD_OFF,
};

static enum board_request board_request(const struct platform *platform)
{
	if (vi8042_reset_wanted(&platform->keyboard) || vpci_reset_wanted(&platform->pci)) {
		return BOARD_RESET;
	}
	if (platform->sleep_control & SLEEP_ENABLE &&
	    SLEEP_TYPE(platform->sleep_control) == SLEEP_TYPE_S5) {
		return BOARD_OFF;
	}
	return BOARD_RUN;
}

/* A register of the serial port alone. A dialect's ports may lie anywhere, and go first. */
static bool is_uart(const struct platform *platform, uint16_t port, unsigned bytes)
{
	const struct pc_dialect *dialect = platform->dialect;

	return port - PC_COM1_PORT < VUART_REGISTERS && port >= PC_COM1_PORT && bytes == 1 &&
	       (dialect == NULL || dialect->port == NULL);
}

/* Each byte costs one of these: no timer of the board hangs on it, and no line that resets. */
static void uart_access(struct platform *platform, uint16_t port, struct device_access *access)
{
	if (access->write) {
		uart_write(platform, port, (uint8_t)access->value);
	} else {
		access->value = uart_read(platform, port);
	}
}

void platform_port(struct vcpu *vcpu, uint16_t port, struct device_access *access)
{
	struct platform *platform = vcpu->vm->platform;
	bool uart = is_uart(platform, port, access->bytes);

	lock_acquire(&platform->lock);
	if (uart) {
		uart_access(platform, port, access);
		pc_settle_uart(platform, vcpu);
		lock_release(&platform->lock);
		return; /* an interrupt that this raised was told by kick() */
	}
	uint64_t now = arch_tsc();
	access_locked(vcpu, port, access, now);
	pc_settle_lines(platform, vcpu);
	enum board_request request = board_request(platform);
	lock_release(&platform->lock);
	pc_look_at_lapic(vcpu);
	pc_arm(vcpu);
	if (request == BOARD_OFF) {
		vm_finish(vcpu->vm, 0, 0);
	} else if (request == BOARD_RESET) {
		vm_restart_or_finish(vcpu->vm);
	}
}

void platform_console_input(struct vm *vm)
{
	struct platform *platform = vm->platform;

	lock_acquire(&platform->lock);
	pc_feed_uart(platform);
	pc_settle_lines(platform, NULL);
	lock_release(&platform->lock);
}

/* ---- memory and MSRs ---- */

/* What a write to a local APIC leaves to do. */
static void carry_out(struct vcpu *vcpu, enum vlapic_effect effect,
		      const struct apic_message *message)
{
	struct platform *platform = vcpu->vm->platform;
	struct vioapic_messages messages;

	switch (effect) {
	case VLAPIC_SEND:
		(void)pc_deliver(platform, message, pc_lapic(vcpu), vcpu);
		break;
	case VLAPIC_END:
		lock_acquire(&platform->lock);
		vioapic_eoi(&platform->ioapic, message->vector, &messages);
		pc_deliver_all(platform, &messages, vcpu);
		lock_release(&platform->lock);
		break;
	case VLAPIC_TIMER:
	case VLAPIC_MODE:
		pc_arm(vcpu);
		break;
	case VLAPIC_NOTHING:
	case VLAPIC_FAULT:
		break;
	}
	pc_look_at_lapic(vcpu);
}

static void lapic_access(struct vcpu *vcpu, uint32_t offset, struct device_access *access)
{
	struct vlapic *lapic = pc_lapic(vcpu);
	struct apic_message message;

	/* Each interrupt costs one of these. */
	if (access->write && offset == VLAPIC_OFFSET_EOI && access->bytes == 4 &&
	    vlapic_is_on(lapic) && !vlapic_is_x2apic(lapic) && vlapic_eoi_alone(lapic)) {
		return;
	}
	if (access->write) {
		carry_out(vcpu,
			  vlapic_write(lapic, offset, access->bytes, access->value, arch_tsc(),
				       &message),
			  &message);
	} else {
		access->value = vlapic_read(lapic, offset, access->bytes, arch_tsc());
	}
}

static void ioapic_access(struct vcpu *vcpu, uint32_t offset, struct device_access *access)
{
	struct platform *platform = vcpu->vm->platform;
	struct vioapic_messages messages;

	lock_acquire(&platform->lock);
	if (access->write) {
		vioapic_write(&platform->ioapic, offset, access->bytes, access->value, &messages);
		pc_deliver_all(platform, &messages, vcpu);
	} else {
		access->value = vioapic_read(&platform->ioapic, offset, access->bytes);
	}
	lock_release(&platform->lock);
	pc_look_at_lapic(vcpu);
}

static bool dialect_access(struct vcpu *vcpu, uint64_t address, struct device_access *access)
{
	struct platform *platform = vcpu->vm->platform;
	const struct pc_dialect *dialect = platform->dialect;
	bool known;

	if (dialect == NULL || dialect->memory == NULL) {
		return false;
	}
	lock_acquire(&platform->lock);
	known = dialect->memory(vcpu, address, access);
	if (known) {
		pc_settle_lines(platform, vcpu);
		pc_time_changed(platform, arch_tsc());
	}
	lock_release(&platform->lock);
	if (known) {
		pc_look_at_lapic(vcpu);
		pc_arm(vcpu);
	}
	return known;
}

bool platform_memory(struct vcpu *vcpu, gpa_t address, struct device_access *access)
{
	uint64_t page = align_down_u64(address.v, PAGE_BYTES);
	uint32_t offset = (uint32_t)(address.v - page);

	if (page == VLAPIC_PAGE) {
		lapic_access(vcpu, offset, access);
	} else if (page == VIOAPIC_PAGE) {
		ioapic_access(vcpu, offset, access);
	} else {
		return dialect_access(vcpu, address.v, access);
	}
	vcpu->controller_count++;
	return true;
}

static bool is_lapic_msr(uint32_t index)
{
	return index == VLAPIC_MSR_BASE || index == VLAPIC_MSR_TSC_DEADLINE ||
	       (index >= VLAPIC_MSR_X2APIC && index < VLAPIC_MSR_X2APIC_END);
}

static bool dialect_msr_read(struct vcpu *vcpu, uint32_t index, uint64_t *value)
{
	struct platform *platform = vcpu->vm->platform;
	const struct pc_dialect *dialect = platform->dialect;
	bool fault = false;
	bool known;

	if (dialect == NULL || dialect->msr_read == NULL) {
		return false;
	}
	lock_acquire(&platform->lock);
	known = dialect->msr_read(vcpu, index, value, &fault);
	lock_release(&platform->lock);
	return known && !fault;
}

static bool dialect_msr_write(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	struct platform *platform = vcpu->vm->platform;
	const struct pc_dialect *dialect = platform->dialect;
	bool fault = false;
	bool known;

	if (dialect == NULL || dialect->msr_write == NULL) {
		return false;
	}
	lock_acquire(&platform->lock);
	known = dialect->msr_write(vcpu, index, value, &fault);
	pc_time_changed(platform, arch_tsc());
	lock_release(&platform->lock);
	pc_look_at_lapic(vcpu);
	pc_arm(vcpu);
	return known && !fault;
}

bool platform_msr_read(struct vcpu *vcpu, uint32_t index, uint64_t *value)
{
	if (!is_lapic_msr(index)) {
		return dialect_msr_read(vcpu, index, value);
	}
	return vlapic_msr_read(pc_lapic(vcpu), index, arch_tsc(), value);
}

bool platform_msr_write(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	struct apic_message message;
	enum vlapic_effect effect;

	if (!is_lapic_msr(index)) {
		return dialect_msr_write(vcpu, index, value);
	}
	effect = vlapic_msr_write(pc_lapic(vcpu), index, value, arch_tsc(), &message);
	if (effect == VLAPIC_FAULT) {
		return false;
	}
	carry_out(vcpu, effect, &message);
	return true;
}
