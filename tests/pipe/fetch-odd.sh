#!/usr/bin/env bash
# A server that does what real ones have done: refuses expressions, links to
# other hosts, prints its JSON prettily, miscounts, forgets and refuses groups.
. tests/setup.sh

cat >"$TMP/odd.js" <<'JS'
const http = require('http'), fs = require('fs');
const now = '2026-04-22T08:15:30.000Z';
const user = (id) => ({ id, status: 'ACTIVE', lastUpdated: now,
	profile: { login: id } });
const group = (id, n) => ({ id, lastUpdated: now, lastMembershipUpdated: now,
	profile: { name: id }, _embedded: { stats: { usersCount: n } } });
const error = (code) => ({ errorCode: code, errorSummary: 'x',
	errorLink: code, errorId: 'oae', errorCauses: [] });
const asked = {};
const server = http.createServer((q, r) => {
	const u = new URL(q.url, 'http://x');
	const p = u.pathname, filter = u.searchParams.get('filter') ?? '';
	const say = (status, body, next) => {
		const h = { 'Content-Type': 'application/json',
			Date: 'Wed, 22 Apr 2026 09:00:00 GMT' };
		if (next) h.Link = `<https://elsewhere.example${next}>; rel="next"`;
		r.writeHead(status, h);
		r.end(JSON.stringify(body, null, 2));
	};
	asked[p] = (asked[p] ?? 0) + 1;
	fs.appendFileSync(process.argv[3], `${q.url} ${q.headers.host}\n`);
	if (p === '/api/v1/users') {
		if (u.searchParams.get('search') || filter.includes('lastUpdated'))
			return say(400, error('E0000031'));
		if (filter) return say(200, [user('u3')]);
		return u.searchParams.get('after')
			? say(200, [user('u2')])
			: say(200, [user('u1')], '/api/v1/users?after=u1&limit=1');
	}
	if (p === '/api/v1/groups') {
		if (filter.startsWith('lastMembership'))
			return say(400, error('E0000053'));
		return say(200, [group('g2', 9), group('g1', 2), group('g4', 1),
			group('g3', 1), group('g1', 2), group('g5', 0)]);
	}
	/* g1 counts right at the second look, g2 never, g3 is gone. */
	if (p.includes('/g1/'))
		return say(200, asked[p] > 1 ? [user('u1'), user('u2')]
			: [user('u1')]);
	if (p.includes('/g2/')) return say(200, [user('u1')]);
	if (p.includes('/g3/')) return say(404, error('E0000007'));
	if (p.includes('/g4/') && process.argv[4])
		return say(403, error('E0000006'));
	return say(200, p.includes('/g4/') ? [user('u2')] : []);
});
server.listen(0, '127.0.0.1', () =>
	fs.writeFileSync(process.argv[2], String(server.address().port)));
JS
# odd [ARG]: a server with fresh counts, at $url.
odd() {
	rm -f "$TMP/port"
	start odd node "$TMP/odd.js" "$TMP/port" "$TMP/seen" "$@"
	wait_for test -s "$TMP/port"
	url=http://127.0.0.1:$(cat "$TMP/port")
	source_file "$TMP/odd.json"
}
users() {
	printf '%s\n' "$out" | jq -r 'select(.stream == "User" and
		.kind == "page") | .records[].id' | tr '\n' ' '
}
# edges_last: what a committer ends up with, the last whole set of a group.
edges_last() {
	printf '%s\n' "$out" | jq -s -r '[.[] | select(.kind == "page" and
		.stream == "GroupMember" and .last)] | group_by(.context.groupId)[]
		| last | .context.groupId + "=" + ([.records[].id] | join("+"))' |
		tr '\n' ' '
}
end_of() {
	printf '%s\n' "$out" | jq -c --arg s "$1" 'select(.kind == "end" and
		.stream == $s) | '"$2"
}

odd
run "$IDMESH" fetch "$TMP/odd.json"
is 'an odd server: done' "$status" 0
is 'pretty JSON is one line a page, and two hosts are one listing' "$(users)" \
	'u1 u2 u3 '
unlike 'the token went to one host only' "$(cat "$TMP/seen")" elsewhere
is 'the page is a line of JSON' \
	"$(printf '%s\n' "$out" | jq -c .v | sort -u)" 1
is 'groups twice in a listing are listed once; a gone one is left alone' \
	"$(edges_last)" 'g1=u1+u2 g2=u1 g4=u2 g5= '
is 'a wrong count is looked at twice' \
	"$(grep -c '^/api/v1/groups/g2/' "$TMP/seen")" 2
like 'and warned of where it stays wrong' "$(end_of GroupMember .warnings)" \
	'group g2 says it has 9 members, the list has 1'
is 'what it says goes with its last page, of g1 with the first list only' \
	"$(jq -rc 'select(.kind == "page" and .stream == "GroupMember") | .context |
		select(.usersCount) | [.groupId, .usersCount]' <<<"$out" | sort | uniq -c | tr -s ' \n' ' ')" \
	' 1 ["g1",2] 2 ["g2",9] '
unlike 'not where it was the list' "$(end_of GroupMember .warnings)" 'g1'
like 'a gone group is warned of' "$(end_of GroupMember .warnings)" 'were gone'
is 'and all is complete' "$(end_of GroupMember .complete)" true
is 'an empty group is not asked on a first import' \
	"$(grep -c '^/api/v1/groups/g5/' "$TMP/seen")" 0
is 'the watermark is the time of the server' "$(end_of User .watermark)" \
	'"2026-04-22T08:55:00.000Z"'
stop odd

# Refused expressions cost a full pass, never an entity.
: >"$TMP/seen"
odd
jq -n -c '{since: "2026-04-22T08:00:00.000Z"} as $d | {v: 1, kind: "state",
	source: "okta:contoso", run: 2, epoch: 1, boot: "b",
	watermark: {u: $d.since, g: $d.since}, streams: (["User", "Group",
	"GroupMember"] | map({key: ., value: {mode: "delta", seq: 0,
	state: null, since: $d.since, done: (. == "Group")}}) |
	from_entries)}' >"$TMP/state"
run "$IDMESH" fetch --resume "$TMP/state" "$TMP/odd.json"
is 'a delta whose filter is refused: done' "$status" 0
is 'a delta whose filter is refused: everybody' "$(users)" 'u1 u2 u3 '
is 'it is a delta all the same' "$(end_of User '[.mode, .complete]')" \
	'["delta",true]'
like 'it says why' "$(end_of User .warnings)" 'filter is refused'
is 'memberships too' "$(edges_last)" 'g1=u1+u2 g2=u1 g4=u2 g5= '
is 'in a delta an empty group is asked' \
	"$(grep -c '^/api/v1/groups/g5/' "$TMP/seen")" 1
source_file "$TMP/search.json" '.ConfigJson.UserSearchFilter =
	"profile.department eq \"x\""'
run "$IDMESH" fetch --streams User "$TMP/search.json"
is 'a search that is refused: everybody' "$(users)" 'u1 u2 u3 '
is 'and transform has the expression' \
	"$(printf '%s\n' "$out" | jq -r 'select(.kind == "page") |
		.filter.route' | sort -u)" search

# An interrupted run whose filter was changed meanwhile starts over.
jq -n -c '{v: 1, kind: "state", source: "okta:contoso", run: 2, epoch: 1,
	boot: "b", watermark: null, streams: {User: {mode: "full", seq: 7,
	state: {start: "2026-04-22T08:00:00.000Z", n: 900, restarts: 0,
	first: 1, pass: "plain", next: "/api/v1/users?after=u1&limit=1",
	filter: "status eq \"STAGED\""}}}}' >"$TMP/state"
run "$IDMESH" fetch --streams User --resume "$TMP/state" "$TMP/odd.json"
is 'another filter than when the run began: from the start' "$(users)" \
	'u1 u2 u3 '
is 'another filter: the numbers go on' \
	"$(end_of User '[.seq, .certificate.first]')" '[11,8]'
sed -i 's/,"filter":"[^}]*}/}/' "$TMP/state"
run "$IDMESH" fetch --streams User --resume "$TMP/state" "$TMP/odd.json"
is 'the same filter: goes on' "$(users)" 'u2 u3 '
sed -i 's|"/api/v1/users?after=u1&limit=1"|"https://evil.example/x"|' \
	"$TMP/state"
run "$IDMESH" fetch --streams User --resume "$TMP/state" "$TMP/odd.json"
is 'a state with a foreign address: from the start' "$(users)" 'u1 u2 u3 '
stop odd

# One group that may not be read: the others are, and nothing is deleted.
odd refuse
run "$IDMESH" fetch "$TMP/odd.json"
is 'a refused group: done in part' "$status" 1
is 'a refused group: the others are there' "$(edges_last)" \
	'g1=u1+u2 g2=u1 g5= '
is 'a refused group: no complete end' \
	"$(end_of GroupMember '[.skipped, .complete, .watermark]')" \
	'[true,false,null]'
like 'a refused group: says how many' "$(end_of GroupMember .why)" \
	'1 of 3 groups'

done_testing
