#!/bin/sh
# The programs in examples/ print what PyTorch prints for the same seed (golden/examples.txt), which is what the chapter
# shows where it does not hang on a seed; to the byte there, and in the last digit at most where training comes in.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
passed=0 failed=0

# check NAME COMMAND...: counts whether it succeeds, and prints what failed.
check()
{
    what=$1
    shift
    if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "failed: $what"; fi
}

awk '/^== / { name = $2; next } { print > (name ".want") }' "$MR_TEST_DATA/examples.txt"

# run NAME [ARG...]: with programs from $programs; leaves the progress bar's line out of what was printed.
programs=$PATH
run()
{
    name=$1
    shift
    status=0
    PATH=$programs "$MR_BIN/$name" "$@" >all 2>err || status=$?
    grep -v '^Epoch ' all >out || true
    check "$name: runs" [ "$status" = 0 ]
}

same()
{
    cmp "$1" "$2" || { diff "$1" "$2"; return 1; }
}

# near A B LIMIT: the files are the same but for numbers with a point, which differ by LIMIT at most.
near()
{
    paste -d '\n' "$1" "$2" | awk -v limit="$3" '
        NR % 2 { want = $0; next }
        {
            got = $0
            while (!bad && match(want, /[0-9]+\.[0-9]+/)) {
                before = substr(want, 1, RSTART - 1); a = substr(want, RSTART, RLENGTH); digits = RLENGTH
                want = substr(want, RSTART + RLENGTH)
                if (!match(got, /[0-9]+\.[0-9]+/) || substr(got, 1, RSTART - 1) != before || RLENGTH != digits)
                    bad = 1
                b = substr(got, RSTART, RLENGTH); d = a - b
                if (d > limit || d < -limit)
                    bad = 1
                got = substr(got, RSTART + RLENGTH)
            }
            if (bad || want != got) { print "wanted: " want; print "got:    " $0; exit 1 }
        }' || { cat "$2"; return 1; }
    [ "$(wc -l <"$1")" = "$(wc -l <"$2")" ]
}

# ---- data ----

printf 'len = 100\n(tensor(0.4242), tensor(2.8342))\n' >chapter
check 'the chapter and PyTorch' same chapter 01_dataset.want
for name in 01_dataset 02_stream 03_loader; do
    run "$name"
    check "$name" same "$name.want" out
    check "$name: no complaint" [ ! -s err ]
done

# The pictures: once by a script in gnuplot's place, which keeps what it is told, and by gnuplot if it is there.
mkdir bin
printf '#!/bin/sh\n/bin/cat >"%s/script"\necho drawn\n' "$work" >bin/gnuplot
chmod +x bin/gnuplot

# picture NAME FILE: its points are the golden ones, three lines in three styles.
picture()
{
    programs=$work/bin
    run "$1"
    programs=$PATH
    check "$1" [ "$(cat out)" = "picture: $2" ]
    check "$1: drawn" [ "$(cat "$2")" = drawn ]
    awk '/^\$line/ { inside = 1; next } /^EOD/ { inside = 0 } inside' script >points
    paste -d ' ' "$1.want" points | awk '
        { for (i = 1; i < 3; i++) if ($i - $(i + 2) > 1e-6 || $i - $(i + 2) < -1e-6) bad = 1 }
        NF != 4 || bad { print "point: " $0; exit 1 }
        END { exit NR != 96 }' && ok=0 || ok=1
    check "$1: points" [ "$ok" = 0 ]
    sed 's/ lc rgb/\n/g' script | sed -n 's/.* lines lw 2 dt //p' >dashes
    check "$1: styles" [ "$(cat dashes)" = "$(printf '(14,7)\nsolid\n(14,6,2,6)')" ]
    check "$1: labels" [ "$(grep -c '"batch 1".*"batch 2".*"batch 3"' script)" = 1 ]
    check "$1: axes" [ "$(grep -c '^set [xy]label "[xy]"' script)" = 2 ]
    gnuplot --version >/dev/null 2>&1 || return 0
    run "$1"
    check "$1: a PNG" [ "$(head -c 4 "$2" | tail -c 3)" = PNG ]
}

picture 04_batches_in_order batches_in_order.png
picture 05_batches_shuffled batches_shuffled.png

# ---- training ----

for name in 06_gradient_descent 07_batch_training 08_model_and_loss; do
    run "$name"
    check "$name" near "$name.want" out 1.01e-4
    check "$name: no complaint" [ ! -s err ]
done

# summary EPOCHS [WARNING]: what the trainer says on stderr, as Lightning does.
summary()
{
    sed 's/~$//' <<END

  | Name   | Type   | Params
----------------------------------
0 | layer1 | Linear | 32    ~
1 | layer2 | Linear | 17    ~
----------------------------------
49        Trainable params
0         Non-trainable params
49        Total params
0.000     Total estimated model params size (MB)
${2:+$2
}\`Trainer.fit\` stopped: \`max_epochs=$1\` reached.
END
}

run 09_trainer
check 09_trainer near 09_trainer.want out 1.01e-4
summary 10 >wanted
check '09_trainer: summary' same wanted err
check '09_trainer: progress' grep -q '^Epoch 9: 100%.* 32/32 \[.*, loss=0\.[0-9]*\]$' all
check '09_trainer: no log' [ ! -e lightning_logs ]

programs=$work/bin
run 10_logging
programs=$PATH
check 10_logging near 10_logging.want out 1.01e-6
summary 30 'fit: an epoch has 32 batches, fewer than log_every_n_steps, 50: set it lower to see the steps of each epoch in the log' >wanted
check '10_logging: summary' same wanted err
check '10_logging: progress' grep -q '^Epoch 29: 100%.* 32/32 \[.*, v_num=0, loss=0\.[0-9]*\]$' all
check '10_logging: metrics' [ -f lightning_logs/my_lt_module/version_0/metrics.csv ]
check '10_logging: picture' [ "$(grep -c '^[0-9]*[49]9\.0 [0-9.]*$' script)" = 19 ]
check '10_logging: axes' [ "$(grep -c '^set xlabel "step"\|^set ylabel "loss"' script)" = 2 ]
tr -d '\r' <lightning_logs/my_lt_module/version_0/metrics.csv | cut -d, -f1 >losses
tr -d '\r' <"$MR_TEST_DATA/curve_seed42.csv" | cut -d, -f1 >wanted
paste losses wanted | awk 'NR > 1 && ($1 - $2 > 1e-6 * $2 || $2 - $1 > 1e-6 * $2) { exit 1 } END { exit NR != 20 }' && ok=0 || ok=1
check '10_logging: the losses that Lightning logged' [ "$ok" = 0 ]

# ---- predicting ----

run 11_predict
check 11_predict near 11_predict.want out 1.01e-4
run 11_predict lightning_logs/my_lt_module/version_0/checkpoints/epoch=29-step=960.safetensors
check '11_predict of a checkpoint' near 11_predict.want out 1.01e-4
"$MR_BIN/curve" --no-progress --log-dir other >/dev/null 2>&1
run 11_predict other/my_lt_module/version_0/checkpoints/epoch=29-step=960.safetensors
check '11_predict of what curve trained' near 11_predict.want out 1.01e-4
status=0
"$MR_BIN/11_predict" nowhere.safetensors >out 2>err || status=$?
check '11_predict without weights: status' [ "$status" = 1 ]
check '11_predict without weights' [ "$(cat err)" = "cannot read 'nowhere.safetensors': No such file or directory" ]

# ---- an operation of one's own ----

run 12_own_operation
check 12_own_operation near 12_own_operation.want out 1.01e-4

# ---- parts of data, and weights ----

run 13_split_and_weights
check 13_split_and_weights same 13_split_and_weights.want out
check '13_split_and_weights: no complaint' [ ! -s err ]

# ---- files and databases: least squares give -17.579 + 3.932 and 1.4993, -0.4995; without gnuplot there is no picture ----

if [ -x "$MR_BIN/14_csv_regression" ]; then
    run 14_csv_regression
    echo '50 cars: distance = -17.58 ft + 3.93 ft for each mph' >wanted
    head -n 1 out >line
    check 14_csv_regression near wanted line 0.0101
    check '14_csv_regression: the file' [ "$(wc -l <cars.csv)" = 51 ]
    ! gnuplot --version >/dev/null 2>&1 || check '14_csv_regression: a PNG' [ "$(head -c 4 braking.png | tail -c 3)" = PNG ]
fi
if [ -x "$MR_BIN/15_sqlite_query" ]; then
    run 15_sqlite_query
    echo 'time ~ distance^1.499 mass^-0.500' >wanted
    head -n 1 out >line
    check 15_sqlite_query near wanted line 0.00201
    ! gnuplot --version >/dev/null 2>&1 || check '15_sqlite_query: a PNG' [ "$(head -c 4 orbits.png | tail -c 3)" = PNG ]
    cp orbits.db of_a_user.db
    run 15_sqlite_query of_a_user.db
    head -n 1 out >line
    check '15_sqlite_query: a database that is there' near wanted line 0.00201
fi

# ---- that is all of the lecture's, and beside it ----

check 'each example is here' [ "$(ls "$MR_BIN" | grep -c '^0[1-9]_\|^1[0-3]_')" = "$(grep -c '^==' "$MR_TEST_DATA/examples.txt")" ]

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
