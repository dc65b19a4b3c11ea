#ifndef ORGSIM_SIM_H
#define ORGSIM_SIM_H

/*
 * sim.h - what the files of orgsim share: options, one request, its answer.
 *
 * One thread does everything, in the loop of main.c, so nothing is locked.
 * A request goes: server.c (HTTP) -> admit.c (route, token, limits, faults)
 * -> perhaps a wait in delay.c -> the handler of its route -> answer.c.
 * The APIs stand side by side: okta_*.c play Okta, control.c is /_sim/; a
 * further API is a table of routes and its handlers.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <microhttpd.h>

#include "buf.h"
#include "org.h"
#include "rng.h"
#include "tenant.h"

#define MAX_PRINCIPALS 8
#define MAX_DENIED 16
#define MAX_LIMITS 16
#define MAX_FAULTS 32

enum tier { TIER_INTEGRATOR, TIER_ENTERPRISE, TIER_WORKFORCE, TIER_UNLIMITED };

/* The command line; strings are borrowed from argv. */
struct options {
	uint16_t port;
	const char *port_file; /* NULL: none */
	struct org_size size;
	enum tier tier;
	int share; /* percent of a bucket that one token may use */
	struct {
		const char *bucket; /* owned */
		int64_t limit; /* as the token sees it */
	} limits[MAX_LIMITS];
	size_t n_limits;
	int64_t window_s;
	int64_t late_reset_ms; /* a window ends this long after its Reset */
	int concurrency;
	int64_t latency_ms, jitter_ms;
	const char *tokens[MAX_PRINCIPALS];
	size_t n_tokens;
	struct {
		const char *prefix; /* owned */
		const char *code;
	} denied[MAX_DENIED];
	size_t n_denied;
	bool credentials; /* in lists, whatever the request says */
	bool join_links; /* one Link line instead of two */
	size_t page_max; /* 0: the limits of the API */
	int64_t skew_ms; /* the server's clock minus the real one */
	struct tenant_size entra;
	const char *app_id, *app_secret;
	const char *app_cert; /* PEM file; NULL: no assertion is accepted */
	bool jti_again; /* an assertion may come twice, as Entra lets it */
	const char *graph_host; /* which cloud: of scope and audience */
	int64_t units, units_window_ms; /* 0 units: by size; -1: no limit */
	int64_t token_life_s, delta_life_s;
	size_t slice; /* members of groups on one page of a delta */
	unsigned quirks;
};

/* What --entra-quirks asks for; names in options_entra.c. */
enum {
	QUIRK_EMPTY = 1, /* empty pages with a nextLink */
	QUIRK_REPEAT = 2, /* an object of the last page once more */
	QUIRK_LATE = 4, /* changes show one round later */
	QUIRK_REPLAY = 8, /* a round repeats changes of the last one */
	QUIRK_REMOVED = 16, /* the first round tells of soft-deleted ones */
	QUIRK_SILENT = 32, /* 429 without Retry-After */
};

/* options_entra.c: takes an option of the Entra side; false: not one. */
bool options_entra(struct options *opt, int o, const char *arg);
extern const char options_help_entra[];
/* A whole number from min to max, or the end of the program. */
int64_t options_number(int o, const char *text, int64_t min, int64_t max);
enum {
	O_ENTRA = 512,
	O_ENTRA_GROUPS,
	O_ENTRA_EDGES,
	O_OVERLAP,
	O_CYCLE,
	O_APP,
	O_APP_SECRET,
	O_APP_CERT,
	O_JTI_AGAIN,
	O_GRAPH_HOST,
	O_GRAPH_UNITS,
	O_GRAPH_WINDOW,
	O_TOKEN_LIFE,
	O_DELTA_LIFE,
	O_SLICE,
	O_QUIRKS,
};

/* Fills opt; exits with 100 on bad usage, with 0 after --help. */
void options_read(int argc, char *argv[], struct options *opt);

/* What the rate limit headers of one answer say. */
struct quota {
	bool shown;
	int64_t limit, remaining, reset; /* reset: epoch seconds */
};

struct bucket; /* limits.h */
struct limits;
struct sim;
struct call;

typedef void handler(struct call *c);

/* One line of an API's table: the first that fits is taken. */
struct route {
	const char *method;
	const char *path; /* "{id}" stands for one segment */
	const char *bucket; /* NULL: not limited */
	handler *run;
	unsigned flags;
};
#define ROUTE_OPEN 1u /* no token wanted */
#define ROUTE_CONTROL 2u /* not part of the organisation: never counted */
#define ROUTE_GRAPH 4u /* Microsoft Graph: graph_admit.c decides */
#define ROUTE_LOGIN 8u /* its token endpoint: no token, no units */
#define ROUTE_UNITS(n) ((unsigned)(n) << 8) /* what a call costs */

/* One request class and what became of its calls. */
struct tally {
	const struct route *route; /* NULL: paths that are none */
	uint64_t calls, ok, limited, other;
};

enum fault_kind {
	FAULT_NONE,
	FAULT_500,
	FAULT_503,
	FAULT_RESET,
	FAULT_TRUNCATE,
	FAULT_NONJSON,
	FAULT_SLOW,
	FAULT_DUPCURSOR,
	FAULT_EMPTYNEXT,
	FAULT_BADCURSOR,
	FAULT_429,
	FAULT_CONCURRENCY,
	FAULT_CREDENTIALS,
	FAULT_401,
	FAULT_504,
	FAULT_GONE,
	FAULT_RESYNC,
};

/* One rule of a fault plan: calls nth .. nth+count-1 below match fail. */
struct fault {
	char match[128];
	int64_t nth, count, retry_after_s, ms;
	int64_t seen;
	enum fault_kind kind;
};

/* Query parameters or headers of a request inside a batch. */
struct params {
	struct {
		char *name, *value; /* owned */
	} v[16];
	size_t n;
};

struct answer {
	unsigned status;
	struct buf body;
	const char *type; /* content type; NULL: none */
	struct buf self, next; /* Link values, empty: none */
	char etag[72]; /* empty: none */
	int64_t retry_after_s; /* 0: none */
	const char *allow; /* of a 405 */
	char *location; /* owned; NULL: none */
	int units; /* what Graph says it cost; 0: not said */
	int percent; /* of the units used, said from 80 on */
	bool throttled; /* with x-ms-throttle-* */
	bool minimal; /* Preference-Applied: return=minimal */
};

/* One request, from its headers until its answer is out. */
struct call {
	struct sim *sim;
	struct MHD_Connection *conn;
	char *method, *path; /* owned; path without query, decoded */
	const struct route *route; /* NULL: no such path */
	char *arg; /* owned; what {id} stood for */
	struct buf body;
	struct tally *tally;
	bool counted; /* is in sim->in_flight */
	enum { CALL_NEW, CALL_WAITING, CALL_READY } phase;
	int64_t due_ms; /* of CALL_WAITING, monotonic */
	struct bucket *bucket; /* NULL: not limited */
	struct quota quota;
	struct fault fault; /* kind FAULT_NONE: none strikes */
	struct params *query, *headers; /* borrowed; of a batch, else NULL */
	const struct call *outer; /* the batch */
	struct answer answer;
};

struct sim {
	struct options opt;
	struct org org;
	struct limits *limits;
	struct tenant tenant;
	struct graph *graph; /* graph.h: tokens, units */
	struct fault faults[MAX_FAULTS];
	size_t n_faults;
	struct rng rng; /* request ids, jitter */
	struct call **waiting; /* owned; by due_ms */
	size_t n_waiting, cap_waiting;
	struct tally *tallies; /* owned; one a route, and one for the rest */
	size_t n_tallies;
	uint64_t calls, limited, concurrency_429, retries_marked;
	int in_flight, max_in_flight;
};

/* The server's clock: milliseconds since the epoch. */
int64_t sim_now(const struct sim *sim);

/* server.c: HTTP. */
struct MHD_Daemon *server_start(struct sim *sim, uint16_t port, uint16_t *got);

/* admit.c: what happens before a handler runs.  False: already answered. */
bool admit(struct call *c);

/* delay.c: requests that wait. */
void delay_add(struct sim *sim, struct call *c, int64_t ms);
/* Lets go of those that are due; ms until the next, -1 when none waits. */
int64_t delay_run(struct sim *sim);

/* answer.c: handlers fill c->answer with these. */
void answer_ok(struct call *c); /* 200, and the handler adds JSON */
void answer_error(struct call *c, unsigned status, const char *code,
    const char *summary, const char *cause);
/* The answer of an edge in front of the API, without its headers. */
void answer_gateway(struct call *c, unsigned status, const char *message);
/* Host and scheme that the client used, for links: "http://..." */
void answer_base(const struct call *c, struct buf *out);
/* Queues c->answer on the connection, faults applied. */
enum MHD_Result answer_send(struct call *c);

/* route.c: which line of which table. */
void route_find(struct call *c);
void route_count(struct sim *sim);

/* fault.c: does a rule strike this call?  Fills c->fault. */
void fault_pick(struct call *c);
enum fault_kind fault_kind_of(const char *name);

/* A query parameter, or a header; NULL when absent. */
const char *call_query(const struct call *c, const char *name);
const char *call_header(const struct call *c, const char *name);

extern const struct route okta_routes[];
extern const size_t okta_n_routes;
extern const struct route graph_routes[];
extern const size_t graph_n_routes;
extern const struct route graph_control_routes[];
extern const size_t graph_control_n_routes;
extern const struct route control_routes[];
extern const size_t control_n_routes;

#endif
