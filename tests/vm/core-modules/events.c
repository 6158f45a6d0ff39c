// SPDX-License-Identifier: GPL-2.0-or-later
/* Prints "PATCH EVENT" for each uevent of kmend, until it is killed. */
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The value of a variable among strings that end with NUL, or "". */
static const char *value(const char *strings, size_t size, const char *name)
{
	for (const char *s = strings; s < strings + size; s += strlen(s) + 1)
		if (strncmp(s, name, strlen(name)) == 0)
			return s + strlen(name);
	return "";
}

int main(void)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
	int fd = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT);
	char text[8192];
	ssize_t n;

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return 1;
	while ((n = recv(fd, text, sizeof(text) - 1, 0)) > 0) {
		const char *path;

		text[n] = '\0';
		if (strcmp(value(text, n, "SUBSYSTEM="), "kmend") != 0)
			continue;
		path = strrchr(value(text, n, "DEVPATH="), '/');
		printf("%s %s\n", path ? path + 1 : "?", value(text, n, "KMEND_EVENT="));
		fflush(stdout);
	}
	return 1;
}
