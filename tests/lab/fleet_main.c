/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fleet list VMS HOSTS SEEDS [FOLDER]	one command for each cell of a sweep, for any scheduler
 * fleet head				the names of a cell's columns
 * fleet cell POLICY DEMAND VMS HOSTS SEED [FOLDER]	one line of CSV
 * fleet day POLICY FILE STATIC VMS STRETCH	VMS VMs where STATIC have room for their peaks
 * (day.h)
 *
 * DEMAND is the name of a kind, or a file of recorded demand (demand.h) called FOLDER/NAME.demand.
 * With FOLDER, which must be there, a cell also writes what its fleet did over time into
 * FOLDER/POLICY-DEMAND-SEED.series, and what a decision took on this machine into .speed: only
 * that is not the same on every machine.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bits.h"
#include "tests/lab/cells.h"
#include "tests/lab/day.h"
#include "tests/lab/fleet.h"

#define SEEDS_MAX 1000 /* of a sweep */
#define STRETCH_MAX 100000

static struct lab_world world;
static struct fleet_plan plan;
static struct fleet_result result;
static struct demand recorded;
static char recorded_name[64];

static uint64_t decisions;
static uint64_t decision_ns;

/* Which demands a sweep has. */
static const char *const swept[] = {"diurnal", "bursty", "phases", "adversarial",
				    "tests/lab/tug-of-war.demand"};

static void fail(const char *what, const char *word)
{
	fprintf(stderr, "fleet: %s%s\n", what, word);
	exit(2);
}

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void timed_decide(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	uint64_t begin = now_ns();
	policy_decide(host, vms, count);
	decision_ns += now_ns() - begin;
	decisions++;
}

static unsigned number(const char *word, unsigned most)
{
	char *end;
	errno = 0;
	unsigned long value = strtoul(word, &end, 10);
	if (errno != 0 || word[0] < '0' || word[0] > '9' || *end != '\0' || value > most) {
		fail("not a number in range: ", word);
	}
	return (unsigned)value;
}

/* Of the kind with this name; if there is none, the first number without a name. */
static unsigned pattern_number(const char *name)
{
	unsigned pattern = 0;
	while (pattern_name(pattern) != NULL && strcmp(pattern_name(pattern), name) != 0) {
		pattern++;
	}
	return pattern;
}

/* FOLDER/NAME.demand */
static bool is_file(const char *word)
{
	const char *dot = strrchr(word, '.');
	return strchr(word, '/') != NULL && dot != NULL && strcmp(dot, ".demand") == 0;
}

/* Leaves NAME, without commas and blanks that would break a line of CSV or a command. */
static unsigned read_recorded(const char *path)
{
	char error[DEMAND_ERROR_SIZE];
	const char *name = strrchr(path, '/') + 1;
	size_t length = strlen(name) - strlen(".demand");
	FILE *file = fopen(path, "r");
	if (file == NULL) {
		fail("cannot read ", path);
	}
	if (length == 0 || length >= sizeof(recorded_name) ||
	    strcspn(path, ", \t\n") < strlen(path)) {
		fail("the name is too long or has a blank or comma: ", path);
	}
	memcpy(recorded_name, name, length);
	if (pattern_name(pattern_number(recorded_name)) != NULL) {
		fail("a kind of demand is called so, give it another name: ", path);
	}
	if (!demand_read(&recorded, file, error)) {
		fprintf(stderr, "fleet: %s: %s\n", path, error);
		exit(2);
	}
	fclose(file);
	pattern_recorded = &recorded;
	return PATTERN_RECORDED;
}

static unsigned pattern_called(const char *name)
{
	unsigned pattern = pattern_number(name);
	if (pattern_name(pattern) == NULL) {
		fail("there is no demand called ", name);
	}
	return pattern;
}

static void check_size(unsigned vms, unsigned hosts)
{
	if (!fleet_fits(vms, hosts)) {
		fail("2 to 10000 VMs on 1 to 1000 hosts, with 2 to 57 VMs each on average", "");
	}
}

static void head(void)
{
	puts("policy,demand,vms,hosts,seed,refused,ended,unmet_ppm,refaults_kib_per_vm_minute,"
	     "reclaim_ms_p50,reclaim_ms_p99,reclaim_ms_p999,short_ms_p50,short_ms_p99,"
	     "reversals_per_vm_hour,jain_permille,used_permille,changes_per_vm_hour");
}

/* Of each VM in so many periods of time. */
static uint64_t rate(uint64_t sum, uint64_t periods)
{
	return sum * periods / max_u64(result.vms * result.periods, 1);
}

static void print_line(char **words)
{
	const uint64_t minute = 60000 / LAB_PERIOD_MS;
	const uint64_t values[] = {
		plan.refused,
		result.ended,
		result.unmet * 1000 / max_u64(result.demanded / 1000, 1),
		rate(result.refaults * 4, minute),
		fleet_quantile(result.reclaimed, 500) * LAB_PERIOD_MS,
		fleet_quantile(result.reclaimed, 990) * LAB_PERIOD_MS,
		fleet_quantile(result.reclaimed, 999) * LAB_PERIOD_MS,
		fleet_quantile(result.short_for, 500) * LAB_PERIOD_MS,
		fleet_quantile(result.short_for, 990) * LAB_PERIOD_MS,
		rate(result.reversals, 60 * minute),
		fleet_fairness(&result),
		result.used * 1000 / max_u64(result.host_periods_pages, 1),
		rate(result.changes, 60 * minute),
	};
	printf("%s,%s,%u,%u,%s", words[0], words[1], plan.vms, plan.hosts, words[4]);
	for (unsigned i = 0; i < ARRAY_COUNT(values); i++) {
		printf(",%" PRIu64, values[i]);
	}
	printf("\n");
}

static FILE *open_in(const char *folder, char **words, const char *suffix)
{
	char path[4096];
	int length = snprintf(path, sizeof(path), "%s/%s-%s-%s.%s", folder, words[0], words[1],
			      words[4], suffix);
	FILE *file = length < (int)sizeof(path) ? fopen(path, "w") : NULL;
	if (file == NULL) {
		fail("cannot write into ", folder);
	}
	return file;
}

static void close_in(FILE *file, const char *folder)
{
	bool bad = ferror(file) != 0;
	if (fclose(file) != 0 || bad) {
		fail("cannot write into ", folder);
	}
}

static void write_series(const char *folder, char **words)
{
	FILE *file = open_in(folder, words, "series");
	fputs("ms,demanded_pages,unmet_pages,held_pages,ballooned_pages,spare_pages,hosts_short\n",
	      file);
	uint64_t periods = result.periods / FLEET_SAMPLES;
	for (unsigned i = 0; i < FLEET_SAMPLES; i++) {
		const struct fleet_sample *sample = &result.samples[i];
		fprintf(file,
			"%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
			",%u\n",
			(i + 1) * periods * LAB_PERIOD_MS, sample->demanded / periods,
			sample->unmet / periods, sample->held_pages, sample->ballooned_pages,
			sample->spare_pages, sample->hosts_short);
	}
	close_in(file, folder);
}

static void write_speed(const char *folder, char **words)
{
	FILE *file = open_in(folder, words, "speed");
	fprintf(file, "%" PRIu64 " decisions of one host in %" PRIu64 " ns\n", decisions,
		decision_ns);
	close_in(file, folder);
}

static void choose(const char *policy)
{
	struct error error;
	if (policy_select(policy, strlen(policy), &error) != STATUS_OK) {
		fail(error.text, "");
	}
}

static void cell(char **words, const char *folder)
{
	unsigned pattern = is_file(words[1]) ? read_recorded(words[1]) : pattern_called(words[1]);
	words[1] = pattern == PATTERN_RECORDED ? recorded_name : words[1];
	unsigned vms = number(words[2], FLEET_VMS_MAX);
	unsigned hosts = number(words[3], FLEET_HOSTS_MAX);
	unsigned seed = number(words[4], FLEET_SEEDS_MAX);
	check_size(vms, hosts);
	if (seed == 0) {
		fail("seeds begin with 1, not ", words[4]);
	}
	choose(words[0]);
	lab_decide = folder != NULL ? timed_decide : lab_decide;
	fleet_place(&plan, vms, hosts, seed);
	fleet_run(&world, &plan, pattern, seed, PATTERN_DAY, &result);
	if (folder != NULL) {
		write_series(folder, words);
		write_speed(folder, words);
	}
	print_line(words);
}

static void list(char **words, const char *folder)
{
	unsigned vms = number(words[2], FLEET_VMS_MAX);
	unsigned hosts = number(words[3], FLEET_HOSTS_MAX);
	unsigned seeds = number(words[4], SEEDS_MAX);
	check_size(vms, hosts);
	for (unsigned i = 0; i < ARRAY_COUNT(swept); i++) {
		for (unsigned policy = 0; policy_at(policy) != NULL; policy++) {
			for (unsigned seed = 1; seed <= seeds; seed++) {
				printf("%s cell %s %s %u %u %u%s%s\n", words[0],
				       policy_at(policy)->name, swept[i], vms, hosts, seed,
				       folder != NULL ? " " : "", folder != NULL ? folder : "");
			}
		}
	}
}

static void day(char **words)
{
	static struct day_result of_day;
	unsigned static_vms = number(words[2], LAB_VMS_MAX);
	unsigned vms = number(words[3], LAB_VMS_MAX);
	unsigned stretch = number(words[4], STRETCH_MAX);
	if (!is_file(words[1]) || static_vms == 0 || vms == 0 || stretch == 0) {
		fail("a day needs FOLDER/NAME.demand, VMs, and a stretch from 1 on", "");
	}
	read_recorded(words[1]);
	choose(words[0]);
	if (!day_run(&world, &recorded, static_vms, vms, stretch, &of_day)) {
		fail("its host would have no RAM, or its VMs never need a page: ", words[1]);
	}
	printf("%s,%s,%u,%u,%u,%u,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n", words[0],
	       recorded_name, static_vms, of_day.vms, of_day.refused, of_day.ended,
	       of_day.periods * LAB_PERIOD_MS / 1000, of_day.used_permille,
	       day_lost_ppm(&of_day, 500), day_lost_ppm(&of_day, 990));
}

int main(int count, char **words)
{
	const char *verb = count > 1 ? words[1] : "";
	if (strcmp(verb, "head") == 0 && count == 2) {
		head();
	} else if (strcmp(verb, "list") == 0 && (count == 5 || count == 6)) {
		list(words, count == 6 ? words[5] : NULL);
	} else if (strcmp(verb, "cell") == 0 && (count == 7 || count == 8)) {
		cell(words + 2, count == 8 ? words[7] : NULL);
	} else if (strcmp(verb, "day") == 0 && count == 7) {
		day(words + 2);
	} else {
		fail("usage: fleet head | day POLICY FILE STATIC VMS STRETCH | list VMS HOSTS "
		     "SEEDS [FOLDER] | "
		     "cell POLICY DEMAND VMS HOSTS SEED [FOLDER]",
		     "");
	}
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 2;
}
