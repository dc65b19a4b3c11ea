/*
 * assertion.c - proves with a certificate's key who asks for a token.
 *
 * token.c hands it certificate and key and appends what it writes to a
 * request.  Owns the parsed key, which OpenSSL wipes when it is freed; knows
 * neither HTTP nor configuration.
 */

#include "assertion.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "mem.h"

#define CODE "E_ASSERTION"
#define SIGNATURE_MAX 2048 /* an RSA key of 16384 bits */

struct assertion {
	EVP_PKEY *key; /* owned */
	bool pss;
	bool expired;
	char thumbprint[48]; /* SHA-256 of the certificate, base64url */
};

static int
failed(struct why *why, const char *what)
{
	char text[160] = "";

	ERR_error_string_n(ERR_peek_last_error(), text, sizeof(text));
	ERR_clear_error();
	return why_set(why, CODE, NULL, "%s (%s)", what, text);
}

static void
base64url(struct buf *out, const void *bytes, size_t len)
{
	size_t at = out->len;
	int n;

	buf_reserve(out, 4 * (len + 2) / 3 + 4);
	n = EVP_EncodeBlock((unsigned char *)out->data + at, bytes, (int)len);
	while (n > 0 && out->data[at + (size_t)n - 1] == '=')
		n--;
	out->len = at + (size_t)n;
	out->data[out->len] = '\0';
	for (char *p = out->data + at; *p != '\0'; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
}

/* Instead of asking on the terminal. */
static int
no_password(char *text, int size, int writing, void *arg)
{
	(void)text;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static X509 *
read_certificate(const char *pem, struct why *why)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *x = PEM_read_bio_X509(bio, NULL, no_password, NULL);

	BIO_free(bio);
	if (x == NULL)
		failed(why, "the certificate is no X.509 certificate in PEM");
	return x;
}

static EVP_PKEY *
read_key(const char *pem, struct why *why)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);

	BIO_free(bio);
	if (key == NULL) {
		failed(why, "the private key is no unencrypted key in PEM");
	} else if (!EVP_PKEY_is_a(key, "RSA")) {
		why_set(why, CODE, NULL, "the private key is no RSA key");
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key;
}

static int
take_thumbprint(struct assertion *a, const X509 *x, struct why *why)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	struct buf text = { 0 };
	unsigned len;

	if (X509_digest(x, EVP_sha256(), digest, &len) != 1)
		return failed(why, "the certificate has no digest");
	base64url(&text, digest, len);
	snprintf(a->thumbprint, sizeof(a->thumbprint), "%s", text.data);
	buf_free(&text);
	return 0;
}

struct assertion *
assertion_new(const char *certificate, const char *key, const char *algorithm,
    struct why *why)
{
	struct assertion *a = xcalloc(1, sizeof(*a));
	X509 *x = read_certificate(certificate, why);
	int result = -1;

	if (x == NULL)
		goto out;
	a->pss = strcmp(algorithm, "PS256") == 0;
	a->expired = X509_cmp_current_time(X509_get0_notAfter(x)) < 0;
	a->key = read_key(key, why);
	if (a->key == NULL)
		goto out;
	if (X509_check_private_key(x, a->key) != 1) {
		ERR_clear_error();
		why_set(why, CODE, NULL,
		    "the private key is not that of the certificate");
		goto out;
	}
	result = take_thumbprint(a, x, why);
out:
	X509_free(x);
	if (result == 0)
		return a;
	assertion_free(a);
	return NULL;
}

int
assertion_expired(const struct assertion *a)
{
	return a->expired;
}

void
assertion_free(struct assertion *a)
{
	if (a == NULL)
		return;
	EVP_PKEY_free(a->key);
	free(a);
}

/* Version 4 of RFC 9562: 122 random bits. */
int
assertion_uuid(char out[ASSERTION_UUID])
{
	unsigned char r[16];

	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return -1;
	r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
	r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
	snprintf(out, ASSERTION_UUID,
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
	    "%02x%02x%02x%02x%02x%02x",
	    r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10],
	    r[11], r[12], r[13], r[14], r[15]);
	return 0;
}

/* What is signed: header.claims */
static int
write_claims(const struct assertion *a, const char *audience,
    const char *client, int64_t wall_ms, struct buf *out, struct why *why)
{
	long long now = (long long)(wall_ms / 1000);
	struct buf header = { 0 }, claims = { 0 };
	char jti[ASSERTION_UUID];

	if (assertion_uuid(jti) < 0)
		return why_set(why, CODE, NULL, "there are no random bytes");
	buf_fmt(&header, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"x5t#S256\":\"%s\"}",
	    a->pss ? "PS256" : "RS256", a->thumbprint);
	buf_str(&claims, "{\"aud\":");
	buf_json_str(&claims, audience);
	buf_str(&claims, ",\"iss\":");
	buf_json_str(&claims, client);
	buf_str(&claims, ",\"sub\":");
	buf_json_str(&claims, client);
	buf_fmt(&claims,
	    ",\"jti\":\"%s\",\"nbf\":%lld,\"iat\":%lld,\"exp\":%lld}", jti, now,
	    now, now + ASSERTION_MS / 1000);
	base64url(out, header.data, header.len);
	buf_char(out, '.');
	base64url(out, claims.data, claims.len);
	buf_free(&header);
	buf_free(&claims);
	return 0;
}

static bool
set_padding(EVP_PKEY_CTX *padding, bool pss)
{
	if (!pss)
		return EVP_PKEY_CTX_set_rsa_padding(
			   padding, RSA_PKCS1_PADDING) == 1;
	return EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING) ==
		   1 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(
		   padding, RSA_PSS_SALTLEN_DIGEST) == 1;
}

static int
sign(const struct assertion *a, const char *text, size_t len,
    struct buf *signature, struct why *why)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *padding; /* owned by ctx */
	size_t n = SIGNATURE_MAX;
	int result = -1;

	buf_reserve(signature, n);
	if (ctx == NULL ||
	    EVP_DigestSignInit(ctx, &padding, EVP_sha256(), NULL, a->key) !=
		1 ||
	    !set_padding(padding, a->pss) ||
	    EVP_DigestSign(ctx, (unsigned char *)signature->data, &n,
		(const unsigned char *)text, len) != 1)
		failed(why, "the assertion cannot be signed");
	else
		result = 0;
	if (result == 0)
		signature->len = n;
	EVP_MD_CTX_free(ctx);
	return result;
}

int
assertion_write(const struct assertion *a, const char *audience,
    const char *client, int64_t wall_ms, struct buf *out, struct why *why)
{
	struct buf signature = { 0 };
	size_t start = out->len;
	int result;

	result = write_claims(a, audience, client, wall_ms, out, why);
	if (result == 0)
		result = sign(
		    a, out->data + start, out->len - start, &signature, why);
	if (result == 0) {
		buf_char(out, '.');
		base64url(out, signature.data, signature.len);
	} else {
		out->len = start;
	}
	buf_free(&signature);
	return result;
}
