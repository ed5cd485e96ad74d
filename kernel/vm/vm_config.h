/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's configuration as its module's string gives it:
 *
 *	name=hungry mem=32M min=8M max=64M shares=100 buffer=20 on-touch=zero vcpus=2 cpu=0-1
 *weight=100 -- arguments for the guest
 *
 * and the string of a module that is a further file of a VM, an initrd for example:
 *
 *	of=hungry -- text for the guest
 *
 * Pure: no hardware, no allocation, nothing corrected silently.
 */
#ifndef KERNEL_VM_VM_CONFIG_H
#define KERNEL_VM_VM_CONFIG_H

#include "abi/aerostat.h"
#include "base/error.h"
#include "base/types.h"
#include "kernel/lib/words.h"

#define VM_NAME_BYTES 24
#define VM_BUFFER_MAX 2000 /* percent */
#define VM_FILES_MAX 15	   /* of one VM, besides its kernel */

enum on_touch {
	ON_TOUCH_ZERO,	/* a zero page, charged to the guest */
	ON_TOUCH_FAULT, /* #GP in the guest */
	ON_TOUCH_STOP,	/* the guest is over */
};

/* What the VM has besides RAM, processors and hypercalls. */
enum devices {
	DEVICES_BY_IMAGE, /* the virtual PC, but for a native guest */
	DEVICES_NONE,
	DEVICES_PC,
};

/* What becomes of a VM with devices that resets itself. */
enum on_reboot {
	ON_REBOOT_DEFAULT, /* not given: restart, where there are devices */
	ON_REBOOT_RESTART,
	ON_REBOOT_STOP,
};

/*
 * Which hypervisor CPUID shows to a VM with devices, and so which balloon driver of a stock kernel
 * finds its device.
 */
enum personality {
	AS_PLAIN, /* Aerostat itself, with its own hypercalls */
	AS_KVM,
	AS_VMWARE,
	AS_HYPERV,
	PERSONALITY_COUNT,
};

struct vm_config {
	char name[VM_NAME_BYTES];
	uint64_t mem_pages; /* allotment: what it has in normal times */
	uint64_t min_pages; /* guaranteed; the balloon never asks below it */
	uint64_t max_pages; /* its RAM is [0, max) */
	/* startup=: its RAM as the kernel is told at boot; as=hyper-v adds the rest while it runs.
	 */
	uint64_t boot_pages;
	uint64_t shares;	 /* weight when there is not enough for all, 1..10000 */
	uint64_t buffer_percent; /* of its demand: what it keeps beyond it (policy demand) */
	enum on_touch on_touch;
	unsigned vcpus;	   /* 1 .. AEROSTAT_VCPUS_MAX */
	uint64_t cpu_mask; /* processors that may run it; all ones: any */
	uint64_t weight;   /* share of the processor of each of its vCPUs, 1..10000 */
	enum devices devices;
	enum on_reboot on_reboot;
	enum personality as;
	bool later;	       /* start=later: loaded, and begun by an operator's command */
	uint64_t files;	       /* how many further files there must be; 0: any number */
	const char *arguments; /* the end of the parsed text, or empty */
};

/*
 * Parses `text`. name= and mem= are required; max defaults to mem, min to a quarter of mem, shares
 * to 100, buffer to 20, on-touch to zero, vcpus to 1, cpu to all, weight to 100, as to plain,
 * startup to mem with as=hyper-v and to max else, start to boot, devices and
 * on-reboot to what the image decides. INVALID: *error says what is wrong with which value, and
 * *config holds at least the name if there was a good one. `text` must last as long as *config.
 */
MUST_CHECK enum status vm_config_parse(const char *text, struct vm_config *config,
				       struct error *error);

/*
 * The same with changes: words KEY=VALUE that stand in the place of what `text` says of these keys.
 * They need not last. INVALID, too: one of them is start=, which is for modules only.
 */
MUST_CHECK enum status vm_config_parse_changed(const char *text, const struct word *changes,
					       unsigned count, struct vm_config *config,
					       struct error *error);

/* The string of a module begins with of=, so it is a file of a VM and not a VM. */
bool vm_config_is_file(const char *text);

/* The string is `script`: commands for the monitor, and neither a VM nor a file of one. */
bool vm_config_is_script(const char *text);

/* A further file of a VM. */
struct vm_file_config {
	char of[VM_NAME_BYTES]; /* the VM's name; empty: it was not a good one */
	const char *arguments;	/* the end of the parsed text, or empty */
};

/* Parses the string of such a module. INVALID: *error says what is wrong; `of` is kept if good. */
MUST_CHECK enum status vm_config_parse_file(const char *text, struct vm_file_config *config,
					    struct error *error);

/* The word behind as=. */
const char *personality_name(enum personality personality);

/* A size such as 64M, 512K, 1G or 8192; a multiple of 4 KiB, below 2^44. */
MUST_CHECK enum status vm_config_parse_size(const char *text, size_t length, uint64_t *pages);

#endif
