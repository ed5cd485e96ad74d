# SPDX-License-Identifier: BSD-2-Clause
# Rules that compile and link: the hypervisor, the guests, the image for a boot loader.

# ---- Rebuild when the flags change ---------------------------------------------------------------

FLAGS_LINE := $(CC) $(HV_FLAGS) $(HV_LDFLAGS) $(GUEST_FLAGS)
$(shell mkdir -p $(B); printf '%s\n' '$(FLAGS_LINE)' | cmp -s - $(B)/flags || \
	printf '%s\n' '$(FLAGS_LINE)' > $(B)/flags)

# ---- The hypervisor ------------------------------------------------------------------------------

HV_OBJECTS := $(HV_C_SOURCES:%=$(B)/hv/%.o) $(HV_ASM_SOURCES:%=$(B)/hv/%.o)

$(B)/hv/%.c.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(HV_FLAGS) -MMD -MP -c $< -o $@

$(B)/hv/%.S.o: %.S $(B)/include/asm_offsets.h $(B)/flags
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CC) $(HV_ASM_FLAGS) -MMD -MP -c $< -o $@

# Structure offsets for assembly: the compiler leaves lines `->NAME VALUE` in its output.
$(B)/include/asm_offsets.h: arch/x86/asm_offsets.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)$(CC) $(HV_FLAGS) -MMD -MP -MF $(B)/asm_offsets.d -MT $@ -S $< -o $(B)/asm_offsets.s
	@{ echo '/* Generated from $<. */'; \
	   sed -n 's/^.*"->\([A-Za-z_][A-Za-z0-9_]*\) [$$]*\(-\{0,1\}[0-9]*\)".*$$/#define \1 \2/p' \
		$(B)/asm_offsets.s; } > $@

# Linked until the table of symbols inside the image describes the image: see tools/link-image.
$(B)/aerostat.elf: $(HV_OBJECTS) linker.ld tools/link-image tools/gen-symbols $(B)/flags
	$(call say,LD,$@)
	@tools/link-image $@ $(B)/symbols '$(CC)' '$(NM)' \
		$(LD) $(HV_LDFLAGS) -T linker.ld $(HV_OBJECTS)
	@$(NM) -n $@ > $(B)/aerostat.sym
	@$(OBJDUMP) -d $@ > $(B)/aerostat.asm

# ---- Guests --------------------------------------------------------------------------------------

GUEST_LIB_OBJECTS := $(GUEST_LIB_C_SOURCES:%=$(B)/obj/%.o) $(GUEST_LIB_ASM_SOURCES:%=$(B)/obj/%.o)
GUEST_OBJECTS := $(foreach guest,$(GUESTS),$(GUEST_$(guest):%=$(B)/obj/%.o))

# -mgeneral-regs-only everywhere except where a file is listed as a user of vector registers.
guest_vector_flags = $(if $(filter $<,$(GUEST_SSE_SOURCES)),-msse2,-mgeneral-regs-only)

$(B)/obj/%.c.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(GUEST_FLAGS) $(guest_vector_flags) -MMD -MP -c $< -o $@

$(B)/obj/%.S.o: %.S $(B)/flags
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CC) $(GUEST_FLAGS) -D__ASSEMBLY__ -MMD -MP -c $< -o $@

define guest_rule
$(B)/guests/$(1).elf: $(GUEST_$(1):%=$(B)/obj/%.o) $(GUEST_LINKER_SCRIPT) \
		$(if $(filter $(1),$(GUESTS_WITHOUT_LIB)),,$(GUEST_LIB_OBJECTS))
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$(Q)$(LD) $(GUEST_LDFLAGS) -T $(GUEST_LINKER_SCRIPT) $$(filter %.o,$$^) -o $$@
endef
$(foreach guest,$(GUESTS),$(eval $(call guest_rule,$(guest))))

# ---- The image -----------------------------------------------------------------------------------

SCENARIO_FILES := $(wildcard tests/scenarios/*.cfg)

$(B)/aerostat.iso: FORCE $(B)/aerostat.elf $(GUESTS:%=$(B)/guests/%.elf) $(SCENARIO_FILES) \
		tools/mkiso tools/scenario.py
	$(call say,ISO,$@)
	$(Q)$(PYTHON) tools/mkiso --output $@

.PHONY: FORCE
FORCE:

-include $(HV_OBJECTS:.o=.d) $(GUEST_LIB_OBJECTS:.o=.d) $(GUEST_OBJECTS:.o=.d) $(B)/asm_offsets.d
