#!/usr/bin/env bash
# steps-files.sh - who writes small files dies at each step of it: a secret is
# the old one or the new one, and what is left of a lock or a list of scopes
# keeps nobody from running.
. tests/setup.sh
. tests/steps.sh

spoilt=0
export IDMESH_SECRETS_DIR=$TMP/keys
name=okta/contoso/apitoken

# each WHAT PATTERNS HOW CHECK PROGRAM...: dies at each step in turn.
each() {
	local what=$1 on=$2 how=$3 check=$4 n=0 bad=
	shift 4
	while [ -z "$bad" ]; do
		n=$((n + 1))
		rm -f "$TMP/steps"
		spoiled "$on" "$how" $n "$@" >/dev/null 2>"$TMP/why" <"$TMP/new"
		fired || break
		spoilt=$((spoilt + 1))
		"$check" >>"$TMP/why" 2>&1 || bad="$(where) $(tail -n 3 "$TMP/why")"
	done
	is "$what: $how at any step does no harm" "$bad" ''
	ok "$what: there are steps" test $n -gt 1
}

printf new >"$TMP/new"
put_old() { printf old | "$BUILD/idmesh-fetch" secret set $name; }
old_or_new() {
	local is
	is=$(cat "$TMP/keys/$name")
	[ "$is" = old ] || [ "$is" = new ] || {
		echo "the secret is '$is'"
		return 1
	}
	put_old && [ "$(cat "$TMP/keys/$name")" = old ]
}
put_old >/dev/null
for how in kill kill-half kill-after ENOSPC EIO; do
	each 'a secret' '*apitoken*' $how old_or_new \
		"$BUILD/idmesh-fetch" secret set $name
done
unset IDMESH_SECRETS_DIR

org small --users 30 --groups 3 --tier unlimited
source_file "$TMP/okta.json"
fetches() { "$BUILD/idmesh-fetch" "$TMP/okta.json" >/dev/null; }
for how in kill kill-half kill-after ENOSPC EIO; do
	each 'the lock of a tenant' '*/fetch-*.lock' $how fetches \
		"$BUILD/idmesh-fetch" "$TMP/okta.json"
done

jq -n --arg rules "$ROOT/rules" '{sources: ["okta.json"], rules: $rules,
	state: "state.db", sinks: ["ndjson:out.ndjson"]}' >"$TMP/run.json"
runs() { "$BUILD/idmesh-run" "$TMP/run.json" -q; }
for how in kill kill-half kill-after ENOSPC EIO; do
	each 'what run writes' '*/scope.json:*.run' $how runs \
		"$BUILD/idmesh-run" "$TMP/run.json" -q
done
echo "# $spoilt kills and failures"
done_testing
