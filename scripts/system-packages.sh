#!/usr/bin/env bash
# The browser, the fonts and the servers that the tests start. Debian's packages, installed where they are missing.
set -euo pipefail

missing=()
need() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}

has_chinese_font() { command -v fc-list >/dev/null && [ -n "$(fc-list :lang=zh family)" ]; }

PATH=$PATH:/usr/sbin:/sbin
need chromium command -v chromium
need fonts-noto-cjk has_chinese_font
need redis-server command -v redis-server
need rabbitmq-server command -v rabbitmq-server
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "The tests need these Debian packages; please install them: ${missing[*]}" >&2
    exit 1
fi
echo "Installing the Debian packages ${missing[*]} …" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >/dev/null
apt-get install -y -qq --no-install-recommends fontconfig "${missing[@]}" >/dev/null
