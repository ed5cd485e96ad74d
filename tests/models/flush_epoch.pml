/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flush epochs of kernel/vm/tlb.h and kernel/vm/tlb.c: one CPU takes mappings out of a VM's tables,
 * two others run the VM. A mapping is a number; each one that is put in is the next. What must hold:
 *
 *   - when tlb_epoch_enforce() has returned, no CPU uses a mapping that was removed before the
 *     request, whatever its TLB had cached;
 *   - no CPU waits for ever: a CPU that stays in the guest until it is kicked does not hold up the
 *     others' end.
 *
 * Stores go through a store buffer per CPU, first in first out, and reach memory at any later time;
 * loads read memory (SDM vol. 3, 9.2.3.4: a load may pass an older store to another place). A locked
 * instruction empties the buffer first. Each #define below breaks one step, and spin must find what
 * comes of it:
 *
 *	ENTER_WITHOUT_FENCE	the announcement may still be in the buffer when the epoch is read
 *	REQUEST_WITHOUT_FENCE	the same on the other side
 *	COMPARE_BEFORE_ANNOUNCE	the epoch is read first
 *	NOBODY_WAITED_FOR	kicks, and does not wait
 *	NOBODY_KICKED		waits, and does not kick
 */
#define GUESTS 2
#define REQUESTER 2
#define ROUNDS 2
#define ENTRIES 2

/* Places in memory, as the store buffers name them. */
#define MAPPING 0
#define REQUESTED 1
#define ANNOUNCED(cpu) (2 + (cpu))
#define SEEN(cpu) (4 + (cpu))

byte memory[6];
byte tlb[GUESTS];  /* mapping that the CPU has cached; 0: none */
bool kicked[GUESTS];
byte dead;	   /* this mapping and all before it belong to somebody else by now */

chan buffer[3] = [2] of { byte, byte };

#define STORE(cpu, place, value) buffer[cpu] ! place, value
#define FENCE(cpu) empty(buffer[cpu])

proctype drain(byte cpu)
{
	byte place, value;
end:	do
	:: atomic { buffer[cpu] ? place, value -> memory[place] = value }
	od
}

proctype guest(byte cpu)
{
	byte requested, seen, entry;
	bool stays;
	for (entry : 1 .. ENTRIES) {
		/* tlb_enter */
#ifdef COMPARE_BEFORE_ANNOUNCE
		requested = memory[REQUESTED];
		STORE(cpu, ANNOUNCED(cpu), 1);
		FENCE(cpu);
#else
		STORE(cpu, ANNOUNCED(cpu), 1);
#ifndef ENTER_WITHOUT_FENCE
		FENCE(cpu);
#endif
		requested = memory[REQUESTED];
#endif
		if
		:: seen != requested ->
			tlb[cpu] = 0;
			STORE(cpu, SEEN(cpu), requested);
			seen = requested
		:: else
		fi;
		/* In the guest: accesses, in any number, until it leaves by itself or has to. */
		if
		:: stays = true
		:: stays = false
		fi;
end_stay:	do
		:: tlb[cpu] == 0 && memory[MAPPING] != 0 ->
			atomic { tlb[cpu] = memory[MAPPING]; assert(tlb[cpu] == 0 || tlb[cpu] > dead) }
		:: atomic { tlb[cpu] != 0 && tlb[cpu] <= dead -> assert(false) }
		:: kicked[cpu] -> kicked[cpu] = false; break
		:: !stays -> break
		od;
		/* tlb_leave */
		STORE(cpu, ANNOUNCED(cpu), 0)
	}
}

#define MAY_BE_STALE(cpu, epoch) (memory[ANNOUNCED(cpu)] == 1 && memory[SEEN(cpu)] < epoch)

proctype requester()
{
	byte round, cpu;
	for (round : 1 .. ROUNDS) {
		STORE(REQUESTER, MAPPING, round); /* a frame is mapped, */
		STORE(REQUESTER, MAPPING, 0);	  /* and taken out again */
		/* tlb_epoch_request: a locked addition */
#ifdef REQUEST_WITHOUT_FENCE
		STORE(REQUESTER, REQUESTED, round);
#else
		FENCE(REQUESTER);
		memory[REQUESTED] = round;
#endif
		/* tlb_epoch_enforce */
#ifndef NOBODY_KICKED
		for (cpu : 0 .. GUESTS - 1) {
			if
			:: MAY_BE_STALE(cpu, round) -> kicked[cpu] = true
			:: else
			fi
		}
#endif
#ifndef NOBODY_WAITED_FOR
		for (cpu : 0 .. GUESTS - 1) {
			!MAY_BE_STALE(cpu, round)
		}
#endif
		dead = round /* the frame goes to somebody else */
	}
}

init {
	atomic {
		run requester();
		run guest(0);
		run guest(1);
		run drain(0);
		run drain(1);
		run drain(REQUESTER)
	}
}
