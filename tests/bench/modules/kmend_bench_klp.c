// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench_patch.h"
MODULE_DESCRIPTION("The bench's patch for the kernel's own live patching");
