// limits.mjs - Okta's own SDK under hard rate limits.
//
// node limits.mjs URL WORKERS RETRIES SECONDS LOG [users]; the token is in
// $OKTA_TOKEN.  Asks for what idmesh fetch asks for: every group, the members
// of every group that has some, WORKERS listings at once, and with `users`
// every user beside them.  RETRIES is the SDK's maxRetries, or `default`.
// After SECONDS it is cut off.  Prints one JSON object; LOG is one line for
// every answer, as idmesh fetch --request-log has them.

import fs from 'node:fs';
import okta from '@okta/okta-sdk-nodejs';

const [url, workers, retries, seconds, log, withUsers] =
	process.argv.slice(2);
const begun = Date.now();
const done = { users: 0, groups: 0, members: 0, lost: 0, cut: false };
const out = fs.createWriteStream(log);

// The README offers maxRetries to whom two are too few.  Its 0 is said to be
// no limit and switches retries off, hence a large number.
const executor = new okta.DefaultRequestExecutor(
	retries === 'default' ? {} : { maxRetries: Number(retries) });
const client = new okta.Client({
	orgUrl: url,
	token: process.env.OKTA_TOKEN,
	requestExecutor: executor,
	testing: { disableHttpsCheck: true },
});

// No two requests for the same URL are under way at once.
const sent = new Map();
executor.on('request', (request) => sent.set(request.url, Date.now()));
executor.on('response', (response) => {
	out.write(JSON.stringify({
		time: new Date().toISOString(),
		path: new URL(response.url).pathname,
		status: response.status,
		reset: Number(response.headers.get('x-rate-limit-reset')),
		ms: Date.now() - sent.get(response.url),
	}) + '\n');
});

function end() {
	console.log(JSON.stringify({
		...done, ms: Date.now() - begun, workers: Number(workers) }));
	out.end(() => process.exit(0));
}

// All of a listing; one that is refused for good is lost, as its caller finds.
async function listing(ask, take) {
	try {
		for await (const row of await ask())
			if (row)
				take(row);
	} catch (e) {
		if (e.status !== 429)
			throw e;
		done.lost++;
	}
}

async function listUsers() {
	for (const filter of [undefined, 'status eq "DEPROVISIONED"'])
		await listing(() => client.userApi.listUsers(
			{ limit: 200, filter }), () => { done.users++; });
}

async function listMembers(ids) {
	for (let id = ids.shift(); id !== undefined; id = ids.shift())
		await listing(() => client.groupApi.listGroupUsers(
			{ groupId: id, limit: 1000 }), () => { done.members++; });
}

async function listGroups() {
	const ids = [];
	await listing(() => client.groupApi.listGroups(
		{ limit: 200, expand: 'stats' }), (group) => {
		done.groups++;
		if (group._embedded.stats.usersCount > 0)
			ids.push(group.id);
	});
	await Promise.all(Array.from({ length: Number(workers) },
		() => listMembers(ids)));
}

setTimeout(() => {
	done.cut = true;
	end();
}, Number(seconds) * 1000);
await Promise.all([listGroups(), withUsers ? listUsers() : undefined]);
end();
