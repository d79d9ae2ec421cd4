#!/bin/sh
# What `curve` prints and where: on a terminal one line that is drawn over, elsewhere plain lines; the summary
# and the line at the end on stderr.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# check NAME STATUS: counts, and prints what failed.
check()
{
    if [ "$2" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "failed: $1"; fi
}

# has FILE NAME PATTERN: one line matches the whole pattern.
has()
{
    grep -Eqx "$3" "$1" && check "$2" 0 || { cat "$1"; check "$2" 1; }
}

state='\[[0-9]{2}:[0-9]{2}<(00:00|[?]), +[0-9]+[.][0-9]{2}it/s, v_num=[0-9]+, loss=[0-9.e-]+\]'

"$MR_BIN/curve" --epochs 3 --log-dir "$work/log" >"$work/out" 2>"$work/err"
has "$work/out" 'plain line' "Epoch 2: 100%[|]██████████[|] 32/32 $state"
[ "$(grep -c Epoch "$work/out")" = 1 ] && check 'one plain line' 0 || check 'one plain line' 1
! grep -q "$(printf '\r')" "$work/out" && check 'no carriage return' 0 || check 'no carriage return' 1
! grep -q Epoch "$work/err" && check 'no bar on stderr' 0 || check 'no bar on stderr' 1
cat >"$work/wanted" <<'END'

  | Name   | Type   | Params
----------------------------------
0 | layer1 | Linear | 32    
1 | layer2 | Linear | 17    
----------------------------------
49        Trainable params
0         Non-trainable params
49        Total params
0.000     Total estimated model params size (MB)
fit: an epoch has 32 batches, fewer than log_every_n_steps, 50: set it lower to see the steps of each epoch in the log
`Trainer.fit` stopped: `max_epochs=3` reached.
END
diff "$work/wanted" "$work/err" && check stderr 0 || check stderr 1

"$MR_BIN/curve" --epochs 3 --log-dir "$work/log" --no-progress >"$work/out" 2>"$work/err"
! grep -q Epoch "$work/out" && check --no-progress 0 || check --no-progress 1
diff "$work/wanted" "$work/err" && check 'stderr with --no-progress' 0 || check 'stderr with --no-progress' 1

# `script` gives the program a terminal.
if command -v script >/dev/null; then
    began=$(date +%s)
    script -qec "stty cols 100; '$MR_BIN/curve' --epochs 4000 --log-dir '$work/log' 2>'$work/err'" "$work/typescript" </dev/null >"$work/out"
    seconds=$(($(date +%s) - began + 1))
    grep -a Epoch "$work/out" >"$work/line"
    [ "$(wc -l <"$work/line")" = 1 ] && check 'one line on a terminal' 0 || check 'one line on a terminal' 1
    tr '\r' '\n' <"$work/line" | grep -a . >"$work/redraws"
    redraws=$(wc -l <"$work/redraws")
    [ "$redraws" -ge 1 ] && [ "$redraws" -le $((10 * seconds + 2)) ] && check "$redraws redraws in $seconds s" 0 || check "$redraws redraws in $seconds s" 1
    tail -n 1 "$work/redraws" >"$work/last"
    has "$work/last" 'last redraw' "Epoch 3999: 100%[|](█)+[|] 32/32 $state"
    [ "$(grep -Eavc '^Epoch [0-9]+: [ 0-9]{3}%' "$work/redraws")" = 0 ] && check redraws 0 || { cat "$work/redraws"; check redraws 1; }
    tail -n 1 "$work/err" >"$work/last"
    has "$work/last" 'stop line' '`Trainer.fit` stopped: `max_epochs=4000` reached.'
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
