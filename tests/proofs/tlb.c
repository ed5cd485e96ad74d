/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flush epochs. Real: kernel/vm/tlb.c and kernel/vm/tlb.h, on one CPU. Stubbed: the interrupt and
 * the pause, in which the other CPU leaves the guest or has flushed; the backend's instruction.
 */
#include "tests/proofs/proof.h"

#include "kernel/vm/tlb.c"

#define CPUS 2u

static struct s2 space;
static struct s2 other_space;
static unsigned kicked[CPUS_MAX];
static uint64_t flushes;

static void flush(const struct s2 *s2)
{
	PROVE(s2 == &space);
	flushes++;
}

static const struct backend proof_backend = {.flush_s2 = flush};
const struct backend *backend = &proof_backend;

void arch_cpu_kick(unsigned cpu)
{
	PROVE(cpu < CPUS && tlb_cpus[cpu].guest == &space);
	kicked[cpu]++;
}

/* In a moment each CPU that was kicked has left the guest, or has come back and flushed. */
void arch_pause(void)
{
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		if (kicked[cpu] != 0) {
			tlb_cpus[cpu].guest = any_bool() ? NULL : &space;
			space.tlb.seen[cpu] = space.tlb.requested;
		}
	}
}

static void any_cpus(void)
{
	space.tlb.requested = any_below(1ull << 62);
	space.tlb.ran_mask = any_below(1u << CPUS);
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		uint8_t where = any_u8();
		tlb_cpus[cpu].guest = where == 0 ? NULL : where == 1 ? &other_space : &space;
		space.tlb.seen[cpu] = any_below(space.tlb.requested + 1);
		/* Only a CPU that has begun to run the VM is in its guest. */
		ASSUME(tlb_cpus[cpu].guest != &space || (space.tlb.ran_mask >> cpu & 1) != 0);
	}
}

/*
 * PROOF flush_leaves_nobody_stale
 * Shows: when a flush has been enforced, no CPU is in the guest with translations older than the
 * request; only CPUs in that guest were interrupted, each once; the epoch is then reached
 * Bound: two CPUs in any state, any epochs below 2^62
 * Assumes: a CPU that is interrupted leaves the guest or flushes
 * Classes: F1
 * Sources: kernel/vm/tlb.c
 * Options: --unwind 4
 * Mutants: enforce-without-waiting
 */
void flush_leaves_nobody_stale(void)
{
	any_cpus();
	uint64_t epoch = tlb_epoch_request(&space);
	tlb_epoch_enforce(&space, epoch);
	unsigned cpu = (unsigned)any_below(CPUS);
	PROVE(tlb_cpus[cpu].guest != &space || space.tlb.seen[cpu] >= epoch);
	PROVE(kicked[cpu] <= 1);
	PROVE(tlb_epoch_reached(&space, epoch));
}

/*
 * PROOF flush_before_entry
 * Shows: a CPU that enters a guest announces itself first and has then flushed for all that was
 * requested; one that had done so does not flush again
 * Bound: any epochs
 * Assumes: nothing
 * Classes: F1
 * Sources: kernel/vm/tlb.c
 * Options: --unwind 4
 * Mutants: entry-without-flush-instruction
 */
void flush_before_entry(void)
{
	any_cpus();
	unsigned cpu = (unsigned)any_below(CPUS);
	bool fresh = space.tlb.seen[cpu] == space.tlb.requested;
	tlb_run_begin(&space, cpu);
	tlb_enter(&space, cpu);
	PROVE(tlb_cpus[cpu].guest == &space && (space.tlb.ran_mask >> cpu & 1) != 0);
	PROVE(space.tlb.seen[cpu] == space.tlb.requested);
	PROVE(flushes == (fresh ? 0 : 1));
	tlb_leave(cpu);
	PROVE(tlb_cpus[cpu].guest == NULL);
}
