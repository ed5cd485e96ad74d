/* SPDX-License-Identifier: BSD-2-Clause */
/* See watch.h. */
#include "tests/spec/watch.h"

#include "base/log.h"
#include "base/spin.h"
#include "arch/arch.h"

#define WINDOW_PAGES 16 /* compared at the end of each call, one piece of RAM after the other */
#define ALL_AFTER_CALLS 1024u /* then all of RAM is compared */

static struct watch watches[ORACLE_VMS];

void watch_count(uint64_t *counter, uint64_t by)
{
	__atomic_fetch_add(counter, by, __ATOMIC_RELAXED);
}

struct watch *watch_find(const struct s2 *s2)
{
	for (unsigned i = 0; i < ORACLE_VMS; i++) {
		if (__atomic_load_n(&watches[i].s2, __ATOMIC_ACQUIRE) == s2) {
			return &watches[i];
		}
	}
	return NULL;
}

struct vm *watch_vm(const struct watch *watch)
{
	return (struct vm *)((uint8_t *)watch->s2 - offsetof(struct vm, s2));
}

/* What the operator may change, or a test. */
void watch_refresh(struct watch *watch)
{
	const struct vm *vm = watch_vm(watch);
	watch->spec.on_touch = vm->config.on_touch == ON_TOUCH_ZERO    ? SPEC_TOUCH_ZERO
			       : vm->config.on_touch == ON_TOUCH_FAULT ? SPEC_TOUCH_FAULT
								       : SPEC_TOUCH_STOP;
	watch->spec.vcpus = vm->config.vcpus;
	watch->spec.min_pages = watch->s2->promise.min_pages;
	watch->spec.by_device = vm->balloon.by_device;
	watch->spec.started_elsewhere = vm->platform != NULL;
}

void watch_serve(struct watch *watch)
{
	while (__atomic_exchange_n(&watch->serving, 1, __ATOMIC_ACQUIRE) != 0) {
		spin_hint();
	}
	watch_refresh(watch);
}

void watch_serve_end(struct watch *watch)
{
	__atomic_store_n(&watch->serving, 0, __ATOMIC_RELEASE);
}

/* ---- Both states ----------------------------------------------------------------------------- */

static void show(const struct watch *watch, const char *which, uint64_t held, uint64_t balloon,
		 const struct balloon *moved)
{
	log_event(vm_name(watch_vm(watch)),
		  "oracle: %s: held=%llu balloon=%llu surrendered=%llu returned=%llu "
		  "reported=%llu touched=%llu attached=%u",
		  which, (unsigned long long)held, (unsigned long long)balloon,
		  (unsigned long long)moved->surrendered_pages,
		  (unsigned long long)moved->returned_pages,
		  (unsigned long long)moved->reported_pages,
		  (unsigned long long)moved->touched_pages, moved->attached);
}

/* What the VM has moved since it began. */
static struct balloon real_moved(const struct watch *watch)
{
	struct balloon moved = watch_vm(watch)->balloon;
	moved.surrendered_pages -= watch->start.surrendered_pages;
	moved.returned_pages -= watch->start.returned_pages;
	moved.reported_pages -= watch->start.reported_pages;
	moved.touched_pages -= watch->start.touched_pages;
	return moved;
}

static struct balloon specified_moved(const struct watch *watch)
{
	return (struct balloon){
		.surrendered_pages = watch->spec.surrendered_pages,
		.returned_pages = watch->spec.returned_pages,
		.reported_pages = watch->spec.reported_pages,
		.touched_pages = watch->spec.touched_pages,
		.attached = watch->spec.attached,
	};
}

static const char *specified_page(const struct watch *watch, uint64_t gfn)
{
	static const char *const names[] = {"untouched", "held", "in the balloon"};
	return gfn < watch->spec.pages ? names[watch->spec.page[gfn]] : "beyond RAM";
}

static const char *real_page_name(const struct watch *watch, uint64_t gfn)
{
	static const char *const names[] = {"EMPTY", "MAPPED", "BALLOONED"};
	struct s2_locked locked = {watch->s2};
	return gfn < watch->spec.pages ? names[s2_lookup(locked, (gfn_t){gfn}).kind] : "beyond RAM";
}

_Noreturn void watch_mismatch(const struct watch *watch, const char *wrong, uint64_t gfn)
{
	const struct spec_vm *spec = &watch->spec;
	struct balloon specified = specified_moved(watch);
	struct balloon real = real_moved(watch);
	show(watch, "specified", spec->held_pages, spec->balloon_pages, &specified);
	show(watch, "real", watch->s2->mapped_pages, watch->s2->ballooned_pages, &real);
	panic("oracle: %s: gfn 0x%llx: %s (it is %s as specified, and really %s)",
	      vm_name(watch_vm(watch)), (unsigned long long)gfn, wrong, specified_page(watch, gfn),
	      real_page_name(watch, gfn));
}

void watch_judge(const struct watch *watch, const char *wrong, uint64_t gfn)
{
	if (wrong != NULL) {
		watch_mismatch(watch, wrong, gfn);
	}
}

enum spec_page watch_real_page(enum s2_kind kind)
{
	return kind == S2_EMPTY ? SPEC_UNTOUCHED : kind == S2_MAPPED ? SPEC_HELD : SPEC_IN_BALLOON;
}

/* The lock of the address space is held, and no touch is half done. */
void watch_counters(const struct watch *watch, uint64_t gfn)
{
	const struct spec_vm *spec = &watch->spec;
	struct balloon real = real_moved(watch);
	if (watch->s2->mapped_pages != spec->held_pages ||
	    watch->s2->ballooned_pages != spec->balloon_pages) {
		watch_mismatch(watch, "the sums of pages are not the same", gfn);
	}
	if (real.surrendered_pages != spec->surrendered_pages ||
	    real.returned_pages != spec->returned_pages ||
	    real.reported_pages != spec->reported_pages ||
	    real.touched_pages != spec->touched_pages) {
		watch_mismatch(watch, "what was moved so far is not the same", gfn);
	}
}

void watch_size(const struct watch *watch, gfn_t array_gfn)
{
	const struct balloon *balloon = &watch_vm(watch)->balloon;
	/* Else another vCPU may have written there, or the ranges lie in that page. */
	bool kept = balloon->by_device ||
		    (watch->spec.vcpus == 1 && balloon->page_gfn.n != array_gfn.n);
	if (balloon->attached && kept && balloon->page->size_pages != watch->spec.balloon_pages) {
		watch_mismatch(watch, "the balloon page says another size", balloon->page_gfn.n);
	}
}

/* Another CPU may have set a target already. */
void watch_attached(const struct watch *watch)
{
	const struct balloon *balloon = &watch_vm(watch)->balloon;
	const struct aerostat_balloon_page *page = balloon->page;
	bool fresh = arch_cpu_count() == 1;
	if (!balloon->attached || balloon->by_device) {
		watch_mismatch(watch, "ATTACH has attached nothing", watch->spec.balloon_page);
	}
	if (watch->spec.vcpus > 1) {
		return;
	}
	watch_size(watch, (gfn_t){watch->spec.pages});
	bool right = page->magic == 0x4c424541 && page->version == 1 &&
		     page->target_pages == balloon->target_pages &&
		     (page->doorbells == 0) == (page->target_tsc == 0) &&
		     (!fresh || (page->doorbells == 0 && page->pressure == 0));
	if (!right) {
		watch_mismatch(watch, "the balloon page is not as ATTACH leaves it",
			       watch->spec.balloon_page);
	}
}

/* A look at all that the call was not about. */
void watch_rest(struct watch *watch, struct s2_locked locked)
{
	const struct balloon *balloon = &watch_vm(watch)->balloon;
	uint64_t pages = ++watch->calls % ALL_AFTER_CALLS == 0 ? watch->spec.pages : WINDOW_PAGES;
	if (watch->spec.attached != (balloon->attached && !balloon->by_device)) {
		watch_mismatch(watch, "attached is not the same", watch->spec.balloon_page);
	}
	uint64_t first = pages == watch->spec.pages ? 0 : watch->next;
	watch_pages(watch, locked, first, pages);
	watch_counters(watch, first);
	watch->next =
		watch->next + WINDOW_PAGES < watch->spec.pages ? watch->next + WINDOW_PAGES : 0;
}
