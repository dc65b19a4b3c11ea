/*
 * span.c - hours of the day in which requests may leave, and deadlines.
 *
 * schedule.c and forecast_run.c ask.  A day is cut in the zone that was
 * given: by a fixed offset, or by what the host's zone says of that instant.
 */

#include "span.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"

#define MINUTE_MS INT64_C(60000)
#define DAY_MIN 1440
#define DAY_MS (DAY_MIN * MINUTE_MS)

/* Two digits of at most `max`, or -1; they are gone from *p then. */
static int
two_digits(const char **p, int max)
{
	const char *s = *p;
	int n;

	if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9')
		return -1;
	n = (s[0] - '0') * 10 + s[1] - '0';
	*p = s + 2;
	return n <= max ? n : -1;
}

/* "HH:MM" in minutes up to max, or -1. */
static int
read_hours(const char **p, int max)
{
	int h = two_digits(p, 24), m;

	if (h < 0 || **p != ':')
		return -1;
	(*p)++;
	m = two_digits(p, 59);
	return m >= 0 && h * 60 + m <= max ? h * 60 + m : -1;
}

/* What is left of the text is a zone, or nothing for the host's. */
static int
read_zone(const char *p, struct zone *z)
{
	int sign = *p == '-' ? -1 : 1, minutes;

	*z = (struct zone){ .local = false };
	if (*p == '\0' || strcmp(p, "local") == 0) {
		z->local = true;
		return 0;
	}
	if (strcmp(p, "Z") == 0)
		return 0;
	if (*p != '+' && *p != '-')
		return -1;
	p++;
	minutes = read_hours(&p, 14 * 60);
	if (minutes < 0 || *p != '\0')
		return -1;
	z->offset_min = sign * minutes;
	return 0;
}

int
span_parse(struct span *s, const char *text, struct why *why)
{
	const char *p = text;

	s->from = read_hours(&p, DAY_MIN - 1);
	s->to = -1;
	if (s->from >= 0 && *p++ == '-')
		s->to = read_hours(&p, DAY_MIN);
	if (s->to < 0 || read_zone(p, &s->zone) < 0)
		return why_set(why, "E_TIME", NULL,
		    "is HH:MM-HH:MM with a zone, such as 22:00-06:00+02:00, "
		    "22:00-06:00Z, or 22:00-06:00local for this host's; not "
		    "\"%.100s\"",
		    text);
	if (s->from == s->to)
		return why_set(why, "E_TIME", NULL,
		    "%.100s is no time at all; leave it out for the whole day",
		    text);
	return 0;
}

static int64_t
offset_ms(const struct zone *z, int64_t at_ms)
{
	time_t at = (time_t)(at_ms / 1000);
	struct tm tm;

	if (!z->local)
		return z->offset_min * MINUTE_MS;
	return localtime_r(&at, &tm) != NULL ? tm.tm_gmtoff * 1000 : 0;
}

/* Milliseconds since midnight there. */
static int64_t
time_of_day(const struct zone *z, int64_t at_ms)
{
	int64_t day = (at_ms + offset_ms(z, at_ms)) % DAY_MS;

	return day < 0 ? day + DAY_MS : day;
}

/* The next instant after at_ms at which the clock there shows `minutes`. */
static int64_t
next(const struct zone *z, int64_t at_ms, int minutes)
{
	int64_t left = minutes * MINUTE_MS - time_of_day(z, at_ms);
	int64_t then = at_ms + (left > 0 ? left : left + DAY_MS);
	int64_t moved = offset_ms(z, then) - offset_ms(z, at_ms);

	/* Where the clock jumps over that time, it is when it would be. */
	return then - moved > at_ms ? then - moved : then;
}

static bool
inside(const struct span *s, int64_t at_ms)
{
	int64_t day = time_of_day(&s->zone, at_ms);
	bool late = day >= s->from * MINUTE_MS;
	bool early = day < s->to * MINUTE_MS;

	return s->from < s->to ? late && early : late || early;
}

int64_t
span_opens(const struct span *s, int64_t at_ms)
{
	return inside(s, at_ms) ? at_ms : next(&s->zone, at_ms, s->from);
}

int64_t
span_closes(const struct span *s, int64_t at_ms)
{
	return inside(s, at_ms) ? next(&s->zone, at_ms, s->to) : at_ms;
}

int64_t
span_after(const struct span *s, int64_t at_ms, int64_t busy_ms)
{
	int64_t closes;

	for (;;) {
		at_ms = span_opens(s, at_ms);
		closes = span_closes(s, at_ms);
		if (busy_ms <= closes - at_ms)
			return at_ms + busy_ms;
		busy_ms -= closes - at_ms;
		at_ms = closes;
	}
}

int
span_deadline(const char *text, int64_t now_ms, int64_t *at_ms,
    struct zone *zone, struct why *why)
{
	const char *p = text;
	int minutes;

	*zone = (struct zone){ .local = true };
	if (clock_parse_rfc3339(text, strlen(text), at_ms) == 0) {
		if (*at_ms > now_ms)
			return 0;
		return why_set(
		    why, "E_TIME", NULL, "%.100s is over already", text);
	}
	minutes = read_hours(&p, DAY_MIN - 1);
	if (minutes < 0 || read_zone(p, zone) < 0)
		return why_set(why, "E_TIME", NULL,
		    "is HH:MM with a zone, such as 09:00+02:00, 09:00Z, or "
		    "09:00 for this host's, or a whole RFC 3339 time; not "
		    "\"%.100s\"",
		    text);
	*at_ms = next(zone, now_ms, minutes);
	return 0;
}

void
span_show(const struct zone *zone, int64_t at_ms, char out[SPAN_TEXT])
{
	int64_t offset = offset_ms(zone, at_ms);
	int minutes = (int)(offset / MINUTE_MS);
	char text[CLOCK_TEXT];

	clock_rfc3339(at_ms + offset, text);
	snprintf(out, SPAN_TEXT, "%.10s %.8s %c%02d:%02d", text, text + 11,
	    minutes < 0 ? '-' : '+', (minutes < 0 ? -minutes : minutes) / 60,
	    (minutes < 0 ? -minutes : minutes) % 60);
}
