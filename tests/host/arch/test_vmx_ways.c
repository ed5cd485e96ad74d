/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The short ways of arch/x86/vmx/vmx_run.c, of a hypercall, of a second-stage fault and of the
 * exits that are decided on the spot, against the long one: from random states of a guest, all that
 * an exit and the entry behind it can change is the same. ROUNDS in the environment: how many
 * states.
 */
#include "fake/vtx.h"

#include <string.h>

#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/vmx/vmx_reasons.h"
#include "fake/environment.h"
#include "kernel/exit/port.h"

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

/* What kernel/exit does with it, as far as the way there is concerned. */
static void port_is_nobodys(struct vcpu *vcpu)
{
	if (vtx_exit.kind == VM_EXIT_IO) {
		port_without_device(vcpu, vtx_exit.io.bytes, vtx_exit.io.in);
	}
}

/* Values that are near the edges of what registers take. */
static uint64_t random_value(void)
{
	static const uint64_t values[] = {
		0,
		1,
		0xf,
		0x10,
		0xffffffff,
		0x100000000,
		0x7fffffffffff,
		0x800000000000,
		0xffff800000000000,
		0x0007040600070406,
		CR0_PE | CR0_ET | CR0_NE,
		CR0_PE | CR0_NW,
		CR0_PE | CR0_CD | CR0_NW,
		CR0_PE | 0x1f << 6,
		CR0_PG | CR0_PE,
	};
	return values[random_number(sizeof(values) / sizeof(values[0]))];
}

static void randomize_registers(void)
{
	static const uint32_t msrs[] = {0x277,	    0x174,	0x175,	    0x176,	0xc0000081,
					0xc0000084, 0xc0000100, 0xc0000102, 0xc0000080, 0x10,
					0,	    0x1a0,	0x57};

	for (unsigned gpr = 0; gpr < GPR_COUNT; gpr++) {
		vtx_vcpu->regs[gpr] = random_value();
	}
	vtx_vcpu->regs[GPR_RCX] = msrs[random_number(sizeof(msrs) / sizeof(msrs[0]))];
	guest_write(vtx_vcpu, GUEST_CR0, random_number(8) ? CR0_PE | CR0_ET : CR0_ET);
	guest_write(vtx_vcpu, GUEST_CR4, random_number(2) ? CR4_OSXSAVE | CR4_PAE : CR4_PAE);
	vtx_vmx()->invalidate_vpid = false;
	fake_vmx_set(VMCS_guest_dr7, random_number(4) ? 0x400 : 0x401);
	vtx_cpuid_quick = (enum guest_cpuid_outcome)(1 + random_number(2));
}

static uint64_t random_qualification(uint32_t reason)
{
	static const unsigned sizes[] = {0, 1, 3};
	static const unsigned crs[] = {0, 0, 8, 8, 4};

	if (reason == REASON_IO) {
		return random_number(2) << 3 | (random_number(8) == 0) << 4 |
		       random_number(0x10000) << 16 | sizes[random_number(3)];
	}
	return crs[random_number(5)] | (random_number(8) ? 0 : random_number(4)) << 4 |
	       random_number(16) << 8;
}

/* Those that are decided on the spot, and others that look like them. */
static void test_quick_exits_by_both_ways(void **state)
{
	static const uint32_t reasons[] = {REASON_CPUID, REASON_RDMSR, REASON_WRMSR, REASON_IO,
					   REASON_CR_ACCESS};
	uint64_t rounds = environment_number("ROUNDS", 20000);
	static struct image before, quick, slow;
	(void)state;

	guest_features.cr4 |= CR4_OSXSAVE;
	vtx_on_exit = port_is_nobodys;
	for (uint64_t round = 0; round < rounds; round++) {
		uint32_t reason = reasons[random_number(5)];

		randomize();
		randomize_registers();
		vtx_action = EXIT_ADVANCE;
		fake_vmx_set(VMCS_exit_qualification, random_qualification(reason));
		image_take(&before, false);
		image_take(&quick, vtx_exit_with(reason, 2));
		image_put(&before);
		image_take(&slow, vtx_exit_in_full(reason, 2));
		images_compare(&quick, &slow, round);
	}
	assert_true(vtx_quick_exits > rounds / 4);
	vtx_on_exit = NULL;
}

static void count_hypercall(struct vcpu *vcpu)
{
	vcpu->hypercall_count++;
}

static void test_null_hypercalls_by_both_ways(void **state)
{
	uint64_t rounds = environment_number("ROUNDS", 20000);
	static struct image before, quick, slow;
	(void)state;

	vtx_on_exit = count_hypercall;
	for (uint64_t round = 0; round < rounds; round++) {
		randomize();
		memset(vtx_vcpu->regs, 0, sizeof(vtx_vcpu->regs));
		vtx_action = EXIT_ADVANCE;
		image_take(&before, false);
		image_take(&quick, vtx_hypercall());
		image_put(&before);
		image_take(&slow, vtx_exit_in_full(REASON_HLT, 3));
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
		TEST(test_hypercalls_by_both_ways),  TEST(test_instructions_by_both_ways),
		TEST(test_quick_exits_by_both_ways), TEST(test_null_hypercalls_by_both_ways),
		TEST(test_faults_by_both_ways),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
