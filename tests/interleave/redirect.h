/* SPDX-License-Identifier: BSD-2-Clause */
/* Before everything else in each instrumented source: a step of waiting lets other CPUs go on. */
#ifndef INTERLEAVE_REDIRECT_H
#define INTERLEAVE_REDIRECT_H

void interleave_pause(void);

#define __builtin_ia32_pause() interleave_pause()

#endif
