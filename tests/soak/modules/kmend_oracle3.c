// SPDX-License-Identifier: GPL-2.0-or-later
#define ORACLE_VERSION 3
#include "oracle_patch.h"
