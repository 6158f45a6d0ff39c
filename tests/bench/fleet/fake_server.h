/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fake_server.h - a server in a thread of the test: as strict as the real one with what hosts send, and as bad as a test wants. */
#ifndef KMEND_FLEET_SIM_FAKE_SERVER_H
#define KMEND_FLEET_SIM_FAKE_SERVER_H

#include <kmend/fleet.h>
#include <pthread.h>

struct fake {
	/* Set before fake_start(). */
	const char *halt;      /* after the first report of a crash, or NULL */
	bool staged;	       /* the release waits for its rollout … */
	unsigned permyriad;    /* … which lets in so many */
	unsigned refuse;       /* so many check-ins get 503 with Retry-After: 1 */
	unsigned hang_up_each; /* each so many-th request gets no answer, and its connection is closed; 0: none */
	const char *raw;       /* the answer to every check-in, instead of one */

	int listener, port, stop[2];
	pthread_t thread;
	int64_t version; /* of timestamp and rollout */
	/* Read after fake_stop(). */
	char release[KM_SHA256_HEX];
	unsigned attached, reports, requests, documents, bad;
	unsigned said[KM_PATCH_STATES], good_at[4], crashed;
	char complaint[256]; /* about the first bad request */
};

void fake_start(struct fake *fake);
void fake_stop(struct fake *fake);

#endif
