/* SPDX-License-Identifier: BSD-2-Clause */
/* See vballoon.h: registers, configuration, and when what is done. The queues: vballoon_queue.c. */
#include "drivers/virt/vballoon.h"

#include "base/bits.h"
#include "base/string.h"
#include "base/time.h"
#include "drivers/virt/vballoon_queue.h"
#include "kernel/balloon/balloon.h"
#include "kernel/balloon/release.h"

#define OFFERED                                                                                    \
	(VMMIO_VERSION_1 | VBALLOON_MUST_TELL_HOST | VBALLOON_STATS_VQ | VBALLOON_DEFLATE_ON_OOM | \
	 VBALLOON_PAGE_POISON | VBALLOON_REPORTING)

/* Offsets in the configuration (5.5.4), and its end. */
#define CONFIG_NUM_PAGES 0u
#define CONFIG_ACTUAL 4u
#define CONFIG_POISON 12u
#define CONFIG_BYTES 16u

#define STEPS 2u /* at one access or tick */
#define RETRY_MS 10u

/*
 * An interrupt for a buffer that went back within the driver's own notification: drivers look at
 * the queue before they wait, so it is only needed by one that does not. It waits until no further
 * buffer has come for the first time, and never longer than the second.
 */
#define INTERRUPT_QUIET_MS 1u
#define INTERRUPT_LATEST_MS 20u

void vballoon_init(struct vballoon *balloon, struct vm *vm, struct aerostat_balloon_page *page)
{
	memset(balloon, 0, sizeof(*balloon));
	balloon->vm = vm;
	balloon->page = page;
	vmmio_reset(&balloon->mmio, VBALLOON_ID, OFFERED);
}

bool vballoon_interrupt(const struct vballoon *balloon)
{
	return balloon->mmio.interrupt != 0;
}

/* ---- the driver comes and goes ---- */

static void detach(struct vballoon *balloon)
{
	if (balloon->attached) {
		balloon_detach_device(balloon->vm);
		balloon->attached = false;
	}
}

/* Everything that a driver has begun is forgotten; what it has given is not. */
static void forget(struct vballoon *balloon)
{
	detach(balloon);
	balloon->kicked = 0;
	balloon->retry_tsc = 0;
	balloon->interrupt_tsc = 0;
	balloon->asked = false;
	balloon->job.active = false;
}

static void reset_by_driver(struct vballoon *balloon)
{
	forget(balloon);
	balloon->num_pages = 0;
	balloon->actual = 0;
	balloon->poison = 0;
	balloon->refaults = 0;
	memset(&balloon->statistics, 0, sizeof(balloon->statistics));
	balloon->releasing = true;
	balloon->release_next = 0;
}

/* Which queues there are is known when the features are. */
static void number_queues(struct vballoon *balloon)
{
	uint64_t features = balloon->mmio.features;
	unsigned count = 0;

	balloon->roles[count++] = VBALLOON_INFLATE;
	balloon->roles[count++] = VBALLOON_DEFLATE;
	if (features & VBALLOON_STATS_VQ) {
		balloon->roles[count++] = VBALLOON_ASK;
	}
	if (features & VBALLOON_REPORTING) {
		balloon->roles[count++] = VBALLOON_REPORT;
	}
	balloon->mmio.queue_count = (uint8_t)count;
}

static void stop(struct vballoon *balloon, unsigned queue, const char *reason)
{
	vm_log(balloon->vm, "virtio-balloon stops until its driver resets it: queue %u: %s", queue,
	       reason);
	vmmio_break(&balloon->mmio);
	forget(balloon);
}

static void start(struct vballoon *balloon)
{
	struct aerostat_balloon_page *page = balloon->page;

	page->total_pages = 0;
	page->free_pages = 0;
	page->idle_pages = 0;
	page->wanted_pages = 0;
	page->refault_count = 0;
	balloon->attached = balloon_attach_device(balloon->vm, page) == STATUS_OK;
	balloon->kicked = UINT8_MAX; /* what was offered before DRIVER_OK */
	vballoon_target_changed(balloon);
}

void vballoon_target_changed(struct vballoon *balloon)
{
	uint64_t target = __atomic_load_n(&balloon->page->target_pages, __ATOMIC_ACQUIRE);
	uint32_t num_pages = (uint32_t)min_u64(target, UINT32_MAX);

	if (balloon->attached && num_pages != balloon->num_pages) {
		balloon->num_pages = num_pages;
		vmmio_config_changed(&balloon->mmio);
	}
}

/* ---- work ---- */

static const char *refusal(uint8_t status)
{
	switch (status) {
	case AEROSTAT_RANGE_OUTSIDE:
		return "it is not in RAM";
	case AEROSTAT_RANGE_SURRENDERED:
		return "it is in the balloon";
	case AEROSTAT_RANGE_NOT_SURRENDERED:
		return "it is not in the balloon";
	case AEROSTAT_RANGE_MIXED:
		return "a part of it is in the balloon";
	case AEROSTAT_RANGE_NO_MEMORY:
		return "there is no memory for a table";
	}
	return "it is in use";
}

/* `late`: the driver may be waiting for it. */
static void tell(struct vballoon *balloon, const struct vballoon_news *news, bool late,
		 uint64_t now_tsc)
{
	if (news->skipped > 0) {
		vm_log(balloon->vm, "virtio-balloon: queue %u: skipped=%u first gfn=0x%llx: %s",
		       news->queue, news->skipped, (unsigned long long)news->skipped_gfn,
		       refusal(news->skipped_status));
	}
	if (!news->notify) {
		return;
	}
	if (late) {
		balloon->mmio.interrupt |= VMMIO_INTERRUPT_USED;
		balloon->interrupt_tsc = 0;
		return;
	}
	if (balloon->interrupt_tsc == 0) {
		balloon->interrupt_end = now_tsc + ticks_from_ms(INTERRUPT_LATEST_MS);
	}
	balloon->interrupt_tsc =
		min_u64(now_tsc + ticks_from_ms(INTERRUPT_QUIET_MS), balloon->interrupt_end);
}

/* True: it is done. */
static bool release(struct vballoon *balloon)
{
	struct s2_locked locked = s2_lock(&balloon->vm->s2);
	bool done = balloon_release_step(locked, balloon->vm, &balloon->release_next);

	s2_unlock(locked);
	balloon->releasing = !done;
	return done;
}

/* True: there is more that can be done now. */
static bool step(struct vballoon *balloon, uint64_t now_tsc, bool late)
{
	struct vballoon_news news = {0};

	if (balloon->releasing) {
		return !release(balloon) || vmmio_runs(&balloon->mmio);
	}
	if (!vmmio_runs(&balloon->mmio) || balloon->retry_tsc > now_tsc) {
		return false;
	}
	if (!balloon->attached) {
		start(balloon);
	}
	balloon->retry_tsc = 0;
	enum vballoon_step answer = vballoon_queue_step(balloon, now_tsc, &news);
	tell(balloon, &news, late, now_tsc);
	switch (answer) {
	case VBALLOON_IDLE:
		return false;
	case VBALLOON_MORE:
		return true;
	case VBALLOON_WAIT:
		balloon->retry_tsc = now_tsc + ticks_from_ms(RETRY_MS);
		return false;
	case VBALLOON_BROKEN:
		break;
	}
	stop(balloon, news.queue, news.broken);
	return false;
}

static void work(struct vballoon *balloon, uint64_t now_tsc, bool late)
{
	balloon->busy = true;
	for (unsigned i = 0; i < STEPS && balloon->busy; i++) {
		balloon->busy = step(balloon, now_tsc, late);
	}
}

/* ---- time ---- */

static uint64_t earlier(uint64_t next, bool armed, uint64_t tsc)
{
	return armed ? min_u64(next, tsc) : next;
}

uint64_t vballoon_next(const struct vballoon *balloon)
{
	uint64_t next = UINT64_MAX;

	next = earlier(next, balloon->busy, 0);
	next = earlier(next, balloon->retry_tsc != 0, balloon->retry_tsc);
	next = earlier(next, balloon->interrupt_tsc != 0, balloon->interrupt_tsc);
	return earlier(next, balloon->asked, balloon->ask_tsc);
}

static void ask(struct vballoon *balloon, uint64_t now_tsc)
{
	struct vballoon_news news = {0};
	enum vballoon_step answer = vballoon_queue_ask(balloon, &news);

	if (answer == VBALLOON_BROKEN) {
		stop(balloon, news.queue, news.broken);
	} else if (answer == VBALLOON_WAIT) {
		balloon->ask_tsc = now_tsc + ticks_from_ms(RETRY_MS);
	} else {
		tell(balloon, &news, true, now_tsc);
	}
}

void vballoon_tick(struct vballoon *balloon, uint64_t now_tsc)
{
	if (balloon->asked && balloon->ask_tsc <= now_tsc) {
		ask(balloon, now_tsc);
	}
	work(balloon, now_tsc, true);
	if (balloon->interrupt_tsc != 0 && balloon->interrupt_tsc <= now_tsc) {
		balloon->interrupt_tsc = 0;
		balloon->mmio.interrupt |= VMMIO_INTERRUPT_USED;
	}
}

/* ---- registers ---- */

static void config_bytes(const struct vballoon *balloon, uint8_t *bytes)
{
	memset(bytes, 0, CONFIG_BYTES);
	memcpy(bytes + CONFIG_NUM_PAGES, &balloon->num_pages, sizeof(balloon->num_pages));
	memcpy(bytes + CONFIG_ACTUAL, &balloon->actual, sizeof(balloon->actual));
	memcpy(bytes + CONFIG_POISON, &balloon->poison, sizeof(balloon->poison));
}

static bool is_in_config(uint32_t offset, unsigned bytes)
{
	return offset >= VMMIO_CONFIG && offset - VMMIO_CONFIG < CONFIG_BYTES &&
	       offset % bytes == 0;
}

uint32_t vballoon_read(const struct vballoon *balloon, uint32_t offset, unsigned bytes)
{
	uint8_t config[CONFIG_BYTES];
	uint32_t value = 0;

	if (bytes > sizeof(value)) {
		return 0;
	}
	if (is_in_config(offset, bytes)) {
		config_bytes(balloon, config);
		memcpy(&value, config + (offset - VMMIO_CONFIG), bytes);
	} else if (offset < VMMIO_CONFIG && bytes == sizeof(value)) {
		value = vmmio_read(&balloon->mmio, offset);
	}
	return value;
}

static void write_config(struct vballoon *balloon, uint32_t offset, unsigned bytes, uint32_t value)
{
	uint8_t config[CONFIG_BYTES];

	config_bytes(balloon, config);
	memcpy(config + (offset - VMMIO_CONFIG), &value, bytes);
	memcpy(&balloon->actual, config + CONFIG_ACTUAL, sizeof(balloon->actual));
	memcpy(&balloon->poison, config + CONFIG_POISON, sizeof(balloon->poison));
}

static void carry_out(struct vballoon *balloon, enum vmmio_effect effect, unsigned queue,
		      uint64_t now_tsc)
{
	switch (effect) {
	case VMMIO_NOTHING:
		break;
	case VMMIO_RESET:
		reset_by_driver(balloon);
		work(balloon, now_tsc, false);
		break;
	case VMMIO_FEATURES:
		number_queues(balloon);
		break;
	case VMMIO_STARTED:
		work(balloon, now_tsc, false);
		break;
	case VMMIO_STOPPED:
		forget(balloon);
		break;
	case VMMIO_NOTIFY:
		balloon->kicked |= (uint8_t)(1u << queue);
		work(balloon, now_tsc, false);
		break;
	case VMMIO_BAD_QUEUE:
		stop(balloon, queue, vring_judge(&balloon->mmio.queues[queue]));
		break;
	}
}

void vballoon_write(struct vballoon *balloon, uint32_t offset, unsigned bytes, uint32_t value,
		    uint64_t now_tsc)
{
	unsigned queue = 0;

	if (is_in_config(offset, bytes) && bytes <= sizeof(value)) {
		write_config(balloon, offset, bytes, value);
	} else if (offset < VMMIO_CONFIG && bytes == sizeof(value)) {
		enum vmmio_effect effect = vmmio_write(&balloon->mmio, offset, value, &queue);
		carry_out(balloon, effect, queue, now_tsc);
	}
}
