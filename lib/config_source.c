/*
 * config_source.c - the file of one source, and the judges of its values.
 *
 * fetch reads one for each source it is given; `idmesh run` reads them to
 * check a whole run before anything starts.
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_private.h"
#include "filter.h"
#include "json.h"
#include "mem.h"
#include "secret.h"

#define NAME_LEN_MAX 64
#define HOST_LEN_MAX 253
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

int
config_check_connector(const char *value, struct why *why)
{
	static const char *const names[] = { "okta", "entra" };

	return config_choice(value, names, COUNT(names), why);
}

int
config_check_name(const char *value, struct why *why)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t len = strlen(value);

	if (len >= 1 && len <= NAME_LEN_MAX && strchr(first, *value) != NULL &&
	    strspn(value, "-abcdefghijklmnopqrstuvwxyz0123456789") == len)
		return 0;
	return why_set(why, CONFIG_CODE, NULL,
	    "a name has small letters, digits and -, at most %d, and does not "
	    "begin with -; write one like \"contoso\"",
	    NAME_LEN_MAX);
}

/* Labels of letters, digits and - with dots between them. */
static int
is_host(const char *s, size_t len)
{
	char before = '.';

	if (len == 0 || len > HOST_LEN_MAX)
		return 0;
	for (size_t i = 0; i < len; i++) {
		int letter = (s[i] >= 'a' && s[i] <= 'z') ||
			     (s[i] >= 'A' && s[i] <= 'Z') ||
			     (s[i] >= '0' && s[i] <= '9');

		if (!letter && s[i] != '-' && s[i] != '.')
			return 0;
		if (!letter && before == '.')
			return 0;
		before = s[i];
	}
	return before != '.' && before != '-';
}

/* The console's host answers no API calls with a token. */
static int
check_admin_host(const char *value, struct why *why)
{
	const char *admin = strstr(value, "-admin.okta");

	if (admin == NULL)
		return 0;
	return why_set(why, CONFIG_CODE, NULL,
	    "this is the host of the admin console; write \"%.*s%s\"",
	    (int)(admin - value), value, admin + strlen("-admin"));
}

static int
check_org_domain(const char *value, struct why *why)
{
	const char *host = strstr(value, "://");
	size_t len;

	host = host != NULL ? host + 3 : value;
	len = strcspn(host, "/?#:@");
	if (is_host(value, strlen(value)) && strchr(value, '.') != NULL)
		return check_admin_host(value, why);
	if (is_host(host, len) && memchr(host, '.', len) != NULL)
		return why_set(why, CONFIG_CODE, NULL,
		    "only the host belongs here, without scheme, port and "
		    "path; write \"%.*s\"",
		    (int)len, host);
	return why_set(why, CONFIG_CODE, NULL,
	    "this is no host name; write one like \"contoso.okta.com\"");
}

static int
is_loopback(const char *host, size_t len)
{
	char text[16];
	struct in_addr address;

	if (len == 9 && strncasecmp(host, "localhost", len) == 0)
		return 1;
	if (len == 5 && memcmp(host, "[::1]", len) == 0)
		return 1;
	if (len >= sizeof(text))
		return 0;
	memcpy(text, host, len);
	text[len] = '\0';
	return inet_pton(AF_INET, text, &address) == 1 &&
	       ntohl(address.s_addr) >> 24 == 127;
}

/* ":8080" and a / at most; what is behind the host. */
static int
is_port(const char *s)
{
	size_t digits;

	if (*s == ':') {
		digits = strspn(s + 1, "0123456789");
		if (digits < 1 || digits > 5 || atol(s + 1) < 1 ||
		    atol(s + 1) > 65535)
			return 0;
		s += 1 + digits;
	}
	return *s == '\0' || strcmp(s, "/") == 0;
}

int
config_check_base_url(const char *value, struct why *why)
{
	int plain = strncasecmp(value, "http://", 7) == 0;
	const char *host = value + (plain ? 7 : 8);
	size_t len;

	if (!plain && strncasecmp(value, "https://", 8) != 0)
		return why_set(why, CONFIG_CODE, NULL,
		    "write scheme and host, as in \"https://contoso.okta.com\" "
		    "or \"http://127.0.0.1:8080\"");
	len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, "/?#:@");
	if (len > strlen(host))
		len = strlen(host);
	if ((!is_host(host, len) && !is_loopback(host, len)) ||
	    !is_port(host + len))
		return why_set(why, CONFIG_CODE, NULL,
		    "only scheme, host and port belong here, as in "
		    "\"http://127.0.0.1:8080\"");
	if (plain && !is_loopback(host, len))
		return why_set(why, CONFIG_CODE, NULL,
		    "plain http would show the token to the network and is "
		    "taken for loopback only; write https://");
	return 0;
}

static int
check_filter(const char *value, struct why *why)
{
	struct filter *f = filter_parse(value, strlen(value), FILTER_USER, why);

	if (f == NULL)
		return -1;
	filter_free(f);
	return 0;
}

static int
check_external_id(const char *value, struct why *why)
{
	static const char *const names[] = { "id", "login" };

	return config_choice(value, names, COUNT(names), why);
}

static int
check_mode(const char *value, struct why *why)
{
	static const char *const names[] = { "ApiKey" };

	return config_choice(value, names, COUNT(names), why);
}

static const struct option config_json[] = {
	{ .name = "OrgDomain",
	    .kind = OPTION_TEXT,
	    .offset = SOURCE_AT(org_domain),
	    .check = check_org_domain,
	    .form = "\"OrgDomain\": \"contoso.okta.com\"" },
	SOURCE_ADDRESS("BaseUrl", base_url),
	{ .name = "UserSearchFilter",
	    .kind = OPTION_TEXT,
	    .offset = SOURCE_AT(user_search_filter),
	    .initial = "null",
	    .check = check_filter,
	    .form = "\"UserSearchFilter\": \"status eq \\\"ACTIVE\\\"\" or "
		    "null" },
	{ .name = "PageSize",
	    .kind = OPTION_INT,
	    .offset = SOURCE_AT(page_size),
	    .initial = "200",
	    .min = 1,
	    .max = 200,
	    .form = "\"PageSize\": 200" },
	SOURCE_IMPORT("ImportUsers", import_users, "true"),
	SOURCE_IMPORT("ImportGroups", import_groups, "true"),
	SOURCE_IMPORT("ImportMemberships", import_memberships, "true"),
	SOURCE_IMPORT("ImportGroupRules", import_group_rules, "false"),
	{ .name = "ExternalIdAttribute",
	    .kind = OPTION_TEXT,
	    .offset = SOURCE_AT(external_id_attribute),
	    .initial = "id",
	    .check = check_external_id,
	    .form = "\"ExternalIdAttribute\": \"id\"" },
	SOURCE_SHARE,
	{ .name = "RateLimitReserve",
	    .kind = OPTION_INT,
	    .offset = SOURCE_AT(rate_limit_reserve),
	    .initial = "0",
	    .min = 0,
	    .max = 10000,
	    .form = "\"RateLimitReserve\": 0" },
	SOURCE_IN_FLIGHT,
	{ .name = NULL },
};

static const struct option auth_json[] = {
	{ .name = "Mode",
	    .kind = OPTION_TEXT,
	    .offset = SOURCE_AT(auth_mode),
	    .check = check_mode,
	    .form = "\"Mode\": \"ApiKey\"" },
	{ .name = "ApiKey",
	    .kind = OPTION_TEXT,
	    .offset = SOURCE_AT(api_key),
	    .check = secret_name_valid,
	    .form = "\"ApiKey\": \"secret://okta/contoso/apitoken\"" },
	{ .name = NULL },
};

static const struct option source[] = {
	SOURCE_HEAD("okta"),
	{ .name = "ConfigJson",
	    .kind = OPTION_OBJECT,
	    .inside = config_json,
	    .form = "\"ConfigJson\": { \"OrgDomain\": \"contoso.okta.com\" }" },
	{ .name = "AuthJson",
	    .kind = OPTION_OBJECT,
	    .inside = auth_json,
	    .form = "\"AuthJson\": { \"Mode\": \"ApiKey\", \"ApiKey\": "
		    "\"secret://okta/contoso/apitoken\" }" },
	{ .name = NULL },
};

static const struct option *
source_table(yyjson_val *root)
{
	const char *connector = json_text(root, "connector");

	if (connector != NULL && strcmp(connector, "entra") == 0)
		return config_entra(root);
	return source;
}

void
config_cut_slash(char *url)
{
	size_t len = strlen(url);

	if (url[len - 1] == '/')
		url[len - 1] = '\0';
}

static void
okta_complete(struct config_source *c)
{
	if (c->base_url == NULL)
		c->base_url = xasprintf("https://%s", c->org_domain);
	config_cut_slash(c->base_url);
	c->tenant = xstrdup(c->base_url);
}

int
config_source_read(
    const char *path, struct config_source *out, struct buf *errors)
{
	const struct option *table;

	*out = (struct config_source){ 0 };
	if (config_read_any(path, source_table, out, &table, errors) != 0) {
		config_clear(table, out);
		return -1;
	}
	out->path = xstrdup(path);
	if (table == source)
		okta_complete(out);
	else
		config_entra_complete(out);
	return 0;
}

bool
config_source_imports(const struct config_source *c, const char *key)
{
	/* Entra's switches are some of these, in the same fields. */
	const struct option *o = config_json;

	while (o->name != NULL &&
	       (o->kind != OPTION_FLAG || strcmp(o->name, key) != 0))
		o++;
	return o->name != NULL && *(const bool *)((const char *)c + o->offset);
}

void
config_source_free(struct config_source *c)
{
	char *const texts[] = { c->path, c->connector, c->name, c->tenant,
		c->org_domain, c->base_url, c->user_search_filter,
		c->external_id_attribute, c->tenant_id, c->cloud,
		c->authority_url, c->token_scope, c->auth_mode, c->api_key,
		c->client_id, c->client_secret, c->certificate, c->private_key,
		c->algorithm };

	for (size_t i = 0; i < COUNT(texts); i++)
		free(texts[i]);
	*c = (struct config_source){ 0 };
}
