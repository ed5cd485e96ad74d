/* SPDX-License-Identifier: BSD-2-Clause */
/* The backend in use: a word below everything that calls it. Boot writes it once. */
#include "kernel/backend.h"

const struct backend *backend;
