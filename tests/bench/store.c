/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the state costs with a fleet of hosts: kmend-bench-store [HOSTS [WHERE]], 100,000 and a file in $TMPDIR unless
 * said otherwise. */
#include <kmend/store.h>
#include <sys/resource.h>
#include <unistd.h>

#define RELEASE "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
enum { NOW = 1800000000, BATCH = 1000 };

static km_store *store;
static int hosts = 100000;
static km_arena *arena;

static void need(km_error *err)
{
	if (!err)
		return;
	km_error_print("kmend-bench-store", err);
	exit(1);
}

static void name(const char *kind, int i, char ret[static KM_SHA256_HEX])
{
	KM_AUTOFREE char *text = km_printf("%s %d", kind, i);
	uint8_t sum[KM_SHA256_LEN];

	km_sha256_of(text, strlen(text), sum);
	km_hex(sum, sizeof(sum), ret);
}

static struct km_fleet_kernel kernel(int i)
{
	struct km_fleet_kernel k = {.arch = "x86_64", .boot = "0123456789abcdef0123456789abcdef"};

	snprintf(k.release, sizeof(k.release), "6.1.0-%d-cloud-amd64", i % 40);
	memset(k.build_id, 'b', 40);
	return k;
}

static void attach(int i)
{
	struct km_attach a = {.kernel = kernel(i)};
	char secret[KM_SHA256_HEX];
	int64_t n;

	name("host", i, a.host);
	name("secret", i, secret);
	need(km_store_attach(store, &a, "t", secret, NOW, &n, NULL));
}

static void report(int i)
{
	struct km_report_patch patch = {.release = RELEASE,
					.state = KM_PATCH_LOADED,
					.health = KM_HEALTH_GOOD,
					.since = NOW,
					.transition_ms = 10,
					.age = 900};
	struct km_report r = {
		.kernel = kernel(i), .agent = "0.1.0", .standing = KM_PROTECTED, .patches = &patch, .n_patches = 1};

	name("host", i, r.host);
	need(km_store_report(store, &r, i + 1, NOW, NULL));
}

static void seen(int i)
{
	static struct km_store_seen rows[BATCH];

	rows[i % BATCH] = (struct km_store_seen){.host = 1 + (int64_t)i * 7919 % hosts, .at = NOW + 60, .digest = 1};
	if (i % BATCH == BATCH - 1)
		need(km_store_seen(store, rows, BATCH));
}

static void find(int i)
{
	char secret[KM_SHA256_HEX];
	struct km_store_host host;

	name("secret", i, secret);
	need(km_store_host_by_secret(store, secret, arena, &host, NULL));
}

static void may_blob(int i)
{
	char sum[KM_SHA256_HEX];
	bool ret;

	name("blob", i % 2, sum);
	need(km_store_may_blob(store, "stable", KM_SEVERITY_LOW, sum, &ret));
}

static void audit(int i)
{
	struct km_store_audit a = {
		.at = NOW + i, .actor = "admin:ops", .action = "token.revoke", .object = "x", .detail = "lost laptop"};

	need(km_store_audit(store, &a, NULL));
}

static void page(int i)
{
	struct km_store_filter filter = {
		.channel = "stable", .kernel = "6.1.0-7-cloud-amd64", .after = i * 50, .limit = 100};
	struct km_store_host *ret;
	size_t n;

	need(km_store_hosts(store, &filter, arena, &ret, &n));
}

static void page_text(int i)
{
	struct km_store_filter filter = {.text = "6.1", .after = i * 50, .limit = 100};
	struct km_store_host *ret;
	size_t n;

	need(km_store_hosts(store, &filter, arena, &ret, &n));
}

static km_error *host_row(void *ctx, const struct km_store_host *host)
{
	*(int64_t *)ctx += host->n;
	return NULL;
}

static void load_all(int i)
{
	int64_t sum = i;

	need(km_store_hosts_all(store, host_row, &sum));
}

static km_error *said_row(void *ctx, int64_t host, const struct km_report_patch *said)
{
	*(int64_t *)ctx += host + said->age;
	return NULL;
}

static void said_all(int i)
{
	int64_t sum = i;

	need(km_store_said(store, RELEASE, 0, said_row, &sum));
}

static void counts(int i)
{
	int64_t standing[KM_STANDINGS];

	need(km_store_count_standing(store, i % 2 ? "stable" : NULL, standing));
}

static void kernels(int i)
{
	struct km_store_kernels *ret;
	size_t n = (size_t)i;

	need(km_store_count_kernels(store, arena, &ret, &n));
}

static void release_counts(int i)
{
	struct km_store_release_count *ret;
	size_t n = (size_t)i;

	need(km_store_release_counts(store, RELEASE, arena, &ret, &n));
}

static void verify(int i)
{
	int64_t checked = i;

	need(km_store_audit_verify(store, 1, NULL, &checked));
}

/* times: how often, 0: once for each host. group: so many in one transaction. */
static const struct {
	const char *name;
	void (*operation)(int i);
	int times, group;
} operations[] = {
	{"attach", attach, 0, BATCH},
	{"first report of a host", report, 0, BATCH},
	{"report", report, 20000, BATCH},
	{"report, by itself", report, 200, 1},
	{"last contact", seen, 0, BATCH},
	{"host by secret", find, 20000, 0},
	{"may have a blob", may_blob, 20000, 0},
	{"audit record", audit, 20000, BATCH},
	{"page of 100 by channel and kernel", page, 500, 0},
	{"page of 100 by text", page_text, 50, 0},
	{"read every host", load_all, 3, 0},
	{"what all said of a release", said_all, 5, 0},
	{"counts by standing", counts, 20, 0},
	{"counts by kernel", kernels, 10, 0},
	{"counts of a release", release_counts, 5, 0},
	{"verify 20,000 audit records", verify, 2, 0},
};

static void measure(size_t which)
{
	int times = operations[which].times ? operations[which].times : hosts, group = operations[which].group;
	double wall = km_now(), before, after;

	km_cpu_used(&before, NULL);
	for (int i = 0; i < times; i++) {
		if (group && i % group == 0)
			need(km_store_begin(store));
		arena = km_arena_create();
		operations[which].operation(i % hosts);
		km_arena_destroy(arena);
		if (group && (i % group == group - 1 || i == times - 1))
			need(km_store_commit(store));
	}
	km_cpu_used(&after, NULL);
	printf("%-34s %9.1f us CPU %9.1f us\n", operations[which].name, (after - before) * 1e6 / times,
	       (km_now() - wall) * 1e6 / times);
	fflush(stdout);
}

static void set_up(void)
{
	struct km_store_token token = {.id = "t", .name = "", .channel = "stable", .tags = "web", .secret = "t"};
	struct km_index_entry entry = {.id = RELEASE};
	struct km_index index = {.channel = "stable", .releases = &entry, .n_releases = 1};
	struct km_store_document d = {.channel = "stable", .doc = KM_DOC_INDEX, .version = 1, .bytes = "x", .size = 1};
	struct km_release body = {.name = "", .version = "", .summary = "", .severity = "high"};

	name("blob", 1, body.source_sha256);
	need(km_store_token_add(store, &token, NULL));
	need(km_store_release_add(store, RELEASE, &body, "x", 1, NOW, NULL));
	need(km_store_document_add(store, &d, &index, NULL));
}

int main(int argc, char **argv)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = km_path(tmp ? tmp : "/tmp", "kmend-bench-XXXXXX"), *file;
	struct rusage usage;

	if (argc > 1)
		hosts = atoi(argv[1]);
	if (hosts < BATCH || !mkdtemp(dir))
		return 1;
	file = km_path(dir, "state.db");
	need(km_store_open(argc > 2 ? argv[2] : file, &store));
	printf("%s, %d hosts\n", km_store_describe(store), hosts);
	set_up();
	for (size_t i = 0; i < KM_COUNT(operations); i++)
		measure(i);
	getrusage(RUSAGE_SELF, &usage);
	printf("largest resident size %ld MB\n", usage.ru_maxrss / 1024);
	km_store_close(store);
	need(km_remove_tree(dir));
	free(dir);
	free(file);
	return 0;
}
