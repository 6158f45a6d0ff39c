/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stages, warnings and colours on a terminal: a pseudo-terminal of a known width stands in for stderr. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "check.h"

/* What work() shows on a terminal of that many columns, its line ends as the program wrote them. */
static char *shown_by(void (*work)(void), unsigned short columns)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave, saved = dup(STDERR_FILENO);
	struct winsize size = {.ws_row = 24, .ws_col = columns};
	struct termios raw;
	char *text = km_calloc(1, 8192);
	size_t got = 0;
	ssize_t n;

	assert_true(master >= 0 && !grantpt(master) && !unlockpt(master));
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	assert_true(slave >= 0);
	assert_int_equal(ioctl(slave, TIOCSWINSZ, &size), 0);
	assert_int_equal(tcgetattr(slave, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(slave, TCSANOW, &raw), 0);
	fflush(stderr);
	dup2(slave, STDERR_FILENO);
	work();
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(slave);
	/* The kernel hands over what was written some time later: all of it is here when the other end's close is (EIO). */
	while ((n = read(master, text + got, 8191 - got)) > 0)
		got += (size_t)n;
	close(master);
	return text;
}

static void progress(void)
{
	km_stages *s = km_stages_create(false);

	km_stage(s, "compile");
	km_warn("one is odd");
	km_stage_unit(s, 3, 3, "units"); /* the last one is shown however soon */
	km_stages_end(s);
	km_stages_destroy(s);
}

#define CLEAR "\r\033[K"

static void a_line_is_redrawn_and_a_warning_does_not_tear_it(void **state)
{
	static const char expected[] = CLEAR "compile ..." CLEAR "warning: one is odd\n" CLEAR "compile ..." CLEAR CLEAR
					     "compile: 3/3 units" CLEAR "compile: ";
	char *text;

	(void)state;
	km_colour_setup("never");
	text = shown_by(progress, 80);
	if (strncmp(text, expected, strlen(expected)))
		fail_msg("it showed: %s", text);
	assert_true(km_ends(text, " s\n"));
	free(text);
}

static void a_narrow_line_is_cut(void **state)
{
	char *text;

	(void)state;
	km_colour_setup("never");
	text = shown_by(progress, 10);
	assert_non_null(strstr(text, CLEAR "compile: " CLEAR)); /* 9 columns: the last one would wrap */
	assert_null(strstr(text, "3/3"));
	free(text);
}

static void a_dumb_terminal_gets_plain_lines(void **state)
{
	char *text;

	(void)state;
	km_colour_setup("auto");
	setenv("TERM", "dumb", 1);
	text = shown_by(progress, 80);
	setenv("TERM", "xterm", 1);
	assert_null(strchr(text, '\033'));
	assert_null(strchr(text, '\r'));
	assert_true(km_starts(text, "warning: one is odd\ncompile: "));
	free(text);
}

static void stages_that_are_dropped_leave_no_line(void)
{
	km_stages *s = km_stages_create(false);

	km_stage(s, "compile");
	km_stages_destroy(s);
	km_warn("x");
}

static void an_unfinished_line_goes_away(void **state)
{
	char *text;

	(void)state;
	km_colour_setup("never");
	text = shown_by(stages_that_are_dropped_leave_no_line, 80);
	assert_string_equal(text, CLEAR "compile ..." CLEAR "warning: x\n");
	free(text);
}

static void warn_once(void)
{
	km_warn("careful");
}

static void colours_are_for_terminals_that_want_them(void **state)
{
	static const struct {
		const char *when, *term, *no_color;
		bool coloured;
	} cases[] = {
		{"auto", "xterm", NULL, true}, {"auto", "xterm", "", true},    {"auto", "xterm", "1", false},
		{"auto", "dumb", NULL, false}, {"auto", NULL, NULL, false},    {"always", "dumb", "1", true},
		{"never", "xterm", NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		char *text;

		if (cases[i].term)
			setenv("TERM", cases[i].term, 1);
		else
			unsetenv("TERM");
		if (cases[i].no_color)
			setenv("NO_COLOR", cases[i].no_color, 1);
		else
			unsetenv("NO_COLOR");
		km_colour_setup(cases[i].when);
		text = shown_by(warn_once, 80);
		assert_string_equal(text, cases[i].coloured ? "\033[33mwarning:\033[0m careful\n" : "warning: careful\n");
		free(text);
	}
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
}

static int begin(void **state)
{
	(void)state;
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_redrawn_and_a_warning_does_not_tear_it),
		cmocka_unit_test(a_narrow_line_is_cut),
		cmocka_unit_test(a_dumb_terminal_gets_plain_lines),
		cmocka_unit_test(an_unfinished_line_goes_away),
		cmocka_unit_test(colours_are_for_terminals_that_want_them),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
