#!/usr/bin/env bash
# import.sh - the main job: an org becomes a mesh, then its difference does.
#
# The real programs over real pipes and over ZeroMQ with several transforms;
# what is in the target is compared with what the simulated org says it has.
. tests/setup.sh

org sim --users 1500 --groups 60 --edges 6000 --tier unlimited --seed 7
source_file "$TMP/okta.json"

# Everything that the org has and the rules take, a sorted line each.
truth() {
	curl -s "$url/_sim/users" | jq -r 'select(.status != "DEPROVISIONED") |
		["user", .id, .profile.login, .status,
		.profile.department // "-", .lastUpdated] | join("|")'
	curl -s "$url/_sim/groups" | jq -r '["group", .id, .profile.name,
		.type, .lastMembershipUpdated] | join("|")'
	curl -s "$url/_sim/members" | jq -r '["member", .groupId + ":" +
		.userId] | join("|")'
}

# The same out of a target.
mesh() {
	sqlite3 "$1" 'select '\''user'\'', ExternalId, login, status,
			coalesce(department, '\''-'\''), lastUpdated from "User";
		select '\''group'\'', ExternalId, name, type,
			lastMembershipUpdated from "Group";
		select '\''member'\'', ExternalId from GroupMember'
}

same_as_truth() {
	truth | LC_ALL=C sort >"$TMP/want"
	mesh "$1" | LC_ALL=C sort >"$TMP/got"
	diff -u "$TMP/want" "$TMP/got"
}

dump() { "$IDMESH" join dump --db "$1"; }

pipeline "$TMP/okta.json" "$TMP/pipe.db" "sqlite:$TMP/pipe-mesh.db"
is 'a full import over pipes ends well' "$pipe_status" '0 0 0 0'
ok 'the mesh is what the org has' same_as_truth "$TMP/pipe-mesh.db"
is 'nothing was answered 429' "$(curl -s "$url/_sim/stats" | jq .limited)" 0

is 'the watermark is readable' \
	"$("$IDMESH" join watermark --db "$TMP/pipe.db" okta:contoso |
		jq -r 'keys | join(",")')" 'g,u'

# --- the same over ZeroMQ -------------------------------------------------
services() {
	start sink "$IDMESH" sink "sqlite:$TMP/bus-mesh.db" \
		--commit "ipc://$TMP/run/mesh"
	start join "$IDMESH" join --db "$TMP/bus.db" \
		--commit "ipc://$TMP/run/join" --to "ipc://$TMP/run/mesh"
	local i
	for i in 1 2 3; do
		start "transform$i" "$IDMESH" transform \
			--jobs "ipc://$TMP/run/jobs" --commit "ipc://$TMP/run/join"
	done
}
end_services() {
	local i
	codes=
	for i in transform1 transform2 transform3 join sink; do
		stop $i
		codes="$codes $status"
	done
}
bus_fetch() {
	run "$IDMESH" fetch "$TMP/okta.json" --mode "${1:-auto}" \
		--jobs "ipc://$TMP/run/jobs" --commit "ipc://$TMP/run/join"
}

services
bus_fetch
is 'a full import over ipc ends well' "$status" 0
end_services
is 'the services end when they are asked to' "$codes" ' 0 0 0 0 0'
ok 'it is the same mesh' same_as_truth "$TMP/bus-mesh.db"
is 'join holds the same mesh, byte for byte' \
	"$(dump "$TMP/bus.db" | sha256sum)" "$(dump "$TMP/pipe.db" | sha256sum)"

# --- the org changes ------------------------------------------------------
curl -s -X POST "$url/_sim/mutate" -d '{"change": 10, "create": 3,
	"deprovision": 2, "move": 20, "groups": 4, "renameGroups": 2,
	"login": 5}' >"$TMP/mutation"
curl -s -X POST "$url/_sim/reset-stats" >/dev/null

pipeline "$TMP/okta.json" "$TMP/pipe.db" "sqlite:$TMP/pipe-mesh.db"
is 'a delta over pipes ends well' "$pipe_status" '0 0 0 0'
ok 'the mesh follows the org' same_as_truth "$TMP/pipe-mesh.db"
calls=$(curl -s "$url/_sim/stats" | jq .calls)
ok "a delta takes few calls ($calls)" test "$calls" -le 14
is 'it was a delta' "$("$IDMESH" join runs --db "$TMP/pipe.db" --json |
	tail -n 1 | jq -r '[.streams[].mode] | unique | join(",")')" delta

services
bus_fetch
is 'a delta over ipc ends well' "$status" 0
end_services
is 'the services end again' "$codes" ' 0 0 0 0 0'
ok 'that mesh follows too' same_as_truth "$TMP/bus-mesh.db"

# --- nothing changes ------------------------------------------------------
before=$("$IDMESH" sink cursor "sqlite:$TMP/pipe-mesh.db")
pipeline "$TMP/okta.json" "$TMP/pipe.db" "sqlite:$TMP/pipe-mesh.db" full
is 'a full pass over an unchanged org ends well' "$pipe_status" '0 0 0 0'
is 'and is no change at all, logins apart' \
	"$("$IDMESH" sink cursor "sqlite:$TMP/pipe-mesh.db")" "$before"

# --- hard deletes are seen by a full pass ----------------------------------
curl -s -X POST "$url/_sim/mutate" -d '{"delete": 4}' >/dev/null
pipeline "$TMP/okta.json" "$TMP/pipe.db" "sqlite:$TMP/pipe-mesh.db" full
is 'a full pass after deletes ends well' "$pipe_status" '0 0 0 0'
truth | grep '^user' | LC_ALL=C sort >"$TMP/want"
mesh "$TMP/pipe-mesh.db" | grep '^user' | LC_ALL=C sort >"$TMP/got"
ok 'who is gone from the org is gone from the mesh' \
	diff -u "$TMP/want" "$TMP/got"

# --- a new target is rebuilt from the mesh, without a call ------------------
curl -s -X POST "$url/_sim/reset-stats" >/dev/null
"$IDMESH" join --db "$TMP/pipe.db" --after - </dev/null 2>/dev/null |
	"$IDMESH" sink "sqlite:$TMP/new-mesh.db" 2>"$TMP/sink.log"
is 'a new target is filled' "$(mesh "$TMP/new-mesh.db" | sort | sha256sum)" \
	"$(mesh "$TMP/pipe-mesh.db" | sort | sha256sum)"
is 'out of the store alone' "$(curl -s "$url/_sim/stats" | jq .calls)" 0

# --- the token is nowhere ---------------------------------------------------
unlike 'the token is in no log, database or message' \
	"$(grep -rlF "$TOKEN" "$TMP" --include='*' 2>/dev/null |
		grep -v 'sim\.')" .

done_testing
