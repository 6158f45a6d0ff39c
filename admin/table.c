/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Columns for people, of what the server answered. */
#include <time.h>

#include "admin.h"

void table_begin(struct table *table, const char *heads)
{
	KM_AUTOFREE char *copy = km_strdup(heads);

	*table = (struct table){0};
	for (char *rest = copy, *head; (head = strsep(&rest, "|")); table->columns++)
		km_strv_push(&table->cells, head);
}

void table_add(struct table *table, const char *text)
{
	km_strv_push(&table->cells, text ? text : "");
}

void table_addf(struct table *table, const char *fmt, ...)
{
	KM_AUTOFREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = km_vprintf(fmt, ap);
	va_end(ap);
	km_strv_push(&table->cells, text);
}

/* Characters, not bytes: continuation bytes take no room. */
static size_t width_of(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static size_t column_width(const struct table *table, size_t column)
{
	size_t width = 0;

	for (size_t i = column; i < table->cells.n; i += table->columns) {
		size_t w = width_of(table->cells.at[i]);

		width = w > width ? w : width;
	}
	return width;
}

void table_end(struct table *table, const char *nothing)
{
	size_t rows = table->cells.n / table->columns;

	if (rows < 2)
		printf("%s\n", nothing);
	for (size_t row = 0; rows >= 2 && row < rows; row++)
		for (size_t column = 0; column < table->columns; column++) {
			const char *cell = table->cells.at[row * table->columns + column];
			bool last = column + 1 == table->columns;

			printf("%s%s%s%*s", row ? "" : km_colour_on(stdout, KM_BOLD), cell,
			       row ? "" : km_colour_off(stdout),
			       last ? 0 : (int)(column_width(table, column) - width_of(cell) + 2), last ? "" : " ");
			if (last)
				putchar('\n');
		}
	km_strv_free(&table->cells);
}

const char *json_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

int64_t json_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

const char *short_time(int64_t t, char out[static 32])
{
	time_t seconds = (time_t)t;
	struct tm tm;

	if (!t || !gmtime_r(&seconds, &tm) || !strftime(out, 32, "%Y-%m-%d %H:%M", &tm))
		out[0] = '\0';
	return out;
}

const char *time_ago(int64_t t, int64_t now, char out[static 32])
{
	static const struct {
		int64_t below, unit;
		const char *word;
	} words[] = {{120, 1, "s"}, {7200, 60, "min"}, {172800, 3600, "h"}, {INT64_MAX, 86400, "days"}};
	int64_t age = now > t ? now - t : 0;

	snprintf(out, 32, "never");
	for (size_t i = 0; t && i < KM_COUNT(words); i++)
		if (age < words[i].below) {
			snprintf(out, 32, "%lld %s ago", (long long)(age / words[i].unit), words[i].word);
			break;
		}
	return out;
}

char *json_words(const json_t *array)
{
	km_str s = {0};
	json_t *word;
	size_t i;

	km_str_add(&s, "");
	json_array_foreach(array, i, word)
		km_str_printf(&s, "%s%s", i ? " " : "", json_string_value(word) ? json_string_value(word) : "");
	return s.at;
}
