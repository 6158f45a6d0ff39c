/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "apply.h"

int main(int argc, char **argv)
{
	return apply_main(argc, argv, NULL);
}
