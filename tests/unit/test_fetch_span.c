/*
 * test_fetch_span.c - hours of the day and deadlines: zones, midnight, ends.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "fetch/span.c"

#define DAY "2026-04-22T"

static int64_t
at(const char *text)
{
	int64_t ms;

	assert_int_equal(clock_parse_rfc3339(text, strlen(text), &ms), 0);
	return ms;
}

static struct span
span(const char *text)
{
	struct span s;
	struct why why;

	assert_int_equal(span_parse(&s, text, &why), 0);
	return s;
}

static void
is(int64_t got, const char *want)
{
	char text[CLOCK_TEXT];

	clock_rfc3339(got, text);
	assert_string_equal(text, want);
}

static void
test_over_midnight(void **state)
{
	struct span s = span("22:00-06:00Z");

	(void)state;
	is(span_opens(&s, at(DAY "21:59:59.999Z")), DAY "22:00:00.000Z");
	is(span_opens(&s, at(DAY "22:00:00.000Z")), DAY "22:00:00.000Z");
	is(span_opens(&s, at(DAY "23:59:59.999Z")), DAY "23:59:59.999Z");
	is(span_opens(&s, at(DAY "00:00:00.000Z")), DAY "00:00:00.000Z");
	is(span_opens(&s, at(DAY "05:59:59.999Z")), DAY "05:59:59.999Z");
	is(span_opens(&s, at(DAY "06:00:00.000Z")), DAY "22:00:00.000Z");
	is(span_closes(&s, at(DAY "22:00:00.000Z")),
	    "2026-04-23T06:00:00.000Z");
	is(span_closes(&s, at(DAY "05:00:00.000Z")), DAY "06:00:00.000Z");
	is(span_closes(&s, at(DAY "12:00:00.000Z")), DAY "12:00:00.000Z");
}

static void
test_within_a_day(void **state)
{
	struct span s = span("09:30-17:00Z"), evening = span("18:00-24:00Z");

	(void)state;
	is(span_opens(&s, at(DAY "09:29:59.999Z")), DAY "09:30:00.000Z");
	is(span_opens(&s, at(DAY "16:59:59.999Z")), DAY "16:59:59.999Z");
	is(span_opens(&s, at(DAY "17:00:00.000Z")), "2026-04-23T09:30:00.000Z");
	is(span_opens(&evening, at(DAY "23:59:59.999Z")), DAY "23:59:59.999Z");
	is(span_closes(&evening, at(DAY "20:00:00.000Z")),
	    "2026-04-23T00:00:00.000Z");
	is(span_opens(&evening, at("2026-04-23T00:00:00.000Z")),
	    "2026-04-23T18:00:00.000Z");
}

static void
test_zones(void **state)
{
	struct span east = span("22:00-06:00+05:30");
	struct span west = span("22:00-06:00-03:00");

	(void)state;
	is(span_opens(&east, at(DAY "12:00:00Z")), DAY "16:30:00.000Z");
	is(span_opens(&east, at(DAY "16:30:00Z")), DAY "16:30:00.000Z");
	is(span_closes(&east, at(DAY "16:30:00Z")), "2026-04-23T00:30:00.000Z");
	is(span_opens(&west, at(DAY "12:00:00Z")), "2026-04-23T01:00:00.000Z");
	is(span_opens(&west, at(DAY "02:00:00Z")), DAY "02:00:00.000Z");
	is(span_closes(&west, at(DAY "02:00:00Z")), DAY "09:00:00.000Z");
}

static void
test_host_zone(void **state)
{
	struct span s;
	int64_t deadline;
	struct zone z;
	struct why why;
	char text[SPAN_TEXT];

	(void)state;
	setenv("TZ", "XYZ-2", 1); /* two hours east */
	tzset();
	s = span("22:00-06:00");
	is(span_opens(&s, at(DAY "12:00:00Z")), DAY "20:00:00.000Z");
	s = span("22:00-06:00local");
	is(span_opens(&s, at(DAY "20:00:00Z")), DAY "20:00:00.000Z");
	assert_int_equal(
	    span_deadline("09:00", at(DAY "05:00:00Z"), &deadline, &z, &why),
	    0);
	is(deadline, DAY "07:00:00.000Z");
	span_show(&z, deadline, text);
	assert_string_equal(text, "2026-04-22 09:00:00 +02:00");
}

/* The night in which 2:30 does not exist must not stop anything. */
static void
test_daylight_saving(void **state)
{
	struct span s;
	int64_t opens, closes;

	(void)state;
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	s = span("22:00-02:30");
	closes = span_closes(&s, at("2026-03-29T00:59:59Z"));
	assert_true(closes > at("2026-03-29T00:59:59Z"));
	assert_true(closes <= at("2026-03-29T02:00:00Z"));
	s = span("03:30-05:00");
	opens = span_opens(&s, at("2026-03-28T22:00:00Z"));
	is(opens, "2026-03-29T01:30:00.000Z");
	is(span_after(&s, at("2026-03-28T22:00:00Z"), 5400000),
	    "2026-03-29T03:00:00.000Z");
	setenv("TZ", "UTC", 1);
	tzset();
}

static void
test_after(void **state)
{
	struct span s = span("22:00-06:00Z");
	int64_t hour = 3600000;

	(void)state;
	is(span_after(&s, at(DAY "12:00:00Z"), hour), DAY "23:00:00.000Z");
	is(span_after(&s, at(DAY "12:00:00Z"), 8 * hour),
	    "2026-04-23T06:00:00.000Z");
	is(span_after(&s, at(DAY "12:00:00Z"), 9 * hour),
	    "2026-04-23T23:00:00.000Z");
	is(span_after(&s, at(DAY "05:00:00Z"), 2 * hour), DAY "23:00:00.000Z");
	is(span_after(&s, at(DAY "12:00:00Z"), 0), DAY "22:00:00.000Z");
}

static void
test_deadline(void **state)
{
	int64_t now = at(DAY "12:00:00Z"), deadline;
	struct zone z;
	struct why why;
	char text[SPAN_TEXT];

	(void)state;
	assert_int_equal(span_deadline("13:00Z", now, &deadline, &z, &why), 0);
	is(deadline, DAY "13:00:00.000Z");
	assert_int_equal(span_deadline("09:00Z", now, &deadline, &z, &why), 0);
	is(deadline, "2026-04-23T09:00:00.000Z");
	assert_int_equal(
	    span_deadline("09:00-04:00", now, &deadline, &z, &why), 0);
	is(deadline, DAY "13:00:00.000Z");
	span_show(&z, deadline, text);
	assert_string_equal(text, "2026-04-22 09:00:00 -04:00");
	assert_int_equal(
	    span_deadline(DAY "14:00:00+01:00", now, &deadline, &z, &why), 0);
	is(deadline, DAY "13:00:00.000Z");
	assert_int_equal(
	    span_deadline(DAY "11:59:59Z", now, &deadline, &z, &why), -1);
	assert_non_null(strstr(why.text, "over already"));
}

static void
test_wrong(void **state)
{
	static const char *const spans[] = { "", "22", "22:00", "22:00-",
		"22:00-06", "24:00-06:00", "22:60-06:00", "22:00-06:00 Z",
		"22:00-06:00z", "22:00-24:01", "22:00-06:00+2", "9:00-17:00",
		"22:00-06:00+15:00", "22:00-06:00Zulu", "22:00-22:00" };
	static const char *const times[] = { "", "9", "24:00", "09:00X",
		"tomorrow", "2026-04-22", "09:00+02" };
	struct span s;
	struct zone z;
	int64_t ms;
	struct why why;

	(void)state;
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
		assert_int_equal(span_parse(&s, spans[i], &why), -1);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		assert_int_equal(span_deadline(times[i], 0, &ms, &z, &why), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_over_midnight),
		cmocka_unit_test(test_within_a_day),
		cmocka_unit_test(test_zones),
		cmocka_unit_test(test_host_zone),
		cmocka_unit_test(test_daylight_saving),
		cmocka_unit_test(test_after),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_wrong),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
