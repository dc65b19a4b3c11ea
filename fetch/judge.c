/*
 * judge.c - what an answer of the API means, and what to tell people.
 *
 * call.c asks for every answer.  Only the error code counts, never the text
 * of a message; the same status can mean three different things (401 is a
 * dead token or a missing feature; 404 is a gone object or a wrong address).
 * Pure.  Source: okta-api 9.
 */

#include <stdio.h>
#include <string.h>

#include "call.h"
#include "json.h"

/* The error body, as far as it is one. */
struct failure {
	char code[24]; /* "" when the answer is not Okta's own */
	char summary[200];
	char cause[200];
};

static void
read_failure(const struct http_answer *a, struct failure *f)
{
	yyjson_doc *doc = yyjson_read(a->body.data, a->body.len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc), *cause;

	memset(f, 0, sizeof(*f));
	judge_copy(f->code, sizeof(f->code), json_text(root, "errorCode"));
	judge_copy(
	    f->summary, sizeof(f->summary), json_text(root, "errorSummary"));
	cause = yyjson_arr_get_first(json_get(root, "errorCauses"));
	judge_copy(
	    f->cause, sizeof(f->cause), json_text(cause, "errorSummary"));
	yyjson_doc_free(doc);
}

static bool
is_one_of(const char *code, const char *const *codes)
{
	for (; *codes != NULL; codes++)
		if (strcmp(code, *codes) == 0)
			return true;
	return false;
}

static void
say(struct why *why, const struct http_answer *a, const struct failure *f,
    const char *advice)
{
	why_set(why, f->code[0] != '\0' ? f->code : "E_HTTP", a->request_id,
	    "HTTP %d%s%s%s%s%s%s%s%s%s", a->status,
	    f->code[0] != '\0' ? " " : "", f->code,
	    f->summary[0] != '\0' ? " " : "", f->summary,
	    f->cause[0] != '\0' ? " (" : "", f->cause,
	    f->cause[0] != '\0' ? ")" : "", advice[0] != '\0' ? ": " : "",
	    advice);
}

static enum verdict
judge_400(const struct failure *f)
{
	static const char *const filters[] = { "E0000031", "E0000053",
		"E0000094", "E0000033", NULL };

	if (strcmp(f->code, "E0000029") == 0 ||
	    (strcmp(f->code, "E0000031") == 0 &&
		strncmp(f->cause, "Invalid cursor", 14) == 0))
		return VERDICT_RESTART;
	return is_one_of(f->code, filters) ? VERDICT_FILTER : VERDICT_FAILED;
}

static enum verdict
judge_401(const struct http_answer *a, const struct failure *f,
    const char *base_url, struct why *why)
{
	char advice[300];

	if (strcmp(f->code, "E0000015") == 0) {
		say(why, a, f,
		    "the token may not use this feature; leave the entity "
		    "out or give the token's owner the right");
		return VERDICT_DENIED;
	}
	snprintf(advice, sizeof(advice),
	    "%s does not accept the API token; make a new one in the admin "
	    "console (Security > API > Tokens) and store it with "
	    "'idmesh secret set'",
	    base_url);
	say(why, a, f, advice);
	return VERDICT_TOKEN;
}

static enum verdict
judge_403(const struct http_answer *a, const struct failure *f, struct why *why)
{
	static const char *const codes[] = { "E0000006", "E0000005", NULL };

	say(why, a, f,
	    "the role of the token's owner does not allow it; a read-only "
	    "administrator is enough");
	return is_one_of(f->code, codes) ? VERDICT_DENIED : VERDICT_FAILED;
}

static enum verdict
judge_404(const struct http_answer *a, const struct failure *f,
    const char *base_url, struct why *why)
{
	char advice[300];

	if (strcmp(f->code, "E0000007") == 0) {
		say(why, a, f, "");
		return VERDICT_GONE;
	}
	snprintf(advice, sizeof(advice),
	    "%s has no such API; is OrgDomain right?", base_url);
	say(why, a, f, advice);
	return VERDICT_CONFIG;
}

enum verdict
judge(const struct http_answer *a, const char *base_url, struct why *why)
{
	enum verdict verdict;
	struct failure f;

	if (judge_common(a, base_url, "OrgDomain", &verdict, why))
		return verdict;
	read_failure(a, &f);
	switch (a->status) {
	case 400:
		say(why, a, &f, "");
		return judge_400(&f);
	case 401:
		return judge_401(a, &f, base_url, why);
	case 403:
		return judge_403(a, &f, why);
	case 404:
		return judge_404(a, &f, base_url, why);
	case 429:
		say(why, a, &f, "");
		return VERDICT_LIMITED;
	case 408:
	case 423:
		say(why, a, &f, "");
		return VERDICT_RETRY;
	default:
		say(why, a, &f, "");
		if (a->status == 409 && strcmp(f.code, "E0000145") == 0)
			return VERDICT_RETRY;
		return a->status >= 500 ? VERDICT_RETRY : VERDICT_FAILED;
	}
}

bool
judge_timeout(const struct http_answer *a)
{
	struct failure f;

	if (a->status != 500)
		return false;
	read_failure(a, &f);
	return strcmp(f.code, "E0000009") == 0;
}
