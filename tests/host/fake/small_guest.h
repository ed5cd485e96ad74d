/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the guests of a small world (small_balloon.h) can do: touches, attaching, calls over ranges.
 * Each compares what comes of it with what the table of pages predicts, and keeps the table up.
 */
#ifndef FAKE_SMALL_GUEST_H
#define FAKE_SMALL_GUEST_H

#include "fake/small_balloon.h"

#define SMALL_SHAPES 10
#define SMALL_CALLS 4 /* over ranges: the values of enum balloon_operation */
#define SMALL_VECTOR 0x40

/* Arrays of ranges that guests call with. */
struct small_shape {
	unsigned count;
	struct aerostat_range ranges[SMALL_RANGES_MAX];
};

extern const struct small_shape small_shapes[SMALL_SHAPES];

/* How the touch must end; what it looks at is as it was before. */
struct small_prospect {
	bool promised; /* by its minimum */
	bool plenty;   /* a frame beyond the reserve, and nobody comes before it */
	bool reserve;  /* its driver may have one of the reserve */
	uint64_t slack;
};

struct small_prospect small_look_ahead(const struct vm *vm);

/* True: the page is mapped, and written. Else the vCPU waits, got a fault, or is over. */
bool small_touch(struct vcpu *vcpu, uint64_t gfn);

/* A hypercall without a prediction; its result. */
int64_t small_call(struct vcpu *vcpu, uint64_t number, uint64_t rdi, uint64_t rsi);

/* Page 0 with a doorbell, others without. */
void small_attach(struct vcpu *vcpu, uint64_t gfn);
void small_detach(struct vcpu *vcpu);

/* The last page of RAM holds the ranges; it is touched first. */
void small_call_ranges(struct vcpu *vcpu, enum balloon_operation operation,
		       const struct small_shape *shape);

/*
 * The guest has not written its array: zeros, or what the page held, which is no range at all. The
 * answer goes where no page may be yet.
 */
void small_call_unwritten(struct vcpu *vcpu);

/* The driver says how much is idle: something, or nothing again. */
void small_say_idle(struct vcpu *vcpu);

#endif
