/* SPDX-License-Identifier: GPL-2.0-or-later */
/* setup.h - what is done on the server's machine itself, without HTTP. */
#ifndef KMEND_SERVER_SETUP_H
#define KMEND_SERVER_SETUP_H

#include "config.h"

/* Makes the data directory, the state and the first admin token, which is printed. KM_REFUSED when there are admin
 * tokens already. */
KM_CHECKED km_error *setup_init(const struct config *config);
/* Makes an admin token and prints it. The server may run meanwhile. */
KM_CHECKED km_error *setup_admin(const struct config *config, const char *role, const char *name);

#endif
