#!/bin/sh
# The program `curve`: its metrics beside those that Lightning 2.0.9 on PyTorch 1.13.1 wrote for the same runs
# (golden/curve_*.csv) and those of a loop in PyTorch (golden/curve.txt), what it leaves behind, and what it says of
# wrong flags.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
log=$work/log/my_lt_module
curve=$MR_BIN/curve

# check NAME COMMAND...: counts whether it succeeds, and prints what failed.
check()
{
    name=$1
    shift
    if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "failed: $name"; fi
}

# run FLAG...: into a fresh log; the status is in $status, what it printed in $work/out and $work/err.
run()
{
    rm -rf "$work/log"
    again "$@"
}

again()
{
    status=0
    "$curve" --no-progress --log-dir "$work/log" "$@" >"$work/out" 2>"$work/err" || status=$?
}

# same_rows FILE LIMIT: the last run's rows are those of the file, each loss within LIMIT of max(|loss|, 0.05).
same_rows()
{
    if [ -f "$log/version_0/metrics.csv" ]; then
        tr -d '\r' <"$log/version_0/metrics.csv" >"$work/rows"
    else
        echo "loss,epoch,step" >"$work/rows"
    fi
    paste -d, "$1" "$work/rows" | tr -d '\r' | awk -F, -v most="$2" '
        NR == 1 { if ($0 != "loss,epoch,step,loss,epoch,step") { print "header: " $0; bad = 1 } next }
        { limit = $1 < 0.05 ? 0.05 : $1; d = $1 - $4; if (d < 0) d = -d
          if (NF != 6 || $2 != $5 || $3 != $6 || !(d <= most * limit)) { print "row: " $0; bad = 1 } }
        END { exit bad || NR == 0 }'
}

# near WHAT LOSS: the line "batch loss WHAT training: tensor(X)" is there, and X is the loss in four digits.
near()
{
    awk -v what="$1" -v loss="$2" '
        $1 " " $2 " " $3 " " $4 == "batch loss " what " training:" {
            found++; sub(/tensor\(/, "", $5); sub(/\)/, "", $5); d = $5 - loss; ok = d < 6e-5 && d > -6e-5 }
        END { if (found != 1 || !ok) { print "not near: " what " " loss; exit 1 } }' "$work/out"
}

# ---- numbers ----

lightning()
{
    golden=$1
    shift
    run "$@"
    check "$golden: runs" [ "$status" = 0 ]
    check "$golden" same_rows "$MR_TEST_DATA/$golden" 1e-6
}

lightning curve_seed0.csv --seed 0
lightning curve_seed42.csv
lightning curve_seed1234.csv --seed 1234
lightning curve_10epochs_seed42.csv --epochs 10
lightning curve_n1000_b48_seed3.csv --points 1000 --batch-size 48 --epochs 20 --seed 3

# Every run of curve.txt, by the fastest arithmetic that the processor has and by the plain one.
awk -v dir="$work" '/^run / { n++; sub(/^run /, ""); print > (dir "/flags"); next }
                    /^(before|after) / { print $2 > (dir "/" $1 "." n); next }
                    !(n in begun) { begun[n] = 1; print "loss,epoch,step" > (dir "/rows." n) }
                    { print > (dir "/rows." n) }' "$MR_TEST_DATA/curve.txt"
n=0
while read -r flags; do
    n=$((n + 1))
    [ -f "$work/rows.$n" ] || echo "loss,epoch,step" >"$work/rows.$n"
    for level in best plain; do
        export MILLRACE_CPU=$level
        run --no-checkpoint $flags
        check "$level $flags: runs" [ "$status" = 0 ]
        check "$level $flags: rows" same_rows "$work/rows.$n" 2e-6
        check "$level $flags: before" near before "$(cat "$work/before.$n")"
        check "$level $flags: after" near after "$(cat "$work/after.$n")"
    done
    unset MILLRACE_CPU
done <"$work/flags"
check 'all runs of curve.txt' [ "$n" -ge 25 ]

# ---- what it prints and leaves behind ----

# line TEXT [FILE]: the text is a whole line of what was printed.
line()
{
    grep -qxF -- "$1" "${2:-$work/out}" || { echo "not there: $1"; cat "${2:-$work/out}"; return 1; }
}

# equal A B: the contents of two files.
equal()
{
    cmp -s "$1" "$2"
}

run --epochs 20 --points 1000 --batch-size 48
check 'form of metrics.csv' [ "$(tr '\r' '~' <"$log/version_0/metrics.csv" | head -n 1)" = 'loss,epoch,step~' ]
check 'every line ends with CR LF' [ "$(grep -c "$(printf '\r')\$" "$log/version_0/metrics.csv")" = 9 ]
check 'hparams.yaml' [ "$(cat "$log/version_0/hparams.yaml")" = '{}' ]
check 'says where metrics are' line "metrics: $log/version_0/metrics.csv"
check 'says where the checkpoint is' line "checkpoint: $log/version_0/checkpoints/epoch=19-step=420.safetensors"
check 'the checkpoint alone' [ "$(ls "$log/version_0/checkpoints")" = 'epoch=19-step=420.safetensors' ]
check 'four lines' [ "$(wc -l <"$work/out")" = 4 ]
check 'the model' line '0 | layer1 | Linear | 32    ' "$work/err"
check 'why it ended' line '`Trainer.fit` stopped: `max_epochs=20` reached.' "$work/err"

again --epochs=20 --points=1000 --batch-size=48 --seed=42
check 'a new version' line "metrics: $log/version_1/metrics.csv"
check 'the same again' equal "$log/version_0/metrics.csv" "$log/version_1/metrics.csv"
again --epochs 20 --points 1000 --batch-size 1 --batch-size 48 --name other
check 'another name' equal "$log/version_0/metrics.csv" "$work/log/other/version_0/metrics.csv"
again --epochs 20 --points 1000 --batch-size 48 --workers 3 --name workers
check 'with workers' equal "$log/version_0/metrics.csv" "$work/log/workers/version_0/metrics.csv"
again --epochs 2 --name ''
check 'no name' line "metrics: $work/log/version_0/metrics.csv"
(cd "$work" && "$curve" --no-progress --epochs 2 --log-dir '' >out 2>err)
check 'no folder' line 'metrics: my_lt_module/version_0/metrics.csv'

run --no-checkpoint --epochs 3 --log-every 1
check 'no checkpoint' [ ! -e "$log/version_0/checkpoints" ]
check 'no word of one' [ "$(grep -c checkpoint "$work/out")" = 0 ]
check 'a row each step' [ "$(wc -l <"$log/version_0/metrics.csv")" = 97 ]

run --drop-last --points 31
check 'no batch: no failure' [ "$status" = 0 ]
check 'no batch: why' line '`Trainer.fit` stopped: No training batches.' "$work/err"
check 'no batch: no metrics' line 'metrics: none, there were fewer than 50 steps'
check 'no batch: no checkpoint' [ "$(grep -c checkpoint: "$work/out")" = 0 ]

"$curve" --epochs 2 --log-dir "$work/log" >"$work/out" 2>"$work/err"
check 'progress' grep -q '^Epoch 1: 100%.* 32/32 .*v_num=1, loss=' "$work/out"
run --epochs 2
check 'no progress' [ "$(grep -c Epoch "$work/out")" = 0 ]

if gnuplot --version >/dev/null 2>&1; then
    run --epochs 5 --plot "$work/a loss's.png"
    check 'picture: runs' [ "$status" = 0 ]
    check 'picture' line "picture: $work/a loss's.png"
    check 'a PNG' [ "$(head -c 4 "$work/a loss's.png" | tail -c 3)" = PNG ]
    run --epochs 5 --plot="$work/loss.SVG"
    check 'an SVG' grep -q '<text>loss</text>' "$work/loss.SVG"
else
    echo 'note: gnuplot is not installed: nothing was drawn'
fi

# ---- failures ----

# fails TEXT FLAG...: exits with 1 and this last line on stderr.
fails()
{
    text=$1
    shift
    run "$@"
    [ "$status" = 1 ] && [ "$(tail -n 1 "$work/err")" = "$text" ] || { echo "$status"; cat "$work/err"; return 1; }
}

check 'nothing to draw' fails 'curve: there is nothing to draw: no step was logged (--log-every 50)' \
    --epochs 1 --plot "$work/none.png"
check 'unwritable picture' fails "curve: cannot write '/nowhere/a.png': No such file or directory" \
    --epochs 2 --plot /nowhere/a.png
check 'a loss that grows' fails 'curve: fit: the loss is inf at epoch 0, step 1' --lr 1e30
check 'unwritable folder' fails "curve: cannot make folder '/proc/no/my_lt_module': No such file or directory" --log-dir /proc/no
PATH_BEFORE=$PATH
status=0
PATH= "$curve" --no-progress --epochs 2 --log-dir "$work/log" --plot "$work/a.png" >"$work/out" 2>"$work/err" || status=$?
check 'gnuplot missing: status' [ "$status" = 1 ]
check 'gnuplot missing' line 'curve: plot: gnuplot is not installed (Debian: apt-get install gnuplot-nox)' "$work/err"
check 'gnuplot missing: the metrics are there' grep -q '^metrics: ' "$work/out"
check 'gnuplot missing: no picture' [ ! -e "$work/a.png" ]
PATH=$PATH_BEFORE
if [ -w /dev/full ]; then
    status=0
    "$curve" --no-progress --epochs 2 --log-dir "$work/log" >/dev/full 2>"$work/err" || status=$?
    check 'unwritable output: status' [ "$status" = 1 ]
    check 'unwritable output' line 'curve: cannot write to standard output: No space left on device' "$work/err"
    status=0
    "$curve" --help >/dev/full 2>&1 || status=$?
    check 'unwritable help' [ "$status" = 1 ]
fi

# ---- other logs ----

run --epochs 4 --log-every 50
plain=$(cat "$work/log/my_lt_module/version_0/metrics.csv")
rm -rf "$work/log"
run --epochs 4 --log-every 50 --log tensorboard,merged,jsonl
version=$work/log/my_lt_module/version_0
check 'logs: metrics.csv is what it is without' [ "$(cat "$version/metrics.csv")" = "$plain" ]
check 'logs: merged rows' [ "$(head -n 2 "$version/merged.csv" | cut -d , -f 1,2 | tr -d '\r')" = "epoch,step
1,49" ]
check 'logs: JSON lines' grep -q '^{"kind":"step","epoch":1,"step":49,"loss":[0-9.]*}$' "$version/metrics.jsonl"
check 'logs: TensorBoard' grep -q 'brain.Event:2' "$version/events.out.tfevents.millrace"
check 'logs: files' [ "$(ls "$version" | wc -l)" = 6 ]
rm -rf "$work/log"

# ---- wrong flags ----

# says TEXT FLAG...: exits with 2 and this line, and makes nothing.
says()
{
    text=$1
    shift
    run "$@"
    [ "$status" = 2 ] && [ "$(cat "$work/err")" = "$text" ] && [ ! -s "$work/out" ] && [ ! -e "$work/log" ] || {
        echo "$status"
        cat "$work/err"
        return 1
    }
}

# integer FLAG LOW HIGH: what it takes and refuses.
integer()
{
    for value in "$(($2 - 1))" "$(($3 + 1))" 1e9 1e3 1.0 nan inf '' ' 1' '1 ' +1 0x10 3x - 99999999999999999999 -99999999999999999999; do
        check "--$1 '$value'" says "curve: --$1 takes a whole number from $2 to $3, not '$value'" "--$1" "$value"
        check "--$1='$value'" says "curve: --$1 takes a whole number from $2 to $3, not '$value'" "--$1=$value"
    done
    check "--$1 without a value" says "curve: a value is missing behind '--$1'; see curve --help" "--$1"
    check "--$1 before a flag" says "curve: a value is missing behind '--$1'; see curve --help" "--$1" --drop-last
    check "help has the range of --$1" grep -q -- "--$1 N .*\b$2 to $3\b" "$work/help"
}

status=0
"$curve" --help >"$work/help" 2>"$work/err" || status=$?
check 'help: status' [ "$status" = 0 ]
check 'help: stderr' [ ! -s "$work/err" ]
check 'help: width' [ "$(awk 'length > 110' "$work/help" | wc -l)" = 0 ]
for flag in seed points batch-size epochs hidden lr optimizer no-shuffle drop-last log-dir name log-every log workers checkpoint-every resume no-progress no-checkpoint plot help; do
    check "help has --$flag" grep -q -- "^  --$flag " "$work/help"
done

integer seed 0 4294967295
integer points 1 100000000
integer batch-size 1 1000000000
integer epochs 1 1000000000
integer hidden 1 1000000
integer log-every 1 1000000000
integer workers 0 256
for value in fast -1 -1e-9 nan NaN inf -inf 1e400 '' ' 1' '1 ' 1e 0x1p-3 1,5; do
    check "--lr '$value'" says "curve: --lr takes a finite number that is not negative, not '$value'" --lr "$value"
done
for value in lion Adam '' 'adam ' ada; do
    check "--optimizer '$value'" says "curve: --optimizer is adam, adamw, sgd or momentum, not '$value'; see curve --help" --optimizer "$value"
done
for value in loss.jpg loss png '' a.png/b; do
    check "--plot '$value'" says "curve: --plot takes a file that ends in .png or .svg, not '$value'" --plot "$value"
done
for value in csv '' , jsonl, ,jsonl jsonl,jsonl 'jsonl merged' Jsonl json; do
    check "--log '$value'" says "curve: --log takes merged, jsonl and tensorboard, with commas, not '$value'" --log "$value"
done
for flag in no-shuffle drop-last no-progress no-checkpoint; do
    check "--$flag=1" says "curve: --$flag takes no value, not '1'; see curve --help" "--$flag=1"
    check "--$flag=" says "curve: --$flag takes no value, not ''; see curve --help" "--$flag="
done
for flag in lr optimizer log-dir name log plot checkpoint-every resume; do
    check "--$flag without a value" says "curve: a value is missing behind '--$flag'; see curve --help" "--$flag"
done
for flag in --colour --see --no --help=1 --seeds=1 --Seed -- --=1 -s -h -xy -; do
    check "$flag" says "curve: unknown flag '$flag'; see curve --help" "$flag"
done
check 'an argument' says "curve: unknown argument 'now'; see curve --help" now
check 'an empty argument' says "curve: unknown argument ''; see curve --help" ''
check 'one behind flags' says "curve: unknown argument '5'; see curve --help" --drop-last 5

# The ends of the ranges.
for flags in '--seed 0' '--seed 4294967295' '--points 1' '--batch-size 1' '--batch-size 1000000000' '--hidden 1' '--epochs 1' \
    '--log-every 1000000000' '--lr 0' '--lr -0' '--lr 1e-400' '--lr .5e-2' '--seed 007'; do
    run --epochs 2 --points 10 $flags
    check "$flags" [ "$status" = 0 ]
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
