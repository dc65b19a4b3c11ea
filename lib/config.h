#ifndef IDMESH_CONFIG_H
#define IDMESH_CONFIG_H

/*
 * config.h - the two files an operator writes: a source, and a run.
 *
 * layer 2.  fetch reads source files, `idmesh run` reads the run file and the
 * source files it names.  Strict JSON; unknown keys, wrong types and values
 * out of range are errors, and all errors of a file are reported at once,
 * "okta.json:4: PageSize ..." each.  No secret is ever in these files, and no
 * message repeats what stands where a secret reference belongs.  Both are
 * described in config(5).
 */

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

/* What one source is; strings are owned, never NULL unless said. */
struct config_source {
	char *path; /* of the file, as given */
	char *connector; /* "okta" or "entra" */
	char *name; /* "contoso"; with the connector the source's name */
	char *tenant; /* sources of one text share limits and one fetch */

	/* ConfigJson */
	char *org_domain; /* "contoso.okta.com"; NULL of entra */
	char *base_url; /* "https://contoso.okta.com", no / at the end */
	char *user_search_filter; /* parses as a filter of users; or NULL */
	char *external_id_attribute; /* "id" or "login" */
	int page_size; /* 1..200 */
	/* The switches Import...: see config_source_imports(). */
	bool import_users, import_groups, import_memberships;
	bool import_group_rules;
	double rate_limit_share; /* (0, 1] */
	int rate_limit_reserve; /* requests of each window left untouched */
	int max_in_flight; /* 1..300 */
	/* of entra, NULL or 0 of okta: */
	char *tenant_id; /* a GUID or a domain */
	char *cloud; /* "global", "usgov", "dod", "china" */
	char *authority_url; /* where tokens come from, no / at the end */
	char *token_scope; /* "https://graph.microsoft.com/.default" */
	int resource_units; /* of the tenant, each 10 s */

	/* AuthJson; what is a reference (secret.h) is never a value */
	char *auth_mode; /* "ApiKey", "ClientSecret" or "Certificate" */
	char *api_key; /* a reference; NULL of entra */
	char *client_id;
	char *client_secret; /* a reference, of ClientSecret */
	char *certificate, *private_key; /* references, of Certificate */
	char *algorithm; /* of the assertion: "PS256" or "RS256" */
};

/*
 * Reads a source file.  -1 when anything is wrong; each error is then one
 * line in errors and out is empty.  Free with config_source_free().
 */
int config_source_read(
    const char *path, struct config_source *out, struct buf *errors);
void config_source_free(struct config_source *c);
/* The switch of that key, such as "ImportUsers"; false for one that the
 * connector does not have. */
bool config_source_imports(const struct config_source *c, const char *key);

struct config_list {
	char **items; /* owned, and so is each */
	size_t n;
};

/* What one run is; paths are relative to the file no longer. */
struct config_run {
	char *path; /* of the file, as given */
	struct config_list sources; /* paths of source files, at least one */
	char *rules; /* folder; NULL for the rules that are installed */
	char *state; /* join's database */
	struct config_list sinks; /* "sqlite:/x/mesh.db", at least one */
	int workers; /* transforms, 1..64 */
	/* What join remembers: runs of a source, days of settled dead letters,
	 * days of what left. */
	int keep_runs, keep_dead, keep_gone;
	bool keep_raw; /* and raw records, to try new rules on */
	/* Endpoints for transforms of other hosts; all NULL without them. */
	char *hosts_key, *hosts_peers, *hosts_commit;
	struct config_list hosts_jobs; /* one a tenant */
};

/* As config_source_read(), of a run file. */
int config_run_read(
    const char *path, struct config_run *out, struct buf *errors);
void config_run_free(struct config_run *c);

#endif
