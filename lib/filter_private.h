#ifndef IDMESH_FILTER_PRIVATE_H
#define IDMESH_FILTER_PRIVATE_H

/*
 * filter_private.h - what filter*.c share, and nobody else.
 *
 * layer 1.  filter.c owns the expression, filter_parse.c makes the tree of it,
 * filter_attr.c judges each comparison against Okta's tables, filter_literal.c
 * reads its value, filter_match.c walks the tree over a record, filter_fold.c
 * makes case disappear.
 */

#include <stdbool.h>
#include <stdint.h>

#include "filter.h"

/* Nothing an operator writes comes near these; hostile input does. */
#ifndef FILTER_LEN_MAX
#define FILTER_LEN_MAX 8192
#endif
#ifndef FILTER_DEPTH_MAX
#define FILTER_DEPTH_MAX 32
#endif
#define FILTER_CODE "E_FILTER"

enum op { OP_EQ, OP_GT, OP_GE, OP_LT, OP_LE, OP_SW, OP_CO, OP_PR, OP_COUNT };

enum value_kind {
	VALUE_NONE, /* pr takes none */
	VALUE_TEXT,
	VALUE_NUMBER,
	VALUE_BOOL,
	VALUE_DATE, /* a text whose attribute is an instant */
};

struct value {
	enum value_kind kind;
	char *text; /* owned; for `filter` */
	size_t len;
	char *folded; /* owned; the same for `search` */
	size_t folded_len;
	yyjson_val number;
	bool truth;
	int64_t instant; /* milliseconds since the epoch */
};

enum node_kind { NODE_AND, NODE_OR, NODE_COMPARE };

struct node {
	enum node_kind kind;
	struct node *next; /* owned: the next of the same and/or */
	struct node *first; /* owned: what an and/or joins */
	char *path; /* owned; "profile.login" */
	enum op op;
	struct value value;
};

struct filter {
	char *text; /* owned */
	struct node *root; /* owned */
	enum filter_route route;
};

/* A stretch of the text, for messages. */
struct spot {
	size_t at, len;
};

struct parse {
	const char *text;
	size_t len;
	size_t at; /* the next byte to read */
	enum filter_entity entity;
	int depth;
	enum filter_route route; /* search as soon as one part needs it */
	struct why *why;
};

/* The tree of the text, or NULL with p->why filled.  filter_parse.c */
struct node *filter_tree(struct parse *p);
void filter_node_free(struct node *n);
/* Fills p->why with column, quoted token and the message; returns -1. */
int filter_fail(struct parse *p, struct spot spot, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The next token, without consuming it; length 0 at the end. */
struct spot filter_peek(struct parse *p);
/* -1 with p->why filled when the token touches what is before it. */
int filter_need_space(struct parse *p, struct spot spot, const char *before);
/* Length of the string that begins at `at`, with its quotes if it has both. */
size_t filter_string_len(const struct parse *p, size_t at, int *closed);
/* Reads the value of n; -1 with p->why filled.  filter_literal.c */
int filter_literal(struct parse *p, struct node *n, struct spot *spot);

/* The places of a comparison's three words in the text. */
struct compare_spots {
	struct spot path, op, value;
};

/*
 * Is the comparison one that Okta takes, and on which endpoint?  Lowers
 * p->route to search when `filter` does not take it, turns the texts of date
 * attributes into instants.  -1 with p->why filled.  filter_attr.c
 */
int filter_judge(
    struct parse *p, struct node *n, const struct compare_spots *spots);
/* -1 with p->why filled when the entity has no such attribute. */
int filter_judge_path(struct parse *p, const char *path, struct spot spot);

/*
 * Simple case folding of Latin, Greek and Cyrillic letters; diacritics stay.
 * out has room for len bytes, the result is never longer.  filter_fold.c
 */
size_t filter_fold(const char *s, size_t len, char *out);
/*
 * The code point at s (len > 0) and, in *size, its bytes; -1 when it is no
 * UTF-8.
 */
int32_t filter_decode(const char *s, size_t len, size_t *size);

#endif
