/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One run of extents as a call over ranges makes it: a batch of its own, and what is not plain one
 * extent at a time. *done of them were moved; the status says why the first was refused.
 */
#ifndef FAKE_RUNS_H
#define FAKE_RUNS_H

#include "mm/stage2/runs.h"

enum run_kind { RUN_SURRENDER, RUN_REPORT, RUN_RETURN };

/* The same in a batch that goes on; how many were moved. */
static inline uint64_t run_in(struct s2_batch *batch, enum run_kind kind, gfn_t gfn, unsigned order,
			      uint64_t count)
{
	if (!s2_batch_find(batch, gfn, order)) {
		return 0;
	}
	return kind == RUN_SURRENDER ? s2_surrender_run(batch, gfn, count)
	       : kind == RUN_REPORT  ? s2_report_run(batch, gfn, count)
				     : s2_return_run(batch, gfn, count);
}

static inline enum status run_once(struct s2_locked locked, enum run_kind kind, gfn_t gfn,
				   unsigned order, uint64_t count, uint64_t *done, uint64_t *work)
{
	struct s2_batch batch;
	uint64_t freed;
	s2_batch_begin(&batch, locked);
	*done = run_in(&batch, kind, gfn, order, count);
	s2_batch_end(&batch);
	*work = *done;
	if (*done > 0) {
		return STATUS_OK;
	}
	enum status status = kind == RUN_SURRENDER ? s2_surrender(locked, gfn, order, &freed, work)
			     : kind == RUN_REPORT  ? s2_report(locked, gfn, order, &freed, work)
						   : s2_return(locked, gfn, order, work);
	*done = status == STATUS_OK ? 1 : 0;
	return status;
}

#endif
