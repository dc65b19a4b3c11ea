// run.mjs - Microsoft's own clients against orgsim's Entra tenant.
//
// tests/pipe/sdk-graph.sh starts a tenant behind a TLS front, for both
// clients refuse plain HTTP, and runs this beside the installed packages.
// What they make of the answers is compared with /_sim/entra/.  TAP.
// GRAPH_URL: the front; GRAPH_CERT, GRAPH_KEY: PEM of the app.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ConfidentialClientApplication } from '@azure/msal-node';
import graph from '@microsoft/microsoft-graph-client';

const { GRAPH_URL: url, GRAPH_CERT: cert, GRAPH_KEY: key } = process.env;
const { Client, PageIterator, BatchRequestContent, BatchResponseContent } =
	graph;
const clientId = '9d1e7b54-3a2f-4c60-8f77-2b6a51c0e8d3';
const tenant = '5f2b6c1e-0d47-4a9b-8e31-c7a4d90b6e12';
const scopes = ['https://graph.microsoft.com/.default'];
let n = 0;
let failed = 0;

async function test(name, body) {
	n++;
	try {
		await body();
		console.log(`ok ${n} - ${name}`);
	} catch (e) {
		failed++;
		console.log(`not ok ${n} - ${name}`);
		console.log(String(e.stack).slice(0, 2000).replace(/^/gm, '# '));
	}
}

async function truth(what) {
	const text = await (await fetch(`${url}/_sim/entra/${what}`)).text();
	return text.trim().split('\n').map((line) => JSON.parse(line));
}

const post = async (what, body) => (await fetch(`${url}/_sim/${what}`,
	{ method: 'POST', body: JSON.stringify(body) })).json();
const stats = async () => (await fetch(`${url}/_sim/stats`)).json();

async function rejection(promise) {
	try {
		await promise;
	} catch (e) {
		return e;
	}
	throw new Error('it was not refused');
}

function app(credential) {
	return new ConfidentialClientApplication({ auth: { clientId,
		authority: `${url}/${tenant}`,
		knownAuthorities: [new URL(url).host], ...credential } });
}
const secretApp = app({ clientSecret: 'sim~secret+/=' });
const tokenOf = async (a, options = {}) =>
	(await a.acquireTokenByClientCredential({ scopes, ...options }))
		.accessToken;
const client = Client.initWithMiddleware({ baseUrl: url,
	defaultVersion: 'v1.0', customHosts: new Set(['localhost']),
	authProvider: { getAccessToken: () => tokenOf(secretApp) } });

// Every row of a paged answer, and the link behind the last page.
async function all(first) {
	const rows = [];
	const it = new PageIterator(client, first,
		(row) => { rows.push(row); return true; });
	await it.iterate();
	assert.ok(it.isComplete());
	return { rows, delta: it.getDeltaLink() };
}

const by = (rows) => [...rows].sort((a, b) => (a.id < b.id ? -1 : 1));
const pick = (names) => (row) =>
	Object.fromEntries(names.map((name) => [name, row[name] ?? null]));

// What Microsoft says a client has to make of delta rows.
function fold(known, rows, edge) {
	for (const row of rows) {
		if (row['@removed']) {
			known.delete(row.id);
			continue;
		}
		const edges = known.get(row.id)?.edges ?? new Set();
		for (const e of row[`${edge}@delta`] ?? [])
			e['@removed'] ? edges.delete(e.id) : edges.add(e.id);
		known.set(row.id, { row, edges });
	}
	return known;
}

await test('msal: a client secret', async () => {
	const before = (await stats()).entra.tokens;
	const result = await secretApp.acquireTokenByClientCredential(
		{ scopes });
	assert.equal(result.tokenType, 'Bearer');
	assert.ok(result.expiresOn > new Date(Date.now() + 3000 * 1000));
	await tokenOf(secretApp);
	assert.equal((await stats()).entra.tokens, before + 1);
});

await test('msal: a certificate, PS256', async () => {
	const pem = readFileSync(cert, 'utf8');
	const thumbprintSha256 = new X509Certificate(pem).fingerprint256
		.replaceAll(':', '');
	const certApp = app({ clientCertificate: { thumbprintSha256,
		privateKey: readFileSync(key, 'utf8') } });
	assert.match(await tokenOf(certApp), /^[\w-]+\.[\w-]+\.[\w-]+$/);
	// It sends the same assertion until that expires: hence --jti-again.
	await tokenOf(certApp, { skipCache: true });
});

await test('msal: a wrong secret is told as such', async () => {
	const e = await rejection(tokenOf(app({ clientSecret: 'nope' })));
	assert.equal(e.errorCode, 'invalid_client');
	assert.equal(Number(e.errorNo), 7000215);
	assert.match(e.correlationId, /^[0-9a-f-]{36}$/);
});

const users = by(await truth('users'));
const groups = by(await truth('groups'));
const members = await truth('members');
const names = ['id', 'displayName', 'mail', 'userPrincipalName',
	'employeeId', 'accountEnabled', 'employeeOrgData', 'proxyAddresses'];

await test('users: all pages', async () => {
	const { rows } = await all(await client.api('/users')
		.select(names).top(90).get());
	assert.deepEqual(by(rows), users.map(pick(names)));
});

await test('users: filter and count', async () => {
	const got = await client.api('/users').header('ConsistencyLevel',
		'eventual').count(true).filter("department eq 'Sales'").get();
	const want = users.filter((u) => u.department === 'Sales');
	assert.ok(want.length > 0);
	assert.equal(got['@odata.count'], want.length);
});

await test('users: one, and the manager', async () => {
	const want = users.find((u) => u.manager);
	const got = await client.api(`/users/${want.id}`).get();
	const boss = await client.api(`/users/${want.id}/manager`).get();
	assert.equal(got.displayName, want.displayName);
	assert.equal(boss.id, want.manager);
	assert.equal(boss['@odata.type'], '#microsoft.graph.user');
});

await test('members of every group', async () => {
	for (const g of groups) {
		const { rows } = await all(await client.api(
			`/groups/${g.id}/members`).select('id').top(50).get());
		assert.deepEqual(rows.map((r) => r.id).sort(), members
			.filter((m) => m.groupId === g.id)
			.map((m) => m.memberId).sort());
	}
});

await test('users/delta: a first round, and the next', async () => {
	const first = await all(await client.api('/users/delta')
		.select('displayName,jobTitle,manager').get());
	const known = fold(new Map(), first.rows, 'manager');
	const same = async () => assert.deepEqual(
		by([...known.values()].map(({ row, edges }) => ({ id: row.id,
			displayName: row.displayName,
			jobTitle: row.jobTitle ?? null,
			manager: [...edges][0] ?? null }))),
		by(await truth('users')).map(
			pick(['id', 'displayName', 'jobTitle', 'manager'])));
	await same();
	const did = await post('entra/mutate', { change: 5, softDelete: 3,
		create: 4, hardDelete: 2, manager: 3 });
	assert.equal(did.change.length, 5);
	const next = await all(await client.api(first.delta).get());
	assert.ok(next.rows.length >= 17 && next.rows.length < 100);
	fold(known, next.rows, 'manager');
	await same();
	assert.equal((await all(await client.api(next.delta).get())).rows
		.length, 0);
});

await test('groups/delta: members, in slices', async () => {
	const first = await all(await client.api('/groups/delta')
		.select('displayName,members').get());
	assert.ok(first.rows.length > groups.length);
	const known = fold(new Map(), first.rows, 'members');
	await post('entra/mutate', { move: 20, groups: 4, renameGroups: 2 });
	const next = await all(await client.api(first.delta).get());
	fold(known, next.rows, 'members');
	const want = await truth('members');
	for (const [id, { edges }] of known)
		assert.deepEqual([...edges].sort(), want
			.filter((m) => m.groupId === id)
			.map((m) => m.memberId).sort());
});

await test('a batch', async () => {
	// The client keeps the path: the version is none of its business.
	const request = (path) => new Request(`${url}${path}`);
	const content = new BatchRequestContent([
		{ id: '1', request: request(`/groups/${groups[0].id}`) },
		{ id: '2', request: request('/users/none') }]);
	const answers = new BatchResponseContent(await client.api('/$batch')
		.post(await content.getContent()));
	assert.equal((await answers.getResponseById('1').json()).id,
		groups[0].id);
	assert.equal(answers.getResponseById('2').status, 404);
});

await test('errors: code, status and request id', async () => {
	const e = await rejection(client.api('/users/none').get());
	assert.equal(e.statusCode, 404);
	assert.equal(e.code, 'Request_ResourceNotFound');
	assert.match(e.requestId, /^[0-9a-f-]{36}$/);
	assert.ok(e.date instanceof Date && !Number.isNaN(e.date.getTime()));
});

for (const kind of ['429', '503'])
	await test(`${kind}: the client waits and gets through`, async () => {
		await post('fault', [{ match: '/v1.0/users', kind, count: 2,
			retryAfter: 1 }]);
		const begin = Date.now();
		const got = await client.api('/users').top(1).get();
		assert.equal(got.value.length, 1);
		assert.ok(Date.now() - begin >= 2000);
	});

console.log(`1..${n}`);
process.exit(failed > 0 ? 1 : 0);
