// SPDX-License-Identifier: GPL-2.0-or-later
/* nobody PROGRAM [WORD]...: runs it without privileges. */
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 2 || setgid(65534) || setuid(65534))
		return 255;
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
