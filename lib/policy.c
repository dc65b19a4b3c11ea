/*
 * policy.c - sources by name, and the key values of an object.
 *
 * join asks for the values of each record that is new or changed; what comes
 * out is compared byte by byte, so everything that should not matter is
 * taken away here.  Pure.
 */

#include "policy.h"

#include <stdio.h>
#include <string.h>

#include <xxhash.h>

#include "utf8.h"

#define PARTS 0x1f /* between the attributes of one key */

static const char *const norm_names[] = { "trim", "lower", "upper", "fold",
	"digits", "strip0", "smtp", "before(@)" };

const char *
policy_norm_name(enum policy_norm n)
{
	return (size_t)n < sizeof(norm_names) / sizeof(norm_names[0])
		   ? norm_names[n]
		   : NULL;
}

bool
policy_names_source(const char *name, const char *source)
{
	size_t len = strlen(name);

	return strncmp(name, source, len) == 0 &&
	       (source[len] == '\0' ||
		   (source[len] == ':' && memchr(name, ':', len) == NULL));
}

size_t
policy_entry(const struct policy *p, const char *source)
{
	for (size_t i = 0; i < p->nsources; i++)
		if (strcmp(p->sources[i].name, source) == 0)
			return i;
	for (size_t i = 0; i < p->nsources; i++)
		if (policy_names_source(p->sources[i].name, source))
			return i;
	return p->nsources;
}

static void
only_digits(struct buf *b, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] >= '0' && s[i] <= '9')
			buf_char(b, s[i]);
}

/* An address of another kind (X500:, sip:) is none. */
static void
smtp(const char **s, size_t *len)
{
	const char *colon = memchr(*s, ':', *len);
	size_t at;

	if (colon == NULL || memchr(*s, '@', (size_t)(colon - *s)) != NULL)
		return;
	at = (size_t)(colon - *s) + 1;
	if (at != 5 || strncasecmp(*s, "smtp", 4) != 0)
		at = *len;
	*s += at;
	*len -= at;
}

static void
strip0(const char **s, size_t *len)
{
	while (*len > 1 && **s == '0') {
		++*s;
		--*len;
	}
}

static void
one_norm(struct buf *b, enum policy_norm norm, const char *s, size_t len)
{
	const char *at;

	switch (norm) {
	case POLICY_LOWER:
		utf8_case(b, s, len, UTF8_LOWER);
		return;
	case POLICY_UPPER:
		utf8_case(b, s, len, UTF8_UPPER);
		return;
	case POLICY_FOLD:
		utf8_case(b, s, len, UTF8_FOLD);
		return;
	case POLICY_DIGITS:
		only_digits(b, s, len);
		return;
	case POLICY_TRIM:
		utf8_trim(&s, &len);
		break;
	case POLICY_STRIP0:
		strip0(&s, &len);
		break;
	case POLICY_SMTP:
		smtp(&s, &len);
		break;
	case POLICY_BEFORE:
		at = memchr(s, '@', len);
		len = at != NULL ? (size_t)(at - s) : len;
		break;
	}
	buf_add(b, s, len);
}

void
policy_normalise(
    struct buf *b, const struct policy_norms *norms, const char *s, size_t len)
{
	struct buf text[2] = { { 0 }, { 0 } };

	for (size_t i = 0; i < norms->n; i++) {
		struct buf *to = &text[i % 2];

		buf_clear(to);
		one_norm(to, norms->of[i], s, len);
		s = to->len > 0 ? to->data : "";
		len = to->len;
	}
	buf_add(b, s, len);
	buf_free(&text[0]);
	buf_free(&text[1]);
}

static bool
is_blank(const char *s, size_t len)
{
	utf8_trim(&s, &len);
	return len == 0;
}

bool
policy_is_value(yyjson_val *v)
{
	if (v == NULL || yyjson_is_null(v))
		return false;
	if (yyjson_is_str(v))
		return !is_blank(yyjson_get_str(v), yyjson_get_len(v));
	return !yyjson_is_arr(v) || yyjson_arr_size(v) > 0;
}

/* The text of a scalar; NULL when it has none. */
static const char *
scalar(yyjson_val *v, size_t *len)
{
	if (yyjson_is_bool(v)) {
		const char *word = yyjson_is_true(v) ? "true" : "false";

		*len = strlen(word);
		return word;
	}
	if (!yyjson_is_str(v) && !yyjson_is_raw(v))
		return NULL;
	*len = yyjson_get_len(v);
	return yyjson_is_str(v) ? yyjson_get_str(v) : yyjson_get_raw(v);
}

/* 0 when nothing is left of it. */
static int
add_part(struct buf *b, const struct policy_key *k, yyjson_val *v)
{
	size_t len, start = b->len;
	const char *s = scalar(v, &len);

	if (s == NULL)
		return 0;
	policy_normalise(b, &k->norms, s, len);
	return !is_blank(b->data + start, b->len - start);
}

static bool
is_excepted(const struct policy_key *k, const char *s, size_t len)
{
	for (size_t i = 0; i < k->nexcept; i++) {
		const char *e = k->except[i];
		size_t n = strlen(e);

		if (n == 0 || n > len)
			continue;
		if ((e[n - 1] == '@' && memcmp(s, e, n) == 0) ||
		    (e[0] == '@' && memcmp(s + len - n, e, n) == 0) ||
		    (n == len && memcmp(s, e, n) == 0))
			return true;
	}
	return false;
}

static void
tell(const struct policy_key *k, const struct buf *b,
    void (*each)(void *ctx, const char *text, size_t len), void *ctx)
{
	if (b->len > 0 && b->len <= POLICY_VALUE_MAX &&
	    !is_excepted(k, b->data, b->len))
		each(ctx, b->data, b->len);
}

void
policy_values(const struct policy *p, size_t key, yyjson_val *attrs,
    void (*each)(void *ctx, const char *text, size_t len), void *ctx)
{
	const struct policy_key *k = &p->keys[key];
	yyjson_val *v = yyjson_obj_get(attrs, k->attrs[0]), *item;
	struct buf b = { 0 };
	size_t i, n;
	int whole = 1;

	if (k->nattrs == 1 && yyjson_is_arr(v)) {
		yyjson_arr_foreach(v, i, n, item)
		{
			buf_clear(&b);
			if (add_part(&b, k, item))
				tell(k, &b, each, ctx);
		}
		buf_free(&b);
		return;
	}
	for (i = 0; i < k->nattrs && whole; i++) {
		if (i > 0)
			buf_char(&b, PARTS);
		whole = add_part(&b, k, yyjson_obj_get(attrs, k->attrs[i]));
	}
	if (whole)
		tell(k, &b, each, ctx);
	buf_free(&b);
}

void
policy_key_print(const struct policy_key *k, char out[17])
{
	struct buf b = { 0 };

	buf_str(&b, k->label);
	for (size_t i = 0; i < k->norms.n; i++) {
		buf_char(&b, '|');
		buf_str(&b, policy_norm_name(k->norms.of[i]));
	}
	for (size_t i = 0; i < k->nexcept; i++) {
		buf_char(&b, '-');
		buf_str(&b, k->except[i]);
	}
	snprintf(
	    out, 17, "%016llx", (unsigned long long)XXH3_64bits(b.data, b.len));
	buf_free(&b);
}
