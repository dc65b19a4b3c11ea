/*
 * okta_control.c - POST /_sim/okta/users: one person of the org, exactly so.
 *
 * control.c has the route.  The profile given is laid over the one that
 * render.c makes, now and whenever the user is rendered again.
 */

#include "control.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "mutate.h"
#include "names.h"
#include "rules.h"

/* Does one attribute of the profile have that value? */
static bool
profile_is(const struct user *u, const char *name, yyjson_val *want)
{
	yyjson_doc *doc = yyjson_read(u->text + u->profile, u->profile_len, 0);
	bool is =
	    yyjson_equals(yyjson_obj_get(yyjson_doc_get_root(doc), name), want);

	yyjson_doc_free(doc);
	return is;
}

/* {"id":...} or {"match":{"employeeNumber":"E000001"}}. */
static struct user *
find(const struct org *org, yyjson_val *root)
{
	const char *id = yyjson_get_str(yyjson_obj_get(root, "id"));
	yyjson_val *match = yyjson_obj_get(root, "match"), *key, *value;
	size_t i, n;

	if (id != NULL)
		return org_user(org, id);
	yyjson_obj_foreach(match, i, n, key, value)
	{
		for (size_t k = 0; k < org->n_users; k++)
			if (!org->users[k].gone &&
			    profile_is(
				&org->users[k], yyjson_get_str(key), value))
				return &org->users[k];
	}
	return NULL;
}

static bool
set_status(struct user *u, const char *name)
{
	for (int s = USER_STAGED; name != NULL && s <= USER_DEPROVISIONED;
	     s++) {
		if (strcmp(user_status_name((enum user_status)s), name) != 0)
			continue;
		u->status = (enum user_status)s;
		u->status_changed = u->last_updated;
		return true;
	}
	return name == NULL;
}

/* Lays the members of `more` over those kept from before. */
static void
patch(struct user *u, yyjson_val *more)
{
	yyjson_doc *old = u->patch != NULL
			      ? yyjson_read(u->patch, strlen(u->patch),
				    YYJSON_READ_NUMBER_AS_RAW)
			      : NULL;
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *all =
	    old != NULL ? yyjson_val_mut_copy(doc, yyjson_doc_get_root(old))
			: yyjson_mut_obj(doc);
	yyjson_val *key, *value;
	size_t i, n;

	yyjson_obj_foreach(more, i, n, key, value) yyjson_mut_obj_put(all,
	    yyjson_val_mut_copy(doc, key), yyjson_val_mut_copy(doc, value));
	free(u->patch);
	u->patch = yyjson_mut_val_write(all, 0, NULL);
	yyjson_mut_doc_free(doc);
	yyjson_doc_free(old);
}

void
okta_write_user(struct call *c)
{
	struct org *org = &c->sim->org;
	int64_t now = sim_now(c->sim);
	yyjson_doc *doc = control_body(c);
	yyjson_val *root = yyjson_doc_get_root(doc);
	yyjson_val *profile = yyjson_obj_get(root, "profile");
	struct user *u;

	if (doc == NULL)
		return;
	now -= now % 1000;
	u = find(org, root);
	if (u == NULL && (yyjson_obj_get(root, "id") != NULL ||
			     yyjson_obj_get(root, "match") != NULL)) {
		control_refuse(c, "there is no such user");
		yyjson_doc_free(doc);
		return;
	}
	if (u == NULL)
		u = org_new_user(org, now);
	u->last_updated = now;
	answer_ok(c);
	if (!set_status(u, yyjson_get_str(yyjson_obj_get(root, "status"))))
		control_refuse(c, "there is no such status");
	if (profile != NULL)
		patch(u, profile);
	user_render(org, u);
	if (yyjson_get_bool(yyjson_obj_get(root, "delete")))
		org_delete_user(org, u);
	rules_user(org, u, now);
	yyjson_doc_free(doc);
	if (c->answer.status != 200)
		return;
	user_put(u, false, &c->answer.body);
	buf_char(&c->answer.body, '\n');
}
