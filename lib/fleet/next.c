/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a host comes again. */
#include "internal.h"

/* n * random / 2^32 */
static int64_t part_of(int64_t n, uint32_t random)
{
	return (int64_t)((uint64_t)n * random >> 32);
}

int64_t km_fleet_next(int64_t interval, int64_t retry_after, uint32_t random)
{
	int64_t base = clamp(interval, 1, KM_FLEET_DAY), wait = clamp(retry_after, 0, KM_FLEET_DAY);
	int64_t next = base * 9 / 10 + part_of(base / 5, random), later = wait + part_of(wait / 10, random);

	return clamp(next > later ? next : later, 1, KM_FLEET_DAY);
}
