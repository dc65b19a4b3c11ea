/*
 * config.c - reads an operator's file by a table of its keys.
 *
 * config_source.c and config_run.c call it with their tables.  yyjson parses
 * in situ, so each key and string points into a copy of the text: its offset
 * there is its place in the file, and gives the line of every error.
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_private.h"
#include "mem.h"

#define FILE_MAX ((size_t)1024 * 1024)
#define FAULTS_MAX 100 /* more errors than anyone reads at once */
#define OPTIONS_MAX 32
#define NAME_SHOWN 40 /* bytes of an unknown key that a message repeats */

/* A key that was met, and where. */
struct seen {
	const struct option *option;
	size_t line;
};

/* The line of a string that points into r->work; 1 for anything else. */
static size_t
line_of(const struct config_reader *r, const char *spot)
{
	size_t line = 1, at;

	if (spot == NULL || spot < r->work || spot > r->work + r->text.len)
		return 1;
	at = (size_t)(spot - r->work);
	for (size_t i = 0; i < at; i++)
		line += r->text.data[i] == '\n';
	return line;
}

/* Begins an error line; the caller adds what is wrong, then end_fault(). */
static struct buf *
fault(struct config_reader *r, const char *spot)
{
	buf_fmt(r->errors, "%s:%zu: ", r->path, line_of(r, spot));
	return r->errors;
}

static void
end_fault(struct config_reader *r)
{
	buf_char(r->errors, '\n');
	if (++r->faults == FAULTS_MAX)
		buf_fmt(
		    r->errors, "%s: further errors are left out\n", r->path);
}

static int
is_full(const struct config_reader *r)
{
	return r->faults >= FAULTS_MAX;
}

static const char *
type_name(yyjson_val *v)
{
	switch (yyjson_get_type(v)) {
	case YYJSON_TYPE_NULL:
		return "null";
	case YYJSON_TYPE_BOOL:
		return yyjson_get_bool(v) ? "true" : "false";
	case YYJSON_TYPE_NUM:
		return yyjson_is_int(v) ? "a whole number" : "a number";
	case YYJSON_TYPE_STR:
		return "a string";
	case YYJSON_TYPE_ARR:
		return "an array";
	default:
		return "an object";
	}
}

static void
wrong_type(struct config_reader *r, const struct option *o, const char *spot,
    yyjson_val *v)
{
	static const char *const wanted[] = { "a string", "true or false",
		"a whole number", "a number", "an array of strings",
		"an object" };

	if (is_full(r))
		return;
	buf_fmt(fault(r, spot), "%s is %s and must be %s; write %s", o->name,
	    type_name(v), wanted[o->kind], o->form);
	end_fault(r);
}

static void *
field(const struct option *o, void *out)
{
	return (char *)out + o->offset;
}

/* 1 when the value is a text that the option takes. */
static int
is_good_text(struct config_reader *r, const struct option *o, yyjson_val *v)
{
	const char *s = yyjson_get_str(v);
	struct why why = { 0 };

	if (is_full(r))
		return 0;
	if (strlen(s) != yyjson_get_len(v))
		why_set(&why, CONFIG_CODE, NULL, "U+0000 cannot stand in it");
	else if (o->check == NULL || o->check(s, &why) == 0)
		return 1;
	buf_fmt(fault(r, s), "%s: %s", o->name, why.text);
	end_fault(r);
	return 0;
}

static void
read_text(struct config_reader *r, const struct option *o, const char *spot,
    yyjson_val *v, char **out)
{
	if (yyjson_is_null(v) && o->initial != NULL &&
	    strcmp(o->initial, "null") == 0)
		return;
	if (!yyjson_is_str(v)) {
		wrong_type(r, o, spot, v);
		return;
	}
	if (!is_good_text(r, o, v))
		return;
	free(*out);
	*out = xstrdup(yyjson_get_str(v));
}

static int
lists(const struct config_list *list, const char *s)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->items[i], s) == 0)
			return 1;
	return 0;
}

static void
read_list(struct config_reader *r, const struct option *o, const char *spot,
    yyjson_val *v, struct config_list *out)
{
	yyjson_val *item;
	size_t i, max;

	if (!yyjson_is_arr(v)) {
		wrong_type(r, o, spot, v);
		return;
	}
	if (yyjson_arr_size(v) == 0 && !is_full(r)) {
		buf_fmt(
		    fault(r, spot), "%s is empty; write %s", o->name, o->form);
		end_fault(r);
	}
	out->items = xcalloc(yyjson_arr_size(v), sizeof(*out->items));
	yyjson_arr_foreach(v, i, max, item)
	{
		if (is_full(r))
			break;
		if (!yyjson_is_str(item)) {
			wrong_type(r, o, spot, item);
		} else if (!is_good_text(r, o, item)) {
			continue;
		} else if (lists(out, yyjson_get_str(item))) {
			buf_fmt(fault(r, yyjson_get_str(item)),
			    "%s holds the same twice", o->name);
			end_fault(r);
		} else {
			out->items[out->n++] = xstrdup(yyjson_get_str(item));
		}
	}
}

/* Whole numbers include their least, others are above it. */
static void
read_number(struct config_reader *r, const struct option *o, const char *spot,
    yyjson_val *v, void *out)
{
	double n = yyjson_get_num(v);
	int whole = o->kind == OPTION_INT;

	if (whole ? !yyjson_is_int(v) : !yyjson_is_num(v)) {
		wrong_type(r, o, spot, v);
		return;
	}
	if (n > o->max || (whole ? n < o->min : !(n > o->min))) {
		if (is_full(r))
			return;
		buf_fmt(fault(r, spot), "%s is %g and must be %s %g %s %g",
		    o->name, n, whole ? "from" : "above", o->min,
		    whole ? "to" : "and at most", o->max);
		end_fault(r);
		return;
	}
	if (whole)
		*(int *)out = (int)n;
	else
		*(double *)out = n;
}

static void read_object(struct config_reader *r, yyjson_val *object,
    const char *spot, const struct option *table, const char *name, void *out);

static void
read_value(struct config_reader *r, const struct option *o, const char *spot,
    yyjson_val *v, void *out)
{
	switch (o->kind) {
	case OPTION_TEXT:
		read_text(r, o, spot, v, field(o, out));
		break;
	case OPTION_FLAG:
		if (yyjson_is_bool(v))
			*(bool *)field(o, out) = yyjson_get_bool(v);
		else
			wrong_type(r, o, spot, v);
		break;
	case OPTION_INT:
	case OPTION_REAL:
		read_number(r, o, spot, v, field(o, out));
		break;
	case OPTION_LIST:
		read_list(r, o, spot, v, field(o, out));
		break;
	case OPTION_OBJECT:
		if (yyjson_is_obj(v))
			read_object(r, v, spot, o->inside, o->name, out);
		else
			wrong_type(r, o, spot, v);
		break;
	}
}

static const struct option *
find(const struct option *table, const char *name)
{
	for (const struct option *o = table; o->name != NULL; o++)
		if (strcmp(o->name, name) == 0)
			return o;
	return NULL;
}

/* The key as a message may show it: short, one line. */
static void
shown(const char *name, char out[NAME_SHOWN + 4])
{
	size_t n = strnlen(name, NAME_SHOWN + 1), i;

	for (i = 0; i < n && i < NAME_SHOWN; i++)
		out[i] = (unsigned char)name[i] < 32 ? '?' : name[i];
	/* Not in the middle of a character. */
	while (
	    n > NAME_SHOWN && i > 0 && ((unsigned char)name[i] & 0xc0) == 0x80)
		i--;
	memcpy(out + i, n > NAME_SHOWN ? "..." : "", n > NAME_SHOWN ? 4 : 1);
}

/* Where else in the file the key has its place; NULL when nowhere. */
static const char *
home(const struct config_reader *r, const char *name)
{
	if (find(r->root, name) != NULL)
		return "the outer object";
	for (const struct option *o = r->root; o->name != NULL; o++)
		if (o->inside != NULL && find(o->inside, name) != NULL)
			return o->name;
	return NULL;
}

static void
unknown_key(struct config_reader *r, const struct option *table,
    const char *name, const char *key)
{
	const char *names[OPTIONS_MAX], *near, *place = home(r, key);
	char word[NAME_SHOWN + 4];
	struct buf *b;
	size_t n = 0;

	if (is_full(r))
		return;
	for (; table[n].name != NULL; n++)
		names[n] = table[n].name;
	near = why_nearest(key, names, n);
	shown(key, word);
	b = fault(r, key);
	if (name != NULL)
		buf_fmt(b, "%s has no key \"%s\"", name, word);
	else
		buf_fmt(b, "there is no key \"%s\"", word);
	if (place != NULL) {
		buf_fmt(b, "; it belongs into %s", place);
	} else if (near != NULL) {
		buf_fmt(b, "; did you mean \"%s\"?", near);
	} else {
		buf_str(b, "; there are");
		for (size_t i = 0; i < n; i++)
			buf_fmt(b, " %s", names[i]);
	}
	end_fault(r);
}

static void
missing_keys(struct config_reader *r, const struct option *table,
    const struct seen *seen, const char *spot, const char *name)
{
	for (size_t i = 0; table[i].name != NULL; i++) {
		if (seen[i].option != NULL || table[i].initial != NULL ||
		    is_full(r))
			continue;
		buf_fmt(fault(r, spot), "%s%s%s is missing; write %s",
		    name != NULL ? name : "", name != NULL ? "." : "",
		    table[i].name, table[i].form);
		end_fault(r);
	}
}

static void
read_object(struct config_reader *r, yyjson_val *object, const char *spot,
    const struct option *table, const char *name, void *out)
{
	struct seen seen[OPTIONS_MAX] = { 0 };
	yyjson_val *key, *v;
	size_t i, max;

	yyjson_obj_foreach(object, i, max, key, v)
	{
		const char *word = yyjson_get_str(key);
		const struct option *o = find(table, word);
		struct seen *s;

		if (is_full(r))
			return;
		if (o == NULL || strlen(word) != yyjson_get_len(key)) {
			unknown_key(r, table, name, word);
			continue;
		}
		s = &seen[o - table];
		if (s->option != NULL) {
			buf_fmt(fault(r, word),
			    "%s is given twice, first on line %zu", o->name,
			    s->line);
			end_fault(r);
			continue;
		}
		*s = (struct seen){ o, line_of(r, word) };
		read_value(r, o, word, v, out);
	}
	missing_keys(r, table, seen, spot, name);
}

/* What each field is when its key is missing. */
static void
preset(const struct option *table, void *out)
{
	for (const struct option *o = table; o->name != NULL; o++) {
		if (o->inside != NULL)
			preset(o->inside, out);
		if (o->initial == NULL || strcmp(o->initial, "null") == 0)
			continue;
		if (o->kind == OPTION_TEXT)
			*(char **)field(o, out) = xstrdup(o->initial);
		else if (o->kind == OPTION_FLAG)
			*(bool *)field(o, out) = o->initial[0] == 't';
		else if (o->kind == OPTION_INT)
			*(int *)field(o, out) =
			    (int)strtol(o->initial, NULL, 10);
		else if (o->kind == OPTION_REAL)
			*(double *)field(o, out) = strtod(o->initial, NULL);
	}
}

void
config_clear(const struct option *table, void *out)
{
	for (const struct option *o = table; o->name != NULL; o++) {
		struct config_list *list = field(o, out);
		char **text = field(o, out);

		if (o->inside != NULL) {
			config_clear(o->inside, out);
		} else if (o->kind == OPTION_TEXT) {
			free(*text);
			*text = NULL;
		} else if (o->kind == OPTION_LIST) {
			for (size_t i = 0; i < list->n; i++)
				free(list->items[i]);
			free(list->items);
			*list = (struct config_list){ 0 };
		}
	}
}

int
config_choice(
    const char *value, const char *const *names, size_t n, struct why *why)
{
	const char *near = why_nearest(value, names, n);
	struct buf all = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (strcmp(names[i], value) == 0) {
			buf_free(&all);
			return 0;
		}
		buf_fmt(&all, "%s\"%s\"", i > 0 ? " or " : "", names[i]);
	}
	if (near != NULL)
		why_set(why, CONFIG_CODE, NULL,
		    "this is not taken; did you mean \"%s\"?", near);
	else
		why_set(why, CONFIG_CODE, NULL, "this is not taken; write %s",
		    all.data);
	buf_free(&all);
	return -1;
}

/* The whole file into r->text; -1 with errno set. */
static int
slurp(struct config_reader *r)
{
	int fd = open(r->path, O_RDONLY | O_CLOEXEC), saved;
	ssize_t n = 1;

	if (fd < 0)
		return -1;
	while (n != 0 && r->text.len <= FILE_MAX) {
		buf_reserve(&r->text, 4096);
		n = read(fd, r->text.data + r->text.len, 4096);
		if (n < 0 && errno != EINTR)
			break;
		if (n > 0)
			r->text.len += (size_t)n;
	}
	saved = errno;
	close(fd);
	errno = r->text.len > FILE_MAX ? EFBIG : saved;
	return n < 0 || r->text.len > FILE_MAX ? -1 : 0;
}

/* Says what yyjson did not understand, and where. */
static void
syntax(struct config_reader *r, const yyjson_read_err *err)
{
	const char *text = r->text.data;
	size_t at = err->pos < r->text.len ? err->pos : r->text.len, column = 1;

	if (r->text.len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		buf_str(fault(r, NULL),
		    "the file begins with a byte order mark; save it as UTF-8 "
		    "without one");
		end_fault(r);
		return;
	}
	for (size_t i = at; i > 0 && text[i - 1] != '\n'; i--)
		column++;
	buf_fmt(fault(r, r->work + at), "column %zu: this is no JSON: %s",
	    column, err->msg);
	end_fault(r);
}

/* Text and document; -1 with the reason in errors. */
static int
open_reader(struct config_reader *r)
{
	yyjson_read_err err;

	if (slurp(r) != 0) {
		buf_fmt(r->errors, "%s: cannot be read: %s\n", r->path,
		    strerror(errno));
		return -1;
	}
	r->work = xcalloc(1, r->text.len + YYJSON_PADDING_SIZE);
	if (r->text.len > 0)
		memcpy(r->work, r->text.data, r->text.len);
	r->doc = yyjson_read_opts(
	    r->work, r->text.len, YYJSON_READ_INSITU, NULL, &err);
	if (r->doc != NULL)
		return 0;
	syntax(r, &err);
	return -1;
}

int
config_read_any(const char *path, config_choose *choose, void *out,
    const struct option **table, struct buf *errors)
{
	struct config_reader r = { .path = path, .errors = errors };
	yyjson_val *root;
	int opened = open_reader(&r) == 0;

	root = yyjson_doc_get_root(r.doc);
	*table = r.root = choose(root);
	preset(*table, out);
	if (opened && yyjson_is_obj(root)) {
		read_object(&r, root, NULL, *table, NULL, out);
	} else if (opened) {
		buf_fmt(fault(&r, NULL),
		    "the file holds %s and must hold an "
		    "object, { ... }",
		    type_name(root));
		end_fault(&r);
	}
	yyjson_doc_free(r.doc);
	free(r.work);
	buf_free(&r.text);
	return opened && r.faults == 0 ? 0 : -1;
}
