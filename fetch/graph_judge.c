/*
 * graph_judge.c - what an answer of Microsoft Graph means.
 *
 * call.c asks for every answer of an Entra source.  Only codes count, never
 * the text of a message; errors nest, and the deepest code that is understood
 * is the one that says most.  Pure.  Source: entra 1.5.
 */

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "graph.h"
#include "json.h"

#define DEPTH_MAX 8

struct failure {
	char code[64]; /* "" when the answer is not Graph's own */
	char message[200];
	char trace[80]; /* request-id, also where no header had it */
};

/* All mean: what was known is no start any more. */
static const char *const resyncs[] = { "syncStateNotFound", "resyncRequired",
	"resyncApplyDifferences", "resyncUploadDifferences", "syncStateInvalid",
	NULL };

static bool
is_resync(const char *code)
{
	for (size_t i = 0; resyncs[i] != NULL; i++)
		if (strcasecmp(resyncs[i], code) == 0)
			return true;
	return false;
}

static yyjson_val *
inner(yyjson_val *error)
{
	yyjson_val *v = json_get(error, "innerError");

	return v != NULL ? v : json_get(error, "innererror");
}

static void
read_failure(const struct http_answer *a, struct failure *f)
{
	yyjson_doc *doc = yyjson_read(a->body.data, a->body.len, 0);
	yyjson_val *at = json_get(yyjson_doc_get_root(doc), "error");

	memset(f, 0, sizeof(*f));
	judge_copy(f->code, sizeof(f->code), json_text(at, "code"));
	judge_copy(f->message, sizeof(f->message), json_text(at, "message"));
	for (int i = 0; at != NULL && i < DEPTH_MAX; i++) {
		const char *code = json_text(at, "code");
		const char *trace = json_text(at, "request-id");

		if (code != NULL && is_resync(code))
			judge_copy(f->code, sizeof(f->code), code);
		if (trace != NULL)
			judge_copy(f->trace, sizeof(f->trace), trace);
		at = inner(at);
	}
	if (a->request_id[0] != '\0')
		judge_copy(f->trace, sizeof(f->trace), a->request_id);
	yyjson_doc_free(doc);
}

static void
say(struct why *why, const struct http_answer *a, const struct failure *f,
    const char *advice)
{
	bool coded = f->code[0] != '\0', told = f->message[0] != '\0';

	why_set(why, "E_GRAPH", f->trace, "HTTP %d%s%s%s%s%s%s", a->status,
	    coded ? " " : "", f->code, told ? " " : "", f->message,
	    advice[0] != '\0' ? ": " : "", advice);
}

static enum verdict
judge_401(const struct http_answer *a, const struct failure *f,
    const char *base_url, struct why *why)
{
	char advice[300];

	snprintf(advice, sizeof(advice),
	    "%s does not take a token that was just given; is the app "
	    "registration of this tenant, and Cloud right?",
	    base_url);
	say(why, a, f, advice);
	return VERDICT_TOKEN;
}

/* A gateway on the way refuses without a code. */
static enum verdict
judge_403(const struct http_answer *a, const struct failure *f, struct why *why)
{
	say(why, a, f,
	    f->code[0] != '\0' ? "the application lacks the permission, or an "
				 "administrator's consent to it"
			       : "that is no answer of Graph; what is on the "
				 "way to it?");
	return f->code[0] != '\0' ? VERDICT_DENIED : VERDICT_FAILED;
}

static enum verdict
judge_404(const struct http_answer *a, const struct failure *f,
    const char *base_url, struct why *why)
{
	char advice[300] = "";

	if (f->code[0] == '\0')
		snprintf(advice, sizeof(advice),
		    "%s has no such API; is Cloud or BaseUrl right?", base_url);
	say(why, a, f, advice);
	return f->code[0] == '\0' ? VERDICT_CONFIG : VERDICT_FAILED;
}

/* What is neither right nor wrong configuration. */
static enum verdict
judge_rest(const struct http_answer *a)
{
	switch (a->status) {
	case 408:
	case 423:
		return VERDICT_RETRY;
	case 429:
		return VERDICT_LIMITED;
	case 501: /* a property that no delta tracks */
		return VERDICT_FAILED;
	default:
		return a->status >= 500 ? VERDICT_RETRY : VERDICT_FAILED;
	}
}

enum verdict
graph_judge(const struct http_answer *a, const char *base_url, struct why *why)
{
	enum verdict verdict;
	struct failure f;

	if (judge_common(a, base_url, "Cloud or BaseUrl", &verdict, why))
		return verdict;
	read_failure(a, &f);
	if (a->status == 401)
		return judge_401(a, &f, base_url, why);
	if (a->status == 403)
		return judge_403(a, &f, why);
	if (a->status == 404)
		return judge_404(a, &f, base_url, why);
	say(why, a, &f, "");
	if (a->status == 410 || (a->status == 400 && is_resync(f.code)))
		return VERDICT_RESTART;
	return judge_rest(a);
}
