#!/bin/sh
# The examples on real data, here on a few made-up files of the same form: that they run, draw, and learn what is there to learn.
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

# Leaves the progress bar's line out of what was printed. A script in gnuplot's place keeps what it is told.
mkdir bin
printf '#!/bin/sh\n/bin/cat >"%s/script"\necho drawn\n' "$work" >bin/gnuplot
chmod +x bin/gnuplot
run()
{
    name=$1
    shift
    status=0
    PATH=$work/bin "$MR_BIN/$name" "$@" >all 2>err || status=$?
    tr '\r' '\n' <all | grep -v '^Epoch ' >out || true
    check "$name: runs" [ "$status" = 0 ]
}

# ---- Fashion-MNIST: black images are T-shirts, white ones bags ----

# images NAME COUNT: half of them black, half white.
images()
{
    {
        printf "\\0\\0\\10\\3\\0\\0\\0\\$(printf %o $((2 * $2)))\\0\\0\\0\\34\\0\\0\\0\\34"
        head -c $((784 * $2)) /dev/zero
        head -c $((784 * $2)) /dev/zero | tr '\0' '\377'
    } | gzip >"$1-images-idx3-ubyte.gz"
    {
        printf "\\0\\0\\10\\1\\0\\0\\0\\$(printf %o $((2 * $2)))"
        head -c "$2" /dev/zero
        head -c "$2" /dev/zero | tr '\0' '\10'
    } | gzip >"$1-labels-idx1-ubyte.gz"
}

if [ -e "$MR_BIN/16_fashion_mnist" ]; then
    images train 32
    images t10k 5
    run 16_fashion_mnist 12 .
    check '16_fashion_mnist: picture' [ "$(head -n 1 out)" = 'picture: fashion_batch.png' ]
    check '16_fashion_mnist: drawn' [ "$(cat fashion_batch.png)" = drawn ]
    check '16_fashion_mnist: labels' [ "$(grep -ac '^set label "\(T-shirt\|Bag\)"' script)" = 32 ]
    check '16_fashion_mnist: learns' [ "$(tail -n 1 out)" = 'epoch 11: 100.00 % of the test images' ]
    rm t10k-labels-idx1-ubyte.gz
    "$MR_BIN/16_fashion_mnist" 1 . >out 2>err && status=0 || status=$?
    check '16_fashion_mnist without labels: status' [ "$status" = 1 ]
    check '16_fashion_mnist without labels' grep -q "cannot open './t10k-labels-idx1-ubyte.gz': No such file or directory" err
fi

# ---- photographs: of the pictures that tests have, two classes ----

if [ -e "$MR_BIN/17_photographs" ]; then
    mkdir -p folder/grey folder/red
    cp "$MR_TEST_DATA"/pictures/wide_4*.jpg folder/grey
    cp "$MR_TEST_DATA"/pictures/turned_[1-8].jpg folder/red
    run 17_photographs folder
    check '17_photographs' [ "$(cat out)" = "$(printf '11 photographs in 2 classes\npicture: photographs.png')" ]
    check '17_photographs: labels' [ "$(grep -ac '^set label "grey"' script)$(grep -ac '^set label "red"' script)" = 38 ]
    rm folder/red/*
    "$MR_BIN/17_photographs" folder >out 2>err && status=0 || status=$?
    check '17_photographs without files: status' [ "$status" = 1 ]
    check '17_photographs without files' grep -q "'folder/red'" err
fi

# ---- the curve over the network ----

if [ -e "$MR_BIN/18_curve_over_http" ]; then
    run 18_curve_over_http
    check '18_curve_over_http' [ "$(sed 's/:[0-9][0-9]*\/.*//' out)" = \
        "$(printf '50000 batches of 32 points from http://127.0.0.1\npicture: curve_over_http.png')" ]
    # The curve comes first, what was learned second: at each point a tenth apart at most.
    awk '/^\$line/ { n++; next } /^EOD/ { next } /^[0-9]/ { if (n == 1) y[$1] = $2; else { d = $2 - y[$1]; if (d > 0.1 || d < -0.1) bad++; seen++ } }
         END { exit bad || seen != 101 }' script && ok=0 || ok=1
    check '18_curve_over_http: learned' [ "$ok" = 0 ]
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
