/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a VM with as=hyper-v sees of Hyper-V besides CPUID (Top-Level Functional Specification): the
 * MSRs, the hypercalls that a stock kernel makes, and behind them the synthetic interrupt
 * controller, VMBus and Dynamic Memory. pc_hyperv.c wires it to the virtual PC.
 *
 * Plain state under the platform's lock.
 */
#ifndef DRIVERS_VIRT_VHYPERV_H
#define DRIVERS_VIRT_VHYPERV_H

#include "abi/aerostat.h"
#include "drivers/virt/vdynmem.h"
#include "drivers/virt/vsynic.h"
#include "drivers/virt/vvmbus.h"

/* MSRs */
#define VHYPERV_MSR_GUEST_ID 0x40000000u
#define VHYPERV_MSR_HYPERCALL 0x40000001u
#define VHYPERV_MSR_INDEX 0x40000002u
#define VHYPERV_MSR_REFERENCE_TSC 0x40000021u
#define VHYPERV_MSR_TSC_FREQUENCY 0x40000022u
#define VHYPERV_MSR_APIC_FREQUENCY 0x40000023u
#define VHYPERV_MSR_ASSIST 0x40000073u
#define VHYPERV_MSR_TSC_INVARIANT 0x40000118u

#define VHYPERV_HYPERCALL_ENABLED 1u
#define VHYPERV_HYPERCALL_LOCKED 2u

/* Hypercalls: what is in the control word, and the results. */
#define VHYPERV_CALL_POST_MESSAGE 0x5cu
#define VHYPERV_CALL_SIGNAL_EVENT 0x5du
#define VHYPERV_CALL_CAPABILITIES 0x8001u
#define VHYPERV_CALL_MEMORY_HINT 0x8003u
#define VHYPERV_CALL_FAST (1ull << 16)

#define VHYPERV_OK 0u
#define VHYPERV_UNKNOWN_CALL 2u
#define VHYPERV_BAD_INPUT 3u
#define VHYPERV_BAD_ALIGNMENT 4u
#define VHYPERV_BAD_PARAMETER 5u
#define VHYPERV_NO_MEMORY 0xbu /* the guest is to try again */
#define VHYPERV_NO_CONNECTION 0x12u

struct vhyperv {
	uint64_t guest_id;
	uint64_t hypercall;
	uint64_t reference_tsc;
	uint64_t tsc_invariant;
	uint64_t assist[AEROSTAT_VCPUS_MAX];
	struct vsynic synic;
	struct vvmbus bus;
	struct vdynmem memory;
	bool event;	   /* the guest has not been told yet that its ring has something */
	bool attached;	   /* the balloon */
	bool reserve_used; /* a frame of the reserve was taken for the hypercall page */
	uint64_t next_tsc; /* something of it could not be delivered: WAKE_NEVER; or the memory's */
};

void vhyperv_reset(struct vhyperv *hyperv, uint64_t boot_pages);

/* False: it is no MSR of these. *fault: #GP, and nothing has changed. */
MUST_CHECK bool vhyperv_msr_read(const struct vhyperv *hyperv, unsigned index, uint32_t msr,
				 uint64_t *value, bool *fault);
MUST_CHECK bool vhyperv_msr_write(struct vhyperv *hyperv, const struct vguest *guest,
				  unsigned index, uint32_t msr, uint64_t value, bool *fault);

/* The call that is in RCX, RDX and R8; answers RAX. */
uint64_t vhyperv_hypercall(struct vhyperv *hyperv, const struct vguest *guest, uint64_t control,
			   uint64_t input, uint64_t output);

/* Goes on with what there is to do; `page` is the platform's balloon page. */
void vhyperv_step(struct vhyperv *hyperv, const struct vguest *guest,
		  struct aerostat_balloon_page *page, uint64_t now_tsc);

/* The core has changed its target: what follows for the statistics, and nothing else. */
void vhyperv_publish(const struct vhyperv *hyperv, const struct vguest *guest,
		     struct aerostat_balloon_page *page);

#endif
