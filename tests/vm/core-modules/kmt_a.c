// SPDX-License-Identifier: GPL-2.0-or-later
#define NUMBER 1
#include "patch.h"
