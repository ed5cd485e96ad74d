/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drivers/virt/vlapic.c: requests, service, priorities and lines; against a naive model of the
 * priorities, and with other CPUs that request at the same time.
 */
#include "vlapic_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

/* ---- priorities against a model: three arrays and loops over all vectors ---- */

struct model {
	bool requested[256];
	bool in_service[256];
	bool level[256];
	unsigned task_priority;
};

static unsigned model_highest(const bool set[256])
{
	for (unsigned vector = 255; vector > 0; vector--) {
		if (set[vector]) {
			return vector;
		}
	}
	return 0;
}

static unsigned model_ppr(const struct model *model)
{
	unsigned service = model_highest(model->in_service);
	return model->task_priority / 16 >= service / 16 ? model->task_priority : service / 16 * 16;
}

static unsigned model_ready(const struct model *model)
{
	unsigned vector = model_highest(model->requested);
	return vector / 16 > model_ppr(model) / 16 ? vector : 0;
}

static void model_request(struct model *model, unsigned vector, bool level)
{
	model->requested[vector] = true;
	model->level[vector] = level;
}

static void compare_words(struct vlapic *lapic, const struct model *model)
{
	for (unsigned vector = 0; vector < 256; vector++) {
		uint32_t offset = vector / 32 * 16;
		uint32_t bit = 1u << vector % 32;
		assert_int_equal(!!(peek(lapic, REG_IRR + offset) & bit), model->requested[vector]);
		assert_int_equal(!!(peek(lapic, REG_ISR + offset) & bit),
				 model->in_service[vector]);
		assert_int_equal(!!(peek(lapic, REG_TMR + offset) & bit), model->level[vector]);
	}
}

static void model_end(struct vlapic *lapic, struct model *model)
{
	unsigned vector = model_highest(model->in_service);
	model->in_service[vector] = false;
	assert_int_equal(vlapic_eoi(lapic), model->level[vector] ? vector : 0);
}

static void random_step(struct vlapic *lapic, struct model *model, uint64_t *seed)
{
	uint64_t draw = next_random(seed);
	unsigned vector = 16 + (unsigned)(draw >> 8) % 240;
	bool level = draw >> 40 & 1;

	switch (draw % 8) {
	case 0:
	case 1:
		assert_int_equal(vlapic_request(lapic, (uint8_t)vector, level),
				 !model->requested[vector]);
		model_request(model, vector, level);
		break;
	case 2:
	case 3:
	case 4:
		vector = model_ready(model);
		if (vector == 0) {
			break;
		}
		vlapic_take(lapic, (uint8_t)vector);
		if (draw % 8 == 4) {
			vlapic_put_back(lapic, (uint8_t)vector);
			break;
		}
		model->requested[vector] = false;
		model->in_service[vector] = true;
		break;
	case 5:
	case 6:
		model_end(lapic, model);
		break;
	case 7:
		model->task_priority = draw >> 16 & 3 ? (unsigned)(draw >> 24) % 64
						      : (unsigned)(draw >> 24) & 0xff;
		poke(lapic, REG_TPR, model->task_priority);
		break;
	}
}

static void test_priorities_against_a_model(void **state)
{
	(void)state;
	uint64_t seed = 0x9e3779b97f4a7c15;
	for (unsigned round = 0; round < 40; round++) {
		struct vlapic lapic = make_lapic(3);
		struct model model = {.task_priority = 0};
		for (unsigned step = 0; step < 1000; step++) {
			random_step(&lapic, &model, &seed);
			assert_int_equal(vlapic_ready(&lapic), model_ready(&model));
			assert_int_equal(vlapic_processor_priority(&lapic), model_ppr(&model));
			assert_int_equal(peek(&lapic, REG_PPR), model_ppr(&model));
			if (step % 50 == 0) {
				compare_words(&lapic, &model);
			}
		}
		compare_words(&lapic, &model);
	}
}

/* Every class of request against every task priority, and against every class in service. */
static void test_class_must_be_above(void **state)
{
	(void)state;
	for (unsigned vector = 16; vector < 256; vector++) {
		for (unsigned priority = 0; priority < 256; priority++) {
			struct vlapic lapic = make_lapic(0);
			poke(&lapic, REG_TPR, priority);
			assert_true(vlapic_request(&lapic, (uint8_t)vector, false));
			assert_int_equal(vlapic_ready(&lapic),
					 vector / 16 > priority / 16 ? vector : 0);
			poke(&lapic, REG_TPR, 0);
			vlapic_take(&lapic, (uint8_t)vector);
			assert_int_equal(vlapic_ready(&lapic), 0);
			if (priority >= 16) {
				(void)vlapic_request(&lapic, (uint8_t)priority, false);
				assert_int_equal(vlapic_ready(&lapic),
						 priority / 16 > vector / 16 ? priority : 0);
			}
		}
	}
}

/* The manual's formula: the task priority where it is above what is in service and requested. */
static void test_arbitration_priority(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	poke(&lapic, REG_TPR, 0x35);
	assert_int_equal(peek(&lapic, REG_APR), 0x35);
	assert_true(vlapic_request(&lapic, 0x3f, false));
	assert_int_equal(peek(&lapic, REG_APR), 0x35);
	assert_true(vlapic_request(&lapic, 0x47, false));
	assert_int_equal(peek(&lapic, REG_APR), 0x40);
	vlapic_take(&lapic, 0x47);
	assert_int_equal(peek(&lapic, REG_APR), 0x40);
	assert_true(vlapic_request(&lapic, 0xe1, false));
	assert_int_equal(peek(&lapic, REG_APR), 0xe0);
	vlapic_take(&lapic, 0xe1);
	poke(&lapic, REG_TPR, 0xe8);
	assert_int_equal(peek(&lapic, REG_APR), 0xe0);
	poke(&lapic, REG_TPR, 0xf8);
	assert_int_equal(peek(&lapic, REG_APR), 0xf8);
}

static void test_task_priority_of_cr8(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	for (unsigned priority = 0; priority < 16; priority++) {
		poke(&lapic, REG_TPR, 0xff);
		vlapic_set_task_priority(&lapic, (uint8_t)priority);
		assert_int_equal(peek(&lapic, REG_TPR), priority << 4);
		assert_int_equal(vlapic_task_priority(&lapic), priority);
	}
	poke(&lapic, REG_TPR, 0x7c);
	assert_int_equal(vlapic_task_priority(&lapic), 7);
}

/* ---- requests ---- */

static void test_second_request_is_merged(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	assert_true(vlapic_request(&lapic, 0x40, false));
	assert_false(vlapic_request(&lapic, 0x40, false));
	vlapic_take(&lapic, 0x40);
	/* One more while it is in service waits for the end, and is one. */
	assert_true(vlapic_request(&lapic, 0x40, false));
	assert_false(vlapic_request(&lapic, 0x40, false));
	assert_int_equal(vlapic_ready(&lapic), 0);
	assert_int_equal(vlapic_eoi(&lapic), 0);
	assert_int_equal(vlapic_ready(&lapic), 0x40);
}

/* 11.6.1 and 11.8.4: TMR says how the last request of the vector came. */
static void test_end_of_level_and_edge(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	(void)vlapic_request(&lapic, 0x51, true);
	vlapic_take(&lapic, 0x51);
	assert_int_equal(vlapic_eoi(&lapic), 0x51);
	assert_int_equal(vlapic_eoi(&lapic), 0);
	(void)vlapic_request(&lapic, 0x51, false);
	vlapic_take(&lapic, 0x51);
	assert_int_equal(vlapic_eoi(&lapic), 0);
}

/* 11.4.7.2: switched off by software, nothing new is accepted, and what was there stays. */
static void test_switched_off_by_software(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	(void)vlapic_request(&lapic, 0x61, false);
	(void)vlapic_request(&lapic, 0x71, false);
	vlapic_take(&lapic, 0x71);
	poke(&lapic, REG_SVR, 0xff);
	assert_false(vlapic_request(&lapic, 0x81, false));
	assert_int_equal(vlapic_ready(&lapic), 0);
	assert_int_equal(vlapic_eoi(&lapic), 0);
	assert_int_equal(vlapic_ready(&lapic), 0x61);
	assert_true(vlapic_request_nmi(&lapic));
}

/* 11.4.3: switched off by IA32_APIC_BASE there is no APIC; a request in flight is not delivered. */
static void test_switched_off_by_the_base(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	(void)vlapic_request(&lapic, 0x61, false);
	wrmsr(&lapic, VLAPIC_MSR_BASE, VLAPIC_PAGE);
	assert_false(vlapic_is_on(&lapic));
	assert_int_equal(vlapic_ready(&lapic), 0);
	assert_false(vlapic_request(&lapic, 0x62, false));
	lapic.requested[1] = 1;
	lapic.requested_words = 2;
	assert_int_equal(vlapic_ready(&lapic), 0);
}

static void check_reset_registers(struct vlapic *lapic)
{
	for (uint32_t word = 0; word < 8; word++) {
		assert_int_equal(peek(lapic, REG_IRR + 16 * word), 0);
		assert_int_equal(peek(lapic, REG_ISR + 16 * word), 0);
		assert_int_equal(peek(lapic, REG_TMR + 16 * word), 0);
	}
	static const uint32_t zero[] = {REG_TPR, REG_LDR,     REG_ESR,	   REG_ICR,
					REG_PPR, REG_INITIAL, REG_CURRENT, REG_DIVIDE};
	for (unsigned i = 0; i < ARRAY_COUNT(zero); i++) {
		assert_int_equal(peek(lapic, zero[i]), 0);
	}
	for (uint32_t offset = REG_TIMER; offset <= REG_ERROR; offset += 16) {
		assert_int_equal(peek(lapic, offset), MASKED);
	}
	assert_int_equal(peek(lapic, REG_SVR), 0xff);
	assert_int_equal(vlapic_ready(lapic), 0);
	assert_true(vlapic_tick(lapic, UINT64_MAX - 1) == VLAPIC_NEVER);
}

/* 11.4.7.1 and 11.12.5. */
static void test_state_after_power_on(void **state)
{
	(void)state;
	for (uint32_t index = 0; index < 3; index++) {
		struct vlapic lapic;
		memset(&lapic, 0xee, sizeof(lapic));
		vlapic_reset(&lapic, index, index == 1);
		check_reset_registers(&lapic);
		assert_int_equal(peek(&lapic, REG_DFR), 0xffffffff);
		assert_int_equal(peek(&lapic, REG_ID), index << 24);
		assert_int_equal(peek(&lapic, REG_VERSION), 0x00050014);
		assert_int_equal(rdmsr(&lapic, VLAPIC_MSR_BASE),
				 XAPIC_ON | (index == 1 ? 0x100 : 0));
		assert_false(vlapic_nmi_pending(&lapic));
	}
}

static void disturb(struct vlapic *lapic)
{
	(void)vlapic_request(lapic, 0x31, true);
	(void)vlapic_request(lapic, 0xf1, true);
	vlapic_take(lapic, 0xf1);
	(void)vlapic_request_nmi(lapic);
	poke(lapic, REG_TPR, 0x20);
	poke(lapic, REG_LDR, 0x01000000);
	poke(lapic, REG_DFR, 0);
	poke(lapic, REG_ESR, 0);
	(void)peek(lapic, REG_CMCI);
	poke(lapic, REG_ESR, 0);
	(void)peek(lapic, REG_CMCI);
	poke(lapic, REG_ICR_HIGH, 0x02000000);
	poke(lapic, REG_DIVIDE, 0xb);
	for (uint32_t offset = REG_TIMER; offset <= REG_ERROR; offset += 16) {
		poke(lapic, offset, 0x44);
	}
	poke(lapic, REG_INITIAL, 1000);
}

static void test_init(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(2);
	disturb(&lapic);
	vlapic_init(&lapic);
	check_reset_registers(&lapic);
	assert_int_equal(peek(&lapic, REG_DFR), 0xffffffff);
	assert_int_equal(peek(&lapic, REG_ICR_HIGH), 0);
	assert_int_equal(peek(&lapic, REG_ID), 2 << 24);
	assert_false(vlapic_nmi_pending(&lapic));
	poke(&lapic, REG_ESR, 0);
	assert_int_equal(peek(&lapic, REG_ESR), 0);

	/* It stays in x2APIC mode, or off. */
	lapic = make_x2apic(2);
	vlapic_init(&lapic);
	assert_int_equal(rdmsr(&lapic, VLAPIC_MSR_BASE), X2APIC_ON);
	assert_int_equal(rdmsr(&lapic, msr_of(REG_SVR)), 0xff);
	wrmsr(&lapic, VLAPIC_MSR_BASE, VLAPIC_PAGE);
	vlapic_init(&lapic);
	assert_int_equal(rdmsr(&lapic, VLAPIC_MSR_BASE), VLAPIC_PAGE);
}

static void test_nmi(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	assert_false(vlapic_take_nmi(&lapic));
	assert_true(vlapic_request_nmi(&lapic));
	assert_false(vlapic_request_nmi(&lapic));
	assert_true(vlapic_nmi_pending(&lapic));
	assert_true(vlapic_take_nmi(&lapic));
	assert_false(vlapic_take_nmi(&lapic));
	assert_false(vlapic_nmi_pending(&lapic));
}

/* ---- LINT0 and LINT1 ---- */

static void test_who_hears_the_pic(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	assert_false(vlapic_accepts_pic(&lapic));
	for (unsigned delivery = 0; delivery < 8; delivery++) {
		poke(&lapic, REG_LINT0, delivery << 8);
		assert_int_equal(vlapic_accepts_pic(&lapic), delivery == APIC_EXTINT);
		poke(&lapic, REG_LINT0, delivery << 8 | MASKED);
		assert_false(vlapic_accepts_pic(&lapic));
	}
	poke(&lapic, REG_LINT1, 0x700);
	assert_false(vlapic_accepts_pic(&lapic));
	wrmsr(&lapic, VLAPIC_MSR_BASE, VLAPIC_PAGE);
	assert_true(vlapic_accepts_pic(&lapic));
}

static void test_virtual_wire(void **state)
{
	(void)state;
	struct vlapic lapic;
	vlapic_reset(&lapic, 0, true);
	vlapic_set_virtual_wire(&lapic);
	assert_true(vlapic_accepts_pic(&lapic));
	assert_int_equal(peek(&lapic, REG_LINT0), 0x700);
	assert_int_equal(peek(&lapic, REG_LINT1), 0x400);
	assert_int_equal(peek(&lapic, REG_SVR), 0x1ff);
	assert_true(vlapic_line(&lapic, 1, true));
	assert_true(vlapic_take_nmi(&lapic));
}

static void test_edges_of_lint(void **state)
{
	(void)state;
	for (unsigned pin = 0; pin < 2; pin++) {
		struct vlapic lapic = make_lapic(0);
		uint32_t entry = pin == 0 ? REG_LINT0 : REG_LINT1;
		/* Masked: nothing, and the level is no edge later. */
		assert_false(vlapic_line(&lapic, pin, true));
		poke(&lapic, entry, 0x58);
		assert_false(vlapic_line(&lapic, pin, true));
		assert_false(vlapic_line(&lapic, pin, false));
		assert_true(vlapic_line(&lapic, pin, true));
		assert_false(vlapic_line(&lapic, pin, true));
		assert_int_equal(vlapic_ready(&lapic), 0x58);
		vlapic_take(&lapic, 0x58);
		assert_int_equal(vlapic_eoi(&lapic), 0);
		assert_int_equal(vlapic_ready(&lapic), 0);
		/* The other pin has its own level. */
		assert_false(vlapic_line(&lapic, 1 - pin, true));
		assert_false(vlapic_line(&lapic, pin, true));
		/* NMI, and modes that do nothing here. */
		for (unsigned delivery = 1; delivery < 8; delivery++) {
			poke(&lapic, entry, delivery << 8 | 0x58);
			assert_false(vlapic_line(&lapic, pin, false));
			assert_int_equal(vlapic_line(&lapic, pin, true), delivery == APIC_NMI);
			assert_int_equal(vlapic_take_nmi(&lapic), delivery == APIC_NMI);
			assert_int_equal(vlapic_ready(&lapic), 0);
		}
	}
}

/* A level-triggered LINT0 goes on until its cause is gone; remote IRR shows one outstanding. */
static void test_level_of_lint0(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	poke(&lapic, REG_LINT0, 0x8058);
	assert_int_equal(peek(&lapic, REG_LINT0), 0x8058);
	assert_true(vlapic_line(&lapic, 0, true));
	assert_int_equal(peek(&lapic, REG_LINT0), 0xc058);
	vlapic_take(&lapic, 0x58);
	assert_int_equal(peek(&lapic, REG_LINT0), 0xc058);
	assert_int_equal(vlapic_eoi(&lapic), 0x58);
	assert_int_equal(vlapic_ready(&lapic), 0x58);
	vlapic_take(&lapic, 0x58);
	assert_false(vlapic_line(&lapic, 0, false));
	assert_int_equal(vlapic_eoi(&lapic), 0x58);
	assert_int_equal(vlapic_ready(&lapic), 0);
	assert_int_equal(peek(&lapic, REG_LINT0), 0x8058);
	/* It rises while masked, and is unmasked. */
	poke(&lapic, REG_LINT0, 0x8058 | MASKED);
	assert_false(vlapic_line(&lapic, 0, true));
	poke(&lapic, REG_LINT0, 0x8058);
	assert_int_equal(vlapic_ready(&lapic), 0x58);
	/* While its service lasts, writing the entry adds none. */
	vlapic_take(&lapic, 0x58);
	poke(&lapic, REG_LINT0, 0x8058);
	assert_int_equal(peek(&lapic, REG_IRR + 0x20), 0);
}

static void test_lint1_has_no_level(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	poke(&lapic, REG_LINT1, 0x8058);
	assert_true(vlapic_line(&lapic, 1, true));
	vlapic_take(&lapic, 0x58);
	assert_int_equal(vlapic_eoi(&lapic), 0);
	assert_int_equal(vlapic_ready(&lapic), 0);
}

/* Without an APIC the pins are INTR and NMI of the processor. */
static void test_lint_without_an_apic(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	wrmsr(&lapic, VLAPIC_MSR_BASE, VLAPIC_PAGE);
	assert_false(vlapic_line(&lapic, 0, true));
	assert_false(vlapic_nmi_pending(&lapic));
	assert_true(vlapic_line(&lapic, 1, true));
	assert_true(vlapic_nmi_pending(&lapic));
}

/* ---- errors (11.5.3) ---- */

static void test_vectors_of_the_processor(void **state)
{
	(void)state;
	for (unsigned vector = 0; vector < 32; vector++) {
		struct vlapic lapic = make_lapic(0);
		assert_int_equal(vlapic_request(&lapic, (uint8_t)vector, false), vector >= 16);
		assert_int_equal(vlapic_ready(&lapic), vector >= 16 ? vector : 0);
		poke(&lapic, REG_ESR, 0);
		assert_int_equal(peek(&lapic, REG_ESR), vector < 16 ? 0x40 : 0);
	}
}

static void test_error_interrupt(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	assert_false(vlapic_detect(&lapic, VLAPIC_ERROR_REGISTER));
	poke(&lapic, REG_ESR, 0);
	assert_int_equal(peek(&lapic, REG_ESR), 0x80);
	poke(&lapic, REG_ERROR, 0x33);
	assert_true(vlapic_detect(&lapic, VLAPIC_ERROR_REGISTER));
	assert_int_equal(vlapic_ready(&lapic), 0x33);
	vlapic_take(&lapic, 0x33);
	assert_int_equal(vlapic_eoi(&lapic), 0);
	/* The next one tells again only after a write of ESR, which also shows what there was. */
	assert_false(vlapic_detect(&lapic, VLAPIC_ERROR_SEND_VECTOR));
	assert_int_equal(vlapic_ready(&lapic), 0);
	assert_int_equal(peek(&lapic, REG_ESR), 0x80);
	poke(&lapic, REG_ESR, 0);
	assert_int_equal(peek(&lapic, REG_ESR), 0xa0);
	assert_true(vlapic_detect(&lapic, VLAPIC_ERROR_SEND_VECTOR));
	poke(&lapic, REG_ESR, 0);
	poke(&lapic, REG_ESR, 0);
	assert_int_equal(peek(&lapic, REG_ESR), 0);
	/* An entry with an illegal vector is an error of its own, and no interrupt. */
	vlapic_take(&lapic, 0x33);
	poke(&lapic, REG_ERROR, 0x0f);
	assert_false(vlapic_detect(&lapic, VLAPIC_ERROR_REGISTER));
	poke(&lapic, REG_ESR, 0);
	assert_int_equal(peek(&lapic, REG_ESR), 0xc0);
	assert_int_equal(peek(&lapic, REG_IRR), 0);
}

/* ---- other CPUs ---- */

#define SENDERS 3
#define ROUNDS 20000

static struct vlapic shared;
static uint32_t taken[SENDERS];
static uint32_t gave_up;

/* In one word, so that the last bit of it goes as others come. */
static uint8_t vector_of(unsigned sender)
{
	return (uint8_t)(0x41 + 4 * sender);
}

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void *send(void *argument)
{
	unsigned self = (unsigned)(uintptr_t)argument;
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		double limit = seconds() + 20;
		if (!vlapic_request(&shared, vector_of(self), round % 2)) {
			__atomic_store_n(&gave_up, 1, __ATOMIC_SEQ_CST);
			return NULL;
		}
		while (__atomic_load_n(&taken[self], __ATOMIC_SEQ_CST) != round) {
			if (seconds() > limit || __atomic_load_n(&gave_up, __ATOMIC_SEQ_CST)) {
				__atomic_store_n(&gave_up, 1, __ATOMIC_SEQ_CST);
				return NULL;
			}
			sched_yield();
		}
	}
	return NULL;
}

/* Each request arrives once, and none is forgotten by the summary. */
static void test_requests_of_other_cpus(void **state)
{
	(void)state;
	pthread_t threads[SENDERS];
	uint32_t left = SENDERS * ROUNDS;
	shared = make_lapic(0);
	memset(taken, 0, sizeof(taken));
	for (unsigned i = 0; i < SENDERS; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, send, (void *)(uintptr_t)i), 0);
	}
	while (left > 0 && !__atomic_load_n(&gave_up, __ATOMIC_SEQ_CST)) {
		uint8_t vector = vlapic_ready(&shared);
		if (vector == 0) {
			continue;
		}
		unsigned sender = (vector - 0x41u) / 4;
		vlapic_take(&shared, vector);
		(void)(vlapic_eoi(&shared) == 0);
		left--;
		__atomic_fetch_add(&taken[sender], 1, __ATOMIC_SEQ_CST);
	}
	for (unsigned i = 0; i < SENDERS; i++) {
		pthread_join(threads[i], NULL);
	}
	assert_int_equal(gave_up, 0);
	assert_int_equal(vlapic_ready(&shared), 0);
	assert_int_equal(shared.requested[2], 0);
}

static uint32_t stop_others;

/* All that any CPU may call; what it answers is one order or the other. */
static void *call_everything(void *argument)
{
	uint64_t seed = 1 + (uintptr_t)argument;
	const struct vlapic *candidates[] = {&shared};
	while (!__atomic_load_n(&stop_others, __ATOMIC_SEQ_CST)) {
		uint64_t draw = next_random(&seed);
		struct apic_message message = {.destination = (uint32_t)(draw >> 8) & 3,
					       .vector = (uint8_t)(draw >> 16),
					       .delivery = draw >> 24 & 4,
					       .logical = draw >> 27 & 1,
					       .level = draw >> 28 & 1};
		if (vlapic_is_target(&shared, &message, NULL) ||
		    vlapic_arbitrate(candidates, 1, 0) == 0) {
			(void)vlapic_accept(&shared, &message);
		}
		(void)vlapic_line(&shared, (uintptr_t)argument & 1, draw >> 30 & 1);
		(void)vlapic_accepts_pic(&shared);
	}
	return NULL;
}

/* Its CPU changes all registers meanwhile. For the thread sanitizer; and the words stay sound. */
static void test_other_cpus_while_registers_change(void **state)
{
	(void)state;
	pthread_t threads[2];
	uint64_t seed = 5;
	shared = make_lapic(1);
	stop_others = 0;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(
			pthread_create(&threads[i], NULL, call_everything, (void *)(uintptr_t)i),
			0);
	}
	for (unsigned round = 0; round < 20000; round++) {
		struct apic_message message;
		uint64_t draw = next_random(&seed);
		enum vlapic_effect effect = vlapic_write(&shared, (uint32_t)(draw >> 8 & 0x3f) * 16,
							 4, draw >> 16, 0, &message);
		uint8_t vector = vlapic_ready(&shared);
		if (vector != 0 && effect != VLAPIC_SEND) {
			vlapic_take(&shared, vector);
		}
		if (draw % 256 == 0) {
			wrmsr(&shared, VLAPIC_MSR_BASE, VLAPIC_PAGE);
			wrmsr(&shared, VLAPIC_MSR_BASE, XAPIC_ON);
			vlapic_init(&shared);
		}
		if (draw % 2 == 0) {
			poke(&shared, REG_SVR, 0x1ff);
			(void)(vlapic_eoi(&shared) == 0);
			(void)vlapic_take_nmi(&shared);
		}
	}
	__atomic_store_n(&stop_others, 1, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
	}
	for (unsigned word = 0; word < VLAPIC_WORDS; word++) {
		assert_true(shared.requested[word] == 0 || (shared.requested_words >> word & 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_priorities_against_a_model),
		cmocka_unit_test(test_class_must_be_above),
		cmocka_unit_test(test_arbitration_priority),
		cmocka_unit_test(test_task_priority_of_cr8),
		cmocka_unit_test(test_second_request_is_merged),
		cmocka_unit_test(test_end_of_level_and_edge),
		cmocka_unit_test(test_switched_off_by_software),
		cmocka_unit_test(test_switched_off_by_the_base),
		cmocka_unit_test(test_state_after_power_on),
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_nmi),
		cmocka_unit_test(test_who_hears_the_pic),
		cmocka_unit_test(test_virtual_wire),
		cmocka_unit_test(test_edges_of_lint),
		cmocka_unit_test(test_level_of_lint0),
		cmocka_unit_test(test_lint1_has_no_level),
		cmocka_unit_test(test_lint_without_an_apic),
		cmocka_unit_test(test_vectors_of_the_processor),
		cmocka_unit_test(test_error_interrupt),
		cmocka_unit_test(test_requests_of_other_cpus),
		cmocka_unit_test(test_other_cpus_while_registers_change),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
