# file: lib/committer.c
# test: tests/crash/late-page.sh
# The committer does not look at the epoch: a late page of a fetch that died
# is taken for the page of the same number that the next one read.
s/m->run != s->run || m->epoch != s->epoch/m->run != s->run/
