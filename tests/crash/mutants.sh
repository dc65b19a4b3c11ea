#!/usr/bin/env bash
# mutants.sh - the rules that keep everything are taken out, one at a time:
# each time the tests of this folder must notice.
#
# mutants/NAME.sed says which file it alters and which test catches it; one
# that alters nothing any more has failed.  MUTANTS: names of some, or "no";
# MUTANT_TIMES: how often each is to be caught (1).
# MUTANT_TEST: which test is to catch them; each of kill-N.sh can, too.
. tests/setup.sh

[ "${MUTANTS:-}" != no ] || {
	echo 'ok 1 - # SKIP MUTANTS=no: the plain suite has them'
	echo '1..1'
	exit
}
names=${MUTANTS:-$(cd tests/crash/mutants && printf '%s\n' *.sed)}
tree=$TMP/tree

# What is not built again for each: everything, without optimisation.
build() {
	(cd "$tree" && unset MAKEFLAGS MFLAGS MAKELEVEL BUILD SAN CI &&
		make -s -j2 BUILD="$tree/b" OPT=-O0 SAN= CFLAGS= \
			MAKELEVEL=1 programs "$tree/b/steps.so")
}
mkdir "$tree"
tar -c --exclude=./build --exclude=./.git . | tar -x -C "$tree"
rm -rf "$tree"/build
ok 'the tree is built' build
[ "$failed" = 0 ] || done_testing

# mutate NAME: builds it in place; its original is kept.
mutate() {
	local sed=tests/crash/mutants/$1
	file=$(sed -n 's/^# file: //p' "$sed")
	test=${MUTANT_TEST:-$(sed -n 's/^# test: //p' "$sed")}
	cp -p "$tree/$file" "$TMP/original"
	sed -f "$sed" "$file" >"$tree/$file"
	! cmp -s "$file" "$tree/$file" && build
}
caught() {
	(cd "$tree" && BUILD=$tree/b TMPDIR=$TMP timeout -k 5 120 \
		bash "$test" >"$TMP/mutant.out" 2>&1 </dev/null)
	! [ $? = 0 ] && grep -q '^not ok' "$TMP/mutant.out"
}

for name in $names; do
	name=${name%.sed}
	ok "$name applies and compiles" mutate "$name.sed"
	for ((i = 0; i < ${MUTANT_TIMES:-1}; i++)); do
		ok "$name is caught by $(basename "$test")" caught
		echo "# $(grep -m 1 '^not ok' "$TMP/mutant.out")"
	done
	cp "$TMP/original" "$tree/$file"
done
done_testing
