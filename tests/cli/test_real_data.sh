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

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
