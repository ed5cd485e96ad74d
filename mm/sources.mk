# SPDX-License-Identifier: BSD-2-Clause
# What the hypervisor is made of: frames and second-stage tables.

HV_C_SOURCES += \
	mm/alloc.c \
	mm/audit.c \
	mm/cache.c \
	mm/frame.c \
	mm/guest_copy.c \
	mm/memmap.c \
	mm/phys.c \
	mm/pool.c \
	mm/promise.c \
	mm/reclaim.c \
	mm/stage2/life.c \
	mm/stage2/map.c \
	mm/stage2/merge.c \
	mm/stage2/runs.c \
	mm/stage2/sample.c \
	mm/stage2/single.c \
	mm/stage2/split.c \
	mm/stage2/steps.c
