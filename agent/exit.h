/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What kmend-fetch and kmend-apply tell by their exit status. */
#ifndef KMEND_AGENT_EXIT_H
#define KMEND_AGENT_EXIT_H

enum agent_exit {
	AGENT_EXIT_OK,
	AGENT_EXIT_ERROR,	  /* said on stderr */
	AGENT_EXIT_REFUSED,	  /* by the server or by what is signed; said on stderr */
	AGENT_EXIT_UNATTACHED,	  /* nothing to do */
	AGENT_EXIT_CHANGED = 10, /* kmend-apply: the server should hear of it, or there is more to do; kmend-fetch: there is no report yet, apply first */
	AGENT_EXIT_TOLD = 11,	  /* kmend-fetch: no contact now, but spool/next says when */
};

#endif
