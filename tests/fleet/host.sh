#!/bin/sh
# Becomes PID 1 of one test host: gives it a /tmp, home and /run of its own, then runs its sshd, or
# on the laptop waits. Runs inside fresh network, mount, UTS and PID namespaces.
#
# host.sh NAME SETUP_DIR (sshd|laptop)
set -eu
name=$1 setup=$2 role=$3

hostname "$name"
mount --make-rprivate /
# The set-up folder may lie below /tmp, which is about to be covered.
mount -t tmpfs tmpfs /mnt
mkdir /mnt/setup && mount --bind "$setup" /mnt/setup
for dir in /tmp /root /run /home /srv; do
    mount -t tmpfs -o mode=0755 tmpfs "$dir"
done
chmod 1777 /tmp
chmod 0700 /root
mount --bind /mnt/setup/hosts /etc/hosts
mkdir -p /root/.ssh /run/sshd
chmod 0700 /root/.ssh

if [ "$role" = laptop ]; then
    cp /mnt/setup/id /root/.ssh/id_ed25519
    cp /mnt/setup/known_hosts /mnt/setup/config /root/.ssh/
    chmod 0600 /root/.ssh/*
    echo "Server listening: laptop" >&2
    exec sleep infinity
fi

cp /mnt/setup/id.pub /root/.ssh/authorized_keys
cp "/mnt/setup/key-$name" /run/sshd/host_key
chmod 0600 /root/.ssh/authorized_keys /run/sshd/host_key
# A message of the day from the shell's own start file, as careless administrators write it.
echo 'echo "Welcome to $(hostname)! Authorised use only."' > /root/.bashrc
exec /usr/sbin/sshd -D -e -f /mnt/setup/sshd_config
