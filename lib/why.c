/*
 * why.c - reasons, and the nearest known name to a mistyped one.
 *
 * Filled by the parsers and judges of every stage, printed by their callers.
 */

#include "why.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX_LEN 64

int
why_set(struct why *why, const char *code, const char *at, const char *fmt, ...)
{
	va_list ap;

	snprintf(why->code, sizeof(why->code), "%s", code);
	snprintf(why->at, sizeof(why->at), "%s", at != NULL ? at : "");
	va_start(ap, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
	return -1;
}

static size_t
least(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

static int
same(char a, char b)
{
	return strncasecmp(&a, &b, 1) == 0;
}

size_t
why_distance(const char *a, const char *b)
{
	size_t rows[3][WORD_MAX_LEN + 1], na = strlen(a), nb = strlen(b);

	if (na > WORD_MAX_LEN || nb > WORD_MAX_LEN)
		return WORD_MAX_LEN;
	for (size_t j = 0; j <= nb; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t *row = rows[i % 3], *last = rows[(i + 2) % 3],
		       *before = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			row[j] = least(row[j - 1] + 1, last[j] + 1,
			    last[j - 1] + !same(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) &&
			    same(a[i - 2], b[j - 1]) &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
	}
	return rows[na % 3][nb];
}

const char *
why_nearest(const char *word, const char *const *names, size_t n)
{
	size_t best = strlen(word) / 3 + 1;
	const char *found = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t d = why_distance(word, names[i]);

		if (d <= best && (found == NULL || d < best)) {
			best = d;
			found = names[i];
		}
	}
	return found;
}
