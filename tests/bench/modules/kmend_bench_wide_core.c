// SPDX-License-Identifier: GPL-2.0-or-later
#define BENCH_CORE
#include "bench_wide.h"
MODULE_DESCRIPTION("A patch of many functions for kmend.ko");
