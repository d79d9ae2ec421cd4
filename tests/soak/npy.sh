#!/bin/sh
# A sparse NPY file of 100 GB is opened, and its first random row is there, within a fifth of a second; in less than 64 MB of memory.
set -eu
work=$(mktemp -d "${TMPDIR:-/tmp}/soak.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

"$MR_BIN/soak-npy" "$work/rows.npy" 100 >"$work/out"
read -r seconds peak <"$work/out"
echo "npy, a file of 100 GB: $seconds s to the first row, at most $peak KiB"
awk -v s="$seconds" 'BEGIN { exit !(s < 0.2) }' || { echo "npy: that took too long" >&2; exit 1; }
[ "$peak" -gt 0 ] && [ "$peak" -lt 65536 ] || { echo "npy: more than 65536 KiB" >&2; exit 1; }
