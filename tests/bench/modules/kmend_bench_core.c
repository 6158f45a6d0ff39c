// SPDX-License-Identifier: GPL-2.0-or-later
#define BENCH_CORE
#include "bench_patch.h"
MODULE_DESCRIPTION("The bench's patch for kmend.ko");
