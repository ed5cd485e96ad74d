/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reference that second-stage tables are compared with: one array of states and one of contents
 * per VM, so simple that it cannot be wrong. Each operation is carried out on both, its outcome is
 * predicted from the arrays alone, and every status, count and page is compared.
 */
#ifndef FAKE_MODEL_H
#define FAKE_MODEL_H

#include "fake/world.h"

struct model {
	struct s2 *s2;
	uint64_t limit;
	uint8_t *kinds;	 /* enum s2_kind per gfn */
	bool *pinned;	 /* per gfn */
	uint64_t *words; /* what every word of a MAPPED page holds */
	uint64_t mapped; /* counts of kinds */
	uint64_t ballooned;
};

/* NULL: the promise could not be kept. */
struct model *model_create(vm_id_t owner, uint64_t limit, uint64_t min_pages);
void model_destroy(struct model *model, uint64_t work_max);
void model_free(struct model *model); /* the arrays only */

/* cmocka teardown: frees all that are left, then world_stop(). */
int model_teardown(void **state);

enum status model_populate(struct model *model, uint64_t gfn, unsigned order_max);
enum status model_surrender(struct model *model, uint64_t gfn, unsigned order);
enum status model_report(struct model *model, uint64_t gfn, unsigned order);

/*
 * A run of extents; what its first one may do decides the status, and it does no more of them than
 * would have been allowed one by one.
 */
enum status model_run(struct model *model, enum world_operation operation, uint64_t gfn,
		      unsigned order, uint64_t count);
enum status model_return(struct model *model, uint64_t gfn, unsigned order);
enum status model_pin(struct model *model, uint64_t gfn);
void model_unpin(struct model *model, uint64_t gfn);
enum status model_join(struct model *model, uint64_t gfn);

/* An access through the fake TLB; what is there must be what is expected, or fault. */
void model_read(struct model *model, unsigned cpu, uint64_t gfn);
void model_write(struct model *model, unsigned cpu, uint64_t gfn);

/* Compares every gfn's state, and with `contents` every page's bytes. */
void model_verify(const struct model *model, bool contents);

/* Set while an operation may be told NO_MEMORY although memory is there. */
extern bool model_failures_injected;

#endif
