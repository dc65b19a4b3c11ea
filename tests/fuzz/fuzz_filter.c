/*
 * fuzz_filter.c - any bytes as an expression: never a crash, and what is
 * taken parses again from its own text to the same route.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char record[] =
    "{\"id\":\"00u1\",\"status\":\"ACTIVE\",\"type\":{\"id\":\"oty1\"},"
    "\"created\":\"2020-01-01T00:00:00.000Z\",\"lastUpdated\":null,"
    "\"profile\":{\"login\":\"\xc3\x96@x\",\"a\":[\"b\",1,null,true,[]],"
    "\"n\":-5,\"name\":\"N\",\"e\":{}}}";

static void
check(const struct filter *f, enum filter_entity entity)
{
	static yyjson_doc *doc;
	struct why why = { 0 };
	struct filter *again;
	const char *text = filter_text(f);

	if (doc == NULL)
		doc = yyjson_read(record, strlen(record), 0);
	filter_match(f, FILTER_BY_FILTER, yyjson_doc_get_root(doc));
	filter_match(f, FILTER_BY_SEARCH, yyjson_doc_get_root(doc));
	again = filter_parse(text, strlen(text), entity, &why);
	if (again == NULL || filter_route(again) != filter_route(f))
		abort();
	filter_free(again);
	again = filter_and(f, f, entity, &why);
	if (again == NULL && why.text[0] == '\0')
		abort();
	if (again != NULL && filter_route(again) != filter_route(f))
		abort();
	filter_free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int entity = FILTER_USER; entity <= FILTER_GROUP; entity++) {
		struct why why = { 0 };
		struct filter *f = filter_parse(
		    (const char *)data, size, (enum filter_entity)entity, &why);

		if (f == NULL && why.text[0] == '\0')
			abort();
		if (f != NULL)
			check(f, (enum filter_entity)entity);
		filter_free(f);
	}
	return 0;
}
