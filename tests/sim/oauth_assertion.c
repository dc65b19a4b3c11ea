/*
 * oauth_assertion.c - a client that proves itself with a certificate.
 *
 * oauth.c asks for each token request with a client_assertion: a JWT signed
 * with PS256 by the key of --app-cert, for exactly this URL, fresh.  That a
 * jti is good only once is RFC 7523's wish, and stricter than Entra, whose
 * own library repeats an assertion until it expires: hence --jti-again.
 */

#include "graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <yyjson.h>

#include "mem.h"

#define CLOCK_SLACK_S 300
#define LIFE_MAX_S 86400

bool
oauth_read_cert(struct graph *g, const char *path)
{
	FILE *f = fopen(path, "r");
	X509 *cert = f != NULL ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	struct buf b = { 0 };

	if (f != NULL)
		fclose(f);
	if (cert == NULL)
		return false;
	X509_digest(cert, EVP_sha256(), digest, &len);
	base64url(digest, len, &b);
	snprintf(g->thumbprint, sizeof(g->thumbprint), "%s", b.data);
	buf_free(&b);
	g->certificate = X509_get_pubkey(cert);
	X509_free(cert);
	return g->certificate != NULL &&
	       EVP_PKEY_base_id(g->certificate) == EVP_PKEY_RSA;
}

void
oauth_free_cert(struct graph *g)
{
	EVP_PKEY_free(g->certificate);
}

static bool
verify(EVP_PKEY *key, const char *text, size_t len, const struct buf *sig)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pkey = NULL;
	bool good = false;

	if (ctx != NULL &&
	    EVP_DigestVerifyInit(ctx, &pkey, EVP_sha256(), NULL, key) == 1 &&
	    EVP_PKEY_CTX_set_rsa_padding(pkey, RSA_PKCS1_PSS_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey, RSA_PSS_SALTLEN_DIGEST) == 1)
		good = EVP_DigestVerify(ctx, (unsigned char *)sig->data,
			   sig->len, (const unsigned char *)text, len) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

static yyjson_doc *
read_part(const char *s, size_t len)
{
	struct buf b = { 0 };
	yyjson_doc *doc = NULL;

	if (base64url_read(s, len, &b) == 0 && b.len > 0)
		doc = yyjson_read(b.data, b.len, 0);
	buf_free(&b);
	return doc;
}

static bool
text_is(yyjson_val *o, const char *name, const char *want)
{
	const char *s = yyjson_get_str(yyjson_obj_get(o, name));

	return s != NULL && strcmp(s, want) == 0;
}

/* True once; expired ones make room. */
static bool
jti_is_new(struct graph *g, const char *jti, int64_t exp_ms, int64_t now_ms)
{
	uint64_t hash = rng_hash(jti, strlen(jti), 0x6a7469);
	size_t n = 0;

	for (size_t i = 0; i < g->n_jtis; i++) {
		if (g->jtis[i].exp_ms < now_ms)
			continue;
		g->jtis[n++] = g->jtis[i];
		if (g->jtis[i].hash == hash) {
			/* Keep the rest for the next time. */
			while (++i < g->n_jtis)
				g->jtis[n++] = g->jtis[i];
			g->n_jtis = n;
			return false;
		}
	}
	if (n == MAX_JTIS)
		memmove(g->jtis, g->jtis + 1, --n * sizeof(g->jtis[0]));
	g->jtis[n].hash = hash;
	g->jtis[n].exp_ms = exp_ms;
	g->n_jtis = n + 1;
	return true;
}

static const char *
check_claims(struct call *c, yyjson_val *claims, const char *client_id,
    const char *audience, int *code)
{
	int64_t now = sim_now(c->sim) / 1000;
	int64_t nbf = yyjson_get_sint(yyjson_obj_get(claims, "nbf"));
	int64_t exp = yyjson_get_sint(yyjson_obj_get(claims, "exp"));
	const char *jti = yyjson_get_str(yyjson_obj_get(claims, "jti"));

	*code = 700023;
	if (!text_is(claims, "aud", audience))
		return "Client assertion audience claim does not match Realm "
		       "issuer.";
	*code = 700021;
	if (!text_is(claims, "iss", client_id) ||
	    !text_is(claims, "sub", client_id))
		return "Client assertion application identifier doesn't match "
		       "'client_id' parameter.";
	*code = 700024;
	if (exp <= now - CLOCK_SLACK_S || exp > now + LIFE_MAX_S ||
	    nbf > now + CLOCK_SLACK_S)
		return "Client assertion is not within its valid time range.";
	*code = 50027;
	if (jti == NULL)
		return "JWT token is invalid or malformed: it has no jti.";
	*code = 50013;
	if (!c->sim->opt.jti_again &&
	    !jti_is_new(c->sim->graph, jti, (exp + CLOCK_SLACK_S) * 1000,
		sim_now(c->sim)))
		return "Assertion failed: its jti was used before.";
	return NULL;
}

const char *
oauth_assertion(struct call *c, const char *jwt, const char *client_id,
    const char *audience, int *code)
{
	const struct graph *g = c->sim->graph;
	const char *first = strchr(jwt, '.'), *last = strrchr(jwt, '.');
	const char *why = NULL;
	struct buf sig = { 0 };
	yyjson_doc *head, *claims;

	*code = 50027;
	if (first == NULL || first == last)
		return "JWT token is invalid or malformed.";
	head = read_part(jwt, (size_t)(first - jwt));
	claims = read_part(first + 1, (size_t)(last - first - 1));
	if (head == NULL || claims == NULL ||
	    base64url_read(last + 1, strlen(last + 1), &sig) < 0) {
		why = "JWT token is invalid or malformed.";
	} else if (!text_is(yyjson_doc_get_root(head), "alg", "PS256")) {
		*code = 5002738;
		why = "Client assertion is not signed with PS256.";
	} else if (g->certificate == NULL ||
		   !text_is(
		       yyjson_doc_get_root(head), "x5t#S256", g->thumbprint) ||
		   !verify(g->certificate, jwt, (size_t)(last - jwt), &sig)) {
		*code = 700027;
		why = "The certificate with identifier used to sign the "
		      "client assertion is not registered on application, or "
		      "the signature does not fit.";
	} else {
		why = check_claims(
		    c, yyjson_doc_get_root(claims), client_id, audience, code);
	}
	yyjson_doc_free(head);
	yyjson_doc_free(claims);
	buf_free(&sig);
	return why;
}
