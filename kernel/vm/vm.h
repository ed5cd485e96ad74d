/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual machine: what it was promised, what it holds, its balloon and its vCPUs. The table of
 * VMs is static; a slot is never reused within one boot, so that reports can name the ended.
 *
 * Locks: the balloon and the peaks belong to the VM's address space and are changed under its lock.
 * Counters are read without it: a value that is a moment old will do. `state` changes once from
 * RUNNING, by compare and exchange, so that a VM ends for one reason only. The boot CPU alone reads
 * vm_count, and adds to it.
 */
#ifndef KERNEL_VM_VM_H
#define KERNEL_VM_VM_H

#include "abi/aerostat.h"
#include "base/status.h"
#include "base/trace.h"
#include "base/types.h"
#include "kernel/vm/vcpu.h"
#include "kernel/vm/vm_config.h"
#include "mm/stage2/map.h"
#include "mm/stage2/sample.h"

#ifndef VMS_MAX /* small worlds have less */
#define VMS_MAX 64
#endif

enum vm_state {
	VM_UNUSED,
	VM_REFUSED, /* its module or configuration was not acceptable */
	VM_RUNNING,
	VM_FINISHED,   /* said so itself, with an exit code */
	VM_KILLED,     /* ended by the hypervisor */
	VM_RESTARTING, /* reset by its guest: taken apart, then built again from its files */
	VM_LATER,      /* start=later: its files are kept, and nothing else is there yet */
	VM_STATES,
};

/* The balloon as the core sees it. */
struct balloon {
	bool attached;
	gfn_t page_gfn; /* pinned while attached */
	/* Where the core writes its target and reads what the driver says of its VM. */
	struct aerostat_balloon_page *page;
	bool by_device; /* that page is a device's, and no page of the guest */
	uint64_t target_pages;
	uint64_t target_peak_pages;
	uint64_t size_peak_pages;
	uint64_t surrendered_pages; /* since start, as are the next three */
	uint64_t returned_pages;
	uint64_t touched_pages;	 /* taken back by touching */
	uint64_t reported_pages; /* contents dropped by free-page reports */
	bool fixed;		 /* the operator, not the policy, has set the target: */
	uint64_t fixed_pages;
	uint64_t floor_pages;	    /* no target is less: the operator has set a lower max */
	uint64_t driver_debt_pages; /* to be freed for what its driver had from the reserve */
	/* The governor's, to judge the driver: what it was asked for, when, and at which size. */
	uint64_t asked_pages;
	uint64_t asked_tsc;
	uint64_t asked_size_pages;
	uint64_t given_pages;	     /* freed since, and of use to others; atomic */
	uint64_t given_before_pages; /* and before, since start */
	bool unresponsive;	     /* missed a deadline and has not given enough since */
	/*
	 * Of a driver that reports nothing and comes for its target itself: what it was told last
	 * (or less, where the target was lower since; atomic) and when, and the size below which
	 * its guest could not go, and when that was seen (kernel/overcommit/silent_driver.c). Valid
	 * while attached.
	 */
	bool silent;
	uint64_t told_pages;
	uint64_t told_tsc;
	uint64_t least_size_pages;
	uint64_t least_size_tsc;
	bool needed; /* others wait for what it has above its allotment; atomic */
	uint64_t
		under_way_pages; /* a driver inflates to that, though the target may be lower now */
};

/* What kernel/overcommit/working_set.c knows of how much memory the VM uses. */
struct working_set {
	struct s2_sample sample;
	uint64_t due_tsc; /* of the next step; 0: has not been looked at */
	bool begun;	  /* a sample is under way until then */
	bool known;	  /* there has been one */
	uint64_t active_pages;
};

struct guest_console;
struct platform;

struct vm {
	enum vm_state state;
	bool paused;	  /* by the operator: none of its vCPUs runs, however it is woken; atomic */
	vm_id_t id;	  /* index in the table + 1 */
	vm_id_t files_of; /* whose modules it is made of: its own id, or that of another VM */
	struct vm_config config;
	struct s2 s2;
	bool s2_exists; /* from s2_create to the end of the teardown */
	struct vcpu vcpus[AEROSTAT_VCPUS_MAX];
	struct platform *platform;     /* its devices (kernel/vm/platform.h); NULL: devices=none */
	struct guest_console *console; /* NULL: it has none; changed by the boot CPU */
	struct balloon balloon;
	struct working_set working_set;
	struct {
		bool wanted;
		int64_t left_ticks; /* may be below zero by one run */
	} boost;		    /* kernel/sched/boost.h; atomic */
	uint64_t wait_peak_ticks;   /* longest that a touch has waited for its frame */
	uint64_t held_peak_pages;
	uint64_t large_peak_pages; /* mapped by entries of 2 MiB or more */
	uint64_t exit_code;
	uint64_t digest;
	uint64_t ended_tsc;
	/* Ticks that its start took (0: it was refused), its teardown, the longest step of that. */
	uint64_t start_ticks;
	uint64_t own_pages; /* of the hypervisor, for its tables, vCPUs and devices when it began */
	uint64_t teardown_ticks;
	uint64_t teardown_step_ticks;
	const char *end_reason; /* of REFUSED and KILLED */
	uint64_t begun_tsc;	/* of its last start */
	uint64_t restarts;
	unsigned quick_restarts; /* one after the other, each soon after its start */
	struct {
		uint64_t window_start_tsc;
		unsigned lines;
		unsigned suppressed;
	} log; /* rate limit */
};

extern struct vm vms[VMS_MAX];
extern unsigned vm_count; /* slots in use, VM_REFUSED ones included */

/* An event of a VM that its guest can cause at will: at most VM_LOG_LINES_PER_SECOND of them. */
#define VM_LOG_LINES_PER_SECOND 20
void vm_log(struct vm *vm, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Some vCPU of it waits for a frame; since when the first of them does, or UINT64_MAX. A paused VM
 * waits for its operator only.
 */
bool vm_waits_for_memory(const struct vm *vm);
uint64_t vm_blocked_since(const struct vm *vm);

/*
 * It waits for a frame, and may as well be asked for others: it has its allotment, and a vCPU that
 * could serve the balloon now, because it runs, or a new target would end its WAIT or HLT. Or a VM
 * could keep what it has by letting one of its vCPUs wait for ever.
 */
bool vm_acts_while_waiting(const struct vm *vm);

/* Sums over its vCPUs. */
uint64_t vm_exit_count(const struct vm *vm);
uint64_t vm_fault_count(const struct vm *vm);
uint64_t vm_hypercall_count(const struct vm *vm);

/* Of the lines that the rate limit has swallowed there is one line at least: says how many. */
void vm_log_suppressed(struct vm *vm);

/*
 * Keeps the most that the VM has held; called before anything is taken out, not at every fill. Its
 * lock is held, as for the next.
 */
void vm_note_peaks(struct vm *vm);

static inline enum vm_state vm_state_now(const struct vm *vm)
{
	return __atomic_load_n(&vm->state, __ATOMIC_ACQUIRE);
}

/* Behind an access to a device: it may have stopped the vCPU (INIT), or ended or reset the VM. */
static inline bool vm_lets_go_on(const struct vcpu *vcpu)
{
	return vm_state_now(vcpu->vm) == VM_RUNNING && !vcpu_is_to_stop(vcpu);
}

static inline bool vm_is_paused(const struct vm *vm)
{
	return __atomic_load_n(&vm->paused, __ATOMIC_ACQUIRE);
}

/* It ran and does not run any more. */
static inline bool vm_is_over(const struct vm *vm)
{
	enum vm_state state = vm_state_now(vm);
	return state == VM_FINISHED || state == VM_KILLED;
}

/* It runs, or will again. */
static inline bool vm_is_alive(const struct vm *vm)
{
	enum vm_state state = vm_state_now(vm);
	return state == VM_RUNNING || state == VM_RESTARTING;
}

/* For trace_note(). */
static inline uint32_t vm_trace_who(const struct vm *vm)
{
	return trace_who(vm->id, 0);
}

static inline uint32_t vcpu_trace_who(const struct vcpu *vcpu)
{
	return trace_who(vcpu->vm->id, vcpu->index);
}

/* What the operator lets it hold: its RAM, or less (the command set NAME max). */
static inline uint64_t vm_max_pages(const struct vm *vm)
{
	return vm->config.max_pages - vm->balloon.floor_pages;
}

static inline const char *vm_name(const struct vm *vm)
{
	return vm->config.name;
}

#endif
