/*
 * http.c - libcurl's multi interface on the loop.
 *
 * call.c and token.c ask and get one answer back.  Owns the connections and
 * the transfers; knows the headers of the APIs but not what a status means.
 * libcurl is never verbose: it would print the Authorization header.
 */

#include "http.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>
#include <zmq.h>

#include "clock.h"
#include "log.h"
#include "mem.h"

#define CONNECT_MS 10000L
#define TOTAL_MS 120000L /* the server's own limit is 30 s */
#define LINK_MAX 16384
#define SPARE_MAX ((size_t)1 << 20) /* bytes of a body that is kept */

struct http_transfer {
	struct http *http;
	CURL *easy;
	struct curl_slist *headers; /* owned; holds the credential */
	char *form; /* owned; may hold one too */
	http_done *done;
	void *arg;
	char error[CURL_ERROR_SIZE];
	char retry_after[64];
	struct http_answer answer;
	int64_t sent_ms;
	struct http_transfer *next;
};

struct http {
	struct loop *loop;
	CURLM *multi;
	struct loop_timer *timer;
	struct http_transfer *transfers; /* in flight */
	const char *ca_file; /* borrowed from the environment, or NULL */
	struct buf spare; /* of a body that is done with, for the next */
};

static void
wipe_headers(struct curl_slist *list)
{
	for (struct curl_slist *l = list; l != NULL; l = l->next)
		explicit_bzero(l->data, strlen(l->data));
	curl_slist_free_all(list);
}

/* A listing has one answer at a time: its bodies share their memory. */
static void
keep_body(struct http *h, struct buf *body)
{
	if (h->spare.data == NULL && body->cap <= SPARE_MAX) {
		h->spare = *body;
		*body = (struct buf){ 0 };
		buf_clear(&h->spare);
	}
	buf_free(body);
}

static void
transfer_free(struct http_transfer *t)
{
	struct http_transfer **at = &t->http->transfers;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	curl_multi_remove_handle(t->http->multi, t->easy);
	curl_easy_cleanup(t->easy);
	wipe_headers(t->headers);
	if (t->form != NULL)
		explicit_bzero(t->form, strlen(t->form));
	free(t->form);
	keep_body(t->http, &t->answer.body);
	buf_free(&t->answer.link);
	free(t);
}

/* Trying again changes nothing about these. */
static bool
is_hopeless(CURLcode code)
{
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_ENGINE_NOTFOUND:
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_FILESIZE_EXCEEDED:
		return true;
	default:
		return false;
	}
}

/* Retry-After in seconds or as a date, relative to the Date of the answer. */
static int64_t
retry_after_ms(const char *text, int64_t date_ms)
{
	int64_t wall_ms;
	char *end;
	long s;

	if (text[0] == '\0')
		return -1;
	s = strtol(text, &end, 10);
	if (end != text && *end == '\0' && s >= 0 && s < 86400 * 366L)
		return (int64_t)s * 1000;
	if (clock_parse_http(text, &wall_ms) < 0)
		return -1;
	if (date_ms < 0)
		date_ms = clock_wall_ms();
	return wall_ms > date_ms ? wall_ms - date_ms : 0;
}

/* What people can do about it, or nothing. */
static const char *
advice(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return " (is OrgDomain or Cloud right, and does DNS work "
		       "here?)";
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT:
		return " (can this host reach it, or is a proxy needed: "
		       "https_proxy?)";
	case CURLE_PEER_FAILED_VERIFICATION:
		return " (the certificate is not trusted here; a CA of your "
		       "own is named with CURL_CA_BUNDLE)";
	case CURLE_SSL_CACERT_BADFILE:
		return " (is the file in CURL_CA_BUNDLE or SSL_CERT_FILE "
		       "right?)";
	default:
		return "";
	}
}

static void
finish(struct http_transfer *t, CURLcode code)
{
	struct http_answer *a = &t->answer;
	curl_off_t bytes = 0;
	long status = 0;

	a->took_ms = clock_ms() - t->sent_ms;
	curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &bytes);
	a->bytes = bytes;
	a->retry_after_ms = retry_after_ms(t->retry_after, a->date_ms);
	if (code == CURLE_OK) {
		curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
		a->status = (int)status;
	} else {
		a->hopeless = is_hopeless(code);
		if (code == CURLE_WRITE_ERROR && a->body.len > 0) {
			a->hopeless = true;
			snprintf(a->error, sizeof(a->error),
			    "the answer is larger than %zu MiB",
			    HTTP_BODY_MAX >> 20);
		} else {
			snprintf(a->error, sizeof(a->error), "%.200s%s",
			    t->error[0] != '\0' ? t->error
						: curl_easy_strerror(code),
			    advice(code));
		}
	}
	t->done(t->arg, a);
	transfer_free(t);
}

static void
collect(struct http *h)
{
	struct http_transfer *t;
	CURLMsg *m;
	int left;

	for (;;) {
		m = curl_multi_info_read(h->multi, &left);
		if (m == NULL)
			return;
		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
		finish(t, m->data.result);
	}
}

static void
on_timer(void *arg)
{
	struct http *h = arg;
	int running;

	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(h);
}

/* A socket of libcurl in the loop. */
struct watch {
	struct http *http;
	struct loop_item *item;
	curl_socket_t fd;
};

static void
on_socket(void *arg, short events)
{
	const struct watch *w = arg;
	struct http *h = w->http;
	int running, what = 0;

	if (events & ZMQ_POLLIN)
		what |= CURL_CSELECT_IN;
	if (events & ZMQ_POLLOUT)
		what |= CURL_CSELECT_OUT;
	if (events & ZMQ_POLLERR)
		what |= CURL_CSELECT_ERR;
	/* w may be freed in here. */
	curl_multi_socket_action(h->multi, w->fd, what, &running);
	collect(h);
}

static int
watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socketp)
{
	struct watch *w = socketp;
	struct http *h = arg;
	short events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w != NULL)
			loop_remove(h->loop, w->item);
		free(w);
		curl_multi_assign(h->multi, fd, NULL);
		return 0;
	}
	if (what & CURL_POLL_IN)
		events |= ZMQ_POLLIN;
	if (what & CURL_POLL_OUT)
		events |= ZMQ_POLLOUT;
	if (w == NULL) {
		w = xcalloc(1, sizeof(*w));
		w->http = h;
		w->fd = fd;
		w->item = loop_fd(h->loop, fd, events, on_socket, w);
		curl_multi_assign(h->multi, fd, w);
	} else {
		loop_events(w->item, events);
	}
	return 0;
}

static int
watch_time(CURLM *multi, long ms, void *arg)
{
	struct http *h = arg;

	(void)multi;
	loop_timer_at(h->timer, ms < 0 ? -1 : clock_ms() + ms);
	return 0;
}

struct http *
http_new(struct loop *l, int connections_max)
{
	struct http *h = xcalloc(1, sizeof(*h));

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		die(EXIT_TEMPORARY, "libcurl does not start");
	h->loop = l;
	h->multi = curl_multi_init();
	if (h->multi == NULL)
		die(EXIT_TEMPORARY, "libcurl does not start");
	h->timer = loop_timer(l, -1, on_timer, h);
	/* What the curl program honours, libcurl leaves to its user. */
	h->ca_file = getenv("CURL_CA_BUNDLE");
	if (h->ca_file == NULL || *h->ca_file == '\0')
		h->ca_file = getenv("SSL_CERT_FILE");
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, watch_time);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
	curl_multi_setopt(
	    h->multi, CURLMOPT_MAXCONNECTS, (long)connections_max);
	return h;
}

void
http_free(struct http *h)
{
	if (h == NULL)
		return;
	while (h->transfers != NULL)
		transfer_free(h->transfers);
	curl_multi_cleanup(h->multi);
	buf_free(&h->spare);
	loop_timer_remove(h->loop, h->timer);
	curl_global_cleanup();
	free(h);
}

static size_t
take_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct http_transfer *t = arg;

	if (t->answer.body.len + size * n > HTTP_BODY_MAX)
		return 0;
	if (t->answer.body.data == NULL) {
		t->answer.body = t->http->spare;
		t->http->spare = (struct buf){ 0 };
	}
	buf_add(&t->answer.body, bytes, size * n);
	return size * n;
}

/* The smaller one counts where a proxy has merged several. */
static void
take_least(int64_t *number, const char *text)
{
	char *end;
	long long n = strtoll(text, &end, 10);

	if (end == text || n < 0)
		return;
	if (*number < 0 || n < *number)
		*number = n;
}

/* What Microsoft Graph says of its limits (entra 1.4). */
static void
take_graph(struct http_answer *a, const char *name, const char *value)
{
	size_t len = strlen(a->throttle);

	if (strcasecmp(name, "x-ms-resource-unit") == 0) {
		take_least(&a->units, value);
	} else if (strcasecmp(name, "x-ms-throttle-limit-percentage") == 0) {
		double part = strtod(value, NULL);

		if (part > 0 && part < 1000)
			a->percent = (int64_t)(part * 100 + 0.5);
	} else if (strcasecmp(name, "x-ms-throttle-scope") == 0 ||
		   strcasecmp(name, "x-ms-throttle-information") == 0) {
		snprintf(a->throttle + len, sizeof(a->throttle) - len, "%s%s",
		    len > 0 ? ", " : "", value);
	}
}

static void
take_value(struct http_transfer *t, const char *name, const char *value)
{
	struct http_answer *a = &t->answer;

	if (strcasecmp(name, "link") == 0) {
		if (a->link.len + strlen(value) < LINK_MAX) {
			if (a->link.len > 0)
				buf_char(&a->link, '\n');
			buf_str(&a->link, value);
		}
	} else if (strcasecmp(name, "date") == 0) {
		if (clock_parse_http(value, &a->date_ms) < 0)
			a->date_ms = -1;
	} else if (strcasecmp(name, "x-rate-limit-limit") == 0) {
		take_least(&a->limit, value);
	} else if (strcasecmp(name, "x-rate-limit-remaining") == 0) {
		take_least(&a->remaining, value);
	} else if (strcasecmp(name, "x-rate-limit-reset") == 0) {
		take_least(&a->reset_s, value);
	} else if (strcasecmp(name, "retry-after") == 0) {
		snprintf(t->retry_after, sizeof(t->retry_after), "%s", value);
	} else if (strcasecmp(name, "x-okta-request-id") == 0 ||
		   strcasecmp(name, "request-id") == 0) {
		snprintf(a->request_id, sizeof(a->request_id), "%s", value);
	} else if (strcasecmp(name, "location") == 0) {
		snprintf(a->location, sizeof(a->location), "%s", value);
	} else {
		take_graph(a, name, value);
	}
}

/* Forgets the headers of an interim answer. */
static void
forget(struct http_answer *a)
{
	buf_clear(&a->link);
	a->request_id[0] = a->location[0] = a->throttle[0] = '\0';
	a->units = a->percent = -1;
	a->limit = a->remaining = a->reset_s = a->date_ms = -1;
	a->retry_after_ms = -1;
}

static size_t
take_header(char *bytes, size_t size, size_t n, void *arg)
{
	struct http_transfer *t = arg;
	char line[LINK_MAX], *value;
	size_t len = size * n;

	if (len > 5 && memcmp(bytes, "HTTP/", 5) == 0) {
		forget(&t->answer);
		return size * n;
	}
	while (len > 0 && strchr("\r\n \t", bytes[len - 1]) != NULL)
		len--;
	if (len == 0 || len >= sizeof(line))
		return size * n;
	memcpy(line, bytes, len);
	line[len] = '\0';
	value = strchr(line, ':');
	if (value != NULL) {
		*value++ = '\0';
		value += strspn(value, " \t");
		take_value(t, line, value);
	}
	return size * n;
}

static void
add_line(struct http_transfer *t, const char *line)
{
	t->headers = curl_slist_append(t->headers, line);
	if (t->headers == NULL)
		die(EXIT_TEMPORARY, "out of memory");
}

static void
add_header(struct http_transfer *t, const char *name, const char *value)
{
	char *line = xasprintf("%s: %s", name, value);

	add_line(t, line);
	explicit_bzero(line, strlen(line));
	free(line);
}

static void
add_headers(struct http_transfer *t, const struct http_request *r)
{
	char count[16];

	add_header(t, "Accept", "application/json");
	if (r->authorization != NULL)
		add_header(t, "Authorization", r->authorization);
	for (size_t i = 0; r->extra != NULL && r->extra[i] != NULL; i++)
		add_line(t, r->extra[i]);
	if (r->omit != NULL)
		add_header(t, "Content-Type", r->omit);
	if (r->retry_count > 0) {
		snprintf(count, sizeof(count), "%d", r->retry_count);
		add_header(t, "X-Okta-Retry-Count", count);
		if (r->retry_for != NULL && r->retry_for[0] != '\0')
			add_header(t, "X-Okta-Retry-For", r->retry_for);
	}
}

static void
set_options(struct http_transfer *t, const char *url)
{
	CURL *e = t->easy;

	curl_easy_setopt(e, CURLOPT_URL, url);
	curl_easy_setopt(e, CURLOPT_PRIVATE, t);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip");
	curl_easy_setopt(e, CURLOPT_USERAGENT, "idmesh/" IDMESH_VERSION);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	/* Without TLS there is no HTTP/2 whose connection could be shared. */
	curl_easy_setopt(
	    e, CURLOPT_PIPEWAIT, (long)(strncmp(url, "https:", 6) == 0));
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, TOTAL_MS);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (t->http->ca_file != NULL && *t->http->ca_file != '\0')
		curl_easy_setopt(e, CURLOPT_CAINFO, t->http->ca_file);
}

struct http_transfer *
http_get(
    struct http *h, const struct http_request *r, http_done *done, void *arg)
{
	struct http_transfer *t = xcalloc(1, sizeof(*t));

	t->http = h;
	t->done = done;
	t->arg = arg;
	t->easy = curl_easy_init();
	if (t->easy == NULL)
		die(EXIT_TEMPORARY, "out of memory");
	t->sent_ms = clock_ms();
	forget(&t->answer);
	add_headers(t, r);
	set_options(t, r->url);
	if (r->form != NULL) {
		t->form = xstrdup(r->form);
		curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, t->form);
	}
	t->next = h->transfers;
	h->transfers = t;
	curl_multi_add_handle(h->multi, t->easy);
	return t;
}

void
http_cancel(struct http *h, struct http_transfer *t)
{
	(void)h;
	transfer_free(t);
}
