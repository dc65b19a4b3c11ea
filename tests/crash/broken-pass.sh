#!/usr/bin/env bash
# broken-pass.sh - full passes that break off, because the server refuses
# every cursor or because a stage dies between two pages: nobody leaves who
# was not listed, until a pass is whole.
. tests/setup.sh
. tests/steps.sh

db=$TMP/state.db
target=sqlite:$TMP/mesh.db
org broken --users 108 --groups 5 --edges 200 --tier unlimited --seed 5 \
	--page-max 10
source_file "$TMP/okta.json"
pipeline "$TMP/okta.json" "$db" "$target"
is 'the first import ends well' "$pipe_status" '0 0 0 0'
dump_state "$db" >"$TMP/want"
users=$(grep -c '"type":"User"' "$TMP/want")
ok 'its last page is one that the guard lets go' \
	test $((users % 10)) -gt 0 -a $((users % 10)) -lt 5

unchanged() {
	diff "$TMP/want" <(dump_state "$db") &&
		diff "$TMP/want" <(sqlite_state "$TMP/mesh.db")
}
curl -sf -X POST "$url/_sim/fault" -d '[{"match": "/api/v1/users",
	"nth": '$((users / 10))', "count": 1000, "kind": "badcursor"}]' >/dev/null
pipeline "$TMP/okta.json" "$db" "$target" full
like 'a pass without its last page is not whole' "$pipe_status" '^111 '
ok 'and nobody has left' unchanged
curl -sf -X POST "$url/_sim/fault" -d '[]' >/dev/null

# A transform that dies behind so many pages.
for pages in 3 9 14; do
	"$IDMESH" fetch "$TMP/okta.json" --resume <("$JOIN" begin --db "$db" \
		--mode full okta:contoso) 2>/dev/null |
		"$IDMESH" transform 2>/dev/null | head -n $pages |
		"$JOIN" --db "$db" --after "$(place "$target")" 2>/dev/null |
		"$SINK" "$target" 2>/dev/null
	ok "transform dies behind page $pages: nobody has left" unchanged
done
pipeline "$TMP/okta.json" "$db" "$target" full
is 'the pass that goes on to its end ends well' "$pipe_status" '0 0 0 0'
ok 'and changes nothing' unchanged
gone=$(curl -sf -X POST "$url/_sim/mutate" -d '{"delete": 2}' |
	jq -r '.delete | length')
pipeline "$TMP/okta.json" "$db" "$target" full
is 'so does the next' "$pipe_status" '0 0 0 0'
calm_import
ok 'which is as an undisturbed one' diff "$TMP/calm" <(dump_state "$db")
is 'who is deleted has left' "$(grep -c '"type":"User"' "$TMP/calm")" \
	$((users - gone))
ok 'all is sound' sound "$db"
done_testing
