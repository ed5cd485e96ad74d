/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two short ways of arch/x86/vmx/vmx_run.c, of a hypercall and of a second-stage fault, against
 * the long one: from random states of a guest, all that an exit and the entry behind it can change
 * is the same. ROUNDS in the environment: how many states.
 */
#include "fake/vtx.h"

#include <string.h>

#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/vmx/vmx_reasons.h"
#include "fake/environment.h"

static const enum vmcs_field all_fields[] = {
#define FIELD_VALUE(name, encoding, width) VMCS_##name,
	VMCS_FIELDS(FIELD_VALUE)
#undef FIELD_VALUE
};
#define FIELDS (sizeof(all_fields) / sizeof(all_fields[0]))

/* All that an exit and the entry behind it can change. */
struct image {
	uint64_t values[FIELDS];
	struct vmx_vcpu vmx;
	struct vcpu vcpu;
	uint64_t seen, requested;
	struct guest_event delivered;
	bool goes_on;
};

static void image_take(struct image *image, bool goes_on)
{
	memset(image, 0, sizeof(*image));
	for (unsigned i = 0; i < FIELDS; i++) {
		image->values[i] = fake_vmx_get(all_fields[i]);
	}
	memcpy(&image->vmx, vtx_vmx(), sizeof(image->vmx));
	memcpy(&image->vcpu, vtx_vcpu, sizeof(image->vcpu));
	/* The long way begins behind the place where debug builds count reasons. */
	memset(image->vcpu.exits_by_reason, 0, sizeof(image->vcpu.exits_by_reason));
	image->seen = vtx_vm.s2.tlb.seen[0];
	image->requested = vtx_vm.s2.tlb.requested;
	if (goes_on) {
		image->delivered = fake_vmx_delivered;
	}
	image->goes_on = goes_on;
}

static void image_put(const struct image *image)
{
	for (unsigned i = 0; i < FIELDS; i++) {
		fake_vmx_set(all_fields[i], image->values[i]);
	}
	memcpy(vtx_vmx(), &image->vmx, sizeof(image->vmx));
	memcpy(vtx_vcpu, &image->vcpu, sizeof(image->vcpu));
	vtx_vm.s2.tlb.seen[0] = image->seen;
	vtx_vm.s2.tlb.requested = image->requested;
}

static void images_compare(struct image *one, struct image *other, uint64_t round)
{
	for (unsigned i = 0; i < FIELDS; i++) {
		if (one->values[i] != other->values[i] && all_fields[i] != VMCS_exit_reason) {
			fail_msg("round %llu: %s is 0x%llx, and 0x%llx by the long way",
				 (unsigned long long)round, vmcs_field_name(all_fields[i]),
				 (unsigned long long)one->values[i],
				 (unsigned long long)other->values[i]);
		}
	}
	memset(one->values, 0, sizeof(one->values));
	memset(other->values, 0, sizeof(other->values));
	if (memcmp(one, other, sizeof(*one)) != 0) {
		fail_msg("round %llu: the two ways differ", (unsigned long long)round);
	}
}

static uint64_t random_state = 1;

static uint64_t random_number(uint64_t below)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (random_state >> 33) % below;
}

static bool rings, requests;

static void whatever_happens(struct vcpu *vcpu)
{
	if (rings) {
		vtx_ring();
	}
	if (requests) {
		vcpu->vm->s2.tlb.requested++;
	}
}

/* A state in which a guest can exit. */
static void randomize(void)
{
	static const uint32_t shadows[] = {0, 0, VTX_BY_STI, VTX_BY_MOV_SS};
	uint32_t shadow = shadows[random_number(4)];
	uint64_t set = (random_number(4) ? RFLAGS_IF : 0) | (random_number(4) ? 0 : RFLAGS_TF) |
		       (random_number(4) ? 0 : RFLAGS_RF);
	bool wide = random_number(2), open;

	if (shadow == VTX_BY_STI) {
		set |= RFLAGS_IF;
	}
	vtx_flags(set);
	vtx_blocking(shadow | (random_number(4) ? 0 : VTX_BY_NMI));
	fake_vmx_set(VMCS_guest_pending_debug,
		     random_number(2) | (shadow && set & RFLAGS_TF ? VTX_STEP : 0));
	guest_write(vtx_vcpu, GUEST_EFER, wide ? EFER_LME | EFER_LMA : 0);
	vtx_vmx()->invalidate_vpid = false; /* done before the entry */
	fake_vmx_set(VMCS_guest_cs_rights, wide ? 0xa09b : 0xc09b);
	fake_vmx_set(VMCS_guest_rip, (1ull << 32) - 1 - random_number(6));
	vtx_tsc += random_number(1000);
	vtx_vmx()->arch.deadline_tsc = vtx_tsc + random_number(1000) - random_number(500);
	vtx_vmx()->cr8 = random_number(8);
	vtx_vcpu->doorbell_vector = random_number(8) ? VTX_DOORBELL : 0;
	vtx_vcpu->doorbell_pending = !random_number(3);
	/* Open only while a doorbell is pending. */
	open = vtx_vcpu->doorbell_pending && random_number(2);
	vtx_vmx()->primary = vmx_caps.primary | (open ? PRIMARY_INTERRUPT_WINDOW : 0);
	fake_vmx_set(VMCS_primary_controls, vtx_vmx()->primary);
	fake_vmx_set(VMCS_vectoring_event, 0);
	vtx_vcpu->inject.vector = VECTOR_UNDEFINED;
	vtx_vcpu->inject.has_error = false;
	vtx_action = (enum exit_action)random_number(EXIT_KILL + 1);
	rings = !random_number(3);
	requests = !random_number(3);
}

static void test_hypercalls_by_both_ways(void **state)
{
	uint64_t rounds = environment_number("ROUNDS", 20000);
	static struct image before, quick, slow;
	(void)state;

	vtx_on_exit = whatever_happens;
	for (uint64_t round = 0; round < rounds; round++) {
		randomize();
		image_take(&before, false);
		image_take(&quick, vtx_hypercall());
		image_put(&before);
		image_take(&slow, vtx_exit_with(REASON_HLT, 3));
		images_compare(&quick, &slow, round);
	}
}

/* CPUID and accesses to MSRs, of which some drop translations. */
static void write_cr3_of_guest(struct vcpu *vcpu)
{
	guest_write(vcpu, GUEST_CR3, 0x9000);
}

static void test_instructions_by_both_ways(void **state)
{
	uint64_t rounds = environment_number("ROUNDS", 20000);
	static struct image before, quick, slow;
	(void)state;

	for (uint64_t round = 0; round < rounds; round++) {
		vtx_on_exit = random_number(4) ? whatever_happens : write_cr3_of_guest;
		randomize();
		image_take(&before, false);
		image_take(&quick, vtx_exit_with(REASON_CPUID, 3));
		image_put(&before);
		image_take(&slow, vtx_exit_with(REASON_HLT, 3));
		images_compare(&quick, &slow, round);
	}
	vtx_on_exit = NULL;
}

/* The long way: a task switch has an event that is to be delivered again, too. */
static void test_faults_by_both_ways(void **state)
{
	static const uint32_t events[] = {
		0, 0, 0, VTX_EVENT_DOORBELL, EVENT_VALID | EVENT_TYPE_SOFTWARE_INTERRUPT | 0x80,
	};
	uint64_t rounds = environment_number("ROUNDS", 20000);
	static struct image before, quick, slow;
	(void)state;

	vtx_on_exit = whatever_happens;
	for (uint64_t round = 0; round < rounds; round++) {
		uint32_t event = events[random_number(5)];

		randomize();
		if (event == VTX_EVENT_DOORBELL) {
			/* It was let in. */
			vtx_flags(RFLAGS_IF);
			vtx_blocking(0);
		}
		/* What a fault drops in any case. */
		if (fake_vmx_get(VMCS_guest_rflags) & RFLAGS_TF &&
		    !(fake_vmx_get(VMCS_guest_interruptibility) & (VTX_BY_STI | VTX_BY_MOV_SS))) {
			fake_vmx_set(VMCS_guest_pending_debug, 0);
		}
		fake_vmx_set(VMCS_vectoring_event, event);
		image_take(&before, false);
		image_take(&quick, vtx_exit_with(REASON_EPT_VIOLATION, 2));
		image_put(&before);
		image_take(&slow, vtx_exit_with(REASON_TASK_SWITCH, 2));
		images_compare(&quick, &slow, round);
		vtx_vmx()->arch.event.info = 0; /* of a run that has ended */
	}
	vtx_on_exit = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, vtx_setup, vtx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hypercalls_by_both_ways),
		TEST(test_instructions_by_both_ways),
		TEST(test_faults_by_both_ways),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
