// server.mjs - an OAuth server that we did not write, with a little Graph.
//
// tests/pipe/entra-oauth.sh runs it beside the installed packages: the npm
// package oidc-provider gives tokens as Entra does (a client secret, or an
// assertion whose jti it takes once), and /v1.0 answers to its tokens alone,
// each of them twice; its links name Microsoft's host, where no token may go.
// argv: port file, certificate.  Prints a line of JSON
// for each thing that happens.

import { createHash, createPublicKey, X509Certificate } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import Provider from 'oidc-provider';

const [, , portFile, certificate] = process.argv;
const GRAPH = 'https://graph.microsoft.com';
const USES = 2;
const PAGES = 6;
const say = (what) => console.log(JSON.stringify(what));

const pem = fs.readFileSync(certificate);
const thumbprint = createHash('sha256')
	.update(new X509Certificate(pem).raw).digest('base64url');
const jwk = { ...createPublicKey(pem).export({ format: 'jwk' }), use: 'sig' };

const server = http.createServer();
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const url = `http://127.0.0.1:${server.address().port}`;

const client = { grant_types: ['client_credentials'], response_types: [],
	redirect_uris: [] };
const provider = new Provider(url, {
	clients: [
		{ ...client, client_id: 'app-secret', client_secret: 's3cret+/=&~',
			token_endpoint_auth_method: 'client_secret_post' },
		{ ...client, client_id: 'app-cert',
			token_endpoint_auth_method: 'private_key_jwt',
			token_endpoint_auth_signing_alg: 'PS256',
			jwks: { keys: [jwk] } },
	],
	features: {
		clientCredentials: { enabled: true },
		devInteractions: { enabled: false },
		resourceIndicators: {
			enabled: true,
			defaultResource: () => GRAPH,
			getResourceServerInfo: () => ({
				scope: `${GRAPH}/.default`,
				accessTokenTTL: 3599,
				accessTokenFormat: 'jwt',
				jwt: { sign: { alg: 'RS256' } },
			}),
		},
	},
	scopes: [`${GRAPH}/.default`],
	routes: { token: '/contoso/oauth2/v2.0/token' },
	enabledJWA: { clientAuthSigningAlgValues: ['RS256', 'PS256'] },
});

// What an assertion says of itself; its signature is the provider's business.
provider.use(async (ctx, next) => {
	await next();
	if (!ctx.path.endsWith('/token'))
		return;
	const body = ctx.oidc?.body ?? {};
	const event = { event: 'token', status: ctx.status,
		error: ctx.body?.error };
	if (body.client_assertion) {
		const head = decodeProtectedHeader(body.client_assertion);
		const claims = decodeJwt(body.client_assertion);
		event.jti = claims.jti;
		event.alg = head.alg;
		event.exact = head['x5t#S256'] === thumbprint &&
			claims.aud === `${url}/contoso/oauth2/v2.0/token` &&
			claims.iss === 'app-cert' && claims.sub === 'app-cert' &&
			claims.exp > claims.nbf;
	}
	say(event);
});

const uses = new Map();
let keys;

async function bearer(q) {
	const token = (q.headers.authorization ?? '').replace(/^Bearer /, '');
	keys ??= createLocalJWKSet(await (await fetch(`${url}/jwks`)).json());
	const { payload } = await jwtVerify(token, keys,
		{ issuer: url, audience: GRAPH });
	const n = (uses.get(payload.jti) ?? 0) + 1;
	uses.set(payload.jti, n);
	if (n > USES)
		throw new Error('used up');
}

async function graph(q, r) {
	const path = new URL(q.url, url);
	let body;
	try {
		await bearer(q);
		const page = Number(path.searchParams.get('$skiptoken') ?? 0);
		const later = path.searchParams.has('$deltatoken') || page + 1 >= PAGES;
		body = {
			value: path.searchParams.has('$deltatoken') ? []
				: [{ id: `user-${page}`, displayName: `User ${page}` }],
			[later ? '@odata.deltaLink' : '@odata.nextLink']: later
				? `${GRAPH}${path.pathname}?$deltatoken=end`
				: `${GRAPH}${path.pathname}?$skiptoken=${page + 1}`,
		};
		r.writeHead(200, { 'Content-Type': 'application/json' });
	} catch (e) {
		say({ event: 'refused', why: e.message });
		body = { error: { code: 'InvalidAuthenticationToken',
			message: e.message, innerError: {} } };
		r.writeHead(401, { 'Content-Type': 'application/json' });
	}
	r.end(JSON.stringify(body));
}

const oauth = provider.callback();
server.on('request', (q, r) => {
	if (q.url.startsWith('/v1.0/'))
		graph(q, r);
	else
		oauth(q, r);
});
fs.writeFileSync(portFile, String(server.address().port));
