// run.mjs - Okta's own SDK against orgsim.
//
// tests/pipe/sdk.sh starts two organisations and runs this beside the
// installed packages.  What the SDK makes of the answers is compared with
// /_sim/, so a shape or a rule it does not understand shows here.  TAP.
// ORGSIM_URL: unlimited; ORGSIM_TIGHT_URL: 3 calls to /api/v1/users in 2 s.

import assert from 'node:assert/strict';
import okta from '@okta/okta-sdk-nodejs';

const { ORGSIM_URL: url, ORGSIM_TIGHT_URL: tight, ORGSIM_TOKEN: token } =
	process.env;
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

async function truth(what, base = url) {
	const text = await (await fetch(`${base}/_sim/${what}`)).text();
	return text.trim().split('\n').map((line) => JSON.parse(line));
}

const stats = async (base) =>
	(await fetch(`${base}/_sim/stats`)).json();

async function all(collection) {
	const rows = [];
	await (await collection).each((row) => { rows.push(row); });
	return rows;
}

// What one row says, in a form that both sides can be brought to.
const plain = (value) => JSON.parse(JSON.stringify(value));
const userFacts = (u) => plain({
	id: u.id,
	status: u.status,
	created: new Date(u.created),
	activated: u.activated && new Date(u.activated),
	lastUpdated: new Date(u.lastUpdated),
	lastLogin: u.lastLogin && new Date(u.lastLogin),
	type: u.type.id,
	login: u.profile.login,
	email: u.profile.email,
	firstName: u.profile.firstName,
	lastName: u.profile.lastName,
	department: u.profile.department ?? null,
	managerId: u.profile.managerId ?? null,
	skills: u.profile.skills ?? null,
});
const groupFacts = (g) => plain({
	id: g.id,
	type: g.type,
	objectClass: g.objectClass,
	name: g.profile.name,
	description: g.profile.description ?? null,
	lastUpdated: new Date(g.lastUpdated),
	lastMembershipUpdated: new Date(g.lastMembershipUpdated),
});
const ids = (rows) => rows.map((row) => row.id);

function client(base, options = {}) {
	return new okta.Client({ orgUrl: base, token, cacheMiddleware: null,
		requestExecutor: new okta.DefaultRequestExecutor(options) });
}

async function rejection(promise) {
	try {
		await promise;
	} catch (e) {
		return e;
	}
	throw new Error('it was not refused');
}

const c = client(url);
const users = await truth('users');
const groups = await truth('groups');
const members = await truth('members');
const live = users.filter((u) => u.status !== 'DEPROVISIONED');

await test('listUsers: pages of 30, every user but the deprovisioned', async () => {
	const before = (await stats(url)).calls;
	const rows = await all(c.userApi.listUsers({ limit: 30 }));
	assert.deepEqual(rows.map(userFacts), live.map(userFacts));
	assert.equal((await stats(url)).calls - before,
		Math.ceil(live.length / 30));
});

await test('listUsers: filter', async () => {
	const rows = await all(c.userApi.listUsers(
		{ filter: 'status eq "DEPROVISIONED"' }));
	assert.ok(rows.length > 0);
	assert.deepEqual(ids(rows),
		ids(users.filter((u) => u.status === 'DEPROVISIONED')));
});

await test('listUsers: filter by lastUpdated, paged', async () => {
	const since = '2023-06-01T00:00:00.000Z';
	const rows = await all(c.userApi.listUsers(
		{ filter: `lastUpdated gt "${since}"`, limit: 10 }));
	assert.ok(rows.length > 10);
	assert.deepEqual(ids(rows),
		ids(users.filter((u) => u.lastUpdated > since)));
});

await test('listUsers: search, sorted', async () => {
	const rows = await all(c.userApi.listUsers({
		search: 'profile.department eq "sales" and status eq "ACTIVE"',
		sortBy: 'profile.login', sortOrder: 'asc', limit: 2 }));
	const want = users.filter((u) => u.status === 'ACTIVE' &&
		u.profile.department === 'Sales');
	const logins = rows.map((u) => u.profile.login.toLowerCase());
	assert.deepEqual(new Set(ids(rows)), new Set(ids(want)));
	assert.ok(rows.length > 2);
	assert.deepEqual(logins, [...logins].sort());
});

await test('listUsers: q', async () => {
	const rows = await all(c.userApi.listUsers({ q: 'anna' }));
	assert.ok(rows.length > 0);
	assert.ok(rows.every((u) =>
		u.profile.login.toLowerCase().startsWith('anna')));
});

await test('getUser: by id and by login', async () => {
	const want = users[5];
	const byId = await c.userApi.getUser({ userId: want.id });
	const byLogin = await c.userApi.getUser({ userId: want.profile.login });
	assert.ok(byId instanceof okta.User || byId.constructor.name.startsWith('User'));
	assert.deepEqual(userFacts(byId), userFacts(want));
	assert.deepEqual(userFacts(byLogin), userFacts(want));
});

await test('getUser: dates are dates, custom attributes survive', async () => {
	const want = users.find((u) => u.profile.skills && u.lastLogin);
	const got = await c.userApi.getUser({ userId: want.id });
	assert.ok(got.lastLogin instanceof Date);
	assert.deepEqual(plain(got.profile.skills), want.profile.skills);
	assert.equal(got.profile.fullTime, want.profile.fullTime);
});

await test('listGroups: pages of 4', async () => {
	const rows = await all(c.groupApi.listGroups({ limit: 4 }));
	assert.deepEqual(rows.map(groupFacts), groups.map(groupFacts));
});

await test('listGroups: filter and expand', async () => {
	const rows = await all(c.groupApi.listGroups(
		{ filter: 'type eq "APP_GROUP"', expand: 'stats' }));
	const want = groups.filter((g) => g.type === 'APP_GROUP');
	assert.ok(want.length > 0);
	assert.deepEqual(ids(rows), ids(want));
	for (const g of rows)
		assert.equal(g._embedded.stats.usersCount,
			members.filter((m) => m.groupId === g.id).length);
});

await test('getGroup', async () => {
	const got = await c.groupApi.getGroup({ groupId: groups[3].id });
	assert.deepEqual(groupFacts(got), groupFacts(groups[3]));
});

await test('listGroupUsers: pages of 7, every group', async () => {
	for (const g of groups) {
		const rows = await all(c.groupApi.listGroupUsers(
			{ groupId: g.id, limit: 7 }));
		assert.deepEqual(ids(rows), members
			.filter((m) => m.groupId === g.id).map((m) => m.userId));
	}
});

await test('listUserGroups', async () => {
	const id = members[0].userId;
	const rows = await all(await c.userApi.listUserGroups({ userId: id }));
	assert.deepEqual(ids(rows), members
		.filter((m) => m.userId === id).map((m) => m.groupId));
});

await test('getOrgSettings', async () => {
	const org = await c.orgSettingApi.getOrgSettings();
	assert.equal(org.subdomain, 'orgsim');
	assert.ok(org.created instanceof Date);
});

await test('errors: a user that is not there', async () => {
	const e = await rejection(c.userApi.getUser(
		{ userId: '00u0000000000000none' }));
	assert.deepEqual([e.status, e.errorCode], [404, 'E0000007']);
	assert.match(e.errorId, /^oae/);
});

await test('errors: a filter that is none, a search with ne', async () => {
	const bad = await rejection(all(c.userApi.listUsers(
		{ filter: 'status eq' })));
	const ne = await rejection(all(c.userApi.listUsers(
		{ search: 'status ne "ACTIVE"' })));
	assert.deepEqual([bad.status, bad.errorCode], [400, 'E0000053']);
	assert.deepEqual([ne.status, ne.errorCode], [400, 'E0000031']);
	assert.equal(ne.errorCauses.length, 1);
});

await test('errors: a wrong token', async () => {
	const other = new okta.Client({ orgUrl: url, token: 'wrong' });
	const e = await rejection(other.userApi.getUser({ userId: 'me' }));
	assert.deepEqual([e.status, e.errorCode], [401, 'E0000011']);
});

await test('429: told as such when the SDK may not wait', async () => {
	const hasty = client(tight, { maxRetries: 0 });
	let e;
	for (let i = 0; i < 12 && e?.status !== 429; i++)
		e = await rejection(all(hasty.userApi.listUsers({ filter: 'x' })));
	assert.deepEqual([e.status, e.errorCode], [429, 'E0000047']);
	assert.equal(e.errorSummary,
		'API call exceeded rate limit due to too many requests.');
});

await test('429: the SDK waits for the Reset and gets through', async () => {
	const executor = new okta.DefaultRequestExecutor({ maxRetries: 5 });
	const waits = [];
	executor.on('backoff', (request, response, id, ms) => waits.push(ms));
	const patient = new okta.Client({ orgUrl: tight, token,
		cacheMiddleware: null, requestExecutor: executor });
	const rows = await all(patient.userApi.listUsers({ limit: 10 }));
	const { limited, retriesMarked } = await stats(tight);
	assert.deepEqual(ids(rows), ids((await truth('users', tight))
		.filter((u) => u.status !== 'DEPROVISIONED')));
	assert.ok(waits.length > 0);
	assert.ok(waits.every((ms) => ms >= 1000 && ms <= 4000));
	assert.ok(limited >= waits.length);
	assert.equal(retriesMarked, waits.length);
});

console.log(`1..${n}`);
process.exit(failed > 0 ? 1 : 0);
