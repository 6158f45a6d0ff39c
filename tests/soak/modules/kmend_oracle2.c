// SPDX-License-Identifier: GPL-2.0-or-later
#define ORACLE_VERSION 2
#include "oracle_patch.h"
