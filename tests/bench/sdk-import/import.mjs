// import.mjs - what one would write instead: Okta's own SDK into SQLite.
//
// node import.mjs URL FILE.db; the token is in $OKTA_TOKEN.  Reads every
// user, group and membership and writes the rows that idmesh writes, with as
// many member listings in flight as idmesh has (8).  Prints what wrote.

import okta from '@okta/okta-sdk-nodejs';

import { openStore } from './store.mjs';

const [url, file] = process.argv.slice(2);
const IN_FLIGHT = 8;
const BATCH = 1000;

const top = ['status', 'created', 'lastUpdated', 'lastLogin',
	'passwordChanged', 'statusChanged', 'activated'];
const profile = ['firstName', 'lastName', 'displayName', 'email',
	'secondEmail', 'login', 'mobilePhone', 'primaryPhone', 'streetAddress',
	'city', 'state', 'zipCode', 'countryCode', 'title', 'department',
	'manager', 'managerId', 'costCenter', 'division', 'employeeNumber',
	'organization', 'userType', 'preferredLanguage', 'locale', 'timezone'];
const groupTop = ['type', 'created', 'lastUpdated', 'lastMembershipUpdated'];

function cell(value) {
	if (value === undefined || value === null)
		return null;
	if (value instanceof Date)
		return value.toISOString();
	return typeof value === 'object' ? JSON.stringify(value) : value;
}

function userRow(u) {
	return [u.id, u.status === 'ACTIVE' ? 1n : 0n, cell(u.type),
		...top.map((name) => cell(u[name])),
		...profile.map((name) => cell(u.profile[name]))];
}

function groupRow(g) {
	return [g.id, g.objectClass.join(','), g.profile.name,
		cell(g.profile.description),
		...groupTop.map((name) => cell(g[name]))];
}

const store = await openStore(file);

// A table that is written in batches.
function table(name, columns) {
	const into = store.table(name, columns);
	let rows = [];
	return {
		put(row) {
			if (rows.push(row) >= BATCH)
				this.flush();
		},
		flush() {
			into.write(rows);
			rows = [];
		},
	};
}

const users = table('User', ['ExternalId', 'accountEnabled', 'type',
	...top, ...profile]);
const groups = table('Group', ['ExternalId', 'objectClass', 'name',
	'description', ...groupTop]);
const members = table('GroupMember', ['ExternalId', 'groupId', 'memberId',
	'memberType']);

const client = new okta.Client({
	orgUrl: url,
	token: process.env.OKTA_TOKEN,
	testing: { disableHttpsCheck: true },
});

async function listUsers() {
	for await (const u of await client.userApi.listUsers({ limit: 200 }))
		if (u)
			users.put(userRow(u));
	users.flush();
}

async function listGroups() {
	const ids = [];
	for await (const g of await client.groupApi.listGroups({ limit: 1000 })) {
		if (!g)
			continue;
		groups.put(groupRow(g));
		ids.push(g.id);
	}
	groups.flush();
	return ids;
}

async function listMembers(ids) {
	for (let id = ids.pop(); id !== undefined; id = ids.pop()) {
		const list = await client.groupApi.listGroupUsers(
			{ groupId: id, limit: 1000 });
		for await (const u of list)
			if (u)
				members.put([`${id}:${u.id}`, id, u.id, 'User']);
	}
}

const ids = await listGroups();
await Promise.all([listUsers(),
	...Array.from({ length: IN_FLIGHT - 1 }, () => listMembers(ids))]);
members.flush();
await store.close();
console.log(store.name);
