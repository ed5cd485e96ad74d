/* SPDX-License-Identifier: BSD-2-Clause */
/* CR8 of every class against a doorbell of every class (docs/abi.md, WAIT and HLT). */
#ifndef GUESTS_MODES_CLASSES_H
#define GUESTS_MODES_CLASSES_H

#include <stdint.h>

/* So many times all of them; an exit code. On vCPU 0, whose table of vectors it replaces. */
int classes_run(uint64_t rounds);

#endif
