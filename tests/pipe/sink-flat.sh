#!/usr/bin/env bash
# sink-flat.sh - groups in groups: who is in a group after all.
. tests/setup.sh

db=$TMP/mesh.db
sql() { sqlite3 "$db" "$1"; }

# schema ATTRIBUTE...: of memberships.
schema() {
	jq -cn '{v: 1, kind: "schema", source: "st", types: [
		{type: "GroupMember", attributes: $ARGS.positional}]}' \
		--args "$@"
}
# edges TEXT: GROUP MEMBER TYPE, one a line.
edges() {
	jq -cRn '[inputs | split(" ") | {op: "put", type: "GroupMember",
		id: "\(.[0]):\(.[1])", object: {groupId: .[0],
		memberId: .[1], memberType: .[2]}}] | {v: 1, kind: "change",
		source: "st", stream: "mesh", run: 0, epoch: 1, first: 1,
		seq: length, changes: .}' <<<"$1"
}

{
	schema groupId memberId memberType
	edges 'labs ann User
labs staff Group
staff bob User
staff all Group
all cy User
all labs Group
alone dot User'
} >"$TMP/log"
run "$BUILD/idmesh-sink" "sqlite:$db" <"$TMP/log"
is 'groups in a circle are taken' "$status" 0
is 'everybody in the circle is in each of its groups' \
	"$(sql "SELECT group_concat(memberId, ' ') FROM (SELECT memberId FROM GroupMemberFlat WHERE groupId = 'staff' ORDER BY 1)")" \
	'ann bob cy'
is 'each of them once' "$(sql 'SELECT count(*) FROM GroupMemberFlat')" 10
is 'who stands apart stays apart' \
	"$(sql "SELECT memberId FROM GroupMemberFlat WHERE groupId = 'alone'")" dot
schema groupId memberId >"$TMP/log"
run "$BUILD/idmesh-sink" "sqlite:$db" <"$TMP/log"
is 'without a type of members there is no such view' \
	"$(sql "SELECT count(*) FROM sqlite_master WHERE name = 'GroupMemberFlat'")" 0
done_testing
