/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypervisor's own command line. */
#ifndef KERNEL_LIB_OPTIONS_H
#define KERNEL_LIB_OPTIONS_H

#include "base/error.h"
#include "base/types.h"
#include "arch/arch.h"
#include "arch/console.h"
#include "arch/screen.h"

#define OPTIONS_POLICY_BYTES 16
#define OPTIONS_SIZE_BYTES 16
#define OPTIONS_EXEC_MOST 511
#define OPTIONS_EXEC_BYTES (OPTIONS_EXEC_MOST + 1)

struct options {
	bool batch;		  /* finish when every VM has ended, then switch off */
	bool table;		  /* show the table of VMs once a second */
	uint64_t timeout_seconds; /* 0: none */
	uint64_t cpus_max;	  /* processors to use at most, 0: all */
	uint64_t audit_ms;	  /* run the auditor this often, 0: at the end only */
	bool mitigations_off;	  /* no measures against speculative execution */
	uint64_t vms;		  /* modules that there should be, 0: not said */
	char trace[64];		  /* what is traced from the start, as it was given; "": nothing */
	bool has_trace_port;	  /* and where it goes */
	struct console trace_port;
	enum end end; /* what follows the verdict, or the key q */
	enum screen_use screen;
	struct console console;
	char console_name[40];		     /* as it was given, for error messages */
	char policy[OPTIONS_POLICY_BYTES];   /* as it was given; empty: the default */
	char host_floor[OPTIONS_SIZE_BYTES]; /* likewise, as is the next */
	char host_reserve[OPTIONS_SIZE_BYTES];
	char exec[OPTIONS_EXEC_BYTES]; /* commands of the monitor, as they were given */
};

#define OPTIONS_COMPLAINTS_MAX 4

/* One error message for each word that was not understood and was therefore ignored. */
struct options_complaints {
	unsigned count; /* may be more than there is room for */
	struct error errors[OPTIONS_COMPLAINTS_MAX];
};

/* Pure. Unknown or malformed options leave their defaults. */
void options_parse(const char *text, struct options *options,
		   struct options_complaints *complaints);

#endif
