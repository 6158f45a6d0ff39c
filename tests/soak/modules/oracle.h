/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle.h - a chain of calls that knows whether it was mixed.
 *
 *   kmend_oracle_outer()  patched: notes its own version
 *     oracle_middle()       not patched: rests (sleeps, spins, goes deep, is held)
 *       kmend_oracle_inner()  patched: is its version that of the outer one below it on this stack? rests again
 *
 * The outer one calls the middle twice, so that a switch during the first call is seen by the second. Original functions are version 1, the
 * patches' 2 and 3. User space takes part by ioctl()s on /proc/kmend_oracle, see ORACLE_CALL.
 */
#ifndef KMEND_ORACLE_H
#define KMEND_ORACLE_H

enum oracle_rest {
	ORACLE_NONE,
	ORACLE_SPIN,	      /* us; any context */
	ORACLE_SLEEP,	      /* us; no signal wakes it */
	ORACLE_INTERRUPTIBLE, /* us, rounded up to a jiffy */
	ORACLE_YIELD,	      /* us; runs, and lets others run */
	ORACLE_DEEP,	      /* us; sleeps below ORACLE_FRAMES more frames */
	ORACLE_HOLD,	      /* sleeps until "release" is written, whatever signals come */
	ORACLE_BUSY,	      /* runs until then, and lets others run */
	ORACLE_RESTS,
};
#define ORACLE_FRAMES 150
#define ORACLE_VERSIONS 4

/* ioctl(fd, ORACLE_CALL + rest, us): one chain; gives the outer function's version. ORACLE_BELOW: the same rest without the two patched
 * functions on the stack; gives 0. */
#define ORACLE_CALL 0x6b00
#define ORACLE_BELOW 0x6b80

#ifdef __KERNEL__
#include <linux/compiler.h>
#include <linux/types.h>

struct oracle_chain {
	enum oracle_rest rest;
	unsigned long us;
	void (*middle)(struct oracle_chain *c);
	void (*relax)(struct oracle_chain *c);
	int version;	   /* of the outer function */
	unsigned int mixes; /* inner functions of another version */
	int inner;	    /* version of the last of these */
	unsigned int lost; /* a relocation of the patch did not lead to oracle_secret */
};

#define ORACLE_SECRET 0x6f7261636c65ul
/* Called through its own symbol by everybody: no clone of it may exist beside the one that is redirected. */
#define oracle_noipa __attribute__((__noipa__))
int kmend_oracle_outer(struct oracle_chain *c);
int kmend_oracle_inner(struct oracle_chain *c);

static __always_inline int oracle_outer_body(struct oracle_chain *c, int version)
{
	c->version = version;
	c->middle(c);
	c->middle(c);
	barrier(); /* the frame stays on the stack: no tail call */
	return version;
}

static __always_inline int oracle_inner_body(struct oracle_chain *c, int version)
{
	if (c->version != version) {
		c->mixes++;
		c->inner = version;
	}
	c->relax(c);
	barrier();
	return version;
}
#endif
#endif
