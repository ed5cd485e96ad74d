/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Vocabulary of every layer: fixed-width integers and boxed addresses.
 *
 * A host-physical address, a guest-physical address and their frame numbers are four different
 * things; each is a one-member structure, so that handing one to a function that wants another
 * does not compile. Frames are 4 KiB.
 */
#ifndef BASE_TYPES_H
#define BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT 12
#define PAGE_BYTES 4096ul

/* Orders of the extents that processors can map: an extent of order n is 2^n frames. */
#define ORDER_4K 0
#define ORDER_2M 9
#define ORDER_1G 18

typedef struct {
	uint64_t v;
} hpa_t; /* host-physical address, bytes */

typedef struct {
	uint64_t v;
} gpa_t; /* guest-physical address, bytes */

typedef struct {
	uint64_t n;
} pfn_t; /* host frame number */

typedef struct {
	uint64_t n;
} gfn_t; /* guest frame number */

/* Owner of a frame: 0 is the host itself, 1.. are VMs. */
typedef uint16_t vm_id_t;
#define VM_ID_HOST ((vm_id_t)0)

static inline hpa_t pfn_to_hpa(pfn_t pfn)
{
	return (hpa_t){pfn.n << PAGE_SHIFT};
}

static inline pfn_t hpa_to_pfn(hpa_t hpa)
{
	return (pfn_t){hpa.v >> PAGE_SHIFT};
}

static inline gfn_t gpa_to_gfn(gpa_t gpa)
{
	return (gfn_t){gpa.v >> PAGE_SHIFT};
}

static inline gpa_t gfn_to_gpa(gfn_t gfn)
{
	return (gpa_t){gfn.n << PAGE_SHIFT};
}

#endif
