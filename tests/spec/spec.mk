# SPDX-License-Identifier: BSD-2-Clause
# The specification of the balloon interface, and which functions the oracle is put around (oracle.h).
# ORACLE=1 builds a hypervisor with it, in a folder of its own.

ORACLE_SOURCES := tests/spec/oracle.c tests/spec/pages.c tests/spec/plenty.c tests/spec/spec.c \
	tests/spec/spec_ranges.c tests/spec/watch.c
ORACLE_WRAPPED := balloon_release_step balloon_run_ranges balloon_run_words demand_fault \
	hypercall_handle s2_create s2_destroy_step s2_fault s2_merge s2_populate wait_queue_look \
	wait_queue_reserve

ifeq ($(ORACLE),1)
B := build/oracle
HV_C_SOURCES += $(ORACLE_SOURCES) tests/spec/oracle_report.c
ORACLE_LINK := $(ORACLE_WRAPPED:%=--wrap=%) --wrap=report_results
endif
