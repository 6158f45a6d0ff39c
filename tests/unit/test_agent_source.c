/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a stranger can do with a spool and with a bundle, and the small files of a host. */
#include <fcntl.h>
#include <kmend/agent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char *fresh(void)
{
	char *root = check_dir();

	check_ok(km_agent_prepare(root));
	return root;
}

static char *spool_path(const char *root, const char *name)
{
	return km_printf("%s" KM_AGENT_SPOOL "/%s", root, name);
}

static km_error *get(const char *root, const char *name, size_t max, char **text)
{
	KM_CLEANUP(km_source_closep) km_source *source = NULL;
	uint8_t *bytes;
	size_t size;

	check_ok(km_source_spool(root, &source));
	KM_TRY(km_source_get(source, name, max, &bytes, &size, NULL));
	assert_int_equal(strlen((char *)bytes), size);
	*text = (char *)bytes;
	return NULL;
}

static void put(const char *root, const char *name, const char *text)
{
	KM_AUTOFREE char *path = spool_path(root, name);

	check_ok(km_file_write(path, text, strlen(text)));
}

static void test_spool(void **state)
{
	char *root = fresh(), *text = NULL;

	(void)state;
	put(root, "timestamp", "hello");
	check_ok(get(root, "timestamp", 5, &text));
	assert_string_equal(text, "hello");
	free(text);
	check_error(get(root, "timestamp", 4, &text), KM_INPUT, "more than 4 bytes");
	check_error(get(root, "index", 10, &text), KM_NOTHING, "no index");
	check_dir_end(root);
}

/* Each makes `timestamp` something that must not be read. */
static void make_link(const char *path)
{
	assert_int_equal(symlink("/etc/passwd", path), 0);
}

static void make_link_to_dev(const char *path)
{
	assert_int_equal(symlink("/dev/zero", path), 0);
}

static void make_fifo(const char *path)
{
	assert_int_equal(mkfifo(path, 0666), 0);
}

static void make_dir(const char *path)
{
	assert_int_equal(mkdir(path, 0777), 0);
}

static void make_huge(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0666);

	assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
	close(fd);
}

static void test_spool_attacks(void **state)
{
	static const struct {
		void (*make)(const char *path);
		const char *says;
	} attacks[] = {
		{make_link, "no regular file"}, {make_link_to_dev, "no regular file"}, {make_fifo, "no regular file"},
		{make_dir, "no regular file"},	{make_huge, "more than"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(attacks); i++) {
		char *root = fresh(), *text;
		KM_AUTOFREE char *path = spool_path(root, "timestamp");

		attacks[i].make(path);
		check_error(get(root, "timestamp", 4096, &text), KM_INPUT, attacks[i].says);
		check_dir_end(root);
	}
}

static void test_spool_is_a_link(void **state)
{
	char *root = fresh();
	KM_AUTOFREE char *spool = km_printf("%s" KM_AGENT_SPOOL, root);
	km_source *source;

	(void)state;
	check_ok(km_remove_tree(spool));
	assert_int_equal(symlink("/etc", spool), 0);
	check_error(km_source_spool(root, &source), KM_ENV, "cannot open");
	check_dir_end(root);
}

static void test_names(void **state)
{
	static const char *const good[] = {"timestamp", "index", "rollout", "answer", "attach", "root.1", "root.9007199254740991",
					   "release." ID, "payload." ID};
	static const char *const bad[] = {"", ".", "..", "/etc/passwd", "../identity", "root.", "root.0", "root.01", "root.1/..",
					  "root.12345678901234567", "release.", "release.." ID, "release." ID "0", "payload.x",
					  "timestamp ", "release.0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"};
	char name[KM_SOURCE_NAME];

	(void)state;
	for (size_t i = 0; i < KM_COUNT(good); i++)
		if (!km_source_name_ok(good[i]))
			fail_msg("%s is a name", good[i]);
	for (size_t i = 0; i < KM_COUNT(bad); i++)
		if (km_source_name_ok(bad[i]))
			fail_msg("%s is no name", bad[i]);
	km_source_name(KM_DOC_ROOT, "3", name);
	assert_string_equal(name, "root.3");
	km_source_name(KM_DOC_RELEASE, ID, name);
	assert_string_equal(name, "release." ID);
	km_source_name(KM_DOC_INDEX, "7", name);
	assert_string_equal(name, "index");
	km_source_payload_name(ID, name);
	assert_string_equal(name, "payload." ID);
}

/* ---- bundles -------------------------------------------------------------------------------------------------------- */

static void test_bundle(void **state)
{
	char *dir = check_dir();
	KM_AUTOFREE char *path = km_path(dir, "b"), *huge = km_calloc(100000, 1);
	KM_CLEANUP(km_source_closep) km_source *source = NULL;
	km_bundle *bundle;
	uint8_t *bytes;
	size_t size;

	(void)state;
	check_ok(km_bundle_create(path, &bundle));
	check_ok(km_bundle_add(bundle, "root.1", "one", 3));
	check_ok(km_bundle_add(bundle, "index", "", 0));
	check_ok(km_bundle_add(bundle, "payload." ID, huge, 100000));
	check_error(km_bundle_add(bundle, "root.1", "two", 3), KM_BUG, "cannot take");
	check_error(km_bundle_add(bundle, "../x", "two", 3), KM_BUG, "cannot take");
	assert_false(km_exists(path));
	check_ok(km_bundle_end(bundle));
	check_ok(km_source_bundle(path, &source));
	check_ok(km_source_get(source, "root.1", 3, &bytes, &size, NULL));
	assert_string_equal((char *)bytes, "one");
	free(bytes);
	check_ok(km_source_get(source, "index", 10, &bytes, &size, NULL));
	assert_int_equal(size, 0);
	free(bytes);
	check_ok(km_source_get(source, "payload." ID, 100000, &bytes, &size, NULL));
	assert_int_equal(size, 100000);
	free(bytes);
	check_error(km_source_get(source, "payload." ID, 99999, &bytes, &size, NULL), KM_INPUT, "more than");
	check_error(km_source_get(source, "rollout", 10, &bytes, &size, NULL), KM_NOTHING, "no rollout");
	check_dir_end(dir);
}

static void test_bundle_dropped(void **state)
{
	char *dir = check_dir();
	KM_AUTOFREE char *path = km_path(dir, "b");
	km_strv names = {0};
	km_bundle *bundle;

	(void)state;
	check_ok(km_bundle_create(path, &bundle));
	km_bundle_drop(bundle);
	check_ok(km_listdir(dir, &names));
	assert_int_equal(names.n, 0);
	check_error(km_bundle_create("/nonexistent/b", &bundle), KM_ENV, "cannot write /nonexistent/b");
	check_dir_end(dir);
}

static void test_broken_bundles(void **state)
{
#define HEAD "kmend bundle 1\n"
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"", "no first line"},
		{"kmend bundle 2\nend\n", "another first line"},
		{HEAD, "no line"},
		{HEAD "end", "no line"},
		{HEAD "end\nmore", "bytes behind its end"},
		{HEAD "file index 3\nabc", "no line"},
		{HEAD "file index 4\nabc", "less than the size says"},
		{HEAD "file index 99999999999999999999\nend\n", "a size"},
		{HEAD "file index 268435457\nend\n", "a size"},
		{HEAD "file index 03\nabcend\n", "a size"},
		{HEAD "file index -1\nend\n", "a size"},
		{HEAD "file index  3\nabcend\n", "a size"},
		{HEAD "file index\nend\n", "no size"},
		{HEAD "file ../../etc/shadow 0\nend\n", "a name"},
		{HEAD "file answer/x 0\nend\n", "a name"},
		{HEAD "file index 0\nfile index 0\nend\n", "the same name"},
		{HEAD "dir x\nend\n", "an unknown word"},
	};
	char *dir = check_dir();
	KM_AUTOFREE char *path = km_path(dir, "b");
	km_source *source;

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		check_ok(km_file_write(path, cases[i].text, strlen(cases[i].text)));
		check_error(km_source_bundle(path, &source), KM_INPUT, cases[i].says);
	}
	check_error(km_source_bundle(dir, &source), KM_INPUT, "no regular file");
	check_dir_end(dir);
}

/* ---- configuration -------------------------------------------------------------------------------------------------- */

static void conf(const char *root, const char *text)
{
	KM_AUTOFREE char *path = km_path(root, "etc/kmend/agent.conf");

	check_ok(km_file_write(path, text, strlen(text)));
}

static void test_config(void **state)
{
	char *root = fresh();
	struct km_agent_config c;

	(void)state;
	check_ok(km_agent_config_read(root, &c));
	assert_null(c.server);
	assert_int_equal(c.mode, KM_MODE_NORMAL);
	conf(root, "# mine\n server = https://kmend.example:8443//  # here\nflavour=core\n\nmode = no-apply\ndeadline = 20\n"
		   "hold = a, b c\nproxy =\n");
	check_ok(km_agent_config_read(root, &c));
	assert_string_equal(c.server, "https://kmend.example:8443");
	assert_string_equal(c.flavour, "core");
	assert_int_equal(c.mode, KM_MODE_REFRESH);
	assert_true(c.deadline > 19 && c.deadline < 21);
	assert_int_equal(c.hold.n, 3);
	assert_null(c.proxy);
	km_agent_config_free(&c);
	check_dir_end(root);
}

static void test_config_set(void **state)
{
	char *root = fresh(), *value = NULL;
	KM_AUTOFREE char *path = km_path(root, "etc/kmend/agent.conf");
	KM_AUTOFREE uint8_t *bytes = NULL;
	size_t size;

	(void)state;
	conf(root, "# keep me\nmode = off\nmode = normal\n");
	check_ok(km_agent_config_set(root, "mode", "no-refresh"));
	check_ok(km_agent_config_set(root, "ca", "/etc/ca.pem"));
	check_ok(km_agent_config_get(root, "mode", &value));
	assert_string_equal(value, "no-refresh");
	free(value);
	check_ok(km_agent_config_set(root, "ca", NULL));
	check_ok(km_agent_config_get(root, "ca", &value));
	assert_null(value);
	check_error(km_agent_config_set(root, "mode", "loud"), KM_USAGE, "'loud' is none of");
	check_error(km_agent_config_set(root, "sever", "x"), KM_USAGE, "no setting 'sever'");
	check_error(km_agent_config_set(root, "hold", "a\nserver = http://x"), KM_USAGE, "no line end");
	check_ok(km_file_read(path, &bytes, &size));
	assert_string_equal((char *)bytes, "# keep me\nmode = no-refresh\n");
	check_dir_end(root);
}

static void test_bad_config(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"server = ftp://x\n", "line 1: 'ftp://x' is no URL"}, {"\nserver = https://\n", "line 2"},
		{"ca = ca.pem\n", "no absolute path"},		       {"flavour = kgraft\n", "none of auto, klp, core"},
		{"deadline = 0\n", "no number of seconds"},	       {"deadline = inf\n", "no number of seconds"},
		{"what = x\n", "no setting 'what'"},		       {"server\n", "no KEY = VALUE"},
	};
	char *root = fresh();
	struct km_agent_config c;

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		conf(root, cases[i].text);
		check_error(km_agent_config_read(root, &c), KM_INPUT, cases[i].says);
	}
	check_dir_end(root);
}

static void test_mode(void **state)
{
	static const struct {
		const char *cmdline;
		unsigned config, want;
	} cases[] = {
		{"", KM_MODE_NORMAL, KM_MODE_NORMAL},
		{"quiet kmend.mode=normal", KM_MODE_NORMAL, KM_MODE_NORMAL},
		{"kmend.mode=off ro\n", KM_MODE_NORMAL, 0},
		{"kmend.mode=no-apply", KM_MODE_NORMAL, KM_MODE_REFRESH},
		{"kmend.mode=no-refresh", KM_MODE_NORMAL, KM_MODE_APPLY},
		{"kmend.mode=normal", 0, 0},
		{"kmend.mode=no-apply kmend.mode=normal", KM_MODE_NORMAL, KM_MODE_REFRESH},
		{"kmend.mode=no-apply", KM_MODE_APPLY, 0},
		{"kmend.mode=of", KM_MODE_NORMAL, 0},
		{"xkmend.mode=off", KM_MODE_NORMAL, KM_MODE_NORMAL},
	};
	char *root = fresh();
	KM_AUTOFREE char *proc = km_path(root, "proc"), *path = km_path(proc, "cmdline");

	(void)state;
	check_ok(km_mkdirs(proc));
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct km_agent_config c = {.mode = cases[i].config};

		check_ok(km_file_write(path, cases[i].cmdline, strlen(cases[i].cmdline)));
		assert_int_equal(km_agent_mode(root, &c), cases[i].want);
	}
	assert_string_equal(km_agent_mode_name(KM_MODE_APPLY), "no-refresh");
	check_dir_end(root);
}

/* ---- identity ------------------------------------------------------------------------------------------------------- */

static void test_identity(void **state)
{
	char *root = fresh();
	struct km_identity out = {.host = ID, .secret = "kmh_abc-DEF_1", .channel = "stable"}, in;
	KM_AUTOFREE char *path = km_printf("%s" KM_AGENT_DIR "/identity", root);
	struct stat st;

	(void)state;
	assert_false(km_identity_exists(root));
	check_error(km_identity_read(root, &in), KM_NOTHING, "not attached");
	check_ok(km_identity_write(root, &out));
	check_ok(km_identity_read(root, &in));
	assert_string_equal(in.host, ID);
	assert_string_equal(in.secret, out.secret);
	assert_string_equal(in.channel, "stable");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	check_ok(km_file_write(path, "{\"format\":1}", 12));
	check_error(km_identity_read(root, &in), KM_INPUT, "identity is damaged");
	check_ok(km_agent_forget(root));
	assert_false(km_identity_exists(root));
	check_dir_end(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spool),	      cmocka_unit_test(test_spool_attacks),
		cmocka_unit_test(test_spool_is_a_link), cmocka_unit_test(test_names),
		cmocka_unit_test(test_bundle),	      cmocka_unit_test(test_bundle_dropped),
		cmocka_unit_test(test_broken_bundles), cmocka_unit_test(test_config),
		cmocka_unit_test(test_config_set),    cmocka_unit_test(test_bad_config),
		cmocka_unit_test(test_mode),	      cmocka_unit_test(test_identity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
