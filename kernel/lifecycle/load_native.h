/* SPDX-License-Identifier: BSD-2-Clause */
/* Puts a checked image and the start information into a new guest's memory. */
#ifndef KERNEL_LIFECYCLE_LOAD_NATIVE_H
#define KERNEL_LIFECYCLE_LOAD_NATIVE_H

#include "base/status.h"
#include "kernel/lib/elf.h"
#include "kernel/vm/vm.h"

/*
 * Copies the image's segments and, on the page behind it, the start information, whose address goes
 * to *start_info. NO_MEMORY: the host has not enough frames; OUTSIDE: max leaves no room for the
 * start information. The caller destroys the address space then.
 */
MUST_CHECK enum status loader_load(struct vm *vm, const void *file, const struct elf_image *image,
				   uint32_t *start_info);

#endif
