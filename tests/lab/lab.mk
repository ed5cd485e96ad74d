# SPDX-License-Identifier: BSD-2-Clause
#
# The policy laboratory (docs/policy.md): a program for the machine that builds it, from the policies
# as they are and the sources here. Its numbers are integers, so any compiler's are the same.

LAB_WORLD := tests/lab/asks.c tests/lab/day.c tests/lab/demand.c tests/lab/fleet.c tests/lab/incidents.c tests/lab/patterns.c tests/lab/world.c
LAB_COMMON := $(LAB_WORLD) $(POLICY_SOURCES) kernel/lib/error.c kernel/lib/tunables.c
LAB_SOURCES := $(LAB_COMMON) tests/lab/fleet_main.c tests/lab/main.c
LAB_FLAGS := -std=gnu11 -O2 -g -DAEROSTAT_HOST_TEST -DAEROSTAT_DEBUG -Wall -Wextra $(WERROR_FLAG) -Wshadow -I include -I .

LAB_HEADERS := $(wildcard tests/lab/*.h kernel/overcommit/*.h kernel/overcommit/policies/*.h) kernel/lib/tunables.def

$(B)/lab/policy-lab: tests/lab/main.c
$(B)/lab/fleet: tests/lab/fleet_main.c
$(B)/lab/policy-lab $(B)/lab/fleet: $(LAB_COMMON) $(LAB_HEADERS)
	@mkdir -p $(@D)
	$(call say,HOST,$@)
	$(Q)$(HOSTCC) $(LAB_FLAGS) $(filter %.c,$^) -o $@

# The sweep is a list of independent commands, one for each cell: any scheduler can run it.
.PHONY: run-policy-lab
run-policy-lab: $(B)/lab/policy-lab
	$(Q)$< list > $(B)/lab/cells
	$(Q)$< head > $(B)/lab/cells.csv
	$(Q)sh -e $(B)/lab/cells >> $(B)/lab/cells.csv
	@echo "$$(wc -l < $(B)/lab/cells) cells in $(B)/lab/cells.csv"
	$(Q)$< incidents
	$(Q)$< table

# Fleets: the same, over hosts. GNU parallel runs the list here, any cluster's scheduler could.
SIMULATE_VMS := $(or $(VMS),$(if $(LONG),10000,1000))
SIMULATE_HOSTS := $(or $(HOSTS),$(if $(LONG),1000,100))
FLEET := $(B)/lab/fleets

.PHONY: run-simulate
run-simulate: $(B)/lab/fleet
	$(Q)rm -rf $(FLEET) && mkdir -p $(FLEET)
	$(Q)$< list '$(SIMULATE_VMS)' '$(SIMULATE_HOSTS)' '$(or $(SEEDS),1)' $(FLEET) > $(FLEET)/cells
	$(Q)$< head > $(FLEET)/cells.csv
	$(Q)if parallel --version 2>&1 </dev/null | grep -q '^GNU parallel'; then \
		parallel --keep-order --halt now,fail=1 < $(FLEET)/cells; else sh -e $(FLEET)/cells; fi >> $(FLEET)/cells.csv
	@tools/simulate $(FLEET)
