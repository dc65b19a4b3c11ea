/*
 * rules_load.c - a folder of Lua files becomes rules.
 *
 * Called at start, by SIGHUP between two pages, and by `transform check`.
 * Everything that is wrong is reported at once; anything wrong and there are
 * no rules.
 */

#include "rules_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "mem.h"
#include "rules_source.h"
#include "utf8.h"

#define FILE_MAX (1 << 20)
#define FILES_MAX 200

#ifndef RULES_MEMORY
#define RULES_MEMORY ((size_t)64 << 20)
#endif
#ifndef RULES_PAGE_MS
#define RULES_PAGE_MS 2000
#endif

static int
ends_with(const struct dirent *d, const char *end)
{
	size_t len = strlen(d->d_name), n = strlen(end);

	return d->d_name[0] != '.' && len > n &&
	       strcmp(d->d_name + len - n, end) == 0;
}

static int
is_test_file(const struct dirent *d)
{
	return ends_with(d, "_test.lua");
}

/* "okta.lua" yes, "okta_test.lua" and ".okta.lua" no. */
static int
is_rules_file(const struct dirent *d)
{
	return ends_with(d, ".lua") && !is_test_file(d);
}

static int
by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* "/etc/idmesh/rules/" and "okta.lua" are called "rules/okta.lua". */
static char *
display_name(const char *dir, const char *file)
{
	size_t end = strlen(dir), start;

	while (end > 1 && dir[end - 1] == '/')
		end--;
	start = end;
	while (start > 0 && dir[start - 1] != '/')
		start--;
	if (end == start || (end - start == 1 && dir[start] == '.'))
		return xstrdup(file);
	return xasprintf("%.*s/%s", (int)(end - start), dir + start, file);
}

static int
read_file(struct load *l, const char *dir, const char *file, struct buf *text)
{
	char *path = xasprintf("%s/%s", dir, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC), bad = 0;
	struct stat st;
	ssize_t got = 1;

	if (fd < 0 || fstat(fd, &st) < 0) {
		load_error(l, path, 0, "%s", strerror(errno));
		bad = -1;
	} else if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		load_error(l, path, 0, "is no file of at most 1 MiB");
		bad = -1;
	}
	while (bad == 0 && got > 0 && text->len <= FILE_MAX) {
		buf_reserve(text, 65536);
		got = read(fd, text->data + text->len, 65536);
		if (got > 0)
			text->len += (size_t)got;
	}
	if (bad == 0 && got < 0) {
		load_error(l, path, 0, "%s", strerror(errno));
		bad = -1;
	}
	if (fd >= 0)
		close(fd);
	free(path);
	return bad;
}

/* Runs one file and puts its statements into the order of their text. */
static void
load_file(struct rules *r, const char *name, const struct buf *text)
{
	struct load *l = &r->load;
	size_t before = l->n;
	const char *data = text->len > 0 ? text->data : "";
	struct source *source;

	if (!utf8_valid(data, text->len)) {
		load_error(l, name, 0, "is not UTF-8");
		return;
	}
	if (lua_host_load(r->host, l, name, data, text->len) < 0)
		return;
	source = source_scan(l, name, data, text->len);
	for (size_t i = before; i < l->n && source != NULL; i++)
		if (l->statements[i].body->kind == TERM_TABLE)
			source_order(l, source, &l->statements[i]);
}

static void
load_files(struct rules *r, const char *dir, struct dirent **files, int n)
{
	XXH3_state_t *hash = XXH3_createState();
	struct buf text = { 0 };

	XXH3_64bits_reset(hash);
	for (int i = 0; i < n; i++) {
		char *name = display_name(dir, files[i]->d_name);
		/* Statements borrow their file's name. */
		const char *kept = load_copy(&r->load, name, strlen(name));

		buf_clear(&text);
		if (read_file(&r->load, dir, files[i]->d_name, &text) == 0) {
			XXH3_64bits_update(hash, files[i]->d_name,
			    strlen(files[i]->d_name) + 1);
			XXH3_64bits_update(hash, &text.len, sizeof(text.len));
			XXH3_64bits_update(hash, text.data, text.len);
			load_file(r, kept, &text);
			r->files++;
		}
		free(name);
	}
	snprintf(r->version, sizeof(r->version), "%016llx",
	    (unsigned long long)XXH3_64bits_digest(hash));
	XXH3_freeState(hash);
	buf_free(&text);
}

static void
load_folder(struct rules *r, const char *dir,
    int (*wanted)(const struct dirent *), const char *pattern)
{
	struct dirent **files = NULL;
	int n = scandir(dir, &files, wanted, by_bytes);

	if (n < 0)
		load_error(&r->load, dir, 0, "%s", strerror(errno));
	else if (n == 0)
		load_error(&r->load, dir, 0, "holds no %s file", pattern);
	else if (n > FILES_MAX)
		load_error(
		    &r->load, dir, 0, "holds more than %d files", FILES_MAX);
	else
		load_files(r, dir, files, n);
	for (int i = 0; i < n; i++)
		free(files[i]);
	free(files);
}

const char *
rules_dir(const char *option)
{
	const char *env = getenv("IDMESH_RULES");

	if (option != NULL)
		return option;
	/* What the front door found beside the programs is only a default. */
	if (env == NULL || env[0] == '\0')
		env = getenv("IDMESH_RULES_DEFAULT");
	return env != NULL && env[0] != '\0' ? env : IDMESH_RULES_DIR;
}

static struct rules *
new_rules(struct buf *errors)
{
	struct lua_limits limits = { RULES_MEMORY, RULES_PAGE_MS };
	struct rules *r = xcalloc(1, sizeof(*r));

	r->load.errors = errors;
	r->host = lua_host_new(&limits);
	return r;
}

/* Without any mistake the rules, else NULL. */
static struct rules *
loaded(struct rules *r)
{
	if (r->load.faults > 0) {
		rules_free(r);
		return NULL;
	}
	r->load.errors = NULL;
	return r;
}

struct rules *
rules_load(const char *dir, struct buf *errors)
{
	struct rules *r = new_rules(errors);

	load_folder(r, dir, is_rules_file, "*.lua");
	lua_host_seal(r->host);
	rules_compile(r);
	return loaded(r);
}

struct rules *
rules_load_tests(const char *dir, struct buf *errors)
{
	struct rules *r = new_rules(errors);

	load_folder(r, dir, is_test_file, "*_test.lua");
	return loaded(r);
}

void
rules_free(struct rules *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->n; i++) {
		filter_free(r->maps[i].scope.search);
		paths_free(r->maps[i].plan.paths);
		arena_free(&r->maps[i].plan.arena);
		buf_free(&r->maps[i].plan.scratch);
	}
	for (size_t i = 0; i < r->ntypes; i++)
		free(r->types[i].attrs);
	paths_free(r->values);
	free(r->maps);
	free(r->types);
	free(r->owners);
	buf_free(&r->id);
	buf_free(&r->hashed);
	buf_free(&r->errors);
	buf_free(&r->kept);
	lua_host_free(r->host);
	load_free(&r->load);
	free(r);
}
