#!/usr/bin/env bash
# run-hosts.sh - `idmesh run` with an endpoint for other hosts: a transform
# that comes with a key takes part beside those of the run.
. tests/setup.sh
. tests/ports.sh

org sim --users 1500 --groups 60 --edges 6000 --tier unlimited --seed 7 \
	--latency 200
mkdir -p "$TMP/conf/peers"/{fetch,join,transform}
source_file "$TMP/conf/okta.json"
for name in near far; do "$IDMESH" keygen "$TMP/conf/$name.key" >/dev/null; done
cp "$TMP/conf/near.key.pub" "$TMP/conf/peers/fetch/near.pub"
cp "$TMP/conf/near.key.pub" "$TMP/conf/peers/join/near.pub"
cp "$TMP/conf/far.key.pub" "$TMP/conf/peers/transform/far.pub"
commit=tcp://127.0.0.1:$(free_port)
jobs=tcp://127.0.0.1:$(free_port)
# run_file [JQ]
run_file() {
	jq -n --arg commit "$commit" --arg jobs "$jobs" '{sources: ["okta.json"],
		sinks: ["sqlite:mesh.db"], workers: 1, hosts: {key: "near.key",
		peers: "peers", commit: $commit, jobs: [$jobs]}} | '"${1:-.}" \
		>"$TMP/conf/idmesh.json"
}

wrong() { # NAME JQ REGEX
	run_file "$2"
	run "$IDMESH" run "$TMP/conf/idmesh.json"
	like "$1" "$status:$err" "^100:.*$3"
}
wrong 'an endpoint too many' '.hosts.jobs += ["tcp://127.0.0.1:9"]' \
	'hosts.jobs has 2 endpoints for 1 tenants'
wrong 'an endpoint of this host only' '.hosts.commit = "ipc:///tmp/x"' \
	'idmesh.json:[0-9]+: commit: is no endpoint for other hosts'
wrong 'half of it' 'del(.hosts.key)' 'hosts.key is missing; write "key"'

# As soon as the run's fetch listens, so that it is there for most of the round.
listens() { [ -n "$(ss -Hltn "sport = :${jobs##*:}")" ]; }
gone() { ! kill -0 "$(cat "$TMP/$1.pid")"; }
# round NAME OPTION...: a run, and a transform of this name beside it.
round() {
	local name=$1
	shift
	start run "$IDMESH" run "$TMP/conf/idmesh.json" -q "$@"
	wait_for listens
	start "$name" "$IDMESH" transform --jobs "$jobs" --commit "$commit" \
		--key "$TMP/conf/far.key" --peers "$TMP/conf/peers"
	wait_for gone run
	stop "$name"
	stop run
	err=$(cat "$TMP/run.log")
}

run_file
round far
is 'a run with a door for others' "$status" 0
like 'the transform from outside took part' "$(cat "$TMP/far.log")" \
	'[1-9][0-9]* pages, [1-9][0-9]* records'
is 'everything is there' "$(sqlite3 "$TMP/conf/mesh.db" \
	'select count(*) from GroupMember')" 6000
unlike 'nobody was turned away, nothing was dropped' "$err$(cat "$TMP/far.log")" \
	'turned away|frames dropped|came to nothing'

rm "$TMP/conf/peers/transform/far.pub"
round stranger --mode full --json
is 'without its key it does not' "$status" 0
is 'the summary counts it' "$(jq -c '[.dropped, .refused > 0]' "$TMP/run.out")" '[0,true]'
like 'and is told so' "$(cat "$TMP/stranger.log")" 'turns our key away'
like 'the run says who it was' "$err" 'was turned away: no file'

done_testing
