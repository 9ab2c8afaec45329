#!/bin/bash
# Runs the tests of the login store against other servers: `pnpm test:servers`. Needs Debian with apt-get.
# The packages are unpacked below the temporary folder and run with the C library of their own release; nothing is
# installed.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=${TMPDIR:-/tmp}/other-servers
mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
site=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep '/debian/$' | head -1)
for release in bookworm-backports trixie sid; do
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $release main"
done > "$folder/sources.list"
apt=(-o "Dir::Etc::sourcelist=$folder/sources.list" -o Dir::Etc::sourceparts=-
  -o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder/cache")
apt-get "${apt[@]}" update > /dev/null

for server in valkey/bookworm-backports redis/trixie valkey/trixie valkey/sid; do
  name=${server%/*} release=${server#*/} here=$folder/${server/\//-}
  rm -rf "$here" && mkdir -p "$here/bin" "$here/root"
  packages=("$name-tools/$release" "$name-server/$release")
  for library in libc6 libatomic1 libjemalloc2 liblzf1 libssl3t64 libstdc++6 libsystemd0 libgcc-s1 libcap2 libzstd1 zlib1g; do
    [ "$release" = bookworm-backports ] || packages+=("$library/$release")
  done
  (cd "$here" && apt-get "${apt[@]}" download "${packages[@]}" > /dev/null && for file in *.deb; do dpkg-deb -x "$file" root; done)
  libraries=$here/root/usr/lib/$(uname -m)-linux-gnu loader=''
  for file in "$libraries"/ld-linux-*.so.*; do
    [ ! -e "$file" ] || loader="$file --argv0 $name-server --library-path $libraries"
  done
  printf '#!/bin/sh\nexec %s %s "$@"\n' "$loader" "$here/root/usr/bin/$name-server" > "$here/bin/redis-server"
  chmod +x "$here/bin/redis-server"
  "$here/bin/redis-server" --version
  PATH=$here/bin:$PATH node --experimental-vm-modules --disable-warning=ExperimentalWarning node_modules/jest/bin/jest.js \
    test/redis- stores/redis- "$@"
done
