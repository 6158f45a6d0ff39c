/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a person types: passphrases, which are not shown and not left in memory, and answers. */
#include <errno.h>
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "cmd.h"

enum { SECRET_MAX = 1024 };

void secret_free(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

/* To the end of the line or of the file, by single bytes: a buffered reader would keep a copy. */
static km_error *read_line(int fd, const char *what, char **ret)
{
	char *line = km_calloc(SECRET_MAX + 1, 1);
	size_t n = 0;
	ssize_t got;

	while ((got = read(fd, line + n, 1)) == 1 && line[n] != '\n' && n < SECRET_MAX)
		n++;
	if (got < 0 || n == SECRET_MAX || memchr(line, '\0', n)) {
		km_error *err = got < 0 ? km_error_sys(errno, "cannot read %s", what)
					: km_error_new(KM_INPUT, "%s is no line of text of at most %d bytes", what,
						       SECRET_MAX - 1);

		explicit_bzero(line, SECRET_MAX);
		free(line);
		return err;
	}
	line[n] = '\0';
	*ret = line;
	return NULL;
}

static km_error *from_file(const char *path, char **ret)
{
	KM_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return km_error_sys(errno, "cannot open %s", path);
	return read_line(fd, path, ret);
}

static km_error *from_terminal(const char *prompt, char **ret)
{
	struct termios before, hidden;
	km_error *err;

	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return km_error_sys(errno, "cannot ask for a passphrase");
	hidden = before;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	/* Hidden before it is asked for: whoever types at once must not see it, nor lose it. */
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	fprintf(stderr, "%s: ", prompt);
	err = read_line(STDIN_FILENO, "the passphrase", ret);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	fputc('\n', stderr);
	return err;
}

km_error *secret_read(const char *file, const char *prompt, bool again, char **ret)
{
	char *secret = NULL, *second = NULL;
	km_error *err;
	bool same;

	if (!file && !isatty(STDIN_FILENO))
		return km_error_hint(km_error_new(KM_USAGE, "there is no terminal to ask for the passphrase"),
				     "--passphrase-file FILE gives one, --no-passphrase makes keys without");
	err = file ? from_file(file, &secret) : from_terminal(prompt, &secret);
	if (!err && !*secret)
		err = km_error_hint(km_error_new(KM_REFUSED, "the passphrase is empty"),
				    "--no-passphrase makes keys without one");
	if (!err && !file && again)
		err = from_terminal("once more", &second);
	same = err || file || !again || !strcmp(secret, second);
	secret_free(second);
	if (!same)
		err = km_error_new(KM_REFUSED, "the two passphrases differ");
	if (err)
		secret_free(secret);
	else
		*ret = secret;
	return err;
}

km_error *secret_ask(const char *question, const char *fallback, char **ret)
{
	char *answer = NULL;

	fprintf(stderr, "%s [%s]: ", question, fallback);
	KM_TRY(read_line(STDIN_FILENO, "the answer", &answer));
	if (!*answer) {
		free(answer);
		answer = km_strdup(fallback);
	}
	*ret = answer;
	return NULL;
}
