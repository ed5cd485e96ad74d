/* SPDX-License-Identifier: BSD-2-Clause */
/* Two events at once: benign, double fault, or the end (SDM vol. 3, 6.15). */
#include "arch/x86/guest/guest_event.h"

#include "arch/x86/cpu/interrupt.h"

enum exception_class {
	CLASS_BENIGN,
	CLASS_CONTRIBUTORY,
	CLASS_PAGE_FAULT,
	CLASS_DOUBLE_FAULT,
};

static enum exception_class event_class(const struct guest_event *event)
{
	if ((event->info & EVENT_TYPE) != EVENT_TYPE_EXCEPTION) {
		return CLASS_BENIGN;
	}
	switch (event->info & EVENT_VECTOR) {
	case VECTOR_DIVIDE:
	case VECTOR_INVALID_TSS:
	case VECTOR_NOT_PRESENT:
	case VECTOR_STACK:
	case VECTOR_PROTECTION:
		return CLASS_CONTRIBUTORY;
	case VECTOR_PAGE_FAULT:
		return CLASS_PAGE_FAULT;
	case VECTOR_DOUBLE_FAULT:
		return CLASS_DOUBLE_FAULT;
	default:
		return CLASS_BENIGN;
	}
}

enum event_outcome event_combine(const struct guest_event *first, const struct guest_event *second,
				 struct guest_event *result, bool *lost)
{
	enum exception_class before, now;

	*lost = false;
	*result = *second;
	if (!(first->info & EVENT_VALID)) {
		return EVENT_DELIVER;
	}
	before = event_class(first);
	now = event_class(second);
	if (before == CLASS_DOUBLE_FAULT && now != CLASS_BENIGN) {
		return EVENT_TRIPLE_FAULT;
	}
	if ((before == CLASS_CONTRIBUTORY && now == CLASS_CONTRIBUTORY) ||
	    (before == CLASS_PAGE_FAULT && now != CLASS_BENIGN)) {
		*result = (struct guest_event){
			.info = EVENT_VALID | EVENT_HAS_ERROR | EVENT_TYPE_EXCEPTION |
				VECTOR_DOUBLE_FAULT,
		};
		return EVENT_DELIVER;
	}
	/* One after the other: exceptions and software events come again by themselves. */
	*lost = (first->info & EVENT_TYPE) == EVENT_TYPE_EXTERNAL ||
		(first->info & EVENT_TYPE) == EVENT_TYPE_NMI;
	return EVENT_DELIVER;
}
