/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which VM's memory became which other VM's, frame by frame: the command handovers. The first look
 * notes which VM has each frame; each later one finds those that are another VM's by now. A frame
 * that is free in between counts when the other VM has it, however much later. What changes hands
 * twice between two looks counts once. What a VM leaves behind when it ends is no handover; what it
 * leaves behind when it begins again is one.
 *
 * Nothing is noted when a frame changes hands, so this costs nothing but the looks, and a byte for
 * each frame from the first look on. Boot CPU only.
 */
#ifndef KERNEL_MONITOR_HANDOVERS_H
#define KERNEL_MONITOR_HANDOVERS_H

#include "kernel/monitor/command.h"

/* The command handovers [off]. NO_MEMORY: none is free for the notes. */
MUST_CHECK enum status handovers_run(const struct command_call *call, struct error *error);

/* Logs each pair of VMs between which there was one, as a result; nothing where none was noted. */
void handovers_print_results(void);

#endif
