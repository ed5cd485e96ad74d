/* SPDX-License-Identifier: BSD-2-Clause */
/* See model.h. */
#include "fake/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "mm/alloc.h"
#include "mm/phys.h"

#define MODELS_MAX 64

bool model_failures_injected;

static struct model *models[MODELS_MAX];
static unsigned model_count;

struct model *model_create(vm_id_t owner, uint64_t limit, uint64_t min_pages)
{
	struct s2 *s2 = world_create(owner, limit, min_pages);
	if (s2 == NULL) {
		return NULL;
	}
	struct model *model = calloc(1, sizeof(*model));
	model->s2 = s2;
	model->limit = limit;
	model->kinds = calloc(limit, sizeof(*model->kinds));
	model->pinned = calloc(limit, sizeof(*model->pinned));
	model->words = calloc(limit, sizeof(*model->words));
	assert_true(model_count < MODELS_MAX);
	models[model_count++] = model;
	return model;
}

void model_free(struct model *model)
{
	for (unsigned i = 0; i < model_count; i++) {
		if (models[i] == model) {
			models[i--] = models[--model_count];
		}
	}
	free(model->kinds);
	free(model->pinned);
	free(model->words);
	free(model);
}

void model_destroy(struct model *model, uint64_t work_max)
{
	world_destroy(model->s2, work_max);
	model_free(model);
}

int model_teardown(void **state)
{
	while (model_count > 0) {
		model_free(models[0]);
	}
	model_failures_injected = false;
	return world_teardown(state);
}

/* The counts that the address space keeps of itself. */
static void check_counts(const struct model *model)
{
	assert_int_equal(model->s2->mapped_pages, model->mapped);
	assert_int_equal(model->s2->ballooned_pages, model->ballooned);
	assert_int_equal(model->s2->promise.held_pages - model->s2->promise.cache.count,
			 model->mapped);
}

static uint64_t count_kind(const struct model *model, uint64_t gfn, uint64_t pages,
			   enum s2_kind kind)
{
	uint64_t count = 0;
	for (uint64_t i = 0; i < pages; i++) {
		count += model->kinds[gfn + i] == kind;
	}
	return count;
}

static void set_kind(struct model *model, uint64_t gfn, uint64_t pages, enum s2_kind kind)
{
	model->mapped -= count_kind(model, gfn, pages, S2_MAPPED);
	model->ballooned -= count_kind(model, gfn, pages, S2_BALLOONED);
	memset(model->kinds + gfn, kind, pages);
	memset(model->words + gfn, 0, pages * sizeof(*model->words));
	model->mapped += kind == S2_MAPPED ? pages : 0;
	model->ballooned += kind == S2_BALLOONED ? pages : 0;
	check_counts(model);
}

/* NO_MEMORY is an honest answer only where memory is really short or a failure was ordered. */
static void judge_no_memory(const struct model *model, uint64_t pages, uint64_t free_before,
			    uint64_t spare_before)
{
	const struct promise *promise = &model->s2->promise;
	bool promised = promise->held_pages + pages <= promise->min_pages || spare_before >= pages;
	if (!model_failures_injected && promised && free_before >= pages + S2_LEVELS) {
		fail_msg("NO_MEMORY, but %llu frames are free and %llu to spare",
			 (unsigned long long)free_before, (unsigned long long)spare_before);
	}
}

enum status model_populate(struct model *model, uint64_t gfn, unsigned order_max)
{
	enum s2_kind kind = (enum s2_kind)model->kinds[gfn];
	uint64_t free_before = frame_count_free();
	uint64_t spare_before = promise_spare();
	enum status status = world_populate(model->s2, gfn, order_max);
	if (status == STATUS_NO_MEMORY) {
		assert_int_equal(world_pages, 0);
		assert_true(kind != S2_MAPPED);
		judge_no_memory(model, 1, free_before, spare_before);
		check_counts(model);
		return status;
	}
	assert_int_equal(status, STATUS_OK);
	if (kind == S2_MAPPED) {
		assert_int_equal(world_pages, 0);
		return status;
	}
	assert_true(world_pages == 1 || world_pages == 512 || world_pages == 262144);
	assert_true(world_pages <= order_pages(order_max));
	assert_true(kind == S2_EMPTY || world_pages == 1);
	uint64_t start = gfn & ~(world_pages - 1);
	assert_true(start + world_pages <= model->limit);
	assert_int_equal(count_kind(model, start, world_pages, kind), world_pages);
	struct s2_slot slot = world_lookup(model->s2, start);
	assert_int_equal(order_pages(slot.order), world_pages);
	for (uint64_t i = 0; i < world_pages; i++) {
		assert_true(fake_frame_is((pfn_t){slot.pfn.n + i}, 0));
	}
	set_kind(model, start, world_pages, S2_MAPPED);
	return status;
}

/* OUTSIDE and MISALIGNED, which both directions have in common. */
static enum status judge_extent(const struct model *model, uint64_t gfn, uint64_t pages)
{
	if (gfn >= model->limit || pages > model->limit - gfn) {
		return STATUS_OUTSIDE;
	}
	return gfn % pages == 0 ? STATUS_OK : STATUS_MISALIGNED;
}

/* Is some of a 1 GiB extent cut down to 4 KiB entries? Such are not taken as one. */
static bool has_small_entries(const struct model *model, uint64_t gfn, unsigned order)
{
	for (uint64_t at = gfn; order == ORDER_1G && at < gfn + order_pages(order);) {
		unsigned found = world_lookup(model->s2, at).order;
		if (found == ORDER_4K) {
			return true;
		}
		at += order_pages(found);
	}
	return false;
}

static enum status predict_surrender(const struct model *model, uint64_t gfn, unsigned order)
{
	uint64_t pages = order_pages(order);
	enum status status = judge_extent(model, gfn, pages);
	if (status != STATUS_OK) {
		return status;
	}
	uint64_t ballooned = count_kind(model, gfn, pages, S2_BALLOONED);
	if (ballooned != 0) {
		return ballooned == pages ? STATUS_SURRENDERED : STATUS_MIXED;
	}
	if (has_small_entries(model, gfn, order)) {
		return STATUS_MIXED;
	}
	for (uint64_t i = 0; i < pages; i++) {
		if (model->pinned[gfn + i]) {
			return STATUS_IN_USE;
		}
	}
	return STATUS_OK;
}

static enum status predict_return(const struct model *model, uint64_t gfn, unsigned order)
{
	uint64_t pages = order_pages(order);
	enum status status = judge_extent(model, gfn, pages);
	if (status != STATUS_OK) {
		return status;
	}
	uint64_t ballooned = count_kind(model, gfn, pages, S2_BALLOONED);
	return ballooned == pages ? STATUS_OK
	       : ballooned == 0	  ? STATUS_NOT_SURRENDERED
				  : STATUS_MIXED;
}

/* A table is always promised: only what is still in quarantine may be missing. */
static void judge_no_table(const struct model *model, uint64_t free_before)
{
	assert_true(model_failures_injected || free_before < S2_LEVELS);
	check_counts(model);
}

static enum status take_out(struct model *model, uint64_t gfn, unsigned order, enum s2_kind into)
{
	uint64_t pages = order_pages(order);
	enum status expected = predict_surrender(model, gfn, order);
	uint64_t mapped = expected == STATUS_OK ? count_kind(model, gfn, pages, S2_MAPPED) : 0;
	uint64_t free_before = frame_count_free();
	enum status status = into == S2_BALLOONED ? world_surrender(model->s2, gfn, order)
						  : world_report(model->s2, gfn, order);
	if (status == STATUS_NO_MEMORY && expected == STATUS_OK) {
		assert_int_equal(world_freed, 0);
		judge_no_table(model, free_before);
		return status;
	}
	assert_int_equal(status, expected);
	assert_int_equal(world_freed, mapped);
	assert_true(world_work >= 1 && world_work <= 1 + 3 * 512);
	if (status == STATUS_OK) {
		set_kind(model, gfn, pages, into);
	}
	check_counts(model);
	return status;
}

enum status model_surrender(struct model *model, uint64_t gfn, unsigned order)
{
	return take_out(model, gfn, order, S2_BALLOONED);
}

enum status model_report(struct model *model, uint64_t gfn, unsigned order)
{
	return take_out(model, gfn, order, S2_EMPTY);
}

enum status model_return(struct model *model, uint64_t gfn, unsigned order)
{
	enum status expected = predict_return(model, gfn, order);
	uint64_t free_before = frame_count_free();
	enum status status = world_return(model->s2, gfn, order);
	if (status == STATUS_NO_MEMORY && expected == STATUS_OK) {
		judge_no_table(model, free_before);
		return status;
	}
	assert_int_equal(status, expected);
	if (status == STATUS_OK) {
		set_kind(model, gfn, order_pages(order), S2_EMPTY);
	}
	check_counts(model);
	return status;
}

enum status model_run(struct model *model, enum world_operation operation, uint64_t gfn,
		      unsigned order, uint64_t count)
{
	static const enum s2_kind kinds[] = {
		[WORLD_SURRENDER] = S2_BALLOONED,
		[WORLD_REPORT] = S2_EMPTY,
		[WORLD_RETURN] = S2_EMPTY,
	};
	uint64_t allowed = 0;
	enum status first = STATUS_OK;
	for (uint64_t at = gfn; allowed < count; at += order_pages(order), allowed++) {
		enum status status = operation == WORLD_RETURN
					     ? predict_return(model, at, order)
					     : predict_surrender(model, at, order);
		first = allowed == 0 ? status : first;
		if (status != STATUS_OK) {
			break;
		}
	}
	uint64_t free_before = frame_count_free();
	enum status status = world_run(model->s2, operation, gfn, order, count);
	if (status == STATUS_NO_MEMORY && first == STATUS_OK) {
		assert_int_equal(world_done, 0);
		judge_no_table(model, free_before);
		return status;
	}
	assert_int_equal(status, first);
	assert_true(world_done <= allowed && (world_done > 0) == (status == STATUS_OK));
	assert_true(world_work >= 1 && world_work <= 1 + 3 * 512);
	if (status == STATUS_OK) {
		set_kind(model, gfn, world_done << order, kinds[operation]);
	}
	check_counts(model);
	return status;
}

enum status model_pin(struct model *model, uint64_t gfn)
{
	enum status expected = STATUS_OK;
	if (gfn >= model->limit) {
		expected = STATUS_OUTSIDE;
	} else if (model->kinds[gfn] == S2_BALLOONED) {
		expected = STATUS_SURRENDERED;
	} else if (model->pinned[gfn]) {
		expected = STATUS_IN_USE;
	}
	uint64_t free_before = frame_count_free();
	uint64_t spare_before = promise_spare();
	enum status status = world_pin(model->s2, gfn);
	if (status == STATUS_NO_MEMORY && expected == STATUS_OK) {
		judge_no_memory(model, model->kinds[gfn] == S2_EMPTY, free_before, spare_before);
		check_counts(model);
		return status;
	}
	assert_int_equal(status, expected);
	if (status == STATUS_OK) {
		if (model->kinds[gfn] == S2_EMPTY) {
			set_kind(model, gfn, 1, S2_MAPPED);
		}
		model->pinned[gfn] = true;
	}
	check_counts(model);
	return status;
}

void model_unpin(struct model *model, uint64_t gfn)
{
	assert_true(model->pinned[gfn]);
	world_unpin(model->s2, gfn);
	model->pinned[gfn] = false;
}

/*
 * Maps nothing and loses nothing. NOT_FOUND exactly where there are no 512 entries of one size; a
 * gigabyte is joined in place only, and whether it can be is for the frames to say.
 */
enum status model_join(struct model *model, uint64_t gfn)
{
	unsigned order = world_lookup(model->s2, gfn).order;
	uint64_t pages = order_pages(order + 9);
	uint64_t start = gfn & ~(pages - 1);
	bool whole = order / 9 < fake_format.max_leaf_level && start + pages <= model->limit &&
		     count_kind(model, start, pages, S2_MAPPED) == pages;
	for (uint64_t i = 0; whole && i < pages; i++) {
		whole = !model->pinned[start + i];
	}
	for (uint64_t at = start; whole && order > 0 && at < start + pages; at += 512) {
		whole = world_lookup(model->s2, at).order == order;
	}
	enum status status = world_join(model->s2, gfn);
	bool right = status == STATUS_OK || status == STATUS_NO_MEMORY ||
		     (order > 0 && status == STATUS_NOT_FOUND);
	assert_true(whole ? right : status == STATUS_NOT_FOUND);
	if (status == STATUS_OK) {
		world_expect_slot(model->s2, gfn, S2_MAPPED, order + 9);
	}
	check_counts(model);
	return status;
}

static pfn_t pfn_of(const void *page)
{
	return hpa_to_pfn((hpa_t){(uintptr_t)page - direct_map_base});
}

static void expect_page(const struct model *model, uint64_t gfn, const void *page)
{
	if (!fake_frame_is(pfn_of(page), model->words[gfn])) {
		fail_msg("VM %u gfn %#llx holds %#llx, expected %#llx", model->s2->owner,
			 (unsigned long long)gfn, (unsigned long long)*(const uint64_t *)page,
			 (unsigned long long)model->words[gfn]);
	}
}

void model_read(struct model *model, unsigned cpu, uint64_t gfn)
{
	const uint8_t *page = fake_tlb_access(model->s2, cpu, (gfn_t){gfn});
	if (model->kinds[gfn] == S2_MAPPED) {
		assert_non_null(page);
		expect_page(model, gfn, page);
	} else if (page != NULL) {
		/* Allowed until the flush only, and then it is still this VM's own frame. */
		assert_true(model->s2->revoking_pages > 0);
		uint64_t word = *(const uint64_t *)page;
		assert_true(word == 0 || word >> 48 == model->s2->owner);
	}
}

void model_write(struct model *model, unsigned cpu, uint64_t gfn)
{
	static uint64_t serial;
	uint8_t *page = fake_tlb_access(model->s2, cpu, (gfn_t){gfn});
	if (model->kinds[gfn] != S2_MAPPED) {
		return;
	}
	assert_non_null(page);
	expect_page(model, gfn, page);
	model->words[gfn] = (uint64_t)model->s2->owner << 48 | ++serial;
	fake_frame_fill(pfn_of(page), model->words[gfn]);
}

void model_verify(const struct model *model, bool contents)
{
	for (uint64_t gfn = 0; gfn < model->limit;) {
		struct s2_slot slot = world_lookup(model->s2, gfn);
		uint64_t end = gfn - gfn % order_pages(slot.order) + order_pages(slot.order);
		for (uint64_t first = gfn; gfn < end && gfn < model->limit; gfn++) {
			pfn_t pfn = {slot.pfn.n + (gfn - first)};
			if (model->kinds[gfn] != slot.kind || model->pinned[gfn] != slot.pinned) {
				fail_msg("VM %u gfn %#llx is kind=%u pinned=%u, expected kind=%u "
					 "pinned=%u",
					 model->s2->owner, (unsigned long long)gfn, slot.kind,
					 slot.pinned, model->kinds[gfn], model->pinned[gfn]);
			}
			if (contents && slot.kind == S2_MAPPED) {
				expect_page(model, gfn, pfn_to_virt(pfn));
			}
		}
	}
	check_counts(model);
}
