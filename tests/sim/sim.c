/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define KLP  "sys/kernel/livepatch"
#define CORE "sys/kernel/kmend"

static void must(km_error *err)
{
	if (!err)
		return;
	fprintf(stderr, "simulated kernel: %s\n", err->message);
	abort();
}

static void put(const struct sim *sim, const char *path, const void *bytes, size_t n)
{
	KM_AUTOFREE char *full = km_path(sim->root, path), *dir = km_strndup(full, strrchr(full, '/') - full);
	FILE *f;

	must(km_mkdirs(dir));
	/* In place, as sysfs is: nothing is renamed over. */
	f = fopen(full, "w");
	if (!f || fwrite(bytes, 1, n, f) != n || fclose(f))
		abort();
}

void sim_put(const struct sim *sim, const char *path, const char *fmt, ...)
{
	KM_AUTOFREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = km_vprintf(fmt, ap);
	va_end(ap);
	put(sim, path, text, strlen(text));
}

bool sim_has(const struct sim *sim, const char *path)
{
	KM_AUTOFREE char *full = km_path(sim->root, path);

	return km_exists(full);
}

char *sim_get(const struct sim *sim, const char *path)
{
	KM_AUTOFREE char *full = km_path(sim->root, path);
	uint8_t *bytes;
	size_t n;
	km_error *err = km_file_read(full, &bytes, &n);

	if (err) {
		km_error_free(err);
		return NULL;
	}
	if (n && bytes[n - 1] == '\n')
		bytes[n - 1] = '\0';
	return (char *)bytes;
}

static double number(const struct sim *sim, const char *path, double missing)
{
	KM_AUTOFREE char *text = sim_get(sim, path);

	return text ? atof(text) : missing;
}

static void drop(const struct sim *sim, const char *path)
{
	KM_AUTOFREE char *full = km_path(sim->root, path);

	must(km_remove_tree(full));
}

/* ---- transitions ------------------------------------------------------------------------------------------------ */

static void set_tasks(const struct sim *sim, int state)
{
	KM_AUTOFREE char *proc = km_path(sim->root, "proc");
	km_strv pids = {0};

	must(km_listdir(proc, &pids));
	for (size_t i = 0; i < pids.n; i++) {
		KM_AUTOFREE char *dir = km_printf("%s/%s/task", proc, pids.at[i]);
		km_strv tids = {0};

		if (km_is_dir(dir))
			must(km_listdir(dir, &tids));
		for (size_t j = 0; j < tids.n; j++) {
			KM_AUTOFREE char *path = km_printf("proc/%s/task/%s/patch_state", pids.at[i], tids.at[j]);

			sim_put(sim, path, "%d\n", state);
		}
		km_strv_free(&tids);
	}
	km_strv_free(&pids);
}

static const char *base_of(const struct sim *sim, const char *name)
{
	KM_AUTOFREE char *path = km_printf(CORE "/%s", name);

	return sim_has(sim, path) ? CORE : KLP;
}

static void set(const struct sim *sim, const char *name, const char *file, int value)
{
	KM_AUTOFREE char *path = km_printf("%s/%s/%s", base_of(sim, name), name, file);

	sim_put(sim, path, "%d\n", value);
}

static int get(const struct sim *sim, const char *name, const char *file)
{
	KM_AUTOFREE char *path = km_printf("%s/%s/%s", base_of(sim, name), name, file);

	return (int)number(sim, path, -1);
}

static char *moving_in(const struct sim *sim, const char *base)
{
	KM_AUTOFREE char *dir = km_path(sim->root, base);
	km_strv names = {0};
	char *found = NULL;

	if (!km_is_dir(dir))
		return NULL;
	must(km_listdir(dir, &names));
	for (size_t i = 0; i < names.n && !found; i++)
		if (get(sim, names.at[i], "transition") == 1)
			found = km_strdup(names.at[i]);
	km_strv_free(&names);
	return found;
}

static char *moving(const struct sim *sim)
{
	char *found = moving_in(sim, KLP);

	return found ? found : moving_in(sim, CORE);
}

static void let_go(const struct sim *sim, const char *name)
{
	KM_AUTOFREE char *dir = km_printf("%s/%s", base_of(sim, name), name), *refcnt = km_printf("sys/module/%s/refcnt", name);

	drop(sim, dir);
	sim_put(sim, refcnt, "0\n");
}

static void replace_others(const struct sim *sim, const char *name)
{
	KM_AUTOFREE char *dir = km_path(sim->root, KLP);
	km_strv names = {0};

	must(km_listdir(dir, &names));
	for (size_t i = 0; i < names.n; i++)
		if (strcmp(names.at[i], name))
			let_go(sim, names.at[i]);
	km_strv_free(&names);
}

static void complete(const struct sim *sim, const char *name)
{
	set_tasks(sim, -1);
	set(sim, name, "transition", 0);
	if (get(sim, name, "enabled") != 1)
		let_go(sim, name);
	else if (sim_has(sim, "sim/replace"))
		replace_others(sim, name);
}

/* What the core shows of the tasks: all of them are in the way. */
static void show_tasks(const struct sim *sim, const char *name)
{
	KM_AUTOFREE char *proc = km_path(sim->root, "proc"), *path = km_printf(CORE "/%s/blockers", name);
	km_strv pids = {0};
	km_str s = {0};

	must(km_listdir(proc, &pids));
	for (size_t i = 0; i < pids.n; i++)
		if (pids.at[i][0] >= '0' && pids.at[i][0] <= '9')
			km_str_printf(&s, "%s %s c\\040mm running do_thing\n", pids.at[i], pids.at[i]);
	sim_put(sim, path, "%s", s.at ? s.at : "");
	set(sim, name, "tasks_left", (int)pids.n);
	km_str_free(&s);
	km_strv_free(&pids);
}

static void begin(const struct sim *sim, const char *name, int target, double seconds)
{
	if (!strcmp(base_of(sim, name), CORE))
		show_tasks(sim, name);
	sim_put(sim, "sim/used", "0\n");
	set(sim, name, "enabled", target);
	set(sim, name, "transition", 1);
	set_tasks(sim, !target);
	sim_put(sim, "sim/left", "%g\n", seconds);
	if (seconds <= 0)
		complete(sim, name);
}

/* ---- the door --------------------------------------------------------------------------------------------------- */

static void add_module(const struct sim *sim, const char *name, const uint8_t *bytes, size_t n)
{
	static const uint8_t head[] = {4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0};
	KM_AUTOFREE char *note = km_printf("sys/module/%s/notes/.note.gnu.build-id", name);
	static const char *const files[][2] = {{"initstate", "live"}, {"taint", "OEK"}, {"refcnt", "1"}};
	const uint8_t *at = bytes ? memmem(bytes, n, head, sizeof(head)) : NULL;

	for (size_t i = 0; i < KM_COUNT(files); i++) {
		KM_AUTOFREE char *path = km_printf("sys/module/%s/%s", name, files[i][0]);

		sim_put(sim, path, "%s\n", files[i][1]);
	}
	if (at && (size_t)(at - bytes) + sizeof(head) + 20 <= n)
		put(sim, note, at, sizeof(head) + 20);
}

/* A patch of the core has the mode that the operator has chosen. */
static void add_mode(const struct sim *sim, const char *name)
{
	KM_AUTOFREE char *mode = sim_get(sim, CORE "/mode"), *ms = sim_get(sim, CORE "/deadline_ms");
	KM_AUTOFREE char *mode_path = km_printf(CORE "/%s/mode", name), *ms_path = km_printf(CORE "/%s/deadline_ms", name);
	KM_AUTOFREE char *holder = km_printf("sys/module/kmend/holders/%s", name);

	sim_put(sim, mode_path, "%s\n", mode && strcmp(mode, "default") ? mode : "hybrid");
	sim_put(sim, ms_path, "%s\n", ms ? ms : "0");
	sim_put(sim, holder, "\n");
}

static void add_patch(const struct sim *sim, const char *base, const char *name)
{
	KM_AUTOFREE char *func = km_printf("%s/%s/%s/vmlinux/do_thing,1", sim->root, base, name);

	must(km_mkdirs(func));
	set(sim, name, "vmlinux/patched", 1);
	set(sim, name, "force", 0);
}

static int sim_load(void *ctx, int fd, const char *path, const char *parameters)
{
	const struct sim *sim = ctx;
	char self[64];
	KM_AUTOFREE uint8_t *bytes = NULL;
	KM_AUTOFREE char *dir = NULL;
	const char *name;
	bool core;
	size_t n;

	(void)path;
	if (sim_has(sim, "sim/load_errno"))
		return (int)number(sim, "sim/load_errno", 0);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	must(km_file_read(self, &bytes, &n));
	name = memmem(bytes, n, "\0name=", 6);
	if (!name)
		return ENOEXEC;
	name += 6;
	dir = km_printf("sys/module/%s", name);
	if (sim_has(sim, dir))
		return EEXIST;
	add_module(sim, name, bytes, n);
	sim_put(sim, "sim/parameters", "%s\n", parameters);
	if (sim_has(sim, "sim/deaf"))
		return 0;
	core = memmem(bytes, n, "kmend_enable_patch", strlen("kmend_enable_patch"));
	add_patch(sim, core ? CORE : KLP, name);
	if (core)
		add_mode(sim, name);
	begin(sim, name, 1, number(sim, "sim/busy", 0.5));
	return 0;
}

static int sim_find(void *ctx, const char *name)
{
	return !strcmp(name, "kmend") && sim_has(ctx, "sim/core") ? 0 : ENOENT;
}

static int sim_probe(void *ctx, const char *name)
{
	if (sim_find(ctx, name))
		return ENOENT;
	sim_put(ctx, CORE "/mode", "default\n");
	sim_put(ctx, CORE "/deadline_ms", "0\n");
	sim_put(ctx, "sys/module/kmend/initstate", "live\n");
	return 0;
}

static int sim_remove(void *ctx, const char *name)
{
	const struct sim *sim = ctx;
	KM_AUTOFREE char *module = km_printf("sys/module/%s", name), *patch = km_printf("%s/%s", base_of(sim, name), name);
	double lag = number(sim, "sim/lag", 0);

	if (!sim_has(sim, module))
		return ENOENT;
	if (sim_has(sim, patch) || sim_has(sim, "sim/forced"))
		return EAGAIN;
	if (lag > 0) {
		sim_put(sim, "sim/lag", "%g\n", lag - 1);
		return EAGAIN;
	}
	drop(sim, module);
	return 0;
}

static int write_enabled(const struct sim *sim, const char *name, int value)
{
	KM_AUTOFREE char *other = moving(sim);

	if (get(sim, name, "enabled") == value)
		return EINVAL;
	if (other && strcmp(other, name))
		return EBUSY;
	if (!other && value)
		return EINVAL;
	begin(sim, name, value, other ? number(sim, "sim/back", 0.05) : number(sim, "sim/busy", 0.5));
	return 0;
}

static int sim_write(void *ctx, const char *path, const char *text)
{
	const struct sim *sim = ctx;
	KM_AUTOFREE char *name = NULL;
	const char *below = strstr(path, KLP "/"), *file = strrchr(path, '/');

	below = below ? below + strlen(KLP "/") : strstr(path, CORE "/");
	if (!below || !km_exists(path))
		return ENOENT;
	if (km_starts(below, CORE "/"))
		below += strlen(CORE "/");
	name = km_strndup(below, strcspn(below, "/"));
	if (!strcmp(file, "/mode") || !strcmp(file, "/deadline_ms")) {
		sim_put(sim, path + strlen(sim->root) + 1, "%s\n", text);
		return 0;
	}
	if (!strcmp(file, "/enabled"))
		return write_enabled(sim, name, atoi(text));
	if (strcmp(file, "/force"))
		return EACCES;
	sim_put(sim, "sim/forced", "1\n");
	complete(sim, name);
	return 0;
}

/* In mode deadline the core turns round when three quarters of the time have passed. */
static void give_up_in_time(const struct sim *sim, const char *name, double seconds)
{
	KM_AUTOFREE char *path = km_printf(CORE "/%s/mode", name), *mode = sim_get(sim, path);
	double used = number(sim, "sim/used", 0) + seconds;

	sim_put(sim, "sim/used", "%g\n", used);
	if (!mode || strcmp(mode, "deadline") || used < 0.75 * get(sim, name, "deadline_ms") / 1000)
		return;
	begin(sim, name, !get(sim, name, "enabled"), number(sim, "sim/back", 0.05));
	sim_put(sim, "sim/used", "-1e9\n");
}

static void sim_sleep(void *ctx, double seconds)
{
	struct sim *sim = ctx;
	KM_AUTOFREE char *name = moving(sim);
	double left;

	sim->clock += seconds;
	if (!name)
		return;
	give_up_in_time(sim, name, seconds);
	left = number(sim, "sim/left", 0) - seconds;
	sim_put(sim, "sim/left", "%g\n", left);
	if (left <= 0)
		complete(sim, name);
}

static double sim_now(void *ctx)
{
	return ((struct sim *)ctx)->clock;
}

struct km_door sim_door(struct sim *sim)
{
	return (struct km_door){sim_load, sim_remove, sim_find, sim_probe, sim_write, sim_sleep, sim_now, sim};
}

/* ---- the tree --------------------------------------------------------------------------------------------------- */

void sim_open(struct sim *sim, const char *root)
{
	uint8_t note[36] = {4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0};
	KM_AUTOFREE char *klp = NULL;

	*sim = (struct sim){.root = km_strdup(root), .clock = 1000};
	if (sim_has(sim, "sim/made"))
		return;
	for (size_t i = 0; i < 20; i++) {
		unsigned byte;

		sscanf(&SIM_BUILD_ID[2 * i], "%2x", &byte);
		note[16 + i] = (uint8_t)byte;
	}
	put(sim, "sys/kernel/notes", note, sizeof(note));
	klp = km_path(root, KLP);
	must(km_mkdirs(klp));
	sim_put(sim, "proc/sys/kernel/osrelease", SIM_RELEASE "\n");
	sim_put(sim, "proc/sys/kernel/tainted", "32768\n");
	sim_put(sim, "proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n");
	sim_put(sim, "sys/module/ext4/initstate", "live\n");
	sim_put(sim, "sys/module/ext4/taint", "\n");
	sim_put(sim, "sim/made", "\n");
}

void sim_close(struct sim *sim)
{
	free(sim->root);
}

void sim_task(const struct sim *sim, int pid, int tid, const char *comm, const char *stack)
{
	KM_AUTOFREE char *dir = km_printf("proc/%d/task/%d", pid, tid), *comm_path = km_printf("%s/comm", dir);
	KM_AUTOFREE char *stat = km_printf("%s/stat", dir), *stack_path = km_printf("%s/stack", dir);
	KM_AUTOFREE char *state = km_printf("%s/patch_state", dir);

	sim_put(sim, comm_path, "%s\n", comm);
	sim_put(sim, stat, "%d (%s) S 1 1 1 0 -1 4194560 0\n", tid, comm);
	if (stack)
		sim_put(sim, stack_path, "%s", stack);
	sim_put(sim, state, "-1\n");
}

void sim_foreign(const struct sim *sim, const char *name, bool enabled)
{
	add_module(sim, name, NULL, 0);
	add_patch(sim, KLP, name);
	set(sim, name, "enabled", enabled);
	set(sim, name, "transition", 0);
}
