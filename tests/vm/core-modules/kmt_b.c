// SPDX-License-Identifier: GPL-2.0-or-later
#define NUMBER 2
#include "patch.h"
