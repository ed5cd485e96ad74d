/* SPDX-License-Identifier: BSD-2-Clause */
/* See tunables.h. */
#include "kernel/lib/tunables.h"

#include "base/bits.h"
#include "base/string.h"

#define OFF_ZERO 0
#define OFF_NEVER TUNABLE_NEVER
#define OFF_NONE (TUNABLE_NEVER - 1)

#define TUNABLE(name, unit, normal, least, most, off, meaning)                                     \
	_Static_assert((normal) >= (least) && (normal) <= (most) && (most) < OFF_NONE, #name);
#include "kernel/lib/tunables.def"
#undef TUNABLE

static const struct tunables defaults = {
#define TUNABLE(name, unit, normal, least, most, off, meaning) .name = (normal),
#include "kernel/lib/tunables.def"
#undef TUNABLE
};

struct tunables tunables = {
#define TUNABLE(name, unit, normal, least, most, off, meaning) .name = (normal),
#include "kernel/lib/tunables.def"
#undef TUNABLE
};

static const struct {
	const char *name;
	uint32_t *value;
	uint32_t least;
	uint32_t most;
	uint32_t off;
} infos[] = {
#define TUNABLE(name, unit, normal, least, most, off, meaning)                                     \
	{#name, &tunables.name, (least), (most), OFF_##off},
#include "kernel/lib/tunables.def"
#undef TUNABLE
};

void tunables_reset(void)
{
	tunables = defaults;
}

/* False: it is no number of 32 bits. */
static bool parse(const char *text, uint32_t *number)
{
	uint64_t value = 0;
	const char *at = text;
	for (; *at >= '0' && *at <= '9' && value <= UINT32_MAX; at++) {
		value = value * 10 + (uint64_t)(*at - '0');
	}
	*number = (uint32_t)value;
	return at != text && *at == '\0' && value <= UINT32_MAX;
}

enum status tunable_set(const char *name, const char *value, struct error *error)
{
	for (unsigned i = 0; i < ARRAY_COUNT(infos); i++) {
		uint32_t number;
		if (strcmp(infos[i].name, name) != 0) {
			continue;
		}
		if (strcmp(value, "off") == 0) {
			if (infos[i].off == OFF_NONE) {
				return error_set(error, STATUS_INVALID, "%s cannot be switched off",
						 name);
			}
			*infos[i].value = infos[i].off;
			return STATUS_OK;
		}
		if (!parse(value, &number) || number < infos[i].least || number > infos[i].most) {
			return error_set(error, STATUS_INVALID,
					 "%s=%.40s is not a number from %u to %u", name, value,
					 infos[i].least, infos[i].most);
		}
		*infos[i].value = number;
		return STATUS_OK;
	}
	return error_set(error, STATUS_INVALID, "there is no tunable %.40s", name);
}

enum status tunables_set(const struct tuning *policy, struct error *error)
{
	struct tunables before = tunables;
	for (; policy->name != NULL; policy++) {
		enum status status = tunable_set(policy->name, policy->value, error);
		if (status != STATUS_OK) {
			tunables = before;
			return status;
		}
	}
	return STATUS_OK;
}
