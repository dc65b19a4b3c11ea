/*
 * server.c - HTTP: libmicrohttpd's callbacks around one request.
 *
 * The daemon runs inside main.c's loop, so every callback is on the one
 * thread.  A request that has to wait is suspended and comes back here.
 */

#include "sim.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mem.h"

#define BODY_MAX (1 << 20)

static struct call *
call_new(struct sim *sim, struct MHD_Connection *conn, const char *path,
    const char *method)
{
	struct call *c = xcalloc(1, sizeof(*c));

	c->sim = sim;
	c->conn = conn;
	c->path = xstrdup(path);
	/* A HEAD is a GET whose body the server keeps to itself. */
	c->method = xstrdup(strcmp(method, "HEAD") == 0 ? "GET" : method);
	route_find(c);
	if (c->route != NULL && (c->route->flags & ROUTE_CONTROL))
		return c;
	c->counted = true;
	sim->calls++;
	c->tally->calls++;
	if (call_header(c, "X-Okta-Retry-For") != NULL)
		sim->retries_marked++;
	if (++sim->in_flight > sim->max_in_flight)
		sim->max_in_flight = sim->in_flight;
	return c;
}

static void
call_free(struct call *c)
{
	if (c->counted)
		c->sim->in_flight--;
	free(c->method);
	free(c->path);
	free(c->arg);
	buf_free(&c->body);
	buf_free(&c->answer.body);
	buf_free(&c->answer.self);
	buf_free(&c->answer.next);
	free(c->answer.location);
	free(c);
}

static const char *
params_get(const struct params *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcasecmp(p->v[i].name, name) == 0)
			return p->v[i].value;
	return NULL;
}

const char *
call_query(const struct call *c, const char *name)
{
	if (c->query != NULL)
		return params_get(c->query, name);
	return MHD_lookup_connection_value(
	    c->conn, MHD_GET_ARGUMENT_KIND, name);
}

const char *
call_header(const struct call *c, const char *name)
{
	const char *own =
	    c->headers != NULL ? params_get(c->headers, name) : NULL;

	if (own != NULL)
		return own;
	return MHD_lookup_connection_value(c->conn, MHD_HEADER_KIND, name);
}

/* The request is complete: admit it, let it wait, or answer it. */
static enum MHD_Result
call_go(struct call *c)
{
	int64_t ms = c->sim->opt.latency_ms;

	if (c->phase == CALL_NEW && admit(c) &&
	    !(c->route->flags & ROUTE_CONTROL)) {
		if (c->sim->opt.jitter_ms > 0)
			ms += rng_below(
			    &c->sim->rng, (uint32_t)c->sim->opt.jitter_ms + 1);
		if (c->fault.kind == FAULT_SLOW)
			ms += c->fault.ms;
		if (ms > 0) {
			delay_add(c->sim, c, ms);
			return MHD_YES;
		}
	}
	if (c->answer.status == 0)
		c->route->run(c);
	return answer_send(c);
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *conn, const char *path,
    const char *method, const char *version, const char *data, size_t *len,
    void **ctx)
{
	struct call *c = *ctx;

	(void)version;
	if (c == NULL) {
		*ctx = call_new(cls, conn, path, method);
		return MHD_YES;
	}
	if (*len > 0) {
		if (c->body.len + *len > BODY_MAX)
			return MHD_NO;
		buf_add(&c->body, data, *len);
		*len = 0;
		return MHD_YES;
	}
	return call_go(c);
}

static void
on_completed(void *cls, struct MHD_Connection *conn, void **ctx,
    enum MHD_RequestTerminationCode why)
{
	(void)cls;
	(void)conn;
	(void)why;
	if (*ctx != NULL)
		call_free(*ctx);
	*ctx = NULL;
}

static int
listen_on(uint16_t port, uint16_t *got)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int one = 1, fd;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 ||
	    listen(fd, 1024) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) < 0) {
		close(fd);
		return -1;
	}
	*got = ntohs(sin.sin_port);
	return fd;
}

struct MHD_Daemon *
server_start(struct sim *sim, uint16_t port, uint16_t *got)
{
	int fd = listen_on(port, got);

	if (fd < 0)
		return NULL;
	return MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO, 0, NULL,
	    NULL, on_request, sim, MHD_OPTION_LISTEN_SOCKET, fd,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
	    MHD_OPTION_CONNECTION_LIMIT, 4096u, MHD_OPTION_END);
}
