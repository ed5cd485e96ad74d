/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest of as=hyper-v: the input is a program of MSR writes, hypercalls with any control word,
 * messages of VMBus, packets of Dynamic Memory right and wrong, words written into rings and pages
 * of the interrupt controller, targets, time and resets. After each step no frame is lost or seen
 * twice, no lock is held, and the state is one that there is.
 */
#include "fuzz.h"

#include "base/bits.h"
#include "base/time.h"
#include "drivers/virt/vdynmem_protocol.h"
#include "drivers/virt/vhyperv.h"
#include "fake/kernel.h"
#include "kernel/balloon/balloon.h"
#include "mm/guest_copy.h"

const char fuzz_name[] = "hyperv";

#define FRAMES 3000
#define PAGES 2048u
#define BOOT_PAGES 1024u
#define STEPS_MAX 300
#define SETTLE_MAX 4000 /* steps until nothing is left to do at once */

#define INPUT_GFN 2u
#define MESSAGES_GFN 3u
#define FLAGS_GFN 4u
#define CALL_GFN 5u
#define RING_GFN 8u
#define RING_PAGES 5u
#define RING_BYTES ((RING_PAGES - 1) * (uint32_t)PAGE_BYTES)
#define RING_OUT ((uint64_t)RING_GFN << PAGE_SHIFT)
#define RING_IN ((uint64_t)(RING_GFN + RING_PAGES) << PAGE_SHIFT)

static struct vm *vm;
static struct vhyperv hyperv;
static struct aerostat_balloon_page page;

static struct vguest lock(void)
{
	return (struct vguest){vm, s2_lock(&vm->s2)};
}

/* What the platform does behind each access. */
static void settle(void)
{
	bool attached = vdynmem_is_attached(&hyperv.memory);

	if (attached && !hyperv.attached) {
		hyperv.attached = balloon_attach_device(vm, &page) == STATUS_OK;
		FUZZ_CHECK(hyperv.attached);
	} else if (!attached && hyperv.attached) {
		balloon_detach_device(vm);
		memset(&page, 0, sizeof(page));
		hyperv.attached = false;
	}
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		uint8_t vector = vsynic_take_interrupt(&hyperv.synic, i);
		FUZZ_CHECK(vector == 0 || vector >= 16);
	}
	FUZZ_CHECK(hyperv.synic.count <= VSYNIC_QUEUE && hyperv.synic.first < VSYNIC_QUEUE);
	FUZZ_CHECK(hyperv.memory.state <= VDYNMEM_STOPPED);
	FUZZ_CHECK(!hyperv.bus.open || hyperv.bus.gpadl.exists);
	FUZZ_CHECK(page.idle_pages <= page.free_pages);
}

static void step_and_unlock(const struct vguest *guest)
{
	vhyperv_step(&hyperv, guest, &page, fake_tsc);
	s2_unlock(guest->locked);
	settle();
	world_check();
}

/* Until nothing is left that can be done at once: that comes to an end. */
static void run(void)
{
	unsigned steps = 0;

	while (hyperv.next_tsc <= fake_tsc) {
		struct vguest guest = lock();
		step_and_unlock(&guest);
		FUZZ_CHECK(++steps < SETTLE_MAX);
	}
}

static void poke(uint64_t address, const void *from, size_t bytes)
{
	struct s2_locked locked = s2_lock(&vm->s2);
	(void)(guest_copy_out(locked, (gpa_t){address}, from, bytes) == STATUS_OK);
	s2_unlock(locked);
}

static uint32_t peek(uint64_t address)
{
	uint32_t value = 0;
	struct s2_locked locked = s2_lock(&vm->s2);
	(void)(guest_copy_in(locked, (gpa_t){address}, &value, sizeof(value)) == STATUS_OK);
	s2_unlock(locked);
	return value;
}

static void write_msr(unsigned index, uint32_t msr, uint64_t value)
{
	bool fault = false;
	struct vguest guest = lock();
	bool known = vhyperv_msr_write(&hyperv, &guest, index, msr, value, &fault);
	step_and_unlock(&guest);
	uint64_t read;
	FUZZ_CHECK(vhyperv_msr_read(&hyperv, index, msr, &read, &fault) == known);
}

static void call(uint64_t control, uint64_t input, uint64_t output)
{
	struct vguest guest = lock();
	uint64_t result = vhyperv_hypercall(&hyperv, &guest, control, input, output);
	step_and_unlock(&guest);
	FUZZ_CHECK((result & 0xffff) <= VHYPERV_NO_CONNECTION);
	FUZZ_CHECK((result >> 32) <= (control >> 32 & 0xfff));
}

static void post(const void *payload, uint32_t bytes)
{
	const uint32_t head[4] = {VVMBUS_CONNECTION, 0, 1, bytes};
	poke((uint64_t)INPUT_GFN << PAGE_SHIFT, head, sizeof(head));
	poke(((uint64_t)INPUT_GFN << PAGE_SHIFT) + 16, payload, bytes);
	call(VHYPERV_CALL_POST_MESSAGE, (uint64_t)INPUT_GFN << PAGE_SHIFT, 0);
	/* The guest takes what is in its slot. */
	const uint32_t none = 0;
	poke(((uint64_t)MESSAGES_GFN << PAGE_SHIFT) + 0x200, &none, sizeof(none));
	write_msr(0, VSYNIC_MSR_END, 0);
}

static void boot(void)
{
	write_msr(0, VHYPERV_MSR_GUEST_ID, 0x8100000000000000);
	write_msr(0, VHYPERV_MSR_HYPERCALL, CALL_GFN << PAGE_SHIFT | 1);
	write_msr(0, VSYNIC_MSR_MESSAGES, MESSAGES_GFN << PAGE_SHIFT | 1);
	write_msr(0, VSYNIC_MSR_EVENT_FLAGS, FLAGS_GFN << PAGE_SHIFT | 1);
	write_msr(0, VSYNIC_MSR_SOURCE + 2, 0xf3);
	write_msr(0, VSYNIC_MSR_CONTROL, 1);
}

static void open_channel(void)
{
	const uint32_t contact[10] = {14, 0, 0x40000};
	const uint32_t open[7] = {5, 0, VVMBUS_CHANNEL, 1, 7, 0, RING_PAGES};
	uint64_t message[14] = {8, VVMBUS_CHANNEL | 7ull << 32};
	static const uint8_t zeros[PAGE_BYTES];

	((uint32_t *)message)[4] = 1u << 16;
	((uint32_t *)message)[5] = 2 * RING_PAGES * PAGE_BYTES;
	for (unsigned i = 0; i < 2 * RING_PAGES; i++) {
		uint64_t gfn = RING_GFN + i;
		memcpy((uint8_t *)message + 28 + 8 * i, &gfn, sizeof(gfn));
		poke(gfn << PAGE_SHIFT, zeros, sizeof(zeros));
	}
	post(contact, sizeof(contact));
	post(message, 28 + 8 * 2 * RING_PAGES);
	post(open, sizeof(open));
}

static void say(const void *payload, uint32_t bytes, bool signal)
{
	uint32_t at = peek(RING_OUT) % RING_BYTES & ~7u;
	uint32_t units = 2 + (bytes + 7) / 8;
	uint64_t packet[80] = {6 | 2 << 16 | (uint64_t)units << 32};
	FUZZ_CHECK(units < ARRAY_COUNT(packet));
	memcpy(packet + 2, payload, bytes);
	for (uint32_t i = 0; i < units; i++) {
		poke(RING_OUT + PAGE_BYTES + (at + 8 * i) % RING_BYTES, packet + i, 8);
	}
	uint32_t next = (at + units * 8 + 8) % RING_BYTES;
	poke(RING_OUT, &next, sizeof(next));
	/* The guest has read all that was sent to it. */
	uint32_t sent = peek(RING_IN);
	poke(RING_IN + 4, &sent, sizeof(sent));
	if (signal) {
		call(VHYPERV_CALL_SIGNAL_EVENT | VHYPERV_CALL_FAST, VVMBUS_CHANNEL_CONNECTION, 0);
	}
}

static void negotiate(void)
{
	const uint64_t version[2] = {DYNMEM_VERSION_REQUEST | 16 << 16, DYNMEM_VERSION_2_0};
	const uint64_t capabilities[4] = {DYNMEM_CAPABILITIES | 32 << 16, 3};
	say(version, sizeof(version), true);
	run();
	say(capabilities, sizeof(capabilities), true);
	run();
}

static void status(struct fuzz_input *input)
{
	uint64_t message[6] = {DYNMEM_STATUS | 48 << 16};
	message[1] = fuzz_take(input, 2);
	message[2] = fuzz_take(input, 2);
	say(message, sizeof(message), true);
}

static void give(struct fuzz_input *input)
{
	uint64_t message[2 + 16];
	unsigned count = (unsigned)fuzz_take(input, 1) & 15;
	unsigned said = count + (fuzz_take(input, 1) == 0);
	message[0] = DYNMEM_BALLOON_RESPONSE | (16 + 8ull * count) << 16;
	message[1] = (uint64_t)(said << 1 | (fuzz_take(input, 1) & 1)) << 32;
	for (unsigned i = 0; i < count; i++) {
		uint64_t gfn = fuzz_take(input, 2) % (PAGES + 16);
		uint64_t pages = fuzz_take(input, 2) % 1100;
		message[2 + i] = dynmem_range(fuzz_take(input, 1) & 1 ? gfn & ~511ull : gfn, pages);
	}
	say(message, 16 + 8 * count, true);
}

static void answer(struct fuzz_input *input)
{
	uint64_t message[3];
	uint64_t type = fuzz_take(input, 1) % 13;
	message[0] = type | fuzz_take(input, 1) << 16;
	message[1] = fuzz_take(input, 8);
	message[2] = fuzz_take(input, 8);
	say(message, sizeof(message), fuzz_take(input, 1) & 1);
}

static void any_message(struct fuzz_input *input)
{
	uint32_t message[60] = {(uint32_t)fuzz_take(input, 1) % 26};
	unsigned words = (unsigned)fuzz_take(input, 1) % 60;
	for (unsigned i = 2; i < words; i++) {
		message[i] = (uint32_t)fuzz_take(input, 2);
	}
	post(message, words * 4);
}

static void any_call(struct fuzz_input *input)
{
	static const uint16_t codes[] = {0x5c, 0x5d, 0x8001, 0x8003, 0x46, 2};
	uint64_t control = codes[fuzz_take(input, 1) % ARRAY_COUNT(codes)];
	control |=
		fuzz_take(input, 1) << 16 | fuzz_take(input, 2) << 32 | fuzz_take(input, 2) << 48;
	uint64_t where = fuzz_take(input, 1) & 1 ? INPUT_GFN << PAGE_SHIFT : fuzz_take(input, 8);
	call(control, where, fuzz_take(input, 8));
}

static void hint(struct fuzz_input *input)
{
	uint64_t words[8] = {2};
	unsigned count = 1 + (unsigned)fuzz_take(input, 1) % 7;
	for (unsigned i = 0; i < count; i++) {
		uint64_t gfn = fuzz_take(input, 2) % (PAGES + 16);
		words[1 + i] = gfn << PAGE_SHIFT | (fuzz_take(input, 2) & 0x1fff);
	}
	poke((uint64_t)INPUT_GFN << PAGE_SHIFT, words, sizeof(words));
	call(VHYPERV_CALL_MEMORY_HINT | (uint64_t)count << 32, INPUT_GFN << PAGE_SHIFT, 0);
}

static void any_msr(struct fuzz_input *input)
{
	static const uint32_t msrs[] = {0x40000000, 0x40000001, 0x40000002, 0x40000021, 0x40000073,
					0x40000080, 0x40000082, 0x40000083, 0x40000084, 0x40000092,
					0x4000009f, 0x40000118, 0x40000020};
	unsigned which = (unsigned)fuzz_take(input, 1) % ARRAY_COUNT(msrs);
	uint64_t value = fuzz_take(input, fuzz_take(input, 1) & 1 ? 8 : 2);
	write_msr((unsigned)fuzz_take(input, 1) % vm->config.vcpus, msrs[which], value);
}

static void scribble(struct fuzz_input *input)
{
	uint64_t at = fuzz_take(input, 2) % ((2 * RING_PAGES + 6) << 6);
	uint64_t value = fuzz_take(input, 4);
	/* Indices and masks more often than data. */
	uint64_t address = (at >> 6 << PAGE_SHIFT) + (at & 63) * (at & 1 ? 4 : 64);
	poke(MESSAGES_GFN * PAGE_BYTES + address, &value, fuzz_take(input, 1) & 1 ? 4 : 8);
}

static void touch(struct fuzz_input *input)
{
	uint64_t gfn = fuzz_take(input, 2) % PAGES;
	struct vcpu *vcpu = &vm->vcpus[0];
	struct s2_locked locked = s2_lock(&vm->s2);
	enum s2_kind kind = s2_lookup(locked, (gfn_t){gfn}).kind;
	s2_unlock(locked);
	if (kind != S2_MAPPED) {
		FUZZ_CHECK(demand_fault(vcpu, (gfn_t){gfn}) == EXIT_RESUME);
	}
}

static void set_target(struct fuzz_input *input)
{
	uint64_t target = fuzz_take(input, 2) % PAGES;
	balloon_set_target(vm, target, (uint32_t)fuzz_take(input, 1) % 3);
	hyperv.next_tsc = 0;
	run();
}

static void deed(struct fuzz_input *input)
{
	switch (fuzz_take(input, 1) % 16) {
	case 0:
		boot();
		break;
	case 1:
		open_channel();
		break;
	case 2:
		negotiate();
		break;
	case 3:
		status(input);
		break;
	case 4:
	case 5:
		set_target(input);
		break;
	case 6:
	case 7:
		give(input);
		break;
	case 8:
		answer(input);
		break;
	case 9:
		any_message(input);
		break;
	case 10:
		any_call(input);
		break;
	case 11:
		hint(input);
		break;
	case 12:
		any_msr(input);
		break;
	case 13:
		scribble(input);
		break;
	case 14:
		touch(input);
		break;
	case 15:
		fake_tsc += ticks_from_ms(fuzz_take(input, 1) * 50);
		run();
		break;
	}
	world_check();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = {data, bytes};

	kernel_start(FRAMES, 1);
	fake_tsc = 1000000;
	vm = kernel_vm_with(2, "guest", PAGES, BOOT_PAGES, 20);
	memset(&page, 0, sizeof(page));
	vhyperv_reset(&hyperv, BOOT_PAGES);
	for (unsigned i = 0; i < STEPS_MAX && input.bytes > 0; i++) {
		deed(&input);
	}
	run();
	/* Whatever was: a guest that leaves has an empty balloon, and all frames are there. */
	write_msr(0, VHYPERV_MSR_GUEST_ID, 0);
	run();
	FUZZ_CHECK(vm->s2.ballooned_pages == 0 && !vm->balloon.attached);
	kernel_vm_end(vm);
	world_stop();
	return 0;
}
