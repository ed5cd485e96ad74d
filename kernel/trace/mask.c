/* SPDX-License-Identifier: BSD-2-Clause */
/* See mask.h. */
#include "kernel/trace/mask.h"

const struct trace_event_info trace_event_infos[TRACE_EVENTS] = {
#define TRACE_EVENT(name, group, first, second, meaning)                                           \
	[TRACE_##name] = {#name, #group, first, second},
#include "base/trace_events.def"
#undef TRACE_EVENT
};

/* Of a group or an event; 0: there is none of this name. */
static uint32_t bits_of(struct word word)
{
	uint32_t bits = 0;

	for (unsigned event = 0; event < TRACE_EVENTS; event++) {
		if (word_is(word, trace_event_infos[event].name) ||
		    word_is(word, trace_event_infos[event].group)) {
			bits |= 1u << event;
		}
	}
	return bits;
}

static bool parse_whole(struct word text, uint32_t *mask)
{
	uint64_t number;

	if (word_is(text, "on") || word_is(text, "off")) {
		*mask = word_is(text, "on") ? TRACE_USUAL : 0;
		return true;
	}
	if (word_is(text, "all")) {
		*mask = TRACE_ALL;
		return true;
	}
	if (word_parse_number(text, &number) && number <= TRACE_ALL) {
		*mask = (uint32_t)number;
		return true;
	}
	return false;
}

enum status trace_mask_parse(struct word text, uint32_t *mask, struct error *error)
{
	bool more = true; /* also behind the last comma */
	uint32_t bits = 0;

	if (parse_whole(text, mask)) {
		return STATUS_OK;
	}
	while (more) {
		size_t length = text.length;
		struct word part = word_take_part(&text, ',');
		more = part.length < length;
		uint32_t found = bits_of(part);
		if (found == 0) {
			return error_set(error, STATUS_INVALID,
					 "%.*s is not on, off, all, a number up to 0x%x, or a name "
					 "such as exits, faults or balloon,policy",
					 word_shown(part), part.text, TRACE_ALL);
		}
		bits |= found;
	}
	*mask = bits;
	return STATUS_OK;
}
