#ifndef ORGSIM_GRAPH_H
#define ORGSIM_GRAPH_H

/*
 * graph.h - Microsoft Graph and its token endpoint, as orgsim plays them.
 *
 * graph_admit.c decides before a handler runs (token, rights, units),
 * oauth*.c give the tokens, graph_query.c reads what a request asks for,
 * graph_delta.c and graph_list.c answer, graph_batch.c runs twenty at once.
 */

#include "sim.h"

#define MAX_JTIS 1024

/* What is neither an option nor the tenant. */
struct graph {
	int64_t used_milli, at_ms; /* units in use, as of when */
	uint64_t calls, throttled, units, batched, tokens;
	uint32_t token_epoch; /* access tokens of older ones are expired */
	uint32_t delta_epoch; /* the same for delta tokens ... */
	uint32_t skip_epoch; /* ... and for those of pages */
	enum fault_kind expired; /* how they are refused */
	char *secret; /* owned */
	bool revoked;
	void *certificate; /* owned; EVP_PKEY * of --app-cert */
	char thumbprint[48]; /* base64url of its SHA-256 */
	struct {
		uint64_t hash;
		int64_t exp_ms;
	} jtis[MAX_JTIS]; /* seen, until they expire */
	size_t n_jtis;
};

/* Reads the certificate; ends the program when it is none. */
struct graph *graph_new(const struct options *opt);
void graph_free(struct graph *g);

/* graph_admit.c */
bool graph_admit(struct call *c);
/* Is this request one of Graph's, even if there is no such path? */
bool graph_owns(const struct call *c);
void graph_error(struct call *c, unsigned status, const char *code,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The answer a fault puts in the place of the right one. */
void graph_fault(struct call *c, enum fault_kind kind, int64_t retry_after_s);
/* Calls put() for each header of Graph's own. */
void graph_headers(struct call *c,
    void (*put)(void *ctx, const char *name, const char *value), void *ctx);
/* A random GUID. */
void graph_guid(struct sim *sim, char out[GUID_LEN + 1]);
void graph_not_found(struct call *c);

/* oauth.c */
handler oauth_token, oauth_discovery;
/* A token as Graph gets it: 0 good, else what to say in a 401. */
const char *oauth_check(const struct call *c, const char *token);
/* oauth_assertion.c: NULL when the client is who it says, else the error. */
const char *oauth_assertion(struct call *c, const char *jwt,
    const char *client_id, const char *audience, int *code);
bool oauth_read_cert(struct graph *g, const char *path);
void oauth_free_cert(struct graph *g);

/* base64url.c: without padding. */
void base64url(const void *p, size_t len, struct buf *out);
/* -1 when it is not. */
int base64url_read(const char *s, size_t len, struct buf *out);

/* What one request of a collection asks for. */
struct wish {
	int dir;
	uint64_t select; /* a bit a property */
	bool edge; /* the relationship of delta */
	bool minimal;
	size_t page; /* objects */
	uint32_t only[50]; /* indices: $filter=id eq ... */
	size_t n_only;
	/* Where a delta round stands: */
	bool full;
	uint32_t since, upto; /* versions */
	uint32_t pos; /* object, or log entry */
	uint32_t member; /* ref of the next edge of that object */
	uint32_t page_no;
};

/* graph_query.c.  False: refused, and answered. */
bool wish_select(struct call *c, struct wish *w, const char *select);
bool wish_ids(struct call *c, struct wish *w, const char *filter);
uint64_t wish_defaults(int dir);
/* What another kind has of the properties selected. */
uint64_t wish_common(const struct wish *w, int dir);

/* graph_token.c: a wish as an opaque text, and back. */
void token_write(
    const struct call *c, const struct wish *w, bool delta, struct buf *out);
enum { TOKEN_OK, TOKEN_BAD, TOKEN_EXPIRED };
int token_read(
    const struct call *c, const char *text, bool delta, struct wish *w);

/* graph_filter.c: a modest $filter of lists. */
struct filter;
struct filter *filter_parse(int dir, const char *text); /* NULL: it is none */
bool filter_hits(const struct filter *f, const struct object *o);
void filter_free(struct filter *f);

/* graph_list.c, graph_members.c: one object with these properties; type says
 * @odata.type. */
void graph_put(const struct tenant *t, uint32_t ref, uint64_t select, bool type,
    struct buf *b);
void graph_context(struct call *c, const char *what);
/* Parameters of a listing; false: refused, and answered. */
bool list_wish(struct call *c, struct wish *w, size_t *top);
/* The ref behind which the page begins, if there is `some`. */
bool list_skip(struct call *c, uint32_t *after, bool *some);
void list_next(struct call *c, uint32_t last);
/* The object that c->arg names; NO_REF: there is none, and answered. */
uint32_t list_find(struct call *c, int dir);
void graph_ok(struct call *c);

handler graph_users_delta, graph_groups_delta;
handler graph_users, graph_groups, graph_user, graph_group;
handler graph_members, graph_transitive, graph_manager, graph_organization;
handler graph_batch;

#endif
