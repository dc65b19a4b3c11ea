#!/usr/bin/env bash
# entra-import.sh - an Entra tenant becomes a mesh, then its differences do.
#
# What is in the target is compared with what the tenant lists of itself; a
# delta must end where a full import of the same moment ends.
. tests/setup.sh
. tests/entra.sh

dump() { "$IDMESH" join dump --db "$1"; }
modes() {
	"$IDMESH" join runs --db "$TMP/a.db" --json | tail -n 1 |
		jq -r '[.streams[].mode] | unique | join(",")'
}

tenant sim --entra 1200 --entra-groups 40 --entra-edges 4000 \
	--entra-slice 50 --entra-cycle --entra-quirks all --seed 5
entra_file "$TMP/entra.json"

entra_pipeline "$TMP/entra.json" "$TMP/a.db" "sqlite:$TMP/a-mesh.db"
is 'a full import ends well' "$pipe_status" '0 0 0 0'
ok 'the mesh is what the tenant lists' same_as_tenant "$TMP/a-mesh.db"
like 'members that are no people are counted' "$(cat "$TMP/fetch.log")" \
	'members are neither users nor groups'
ok 'groups in groups are kept' grep -q '^member|.*|group$' "$TMP/got"
is 'each stream has a link of its own' \
	"$("$IDMESH" join watermark --db "$TMP/a.db" entra:contoso |
		jq -r 'to_entries[] | "\(.key) \(.value | test("^[0-9a-f]{16} /v1.0/(users|groups)/delta\\?"))"' | xargs)" \
	'u true g true m true'
is 'only what the rules use was asked for' \
	"$(jq -r 'select(.path == "/v1.0/groups/delta") | .query' "$TMP/requests" |
		grep '^.select' | sort | head -n 1)" \
	"\$select=createdDateTime,description,displayName,groupTypes,id"
is 'three streams that begin at once ask for one token' \
	"$(grep -c '"POST"' "$TMP/requests")" 1
ok 'requests carry an id of ours beside theirs' jq -es 'map(select(.method
	== "GET")) | all(.clientRequestId and .requestId)' "$TMP/requests"

# --- the tenant changes -----------------------------------------------------
mutate '{"change": 300, "unselected": 3, "rename": 2, "clearEmployeeId": 3,
	"create": 5, "softDelete": 4, "hardDelete": 3, "disable": 2,
	"manager": 6, "move": 40, "createGroups": 2, "renameGroups": 2,
	"softDeleteGroups": 1, "hardDeleteGroups": 1}'
: >"$TMP/requests"
entra_pipeline "$TMP/entra.json" "$TMP/a.db" "sqlite:$TMP/a-mesh.db"
is 'a delta ends well' "$pipe_status" '0 0 0 0'
is 'it is one' "$(modes)" delta
# The tenant shows some changes late: in the next round, or the one after.
entra_pipeline "$TMP/entra.json" "$TMP/a.db" "sqlite:$TMP/a-mesh.db"
entra_pipeline "$TMP/entra.json" "$TMP/a.db" "sqlite:$TMP/a-mesh.db"
ok 'the mesh follows the tenant' same_as_tenant "$TMP/a-mesh.db"
calls=$(grep -c '"GET"' "$TMP/requests")
ok "three deltas take few calls ($calls)" test "$calls" -le 24

mutate '{"restore": 3, "move": 10}'
entra_pipeline "$TMP/entra.json" "$TMP/a.db" "sqlite:$TMP/a-mesh.db"
is 'a delta with people who come back' "$pipe_status" '0 0 0 0'
entra_pipeline "$TMP/entra.json" "$TMP/a.db" "sqlite:$TMP/a-mesh.db"
entra_pipeline "$TMP/entra.json" "$TMP/a.db" "sqlite:$TMP/a-mesh.db"
ok 'they are back, with their groups' same_as_tenant "$TMP/a-mesh.db"

entra_pipeline "$TMP/entra.json" "$TMP/b.db" "sqlite:$TMP/b-mesh.db"
is 'a new import of the same moment ends well' "$pipe_status" '0 0 0 0'
is 'the mesh of the deltas is that of the import, byte for byte' \
	"$(entra_mesh "$TMP/a-mesh.db" | sort)" \
	"$(entra_mesh "$TMP/b-mesh.db" | sort)"
dump "$TMP/a.db" | LC_ALL=C sort >"$TMP/a.dump"
dump "$TMP/b.db" | LC_ALL=C sort >"$TMP/b.dump"
ok 'and so is all that join holds' diff -u "$TMP/a.dump" "$TMP/b.dump"

# --- nothing changes ---------------------------------------------------------
before=$("$IDMESH" sink cursor "sqlite:$TMP/a-mesh.db")
entra_pipeline "$TMP/entra.json" "$TMP/a.db" "sqlite:$TMP/a-mesh.db" full
is 'a full pass over an unchanged tenant ends well' "$pipe_status" '0 0 0 0'
is 'and is no change at all' \
	"$("$IDMESH" sink cursor "sqlite:$TMP/a-mesh.db")" "$before"

# --- watermarks are printed, and taken as they were printed -------------------
mark=("$IDMESH" join watermark --db "$TMP/a.db" entra:contoso)
marks=$("${mark[@]}")
run "${mark[@]}" "$(jq -c '.m = null' <<<"$marks")"
is 'a watermark may be taken away' "$status" 0
entra_pipeline "$TMP/entra.json" "$TMP/a.db" "sqlite:$TMP/a-mesh.db"
is 'then that stream is read in full' \
	"$("$IDMESH" join runs --db "$TMP/a.db" --json | tail -n 1 |
		jq -r '.streams.GroupMember.mode + " " + .streams.User.mode')" \
	'full delta'
run "${mark[@]}" "$marks"
is 'and be put back' "$status" 0
entra_pipeline "$TMP/entra.json" "$TMP/a.db" "sqlite:$TMP/a-mesh.db"
is 'from an older link comes what came before, and changes nothing' \
	"$pipe_status $("$IDMESH" sink cursor "sqlite:$TMP/a-mesh.db")" \
	"0 0 0 0 $before"
run "${mark[@]}" '{"u": "2026-04-22T08:15:30.000Z"}'
is 'a time is none for Entra: 100' "$status" 100
like 'a time is none for Entra: says so' "$err" 'what was printed'

# --- nothing secret ------------------------------------------------------------
unlike 'the client secret is in no log, database or message' \
	"$(grep -rlF "$APP_SECRET" "$TMP" 2>/dev/null | grep -v 'sim\.')" .
unlike 'nor is a token' "$(cat "$TMP"/*.log "$TMP/requests")" 'eyJ[A-Za-z0-9_-]{20}'

done_testing
