/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What C and the real-mode code of a vCPU that was started by a startup IPI tell each other: words
 * at the end of its page, from REAL_NOTES on.
 */
#ifndef GUESTS_NMI_REAL_MODE_H
#define GUESTS_NMI_REAL_MODE_H

#define REAL_PAGE 0x60000
#define REAL_NOTES 0xe00
#define REAL_STARTS 0xe00    /* how often it began */
#define REAL_WRONG 0xe04     /* how many of those with other registers than INIT makes */
#define REAL_FOUND 0xe08     /* the value that was wrong first */
#define REAL_SIGNATURE 0xe0c /* what EDX has to be */
#define REAL_NMIS 0xe10	     /* that arrived there */
#define REAL_BEYOND 0xe14    /* how often it went on behind an INIT for itself */
#define REAL_PLAY 0xe18	     /* what it does then: 0: HLT for good; 1: INIT for itself */
#define REAL_READY 0xe1c     /* its vectors are set up, and it halts */

#define NMI_VECTOR 2

#endif
