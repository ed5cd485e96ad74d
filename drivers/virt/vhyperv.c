/* SPDX-License-Identifier: BSD-2-Clause */
/* See vhyperv.h. */
#include "drivers/virt/vhyperv.h"

#include "arch/backend.h"
#include "base/bits.h"
#include "base/string.h"
#include "base/time.h"
#include "drivers/virt/vhyperv_hint.h"
#include "kernel/vm/platform.h"

#define RETRY_MS 20u
#define PAGE_MASK (~(uint64_t)(PAGE_BYTES - 1))

void vhyperv_reset(struct vhyperv *hyperv, uint64_t boot_pages)
{
	memset(hyperv, 0, sizeof(*hyperv));
	vsynic_reset(&hyperv->synic);
	vvmbus_reset(&hyperv->bus);
	vdynmem_reset(&hyperv->memory, boot_pages);
	hyperv->next_tsc = WAKE_NEVER;
}

/* ---- MSRs ------------------------------------------------------------------------------------ */

bool vhyperv_msr_read(const struct vhyperv *hyperv, unsigned index, uint32_t msr, uint64_t *value,
		      bool *fault)
{
	uint64_t tsc_hz = arch_tsc_khz() * 1000;

	switch (msr) {
	case VHYPERV_MSR_GUEST_ID:
		*value = hyperv->guest_id;
		return true;
	case VHYPERV_MSR_HYPERCALL:
		*value = hyperv->hypercall;
		return true;
	case VHYPERV_MSR_INDEX:
		*value = index;
		return true;
	case VHYPERV_MSR_REFERENCE_TSC:
		*value = hyperv->reference_tsc;
		return true;
	case VHYPERV_MSR_TSC_FREQUENCY:
		*value = tsc_hz;
		return true;
	case VHYPERV_MSR_APIC_FREQUENCY:
		*value = tsc_hz / PLATFORM_TSC_TICKS_PER_CLOCK;
		return true;
	case VHYPERV_MSR_ASSIST:
		*value = hyperv->assist[index];
		return true;
	case VHYPERV_MSR_TSC_INVARIANT:
		*value = hyperv->tsc_invariant;
		return true;
	}
	return vsynic_msr_read(&hyperv->synic, index, msr, value, fault);
}

/* What a kernel leaves behind when it goes, or says that it does. */
static void forget_guest(struct vhyperv *hyperv)
{
	vvmbus_reset(&hyperv->bus);
	vdynmem_closed(&hyperv->memory);
	hyperv->event = false;
}

static void guest_id_write(struct vhyperv *hyperv, uint64_t value)
{
	hyperv->guest_id = value;
	if (value == 0) {
		hyperv->hypercall &= ~(uint64_t)VHYPERV_HYPERCALL_ENABLED;
		forget_guest(hyperv);
	}
}

/* The instruction and a return, behind one that is a target of indirect calls (CET). */
static enum status write_stub(struct vhyperv *hyperv, const struct vguest *guest, uint64_t address)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	uint8_t code[sizeof(endbr64) + sizeof(backend->hypercall) + 1];

	memcpy(code, endbr64, sizeof(endbr64));
	memcpy(code + sizeof(endbr64), backend->hypercall, sizeof(backend->hypercall));
	code[sizeof(code) - 1] = 0xc3;
	enum status status = vguest_write(guest, address, code, sizeof(code));
	if (status == STATUS_NO_MEMORY && !hyperv->reserve_used) {
		/* The guest calls into that page next, whatever it finds there. */
		status = vguest_write_reserve(guest, address, code, sizeof(code));
		hyperv->reserve_used = status == STATUS_OK;
	}
	return status;
}

static void hypercall_write(struct vhyperv *hyperv, const struct vguest *guest, uint64_t value,
			    bool *fault)
{
	if (hyperv->hypercall & VHYPERV_HYPERCALL_LOCKED) {
		return;
	}
	if (hyperv->guest_id == 0) {
		value &= ~(uint64_t)VHYPERV_HYPERCALL_ENABLED;
	}
	if (value & VHYPERV_HYPERCALL_ENABLED) {
		enum status status = write_stub(hyperv, guest, value & PAGE_MASK);
		if (status == STATUS_NO_MEMORY) {
			/* The guest reads back whether it is enabled. */
			vm_log(guest->vm, "no hypercall page: no memory");
			value &= ~(uint64_t)VHYPERV_HYPERCALL_ENABLED;
		} else if (status != STATUS_OK) {
			*fault = true;
			return;
		}
	}
	hyperv->hypercall = value;
}

bool vhyperv_msr_write(struct vhyperv *hyperv, const struct vguest *guest, unsigned index,
		       uint32_t msr, uint64_t value, bool *fault)
{
	switch (msr) {
	case VHYPERV_MSR_GUEST_ID:
		guest_id_write(hyperv, value);
		return true;
	case VHYPERV_MSR_HYPERCALL:
		hypercall_write(hyperv, guest, value, fault);
		return true;
	case VHYPERV_MSR_INDEX:
	case VHYPERV_MSR_TSC_FREQUENCY:
	case VHYPERV_MSR_APIC_FREQUENCY:
		*fault = true;
		return true;
	case VHYPERV_MSR_REFERENCE_TSC:
		hyperv->reference_tsc = value;
		return true;
	case VHYPERV_MSR_ASSIST:
		hyperv->assist[index] = value;
		return true;
	case VHYPERV_MSR_TSC_INVARIANT:
		hyperv->tsc_invariant = value;
		return true;
	}
	return vsynic_msr_write(&hyperv->synic, index, msr, value, fault);
}

/* ---- hypercalls ------------------------------------------------------------------------------ */

#define CONTROL_CODE(control) ((control)&0xffff)
#define INPUT_ALIGN 8u
#define VMBUS_MESSAGE_TYPE 1u
#define CAPABILITY_COLD_MEMORY BIT(8)

struct post_message {
	uint32_t connection;
	uint32_t reserved;
	uint32_t type;
	uint32_t bytes;
	uint8_t payload[VSYNIC_PAYLOAD_MAX];
};

static uint64_t post_message(struct vhyperv *hyperv, const struct vguest *guest, uint64_t input)
{
	uint64_t message[(sizeof(struct post_message)) / sizeof(uint64_t)] = {0};
	const struct post_message *post = (const void *)message;
	const size_t head = offsetof(struct post_message, payload);
	uint64_t rest = PAGE_BYTES - (input & (PAGE_BYTES - 1));
	size_t bytes = (size_t)min_u64(sizeof(message), rest);
	enum vvmbus_event event;

	if (!is_aligned_u64(input, INPUT_ALIGN)) {
		return VHYPERV_BAD_ALIGNMENT;
	}
	if (bytes < head || vguest_read(guest, input, message, bytes) != STATUS_OK) {
		return VHYPERV_BAD_PARAMETER;
	}
	if (post->connection != VVMBUS_CONNECTION) {
		return VHYPERV_NO_CONNECTION;
	}
	if (post->type != VMBUS_MESSAGE_TYPE || post->bytes > bytes - head) {
		return VHYPERV_BAD_PARAMETER;
	}
	if (vsynic_room(&hyperv->synic) < VVMBUS_ANSWERS) {
		return VHYPERV_NO_MEMORY;
	}
	bool good = vvmbus_message(&hyperv->bus, &hyperv->synic, guest, post->payload, post->bytes,
				   &event);
	if (event == VVMBUS_CLOSED) {
		vdynmem_closed(&hyperv->memory);
		hyperv->event = false;
	} else if (event == VVMBUS_OPENED) {
		vdynmem_opened(&hyperv->memory);
	}
	return good ? VHYPERV_OK : VHYPERV_NO_CONNECTION;
}

/* The caller's step reads the ring. */
static uint64_t signal_event(uint64_t control, uint64_t input)
{
	if (!(control & VHYPERV_CALL_FAST)) {
		return VHYPERV_BAD_INPUT;
	}
	return (uint32_t)input == VVMBUS_CHANNEL_CONNECTION ? VHYPERV_OK : VHYPERV_NO_CONNECTION;
}

static uint64_t extended_capabilities(const struct vguest *guest, uint64_t output)
{
	const uint64_t capabilities = CAPABILITY_COLD_MEMORY;

	if (!is_aligned_u64(output, INPUT_ALIGN)) {
		return VHYPERV_BAD_ALIGNMENT;
	}
	enum status status = vguest_write(guest, output, &capabilities, sizeof(capabilities));
	if (status == STATUS_NO_MEMORY) {
		return VHYPERV_NO_MEMORY;
	}
	return status == STATUS_OK ? VHYPERV_OK : VHYPERV_BAD_PARAMETER;
}

uint64_t vhyperv_hypercall(struct vhyperv *hyperv, const struct vguest *guest, uint64_t control,
			   uint64_t input, uint64_t output)
{
	if (!(hyperv->hypercall & VHYPERV_HYPERCALL_ENABLED)) {
		return VHYPERV_UNKNOWN_CALL;
	}
	switch (CONTROL_CODE(control)) {
	case VHYPERV_CALL_POST_MESSAGE:
		return control & VHYPERV_CALL_FAST ? VHYPERV_BAD_INPUT
						   : post_message(hyperv, guest, input);
	case VHYPERV_CALL_SIGNAL_EVENT:
		return signal_event(control, input);
	case VHYPERV_CALL_CAPABILITIES:
		return extended_capabilities(guest, output);
	case VHYPERV_CALL_MEMORY_HINT:
		return vhyperv_memory_hint(guest, control, input);
	}
	return VHYPERV_UNKNOWN_CALL;
}

/* ---- steps ----------------------------------------------------------------------------------- */

void vhyperv_step(struct vhyperv *hyperv, const struct vguest *guest,
		  struct aerostat_balloon_page *page, uint64_t now_tsc)
{
	bool open = hyperv->bus.open;
	struct vdynmem_place place = {
		.guest = *guest,
		.from_guest = open ? &hyperv->bus.from_guest : NULL,
		.to_guest = open ? &hyperv->bus.to_guest : NULL,
		.page = page,
		.attached = hyperv->attached,
		.now_tsc = now_tsc,
	};
	bool later = false;

	vdynmem_step(&hyperv->memory, &place);
	hyperv->event = open && (hyperv->event || place.signal);
	if (hyperv->event) {
		later = !vsynic_signal(&hyperv->synic, guest, hyperv->bus.target, VVMBUS_CHANNEL);
		hyperv->event = later;
	}
	later = !vsynic_flush(&hyperv->synic, guest) || later;
	hyperv->next_tsc = hyperv->memory.next_tsc;
	if (later) {
		hyperv->next_tsc = min_u64(hyperv->next_tsc, now_tsc + ticks_from_ms(RETRY_MS));
	}
}

void vhyperv_publish(const struct vhyperv *hyperv, const struct vguest *guest,
		     struct aerostat_balloon_page *page)
{
	const struct vdynmem_place place = {.guest = *guest, .page = page};

	vdynmem_publish(&hyperv->memory, &place);
}
