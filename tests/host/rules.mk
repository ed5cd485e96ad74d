# SPDX-License-Identifier: BSD-2-Clause
# How host tests are built; host.mk says which program needs which sources:
#
#	HOST_TESTS := test_frame test_policy
#	HOST_test_frame := tests/host/mm/test_frame.c tests/host/fake_memory.c mm/frame.c

HOST_TESTS :=
HOST_EXTRA_FLAGS :=
include tests/host/host.mk

# What watches over the tests; tools/coverage puts its own there.
HOST_CHECKS := -fsanitize=address,undefined -fno-sanitize-recover=all

HOST_FLAGS := -std=gnu11 -O1 -g -fno-omit-frame-pointer $(HOST_CHECKS) -DAEROSTAT_HOST_TEST \
	-DAEROSTAT_DEBUG -Wall -Wextra $(WERROR_FLAG) -Wshadow -Wstrict-prototypes -Werror=implicit-function-declaration -Wvla -Wundef \
	-I include -I . -I tests/host $(HOST_EXTRA_FLAGS)

.PHONY: host-tests
host-tests: $(HOST_TESTS:%=$(B)/host/%)

$(B)/host/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(HOSTCC) $(HOST_FLAGS)' | cmp -s - $@ || echo '$(HOSTCC) $(HOST_FLAGS)' > $@

$(B)/host/obj/%.c.o: %.c $(B)/host/flags
	@mkdir -p $(@D)
	$(call say,HOST,$<)
	$(Q)$(HOSTCC) $(HOST_FLAGS) -MMD -MP -c $< -o $@

# What the assembler has read besides: tools/lab_objects.py.
$(B)/host/read/%.c.d: %.c $(B)/host/flags
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(HOST_FLAGS) -pipe -Wa,--MD,$@ -c $< -o $(@:.d=.o)

$(B)/host/obj/%.S.o: %.S $(B)/host/flags
	@mkdir -p $(@D)
	$(call say,HOST,$<)
	$(Q)$(HOSTCC) $(HOST_FLAGS) -D__ASSEMBLY__ -MMD -MP -c $< -o $@

define host_rule
$(B)/host/$(1): $(HOST_$(1):%=$(B)/host/$(or $(HOST_OBJECTS_$(1)),obj)/%.o)
	$$(call say,HOST,$$@)
	$(Q)$(HOSTCC) $$(HOST_FLAGS) $(HOST_LINK_$(1)) $$^ -lcmocka -o $$@
endef
$(foreach program,$(HOST_TESTS),$(eval $(call host_rule,$(program))))

HOST_OBJECTS := $(foreach program,$(HOST_TESTS), \
	$(HOST_$(program):%=$(B)/host/$(or $(HOST_OBJECTS_$(program)),obj)/%.o))

-include $(sort $(HOST_OBJECTS:.o=.d))
