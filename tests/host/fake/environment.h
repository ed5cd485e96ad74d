/* SPDX-License-Identifier: BSD-2-Clause */
/* What whoever runs a test may say in the environment. */
#ifndef FAKE_ENVIRONMENT_H
#define FAKE_ENVIRONMENT_H

#include <stdint.h>
#include <stdlib.h>

/* The number that the variable `name` holds, or another one where there is no such variable. */
static inline uint64_t environment_number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	return text == NULL ? otherwise : strtoull(text, NULL, 0);
}

#endif
