/* SPDX-License-Identifier: BSD-2-Clause */
/* See host_limits.h. Times are the clock's (kernel/sched/clock.h). */
#include "kernel/overcommit/host_limits.h"

#include "base/bits.h"
#include "base/log.h"
#include "base/string.h"
#include "base/time.h"
#include "base/trace.h"
#include "kernel/lib/options.h"
#include "kernel/lib/tunables.h"
#include "kernel/overcommit/governor.h"
#include "kernel/overcommit/policy.h"
#include "kernel/vm/vm_config.h"
#include "mm/promise.h"

#define WORD_MS 500 /* guests decide how often the host becomes short: not every time a line */
#define FLOOR_LEAST_PAGES 256
#define FLOOR_PARTS 2	/* of the host's memory, as is the next: the most */
#define RESERVE_PARTS 8 /* promises and VMs have to fit beside it */

static struct {
	uint64_t managed_pages; /* when the governor last asked */
	uint64_t set_pages;	/* the floor; 0: it follows from the memory */
	struct host_bounds bounds;
	uint64_t reserve_pages;
	uint64_t kept_pages; /* besides, for drivers of devices */
	enum host_state state;
	enum host_state said; /* what the log says last, */
	uint64_t said_tsc;    /* and since when */
	uint64_t noted_tsc;
	uint64_t changes;
	uint64_t ticks[HOST_STATES];
} limits;

void host_limits_init(uint64_t now_tsc)
{
	memset(&limits, 0, sizeof(limits));
	limits.noted_tsc = now_tsc;
	limits.reserve_pages = tunables.emergency_pages;
	promise_reserve_set(limits.reserve_pages);
}

void host_limits_keep(uint64_t pages)
{
	limits.kept_pages = pages;
	promise_reserve_set(limits.reserve_pages + pages);
}

struct host_bounds host_limits_bounds(uint64_t managed_pages)
{
	struct host_bounds bounds = host_state_bounds(managed_pages);
	limits.managed_pages = managed_pages;
	if (limits.set_pages != 0) {
		bounds.high_pages = limits.set_pages;
		bounds.low_pages = max_u64(limits.set_pages / tunables.high_times, 1);
	}
	limits.bounds = bounds;
	return bounds;
}

static enum status check(const char *key, struct word value, uint64_t least_pages,
			 uint64_t most_pages, uint64_t *pages, struct error *error)
{
	if (vm_config_parse_size(value.text, value.length, pages) != STATUS_OK) {
		return error_set(error, STATUS_INVALID,
				 "%.*s is not a size such as 8M, a multiple of 4K",
				 word_shown(value), value.text);
	}
	if (*pages < least_pages || *pages > most_pages) {
		return error_set(error, STATUS_INVALID,
				 "a %s of %lluK is not between %lluK and %lluK for this host", key,
				 (unsigned long long)*pages * 4,
				 (unsigned long long)least_pages * 4,
				 (unsigned long long)most_pages * 4);
	}
	return STATUS_OK;
}

static enum status set_floor(struct word value, struct error *error)
{
	uint64_t pages = 0;
	enum status status = STATUS_OK;
	if (!word_is(value, "auto")) {
		status = check("floor", value, FLOOR_LEAST_PAGES,
			       limits.managed_pages / FLOOR_PARTS, &pages, error);
	}
	if (status == STATUS_OK) {
		limits.set_pages = pages;
		governor_renew();
	}
	return status;
}

/* It fills up by itself: ordinary use starts only above it, and no promise is touched. */
static enum status set_reserve(struct word value, struct error *error)
{
	uint64_t pages = 0;
	enum status status =
		check("reserve", value, 0, limits.managed_pages / RESERVE_PARTS, &pages, error);
	uint64_t most = limits.reserve_pages + promise_spare();
	if (status == STATUS_OK && pages > most) {
		return error_set(
			error, STATUS_INVALID,
			"a reserve of %lluK takes what VMs hold or were promised: %lluK is spare",
			(unsigned long long)pages * 4,
			(unsigned long long)(most - limits.reserve_pages) * 4);
	}
	if (status == STATUS_OK) {
		limits.reserve_pages = pages;
		host_limits_keep(limits.kept_pages);
	}
	return status;
}

enum status host_limits_set(struct word key, struct word value, struct error *error)
{
	if (word_is(key, "floor")) {
		return set_floor(value, error);
	}
	if (word_is(key, "reserve")) {
		return set_reserve(value, error);
	}
	return error_set(error, STATUS_INVALID, "%.*s is not floor or reserve, as a host has",
			 word_shown(key), key.text);
}

static void take(const char *option, const char *key, const char *value)
{
	struct error error;
	struct word words[] = {{key, strlen(key)}, {value, strlen(value)}};
	if (value[0] != '\0' && host_limits_set(words[0], words[1], &error) != STATUS_OK) {
		log_event(NULL, "options: the option %s=%s is ignored: %s", option, value,
			  error.text);
	}
}

void host_limits_boot(const struct options *options)
{
	struct error error;
	if (options->policy[0] != '\0' &&
	    policy_select(options->policy, strlen(options->policy), &error) != STATUS_OK) {
		log_event(NULL, "options: the option policy=%s is ignored: %s", options->policy,
			  error.text);
	}
	take("host-floor", "floor", options->host_floor);
	take("host-reserve", "reserve", options->host_reserve);
}

static void say(uint64_t spare_pages, uint64_t now_tsc)
{
	if (limits.state == limits.said || now_tsc - limits.said_tsc < ticks_from_ms(WORD_MS)) {
		return;
	}
	limits.said = limits.state;
	limits.said_tsc = now_tsc;
	log_event(NULL, "memory %s spare=%llu low=%llu high=%llu state=%s",
		  limits.state != HOST_HIGH ? "short" : "plentiful",
		  (unsigned long long)spare_pages, (unsigned long long)limits.bounds.low_pages,
		  (unsigned long long)limits.bounds.high_pages, host_state_name(limits.state));
}

void host_limits_note(uint64_t spare_pages, bool waiting, uint64_t now_tsc)
{
	enum host_state old = limits.state;
	enum host_state state = host_state_next(old, spare_pages, limits.bounds);
	state = waiting && state == HOST_HIGH ? HOST_SOFT : state;
	limits.ticks[old] += sub_floor_u64(now_tsc, limits.noted_tsc);
	limits.noted_tsc = now_tsc;
	if (state != old) {
		limits.state = state;
		limits.changes++;
		trace_note(TRACE_state, 0, (uint64_t)old << 8 | (uint64_t)state, spare_pages);
	}
	say(spare_pages, now_tsc);
}

struct host_report host_limits_report(void)
{
	struct host_report report = {
		.state = limits.state,
		.changes = limits.changes,
		.managed_pages = limits.managed_pages,
		.floor_pages = limits.bounds.high_pages,
		.floor_is_set = limits.set_pages != 0,
		.reserve_pages = limits.reserve_pages,
	};
	for (unsigned i = 0; i < HOST_STATES; i++) {
		report.ms[i] = ms_from_ticks(limits.ticks[i]);
	}
	return report;
}
