// SPDX-License-Identifier: GPL-2.0-or-later
/* insert FILE [PARAMETER]...: one finit_module(2), and its errno as the exit status. (busybox's insmod tries a second time.) */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char parameters[512] = "";
	int fd;

	if (argc < 2)
		return 255;
	for (int i = 2; i < argc; i++) {
		strncat(parameters, argv[i], sizeof(parameters) - strlen(parameters) - 1);
		strncat(parameters, " ", sizeof(parameters) - strlen(parameters) - 1);
	}
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && syscall(SYS_finit_module, fd, parameters, 0) == 0)
		return 0;
	fprintf(stderr, "insert %s %s: %s\n", argv[1], parameters, strerror(errno));
	return errno;
}
