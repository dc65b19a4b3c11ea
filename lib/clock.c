/*
 * clock.c - monotonic milliseconds, and the two date forms of the APIs.
 *
 * fetch times requests and reads Date headers with it, filter compares
 * dates, join stamps runs.  Holds no state.
 */

#include "clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t
clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
clock_wall_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void
clock_rfc3339(int64_t wall_ms, char out[CLOCK_TEXT])
{
	time_t t = (time_t)(wall_ms / 1000);
	int ms = (int)(wall_ms % 1000);
	struct tm tm;
	size_t n;

	if (ms < 0) {
		ms += 1000;
		t--;
	}
	gmtime_r(&t, &tm);
	n = strftime(out, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, CLOCK_TEXT - n, ".%03dZ", ms);
}

/* Reads exactly n digits; -1 when one of them is none. */
static int
digits(const char *s, int n)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		v = v * 10 + (s[i] - '0');
	}
	return v;
}

/* The fraction behind the seconds, as milliseconds; *s moves past it. */
static int
fraction(const char **s)
{
	int ms = 0, scale = 100;

	if (**s != '.')
		return 0;
	for ((*s)++; **s >= '0' && **s <= '9'; (*s)++) {
		ms += (**s - '0') * scale;
		scale /= 10;
	}
	return ms;
}

/* Minutes east of UTC, or -1 in *ok when it is no zone. */
static int
zone(const char *s, int *ok)
{
	int h, m;

	*ok = 1;
	if ((*s == 'Z' || *s == 'z') && s[1] == '\0')
		return 0;
	if ((*s != '+' && *s != '-') || strlen(s) != 6 || s[3] != ':') {
		*ok = 0;
		return 0;
	}
	h = digits(s + 1, 2);
	m = digits(s + 4, 2);
	*ok = h >= 0 && h < 24 && m >= 0 && m < 60;
	return (*s == '-' ? -1 : 1) * (h * 60 + m);
}

int
clock_parse_rfc3339(const char *s, size_t len, int64_t *wall_ms)
{
	char text[40];
	const char *rest;
	struct tm tm = { 0 };
	int ms, offset, ok;

	if (len < 20 || len >= sizeof(text))
		return -1;
	memcpy(text, s, len);
	text[len] = '\0';
	tm.tm_year = digits(text, 4) - 1900;
	tm.tm_mon = digits(text + 5, 2) - 1;
	tm.tm_mday = digits(text + 8, 2);
	tm.tm_hour = digits(text + 11, 2);
	tm.tm_min = digits(text + 14, 2);
	tm.tm_sec = digits(text + 17, 2);
	if (text[4] != '-' || text[7] != '-' ||
	    (text[10] != 'T' && text[10] != 't') || text[13] != ':' ||
	    text[16] != ':' || tm.tm_year < -1900 || tm.tm_mon < 0 ||
	    tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
	    tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 ||
	    tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 60)
		return -1;
	rest = text + 19;
	ms = fraction(&rest);
	offset = zone(rest, &ok);
	if (!ok)
		return -1;
	*wall_ms = ((int64_t)timegm(&tm) - (int64_t)offset * 60) * 1000 + ms;
	return 0;
}

int
clock_parse_http(const char *s, int64_t *wall_ms)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm = { 0 };
	char month[4];
	const char *p;

	if (sscanf(s, "%*3c, %2d %3c %4d %2d:%2d:%2d GMT", &tm.tm_mday, month,
		&tm.tm_year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
		return -1;
	month[3] = '\0';
	p = strstr(months, month);
	if (p == NULL || (p - months) % 3 != 0)
		return -1;
	tm.tm_mon = (int)(p - months) / 3;
	tm.tm_year -= 1900;
	*wall_ms = (int64_t)timegm(&tm) * 1000;
	return 0;
}
