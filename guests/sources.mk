# SPDX-License-Identifier: BSD-2-Clause
# The guests: every name has its own folder; GUEST_name lists the sources that are not in the library.

GUESTS := steady idle hungry secret rogue bench probe hostile racer sleeper worker leftover modes nmi flat32 virtio backdoor vmbus small

GUEST_steady := guests/steady/main.c
GUEST_idle := guests/idle/main.c
GUEST_hungry := guests/hungry/main.c
GUEST_secret := guests/secret/main.c
GUEST_rogue := guests/rogue/main.c
GUEST_bench := $(addprefix guests/bench/,main.c measure.c area.c exits.c pages.c extents.c driver.c \
	pair.c doorbell.c stamp.S trace.c)
GUEST_probe := $(addprefix guests/probe/,main.c debug.c doorbell.c registers.c trap.c steps.S trap.S)
GUEST_hostile := guests/hostile/main.c guests/hostile/attack.c guests/hostile/devices.c guests/hostile/devices_entry.S guests/hostile/model.c \
	guests/hostile/pressure.c guests/hostile/processor.c guests/hostile/random.c \
	guests/hostile/requests.c guests/hostile/storm.c guests/hostile/trap.c \
	guests/hostile/requests_code.S guests/hostile/trap.S

GUEST_racer := $(addprefix guests/racer/,main.c race.c rewrite.c start.c touch.c start_code.S)
GUEST_small := $(addprefix guests/small/,main.c driver.c pool.c)
GUEST_sleeper := guests/sleeper/main.c
GUEST_worker := guests/worker/main.c
GUEST_leftover := guests/leftover/main.c guests/leftover/registers.c guests/leftover/xstate.c \
	guests/probe/trap.c guests/probe/trap.S
GUEST_modes := guests/modes/main.c guests/modes/classes.c guests/modes/mode32.S
GUEST_nmi := guests/nmi/main.c guests/nmi/entry.S
GUEST_flat32 := guests/flat32/main.S
# As a VM of another hypervisor it has no native calls.
GUEST_BARE := $(addprefix guests/lib/,bare.c bare_second.c bare_second.S memory.c start.S)
GUEST_virtio := $(addprefix guests/virtio/,main.c board.c measure.c ring.c wrong.c) $(GUEST_BARE)
GUEST_backdoor := $(addprefix guests/backdoor/,main.c measure.c wrong.c) $(GUEST_BARE)
GUEST_vmbus := $(addprefix guests/vmbus/,main.c bus.c game.c wrong.c) $(GUEST_BARE)
GUESTS_WITHOUT_LIB := flat32 virtio backdoor vmbus

GUEST_LIB_C_SOURCES := \
	guests/lib/arguments.c \
	guests/lib/balloon.c \
	guests/lib/page_state.c \
	guests/lib/console.c \
	guests/lib/fault.c \
	guests/lib/verified_pages.c \
	guests/lib/lock.c \
	guests/lib/memory.c \
	guests/lib/page_set.c \
	guests/lib/paging.c \
	guests/lib/palloc.c \
	guests/lib/palloc_choose.c \
	guests/lib/pattern.c \
	guests/lib/runtime.c \
	guests/lib/vcpu.c \
	guests/lib/wait.c
GUEST_LIB_ASM_SOURCES := \
	guests/lib/hypercall.S \
	guests/lib/start.S \
	guests/lib/vector.S \
	guests/lib/vectors.S

# Sources (of guests or of their library) that may use the vector registers.
GUEST_SSE_SOURCES := guests/lib/pattern.c

GUEST_LINKER_SCRIPT := guests/lib/guest.ld
