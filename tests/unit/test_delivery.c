/*
 * test_delivery.c - the two halves of the delivery guarantee, on their own:
 * the window of a producer and the order of a committer.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "committer.h"
#include "mem.h"
#include "window.h"

#define SRC "okta:contoso"

static void
put(struct window *w, int64_t seq)
{
	window_put(w, SRC, "User", seq, xstrdup("page"), 4);
}

static void
window_hands_out_in_order_and_frees_on_ack(void **state)
{
	struct window *w = window_new(3, 1000);
	struct window_page *p;

	(void)state;
	for (int64_t seq = 1; seq <= 3; seq++) {
		assert_true(window_room(w));
		put(w, seq);
	}
	assert_false(window_room(w));
	for (int64_t seq = 1; seq <= 3; seq++) {
		p = window_due(w);
		assert_int_equal(p->seq, seq);
		window_sent(p, 7, 100);
	}
	assert_null(window_due(w));
	assert_int_equal(window_ack(w, SRC, "User", 2), 2);
	assert_int_equal(window_pages(w), 1);
	assert_int_equal(window_ack(w, SRC, "Group", 3), 0);
	assert_int_equal(window_ack(w, SRC, "User", 3), 1);
	assert_int_equal(window_pages(w), 0);
	window_free(w);
}

static void
window_gives_a_dead_workers_pages_out_again(void **state)
{
	struct window *w = window_new(8, 1000);

	(void)state;
	put(w, 1);
	put(w, 2);
	window_sent(window_due(w), 1, 0);
	window_sent(window_due(w), 2, 0);
	window_orphans(w, 1);
	assert_int_equal(window_due(w)->seq, 1);
	assert_int_equal(window_due(w)->tries, 1);
	window_sent(window_due(w), 2, 0);
	assert_null(window_due(w));
	window_again(w);
	assert_int_equal(window_due(w)->seq, 1);
	window_free(w);
}

static void
window_hears_gaps_and_late_acks(void **state)
{
	struct window *w = window_new(8, 1000);

	(void)state;
	put(w, 1);
	window_sent(window_due(w), 1, 1000);
	window_gap(w, SRC, "User", 1, 1500);
	assert_null(window_due(w)); /* it was sent only just now */
	window_gap(w, SRC, "User", 1, 3000);
	assert_non_null(window_due(w));
	window_sent(window_due(w), 1, 3000);
	assert_int_equal(window_late(w, 3000 + WINDOW_ACK_MS - 1), 0);
	assert_int_equal(window_late(w, 3000 + WINDOW_ACK_MS), 1);
	window_sent(window_due(w), 1, 50000);
	assert_int_equal(window_late(w, 50000 + WINDOW_ACK_MS), 0);
	assert_int_equal(window_late(w, 50000 + 2 * WINDOW_ACK_MS), 1);
	window_free(w);
}

static void
window_waits_as_long_as_it_is_told(void **state)
{
	struct window *w = window_new(8, 1000);
	struct window_page *p;

	(void)state;
	put(w, 1);
	p = window_due(w);
	window_sent(p, 1, 0);
	p->wait_ms = 2000;
	assert_int_equal(window_late(w, 1999), 0);
	assert_null(window_due(w));
	/* Early is nothing to speak of. */
	assert_int_equal(window_late(w, 2000), 0);
	assert_ptr_equal(window_due(w), p);
	window_sent(p, 1, 2000);
	assert_int_equal(window_late(w, 5999), 0);
	assert_null(window_due(w));
	p->wait_ms = WINDOW_ACK_MS;
	assert_int_equal(window_late(w, 2000 + WINDOW_ACK_MS), 1);
	window_free(w);
}

static void
window_finds_the_message_that_covers_a_number(void **state)
{
	struct window *w = window_new(8, 1000);

	(void)state;
	put(w, 200);
	put(w, 350);
	window_sent(window_due(w), 1, 0);
	window_sent(window_due(w), 1, 0);
	window_gap(w, SRC, "User", 201, 5000);
	assert_int_equal(window_due(w)->seq, 350);
	window_sent(window_due(w), 1, 5000);
	window_gap(w, SRC, "User", 1, 6000);
	assert_int_equal(window_due(w)->seq, 200);
	window_sent(window_due(w), 1, 6000);
	window_gap(w, SRC, "User", 351, 9000);
	assert_null(window_due(w));
	window_free(w);
}

static void
window_is_never_so_full_that_nothing_fits(void **state)
{
	struct window *w = window_new(8, 2);

	(void)state;
	assert_true(window_room(w));
	put(w, 1);
	assert_false(window_room(w));
	window_free(w);
}

static void
put_large(struct window *w, int64_t seq, size_t len)
{
	window_put(w, SRC, "User", seq, xcalloc(1, 2 * len), len);
}

static void
window_leaves_room_for_what_is_coming(void **state)
{
	struct window *w = window_new(64, 1600);

	(void)state;
	/* Nothing has come: one is thought to be a sixteenth of all. */
	assert_true(window_room_beside(w, 15));
	assert_false(window_room_beside(w, 16));
	put_large(w, 1, 400);
	assert_true(window_room_beside(w, 2));
	assert_false(window_room_beside(w, 3));
	/* A small one among large ones does not hide them. */
	put_large(w, 2, 1);
	assert_true(window_room_beside(w, 3));
	assert_false(window_room_beside(w, 4));
	window_ack(w, SRC, "User", 2);
	assert_true(window_room_beside(w, 0));
	assert_false(window_room_beside(w, 5));
	for (int64_t seq = 3; seq < 40; seq++) {
		put_large(w, seq, 1);
		window_ack(w, SRC, "User", seq);
	}
	/* They are long past. */
	assert_true(window_room_beside(w, 63));
	assert_false(window_room_beside(w, 64));
	window_free(w);
}

static enum committer_verdict
offer_range(
    struct committer *c, int64_t epoch, int64_t first, int64_t seq, int64_t now)
{
	char text[256];
	struct why why;
	struct msg m;
	enum committer_verdict verdict;

	snprintf(text, sizeof(text),
	    "{\"v\":1,\"kind\":\"change\",\"source\":\"" SRC "\",\"stream\":"
	    "\"User\",\"run\":1,\"epoch\":%d,\"first\":%d,\"seq\":%d,"
	    "\"changes\":[]}",
	    (int)epoch, (int)first, (int)seq);
	assert_int_equal(msg_read(&m, text, strlen(text), &why), 0);
	verdict = committer_offer(c, &m, now);
	msg_free(&m);
	return verdict;
}

static enum committer_verdict
offer(struct committer *c, int64_t epoch, int64_t seq)
{
	return offer_range(c, epoch, 0, seq, 0);
}

static int64_t
next_seq(struct committer *c, struct committer_stream **of)
{
	struct msg *m = committer_next(c, of);

	return m != NULL ? m->seq : 0;
}

static void
committer_restores_order_and_drops_doubles(void **state)
{
	struct committer *c = committer_new(32);
	struct committer_stream *s;

	(void)state;
	assert_int_equal(offer(c, 1, 1), COMMITTER_UNKNOWN);
	committer_set(c, SRC, "User", 1, 1, 0);
	assert_int_equal(offer(c, 1, 2), COMMITTER_TAKEN);
	assert_int_equal(next_seq(c, &s), 0);
	assert_int_equal(offer(c, 1, 2), COMMITTER_DUPLICATE);
	assert_int_equal(offer(c, 1, 1), COMMITTER_TAKEN);
	assert_int_equal(next_seq(c, &s), 1);
	committer_step(s);
	assert_int_equal(next_seq(c, &s), 2);
	committer_step(s);
	assert_int_equal(next_seq(c, &s), 0);
	assert_int_equal(committer_seq(s), 0);
	committer_done(c);
	assert_int_equal(committer_seq(s), 2);
	assert_int_equal(next_seq(c, &s), 0);
	assert_int_equal(offer(c, 1, 1), COMMITTER_DUPLICATE);
	committer_free(c);
}

static void
committer_fences_other_epochs_and_bounds_the_buffer(void **state)
{
	struct committer *c = committer_new(4);

	(void)state;
	committer_set(c, SRC, "User", 1, 2, 10);
	assert_int_equal(offer(c, 1, 11), COMMITTER_FENCED);
	assert_int_equal(offer(c, 3, 11), COMMITTER_FENCED);
	assert_int_equal(offer(c, 2, 14), COMMITTER_TAKEN);
	assert_int_equal(offer(c, 2, 15), COMMITTER_BEYOND);
	committer_free(c);
}

static void
committer_goes_back_when_a_transaction_fails(void **state)
{
	struct committer *c = committer_new(32);
	struct committer_stream *s;

	(void)state;
	committer_set(c, SRC, "User", 1, 1, 0);
	offer(c, 1, 1);
	offer(c, 1, 2);
	next_seq(c, &s);
	committer_step(s);
	committer_back(c);
	assert_int_equal(next_seq(c, &s), 1);
	assert_int_equal(committer_seq(s), 0);
	committer_free(c);
}

static void
committer_reports_a_hole_only_after_a_while(void **state)
{
	struct committer *c = committer_new(32);

	(void)state;
	committer_set(c, SRC, "User", 1, 1, 0);
	assert_null(committer_gap(c, 0));
	offer_range(c, 1, 0, 2, 1000);
	assert_null(committer_gap(c, 1000 + COMMITTER_GAP_MS - 1));
	assert_non_null(committer_gap(c, 1000 + COMMITTER_GAP_MS));
	assert_null(committer_gap(c, 1000 + COMMITTER_GAP_MS + 1));
	offer(c, 1, 1);
	assert_null(committer_gap(c, 100000));
	committer_free(c);
}

static void
committer_reports_the_next_hole_without_another_wait(void **state)
{
	struct committer *c = committer_new(32);
	struct committer_stream *s;

	(void)state;
	s = committer_set(c, SRC, "User", 1, 1, 0);
	offer_range(c, 1, 0, 2, 1000);
	offer_range(c, 1, 0, 4, 1000);
	assert_non_null(committer_gap(c, 1000 + COMMITTER_GAP_MS));
	offer_range(c, 1, 0, 1, 1001 + COMMITTER_GAP_MS);
	committer_step(s);
	committer_step(s);
	assert_non_null(committer_gap(c, 1001 + COMMITTER_GAP_MS));
	assert_null(committer_gap(c, 1002 + COMMITTER_GAP_MS));
	committer_free(c);
}

static void
committer_takes_ranges_that_overlap_what_it_has(void **state)
{
	struct committer *c = committer_new(1000);
	struct committer_stream *s;

	(void)state;
	committer_set(c, SRC, "User", 1, 1, 5);
	assert_int_equal(offer_range(c, 1, 8, 9, 0), COMMITTER_TAKEN);
	assert_int_equal(next_seq(c, &s), 0); /* 6 and 7 are missing */
	assert_int_equal(offer_range(c, 1, 4, 7, 0), COMMITTER_TAKEN);
	assert_int_equal(next_seq(c, &s), 7);
	committer_step(s);
	assert_int_equal(next_seq(c, &s), 9);
	committer_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(window_hands_out_in_order_and_frees_on_ack),
		cmocka_unit_test(window_gives_a_dead_workers_pages_out_again),
		cmocka_unit_test(window_hears_gaps_and_late_acks),
		cmocka_unit_test(window_finds_the_message_that_covers_a_number),
		cmocka_unit_test(window_is_never_so_full_that_nothing_fits),
		cmocka_unit_test(window_leaves_room_for_what_is_coming),
		cmocka_unit_test(window_waits_as_long_as_it_is_told),
		cmocka_unit_test(committer_restores_order_and_drops_doubles),
		cmocka_unit_test(
		    committer_fences_other_epochs_and_bounds_the_buffer),
		cmocka_unit_test(committer_goes_back_when_a_transaction_fails),
		cmocka_unit_test(committer_reports_a_hole_only_after_a_while),
		cmocka_unit_test(
		    committer_reports_the_next_hole_without_another_wait),
		cmocka_unit_test(
		    committer_takes_ranges_that_overlap_what_it_has),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
