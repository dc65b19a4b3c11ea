#!/usr/bin/env bash
# resume.sh - who is started again goes on where it was: fetch behind the last
# page that is committed, join at its database; and two fetches of a source
# are one too many, even when the word of it is lost.
. tests/setup.sh
. tests/wire.sh

# How often the listing of everybody was begun.
begun() { jq -r .path,.query "$TMP/req" | grep -A1 '^/api/v1/users$' | grep -cx 'limit=200'; }

org okta --users 4000 --groups 120 --edges 10000 --tier unlimited --latency 40
source_file "$TMP/okta.json"
calm
calm_again
whole=$(grep -c . "$TMP/calm.req")

# --- fetch dies three times in one run
start_join
start_transform t1
start_fetch
finished 'the first import'
: >"$TMP/req"
for n in 25 60 95; do
	start_fetch --mode full
	wait_for committed $n
	stop fetch KILL
done
start_fetch --mode full
finished 'fetch died three times'
same 'fetch died three times'
is 'fetch died three times: it was one run' \
	"$("$IDMESH" join runs --db "$db" --json | jq -s 'length')" 2
total=$(grep -c . "$TMP/req")
echo "# $total calls instead of $whole"
# Each time it asks again for what was on its way at most: the window.
ok 'fetch died three times: it did not begin at the start' \
	test "$total" -le $((whole + 3 * 32))

# --- a cursor that the server does not take any more: that stream only
: >"$TMP/req"
start_fetch --mode full
wait_for committed 40
stop fetch KILL
curl -s -X POST "$url/_sim/fault" -d '[{"match": "/api/v1/users",
	"nth": 1, "count": 1, "kind": "badcursor"}]' >/dev/null
start_fetch --mode full
finished 'a refused cursor'
same 'a refused cursor'
like 'a refused cursor: it is said' "$(cat "$TMP/fetch.log")" \
	'User: .*starts over'
is 'a refused cursor: that listing began again' \
	"$(begun)" 2
ok 'a refused cursor: the others did not' \
	test "$(grep -c '/{id}/users' "$TMP/req")" -le $((120 + 32))

# --- join dies under a run: the window is sent again, nothing is asked again
: >"$TMP/req"
start_fetch --mode full
for n in 30 70 110; do
	wait_for committed $n
	stop join KILL
	start_join
done
finished 'join died three times'
same 'join died three times'
is 'join died three times: nothing was asked for twice' \
	"$(grep -c . "$TMP/req")" "$whole"

# --- another fetch takes over, and the word of it gets lost
commit_at=deaf
relay deaf deaf commit lose-fenced=1
: >"$TMP/req"
start_fetch --mode full
wait_for committed 20
mv "$TMP/fetch.pid" "$TMP/first.pid"
mv "$TMP/fetch.log" "$TMP/first.log"
url=http://localhost:${url##*:}
commit_at=commit
mv "$TMP/okta.json" "$TMP/first.json"
source_file "$TMP/okta.json"
start fetch "$IDMESH" fetch "$TMP/okta.json" --jobs "$(at jobs2)" \
	--commit "$(at commit)" --mode full
ended first
is 'a fetch that was taken over: temporary failure' "$status" 111
like 'a fetch that was taken over: says so' "$(cat "$TMP/first.log")" \
	'another fetch took over'
start t2 "$IDMESH" transform --jobs "$(at jobs2)" --commit "$(at commit)"
finished 'the one that took over'
same 'the one that took over'
stop deaf
like 'the word of it was lost' "$(cat "$TMP/deaf.out")" ' 1 lost'
for name in t1 t2 join; do stop $name; done
done_testing
