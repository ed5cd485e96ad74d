/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policy-lab list			one command for each cell of a sweep, for any scheduler
 * policy-lab head			the names of a cell's columns
 * policy-lab cell POLICY PATTERN VMS SEED	one line of CSV
 * policy-lab table			all policies with all patterns, as docs/policy.md has it
 * policy-lab incidents			all policies with all incidents, likewise
 * policy-lab decide POLICY VMS PERCENT [alike]	one decision, for tools/policy-cost: PERCENT of
 *					what VMs have idle is to be asked for
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "tests/lab/cells.h"

#define PERIODS 4000
#define SEEDS 3
#define TABLE_VMS 16

static const unsigned sizes[] = {4, TABLE_VMS, LAB_VMS_MAX};
static struct lab_world world;

struct figures {
	uint64_t unmet_permille;
	uint64_t refaults_mib;
	uint64_t latency_ms[2]; /* of 50 and 99 % */
	uint64_t reversals;	/* of a VM in a minute, as are the next, times 10 */
	uint64_t fairness_permille;
	uint64_t utilization_permille;
	uint64_t decisions;
};

static struct figures figures_of_run(unsigned pattern, unsigned vms, uint64_t seed)
{
	uint64_t unmet = 0, demanded = 0, refaults = 0, reversals = 0, changes = 0;
	pattern_run(&world, pattern, vms, seed, PERIODS);
	for (unsigned i = 0; i < vms; i++) {
		unmet += world.vms[i].unmet;
		demanded += world.vms[i].demanded;
		refaults += world.vms[i].refaults;
		reversals += world.vms[i].reversals;
		changes += world.vms[i].changes;
	}
	uint64_t minutes_1000 = (uint64_t)PERIODS * LAB_PERIOD_MS / 60;
	return (struct figures){
		.unmet_permille = unmet * 10000 / demanded,
		.refaults_mib = refaults / 256 / vms,
		.latency_ms = {lab_latency_ms(&world, 500), lab_latency_ms(&world, 990)},
		.reversals = reversals * 10000 / minutes_1000 / vms,
		.fairness_permille = lab_fairness(&world),
		.utilization_permille = world.used * 1000 / (world.total_pages * PERIODS),
		.decisions = changes * 10000 / minutes_1000 / vms,
	};
}

static void head(void)
{
	puts("policy,pattern,vms,seed,unmet_1_10000,refaults_mib_per_vm,short_ms_p50,short_ms_p99,"
	     "reversals_per_vm_in_10_minutes,jain_permille,used_permille,"
	     "changes_per_vm_in_10_minutes");
}

static void cell(const char *policy, unsigned pattern, unsigned vms, uint64_t seed)
{
	struct figures f = figures_of_run(pattern, vms, seed);
	printf("%s,%s,%u,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
	       ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n",
	       policy, pattern_name(pattern), vms, seed, f.unmet_permille, f.refaults_mib,
	       f.latency_ms[0], f.latency_ms[1], f.reversals, f.fairness_permille,
	       f.utilization_permille, f.decisions);
}

static void choose(const char *name)
{
	struct error error;
	if (policy_select(name, strlen(name), &error) != STATUS_OK) {
		fprintf(stderr, "policy-lab: %s\n", error.text);
		exit(2);
	}
}

/* Sums over all seeds of one pattern; the table shows the mean. */
static void table_row(unsigned policy, unsigned pattern)
{
	struct figures sum = {0};
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct figures f = figures_of_run(pattern, TABLE_VMS, seed);
		sum.unmet_permille += f.unmet_permille;
		sum.refaults_mib += f.refaults_mib;
		sum.latency_ms[0] = max_u64(sum.latency_ms[0], f.latency_ms[0]);
		sum.latency_ms[1] = max_u64(sum.latency_ms[1], f.latency_ms[1]);
		sum.reversals += f.reversals;
		sum.fairness_permille += f.fairness_permille;
		sum.utilization_permille += f.utilization_permille;
		sum.decisions += f.decisions;
	}
	uint64_t unmet = sum.unmet_permille / SEEDS;
	printf("| %s | `%s` | %" PRIu64 ".%02" PRIu64 " %% | %" PRIu64 " | %" PRIu64 " / %" PRIu64
	       " | %" PRIu64 " | %" PRIu64 ".%03" PRIu64 " | %" PRIu64 " %% | %" PRIu64 " |\n",
	       policy == 0 ? pattern_name(pattern) : "", policy_now()->name, unmet / 100,
	       unmet % 100, sum.refaults_mib / SEEDS, sum.latency_ms[0], sum.latency_ms[1],
	       sum.reversals / SEEDS / 10, sum.fairness_permille / SEEDS / 1000,
	       sum.fairness_permille / SEEDS % 1000, sum.utilization_permille / SEEDS / 10,
	       sum.decisions / SEEDS / 10);
}

static void table(void)
{
	puts("| demand | policy | unmet | refaults, MiB | short, ms: 50 % / 99 % | reversals | "
	     "Jain | "
	     "used | changes |");
	puts("|---|---|---:|---:|---:|---:|---:|---:|---:|");
	for (unsigned pattern = 0; pattern_name(pattern) != NULL; pattern++) {
		for (unsigned policy = 0; policy_at(policy) != NULL; policy++) {
			choose(policy_at(policy)->name);
			table_row(policy, pattern);
		}
	}
}

static void incidents(void)
{
	printf("| incident |");
	for (unsigned policy = 0; policy_at(policy) != NULL; policy++) {
		printf(" `%s` |", policy_at(policy)->name);
	}
	printf("\n|---|");
	for (unsigned policy = 0; policy_at(policy) != NULL; policy++) {
		printf("---:|");
	}
	printf("\n");
	const struct incident *incident;
	for (unsigned i = 0; (incident = incident_at(i)) != NULL; i++) {
		printf("| %s: %s (%s) |", incident->name, incident->what, incident->unit);
		for (unsigned policy = 0; policy_at(policy) != NULL; policy++) {
			choose(policy_at(policy)->name);
			printf(" %" PRIu64 " |", incident->run(&world));
		}
		printf("\n");
	}
}

#define DECIDED_MOST 10000

/* `alike`: all as the first one. */
static void decide_once(unsigned count, uint64_t percent, bool alike)
{
	static struct policy_vm vms[DECIDED_MOST];
	uint64_t seed = 1;
	uint64_t idle = 0;
	uint64_t asked = 0;
	for (unsigned i = 0; i < count; i++) {
		vms[i] = (struct policy_vm){
			.min_pages = 100,
			.mem_pages = 30000,
			.max_pages = 40000,
			.held_pages = 20000 + lab_draw(&seed, 10000),
			.free_pages = 17000,
			.idle_pages = 4000 + lab_draw(&seed, 12000),
			.active_pages = lab_draw(&seed, 20000),
			.active_known = true,
			.shares = 100 + 50 * lab_draw(&seed, 10),
			.buffer_percent = 20,
			.attached = true,
		};
		vms[i] = alike ? vms[0] : vms[i];
		idle += vms[i].idle_pages;
	}
	uint64_t need = idle * percent / 100;
	struct policy_host host = {
		.low_pages = need,
		.high_pages = need,
		.idle_tax_percent = 75,
		.total_pages = 22000ull * count,
	};
	policy_decide(&host, vms, count);
	for (unsigned i = 0; i < count; i++) {
		asked += vms[i].new_target_pages;
	}
	printf("%" PRIu64 " pages of %" PRIu64 " are asked for\n", asked, idle);
}

static void list(const char *self)
{
	for (unsigned policy = 0; policy_at(policy) != NULL; policy++) {
		for (unsigned pattern = 0; pattern_name(pattern) != NULL; pattern++) {
			for (unsigned i = 0; i < ARRAY_COUNT(sizes); i++) {
				for (unsigned seed = 1; seed <= SEEDS; seed++) {
					printf("%s cell %s %s %u %u\n", self,
					       policy_at(policy)->name, pattern_name(pattern),
					       sizes[i], seed);
				}
			}
		}
	}
}

int main(int count, char **words)
{
	if (count == 2 && strcmp(words[1], "list") == 0) {
		list(words[0]);
	} else if (count == 2 && strcmp(words[1], "head") == 0) {
		head();
	} else if (count == 2 && strcmp(words[1], "table") == 0) {
		table();
	} else if (count == 2 && strcmp(words[1], "incidents") == 0) {
		incidents();
	} else if ((count == 5 || count == 6) && strcmp(words[1], "decide") == 0) {
		unsigned vms = (unsigned)strtoul(words[3], NULL, 10);
		if (vms == 0 || vms > DECIDED_MOST || (count == 6 && strcmp(words[5], "alike"))) {
			fprintf(stderr, "policy-lab: not 1 to %d VMs, or no word alike\n",
				DECIDED_MOST);
			return 2;
		}
		choose(words[2]);
		decide_once(vms, strtoul(words[4], NULL, 10), count == 6);
	} else if (count == 6 && strcmp(words[1], "cell") == 0) {
		unsigned pattern = 0;
		while (pattern_name(pattern) != NULL &&
		       strcmp(pattern_name(pattern), words[3]) != 0) {
			pattern++;
		}
		unsigned vms = (unsigned)strtoul(words[4], NULL, 10);
		if (pattern_name(pattern) == NULL || vms < 2 || vms > LAB_VMS_MAX) {
			fprintf(stderr, "policy-lab: no such pattern, or not 2 to %d VMs\n",
				LAB_VMS_MAX);
			return 2;
		}
		choose(words[2]);
		cell(words[2], pattern, vms, strtoul(words[5], NULL, 10));
	} else {
		fprintf(stderr, "usage: policy-lab list | head | table | incidents | "
				"cell POLICY PATTERN VMS SEED | decide POLICY VMS PERCENT "
				"[alike]\n");
		return 2;
	}
	return 0;
}
