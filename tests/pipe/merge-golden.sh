#!/usr/bin/env bash
# merge-golden.sh - the situations in which two sources meet, one file each.
#
# tests/golden/merge/NAME.case tells a story: raw records of Okta and Entra ID
# that come in one run after the other, and what the operator then types, with
# what is printed.  `UPDATE=1 tests/pipe/merge-golden.sh [NAME...]` writes down
# what is printed now, to be read before it is committed.
#
#   == okta:contoso User full       a run of one stream: records, one a line
#   == entra:contoso User delta     (also: incomplete, which ends early)
#   @okta 1-60 JQ                   sixty made-up people, changed by a filter
#   $ idmesh join explain ann       a command, and below it what it prints
. tests/setup.sh

cases=$ROOT/tests/golden/merge
export IDMESH_RULES=$TMP/rules
mkdir "$TMP/bin"
ln -s "$BUILD"/idmesh* "$TMP/bin"
PATH=$TMP/bin:$PATH

# people CONNECTOR FROM-TO FILTER: records such as the source would send.
people() {
	jq -cn --arg connector "$1" --argjson from "${2%-*}" \
		--argjson to "${2#*-}" '
		def two: tostring | if length < 2 then "0" + . else . end;
		range($from; $to + 1) | tostring as $n | two as $nn |
		if $connector == "okta" then {id: "00u\($nn)",
			status: "ACTIVE", profile: {
			login: "p\($n)@example.com",
			email: "p\($n)@example.com", firstName: "Pat",
			lastName: "No\($n)", employeeNumber: "E\($n)"}}
		else {id: "e\($nn)", accountEnabled: true,
			userPrincipalName: "p\($n)@example.com",
			mail: "p\($n)@example.com", givenName: "Pat",
			surname: "No\($n)", employeeId: "E\($n)"} end' |
		jq -c "${3:-.}"
}

records() {
	local line rest
	while IFS= read -r line; do
		case $line in
		@*)
			read -r line rest <<<"${line#@}"
			people "$line" "${rest%% *}" \
				"$(sed 's/^[^ ]* *//' <<<"$rest")"
			;;
		*) printf '%s\n' "$line" ;;
		esac
	done
}

# A stream of one page, as fetch would send it.
stream() {
	local source=$1 type=$2 mode=$3 complete=true extra=
	[ "$mode" = incomplete ] && complete=false mode=full
	case $source:$type in
	*:GroupMember) extra=',"key":["$context.groupId","id"]' ;;
	entra:*) extra=',"removed":"@removed.reason"' ;;
	esac
	records | jq -cs --arg source "$source" --arg type "$type" \
		--arg mode "$mode" --argjson complete $complete \
		--arg at "$at" --argjson extra "{${extra#,}}" '
		def head($kind; $seq): {v: 1, kind: $kind, source: $source,
			stream: $type, run: 0, epoch: 0, seq: $seq,
			n: length, mode: $mode, at: $at};
		(group_by(if $type == "GroupMember" then .groupId else 0 end) as $pages |
		($pages | to_entries[] | .key as $i | .value |
			head("page"; $i + 1) + $extra +
			(if $type == "GroupMember" then {context:
				{groupId: .[0].groupId}, last: true}
			else {} end) + {state: {}, records: map(del(.groupId))}),
		(length as $n | head("end"; ($pages | length) + 1) +
			{n: 0, complete: $complete, watermark: $at,
			certificate: {chain: true, restarts: 0}}))'
}

# One part of a story, whose first line says what it is, and what came of it.
play() {
	local verb=$1 part=$2 code
	printf '%s\n' "$verb"
	case $verb in
	'== '*)
		cat "$part"
		# shellcheck disable=SC2086 # source, type and mode
		stream ${verb#== } <"$part" | idmesh transform 2>log |
			idmesh join --db state.db >>changes 2>join.log
		code=$?
		[ $code -eq 0 ] || sed -n 's/^idmesh-join: \(warning\|error\): //p' join.log
		[ $code -le 1 ] || cat log join.log
		;;
	'$ '*)
		bash -c "${verb#$ }" 2>&1
		code=$?
		[ $code -eq 0 ] || echo "(exit $code)"
		;;
	esac
	echo
}

# Plays a case in a folder of its own and writes it down as it went: a part
# begins with == or $, what stands before the first one is its title.
story() {
	local line verb='' n=0 at
	rm -rf "$TMP/story" "$TMP/rules"
	mkdir "$TMP/story"
	cp -r "$ROOT/rules" "$TMP/rules"
	cp "$cases/rules.lua" "$TMP/rules/merge.lua"
	cd "$TMP/story" || return 1
	while IFS= read -r line; do
		case $line in
		'== '* | '$ '*)
			at=2026-04-$((10 + (n += 1)))T08:00:00.000Z
			[ -n "$verb" ] && play "$verb" part
			verb=$line
			: >part
			;;
		'{'* | '@'*) printf '%s\n' "$line" >>part ;;
		*) [ -n "$verb" ] || printf '%s\n' "$line" ;;
		esac
	done
	play "$verb" part
	cd "$ROOT" || return 1
}

[ $# -gt 0 ] || set -- "$cases"/*.case
for file in "$@"; do
	[ -f "$file" ] || file=$cases/$file.case
	story <"$file" >"$TMP/told" 2>"$TMP/trouble"
	if [ -n "${UPDATE:-}" ]; then
		cp "$TMP/told" "$file"
	fi
	ok "$(basename "$file" .case): $(head -n 1 "$file" | cut -c 4-)" \
		diff "$file" "$TMP/told"
done
done_testing
