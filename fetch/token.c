/*
 * token.c - an access token, held, renewed in time, asked for once at a time.
 *
 * Between call.c, which needs a value for each request, and http.c.  A token
 * is renewed some minutes before it ends, and requests go on with the old one
 * meanwhile.  A refusal that only an operator can change ends the run;
 * anything else is tried again, spread by full jitter.
 */

#include "token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assertion.h"
#include "call.h"
#include "clock.h"
#include "fetch.h"
#include "http.h"
#include "json.h"
#include "mem.h"
#include "secret.h"
#include "stream.h"

#define TOKEN_MAX 32768 /* bytes; Entra's have some 2,000 */
#define FORM_MAX 16384
#define PATTERN "/{tenant}/oauth2/v2.0/token"
#define BEARER "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define LIFE_S 3600 /* unless it is told */
#define MARGIN_MS 300000 /* renewed so long before its end, at most */
#define SPREAD_MS 60000 /* and up to so much earlier still */
#define PART 10 /* of a life, for those that are short */

#ifndef TOKEN_RETRY_MS
#define TOKEN_RETRY_MS 500
#endif
#define RETRY_CAP_MS 30000

struct token {
	struct source *source;
	char *url; /* owned */
	struct assertion *assertion; /* owned; NULL: a secret is sent */
	char *value; /* owned, wiped; "Bearer ..." or NULL */
	int64_t number; /* of the value, from 1 */
	int64_t renew_ms, ends_ms;
	struct http_transfer *transfer; /* while it is asked for */
	struct loop_timer *timer; /* of the next try */
	bool waiting; /* for it */
	int tries;
};

static void
forget(struct token *t)
{
	if (t->value != NULL)
		explicit_bzero(t->value, strlen(t->value));
	free(t->value);
	t->value = NULL;
}

static void ask(struct token *t);

static void
on_time(void *arg)
{
	struct token *t = arg;

	t->waiting = false;
	ask(t);
}

struct token *
token_new(struct source *s, struct why *why)
{
	const struct config_source *c = &s->config;
	struct token *t = xcalloc(1, sizeof(*t));

	t->source = s;
	t->url = xasprintf(
	    "%s/%s/oauth2/v2.0/token", c->authority_url, c->tenant_id);
	if (s->private_key != NULL) {
		t->assertion = assertion_new(secret_value(s->certificate),
		    secret_value(s->private_key), c->algorithm, why);
		if (t->assertion == NULL) {
			token_free(t);
			return NULL;
		}
		if (assertion_expired(t->assertion))
			log_warn("%s: the certificate %s is past its end; add "
				 "a new one to the app registration",
			    s->name, c->certificate);
	}
	t->timer = loop_timer(s->fetch->loop, -1, on_time, t);
	return t;
}

void
token_free(struct token *t)
{
	if (t == NULL)
		return;
	if (t->transfer != NULL)
		http_cancel(t->source->fetch->http, t->transfer);
	if (t->timer != NULL)
		loop_timer_remove(t->source->fetch->loop, t->timer);
	forget(t);
	assertion_free(t->assertion);
	free(t->url);
	free(t);
}

static void
add(struct buf *form, const char *name, const char *value)
{
	if (form->len > 0)
		buf_char(form, '&');
	buf_str(form, name);
	buf_char(form, '=');
	url_encode(form, value);
}

/* A new assertion for each request: none is taken twice. */
static int
add_assertion(const struct token *t, struct buf *form, struct why *why)
{
	struct buf jwt = { 0 };
	int result;

	buf_reserve(&jwt, FORM_MAX);
	result = assertion_write(t->assertion, t->url,
	    t->source->config.client_id, clock_wall_ms(), &jwt, why);
	if (result == 0) {
		add(form, "client_assertion_type", BEARER);
		add(form, "client_assertion", jwt.data);
	}
	explicit_bzero(jwt.data, jwt.cap);
	buf_free(&jwt);
	return result;
}

/* -1 with why when it cannot be written. */
static int
write_form(const struct token *t, struct buf *form, struct why *why)
{
	const struct config_source *c = &t->source->config;

	/* No part of it is left behind by a buffer that grows. */
	buf_reserve(form, FORM_MAX);
	add(form, "grant_type", "client_credentials");
	add(form, "client_id", c->client_id);
	add(form, "scope", c->token_scope);
	if (t->assertion != NULL)
		return add_assertion(t, form, why);
	add(form, "client_secret", secret_value(t->source->secret));
	return 0;
}

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
jitter(int64_t bound_ms)
{
	return bound_ms > 0 ? random() % (bound_ms + 1) : 0;
}

/* Some servers write the number as a text. */
static int64_t
life_ms(yyjson_val *root)
{
	const char *text = json_text(root, "expires_in");
	int64_t s = text != NULL
			? strtol(text, NULL, 10)
			: json_int(json_get(root, "expires_in"), LIFE_S);

	return (s > 0 && s < 86400 * 366L ? s : LIFE_S) * 1000;
}

/* What stands in a header must not begin another one. */
static bool
is_token(const char *s)
{
	size_t len = 0;

	for (; s != NULL && s[len] != '\0' && len <= TOKEN_MAX; len++)
		if ((unsigned char)s[len] <= ' ' || s[len] == 127)
			return false;
	return len > 0 && len <= TOKEN_MAX;
}

/* The token of an answer 200; -1 when there is none in it. */
static int
take(struct token *t, const struct http_answer *a)
{
	yyjson_doc *doc = yyjson_read(a->body.data, a->body.len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc);
	const char *text = json_text(root, "access_token");
	int64_t life = life_ms(root), sent = clock_ms() - a->took_ms, margin;
	int result = -1;

	if (is_token(text)) {
		forget(t);
		t->value = xasprintf("Bearer %s", text);
		t->number++;
		margin = least(life / PART, MARGIN_MS);
		t->ends_ms = sent + life - margin / 2;
		t->renew_ms = sent + life - margin -
			      jitter(least(life / PART, SPREAD_MS));
		result = 0;
		explicit_bzero((char *)(uintptr_t)text, strlen(text));
	}
	yyjson_doc_free(doc);
	return result;
}

/* What an operator does about a refusal; matched by the AADSTS number. */
struct cure {
	const char *code, *text;
};

static const struct cure cures[] = {
	{ "AADSTS7000215",
	    "the client secret is wrong; store the secret's value (not its "
	    "id) with 'idmesh secret set'" },
	{ "AADSTS7000222",
	    "the client secret has expired; make a new one in the app "
	    "registration and store it with 'idmesh secret set'" },
	{ "AADSTS700016",
	    "the tenant knows no such app; are ClientId and TenantId right?" },
	{ "AADSTS90002", "there is no such tenant; is TenantId, or Cloud, "
			 "right?" },
	{ "AADSTS900023", "TenantId is neither a GUID nor a domain" },
	{ "AADSTS700024",
	    "the assertion is outside its time; is this host's clock right?" },
	{ "AADSTS700027",
	    "the certificate is not one of the app registration's, or the key "
	    "is not its" },
	{ "AADSTS7000112", "the application is disabled in the tenant" },
	{ "AADSTS1002012", "the scope is not one of this cloud; is Cloud "
			   "right?" },
	{ "AADSTS500011", "the scope is not one of this cloud; is Cloud "
			  "right?" },
};

static const char *
cure(const struct token *t, const char *description)
{
	for (size_t i = 0; i < sizeof(cures) / sizeof(cures[0]); i++) {
		size_t len = strlen(cures[i].code);

		if (strncmp(description, cures[i].code, len) == 0 &&
		    strchr(": ", description[len]) != NULL)
			return cures[i].text;
	}
	return t->assertion != NULL
		   ? "are ClientId, Certificate and PrivateKey right?"
		   : "are ClientId and ClientSecret right?";
}

/* "invalid_client AADSTS7000215: ...", on one line. */
static void
explain(const struct token *t, const struct http_answer *a, struct why *why)
{
	yyjson_doc *doc = yyjson_read(a->body.data, a->body.len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc);
	const char *error = json_text(root, "error");
	const char *text = json_text(root, "error_description");
	const char *trace = json_text(root, "trace_id");

	if (text == NULL)
		text = "";
	why_set(why, "E_TOKEN", NULL,
	    "%s gives no token: HTTP %d %.60s%s%.*s: %s%s%.60s", t->url,
	    a->status, error != NULL ? error : "without an OAuth error",
	    text[0] != '\0' ? ", " : "",
	    (int)least(160, (int64_t)strcspn(text, "\r\n")), text,
	    cure(t, text), trace != NULL ? "; trace " : "",
	    trace != NULL ? trace : "");
	yyjson_doc_free(doc);
}

/* Is there hope without an operator?  A 200 without a token may be torn. */
static bool
may_pass(const struct http_answer *a)
{
	yyjson_doc *doc;
	const char *error;
	bool later;

	if (a->status == 0)
		return !a->hopeless;
	if (a->status == 200 || a->status == 408 || a->status == 429 ||
	    a->status >= 500)
		return true;
	doc = yyjson_read(a->body.data, a->body.len, 0);
	error = json_text(yyjson_doc_get_root(doc), "error");
	later = error != NULL && strcmp(error, "temporarily_unavailable") == 0;
	yyjson_doc_free(doc);
	return later;
}

static void
again(struct token *t, const struct http_answer *a, const struct why *why)
{
	struct fetch *f = t->source->fetch;
	int64_t bound = TOKEN_RETRY_MS, wait;

	if (++t->tries > f->retries_max) {
		fetch_fail(f, EXIT_TEMPORARY, "%s: %s; given up after %d tries",
		    t->source->name, why->text, t->tries);
		return;
	}
	for (int i = 1; i < t->tries && bound < RETRY_CAP_MS; i++)
		bound *= 2;
	wait = jitter(least(bound, RETRY_CAP_MS));
	if (a->retry_after_ms >= 0)
		wait = a->retry_after_ms + jitter(250);
	f->retries++;
	log_warn("%s: %s: trying again in %.1f s (%d of %d)", t->source->name,
	    why->text, (double)wait / 1000, t->tries, f->retries_max);
	t->waiting = true;
	loop_timer_at(t->timer, clock_ms() + wait);
}

static void
write_log(const struct token *t, const struct http_answer *a, const char *error)
{
	struct call_ask line = {
		.source = t->source, .path = "", .pattern = PATTERN
	};
	struct reqlog_try try = {
		.ask = &line, .method = "POST", .retry = t->tries
	};

	reqlog_write(t->source->fetch, &try, a, error);
}

static void
on_answer(void *arg, struct http_answer *a)
{
	struct token *t = arg;
	struct fetch *f = t->source->fetch;
	struct why why = { .text = "" };

	t->transfer = NULL;
	if (a->status == 200 && take(t, a) == 0) {
		write_log(t, a, NULL);
		t->tries = 0;
		streams_pump(f);
	} else {
		if (a->status == 0)
			why_set(
			    &why, "E_TOKEN", NULL, "%s: %s", t->url, a->error);
		else
			explain(t, a, &why);
		write_log(t, a, why.text);
		if (may_pass(a))
			again(t, a, &why);
		else
			fetch_fail(
			    f, EXIT_USAGE, "%s: %s", t->source->name, why.text);
	}
	if (a->body.data != NULL)
		explicit_bzero(a->body.data, a->body.cap);
}

static void
ask(struct token *t)
{
	struct fetch *f = t->source->fetch;
	struct http_request r = { .url = t->url };
	struct buf form = { 0 };
	struct why why;

	if (t->transfer != NULL || t->waiting || f->failed)
		return;
	if (write_form(t, &form, &why) < 0) {
		fetch_fail(f, EXIT_USAGE, "%s: %s", t->source->name, why.text);
	} else {
		r.form = form.data;
		t->transfer = http_get(f->http, &r, on_answer, t);
	}
	if (form.data != NULL)
		explicit_bzero(form.data, form.cap);
	buf_free(&form);
}

const char *
token_value(struct token *t, int64_t *number)
{
	int64_t now = clock_ms();

	if (t->value == NULL || now >= t->renew_ms)
		ask(t);
	if (t->value != NULL && now >= t->ends_ms)
		forget(t);
	*number = t->number;
	return t->value;
}

void
token_refused(struct token *t, int64_t number)
{
	if (number == t->number)
		forget(t);
}
