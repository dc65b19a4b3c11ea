#!/usr/bin/env bash
# netns.sh - two hosts and a cable between them that is cut: fetch and the
# org on one, transforms, join and sink on the other, tcp:// with keys.
#
# The hosts are network namespaces below a user namespace, so that no rights
# are needed where the kernel lets anybody have one.  A cut is an address that
# leads nowhere: packets vanish, and nobody is told.
if [ -z "${TWO_HOSTS:-}" ]; then
	if ! reason=$(unshare --user --map-root-user --net \
		ip link add v0 type veth peer name v1 2>&1); then
		echo '1..1'
		echo "ok 1 - a cable that is cut # SKIP no network namespaces" \
			"here: ${reason:-unshare or ip is missing}"
		exit 0
	fi
	TWO_HOSTS=1 exec unshare --user --map-root-user --net bash "$0"
fi
. tests/setup.sh
WAIT_SECONDS=90 # what waits for the ack timer waits 30 s
. tests/wire.sh

near_at=10.99.0.1
far_at=10.99.0.2
jobs=tcp://$near_at:7001
commit=tcp://$far_at:7002

# --- two hosts ---------------------------------------------------------------
start host unshare --net sleep infinity
host=$pid
far() { nsenter -t "$host" -n "$@"; }
other_net() { [ "$(readlink /proc/$host/ns/net)" != "$(readlink /proc/self/ns/net)" ]; }
wait_for other_net
ip link set lo up
far ip link set lo up
ip link add v0 type veth peer name v1
ip link set v1 netns "$host"
ip addr add $near_at/24 dev v0
far ip addr add $far_at/24 dev v1
ip link set v0 up
far ip link set v1 up
nowhere=02:00:00:00:00:99
deaf_near() { ip neigh replace $far_at lladdr $nowhere dev v0 nud permanent; }
deaf_far() { far ip neigh replace $near_at lladdr $nowhere dev v1 nud permanent; }
heal() {
	ip neigh del $far_at dev v0
	far ip neigh del $near_at dev v1
} 2>/dev/null
links() { ss -Htn state established | grep -c "$near_at.*$far_at"; }
linked() { [ "$(links)" -ge "$1" ]; }
unlinked() { [ "$(links)" -eq 0 ]; }

# --- keys, as message(5) has it ----------------------------------------------
mkdir -p "$TMP"/{near,far}/peers/{fetch,join,transform}
"$IDMESH" keygen "$TMP/near/fetch.key" >/dev/null
for role in join transform; do "$IDMESH" keygen "$TMP/far/$role.key" >/dev/null; done
cp "$TMP/near/fetch.key.pub" "$TMP/far/peers/fetch/near.pub"
cp "$TMP/far/join.key.pub" "$TMP/far/peers/join/far.pub"
cp "$TMP/far/transform.key.pub" "$TMP/far/peers/transform/far.pub"
cp -r "$TMP"/far/peers/{join,transform} "$TMP/near/peers"

org okta --users 4000 --groups 200 --edges 16000 --tier unlimited --latency 60
source_file "$TMP/okta.json"
calm

start_all() {
	start_sink
	start join nsenter -t "$host" -n "$IDMESH" join --db "$db" \
		--commit $commit --to "$(at mesh)" \
		--key "$TMP/far/join.key" --peers "$TMP/far/peers"
	for name in t1 t2; do
		start $name nsenter -t "$host" -n "$IDMESH" transform \
			--jobs $jobs --commit $commit \
			--key "$TMP/far/transform.key" --peers "$TMP/far/peers"
	done
	start_fetch
}
# The one that is not on the bus of wire.sh.
start_fetch() {
	start fetch "$IDMESH" fetch "$TMP/okta.json" --jobs $jobs \
		--commit $commit --request-log "$TMP/req" \
		--key "$TMP/near/fetch.key" --peers "$TMP/near/peers"
}

start_all
ok 'pages come through' wait_for committed 8
ok 'over a link of each' wait_for linked 3
deaf_near
deaf_far
ok 'the cable is cut: fetch misses a transform' wait_for said fetch 'transform is silent'
ok 'and join' wait_for said fetch 'join.*10.99.0.2'
ok 'half-open links are found and closed' wait_for unlinked
ok 'nobody gives up' alive fetch
for name in t1 t2 join; do ok "nor does $name" alive $name; done
heal
before=$(sqlite3 "$db" 'SELECT sum(seq) FROM checkpoint')
ok 'the cable is mended: pages come through again' wait_for committed $((before + 8))
ok 'over new links' wait_for linked 3

# Only one direction: what fetch sends arrives, no answer does.
: >"$TMP/fetch.log"
deaf_far
ok 'half a cut' wait_for said fetch 'is silent'
heal
finished 'a run with a cable that was cut twice'
same 'that run'
same_target 'that run'
for name in t1 t2 join sink; do stop $name; done
unlike 'nothing was dropped or turned away' "$(cat "$TMP"/{fetch,join,t1,t2}.log)" \
	'frames dropped|[1-9][0-9]* turned away'

done_testing
