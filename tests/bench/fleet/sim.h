/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sim.h - what the files of kmend-fleet-sim share: many hosts with the protocol of docs/service.md on few kept connections. A host here
 * verifies nothing and loads nothing; it obeys the documents, and does with a patch what its fate is. Times are seconds on the monotonic
 * clock, as km_now() gives them; simulated seconds are those times the scale.
 */
#ifndef KMEND_FLEET_SIM_H
#define KMEND_FLEET_SIM_H

#include <jansson.h>
#include <kmend/fleet.h>
#include <netinet/in.h>

/* ---- options.c --------------------------------------------------------------------------------------------------- */
struct options {
	struct sockaddr_in server; /* --server HOST:PORT */
	const char *authority;	   /* the same as text */
	const char *token;
	size_t hosts;
	unsigned connections;
	double interval; /* simulated seconds between two check-ins of a host */
	double scale;	 /* simulated seconds in a real one */
	double warm_up;	 /* real seconds before the measurement: a host's first report is a write, the next ones seldom are */
	double seconds;	 /* real ones, of the measurement */
	pid_t pid;	 /* of the server; 0: its costs are not looked at */
	struct km_fleet_kernel kernel;
	double fail, stall, crash, hang, absent; /* shares of the hosts, 0 to 1 */
	double dies_within;			 /* simulated seconds after the load, for crash and hang */
	unsigned seed;
};
/* Reads the command line. KM_USAGE. */
KM_CHECKED km_error *options_parse(int argc, char **argv, struct options *ret);
void options_help(void);

/* ---- histogram.c: how often something took how long ---------------------------------------------------------------- */
/* Buckets of a fixed relative width (under 1 %) from a microsecond to hours; no memory for each value. */
enum { HISTOGRAM_BUCKETS = 64 * 36 };
struct histogram {
	uint64_t count[HISTOGRAM_BUCKETS], n;
	double max, sum;
};
void histogram_add(struct histogram *h, double seconds);
/* The value that this share (0 to 1) of all do not exceed, rounded up to its bucket's end; 0 of nothing. */
double histogram_at(const struct histogram *h, double share);
/* {"n", "mean", "p50", "p90", "p99", "p999", "max"}, in milliseconds. */
json_t *histogram_json(const struct histogram *h);

/* ---- connection.c: HTTP/1.1, one request at a time, kept -------------------------------------------------------------- */
enum purpose { FOR_HOST, FOR_DOCUMENTS };
struct connection {
	int fd, epoll; /* fd -1: to be opened */
	enum purpose purpose;
	bool busy;
	km_str out, in;
	size_t written;
	/* The caller's. */
	uint32_t host;
	double due, sent;
	/* Of the last answer; body points into `in`, is NUL-terminated, and valid until the next connection_send(). */
	int status;
	int64_t retry_after; /* 0: none */
	const char *body;
	size_t size;
	size_t head; /* bytes of the header, 0: not whole yet */
	bool close;
};
/* Connects, if it is not, and watches it with epoll (data.ptr is the connection). */
KM_CHECKED km_error *connection_open(struct connection *c, const struct sockaddr_in *server, int epoll);
/* Begins a request: body NULL is a GET. */
void connection_send(struct connection *c, const struct options *options, const char *path, const char *bearer, const char *body);
enum connection_news { NEWS_NONE, NEWS_ANSWER, NEWS_LOST };
/* After epoll said that there is something to do. Lost: it is closed, and its request has no answer. */
enum connection_news connection_ready(struct connection *c, uint32_t events);
void connection_close(struct connection *c);

/* ---- heap.c: who is next ------------------------------------------------------------------------------------------- */
struct heap_entry {
	double due;
	uint32_t host;
};
typedef km_vec(struct heap_entry) heap;
void heap_push(heap *h, double due, uint32_t host);
/* The earliest, which goes; false: nobody is due by now. */
bool heap_pop(heap *h, double now, struct heap_entry *ret);

/* ---- documents.c: the channel's index and rollout, fetched once for all hosts ------------------------------------------ */
struct documents {
	char channel[KM_TRUST_NAME_MAX + 1];
	int64_t timestamp; /* the version that index and rollout belong to; 0: none yet */
	struct km_index index;
	struct km_rollout rollout;
	struct connection connection;
	char bearer[64];
	struct km_timestamp next; /* that is being fetched */
	enum { FETCH_NOTHING, FETCH_TIMESTAMP, FETCH_INDEX, FETCH_ROLLOUT } step;
	uint64_t fetched;
};
/* Begins to fetch what the newest timestamp names, unless that is under way. */
KM_CHECKED km_error *documents_fetch(struct documents *d, const struct options *options, int epoll, const char *bearer);
/* Takes the answer that its connection has. *done: all of it is there. */
KM_CHECKED km_error *documents_answer(struct documents *d, const struct options *options, bool *done);
/* The newest release of the index that is not withdrawn, or NULL. */
const struct km_index_entry *documents_release(const struct documents *d);
/* Its entry in the rollout, or NULL. */
const struct km_rollout_entry *documents_entry(const struct documents *d, const char *release);
void documents_free(struct documents *d);

/* ---- host.c ---------------------------------------------------------------------------------------------------------- */
enum fate { FATE_LIVES, FATE_FAILS, FATE_STALLS, FATE_CRASHES, FATE_HANGS, FATE_ABSENT };
struct sim_host {
	char id[KM_SHA256_HEX], secret[64];
	uint8_t fate, state, health; /* the last two: enum km_patch_state and km_health, when `tried` */
	bool tried, told_crash;
	bool waits;	  /* for documents */
	float dies;	  /* simulated seconds after the load */
	double next;	  /* its regular check-in */
	double loaded_at; /* 0: the patch is not in effect */
	double since;	  /* of its state */
	int age;	  /* of the last look at health, simulated seconds */
};
/* What all hosts see of the world. */
struct world {
	const struct options *options;
	const struct documents *documents;
	double epoch;  /* what simulated dates count from … */
	double begin;  /* … at this time */
	char release[KM_SHA256_HEX]; /* that hosts have tried */
};
/* Host number i, before it has attached. */
void host_init(struct sim_host *h, const struct options *options, size_t i);
/* Its time has come: lives, ages, dies. True: it checks in now; false: it is down, and *due says until when (0: for good). */
bool host_wake(struct sim_host *h, const struct world *world, double now, double *due);
/* What it reports; for free(). */
char *host_report(const struct sim_host *h, const struct world *world, int64_t root);
/* It has an answer, and the documents are those of now: loads, takes back, or goes on. */
enum host_did { DID_NOTHING, DID_LOAD, DID_REMOVE };
enum host_did host_look(struct sim_host *h, struct world *world, const struct km_checkin_answer *answer, double now);
/* When it wakes next. */
double host_due(const struct sim_host *h, const struct world *world, double now);

/* ---- process.c ------------------------------------------------------------------------------------------------------- */
struct usage {
	double cpu;	      /* seconds, user and system */
	double rss, rss_peak; /* MiB */
};
/* KM_ENV when there is no such process. */
KM_CHECKED km_error *process_usage(pid_t pid, struct usage *ret);

/* ---- fleet.c --------------------------------------------------------------------------------------------------------- */
struct fleet;
KM_CHECKED km_error *fleet_create(const struct options *options, struct fleet **ret);
void fleet_destroyp(struct fleet **fleet);
/* Attaches every host. */
KM_CHECKED km_error *fleet_attach(struct fleet *fleet);
/* Runs for options->seconds. */
KM_CHECKED km_error *fleet_run(struct fleet *fleet);
/* What came of it: "began" is a date, all other times are seconds since. */
json_t *fleet_result(const struct fleet *fleet);

#endif
