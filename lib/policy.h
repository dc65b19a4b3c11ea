#ifndef IDMESH_POLICY_H
#define IDMESH_POLICY_H

/*
 * policy.h - join, flow, life and guard of one mesh type, compiled.
 *
 * layer 3.  policy_compile.c makes it of what rules_check.c found right; join
 * reads it: keys say who is the same person, flows whose word counts, life
 * what becomes of leavers, limits when to stop.  Everything is borrowed from
 * the rules and dies with them.  Semantics: rules(7), JOIN, FLOW, LIFE, GUARD.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <yyjson.h>

#include "buf.h"
#include "rules.h"

#define POLICY_NAMES_MAX 64 /* different spellings of sources in one type */
#define POLICY_SOURCES_MAX 64 /* that the join of one type names */
#define POLICY_KEYS_MAX 48 /* of one type, without the lookups */
#define POLICY_VALUE_MAX 1024 /* bytes; a longer key value is none */

enum policy_norm {
	POLICY_TRIM,
	POLICY_LOWER,
	POLICY_UPPER,
	POLICY_FOLD,
	POLICY_DIGITS,
	POLICY_STRIP0,
	POLICY_SMTP,
	POLICY_BEFORE, /* "before(@)" */
};
/* The word in the rules; NULL behind the last. */
const char *policy_norm_name(enum policy_norm n);

struct policy_norms {
	const enum policy_norm *of;
	size_t n;
};

/* "okta": every tenant of the connector; "okta:contoso": that one. */
struct policy_source {
	const char *name;
	bool hold; /* unmatched = "hold" */
};

struct policy_key {
	const char *label; /* "lastName+firstName" */
	const char *const *attrs;
	size_t nattrs;
	struct policy_norms norms;
	const char *const *except; /* normalised */
	size_t nexcept;
	bool propose;
	bool lookup; /* only finds what a `ref ... by` names; joins nothing */
	const char *file;
	int line;
};

enum policy_how {
	POLICY_FIRST,
	POLICY_OWN, /* the first name owns, the others back it up */
	POLICY_ALL,
	POLICY_ANY,
	POLICY_UNION,
	POLICY_NEWEST,
};

/* How one attribute gets its value. */
struct policy_flow {
	const char *attr;
	enum policy_how how;
	const unsigned char *names; /* places in policy.names, in order */
	size_t n;
	const char *const *clocks; /* one a name; POLICY_NEWEST only */
	struct policy_norms norms; /* of the items of a union */
	const char *text; /* default template, or NULL */
	int function; /* last resort, or -1 */
	const char *ref; /* the value is the id of an object of this type */
	const char *const *by; /* else its value of one of these */
	int *lookups; /* the same: keys of that type's policy */
	size_t nby;
	const char *key; /* ,"name": and JSON_KEY_PAD bytes more */
	size_t key_len;
	bool quiet;
	const char *file;
	int line;
};

enum policy_back { POLICY_ASK, POLICY_REVIVE, POLICY_NEW };

/* Negative: not limited so. */
struct policy_limit {
	int64_t max;
	double percent;
	int64_t of_at_least;
	const char *const *attrs; /* of `change` */
	size_t nattrs;
	const char *file; /* NULL: the built-in limit */
	int line;
};

struct policy {
	const char *type;
	const struct policy_source *sources; /* in rank order */
	size_t nsources;
	struct policy_key *keys; /* strongest first, lookups last */
	size_t nkeys; /* without the lookups */
	size_t nlookups;
	bool strict; /* changed = "strict" */
	const char *const *names; /* of sources, as the flows spell them */
	size_t nnames;
	struct policy_flow *flows; /* every attribute, in map order */
	size_t nflows;
	bool has_ref; /* some flow is a reference */
	bool any; /* gone = "any" */
	int64_t grace_ms; /* 0: gone at once */
	enum policy_back same_key;
	struct policy_limit leave, unjoin, change;
	const char *file;
	int line;
};

/* NULL when the type has no join rule. */
const struct policy *rules_policy(const struct rules *r, const char *type);

/* Does "okta" or "okta:contoso" in the rules mean this source? */
bool policy_names_source(const char *name, const char *source);
/*
 * The entry of policy.sources that a source belongs to, the exact name before
 * that of its connector; nsources when the rule does not name it: then it is
 * trusted least, has no key values and always stands for itself.
 */
size_t policy_entry(const struct policy *p, const char *source);

/*
 * Calls each() for every value that the attributes give to key number `key`,
 * normalised; one may come twice.  None when an attribute of the key is empty.
 */
void policy_values(const struct policy *p, size_t key, yyjson_val *attrs,
    void (*each)(void *ctx, const char *text, size_t len), void *ctx);

/* Appends the normalised text. */
void policy_normalise(
    struct buf *b, const struct policy_norms *norms, const char *s, size_t len);
/* A string that is not blank, or anything but null, "" and []. */
bool policy_is_value(yyjson_val *v);

/* What changes whenever the key means something else; 16 hex digits. */
void policy_key_print(const struct policy_key *k, char out[17]);

#endif
