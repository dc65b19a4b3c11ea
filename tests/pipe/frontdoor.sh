#!/usr/bin/env bash
# frontdoor.sh - `idmesh` and what every program promises at its command line:
# help that fits, wrong use that is explained and ends with 100, output that
# cannot be written ends with 111, and no colours where nobody sees them.
. tests/setup.sh
export LC_ALL=C.UTF-8

# The commands that help names, and the subcommands that each one names.
commands=$("$IDMESH" help | sed -n 's/^  \([a-z]*\) .*/\1/p' | sort -u)
subcommands() {
	"$IDMESH" "$1" --help | grep -oE "idmesh $1 [a-z|]+" |
		sed "s/^idmesh $1 //" | tr '|' '\n' | sort -u
}
width() { awk 'length > m { m = length } END { print m + 0 }' <<<"$1"; }
# The options in the table of a help text, not those in its prose.
options() { sed -nE 's/^ +(-[a-z], )?(--[a-z-]+).*/\2/p' <<<"$1" | sort -u; }

# near COMMAND OPTION: one letter too many is explained.
near() {
	# shellcheck disable=SC2086 # a command and its subcommand
	run "$IDMESH" $1 "${2}x"
	is "$1 ${2}x: 100" "$status:$out" 100:
	like "$1 ${2}x: what was meant" "$err" \
		"unknown option ${2}x; did you mean $2\?"
}

# --- the front door itself
is 'the commands are as many as there are' "$(paste -sd ' ' <<<"$commands")" \
	'demo fetch join keygen run secret sink transform'
run "$IDMESH"
is 'no command: help' "$status:${out%% COMMAND*}:$err" '0:usage: idmesh:'
help=$out
for word in help --help -h; do
	run "$IDMESH" $word
	is "$word" "$status:$out:$err" "0:$help:"
done
ok 'help fits 80 columns' test "$(width "$help")" -le 80
run "$IDMESH" --version
version=$(sed -n 's/^VERSION := //p' Makefile)
is '--version' "$status:$out:$err" "0:idmesh $version:"
run "$IDMESH" frobnicate
is 'unknown command: 100, nothing on stdout' "$status:$out" 100:
like 'unknown command: named' "$err" 'unknown command frobnicate'
run "$IDMESH" help frobnicate
is 'help of an unknown command: 100' "$status:$out" 100:

# --- every command and subcommand
for command in $commands; do
	[ "$command" = demo ] && continue # takes a minute, and no options
	run "$IDMESH" "$command" --version
	is "$command --version" "$status:$err" 0:
	like "$command --version: of this release" "$out" " $version\$"
	run "$IDMESH" "$command" --help
	is "help $command is $command --help" \
		"$("$IDMESH" help "$command")" "$out"
	for sub in '' $(subcommands "$command"); do
		name=${command}${sub:+ $sub}
		# shellcheck disable=SC2086 # a command and its subcommand
		run "$IDMESH" $name --help
		is "$name --help: 0, nothing on stderr" "$status:$err" 0:
		like "$name --help: says how to use it" "$out" \
			"^usage: idmesh $name( |\$)|^ +idmesh $name( |\$)"
		ok "$name --help fits 80 columns" test "$(width "$out")" -le 80
		for long in $(options "$out" | grep -vx -e --help -e --version); do
			near "$name" "$long"
		done
		# shellcheck disable=SC2086
		run "$IDMESH" $name --frobnicate
		is "$name --frobnicate: 100" "$status:$out" 100:
		like "$name --frobnicate: named" "$err" 'unknown option --frobnicate'
		# shellcheck disable=SC2086
		run "$IDMESH" $name -Z
		is "$name -Z: 100" "$status:$out" 100:
		like "$name -Z: says so" "$err" 'unknown option -Z'
		# shellcheck disable=SC2086
		timeout 10 "$IDMESH" $name --help >/dev/full 2>"$TMP/err"
		is "$name --help on a full disk: 111" $? 111
		# shellcheck disable=SC2086
		timeout 10 "$IDMESH" $name --help >&- 2>"$TMP/err"
		is "$name --help, stdout closed: 111" $? 111
	done
done
timeout 10 "$IDMESH" help >/dev/full 2>"$TMP/err"
is 'help on a full disk: 111' $? 111
timeout 10 "$IDMESH" --version >/dev/full 2>"$TMP/err"
is '--version on a full disk: 111' $? 111

# --- what is missing or too much
while read -r words; do
	# shellcheck disable=SC2086
	run "$IDMESH" $words </dev/null
	is "$words: 100" "$status:$out" 100:
	like "$words: says what is wrong" "$err" 'missing|unexpected|needs|unknown'
	like "$words: says where to read on" "$err" "[Tt]ry 'idmesh "
done <<'END'
fetch
fetch test
fetch --resume
fetch test a.json b.json
fetch forecast
fetch forecast --since
transform operand
transform describe operand
join
join operand
join begin
join runs
join --db
sink
sink cursor
sink cursor sqlite:a.db sqlite:b.db
sink sqlite:a.db sqlite:b.db
secret
secret set
secret which
run
run a.json b.json
END
run "$IDMESH" transform -j many </dev/null
is 'a number that is none: 100' "$status" 100
like 'a number that is none: named' "$err" 'many is not a number'

# --- `idmesh X` is idmesh-X, wherever it is called from
mkdir -p "$TMP/tree/build" "$TMP/tree/rules" "$TMP/usr/bin" \
	"$TMP/usr/share/idmesh/rules" "$TMP/elsewhere" "$TMP/bin"
touch "$TMP/tree/rules/okta.lua" "$TMP/usr/share/idmesh/rules/okta.lua"
for folder in "$TMP/tree/build" "$TMP/usr/bin"; do
	cp "$IDMESH" "$folder/idmesh"
	# shellcheck disable=SC2016 # for the program, not for us
	printf '#!/bin/sh\nprintf "<%%s>" "$@"\necho "${IDMESH_RULES-$IDMESH_RULES_DEFAULT}"\nexit 42\n' \
		>"$folder/idmesh-fetch"
	chmod +x "$folder/idmesh-fetch"
done
tree=$(realpath "$TMP/tree")
usr=$(realpath "$TMP/usr")
unset IDMESH_RULES
run "$TMP/tree/build/idmesh" fetch 'two words' '' '*'
is 'a tree: words, exit code and rules arrive' "$status:$out" \
	"42:<two words><><*>$tree/rules"
rules=$usr/share/idmesh/rules
[ -e /etc/idmesh/rules/okta.lua ] && rules=/etc/idmesh/rules
run "$TMP/usr/bin/idmesh" fetch x
is 'an installation: its rules' "$status:$out" "42:<x>$rules"
ln -s ../tree/build/idmesh "$TMP/bin/idmesh"
run env -C "$TMP/elsewhere" ../bin/idmesh fetch x
is 'through a symlink, from another folder' "$status:$out" "42:<x>$tree/rules"
run env -C "$TMP/elsewhere" PATH="$TMP/bin:$PATH" idmesh fetch x
is 'through PATH' "$status:$out" "42:<x>$tree/rules"
run env IDMESH_RULES=/mine "$TMP/bin/idmesh" fetch x
is 'IDMESH_RULES wins' "$status:$out" '42:<x>/mine'
run "$TMP/bin/idmesh" secret set x
is 'secret is of fetch' "$status:$out" "42:<secret><set><x>$tree/rules"
ln -s "$IDMESH" "$TMP/bin/real"
run env -C "$TMP/elsewhere" "$TMP/bin/real" run --version
is 'the real one through a symlink' "$status:$out" "0:idmesh run $version"
export IDMESH_RULES=$ROOT/rules

# --- colours
escape=$(printf '\033')
plain() {
	local name=$1
	shift
	run env -u NO_COLOR "$@"
	unlike "$name: no escape codes in a pipe" "$out$err" "$escape"
	run env NO_COLOR=1 script -qec "$(printf '%q ' "$@")" /dev/null </dev/null
	unlike "$name: none in a terminal with NO_COLOR" "$out$err" "$escape"
	like "$name: the terminal saw something" "$out" idmesh
}
plain help "$IDMESH" help
plain 'fetch --help' "$IDMESH" fetch --help
plain 'an error' "$IDMESH" sink nosuch:target
plain 'a file that is not there' "$IDMESH" run "$TMP/nosuch.json"
done_testing
