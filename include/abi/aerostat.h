/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The native interface between Aerostat and its guests: entry state, CPUID leaves, hypercalls,
 * balloon page. docs/abi.md describes it in prose. Usable from C and from assembly.
 */
#ifndef ABI_AEROSTAT_H
#define ABI_AEROSTAT_H

#define AEROSTAT_ABI_VERSION 1

/* CPUID: leaf 0x4000_0000 gives the highest leaf in EAX and "AEROSTAT-HV1" in EBX, ECX, EDX. */
#define AEROSTAT_CPUID_SIGNATURE 0x40000000
/* EAX = ABI version, EBX = AEROSTAT_FEATURE_*, ECX = vCPUs of this VM, EDX = number of this one. */
#define AEROSTAT_CPUID_INTERFACE 0x40000001
#define AEROSTAT_CPUID_TIMING 0x40000010  /* EAX = TSC frequency in kHz */
#define AEROSTAT_SIGNATURE_EBX 0x4f524541 /* "AERO" */
#define AEROSTAT_SIGNATURE_ECX 0x54415453 /* "STAT" */
#define AEROSTAT_SIGNATURE_EDX 0x3156482d /* "-HV1" */

#define AEROSTAT_FEATURE_BALLOON 0x1   /* balloon page, surrender, return */
#define AEROSTAT_FEATURE_WAIT 0x2      /* AEROSTAT_CALL_WAIT */
#define AEROSTAT_FEATURE_REPORT 0x4    /* AEROSTAT_CALL_BALLOON_REPORT */
#define AEROSTAT_FEATURE_EMERGENCY 0x8 /* AEROSTAT_CALL_BALLOON_EMERGENCY */
#define AEROSTAT_FEATURE_VCPUS 0x10    /* AEROSTAT_CALL_VCPU_* */
#define AEROSTAT_FEATURE_VMMCALL 0x100 /* the instruction of hypercalls is VMMCALL */

/*
 * Hypercalls: VMCALL, or VMMCALL where AEROSTAT_FEATURE_VMMCALL says so, at CPL 0. RAX = number,
 * arguments in RDI, RSI, RDX, R10; unused arguments are zero. RAX = result: a count >= 0, or one of
 * AEROSTAT_ERROR_* < 0. Nothing else changes.
 */
#define AEROSTAT_CALL_NULL 0
#define AEROSTAT_CALL_EXIT 1		  /* RDI = exit code (0 is success), RSI = digest */
#define AEROSTAT_CALL_CONSOLE_WRITE 2	  /* RDI = address of text, RSI = bytes <= 200 */
#define AEROSTAT_CALL_WAIT 3		  /* RDI = TSC deadline, 0 for none */
#define AEROSTAT_CALL_BALLOON_ATTACH 4	  /* RDI = gfn of the balloon page, RSI = vector or 0 */
#define AEROSTAT_CALL_BALLOON_DETACH 5	  /* */
#define AEROSTAT_CALL_BALLOON_SURRENDER 6 /* RDI = address of ranges, RSI = count of ranges */
#define AEROSTAT_CALL_BALLOON_RETURN 7	  /* RDI = address of ranges, RSI = count of ranges */
#define AEROSTAT_CALL_BALLOON_REPORT 8	  /* RDI = address of ranges, RSI = count of ranges */
#define AEROSTAT_CALL_BALLOON_EMERGENCY 9 /* RDI = address of ranges, RSI = count of ranges */
#define AEROSTAT_CALL_VCPU_START 10	  /* RDI = vCPU, RSI = entry, RDX = its EBX at entry */
#define AEROSTAT_CALL_VCPU_DOORBELL 11	  /* RDI = vector of this vCPU's doorbell, 0: none */
#define AEROSTAT_CALL_VCPU_RING 12	  /* RDI = vCPU whose doorbell is to ring */
#define AEROSTAT_CALL_COUNT 13

#define AEROSTAT_ERROR_UNKNOWN_CALL (-1) /* no such number */
#define AEROSTAT_ERROR_RESERVED (-2)	 /* an unused argument or reserved field is not zero */
#define AEROSTAT_ERROR_PRIVILEGE (-3)	 /* not at CPL 0 in 64-bit or 32-bit protected mode */
#define AEROSTAT_ERROR_ADDRESS (-4) /* not in RAM, surrendered, misaligned, or crosses a page */
#define AEROSTAT_ERROR_COUNT (-5)   /* zero, or more than the call allows */
#define AEROSTAT_ERROR_STATE (-6)   /* attached or started already, or not; no doorbell */
#define AEROSTAT_ERROR_VECTOR (-7)  /* doorbell vector below 32 or above 255 */
#define AEROSTAT_ERROR_VCPU (-8)    /* the VM has no such vCPU */

#define AEROSTAT_VCPUS_MAX 8 /* of one VM */
#define AEROSTAT_CONSOLE_BYTES_MAX 200
#define AEROSTAT_RANGES_MAX 170		  /* all within one page */
#define AEROSTAT_CALL_WORK_MAX 1024	  /* units of work before a call answers early */
#define AEROSTAT_START_MAGIC 0x54534541	  /* "AEST" */
#define AEROSTAT_BALLOON_MAGIC 0x4c424541 /* "AEBL" */
#define AEROSTAT_NOTE_OWNER "Aerostat"	  /* of the ELF note that marks a native guest */
#define AEROSTAT_NOTE_NATIVE 1		  /* its type; it has no contents */
#define AEROSTAT_COMMAND_LINE_BYTES 512
#define AEROSTAT_NAME_BYTES 24

/* Status of one range, written back by the hypervisor. */
#define AEROSTAT_RANGE_PENDING 0	 /* not looked at yet, or begun: `done` says how far */
#define AEROSTAT_RANGE_OK 1		 /* all extents done */
#define AEROSTAT_RANGE_BAD_ORDER 2	 /* order is not 0, 9 or 18 */
#define AEROSTAT_RANGE_BAD_COUNT 3	 /* count is zero, or done > count */
#define AEROSTAT_RANGE_MISALIGNED 4	 /* gfn is not a multiple of 2^order */
#define AEROSTAT_RANGE_OUTSIDE 5	 /* not all of it is in the guest's RAM */
#define AEROSTAT_RANGE_SURRENDERED 6	 /* in the balloon already */
#define AEROSTAT_RANGE_NOT_SURRENDERED 7 /* return of what is not in the balloon */
#define AEROSTAT_RANGE_MIXED 8		 /* in part in the balloon, or in pieces: see abi.md */
#define AEROSTAT_RANGE_IN_USE 9		 /* the balloon page, or the page that holds the ranges */
#define AEROSTAT_RANGE_NO_MEMORY 10	 /* the hypervisor cannot split its tables now: try later */
#define AEROSTAT_RANGE_RESERVED 11	 /* a reserved field is not zero */

/* aerostat_range.flags, written by a return. */
#define AEROSTAT_RANGE_FLAG_ZERO 0x1   /* every page reads as zero on its next touch */
#define AEROSTAT_RANGE_FLAG_BACKED 0x2 /* emergency: every page has its frame already */

/* aerostat_balloon_page.pressure */
#define AEROSTAT_PRESSURE_NONE 0 /* frames are plentiful */
#define AEROSTAT_PRESSURE_LOW 1	 /* the host is short and asks */
#define AEROSTAT_PRESSURE_HIGH 2 /* a vCPU waits for a frame now */

#ifndef __ASSEMBLER__

#include <stdint.h>

/*
 * `count` extents of 2^order pages each, from page `gfn` on. The hypervisor starts at extent
 * `done` and advances it: a call that answered early is continued by issuing it again unchanged
 * from the first range whose status is PENDING.
 */
struct aerostat_range {
	uint64_t gfn;
	uint32_t count;
	uint8_t order;
	uint8_t status;
	uint16_t reserved;
	uint32_t done;
	uint32_t flags;
};

/* EBX holds its guest-physical address when a guest starts. */
struct aerostat_start_info {
	uint32_t magic;	    /* AEROSTAT_START_MAGIC */
	uint32_t version;   /* AEROSTAT_ABI_VERSION */
	uint64_t ram_pages; /* RAM is [0, ram_pages) */
	uint64_t mem_pages; /* allotment */
	uint64_t min_pages; /* guaranteed */
	uint64_t tsc_khz;
	uint64_t kernel_end;				/* first byte behind the loaded image */
	char command_line[AEROSTAT_COMMAND_LINE_BYTES]; /* terminated, as is the name */
	char name[AEROSTAT_NAME_BYTES];
};

struct aerostat_balloon_page {
	/* Written by the hypervisor. */
	uint32_t magic;	       /* AEROSTAT_BALLOON_MAGIC */
	uint32_t version;      /* AEROSTAT_ABI_VERSION */
	uint64_t target_pages; /* how many pages the balloon should hold */
	uint64_t size_pages;   /* how many it holds */
	uint32_t pressure;     /* AEROSTAT_PRESSURE_* */
	uint32_t doorbells;    /* how often the target has changed */
	uint64_t target_tsc;   /* TSC when the target changed last, 0: never */
	uint64_t hypervisor_reserved[3];
	/* Written by the guest, read once a policy period. */
	uint64_t total_pages;	/* pages its allocator manages, balloon included */
	uint64_t free_pages;	/* free and not in the balloon */
	uint64_t idle_pages;	/* of those, touched before: giving them frees frames */
	uint64_t wanted_pages;	/* asked for by its users and not to be had */
	uint64_t refault_count; /* surrendered pages needed again */
	uint64_t guest_reserved[3];
};

_Static_assert(sizeof(struct aerostat_range) == 24, "ABI");
_Static_assert(AEROSTAT_RANGES_MAX * sizeof(struct aerostat_range) <= 4096, "ABI");
_Static_assert(sizeof(struct aerostat_start_info) == 584, "ABI");
_Static_assert(__builtin_offsetof(struct aerostat_balloon_page, total_pages) == 64, "ABI");
_Static_assert(sizeof(struct aerostat_balloon_page) == 128, "ABI");

#endif
#endif
