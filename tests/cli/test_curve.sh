#!/bin/sh
# The program `curve`: the metrics that Lightning 2.0.9 on PyTorch 1.13.1 wrote for the same runs
# (golden/curve_*.csv), and what it says of wrong flags.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# check NAME STATUS: counts, and prints what failed.
check()
{
    if [ "$2" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "failed: $1"; fi
}

# same_metrics FILE FLAG...: the same rows, and each loss within 1e-6 of max(|loss|, 0.05).
same_metrics()
{
    golden=$1
    shift
    rm -rf "$work/log"
    "$MR_BIN/curve" --no-progress --log-dir "$work/log" "$@" >"$work/out" 2>"$work/err" || { check "$golden: runs" 1; return; }
    paste -d, "$MR_TEST_DATA/$golden" "$work/log/my_lt_module/version_0/metrics.csv" | tr -d '\r' | awk -F, '
        NR == 1 { if ($0 != "loss,epoch,step,loss,epoch,step") { print "header: " $0; bad = 1 } next }
        { limit = $1 < 0.05 ? 0.05 : $1; d = $1 - $4; if (d < 0) d = -d
          if (NF != 6 || $2 != $5 || $3 != $6 || d > 1e-6 * limit) { print "row: " $0; bad = 1 } }
        END { exit bad || NR < 3 }' && check "$golden" 0 || check "$golden" 1
}

same_metrics curve_seed0.csv --seed 0
same_metrics curve_seed42.csv
same_metrics curve_seed1234.csv --seed 1234
same_metrics curve_10epochs_seed42.csv --epochs 10
same_metrics curve_n1000_b48_seed3.csv --points 1000 --batch-size 48 --epochs 20 --seed 3
tr -d '\n' <"$work/log/my_lt_module/version_0/metrics.csv" | grep -q '^loss,epoch,step.*[0-9].$' && check 'lines end with CR LF' 0 || check 'lines end with CR LF' 1
ls "$work"/log/my_lt_module/version_0/checkpoints/epoch=19-step=420.safetensors >"$work/out" 2>&1 && check checkpoint 0 || check checkpoint 1

# says TEXT FLAG...: exits with 2 and this line.
says()
{
    text=$1 status=0
    shift
    "$MR_BIN/curve" "$@" >"$work/out" 2>"$work/err" || status=$?
    [ "$status" = 2 ] && [ "$(cat "$work/err")" = "$text" ] && check "$text" 0 || { cat "$work/err"; check "$text" 1; }
}

says "curve: --seed takes a whole number from 0 to 4294967295, not '-1'" --seed -1
says "curve: --epochs takes a whole number from 1 to 1073741824, not '3x'" --epochs 3x
says "curve: --lr takes a number that is not negative, not 'fast'" --lr fast
says "curve: --optimizer is adam, adamw, sgd or momentum, not 'lion'; see curve --help" --optimizer lion
says "curve: unknown flag '--colour'; see curve --help" --colour
says "curve: a value is missing behind '--seed'; see curve --help" --seed
says "curve: unknown argument 'now'; see curve --help" now

status=0
"$MR_BIN/curve" --no-progress --epochs 1 --log-dir /proc/no >"$work/out" 2>"$work/err" || status=$?
[ "$status" = 1 ] && grep -q "/proc/no" "$work/err" && check 'unwritable folder' 0 || check 'unwritable folder' 1

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
