/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions: one readable line, then the end of the guest with code 100 + vector. */
#ifndef GUESTS_LIB_FAULT_H
#define GUESTS_LIB_FAULT_H

/* Fills the table of vectors: exceptions and the doorbell. Once, before fault_load. */
void fault_init(void);

/* Loads it on this vCPU. */
void fault_load(void);

#endif
