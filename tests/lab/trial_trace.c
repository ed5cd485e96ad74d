/* SPDX-License-Identifier: BSD-2-Clause */
/* See trial_trace.h. */
#include "tests/lab/trial_trace.h"

#include "base/bits.h"
#include "tests/lab/trial.h"

#define PERIODS 10

static FILE *written;

static unsigned long long mib(uint64_t pages)
{
	return pages / TRIAL_MIB;
}

static void write_period(const struct trial *trial, const struct lab_world *world)
{
	if (world->period % PERIODS != 0) {
		return;
	}
	for (unsigned i = 0; i < world->count; i++) {
		const struct lab_vm *vm = &world->vms[i];
		fprintf(written, "%llu,%u,%c,%llu,%llu,%llu,%llu,%llu,%llu,%llu,%llu\n",
			(unsigned long long)world->period * LAB_PERIOD_MS, trial->end_ms,
			(char)min_u64('a' + i, 'z'), mib(vm->view.max_pages), mib(vm->hot_wanted),
			mib(vm->hot), mib(vm->view.ballooned_pages), mib(vm->view.target_pages),
			mib(lab_spare(world)), mib(world->host.low_pages),
			mib(world->host.high_pages));
	}
}

void trial_trace(FILE *file)
{
	written = file;
	setvbuf(file, NULL, _IOLBF, 0); /* a trial that is lost ends its process */
	fputs("ms,end,vm,max,needs,has,balloon,target,spare,low,high\n", file);
	trial_watch = write_period;
}
