/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The constants of the form that <kmend/modsig.h> draws. */
#ifndef KMEND_PATCH_MODSIG_H
#define KMEND_PATCH_MODSIG_H

#include <kmend/modsig.h>

#define MODSIG_MAGIC "~Module signature appended~\n"
enum { MODSIG_MAGIC_LEN = sizeof(MODSIG_MAGIC) - 1, MODSIG_HEAD_LEN = 12, MODSIG_TYPE_AT = 2, MODSIG_PKCS7 = 2 };

#endif
