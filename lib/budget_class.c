/*
 * budget_class.c - which requests share a bucket, before we know better.
 *
 * Budget, part 4.  A small table of Okta's buckets (okta-api 3.5): an exact
 * path wins over the longest prefix, and the method matters.  It is where
 * learning starts from, not the truth; the headers correct it.
 */

#include <string.h>

#include "budget_private.h"

struct family {
	const char *methods; /* separated by blanks; NULL any */
	const char *path; /* {} any one segment; ending in / a prefix */
	const char *bucket;
};

static const struct family families[] = {
	{ NULL, "/api/v1/users", "/api/v1/users" },
	{ "GET", "/api/v1/users/me", "/api/v1/users/me" },
	{ "GET", "/api/v1/users/{}", "/api/v1/users/{id:.+}" },
	{ "POST PUT DELETE", "/api/v1/users/{}", "/api/v1/users/{id}" },
	{ NULL, "/api/v1/users/", "/api/v1/users" },
	{ NULL, "/api/v1/groups", "/api/v1/groups" },
	{ NULL, "/api/v1/groups/rules", "/api/v1/groups" },
	{ "GET PUT DELETE", "/api/v1/groups/{}", "/api/v1/groups/{id}" },
	{ NULL, "/api/v1/groups/", "/api/v1/groups" },
	{ NULL, "/api/v1/apps", "/api/v1/apps" },
	{ "GET PUT DELETE", "/api/v1/apps/{}", "/api/v1/apps/{id}" },
	{ NULL, "/api/v1/apps/", "/api/v1/apps" },
	{ "GET", "/api/v1/logs", "/api/v1/logs" },
	{ "GET DELETE", "/api/v1/devices/{}/users",
	    "/api/v1/devices/{id}/users" },
	{ NULL, "/api/v1/devices", "/api/v1/devices" },
	{ NULL, "/api/v1/devices/", "/api/v1/devices" },
	{ NULL, "/api/v1/iam/", "/api/v1/iam" },
	{ NULL, "/api/v1/policies", "/api/v1" },
	{ NULL, "/api/v1/policies/", "/api/v1" },
	{ NULL, "/api/v1/meta/", "/api/v1" },
	{ NULL, "/api/v1/org", "/api/v1" }, { NULL, "/api/v1/org/", "/api/v1" },
	{ NULL, "/api/v1/eventHooks", "/api/v1" },
	{ NULL, "/api/v1/eventHooks/", "/api/v1" },
	{ NULL, "/api/v1/idps", "/api/v1" },
	{ NULL, "/api/v1/idps/", "/api/v1" },
	{ NULL, "/api/v1/zones", "/api/v1" },
	{ NULL, "/api/v1/zones/", "/api/v1" },
	{ NULL, "/api/v1/principal-rate-limits",
	    "/api/v1/principal-rate-limits" },
	{ NULL, "/api/v1/principal-rate-limits/",
	    "/api/v1/principal-rate-limits" },
	{ NULL, "/api/v1/orgs", "/api/v1/orgs" },
	{ NULL, "/api/v1/orgs/", "/api/v1/orgs" },
	{ NULL, "/oauth2/v1/token", "/oauth2/v1/token" },
	{ NULL, "/oauth2/v1/clients", "/oauth2/v1/clients" },
	{ NULL, "/oauth2/v1/clients/", "/oauth2/v1/clients" },
	{ NULL, "/v1.0/", "/v1.0" }, /* of Graph: one for a tenant */
};

#define N_FAMILIES (sizeof(families) / sizeof(families[0]))

static bool
method_among(const char *methods, const char *method)
{
	size_t len = strlen(method);
	const char *p = methods;

	while (p != NULL) {
		if (strncmp(p, method, len) == 0 &&
		    (p[len] == ' ' || p[len] == '\0'))
			return true;
		p = strchr(p, ' ');
		if (p != NULL)
			p++;
	}
	return methods == NULL;
}

/*
 * How well a path fits: 0 not; a prefix its length; an exact path more than
 * any prefix, and one without {} more than one with it.
 */
static size_t
path_fits(const char *pattern, const char *path)
{
	const char *p = pattern;
	bool any = false;

	while (*p != '\0') {
		if (p[0] == '{' && p[1] == '}') {
			size_t len = strcspn(path, "/?");

			if (len == 0)
				return 0;
			path += len;
			p += 2;
			any = true;
		} else if (*p++ != *path++) {
			return 0;
		}
	}
	if (p[-1] == '/')
		return (size_t)(p - pattern);
	if (*path != '\0' && *path != '?')
		return 0;
	return any ? 1000 : 2000;
}

const char *
class_bucket(const char *method, const char *path)
{
	const char *bucket = NULL;
	size_t best = 0;

	for (size_t i = 0; i < N_FAMILIES; i++) {
		const struct family *f = &families[i];
		size_t fit;

		if (!method_among(f->methods, method))
			continue;
		fit = path_fits(f->path, path);
		if (fit > best) {
			best = fit;
			bucket = f->bucket;
		}
	}
	return bucket;
}
