/* SPDX-License-Identifier: BSD-2-Clause */
/* The vector registers as a place where a hypervisor might let something leak. */
#ifndef GUESTS_LIB_VECTOR_H
#define GUESTS_LIB_VECTOR_H

#include <stdint.h>

#define VECTOR_REGISTERS 16
#define VECTOR_WORDS 4 /* of a YMM register; the upper two stay as they are without AVX */

/* Puts the 16 bytes into every vector register, into both halves where there is AVX. */
void vector_load_all(const void *marker);

/* Reads them all: VECTOR_REGISTERS times VECTOR_WORDS words. */
void vector_store_all(uint64_t *words);

/* x87, SSE and AVX bits of XCR0 in use; 0 without XSAVE. */
extern uint32_t guest_xcr0;

#endif
