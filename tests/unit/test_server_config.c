/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"
#include "config.h"

static void test_values(void **state)
{
	static const struct {
		const char *name, *value, *error; /* error NULL: it is good */
	} rows[] = {
		{"listen", "*:80", NULL},
		{"listen", "", "empty"},
		{"data", "/a\nb", "control characters"},
		{"database", "postgres://db/kmend", NULL},
		{"database", "postgresql:///kmend", NULL},
		{"database", "postgres://", "no postgres:// URL"},
		{"database", "sqlite", "no postgres:// URL"},
		{"payload-base", "https://cdn/", NULL},
		{"payload-base", "ftp://cdn/", "no http:// or https:// URL"},
		{"threads", "4", NULL},
		{"threads", "257", "no number from 0 to 256"},
		{"threads", "4x", "no number"},
		{"threads", " 4", "no number"},
		{"threads", "99999999999999999999", "no number"},
		{"interval", "90", NULL},
		{"interval", "15m", NULL},
		{"interval", "24h", NULL},
		{"interval", "25h", "not between 1 and 86400"},
		{"interval", "s", "no number"},
		{"interval", "1w", "no number"},
		{"lifetimes", "rollout=10d,timestamp=6h", NULL},
		{"lifetimes", "timestamp=6h,root=1d", "'root=1d' is no lifetime"},
		{"lifetimes", "timestamp=32d", "not between"},
		{"trusted-proxy", "10.0.0.0/8,::1", NULL},
		{"trusted-proxy", "10.0.0.0/8,", "empty word"},
		{"verbose", "yes", NULL},
		{"verbose", "true", "neither yes nor no"},
		{"verbos", "yes", "there is no setting 'verbos'"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(rows); i++) {
		KM_CLEANUP(config_freep) struct config config;
		km_error *err;

		config_default(&config);
		err = config_set(&config, "here", rows[i].name, rows[i].value);
		if (rows[i].error)
			check_error(err, KM_USAGE, rows[i].error);
		else
			check_ok(err);
	}
}

static void test_read(void **state)
{
	KM_CLEANUP(config_freep) struct config config;
	char *dir = check_dir(), *path = km_path(dir, "conf");
	static const char text[] = "# settings\n\n  interval =  2m \nlifetimes = timestamp=1h\ntrusted-proxy = "
				   "::1,127.0.0.1\nverbose = yes";

	(void)state;
	config_default(&config);
	check_ok(km_file_write(path, text, sizeof(text) - 1));
	check_ok(config_read(&config, path));
	assert_int_equal(config.interval, 120);
	assert_int_equal(config.lifetimes.timestamp, 3600);
	assert_int_equal(config.lifetimes.rollout, km_lifetimes_default.rollout);
	assert_int_equal(config.proxies.n, 2);
	assert_string_equal(config.proxies.at[1], "127.0.0.1");
	assert_true(config.verbose);
	/* A flag over it. */
	check_ok(config_set(&config, "--trusted-proxy", "trusted-proxy", "::2"));
	assert_int_equal(config.proxies.n, 1);
	check_ok(km_file_write(path, "interval = 1\0", 13));
	check_error(config_read(&config, path), KM_INPUT, "is no text");
	check_ok(km_file_write(path, "interval = 1\ninterval = 2\n", 26));
	check_error(config_read(&config, path), KM_USAGE, "conf:2: 'interval' is set for the second time");
	free(path);
	check_dir_end(dir);
}

static void test_check(void **state)
{
	KM_CLEANUP(config_freep) struct config config;
	bool has_value;

	(void)state;
	config_default(&config);
	check_ok(config_check(&config));
	check_ok(config_set(&config, "x", "tls-cert", "a.pem"));
	check_error(config_check(&config), KM_USAGE, "tls-key is lacking");
	check_ok(config_flag("threads", &has_value));
	assert_true(has_value);
	check_ok(config_flag("verbose", &has_value));
	assert_false(has_value);
	check_error(config_flag("thread", &has_value), KM_USAGE, "there is no setting 'thread'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
