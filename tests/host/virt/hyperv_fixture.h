/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM with as=hyper-v over a world, and a guest as Linux is one: it sets up the synthetic
 * interrupt controller, finds the channel of Dynamic Memory, and speaks to it over the two rings.
 */
#ifndef VIRT_HYPERV_FIXTURE_H
#define VIRT_HYPERV_FIXTURE_H

#include "pc_fixture.h"

#include <string.h>

#include "base/time.h"
#include "drivers/virt/vdynmem_protocol.h"
#include "drivers/virt/vhyperv.h"
#include "kernel/balloon/balloon.h"
#include "mm/guest_copy.h"

#define HV_FRAMES 7000
#define HV_PAGES 4096u
#define HV_BOOT_PAGES 2048u /* startup= */
#define HV_VECTOR 0xf3u

/* Where the guest has its pages. */
#define HV_CALL_GFN 20u /* the hypercall page */
#define HV_INPUT_GFN 21u
#define HV_MESSAGES_GFN 22u
#define HV_FLAGS_GFN 23u
#define HV_RING_GFN 40u /* ten pages: five of each ring */
#define HV_RING_PAGES 5u
#define HV_SLOT (((uint64_t)HV_MESSAGES_GFN << PAGE_SHIFT) + 0x200)
#define HV_FLAG (((uint64_t)HV_FLAGS_GFN << PAGE_SHIFT) + 0x200)

static inline struct vhyperv *hv(void)
{
	return pc->platform->dialect_state;
}

static inline int hv_setup(void **state)
{
	(void)state;
	kernel_start(HV_FRAMES, 1);
	fake_log_clear();
	fake_tsc = 1000000;
	pc = kernel_vm_with(2, "pc", HV_PAGES, HV_BOOT_PAGES, 20);
	pc->config.boot_pages = HV_BOOT_PAGES;
	pc->config.devices = DEVICES_PC;
	pc->config.on_reboot = ON_REBOOT_STOP;
	pc->config.as = AS_HYPERV;
	boot_vcpu = &pc->vcpus[0];
	assert_int_equal(platform_create(pc), STATUS_OK);
	world_check();
	return 0;
}

#define HV_TEST(name) cmocka_unit_test_setup_teardown(name, hv_setup, pc_end)

/* ---- guest memory ---- */

static inline void put(uint64_t address, const void *from, size_t bytes)
{
	struct s2_locked locked = s2_lock(&pc->s2);
	enum status status = guest_copy_out(locked, (gpa_t){address}, from, bytes);
	s2_unlock(locked);
	assert_int_equal(status, STATUS_OK);
}

static inline void get(uint64_t address, void *to, size_t bytes)
{
	struct s2_locked locked = s2_lock(&pc->s2);
	enum status status = guest_copy_in(locked, (gpa_t){address}, to, bytes);
	s2_unlock(locked);
	assert_int_equal(status, STATUS_OK);
}

static inline void put_32(uint64_t address, uint32_t value)
{
	put(address, &value, sizeof(value));
}

static inline uint32_t get_32(uint64_t address)
{
	uint32_t value;
	get(address, &value, sizeof(value));
	return value;
}

static inline enum s2_kind kind_of(uint64_t gfn)
{
	return world_lookup(&pc->s2, gfn).kind;
}

/* ---- MSRs and hypercalls ---- */

static inline uint64_t get_msr(struct vcpu *vcpu, uint32_t msr)
{
	uint64_t value = 0;
	assert_true(platform_msr_read(vcpu, msr, &value));
	return value;
}

static inline void set_msr(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	assert_true(platform_msr_write(vcpu, msr, value));
}

static inline uint64_t call(uint64_t control, uint64_t input, uint64_t output)
{
	boot_vcpu->regs[GPR_RCX] = control;
	boot_vcpu->regs[GPR_RDX] = input;
	boot_vcpu->regs[GPR_R8] = output;
	assert_int_equal(platform_hypercall(boot_vcpu, true), EXIT_ADVANCE);
	world_check();
	return boot_vcpu->regs[GPR_RAX];
}

static inline void hv_boot(struct vcpu *vcpu)
{
	lapic_write(vcpu, REG_SVR, 0x1ff);
	set_msr(vcpu, VHYPERV_MSR_GUEST_ID, 0x8100060100000000);
	set_msr(vcpu, VHYPERV_MSR_HYPERCALL, HV_CALL_GFN << PAGE_SHIFT | 1);
	set_msr(vcpu, VSYNIC_MSR_MESSAGES, HV_MESSAGES_GFN << PAGE_SHIFT | 1);
	set_msr(vcpu, VSYNIC_MSR_EVENT_FLAGS, HV_FLAGS_GFN << PAGE_SHIFT | 1);
	set_msr(vcpu, VSYNIC_MSR_SOURCE + 2, HV_VECTOR);
	set_msr(vcpu, VSYNIC_MSR_CONTROL, 1);
}

static inline uint64_t post(const void *payload, uint32_t bytes)
{
	uint64_t input = (uint64_t)HV_INPUT_GFN << PAGE_SHIFT;
	const uint32_t head[4] = {VVMBUS_CONNECTION, 0, 1, bytes};
	put(input, head, sizeof(head));
	put(input + sizeof(head), payload, bytes);
	return call(VHYPERV_CALL_POST_MESSAGE, input, 0);
}

/* The interrupt of VMBus is delivered, and ended. */
static inline bool interrupted(struct vcpu *vcpu)
{
	if (platform_interrupt_ready(vcpu) != HV_VECTOR) {
		return false;
	}
	assert_int_equal(platform_interrupt_take(vcpu, HV_VECTOR), HV_VECTOR);
	lapic_write(vcpu, REG_EOI, 0);
	return true;
}

/* The message in the slot, as the guest takes it out. Answers its length; 0: there is none. */
static inline unsigned receive(void *payload)
{
	uint8_t head[16];
	get(HV_SLOT, head, sizeof(head));
	if (head[0] == 0) {
		return 0;
	}
	assert_int_equal(head[0], 1);
	get(HV_SLOT + 16, payload, head[4]);
	put_32(HV_SLOT, 0);
	get(HV_SLOT, head, sizeof(head));
	if (head[5] & 1) {
		set_msr(boot_vcpu, VSYNIC_MSR_END, 0);
	}
	return head[4];
}

/* ---- VMBus ---- */

static inline void contact(uint32_t version)
{
	const uint32_t message[10] = {14, 0, version, 0, 2};
	assert_int_equal(post(message, sizeof(message)), VHYPERV_OK);
}

static inline void connect(void)
{
	uint8_t answer[240];
	hv_boot(boot_vcpu);
	contact(0x40000);
	assert_true(interrupted(boot_vcpu));
	assert_int_equal(receive(answer), 16);
	assert_int_equal(answer[0], 15);
	assert_int_equal(answer[8], 1);
}

static inline void make_gpadl(uint32_t id)
{
	uint64_t message[30] = {0};
	uint32_t *words = (uint32_t *)message;
	const uint64_t bytes = 2ull * HV_RING_PAGES * PAGE_BYTES;
	words[0] = 8;
	words[2] = VVMBUS_CHANNEL;
	words[3] = id;
	words[4] = 88 | 1 << 16;
	words[5] = (uint32_t)bytes;
	for (unsigned i = 0; i < 2 * HV_RING_PAGES; i++) {
		uint64_t gfn = HV_RING_GFN + i;
		memcpy((uint8_t *)message + 28 + 8 * i, &gfn, sizeof(gfn));
	}
	assert_int_equal(post(message, 28 + 8 * 2 * HV_RING_PAGES), VHYPERV_OK);
}

static inline void open_message(uint32_t gpadl, uint32_t page)
{
	const uint32_t message[37] = {5, 0, VVMBUS_CHANNEL, 77, gpadl, 0, page};
	assert_int_equal(post(message, sizeof(message)), VHYPERV_OK);
}

static inline void short_message(uint32_t type, uint32_t a, uint32_t b)
{
	const uint32_t message[4] = {type, 0, a, b};
	assert_int_equal(post(message, sizeof(message)), VHYPERV_OK);
}

static inline void clear_rings(void)
{
	static const uint8_t zeros[PAGE_BYTES];
	for (unsigned i = 0; i < 2 * HV_RING_PAGES; i++) {
		put((uint64_t)(HV_RING_GFN + i) << PAGE_SHIFT, zeros, sizeof(zeros));
	}
}

static inline void open_channel(void)
{
	uint32_t answer[60];
	clear_rings();
	make_gpadl(5);
	assert_int_equal(receive(answer), 20);
	assert_int_equal(answer[0], 10);
	assert_int_equal(answer[4], 0);
	open_message(5, HV_RING_PAGES);
	assert_int_equal(receive(answer), 20);
	assert_int_equal(answer[0], 6);
	assert_int_equal(answer[3], 77);
	assert_int_equal(answer[4], 0);
	(void)interrupted(boot_vcpu);
}

/* ---- rings ---- */

#define RING_OUT ((uint64_t)HV_RING_GFN << PAGE_SHIFT) /* to the host */
#define RING_IN ((uint64_t)(HV_RING_GFN + HV_RING_PAGES) << PAGE_SHIFT)
#define RING_BYTES ((HV_RING_PAGES - 1) * (uint32_t)PAGE_BYTES)

static inline void ring_put(uint64_t ring, uint32_t at, const void *from, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++) {
		put(ring + PAGE_BYTES + (at + i) % RING_BYTES, (const uint8_t *)from + i, 1);
	}
}

static inline void ring_get(uint64_t ring, uint32_t at, void *to, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++) {
		get(ring + PAGE_BYTES + (at + i) % RING_BYTES, (uint8_t *)to + i, 1);
	}
}

/* A packet goes in; the host is not told. */
static inline void enqueue(const void *payload, uint32_t bytes)
{
	uint32_t at = get_32(RING_OUT);
	uint32_t units = 2 + (bytes + 7) / 8;
	const uint16_t head[8] = {6, 2, (uint16_t)units};
	ring_put(RING_OUT, at, head, sizeof(head));
	ring_put(RING_OUT, at + 16, payload, bytes);
	put_32(RING_OUT, (at + units * 8 + 8) % RING_BYTES);
}

static inline void signal_host(void)
{
	assert_int_equal(
		call(VHYPERV_CALL_SIGNAL_EVENT | VHYPERV_CALL_FAST, VVMBUS_CHANNEL_CONNECTION, 0),
		VHYPERV_OK);
}

static inline void say(const void *payload, uint32_t bytes)
{
	enqueue(payload, bytes);
	signal_host();
}

/* The next packet of the host; 0: there is none. */
static inline uint32_t hear(void *payload)
{
	uint32_t at = get_32(RING_IN + 4);
	uint16_t head[8];
	if (at == get_32(RING_IN)) {
		return 0;
	}
	ring_get(RING_IN, at, head, sizeof(head));
	assert_int_equal(head[0], 6);
	uint32_t bytes = (head[2] - head[1]) * 8u;
	ring_get(RING_IN, at + head[1] * 8u, payload, bytes);
	put_32(RING_IN + 4, (at + head[2] * 8u + 8) % RING_BYTES);
	return bytes;
}

/* Lets vCPU 0 tick until the device has nothing left to do at once; the world is checked. */
static inline void run_device(void)
{
	for (unsigned i = 0; i < 1000 && hv()->next_tsc <= fake_tsc; i++) {
		(void)platform_tick(boot_vcpu, fake_tsc);
		world_check();
	}
	assert_true(hv()->next_tsc > fake_tsc);
}

static inline void pass_ms(uint64_t ms)
{
	fake_tsc += ticks_from_ms(ms);
	run_device();
}

/* ---- Dynamic Memory ---- */

static uint64_t heard[VDYNMEM_PAYLOAD_MAX / 8];

static inline uint16_t hear_type(void)
{
	return hear(heard) == 0 ? 0 : (uint16_t)heard[0];
}

static inline void say_version(uint32_t version)
{
	const struct dynmem_version_request request = {
		.header = {DYNMEM_VERSION_REQUEST, sizeof(request), 1},
		.version = version,
	};
	say(&request, sizeof(request));
}

static inline void say_capabilities(uint64_t word)
{
	const struct dynmem_capabilities message = {
		.header = {DYNMEM_CAPABILITIES, sizeof(message), 2},
		.capabilities = word,
		.max_pages = UINT64_MAX,
	};
	say(&message, sizeof(message));
}

static inline void say_status(uint64_t available, uint64_t committed)
{
	const struct dynmem_status message = {
		.header = {DYNMEM_STATUS, sizeof(message), 3},
		.available_pages = available,
		.committed_pages = committed,
	};
	say(&message, sizeof(message));
}

#define HV_CAPABILITIES 0x3u /* with hot add in steps of 1 MiB */

static inline void negotiate(void)
{
	say_version(DYNMEM_VERSION_2_0);
	assert_int_equal(hear_type(), DYNMEM_VERSION_RESPONSE);
	assert_int_equal(heard[1], 1);
	assert_false(pc->balloon.attached);
	say_capabilities(HV_CAPABILITIES);
	assert_int_equal(hear_type(), DYNMEM_CAPABILITIES_RESPONSE);
	assert_int_equal(heard[1], 1);
	assert_true(pc->balloon.attached);
	run_device();
}

/* From power-on to a driver whose balloon is attached. */
static inline void drive(void)
{
	connect();
	open_channel();
	negotiate();
}

static inline void set_target(uint64_t pages)
{
	balloon_set_target(pc, pages, AEROSTAT_PRESSURE_NONE);
	run_device();
}

/* An answer with these ranges of {gfn, pages}. */
static inline void give(const uint64_t (*ranges)[2], unsigned count, bool more)
{
	uint64_t message[2 + 510];
	const struct dynmem_balloon_response head = {
		.header = {DYNMEM_BALLOON_RESPONSE, (uint16_t)(sizeof(head) + 8 * count), 4},
		.ranges = count << 1 | more,
	};
	memcpy(message, &head, sizeof(head));
	for (unsigned i = 0; i < count; i++) {
		message[2 + i] = dynmem_range(ranges[i][0], ranges[i][1]);
	}
	say(message, (uint32_t)sizeof(head) + 8 * count);
	run_device();
}

static inline void give_one(uint64_t gfn, uint64_t pages)
{
	const uint64_t ranges[1][2] = {{gfn, pages}};
	give(ranges, 1, false);
}

static inline void say_header(uint16_t type)
{
	const struct dynmem_header header = {type, sizeof(header), 5};
	say(&header, sizeof(header));
	run_device();
}

#endif
