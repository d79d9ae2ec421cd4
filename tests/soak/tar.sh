#!/bin/sh
# 4 GB of tar in less than 64 MB of memory: a file in 8 parts by two workers, the same packed, and through a pipe by one reader. BYTES asks for
# less.
set -eu
bytes=${BYTES:-4294967296} limit=65536
work=$(mktemp -d "${TMPDIR:-/tmp}/soak.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
. "$(dirname "$0")/compare"

"$MR_BIN/soak-tar" make "$bytes" 2>"$work/made" | "$MR_BIN/soak-tar" read - 1 0 >"$work/read"
compare "tar, a pipe of $bytes bytes"

"$MR_BIN/soak-tar" make "$bytes" >"$work/samples.tar" 2>"$work/made"
"$MR_BIN/soak-tar" read "$work/samples.tar" 0 2 >"$work/read"
compare "tar, a file of $bytes bytes in 8 parts"

command -v zstd >/dev/null || { echo "tar, packed: left out, zstd is missing"; exit 0; }
zstd -q -1 --rm "$work/samples.tar"
"$MR_BIN/soak-tar" read "$work/samples.tar.zst" 0 1 >"$work/read"
compare "tar, a packed file of $bytes bytes"
