/*
 * oauth.c - POST /{tenant}/oauth2/v2.0/token: client credentials.
 *
 * graph_routes.c leads here.  The access tokens look like Entra's and carry
 * all they need, so none is remembered; oauth_check() is what Graph asks.
 * Errors have the shape and the AADSTS numbers of Entra.
 */

#include "graph.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "clock.h"
#include "mem.h"

static void
refuse(struct call *c, unsigned status, const char *error, int code,
    const char *text)
{
	struct buf *b = &c->answer.body;
	char trace[GUID_LEN + 1], correlation[GUID_LEN + 1], at[CLOCK_TEXT];
	struct buf all = { 0 };

	graph_guid(c->sim, trace);
	graph_guid(c->sim, correlation);
	clock_rfc3339(sim_now(c->sim), at);
	memcpy(at + 19, "Z", 2);
	at[10] = ' ';
	buf_fmt(&all,
	    "AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s", code,
	    text, trace, correlation, at);
	c->answer.status = status;
	c->answer.type = "application/json; charset=utf-8";
	buf_clear(b);
	buf_fmt(b, "{\"error\":\"%s\",\"error_description\":", error);
	buf_json(b, all.data, all.len);
	buf_fmt(b,
	    ",\"error_codes\":[%d],\"timestamp\":\"%s\",\"trace_id\":\"%s\","
	    "\"correlation_id\":\"%s\",\"error_uri\":"
	    "\"https://login.microsoftonline.com/error?code=%d\"}",
	    code, at, trace, correlation, code);
	buf_free(&all);
}

static int
hex(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	ch = (char)(ch | 0x20);
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* A field of the form, decoded; NULL when it is not there.  Owned. */
static char *
form_field(const struct call *c, const char *name)
{
	const char *s = c->body.data != NULL ? c->body.data : "";
	size_t want = strlen(name);

	while (*s != '\0') {
		size_t len = strcspn(s, "&");
		struct buf b = { 0 };

		if (len <= want || strncmp(s, name, want) != 0 ||
		    s[want] != '=') {
			s += len + (s[len] == '&');
			continue;
		}
		buf_reserve(&b, len);
		for (size_t i = want + 1; i < len; i++) {
			if (s[i] == '%' && i + 2 < len && hex(s[i + 1]) >= 0 &&
			    hex(s[i + 2]) >= 0) {
				buf_char(&b,
				    (char)(hex(s[i + 1]) * 16 + hex(s[i + 2])));
				i += 2;
			} else {
				buf_char(&b, (char)(s[i] == '+' ? ' ' : s[i]));
			}
		}
		return b.data != NULL ? buf_take(&b) : xstrdup("");
	}
	return NULL;
}

/* Four hashes in a row; nobody is meant to break them. */
static void
sign(const struct sim *sim, const char *text, size_t len, struct buf *out)
{
	uint64_t h[4];

	for (size_t i = 0; i < 4; i++)
		h[i] = rng_hash(text, len, sim->tenant.key + i);
	base64url(h, sizeof(h), out);
}

static void
put_token(struct call *c, struct buf *out)
{
	const struct sim *sim = c->sim;
	int64_t now = sim_now(sim) / 1000;
	struct buf claims = { 0 };
	char id[GUID_LEN + 1];
	static const char head[] =
	    "{\"typ\":\"JWT\",\"alg\":\"RS256\",\"kid\":\"orgsim\"}";
	size_t signed_len;

	graph_guid(c->sim, id);
	buf_fmt(&claims,
	    "{\"aud\":\"https://%s\",\"iss\":\"https://"
	    "sts.windows.net/" TENANT_ID "/\",\"iat\":%" PRId64
	    ",\"nbf\":%" PRId64 ",\"exp\":%" PRId64
	    ",\"appid\":\"%s\",\"idtyp\":\"app\","
	    "\"roles\":[\"User.Read.All\",\"Group.Read.All\","
	    "\"GroupMember.Read.All\"],\"tid\":\"" TENANT_ID
	    "\",\"uti\":\"%s\",\"epoch\":%u}",
	    sim->opt.graph_host, now, now, now + sim->opt.token_life_s,
	    sim->opt.app_id, id, sim->graph->token_epoch);
	base64url(head, sizeof(head) - 1, out);
	buf_char(out, '.');
	base64url(claims.data, claims.len, out);
	signed_len = out->len;
	buf_char(out, '.');
	buf_reserve(out, 64); /* sign() reads what it appends to */
	sign(sim, out->data, signed_len, out);
	buf_free(&claims);
}

static void
grant(struct call *c)
{
	struct buf *b = &c->answer.body;
	int64_t life = c->sim->opt.token_life_s;
	struct buf token = { 0 };

	c->sim->graph->tokens++;
	answer_ok(c);
	c->answer.type = "application/json; charset=utf-8";
	put_token(c, &token);
	buf_fmt(b,
	    "{\"token_type\":\"Bearer\",\"expires_in\":%" PRId64
	    ",\"ext_expires_in\":%" PRId64 ",\"access_token\":\"%s\"}",
	    life, life, token.data);
	buf_free(&token);
}

static bool
signature_fits(const struct sim *sim, const char *token, const char *dot)
{
	struct buf want = { 0 };
	bool fits;

	sign(sim, token, (size_t)(dot - token), &want);
	fits = strcmp(want.data, dot + 1) == 0;
	buf_free(&want);
	return fits;
}

const char *
oauth_check(const struct call *c, const char *token)
{
	const char *first = strchr(token, '.'), *last = strrchr(token, '.');
	struct buf claims = { 0 };
	const char *why = NULL;
	yyjson_doc *doc;
	yyjson_val *root;

	if (first == NULL || first == last)
		return "CompactToken parsing failed with error code: 80049217";
	if (!signature_fits(c->sim, token, last) ||
	    base64url_read(first + 1, (size_t)(last - first - 1), &claims) <
		0) {
		buf_free(&claims);
		return "Signature is invalid.";
	}
	doc = yyjson_read(claims.data, claims.len, 0);
	root = yyjson_doc_get_root(doc);
	if (yyjson_get_sint(yyjson_obj_get(root, "exp")) * 1000 <=
		sim_now(c->sim) ||
	    yyjson_get_uint(yyjson_obj_get(root, "epoch")) !=
		c->sim->graph->token_epoch)
		why = "Lifetime validation failed, the token is expired.";
	yyjson_doc_free(doc);
	buf_free(&claims);
	return why;
}

static bool
check_scope(struct call *c, const char *scope)
{
	struct buf base = { 0 };
	char *want = xasprintf("https://%s/.default", c->sim->opt.graph_host);
	char *own;
	bool fits;

	answer_base(c, &base);
	own = xasprintf("%s/.default", base.data);
	fits = strcmp(scope, want) == 0 || strcmp(scope, own) == 0;
	free(own);
	free(want);
	buf_free(&base);
	if (fits)
		return true;
	if (strstr(scope, "/.default") == NULL)
		refuse(c, 400, "invalid_scope", 1002012,
		    "The provided value for scope is not valid. Client "
		    "credential flows must have a scope value with /.default "
		    "suffixed to the resource identifier (application ID "
		    "URI).");
	else
		refuse(c, 400, "invalid_resource", 500011,
		    "The resource principal named in the scope was not found "
		    "in the tenant.");
	return false;
}

/* By secret or by assertion. */
static bool
check_client(struct call *c, const char *client_id)
{
	const struct graph *g = c->sim->graph;
	char *secret = form_field(c, "client_secret");
	char *type = form_field(c, "client_assertion_type");
	char *jwt = form_field(c, "client_assertion");
	char *audience;
	struct buf base = { 0 };
	const char *why = NULL;
	int code = 0;

	answer_base(c, &base);
	audience = xasprintf("%s%s", base.data, c->path);
	if (jwt != NULL && type != NULL &&
	    strcmp(type, "urn:ietf:params:oauth:client-assertion-type:"
			 "jwt-bearer") == 0) {
		why = oauth_assertion(c, jwt, client_id, audience, &code);
	} else if (secret == NULL) {
		code = 7000216;
		why = "'client_assertion', 'client_secret' or 'request' is "
		      "required for the 'client_credentials' grant type.";
	} else if (g->revoked && strcmp(secret, g->secret) == 0) {
		code = 7000222;
		why = "The provided client secret keys for app are expired.";
	} else if (strcmp(secret, g->secret) != 0) {
		code = 7000215;
		why = "Invalid client secret provided. Ensure the secret "
		      "being sent in the request is the client secret "
		      "value, not the client secret ID.";
	}
	if (why != NULL)
		refuse(c, 401, "invalid_client", code, why);
	buf_free(&base);
	free(audience);
	free(secret);
	free(type);
	free(jwt);
	return why == NULL;
}

/* Says which field is missing. */
static bool
check_fields(struct call *c, const char *grant_type, const char *client_id,
    const char *scope)
{
	const char *missing = grant_type == NULL  ? "grant_type"
			      : client_id == NULL ? "client_id"
			      : scope == NULL     ? "scope"
						  : NULL;
	char *text;

	if (missing == NULL)
		return true;
	text = xasprintf("The request body must contain the following "
			 "parameter: '%s'.",
	    missing);
	refuse(c, 400, "invalid_request", 900144, text);
	free(text);
	return false;
}

void
oauth_token(struct call *c)
{
	char *grant_type = form_field(c, "grant_type");
	char *client_id = form_field(c, "client_id");
	char *scope = form_field(c, "scope");

	if (strcmp(c->arg, TENANT_ID) != 0 && strcmp(c->arg, TENANT_NAME) != 0)
		refuse(c, 400, "invalid_request", 90002,
		    "Tenant not found. Check to make sure you have the "
		    "correct tenant ID and are signing into the correct "
		    "cloud.");
	else if (!check_fields(c, grant_type, client_id, scope))
		;
	else if (strcmp(grant_type, "client_credentials") != 0)
		refuse(c, 400, "unsupported_grant_type", 70003,
		    "The app requested an unsupported grant type.");
	else if (strcmp(client_id, c->sim->opt.app_id) != 0)
		refuse(c, 400, "unauthorized_client", 700016,
		    "Application with that identifier was not found in the "
		    "directory.");
	else if (check_scope(c, scope) && check_client(c, client_id))
		grant(c);
	free(grant_type);
	free(client_id);
	free(scope);
}

/* Where a client library learns the URL of the token endpoint. */
void
oauth_discovery(struct call *c)
{
	struct buf *b = &c->answer.body;
	struct buf base = { 0 };

	answer_base(c, &base);
	answer_ok(c);
	buf_fmt(b,
	    "{\"issuer\":\"%s/" TENANT_ID "/v2.0\","
	    "\"token_endpoint\":\"%s/%s/oauth2/v2.0/token\","
	    "\"authorization_endpoint\":\"%s/%s/oauth2/v2.0/authorize\","
	    "\"jwks_uri\":\"%s/%s/discovery/v2.0/keys\","
	    "\"token_endpoint_auth_methods_supported\":"
	    "[\"client_secret_post\",\"private_key_jwt\"],"
	    "\"tenant_region_scope\":null,\"msgraph_host\":\"%s\"}",
	    base.data, base.data, c->arg, base.data, c->arg, base.data, c->arg,
	    c->sim->opt.graph_host);
	buf_free(&base);
}
