#!/bin/sh
# 4 GB of CSV in less than 64 MB of memory: through a pipe by one reader, and from a file in shards by two workers. BYTES asks for
# less.
set -eu
bytes=${BYTES:-4294967296} limit=65536
work=$(mktemp -d "${TMPDIR:-/tmp}/soak.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

. "$(dirname "$0")/compare"

"$MR_BIN/soak-csv" make "$bytes" 2>"$work/made" | "$MR_BIN/soak-csv" read - 1 0 >"$work/read"
compare "csv, a pipe of $bytes bytes"

"$MR_BIN/soak-csv" make "$bytes" >"$work/rows.csv" 2>"$work/made"
"$MR_BIN/soak-csv" read "$work/rows.csv" 8 2 >"$work/read"
compare "csv, a file of $bytes bytes in 8 shards"
