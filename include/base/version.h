/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The version of the hypervisor, as the boot line and docs/CHANGELOG.md have it (semver.org). The
 * interface of guests has a version of its own: AEROSTAT_ABI_VERSION in abi/aerostat.h.
 */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#define AEROSTAT_VERSION "0.9.0"

#endif
