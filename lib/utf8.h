#ifndef IDMESH_UTF8_H
#define IDMESH_UTF8_H

/*
 * utf8.h - is it UTF-8, and the few things rules do to text.
 *
 * layer 1.  Rules trim, compare and change the case of names in every
 * script; the locale of a host must not change the result, so the tables are
 * our own (simple mappings of Unicode 14).  Pure.
 */

#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* 1 when the bytes are UTF-8 without surrogates and overlong forms. */
int utf8_valid(const char *s, size_t len);
/* The code point at s (len > 0, valid UTF-8); *used receives its bytes. */
uint32_t utf8_next(const char *s, size_t len, size_t *used);
/* Appends one code point. */
void utf8_add(struct buf *b, uint32_t c);

/* The width for printf's %-*s, which counts bytes, that makes s so many columns
 * wide; a letter of two columns is taken for one. */
int utf8_width(const char *s, int columns);

/* Makes one line of UTF-8 of a text: ? for what is none, no controls. */
void utf8_clean(char *s);

enum utf8_case { UTF8_UPPER, UTF8_LOWER, UTF8_FOLD };

/* Appends s in the other case; UTF8_FOLD is for comparing (sharp s is ss). */
void utf8_case(struct buf *b, const char *s, size_t len, enum utf8_case to);
/* Moves *s and *len past white space at both ends. */
void utf8_trim(const char **s, size_t *len);

/* The simple mapping of one code point; utf8_case.c holds the tables. */
uint32_t utf8_upper(uint32_t c);
uint32_t utf8_lower(uint32_t c);

#endif
