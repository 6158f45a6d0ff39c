/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fleet as a whole, and what is told of it. */
#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "fleet.h"

static double unix_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

km_error *fleet_create(const struct options *options, struct fleet **ret)
{
	struct fleet *f = km_calloc(1, sizeof(*f));

	f->options = options;
	f->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (f->epoll < 0) {
		free(f);
		return km_error_sys(errno, "cannot make an epoll");
	}
	f->hosts = km_calloc(options->hosts, sizeof(*f->hosts));
	for (size_t i = 0; i < options->hosts; i++)
		host_init(&f->hosts[i], options, i);
	f->connections = km_calloc(options->connections, sizeof(*f->connections));
	for (unsigned i = 0; i < options->connections; i++)
		f->connections[i].fd = -1;
	f->documents.connection.fd = -1;
	f->documents.connection.epoll = f->epoll;
	f->documents.connection.purpose = FOR_DOCUMENTS;
	f->world =
		(struct world){.options = options, .documents = &f->documents, .epoch = unix_time(), .begin = km_now()};
	*ret = f;
	return NULL;
}

void fleet_destroyp(struct fleet **fleet)
{
	struct fleet *f = *fleet;

	if (!f)
		return;
	for (unsigned i = 0; i < f->options->connections; i++) {
		connection_close(&f->connections[i]);
		km_str_free(&f->connections[i].in);
		km_str_free(&f->connections[i].out);
	}
	documents_free(&f->documents);
	km_checkin_answer_free(&f->answer);
	km_vec_free(&f->heap);
	km_vec_free(&f->ready);
	km_vec_free(&f->looking);
	close(f->epoll);
	free(f->answer_text);
	free(f->connections);
	free(f->hosts);
	free(f);
}

km_error *fleet_idle(struct fleet *f, struct connection **ret)
{
	*ret = NULL;
	for (unsigned i = 0; i < f->options->connections && !*ret; i++)
		if (!f->connections[i].busy)
			*ret = &f->connections[i];
	return *ret ? connection_open(*ret, &f->options->server, f->epoll) : NULL;
}

/* Seconds since the run began, or null for what has not happened. */
static json_t *moment(const struct fleet *f, double at)
{
	return at > 0 ? json_real(at - f->begin) : json_null();
}

static json_t *checkins_json(const struct fleet *f)
{
	json_t *refused = json_object();

	for (int i = 0; i < (int)KM_COUNT(f->refused); i++) {
		KM_AUTOFREE char *status = km_printf("%d", i);

		if (f->refused[i])
			json_object_set_new(refused, status, json_integer((json_int_t)f->refused[i]));
	}
	return json_pack("{s:I, s:I, s:I, s:o, s:f}", "sent", (json_int_t)f->sent, "ok", (json_int_t)f->ok, "lost",
			 (json_int_t)f->lost, "refused", refused, "per_second", (double)f->ok / (f->end - f->begin));
}

static json_t *patch_json(const struct fleet *f)
{
	size_t states[KM_PATCH_STATES] = {0}, crashed = 0, expected = 0;
	json_t *o = json_object(), *by_state = json_object();

	for (size_t i = 0; i < f->options->hosts; i++) {
		const struct sim_host *h = &f->hosts[i];

		expected += h->fate != FATE_ABSENT;
		states[h->state] += h->tried;
		crashed += h->tried && h->health == KM_HEALTH_CRASHED;
	}
	for (unsigned i = 0; i < KM_PATCH_STATES; i++)
		json_object_set_new(by_state, km_patch_state_name((enum km_patch_state)i),
				    json_integer((json_int_t)states[i]));
	json_object_set_new(o, "release", *f->world.release ? json_string(f->world.release) : json_null());
	json_object_set_new(o, "hosts_that_check_in", json_integer((json_int_t)expected));
	json_object_set_new(o, "loads", json_integer((json_int_t)f->loads));
	json_object_set_new(o, "removed", json_integer((json_int_t)f->removes));
	json_object_set_new(o, "crashed", json_integer((json_int_t)crashed));
	json_object_set_new(o, "states", by_state);
	json_object_set_new(o, "first_load", moment(f, f->first_load));
	json_object_set_new(o, "last_load", moment(f, f->last_load));
	json_object_set_new(o, "load_99_percent", moment(f, f->load_99));
	json_object_set_new(o, "first_crash_told", moment(f, f->first_crash));
	json_object_set_new(o, "loads_after_crash", json_integer((json_int_t)f->loads_after_crash));
	json_object_set_new(o, "halt_seconds",
			    f->first_crash > 0 && f->last_load > f->first_crash
				    ? json_real(f->last_load - f->first_crash)
				    : json_null());
	return o;
}

static json_t *server_json(const struct fleet *f)
{
	double cpu = f->after.cpu - f->before.cpu;

	if (!f->options->pid)
		return json_null();
	return json_pack("{s:f, s:f, s:f, s:f, s:f}", "cpu_seconds", cpu, "cpu_share", cpu / (f->end - f->begin),
			 "rss_mib", f->after.rss, "rss_peak_mib", f->after.rss_peak, "checkins_per_cpu_second",
			 cpu > 0 ? (double)f->ok / cpu : 0.0);
}

json_t *fleet_result(const struct fleet *f)
{
	const struct options *o = f->options;

	return json_pack(
		"{s:f, s:I, s:i, s:f, s:f, s:f, s:{s:f, s:f, s:I}, s:o, s:o, s:o, s:o, s:o, s:{s:I, s:I, s:I}}",
		"began", f->world.epoch + f->begin - f->world.begin, "hosts", (json_int_t)o->hosts, "connections",
		(int)o->connections, "interval", o->interval, "time_scale", o->scale, "seconds", f->end - f->begin,
		"attach", "seconds", f->attach_seconds, "per_second",
		f->attach_seconds > 0 ? (double)o->hosts / f->attach_seconds : 0.0, "retries",
		(json_int_t)f->attach_retries, "checkins", checkins_json(f), "latency_ms", histogram_json(&f->latency),
		"service_ms", histogram_json(&f->service), "server", server_json(f), "patch", patch_json(f),
		"documents", "timestamp", (json_int_t)f->documents.timestamp, "fetched",
		(json_int_t)f->documents.fetched, "failures", (json_int_t)f->fetch_failures);
}
