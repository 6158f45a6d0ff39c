// SPDX-License-Identifier: GPL-2.0-or-later
#define NUMBER 3
#include "patch.h"
