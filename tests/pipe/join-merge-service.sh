#!/usr/bin/env bash
# join-merge-service.sh - two sources that race towards a service make the mesh
# that a pipe makes, ids included; a service that dies goes on with its merge.
. tests/setup.sh
. tests/records.sh
. tests/merge.sh

rules "$usual"
FEED=$BUILD/tools/feed
in=ipc://$TMP/run/join

# people LETTER SOURCE N: a full run of so many, some without a number.
people() {
	awk -v k="$1" -v source="$2" -v n="$3" '
	function put(id, attrs) {
		return sprintf(",{\"id\":\"%s\",\"op\":\"put\",\"hash\":\"%032x\",\"attrs\":%s}", id, ++hash, attrs)
	}
	BEGIN {
		for (i = 1; i <= n; i++) {
			list = list put(k i, sprintf("{\"email\":\"P%d@x\"%s}", i % 900, k == "o" && i % 3 ? ",\"employeeNumber\":\"" i "\"" : ""))
			if (i % 100 == 0) {
				printf "{\"v\":1,\"kind\":\"records\",\"source\":\"%s\",\"stream\":\"User\",\"run\":0,\"epoch\":0,\"seq\":%d,\"n\":100,\"mode\":\"full\",\"rules\":\"r1\",\"records\":[%s]}\n", source, ++seq, substr(list, 2)
				list = ""
			}
		}
		printf "{\"v\":1,\"kind\":\"end\",\"source\":\"%s\",\"stream\":\"User\",\"run\":0,\"epoch\":0,\"seq\":%d,\"n\":%d,\"mode\":\"full\",\"complete\":true,\"watermark\":\"2026-04-22T08:10:30.000Z\",\"certificate\":{\"chain\":true}}\n", source, ++seq, n
	}'
}
people o $O 1000 >"$TMP/o"
people e $E 1000 >"$TMP/e"
db=$TMP/pipe.db
cat "$TMP/o" "$TMP/e" | merge
want=$(mesh)
is 'the pipe has joined and held some' \
	"$(sqlite3 "$db" 'SELECT count(*) > 500, (SELECT count(*) > 50 FROM held) FROM body WHERE contributors LIKE "%,%"')" '1|1'

serve() {
	start join "$JOIN" --db "$db" --rules "$TMP/rules" --commit "$in" "$@"
	server=$pid
	wait_for test -S "$TMP/run/join"
}
merged() { [ "$(left_over)" = '0 0 0' ] && [ "$(sqlite3 "$db" 'SELECT count(*) > 0 FROM body')" = 1 ]; }
ended() { [ "$(sqlite3 "$db" "SELECT count(*) FROM checkpoint WHERE phase = 'done'")" = "$1" ]; }
all_done() { ended 2 && merged; }

for order in 'o e' 'e o'; do
	db=$TMP/race${order% *}.db
	serve --with $O --with $E
	for k in $order; do
		start "feed$k" "$FEED" "$in" "$TMP/$k" "$k:1:1"
	done
	wait_for all_done
	is "$order: racing sources make the same mesh" \
		"$(mesh | sha256sum)" "$(sha256sum <<<"$want")"
	kill "$server"
	wait "$server" 2>/dev/null
done

# --- one comes alone and is silent for the other: SIGTERM merges what there is
db=$TMP/one.db
serve --with $E
start feedo "$FEED" "$in" "$TMP/o" o:1:1
wait_for ended 1
is 'a source that is awaited holds the merge' \
	"$(sqlite3 "$db" 'SELECT state FROM merge')" due
kill "$server"
wait "$server" 2>/dev/null
is 'until join is asked to stop' "$(left_over):$(count)" '0 0 0:1000'

# --- another type is merged while users are still read: nothing of them shows ---------
db=$TMP/judged.db
rules "$usual guard { change = { attributes = { \"login\" }, max = 0 } }"
whole $O User "$(person o1 1 a@x '"manager":"boss"')" "$(person o2 2 b@x '"login":"boss"')" | merge
before=$(shape)
whole $E Group "$(put h1 '{"name":"a"}')" >"$TMP/group"
mode=delta
whole $O User "$(person o2 2 b@x)" >"$TMP/lost"
serve
head -n 1 "$TMP/lost" >"$TMP/half"
run "$FEED" "$in" "$TMP/half" one auto
is 'a fetch is gone before its users have ended' "$status" 0
run "$FEED" "$in" "$TMP/group"
grouped() { [ "$(shape Group)" = 'h1 {"name":"a"}' ]; }
ok 'groups are merged' wait_for grouped
is 'who lost a key is still found by it' "$(shape)" "$before"
run "$FEED" "$in" "$TMP/lost" two auto
wait_for grep -q 'guard change' "$TMP/join.log"
is 'and the guard stops that' "$(shape)" "$before"
stop join

done_testing
