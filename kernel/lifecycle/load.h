/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM's files and what becomes of them: its kernel, told apart by content, and whatever goes with
 * it. First a plan, which is pure and says what is wrong with the files; then the copying.
 */
#ifndef KERNEL_LIFECYCLE_LOAD_H
#define KERNEL_LIFECYCLE_LOAD_H

#include "base/error.h"
#include "base/types.h"
#include "kernel/lib/bzimage.h"
#include "kernel/lib/elf.h"
#include "kernel/lib/image.h"
#include "kernel/vm/vm.h"

#define LOAD_FILES_MAX (1 + VM_FILES_MAX) /* its kernel and the further ones */

struct load_file {
	const uint8_t *bytes;
	uint64_t size;
	const char *text; /* what the kernel is told: the VM's arguments, or the file's own text */
};

struct load_files {
	unsigned count;
	struct load_file file[LOAD_FILES_MAX]; /* the first is the kernel */
};

struct load_plan {
	enum image_kind kind;
	bool is_linux;		/* it understands Linux's command line */
	struct elf_image elf;	/* of all kinds but LINUX */
	struct bzimage bzimage; /* of LINUX */
	/* Guest-physical; each of the further files has its own place. [0] is not used. */
	uint32_t place[LOAD_FILES_MAX];
	uint64_t bytes; /* what the kernel and its files take of RAM */
};

/* How the first vCPU begins: in 32-bit protected mode, segments flat, paging and interrupts off. */
struct load_entry {
	uint32_t eip;
	uint32_t eax;
	uint32_t ebx;
	uint32_t esi;
};

const char *load_kind_name(enum image_kind kind);

/*
 * Decides what kind of kernel the first file is, settles config->devices by it, and where all goes.
 * INVALID: *error says what is wrong; *config may have been settled.
 */
MUST_CHECK enum status load_plan(struct vm_config *config, const struct load_files *files,
				 struct load_plan *plan, struct error *error);

/*
 * Puts it all into the VM's RAM, which reads as zeros. NO_MEMORY: the host has not enough frames.
 * Others: *error says what is wrong. The caller destroys the address space then. Boot CPU only; no
 * vCPU of the VM runs. Takes the address space's lock.
 */
MUST_CHECK enum status load_run(struct vm *vm, const struct load_files *files,
				const struct load_plan *plan, struct load_entry *entry,
				struct error *error);

#endif
