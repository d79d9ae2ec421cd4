#!/bin/sh
# The program `curve` killed at any moment and resumed until it ends: the last checkpoint and metrics.csv are those of a run
# that was not killed, byte for byte. And what it says and does where there is nothing to resume, or something is wrong.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
curve=$MR_BIN/curve

# check NAME COMMAND...: counts whether it succeeds, and prints what failed.
check()
{
    name=$1
    shift
    if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "failed: $name"; fi
}

# run LOG FLAG...: the status is in $status, what it printed in $work/out and $work/err.
run()
{
    log=$1
    shift
    status=0
    "$curve" --no-progress --log-dir "$work/$log" "$@" >"$work/out" 2>"$work/err" || status=$?
}

# same A B: two folders are equal, names and contents.
same()
{
    diff -rq "$work/$1" "$work/$2"
}

line()
{
    grep -qxF -- "$1" "$2" || { echo "not there: $1"; cat "$2"; return 1; }
}

# names LOG: the checkpoints of version_0.
names()
{
    ls "$work/$1/my_lt_module/version_0/checkpoints"
}

# A number below the first argument, from the shell's own arithmetic: sh has no random numbers, and none are needed.
seed=$(date +%N | sed 's/^0*//')
random()
{
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    echo $((seed / 65536 % $1))
}

# until_done LOG FLAG...: kills it after some milliseconds, again and again, and lets it come to its end at last.
until_done()
{
    log=$1 kills=0 resumed=0
    shift
    while [ "$kills" -lt 12 ]; do
        killed=0
        timeout -s KILL "0.0$(random 10)$(random 10)" "$curve" --no-progress --log-dir "$work/$log" "$@" --workers "$(random 3)" \
            >"$work/out" 2>"$work/err" || killed=$?
        grep -q 'going on' "$work/err" && resumed=$((resumed + 1))
        [ "$killed" = 137 ] || break
        kills=$((kills + 1))
    done
    run "$log" "$@"
}

# ---- killed ----

all='--epochs 300 --log-every 1 --checkpoint-every 7ba --resume last'
run whole $all
check 'whole: runs' [ "$status" = 0 ]
check 'whole: says that it begins' line "resume: there is no checkpoint: starting from the beginning in '$work/whole/my_lt_module/version_0'" "$work/err"
check 'whole: one checkpoint' [ "$(names whole)" = 'epoch=299-step=9600.safetensors' ]
check 'whole: rows' [ "$(wc -l <"$work/whole/my_lt_module/version_0/metrics.csv")" = 9601 ]
all_kills=0 all_resumed=0
for round in 1 2 3 4 5 6; do
    rm -rf "$work/killed"
    until_done killed $all
    all_kills=$((all_kills + kills)) all_resumed=$((all_resumed + resumed))
    check "round $round: status" [ "$status" = 0 ]
    check "round $round: the same" same whole killed
done
echo "note: killed $all_kills times, resumed $all_resumed times"

# Drop_last, plain SGD with momentum, other sizes, and rows now and then.
other='--epochs 120 --points 500 --batch-size 24 --drop-last --optimizer momentum --lr 0.01 --log-every 9 --checkpoint-every 0.01dur --resume last'
run other $other
for round in 1 2; do
    rm -rf "$work/killed"
    until_done killed $other
    check "other, round $round: the same" same other killed
done

# All logs.
logs='--epochs 100 --log-every 1 --checkpoint-every 7ba --log merged,jsonl,tensorboard --resume last'
run logs $logs
for round in 1 2; do
    rm -rf "$work/killed"
    until_done killed $logs
    check "logs, round $round: the same" same logs killed
done
check 'logs: rows' [ "$(wc -l <"$work/logs/my_lt_module/version_0/metrics.jsonl")" = 3200 ]

# ---- signals ----

# interrupted SIGNAL STATUS: again and again until it comes to its end, which is soon, since no step is lost.
interrupted()
{
    rm -rf "$work/killed"
    times=0 status=$2
    while [ "$status" = "$2" ] && [ "$times" -lt 100 ]; do
        status=0 times=$((times + 1)) ms=$((30 + $(random 70) + times * times / 2)) # on a slow machine it needs more
        timeout --preserve-status -s "$1" "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))" "$curve" --no-progress --log-dir "$work/killed" $all \
            >"$work/out" 2>"$work/err" || status=$?
    done
    echo "note: $times runs by SIG$1"
    [ "$status" = 0 ] && same whole killed
}
# ended SIGNAL STATUS: one that has begun to write rows ends so, and says why.
ended()
{
    "$curve" --no-progress --log-dir "$work/ended$1" --epochs 100000000 --log-every 1 >"$work/out" 2>"$work/err" &
    pid=$! waited=0 status=0
    while [ ! -s "$work/ended$1/my_lt_module/version_0/metrics.csv" ] && [ "$waited" -lt 600 ]; do
        sleep 0.1
        waited=$((waited + 1))
    done
    kill -"$1" "$pid"
    wait "$pid" || status=$?
    [ "$status" = "$2" ] && [ "$(tail -n 1 "$work/err")" = "\`Trainer.fit\` stopped: SIG$1." ] || { echo "$status"; cat "$work/err"; return 1; }
    [ "$(names "ended$1" | wc -l)" = 1 ]
}
check 'SIGINT: the end' ended INT 130
check 'SIGTERM: the end' ended TERM 143
check 'SIGINT' interrupted INT 130
check 'SIGTERM' interrupted TERM 143

# ---- more epochs later ----

run longer --epochs 40 --log-every 1 --resume last
check 'more epochs: first part' [ "$(names longer)" = 'epoch=39-step=1280.safetensors' ]
run longer $all
check 'more epochs: goes on' line "resume: going on from '$work/longer/my_lt_module/version_0/checkpoints/epoch=39-step=1280.safetensors'" "$work/err"
check 'more epochs: the same' same whole longer

# ---- nothing to do ----

find "$work/whole" -exec ls -lid --time-style=full-iso {} + >"$work/before"
cp "$work/out" "$work/out_before"
run whole $all
find "$work/whole" -exec ls -lid --time-style=full-iso {} + >"$work/after"
check 'finished: status' [ "$status" = 0 ]
check 'finished: says so' grep -q 'nothing to do' "$work/err"
check 'finished: touches nothing' cmp "$work/before" "$work/after"
check 'finished: the loss after training' [ "$(sed -n 2p "$work/out")" = "$(sed -n 2p "$work/out_before")" ]
check 'finished: says where metrics are' line "metrics: $work/whole/my_lt_module/version_0/metrics.csv" "$work/out"
checkpoint=$work/whole/my_lt_module/version_0/checkpoints/epoch=299-step=9600.safetensors
check 'finished: says where the checkpoint is' line "checkpoint: $checkpoint" "$work/out"

echo x >"$work/whole/my_lt_module/version_0/checkpoints/epoch=299-step=9590.safetensors"
run whole $all
check 'finished: what is left over goes' [ "$(names whole)" = 'epoch=299-step=9600.safetensors' ]

# ---- a path ----

rm -rf "$work/path"
run path --epochs 5 --log-every 1
run path --epochs 300 --log-every 1 --resume "$work/path/my_lt_module/version_0/checkpoints/epoch=4-step=160.safetensors"
check 'path: the same' same whole path
rm -rf "$work/folder"
run folder --epochs 5 --log-every 1
run folder --epochs 300 --log-every 1 --resume "$work/folder/my_lt_module/version_0"
check 'folder: the same' same whole folder
"$curve" --help >"$work/help"
check 'elsewhere: help says so' grep -q 'whatever --log-dir$' "$work/help"
run elsewhere --epochs 301 --log-every 1 --resume "$work/folder/my_lt_module/version_0"
check 'elsewhere: goes on where it was' [ "$(names folder)" = 'epoch=300-step=9632.safetensors' ]
check 'elsewhere: not where it was told' [ ! -e "$work/elsewhere" ]
cp "$checkpoint" "$work/moved.safetensors"
run moved --epochs 301 --log-every 1 --resume "$work/moved.safetensors"
check 'moved: a log of its own' [ "$(wc -l <"$work/moved/my_lt_module/version_0/metrics.csv")" = 33 ]
check 'moved: goes on' [ "$(names moved)" = 'epoch=300-step=9632.safetensors' ]

# ---- the highest version, left-overs ----

mkdir -p "$work/left/my_lt_module/version_2/checkpoints" "$work/left/my_lt_module/version_10/checkpoints"
left=$work/left/my_lt_module/version_10
echo 'half a row' >"$left/metrics.csv"
echo x >"$left/.mr-77-3.tmp"
echo x >"$left/checkpoints/.mr-77-4.tmp"
echo x >"$left/checkpoints/epoch=7-step=256.safetensors"
echo x >"$left/mine.tmp"
run left --epochs 300 --log-every 1 --resume last
check 'left: says so' line "resume: there is no checkpoint in '$left': starting from the beginning" "$work/err"
check 'left: what was passed over' grep -q "passed over a checkpoint: load '$left/checkpoints/epoch=7-step=256.safetensors': " "$work/err"
check "left: another's file" [ -e "$left/mine.tmp" ]
rm "$left/mine.tmp"
check 'left: the same' diff -rq "$left" "$work/whole/my_lt_module/version_0"
check 'left: the other version' [ -z "$(ls "$work/left/my_lt_module/version_2/checkpoints")" ]

# Without a checkpoint it begins in that same folder, whatever else there is.
run fresh --epochs 2 --log-every 1
fresh=$work/fresh/my_lt_module/version_0
none=$work/unkept/my_lt_module/version_0
run unkept --epochs 3 --log-every 1 --no-checkpoint
run unkept --epochs 2 --log-every 1 --resume last
check 'none: status' [ "$status" = 0 ]
check 'none: says so' line "resume: there is no checkpoint in '$none': starting from the beginning" "$work/err"
check 'none: says what becomes of the log' line "resume: '$none/metrics.csv' begins anew" "$work/err"
check 'none: the same' diff -rq "$none" "$fresh"
check 'none: no other folder' [ "$(ls "$work/unkept/my_lt_module")" = version_0 ]
notes=$work/notes/my_lt_module/version_3
mkdir -p "$notes"
echo mine >"$notes/notes.txt"
run notes --epochs 2 --log-every 1 --resume last
check 'notes: status' [ "$status" = 0 ]
check 'notes: says so' line "resume: there is no checkpoint in '$notes': starting from the beginning" "$work/err"
check 'notes: nothing of a log' [ "$(grep -c anew "$work/err")" = 0 ]
check 'notes: stay' [ "$(cat "$notes/notes.txt")" = mine ]
rm "$notes/notes.txt"
check 'notes: the same' diff -rq "$notes" "$fresh"
check 'notes: no other folder' [ "$(ls "$work/notes/my_lt_module")" = version_3 ]

# By its path, however that is written, it is the same version, which the bar shows.
for path in "$fresh/" "$fresh/." "$fresh//"; do
    epochs=$((${epochs:-2} + 1))
    "$curve" --epochs "$epochs" --log-every 1 --resume "$path" >"$work/out" 2>"$work/err"
    check "version $path: the bar" grep -q 'v_num=0' "$work/out"
done
check 'version: goes on there' [ "$(names fresh)" = 'epoch=4-step=160.safetensors' ]

# ---- damaged ----

# damage LOG EPOCHS: a log that has so many epochs, and a checkpoint of one more which is not whole.
damage()
{
    rm -rf "$work/$1"
    run "$1" --epochs "$2" --log-every 1
    good=$(names "$1")
    cp -r "$work/$1" "$work/$1.good"
    run "$1" --epochs $(($2 + 1)) --log-every 1 --resume last
    newest=$(names "$1")
    cp "$work/$1.good/my_lt_module/version_0/checkpoints/$good" "$work/$1/my_lt_module/version_0/checkpoints/$good"
    rm -rf "$work/$1.good"
}
dir=$work/damaged/my_lt_module/version_0/checkpoints
size=$(wc -c <"$checkpoint")
for cut in 0 1 7 8 9 500 1000 $((size / 2)) $((size - 100)) $((size - 1)); do
    damage damaged 5
    head -c "$cut" "$dir/$newest" >"$work/cut"
    cp "$work/cut" "$dir/$newest"
    run damaged --epochs 300 --log-every 1 --resume last
    check "cut at $cut: goes on from the other" grep -q "going on from '$dir/$good'" "$work/err"
    check "cut at $cut: the same" same whole damaged
    cp "$work/cut" "$work/cut.safetensors"
    run nowhere --epochs 300 --resume "$work/cut.safetensors"
    check "cut at $cut: as a path" [ "$status" = 1 ]
    check "cut at $cut: no log" [ ! -e "$work/nowhere" ]
done

# ---- failures ----

# fails TEXT LOG FLAG...: exits with 1 and this last line on stderr, and changes nothing in the log.
fails()
{
    text=$1 log=$2
    shift 2
    rm -rf "$work/copy"
    cp -r "$work/$log" "$work/copy"
    run "$log" "$@"
    [ "$status" = 1 ] && [ "$(tail -n 1 "$work/err")" = "curve: $text" ] || { echo "$status"; cat "$work/err"; return 1; }
    diff -rq "$work/$log" "$work/copy"
}

run base --epochs 5 --log-every 1
base=$work/base/my_lt_module/version_0
file=$base/checkpoints/epoch=4-step=160.safetensors
check 'another model' fails "load '$file': layer1.weight is [16,1] in the file, [17,1] in the module" base --hidden 17 --epochs 9 --resume last
check 'another optimizer' fails "load '$file': the optimizer is adam in the file, sgd here" base \
    --optimizer momentum --epochs 9 --resume last
check 'another batch size' fails "load '$file': loader_restore: the state has batch size 32, the loader 31" base --batch-size 31 \
    --epochs 9 --resume last
check 'other points' fails "load '$file': loader_restore: the state has samples: 1024, the loader 1000" base --points 1000 --epochs 9 \
    --resume last
run base --epochs 4 --resume last
check 'fewer epochs: nothing to do' grep -q 'nothing to do' "$work/err"
check 'no file' fails "resume: cannot read '$work/none': No such file or directory" base --epochs 9 --resume "$work/none"
check 'no checkpoint in a folder' fails "resume: there is no checkpoint in '$work'" base --epochs 9 --resume "$work"
cp "$file" "$work/kept"
cp "$MR_TEST_DATA/canonical.safetensors" "$file"
check 'weights alone' fails "load '$file': it holds weights, but not the rest of a training: nothing can be resumed from it" base \
    --epochs 9 --resume last
sed 's/"millrace.checkpoint":"3"/"millrace.checkpoint":"4"/; s/"checksum":"crc32c/"checksux":"crc32c/' "$work/kept" >"$file"
check 'another version' fails "load '$file': it is a checkpoint of version 4, this Millrace reads 3" base --epochs 9 --resume last
cp "$work/kept" "$file"
cp "$base/metrics.csv" "$work/metrics"
head -c 1000 "$work/metrics" >"$base/metrics.csv"
text="cannot go on with '$base/metrics.csv': it does not begin with the 160 rows that the checkpoint was written behind"
check 'metrics that were cut' fails "$text" base --epochs 9 --resume last
sed 's/loss/lost/' "$work/metrics" >"$base/metrics.csv"
check 'metrics of another' fails "$text" base --epochs 9 --resume last
rm "$base/metrics.csv"
check 'metrics that are gone' fails "cannot read '$base/metrics.csv': No such file or directory" base --epochs 9 --resume last
cp "$work/metrics" "$base/metrics.csv"
if [ "$(id -u)" != 0 ]; then
    chmod a-w "$base/checkpoints"
    check 'a folder that cannot be written' fails "cannot write '$base/checkpoints/epoch=8-step=288.safetensors': Permission denied" base \
        --epochs 9 --log-every 100000 --resume last
    chmod u+w "$base/checkpoints"
fi

# A disk that is full: the checkpoint before stays, and the next run goes on from it.
status=0
(ulimit -f 8 && trap '' XFSZ && exec "$curve" --no-progress --log-dir "$work/base" --epochs 300 --log-every 1 --resume last) \
    >"$work/out" 2>"$work/err" || status=$?
check 'disk full: status' [ "$status" = 1 ]
check 'disk full: says so' grep -q '^curve: cannot write .*: File too large$' "$work/err"
check 'disk full: one is there' [ "$(ls "$base/checkpoints" | wc -l)" = 1 ]
run base --epochs 300 --log-every 1 --resume last
check 'disk full: goes on later' same whole base

# ---- wrong flags ----

# says TEXT FLAG...: exits with 2 and this line, and makes nothing.
says()
{
    text=$1
    shift
    run wrong "$@"
    [ "$status" = 2 ] && [ "$(cat "$work/err")" = "$text" ] && [ ! -e "$work/wrong" ] || { cat "$work/err"; return 1; }
}
for value in 7 ba 0ba 7.5ba 2dur '' ' 7ba' 7BA; do
    check "--checkpoint-every '$value'" says \
        "curve: --checkpoint-every takes a duration such as 7ba, 2ep, 10000sp, 90s or 0.3dur, not '$value'" --checkpoint-every "$value"
done
check '--resume nothing' says "curve: --resume takes a path, or last, not ''" --resume ''

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
