# SPDX-License-Identifier: BSD-2-Clause
#
# The policy laboratory (docs/policy.md): a program for the machine that builds it, from the policies
# as they are and the sources here. Its numbers are integers, so any compiler's are the same.

LAB_WORLD := tests/lab/incidents.c tests/lab/patterns.c tests/lab/world.c
LAB_SOURCES := $(LAB_WORLD) tests/lab/main.c $(POLICY_SOURCES) kernel/lib/error.c kernel/lib/tunables.c
LAB_FLAGS := -std=gnu11 -O2 -g -DAEROSTAT_HOST_TEST -DAEROSTAT_DEBUG -Wall -Wextra $(WERROR_FLAG) -Wshadow -I include -I .

$(B)/lab/policy-lab: $(LAB_SOURCES) $(wildcard tests/lab/*.h kernel/overcommit/*.h kernel/overcommit/policies/*.h) \
		kernel/lib/tunables.def
	@mkdir -p $(@D)
	$(call say,HOST,$@)
	$(Q)$(HOSTCC) $(LAB_FLAGS) $(LAB_SOURCES) -o $@

# The sweep is a list of independent commands, one for each cell: any scheduler can run it.
.PHONY: run-policy-lab
run-policy-lab: $(B)/lab/policy-lab
	$(Q)$< list > $(B)/lab/cells
	$(Q)$< head > $(B)/lab/cells.csv
	$(Q)sh -e $(B)/lab/cells >> $(B)/lab/cells.csv
	@echo "$$(wc -l < $(B)/lab/cells) cells in $(B)/lab/cells.csv"
	$(Q)$< incidents
	$(Q)$< table
