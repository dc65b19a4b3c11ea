#ifndef ORGSIM_CONTROL_H
#define ORGSIM_CONTROL_H

/*
 * control.h - what the files behind /_sim/ share.
 *
 * control.c has the routes about the org and the server, graph_control.c
 * those about the tenant, okta_control.c writes single people of the org,
 * okta_rules.c single group rules.
 */

#include <yyjson.h>

#include "sim.h"

/* 400 with a word about why. */
void control_refuse(struct call *c, const char *text);
/* The body as a document, NULL (and answered) when it is no JSON. */
yyjson_doc *control_body(struct call *c);

void graph_stats(const struct sim *sim, struct buf *b);
void graph_stats_reset(struct sim *sim);

handler okta_write_user, okta_write_rule, okta_all_rules;

#endif
