/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A binary heap: the earliest stands first. */
#include "sim.h"

void heap_push(heap *h, double due, uint32_t host)
{
	size_t i = h->n;

	km_vec_push(h, (struct heap_entry){due, host});
	for (; i && h->at[(i - 1) / 2].due > due; i = (i - 1) / 2)
		h->at[i] = h->at[(i - 1) / 2];
	h->at[i] = (struct heap_entry){due, host};
}

bool heap_pop(heap *h, double now, struct heap_entry *ret)
{
	struct heap_entry last;
	size_t i = 0;

	if (!h->n || h->at[0].due > now)
		return false;
	*ret = h->at[0];
	last = h->at[--h->n];
	for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
		child += child + 1 < h->n && h->at[child + 1].due < h->at[child].due;
		if (last.due <= h->at[child].due)
			break;
		h->at[i] = h->at[child];
	}
	if (h->n)
		h->at[i] = last;
	return true;
}
