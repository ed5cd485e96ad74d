/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions: one readable line, then the end of the guest with code 100 + vector. */
#ifndef GUESTS_LIB_FAULT_H
#define GUESTS_LIB_FAULT_H

/* Loads the table of vectors: exceptions and the doorbell. */
void fault_init(void);

#endif
