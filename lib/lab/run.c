/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A lab's run: feeds on the guest's two lines until it ends or has to be ended. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"
#include "initramfs.h"
#include "log.h"
#include "qemu.h"

enum { TIMEOUT = 600, SILENCE = 30, QEMU_TEXT_MAX = 4096 };

struct run {
	const struct km_lab *lab;
	const struct km_lab_options *o;
	struct km_lab_result r;
	struct lab_qemu qemu;
	struct lab_log log;
	struct lab_framer framer;
	km_str qemu_text;
	double start, heard; /* heard: when the guest last gave a sign of life */
	bool hello, bye, stop;
};

/* ---- records --------------------------------------------------------------------------------------------- */

/* Keeps the last KM_LAB_OUTPUT_MAX bytes, cut back when twice as much is there: each byte is moved once. */
static void keep_output(struct km_lab_step_result *s, const char *bytes, size_t n)
{
	km_str_addn(&s->output, bytes, n);
	if (s->output.n <= 2 * (size_t)KM_LAB_OUTPUT_MAX)
		return;
	memmove(s->output.at, s->output.at + s->output.n - KM_LAB_OUTPUT_MAX, KM_LAB_OUTPUT_MAX);
	s->output.n = KM_LAB_OUTPUT_MAX;
	s->output.at[s->output.n] = '\0';
	s->cut = true;
}

static void on_out(struct run *run, size_t step, const struct lab_record *rec)
{
	keep_output(&run->r.steps.at[step], rec->payload, rec->n);
	if (run->o->output)
		run->o->output(run->o->ctx, step, rec->payload, rec->n);
}

static void on_begin(struct run *run, size_t step)
{
	run->r.steps.at[step].begun = true;
	run->r.last = step;
}

static void on_end(struct run *run, size_t step, const struct lab_record *rec)
{
	struct km_lab_step_result *s = &run->r.steps.at[step];
	unsigned status, ms, transition;
	int n = sscanf(rec->payload, "status=%u ms=%u transition_ms=%u", &status, &ms, &transition);

	if (!s->begun || s->ended || n < 2) {
		run->r.garbage += rec->n;
		return;
	}
	s->ended = true;
	s->status = status > 255 ? 255 : (int)status;
	s->seconds = ms / 1e3;
	s->transition = n == 3 ? transition / 1e3 : -1;
	if (run->o->after)
		run->stop = !run->o->after(run->o->ctx, step, &run->r);
}

static void on_record(void *ctx, const struct lab_record *rec)
{
	struct run *run = ctx;
	size_t step = rec->step;

	run->heard = km_now();
	if (!strcmp(rec->kind, "hello") && !run->hello) {
		run->hello = true;
		run->r.boot = run->heard - run->start;
	} else if (!strcmp(rec->kind, "bye")) {
		run->bye = true;
	} else if (step >= run->r.steps.n) {
		return; /* a beat, or a step that nobody ordered */
	} else if (!strcmp(rec->kind, "begin")) {
		on_begin(run, step);
	} else if (!strcmp(rec->kind, "out")) {
		on_out(run, step, rec);
	} else if (!strcmp(rec->kind, "end")) {
		on_end(run, step, rec);
	}
}

/* ---- the lines ------------------------------------------------------------------------------------------- */

/* False at the end of the line. */
static bool take(int fd, void (*feed)(struct run *run, const char *bytes, size_t n), struct run *run)
{
	char bytes[16384];
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && errno == ENOTSOCK)
		n = read(fd, bytes, sizeof(bytes));
	if (n > 0)
		feed(run, bytes, n);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* The log is a sign of life only as far as it goes: a kernel that floods it is ended by the time limit. */
static void feed_log(struct run *run, const char *bytes, size_t n)
{
	run->heard = km_now();
	lab_log_feed(&run->log, bytes, n);
	run->r.findings.at = run->log.findings.at; /* a view, for options.after */
	run->r.findings.n = run->log.findings.n;
}

static void feed_result(struct run *run, const char *bytes, size_t n)
{
	lab_framer_feed(&run->framer, bytes, n);
}

static void feed_qemu(struct run *run, const char *bytes, size_t n)
{
	size_t room = QEMU_TEXT_MAX - run->qemu_text.n;

	km_str_addn(&run->qemu_text, bytes, n < room ? n : room);
}

static void follow(struct run *run)
{
	double limit = run->start + (run->o->timeout > 0 ? run->o->timeout : TIMEOUT);
	double silence = run->o->silence > 0 ? run->o->silence : SILENCE;
	struct pollfd p[] = {{run->qemu.log, POLLIN, 0}, {run->qemu.result, POLLIN, 0}, {run->qemu.err, POLLIN, 0}};
	static void (*const feed[])(struct run *, const char *, size_t) = {feed_log, feed_result, feed_qemu};

	/* The log is read before the results: a finding of a step is known when its end is. */
	while (p[0].fd >= 0 || p[1].fd >= 0 || p[2].fd >= 0) {
		double now;

		poll(p, 3, 200);
		for (size_t i = 0; i < 3; i++)
			if (p[i].fd >= 0 && p[i].revents && !take(p[i].fd, feed[i], run))
				p[i].fd = -1;
		now = km_now();
		if (run->stop || now >= limit || now - run->heard >= silence) {
			run->r.end = run->stop ? KM_LAB_STOPPED : now >= limit ? KM_LAB_TIMEOUT : KM_LAB_HUNG;
			return;
		}
	}
	run->r.end = !run->hello ? KM_LAB_NO_BOOT : run->bye ? KM_LAB_CLEAN : KM_LAB_PANIC;
}

/* ---- the run --------------------------------------------------------------------------------------------- */

static void begin(struct run *run)
{
	for (size_t i = 0; i < run->lab->steps.n; i++) {
		struct km_lab_step_result s = {.transition = -1};

		km_vec_push(&run->r.steps, s);
	}
	run->r.last = run->log.step = KM_LAB_BOOT;
	run->log.allow = run->o->allow;
	run->framer.record = on_record;
	run->framer.ctx = run;
	run->start = run->heard = km_now();
}

/* Moves what was gathered into the result. */
static void finish(struct run *run)
{
	lab_log_end(&run->log);
	run->r.wall = km_now() - run->start;
	run->r.kvm = run->qemu.kvm;
	run->r.findings.at = run->log.findings.at;
	run->r.findings.n = run->log.findings.n;
	run->r.findings.cap = run->log.findings.cap;
	run->r.log = run->log.text;
	run->r.garbage += run->framer.garbage;
	run->r.qemu = km_lab_printable(run->qemu_text.at, run->qemu_text.n);
	km_str_free(&run->log.line);
	km_str_free(&run->qemu_text);
}

km_error *km_lab_run(km_lab *lab, const struct km_lab_options *options, struct km_lab_result *ret)
{
	KM_AUTOCLOSE int initrd = -1;
	struct run *run;
	km_error *err;

	if (lab->ran)
		return km_error_new(KM_BUG, "a lab runs once");
	lab->ran = true;
	KM_TRY(lab_initramfs(lab, &initrd));
	run = km_calloc(1, sizeof(*run));
	run->lab = lab;
	run->o = options;
	begin(run);
	err = lab_qemu_start(lab->kernel->vmlinuz, initrd, &lab->devices, options, &run->qemu);
	if (!err) {
		follow(run);
		lab_qemu_end(&run->qemu);
		finish(run);
		*ret = run->r;
	} else {
		km_lab_result_free(&run->r);
	}
	free(run);
	return err;
}

void km_lab_result_free(struct km_lab_result *r)
{
	for (size_t i = 0; i < r->steps.n; i++)
		km_str_free(&r->steps.at[i].output);
	km_vec_free(&r->steps);
	for (size_t i = 0; i < r->findings.n; i++)
		free(r->findings.at[i].line);
	km_vec_free(&r->findings);
	km_str_free(&r->log);
	free(r->qemu);
	*r = (struct km_lab_result){0};
}

const char *km_lab_end_text(enum km_lab_end end)
{
	static const char *const texts[] = {
		[KM_LAB_CLEAN] = "the guest ended as it should",
		[KM_LAB_PANIC] = "the kernel panicked",
		[KM_LAB_HUNG] = "the guest hung: no sign of life",
		[KM_LAB_TIMEOUT] = "the time limit of the whole run was reached",
		[KM_LAB_STOPPED] = "the guest was stopped",
		[KM_LAB_NO_BOOT] = "the kernel did not boot",
	};

	return texts[end];
}
