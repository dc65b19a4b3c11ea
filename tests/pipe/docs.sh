#!/usr/bin/env bash
# docs.sh - every example in the documents works, as it is printed.
#
# Takes the indented blocks of README.md, the literal parts of the EXAMPLES
# sections of the man pages and all blocks of rules(7), and runs each: shell
# in a folder such as an operator has, with an org behind okta.json; JSON
# through the reader of configurations; Lua through `idmesh transform check`.
# What an example may not do in a test is listed in prepared(), with what is
# done instead.
. tests/setup.sh
. tests/entra.sh
unset IDMESH_SECRET_OKTA_CONTOSO_APITOKEN IDMESH_RULES
export IDMESH_SECRETS_DIR=$TMP/secrets TOKEN
WORLD=$TMP/world
mkdir -p "$WORLD" "$TMP/examples" "$TMP/run"

# --- out of the documents: one file for each example
# from_readme FILE: blocks indented by four, NAME-NN.
from_readme() {
	awk -v out="$TMP/examples/${1//\//-}" '
		/^    / {
			if (!inside)
				file = sprintf("%s-%02d", out, ++n)
			inside = 1
			print substr($0, 5) >file
			next
		}
		/^$/ { next }
		{ inside = 0 }' "$1"
}

# from_page FILE: .Dl lines and .Bd -literal blocks below EXAMPLES; the blocks
# of a page of section 7 wherever they are, for there they are the lesson.
from_page() {
	local everywhere=0
	[[ $1 == *.7 ]] && everywhere=1
	awk -v out="$TMP/examples/${1//\//-}" -v everywhere=$everywhere '
		function plain(text) {
			gsub(/\\&/, "", text)
			gsub(/\\-/, "-", text)
			gsub(/\\\(ba/, "|", text)
			gsub(/\\\(dq/, "\"", text)
			gsub(/\\\(aq/, "\047", text)
			gsub(/\\e/, "\\", text)
			return text
		}
		function begin() { file = sprintf("%s-%02d", out, ++n) }
		/^\.Sh / { here = /^\.Sh EXAMPLES/; next }
		!here && !everywhere { next }
		/^\.Bd .*literal/ { begin(); inside = 1; next }
		/^\.Ed/ { inside = 0; next }
		inside { print plain($0) >file; next }
		here && /^\.D[l1] / {
			text = plain(substr($0, 5))
			if (!more)
				begin()
			more = text ~ /(\\|\|)$/
			print text >file
			next
		}
		{ more = 0 }' "$1"
}

# A block with prompts: only what is typed.
typed() {
	if grep -q '^\$ ' "$1"; then
		sed -n 's/^[$>] //p' "$1" >"$1.typed"
		mv "$1.typed" "$1"
	fi
}

kind_of() {
	case $(head -n 1 "$1") in
	*'-->'*) echo picture ;;
	'{"v":'*) echo message ;;
	'{'*) echo json ;;
	'test "'*) echo rules_test ;;
	'map "'* | 'scope "'* | 'quiet "'* | 'guard {'* | 'test {'* | 'join "'* | \
		'flow "'* | 'life "'* | '-- '* | 'local '*) echo lua ;;
	*) echo shell ;;
	esac
}

# --- what is done with each kind
# Documents speak of an org in the world; the test has one of its own.
here() {
	jq --arg url "$url" --arg tenant "$TENANT" '.ConfigJson.BaseUrl = $url |
		if .connector == "entra" then .ConfigJson.AuthorityUrl = $url |
			.ConfigJson.TenantId = $tenant else . end' "$1"
}

json_example() {
	if jq -e 'has("ConfigJson")' "$1" >/dev/null; then
		here "$1" >"$WORLD/example.json" &&
			(cd "$WORLD" && idmesh fetch test example.json)
	else
		mkdir -p "$WORLD/var" &&
			sed "s,/var/lib/idmesh/contoso,$WORLD/var," "$1" \
				>"$WORLD/example-run.json" &&
			(cd "$WORLD" && idmesh run example-run.json)
	fi
}

message_example() {
	jq -e 'select(.v != 1 or (.kind | type) != "string")' "$1" && return 1
	jq empty "$1"
}

# An example is a whole file when it maps, else an addition to what ships.
lua_example() {
	local dir
	dir=$(mktemp -d "$TMP/rules.XXXXXX")
	if grep -q '^map "' "$1"; then
		cp "$1" "$dir/okta.lua"
	else
		cp rules/*.lua "$dir" && cp "$1" "$dir/zz-example.lua"
	fi
	idmesh transform check --rules "$dir"
}

# Tests of the rules that ship.
rules_test_example() {
	local dir
	dir=$(mktemp -d "$TMP/rules.XXXXXX")
	cp rules/okta.lua "$dir" && cp "$1" "$dir/example_test.lua"
	idmesh transform test --rules "$dir"
}

# Documents speak of Ann; who there is in the org of the test is not known.
somebody() { sqlite3 "$WORLD/mesh.db" 'SELECT login FROM "User" LIMIT 1'; }

# What cannot be done in a test, and what stands for it.
prepared() {
	# shellcheck disable=SC2016 # for the shell that runs the example
	sed -E -e 's,^make demo.*,BUILD="$TMP/demo" "$ROOT/scripts/demo",' \
		-e 's,^make ([a-z]+).*,make -C "$ROOT" -n BUILD="$BUILD" \1,' \
		-e "s,/run/idmesh,$TMP/run,g" -e 's,10\.0\.0\.1,127.0.0.1,g' \
		-e "s,(explain --db state.db )[^ ]*,\\1$(somebody)," "$1"
}

# Lines that go on with a pipe or a backslash are one command.
commands() {
	sed -E -e ':a' -e '/\\$/{N;s/\\\n */ /;ba' -e '}' \
		-e '/\|$/{N;s/\n */ /;ba' -e '}'
}

# Programs with endpoints serve until SIGTERM: all but fetch in the
# background, fetch to its end, then the others in the order of the flow.
service_example() {
	local line code=0 pids=() pid
	while IFS= read -r line; do
		if [[ $line == *'idmesh fetch'* ]]; then
			(cd "$WORLD" && timeout 60 bash -c "$line") || code=$?
		elif [ -n "$line" ]; then
			(cd "$WORLD" && exec bash -c "exec $line") &
			pids+=($!)
			started+=($!)
		fi
	done < <(prepared "$1" | commands | awk '
		/idmesh fetch/ { fetch = fetch $0 "\n"; next }
		{ print }
		END { printf "%s", fetch }')
	for pid in ${pids[@]+"${pids[@]}"}; do
		kill -TERM "$pid"
		wait "$pid" || code=$?
	done
	return "$code"
}

# With --every it runs until it is stopped: one round to its summary, then
# SIGTERM.
scheduled_example() {
	local code=0 log=$WORLD/scheduled.log
	: >"$log"
	(cd "$WORLD" && exec bash -c "exec $(prepared "$1")") >"$log" 2>&1 &
	local pid=$!
	started+=("$pid")
	wait_for grep -q '^okta:contoso run [0-9]*: ' "$log" || code=1
	kill -TERM "$pid"
	wait "$pid" || code=$?
	tail -n 20 "$log"
	return "$code"
}

shell_example() {
	case $(<"$1") in
	*--every*) scheduled_example "$1" ;;
	*--commit* | *--jobs*) service_example "$1" ;;
	*)
		[[ $(<"$1") != *'join replay'* ]] ||
			(cd "$WORLD" && idmesh run idmesh.json --mode full -q)
		prepared "$1" >"$WORLD/example.sh"
		(cd "$WORLD" && timeout 180 bash -eo pipefail example.sh </dev/null)
		;;
	esac
}

# --- the operator's folder: the files are those of config(5)
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=doc -days 2 \
	-keyout "$TMP/key.pem" -out "$TMP/cert.pem" 2>"$TMP/openssl.log"
org doc --users 300 --groups 12 --edges 900 --tier unlimited --entra 60 \
	--app "$APP" --app-cert "$TMP/cert.pem"
(umask 077 && mkdir -p "$TMP/secrets/entra/contoso" &&
	printf %s "$APP_SECRET" >"$TMP/secrets/entra/contoso/secret" &&
	cp "$TMP/key.pem" "$TMP/cert.pem" "$TMP/secrets/entra/contoso" &&
	cd "$TMP/secrets/entra/contoso" && mv key.pem key && mv cert.pem cert)
chmod 600 "$TMP"/secrets/entra/contoso/*
from_readme README.md
for page in */*.[157]; do
	from_page "$page"
done
for file in "$TMP"/examples/*; do
	typed "$file"
done
ln -s "$BUILD" "$WORLD/build"
cp -r rules "$WORLD/rules"
ln -s "$BUILD" "$WORLD/bin"
cp -r rules "$WORLD/new-rules"
mkdir "$TMP/demo"
ln -s "$BUILD"/idmesh* "$BUILD/orgsim" "$TMP/demo"
PATH=$WORLD/bin:$PATH
export IDMESH_RULES=$WORLD/rules
for file in "$TMP"/examples/lib-config.5-*; do
	jq -e 'has("ConfigJson")' "$file" >/dev/null &&
		here "$file" >"$WORLD/$(jq -r .connector "$file").json"
	[ -e "$WORLD/idmesh.json" ] ||
		! jq -e 'has("sources")' "$file" >/dev/null ||
		jq '.keepRaw = true' "$file" >"$WORLD/idmesh.json"
done
ok 'config(5) has a source file and a run file' \
	test -s "$WORLD/okta.json" -a -s "$WORLD/idmesh.json"

# --- every document has examples, and every example works
for page in README.md */*.1 lib/*.5 rules/rules.7; do
	ok "$page has examples" \
		bash -c "ls '$TMP/examples/${page//\//-}-'*"
done
# The README first: it fills the folder that the pages speak of.
for file in "$TMP"/examples/README.md-* "$TMP"/examples/*.[157]-*; do
	kind=$(kind_of "$file")
	name="$(basename "$file"): $(head -n 1 "$file" | cut -c 1-60)"
	[ "$kind" = picture ] && continue
	ok "$name" "${kind}_example" "$file"
done
unlike 'no example shows the token' \
	"$(grep -rlF "$TOKEN" "$WORLD" 2>/dev/null)" .
done_testing
