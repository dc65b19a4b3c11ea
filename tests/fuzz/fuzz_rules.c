/*
 * fuzz_rules.c - any bytes as a rules file, and a record behind a NUL byte:
 * never a crash, an answer in bounded time, each failure said in lines, and
 * the same record twice gives the same bytes.
 */

#include <stdint.h>

#define RULES_MEMORY ((size_t)4 << 20)
#define RULES_PAGE_MS 100
#include "lib/rules_load.c"

#include "log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char record[] =
    "{\"id\":\"00u1\",\"status\":\"ACTIVE\",\"type\":{\"id\":\"oty1\"},"
    "\"profile\":{\"login\":\"\xc3\x96@x\",\"a\":[\"b\",1,null,true,[]],"
    "\"n\":12345678901234567890,\"r\":1.5,\"e\":{}}}";

/* Maps the record; a copy of the answer goes to out. */
static enum rules_result
map(struct rules *r, yyjson_val *v, struct buf *out)
{
	struct rules_page page = { .connector = "okta",
		.source = "okta:x",
		.stream = "User",
		.at = "2026-04-22T08:15:30.000Z" };
	struct buf errors = { 0 };
	enum rules_result result = RULES_BAD;
	struct why why = { 0 };

	if (rules_page_begin(r, &page, &errors) == 0) {
		result = rules_record(r, v, out, &why, NULL);
		rules_page_end(r);
		if (result == RULES_BAD && why.text[0] == '\0')
			abort();
	} else if (errors.len == 0) {
		abort();
	}
	buf_free(&errors);
	return result;
}

static void
check_answer(const struct buf *out)
{
	yyjson_doc *doc = yyjson_read(out->data, out->len, 0);

	if (doc == NULL ||
	    !yyjson_is_str(yyjson_obj_get(yyjson_doc_get_root(doc), "op")))
		abort();
	yyjson_doc_free(doc);
}

static void
run(struct rules *r, const char *json, size_t len)
{
	struct buf one = { 0 }, two = { 0 };
	yyjson_doc *doc;

	doc = yyjson_read(json, len, YYJSON_READ_NUMBER_AS_RAW);
	if (doc == NULL)
		return;
	if (map(r, yyjson_doc_get_root(doc), &one) != RULES_BAD) {
		check_answer(&one);
		/* Time may run out on one of them only. */
		if (map(r, yyjson_doc_get_root(doc), &two) != RULES_BAD &&
		    strstr(one.data, "stopped") == NULL &&
		    strstr(two.data, "stopped") == NULL &&
		    strcmp(one.data, two.data) != 0)
			abort();
	}
	yyjson_doc_free(doc);
	buf_free(&one);
	buf_free(&two);
}

static void
describe(struct rules *r)
{
	struct buf out = { 0 };
	yyjson_doc *doc;

	rules_describe(r, &out);
	doc = yyjson_read(out.data, out.len, 0);
	if (doc == NULL)
		abort();
	yyjson_doc_free(doc);
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lua_limits limits = { RULES_MEMORY, RULES_PAGE_MS };
	struct rules *r = xcalloc(1, sizeof(*r));
	struct buf errors = { 0 }, text = { 0 };
	const uint8_t *nul = memchr(data, 0, size);
	size_t len = nul != NULL ? (size_t)(nul - data) : size;

	log_level(LOG_ERROR);
	buf_add(&text, data, len);
	r->load.errors = &errors;
	r->host = lua_host_new(&limits);
	load_file(r, "rules/fuzz.lua", &text);
	lua_host_seal(r->host);
	rules_compile(r);
	if ((r->load.faults > 0) != (errors.len > 0))
		abort();
	if (r->load.faults == 0) {
		describe(r);
		run(r, record, strlen(record));
		if (nul != NULL)
			run(r, (const char *)nul + 1, size - len - 1);
	}
	rules_free(r);
	buf_free(&errors);
	buf_free(&text);
	return 0;
}
