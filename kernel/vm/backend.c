/* SPDX-License-Identifier: BSD-2-Clause */
/* The backend in use: a word below everything that calls it. Boot writes it once. */
#include "arch/backend.h"

const struct backend *backend;
