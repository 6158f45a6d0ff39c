/* SPDX-License-Identifier: GPL-2.0-or-later */
/* frame.h - the records that the guest sends (job.h draws them), out of a stream of hostile bytes. */
#ifndef LAB_FRAME_H
#define LAB_FRAME_H

#include <kmend/base.h>

#include "job.h"

struct lab_record {
	char kind[16];
	unsigned step;	     /* LAB_NO_STEP: none */
	const char *payload; /* NUL-terminated past its end; valid during the call */
	size_t n;	     /* <= LAB_FRAME_MAX */
};

struct lab_framer {
	void (*record)(void *ctx, const struct lab_record *r);
	void *ctx;
	size_t garbage; /* bytes that belonged to no record */
	char held[LAB_HEADER_MAX + LAB_FRAME_MAX + 2];
	size_t n;
};

/* Takes the next bytes of the stream, cut anywhere. What is no record is skipped up to the next line that may
 * begin one; never more is held than one record. */
void lab_framer_feed(struct lab_framer *f, const char *bytes, size_t n);

#endif
