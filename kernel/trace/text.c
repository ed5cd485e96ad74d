/* SPDX-License-Identifier: BSD-2-Clause */
/* See text.h. */
#include "kernel/trace/text.h"

#include "base/string.h"
#include "base/time.h"
#include "base/version.h"
#include "arch/arch.h"
#include "kernel/log/log.h"
#include "kernel/overcommit/decisions.h"
#include "kernel/trace/mask.h"
#include "kernel/vm/vm.h"
#include "mm/frame.h"

#define LINE_BYTES 160

struct page {
	char *text;
	size_t bytes;
	size_t used;
};

static void add(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct page *page, const char *format, ...)
{
	char line[LINE_BYTES];
	va_list arguments;

	va_start(arguments, format);
	int wanted = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	size_t length = (size_t)wanted < sizeof(line) ? (size_t)wanted : sizeof(line) - 1;
	if (page->used + length + 1 > page->bytes) {
		return;
	}
	memcpy(page->text + page->used, line, length);
	page->used += length;
	page->text[page->used++] = '\n';
}

size_t trace_text(char *text, size_t bytes, const struct trace_ring *rings, unsigned cpus,
		  uint32_t used, bool end)
{
	struct page page = {text, bytes, 0};

	add(&page, "version=" AEROSTAT_VERSION);
	add(&page, "tsc_khz=%lu", arch_tsc_khz());
	add(&page, "origin_tsc=%lu", log_origin_tsc());
	add(&page, "end=%u", end ? 1u : 0u);
	add(&page, "events_on=%u", used); /* others may have happened, too */
	add(&page, "ram_pages=%lu", frame_table_count - frame_count(FRAME_RESERVED));
	for (unsigned cpu = 0; cpu < cpus; cpu++) {
		/* What has left its ring before this text: it may have written more since. */
		add(&page, "cpu=%u records=%lu lost=%lu", cpu, rings[cpu].read, rings[cpu].lost);
	}
	for (unsigned i = 0; i < vm_count; i++) {
		add(&page, "vm=%u name=%s", vms[i].id, vm_name(&vms[i]));
	}
	for (unsigned event = 0; event < TRACE_EVENTS; event++) {
		const struct trace_event_info *info = &trace_event_infos[event];
		add(&page, "event=%u name=%s group=%s first=%s second=%s", event, info->name,
		    info->group, info->first, info->second);
	}
	for (unsigned reason = 0; reason < POLICY_REASONS; reason++) {
		add(&page, "reason=%u text=%s", reason,
		    decisions_reason_text((enum policy_reason)reason));
	}
	return page.used;
}

static void name_of(uint64_t vm, uint64_t vcpu, char *text, size_t bytes)
{
	if (vm == VM_ID_HOST || vm > vm_count) {
		snprintf(text, bytes, "-");
	} else {
		snprintf(text, bytes, "%s.%lu", vm_name(&vms[vm - 1]), vcpu);
	}
}

void trace_text_record(const struct trace_record *record, char *text)
{
	uint64_t what = record->words[1];
	unsigned event = what & 0xff;
	uint64_t micros = us_from_ticks(record->words[0] - log_origin_tsc());
	char who[VM_NAME_BYTES + 8];

	name_of(what >> 16 & 0xff, what >> 24 & 0xff, who, sizeof(who));
	if (event >= TRACE_EVENTS) {
		snprintf(text, TRACE_LINE_BYTES, "event %u", event);
		return;
	}
	const struct trace_event_info *info = &trace_event_infos[event];
	int used = snprintf(text, TRACE_LINE_BYTES, "%lu.%06lu %lu %s %s %s=0x%lx",
			    micros / US_PER_SECOND, micros % US_PER_SECOND, what >> 8 & 0xff, who,
			    info->name, info->first, record->words[2]);
	if (info->second[0] != '\0' && used < TRACE_LINE_BYTES) {
		snprintf(text + used, TRACE_LINE_BYTES - (size_t)used, " %s=0x%lx", info->second,
			 record->words[3]);
	}
}
