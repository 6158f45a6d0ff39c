/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KMEND_AGENT_APPLY_MAIN_H
#define KMEND_AGENT_APPLY_MAIN_H

#include <kmend/agent.h>

/* The whole program. door: the kernel to work on, NULL for the real one. */
int apply_main(int argc, char **argv, const struct km_door *door);

#endif
