/*
 * judge_common.c - what an answer means whatever API it is of.
 *
 * judge.c and graph_judge.c ask first: no answer at all, a good one, and one
 * that sends us elsewhere are the same for both.  Pure.
 */

#include <stdio.h>

#include "call.h"

void
judge_copy(char *out, size_t room, const char *text)
{
	snprintf(out, room, "%s", text != NULL ? text : "");
	for (char *p = out; *p != '\0'; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
}

static enum verdict
judge_network(
    const struct http_answer *a, const char *base_url, struct why *why)
{
	why_set(why, "E_NETWORK", NULL, "%s: %s", base_url, a->error);
	if (!a->hopeless)
		return VERDICT_RETRY;
	return a->body.len > 0 ? VERDICT_FAILED : VERDICT_CONFIG;
}

static enum verdict
judge_redirect(const struct http_answer *a, const char *base_url,
    const char *key, struct why *why)
{
	why_set(why, "E_REDIRECT", a->request_id,
	    "HTTP %d: %s sends requests on to %s; the token goes nowhere "
	    "but to %s, so set that to the address that answers",
	    a->status, base_url,
	    a->location[0] != '\0' ? a->location : "another address", key);
	return VERDICT_CONFIG;
}

bool
judge_common(const struct http_answer *a, const char *base_url, const char *key,
    enum verdict *verdict, struct why *why)
{
	if (a->status == 0)
		*verdict = judge_network(a, base_url, why);
	else if (a->status == 200)
		*verdict = VERDICT_OK;
	else if (a->status >= 300 && a->status < 400)
		*verdict = judge_redirect(a, base_url, key, why);
	else
		return false;
	return true;
}
