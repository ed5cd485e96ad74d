/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Going to sleep and being woken, as in kernel/sched/run_queue.c and kernel/sched/scheduler.c: three CPUs with a
 * queue each, two vCPUs that sleep for an event, and others who ring them. Idle CPUs halt, and steal
 * what is queued elsewhere. What must hold:
 *
 *   - no wake-up is lost: when nothing moves any more, every event was seen by its vCPU, and none
 *     is queued;
 *   - none is heard for ever: a doorbell that the guest holds off (vCPU 1 does, with interrupts off)
 *     stays pending, and ends one WAIT for each time that it rings;
 *   - a vCPU never runs on two CPUs, nor on one while another has its state in registers.
 *
 * Flags are set and read by instructions that order them; so there are no store buffers here. What
 * a queue's lock guards changes in one step, except where a vCPU is put back: others set its event
 * while that lock is held. Each #define below breaks one step, and spin must find what comes of it:
 *
 *	CHECK_OUTSIDE_THE_LOCK	whether there is an event is looked up before the queue is locked
 *	EVENT_AFTER_THE_LOCK	who rings looks at the vCPU first, and then sets the event
 *	IDLE_OUTSIDE_THE_LOCK	the CPU says that it is idle after it has let go of its queue
 *	IDLE_CPU_NOT_KICKED	who adds a vCPU to an idle CPU's queue does not wake it
 *	INTERRUPT_BEFORE_HALT	interrupts are taken between the last look and HLT
 *	RESIDENT_GIVEN_AWAY	a thief does not ask whose registers hold the vCPU's state
 *	PENDING_IS_NEWS	a doorbell that is held off ends each WAIT while it is pending
 */
#define CPUS 3
#define VCPUS 2
#define RINGS 1
#define NONE 9

mtype = { QUEUED, RUNNING, ASLEEP };

bool locked[CPUS]; /* queues, while a vCPU is put back */
bool idle[CPUS];
bool interrupt[CPUS]; /* pending */
mtype state[VCPUS];
byte home[VCPUS];
byte resident[VCPUS]; /* CPU whose registers hold its state */
bool pending[VCPUS];
bool rang[VCPUS];    /* and no WAIT has returned since */
byte visits;	      /* of the guest that holds its doorbell off */
byte running[VCPUS]; /* CPUs that run it */

#define HOLDS_OFF(vcpu) (vcpu == 1)

/* vcpu_has_news */
#ifdef PENDING_IS_NEWS
#define HAS_NEWS(vcpu) (pending[vcpu])
#else
#define HAS_NEWS(vcpu) (pending[vcpu] && (!HOLDS_OFF(vcpu) || rang[vcpu]))
#endif

#define IS_QUEUED(vcpu, queue) (state[vcpu] == QUEUED && home[vcpu] == queue)
#ifdef RESIDENT_GIVEN_AWAY
#define MAY_GO(vcpu) true
#else
#define MAY_GO(vcpu) (resident[vcpu] == NONE)
#endif

/* run_queue_take: the first that is queued here, which is RUNNING then. */
inline take(queue)
{
	atomic {
		!locked[queue] ->
		if
		:: IS_QUEUED(0, queue) -> vcpu = 0; state[0] = RUNNING
		:: !IS_QUEUED(0, queue) && IS_QUEUED(1, queue) -> vcpu = 1; state[1] = RUNNING
		:: else -> vcpu = NONE
		fi
	}
}

/* run_queue_give: the first that may go, which is RUNNING at the thief's then. */
inline give(queue)
{
	atomic {
		!locked[queue] ->
		if
		:: IS_QUEUED(0, queue) && MAY_GO(0) -> vcpu = 0
		:: !(IS_QUEUED(0, queue) && MAY_GO(0)) && IS_QUEUED(1, queue) && MAY_GO(1) -> vcpu = 1
		:: else -> vcpu = NONE
		fi;
		if
		:: vcpu != NONE -> state[vcpu] = RUNNING; home[vcpu] = self
		:: else
		fi
	}
}

proctype cpu(byte self)
{
	byte vcpu = NONE;
	byte kept = NONE; /* whose state is in this CPU's registers */
	bool over;
loop:	take(self);
	if
	:: vcpu != NONE -> goto run_it
	:: else
	fi;
	give((self + 1) % CPUS);
	if
	:: vcpu == NONE -> give((self + 2) % CPUS)
	:: else
	fi;
	if
	:: vcpu != NONE ->
		atomic { !locked[self] -> state[vcpu] = QUEUED; vcpu = NONE }
		goto loop
	:: else
	fi;
	/* sleep_until */
#ifdef IDLE_OUTSIDE_THE_LOCK
	atomic { !locked[self] -> over = IS_QUEUED(0, self) || IS_QUEUED(1, self) }
	idle[self] = !over;
#else
	atomic {
		!locked[self] ->
		over = IS_QUEUED(0, self) || IS_QUEUED(1, self);
		idle[self] = !over
	}
#endif
	if
	:: over -> over = false; goto loop
	:: else
	fi;
#ifdef INTERRUPT_BEFORE_HALT
	interrupt[self] = false;
#endif
end_halt: atomic { interrupt[self] -> interrupt[self] = false }
	atomic { !locked[self] -> idle[self] = false }
	goto loop;

run_it:	atomic {
		if
		:: kept != NONE && kept != vcpu -> resident[kept] = NONE
		:: else
		fi;
		assert(resident[vcpu] == (kept == vcpu -> self : NONE));
		kept = vcpu;
		resident[vcpu] = self;
		running[vcpu]++;
		assert(running[vcpu] == 1)
	}
	/*
	 * The guest takes what it lets through, and calls WAIT, which returns until there is no
	 * news; a kick only makes it leave earlier.
	 */
	atomic {
		interrupt[self] = false;
		if
		:: HOLDS_OFF(vcpu) -> visits++; assert(visits <= 2 * RINGS + 1)
		:: else -> pending[vcpu] = false
		fi;
		running[vcpu]--
	}
	/* run_queue_put */
#ifdef CHECK_OUTSIDE_THE_LOCK
	over = HAS_NEWS(vcpu);
	atomic { !locked[self] -> locked[self] = true }
#else
	atomic { !locked[self] -> locked[self] = true }
	over = HAS_NEWS(vcpu);
#endif
	atomic {
		state[vcpu] = (over -> QUEUED : ASLEEP);
		if
		:: over -> rang[vcpu] = false /* run_queue_add */
		:: else
		fi;
		locked[self] = false;
		over = false;
		vcpu = NONE
	}
	goto loop
}

/* Rings the vCPU now and then: vcpu_ring, scheduler_signal. */
proctype ringer(byte vcpu)
{
	byte round, at;
	bool kicks;
	for (round : 1 .. RINGS) {
#ifndef EVENT_AFTER_THE_LOCK
		pending[vcpu] = true;
		rang[vcpu] = true;
#endif
again:		at = home[vcpu];
		atomic {
			!locked[at] ->
			kicks = false;
			if
			:: home[vcpu] != at -> goto again
			:: else
			fi;
			if
			:: state[vcpu] == ASLEEP && HAS_NEWS(vcpu) ->
				state[vcpu] = QUEUED;
				rang[vcpu] = false;
#ifndef IDLE_CPU_NOT_KICKED
				kicks = idle[at]
#endif
			:: else -> kicks = state[vcpu] == RUNNING
			fi
		}
#ifdef EVENT_AFTER_THE_LOCK
		pending[vcpu] = true;
		rang[vcpu] = true;
#endif
		if
		:: kicks -> interrupt[at] = true
		:: else
		fi
	}
}

/* When nothing moves any more. */
proctype judge()
{
	timeout ->
	assert(!pending[0] && pending[1] && !rang[1]);
	assert(state[0] == ASLEEP && state[1] == ASLEEP)
}

init {
	atomic {
		state[0] = QUEUED;
		state[1] = QUEUED;
		home[1] = 1;
		resident[0] = NONE;
		resident[1] = NONE;
		run cpu(0);
		run cpu(1);
		run cpu(2);
		run ringer(0);
		run ringer(1);
		run judge()
	}
}
