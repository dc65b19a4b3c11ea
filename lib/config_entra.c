/*
 * config_entra.c - the file of an Entra tenant, read through Microsoft Graph.
 *
 * config_source.c takes this table when the connector is "entra".  The two
 * ways to sign in need different keys, so each has a table of its own.
 * Source: entra 1.1 and 1.6 (clouds).
 */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "config_private.h"
#include "json.h"
#include "mem.h"
#include "secret.h"

#define TENANT_LEN_MAX 253
#define CLIENT_LEN_MAX 128
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

struct cloud {
	const char *name, *authority, *graph;
};

static const struct cloud clouds[] = {
	{ "global", "https://login.microsoftonline.com",
	    "https://graph.microsoft.com" },
	{ "usgov", "https://login.microsoftonline.us",
	    "https://graph.microsoft.us" },
	{ "dod", "https://login.microsoftonline.us",
	    "https://dod-graph.microsoft.us" },
	{ "china", "https://login.chinacloudapi.cn",
	    "https://microsoftgraph.chinacloudapi.cn" },
};

/* It becomes part of a path. */
static int
check_tenant(const char *value, struct why *why)
{
	size_t len = strlen(value);

	if (len > 0 && len <= TENANT_LEN_MAX && *value != '.' &&
	    strspn(value, "-." LETTERS DIGITS) == len)
		return 0;
	return why_set(why, CONFIG_CODE, NULL,
	    "this is no tenant; write its id, a GUID, or its domain, like "
	    "\"contoso.onmicrosoft.com\"");
}

static int
check_client(const char *value, struct why *why)
{
	size_t len = strlen(value);

	if (len > 0 && len <= CLIENT_LEN_MAX &&
	    strspn(value, "-._" LETTERS DIGITS) == len)
		return 0;
	return why_set(why, CONFIG_CODE, NULL,
	    "write the Application (client) ID of the app registration, a "
	    "GUID");
}

static int
check_cloud(const char *value, struct why *why)
{
	const char *names[COUNT(clouds)];

	for (size_t i = 0; i < COUNT(clouds); i++)
		names[i] = clouds[i].name;
	return config_choice(value, names, COUNT(clouds), why);
}

static int
check_mode(const char *value, struct why *why)
{
	static const char *const names[] = { "ClientSecret", "Certificate" };

	return config_choice(value, names, COUNT(names), why);
}

static int
check_algorithm(const char *value, struct why *why)
{
	static const char *const names[] = { "PS256", "RS256" };

	return config_choice(value, names, COUNT(names), why);
}

static const struct option config_json[] = {
	{ .name = "TenantId",
	    .kind = OPTION_TEXT,
	    .offset = SOURCE_AT(tenant_id),
	    .check = check_tenant,
	    .form = "\"TenantId\": \"contoso.onmicrosoft.com\"" },
	{ .name = "Cloud",
	    .kind = OPTION_TEXT,
	    .offset = SOURCE_AT(cloud),
	    .initial = "global",
	    .check = check_cloud,
	    .form = "\"Cloud\": \"global\"" },
	SOURCE_IMPORT("ImportUsers", import_users, "true"),
	SOURCE_IMPORT("ImportGroups", import_groups, "true"),
	SOURCE_IMPORT("ImportMemberships", import_memberships, "true"),
	SOURCE_SHARE,
	{ .name = "ResourceUnits",
	    .kind = OPTION_INT,
	    .offset = SOURCE_AT(resource_units),
	    .initial = "3500",
	    .min = 1,
	    .max = 1000000,
	    .form = "\"ResourceUnits\": 3500" },
	SOURCE_IN_FLIGHT,
	SOURCE_ADDRESS("BaseUrl", base_url),
	SOURCE_ADDRESS("AuthorityUrl", authority_url),
	{ .name = NULL },
};

#define MODE                                                            \
	{                                                               \
		.name = "Mode", .kind = OPTION_TEXT,                    \
		.offset = SOURCE_AT(auth_mode), .check = check_mode,    \
		.form = "\"Mode\": \"ClientSecret\" or \"Certificate\"" \
	}
#define CLIENT_ID                                                      \
	{                                                              \
		.name = "ClientId", .kind = OPTION_TEXT,               \
		.offset = SOURCE_AT(client_id), .check = check_client, \
		.form = "\"ClientId\": "                               \
			"\"11111111-2222-3333-4444-555555555555\""     \
	}

static const struct option auth_secret[] = {
	MODE,
	CLIENT_ID,
	{ .name = "ClientSecret",
	    .kind = OPTION_TEXT,
	    .offset = SOURCE_AT(client_secret),
	    .check = secret_name_valid,
	    .form = "\"ClientSecret\": \"secret://entra/contoso/secret\"" },
	{ .name = NULL },
};

static const struct option auth_certificate[] = {
	MODE,
	CLIENT_ID,
	{ .name = "Certificate",
	    .kind = OPTION_TEXT,
	    .offset = SOURCE_AT(certificate),
	    .check = secret_name_valid,
	    .form = "\"Certificate\": \"secret://entra/contoso/cert\"" },
	{ .name = "PrivateKey",
	    .kind = OPTION_TEXT,
	    .offset = SOURCE_AT(private_key),
	    .check = secret_name_valid,
	    .form = "\"PrivateKey\": \"secret://entra/contoso/key\"" },
	{ .name = "Algorithm",
	    .kind = OPTION_TEXT,
	    .offset = SOURCE_AT(algorithm),
	    .initial = "PS256",
	    .check = check_algorithm,
	    .form = "\"Algorithm\": \"PS256\"" },
	{ .name = NULL },
};

#define OUTER(auth, hint)                                      \
	SOURCE_HEAD("entra"),                                  \
	    { .name = "ConfigJson",                            \
		    .kind = OPTION_OBJECT,                     \
		    .inside = config_json,                     \
		    .form = "\"ConfigJson\": { \"TenantId\": " \
			    "\"contoso.onmicrosoft.com\" }" }, \
	    { .name = "AuthJson",                              \
		    .kind = OPTION_OBJECT,                     \
		    .inside = auth,                            \
		    .form = hint },                            \
	{                                                      \
		.name = NULL                                   \
	}

static const struct option with_secret[] = { OUTER(auth_secret,
    "\"AuthJson\": { \"Mode\": \"ClientSecret\", \"ClientId\": \"...\", "
    "\"ClientSecret\": \"secret://entra/contoso/secret\" }") };

static const struct option with_certificate[] = { OUTER(auth_certificate,
    "\"AuthJson\": { \"Mode\": \"Certificate\", \"ClientId\": \"...\", "
    "\"Certificate\": \"secret://entra/contoso/cert\", "
    "\"PrivateKey\": \"secret://entra/contoso/key\" }") };

const struct option *
config_entra(yyjson_val *root)
{
	const char *mode = json_text(json_get(root, "AuthJson"), "Mode");

	if (mode != NULL && strcmp(mode, "Certificate") == 0)
		return with_certificate;
	return with_secret;
}

static char *
address(char *given, const char *host)
{
	if (given == NULL)
		return xstrdup(host);
	config_cut_slash(given);
	return given;
}

void
config_entra_complete(struct config_source *c)
{
	const struct cloud *cloud = &clouds[0];

	for (size_t i = 0; i < COUNT(clouds); i++)
		if (strcmp(clouds[i].name, c->cloud) == 0)
			cloud = &clouds[i];
	c->base_url = address(c->base_url, cloud->graph);
	c->authority_url = address(c->authority_url, cloud->authority);
	/* A token is for the cloud's Graph, wherever requests are sent. */
	c->token_scope = xasprintf("%s/.default", cloud->graph);
	c->tenant = xasprintf("%s/%s", c->base_url, c->tenant_id);
	/* A GUID or a domain, however it is written, is one tenant. */
	for (char *p = c->tenant; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	c->page_size = 0;
}
