/* SPDX-License-Identifier: BSD-2-Clause */
/* See base/error.h. */
#include "base/error.h"

#include "base/string.h"

enum status error_set(struct error *error, enum status status, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	return status;
}
