/*
 * parse_floor.c - the least that reading pages can cost.
 *
 * Used by tests/bench/run: reads NDJSON pages from stdin, parses each line
 * with yyjson in memory that is used again, and does nothing else.  Prints
 * how many records went by, so that no work can be optimised away.
 */

#include <stdio.h>
#include <stdlib.h>

#include <yyjson.h>

#define LINE_MAX_BYTES (8u << 20)

static size_t
count_records(char *line, size_t len, const yyjson_alc *memory)
{
	yyjson_doc *doc = yyjson_read_opts(line, len, 0, memory, NULL);
	size_t n = yyjson_arr_size(
	    yyjson_obj_get(yyjson_doc_get_root(doc), "records"));

	if (doc == NULL) {
		fputs("parse_floor: a line is no JSON\n", stderr);
		exit(111);
	}
	yyjson_doc_free(doc);
	return n;
}

int
main(void)
{
	size_t size = yyjson_read_max_memory_usage(LINE_MAX_BYTES, 0);
	void *pool = malloc(size);
	size_t room = 0, records = 0;
	char *line = NULL;
	yyjson_alc memory;
	ssize_t len;

	if (pool == NULL || !yyjson_alc_pool_init(&memory, pool, size))
		return 111;
	for (len = getline(&line, &room, stdin); len > 0;
	     len = getline(&line, &room, stdin))
		records += count_records(line, (size_t)len, &memory);
	printf("%zu\n", records);
	free(line);
	free(pool);
	return ferror(stdin) ? 111 : 0;
}
