/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A value's bucket is its power of two and the next six bits of it, in microseconds: 64 buckets for each doubling. */
#include "sim.h"

enum { SUB = 64, SUB_BITS = 6 };

static size_t bucket_of(uint64_t us)
{
	unsigned power = 63 - (unsigned)__builtin_clzll(us | SUB);
	size_t i = us < SUB ? us : (size_t)(power - SUB_BITS + 1) * SUB + ((us >> (power - SUB_BITS)) & (SUB - 1));

	return i < HISTOGRAM_BUCKETS ? i : HISTOGRAM_BUCKETS - 1;
}

/* The largest value of the bucket. */
static uint64_t end_of(size_t i)
{
	unsigned shift = i < SUB ? 0 : (unsigned)(i / SUB) - 1;

	return i < SUB ? i : ((((uint64_t)SUB | i % SUB) + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, double seconds)
{
	double us = seconds > 0 ? seconds * 1e6 : 0;

	h->count[bucket_of((uint64_t)us)]++;
	h->n++;
	h->sum += seconds;
	h->max = seconds > h->max ? seconds : h->max;
}

double histogram_at(const struct histogram *h, double share)
{
	uint64_t wanted = (uint64_t)(share * (double)h->n + 0.999999), seen = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS && h->n; i++) {
		seen += h->count[i];
		if (seen >= wanted && seen)
			return (double)end_of(i) / 1e6;
	}
	return 0;
}

json_t *histogram_json(const struct histogram *h)
{
	return json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f}", "n", (json_int_t)h->n, "mean",
			 h->n ? 1e3 * h->sum / (double)h->n : 0.0, "p50", 1e3 * histogram_at(h, .5), "p90",
			 1e3 * histogram_at(h, .9), "p99", 1e3 * histogram_at(h, .99), "p999",
			 1e3 * histogram_at(h, .999), "max", 1e3 * h->max);
}
