# wire.sh - the programs on the bus, each started by hand, and a bad wire
# between them: `. tests/wire.sh` behind setup.sh, for tests/chaos.
# shellcheck shell=bash disable=SC2034 # used by the tests
. tests/state.sh

bus=$TMP/bus
db=$TMP/state.db
target=sqlite:$TMP/mesh.db
mkdir -m 0700 "$bus"

# at NAME: the endpoint of this name.
at() { echo "ipc://$bus/$1"; }
# relay NAME LISTEN CONNECT [WORD=N...]: see tests/tools/relay.c.
relay() {
	local name=$1 near=$2 far=$3
	shift 3
	start "$name" "$BUILD/tools/relay" "$(at "$near")" "$(at "$far")" \
		"${SEED:=$RANDOM}" "$@"
	wait_for test -S "$bus/$near"
}
# Endpoints that a relay stands before are $jobs_at, $commit_at and $mesh_at;
# the bare names are where the programs that bind are.
jobs_at=jobs commit_at=commit mesh_at=mesh
start_join() {
	start join "$IDMESH" join --db "$db" --commit "$(at commit)" "$@"
}
# start_sink [NAME TARGET [ENDPOINT]]
start_sink() {
	start "${1:-sink}" "$IDMESH" sink "${2:-$target}" \
		--commit "$(at "${3:-mesh}")"
}
start_transform() {
	start "$1" "$IDMESH" transform --jobs "$(at $jobs_at)" \
		--commit "$(at $commit_at)" "${@:2}"
}
start_fetch() {
	start fetch "$IDMESH" fetch "$TMP/okta.json" --jobs "$(at jobs)" \
		--commit "$(at $commit_at)" --request-log "$TMP/req" "$@"
}
alive() { kill -0 "$(cat "$TMP/$1.pid")"; }
gone() { ! alive "$1"; }
# ended NAME: waits until it has ended by itself; its code is in $status.
ended() {
	WAIT_SECONDS=${END_SECONDS:-120} wait_for gone "$1"
	stop "$1"
}
# finished NAME: fetch ended well.
finished() {
	ended fetch
	is "$1: fetch is done" "$status" 0
	[ "$status" -eq 0 ] || tail -n 5 "$TMP"/{fetch,join}.log | sed 's/^/# /'
}
said() { grep -Eq -- "$2" "$TMP/$1.log"; }
requests() { [ "$(grep -c . "$TMP/req")" -ge "$1" ]; }
# Messages of the run that is under way that are in join's database.
committed_now() {
	sqlite3 "$db" "SELECT ifnull(sum(seq), 0) FROM checkpoint
		WHERE run = (SELECT pk FROM run WHERE state = 'running')"
}
committed() { [ "$(committed_now)" -ge "$1" ]; }
calls() { curl -s "$url/_sim/stats" | jq .calls; }
mutate() { curl -s -X POST "$url/_sim/mutate" -d "$1" >/dev/null; }

# The undisturbed import of the org as it is now, into $TMP/calm; what it
# asked for is in $TMP/calm.req.
calm() {
	rm -f "$TMP"/calm.db* "$TMP/calm.req"
	"$IDMESH" fetch "$TMP/okta.json" --request-log "$TMP/calm.req" \
		2>/dev/null |
		"$IDMESH" transform 2>/dev/null |
		"$IDMESH" join --db "$TMP/calm.db" >/dev/null 2>&1
	dump_state "$TMP/calm.db" >"$TMP/calm"
	[ -s "$TMP/calm" ] || {
		echo 'Bail out! no undisturbed import'
		exit 1
	}
}
# The same once more, as a full pass behind another one.
calm_again() {
	rm -f "$TMP/calm.req"
	"$IDMESH" fetch "$TMP/okta.json" --request-log "$TMP/calm.req" \
		--resume <("$IDMESH" join begin --db "$TMP/calm.db" \
			okta:contoso --mode full) 2>/dev/null |
		"$IDMESH" transform 2>/dev/null |
		"$IDMESH" join --db "$TMP/calm.db" >/dev/null 2>&1
	dump_state "$TMP/calm.db" >"$TMP/calm"
}
# same NAME: join's mesh is the undisturbed one.
same() {
	dump_state "$db" >"$TMP/dump"
	ok "$1: the mesh is that of an undisturbed import" \
		cmp "$TMP/calm" "$TMP/dump"
}
# same_calls NAME: fetch asked for as much as the undisturbed one.
same_calls() {
	is "$1: nothing was asked for twice" "$(grep -c . "$TMP/req")" \
		"$(grep -c . "$TMP/calm.req")"
}
# caught_up TARGET: it has every change that join has.
caught_up() {
	[ "$("$IDMESH" sink cursor "${1:-$target}")" = "$(sqlite3 "$db" \
		"SELECT id || ':' || newest FROM store")" ]
}
same_target() {
	ok "$1: the target catches up" wait_for caught_up "$target"
	sqlite_state "${target#*:}" >"$TMP/rows"
	ok "$1: the target is that of an undisturbed import" \
		cmp "$TMP/calm" "$TMP/rows"
}
