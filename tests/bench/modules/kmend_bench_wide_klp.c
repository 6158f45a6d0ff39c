// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench_wide.h"
MODULE_DESCRIPTION("A patch of many functions for the kernel's own live patching");
