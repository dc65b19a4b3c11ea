# file: join/end.c
# test: tests/crash/broken-pass.sh
# A full pass is swept however it ended.
s/else if (m->complete)/else if (!m->skipped)/
s/= cert_judge(j->store, f, m, why, len)/= CERT_WHOLE/
