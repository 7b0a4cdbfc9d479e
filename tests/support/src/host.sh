# Becomes PID 1 of one host (sh -c THIS host.sh NAME ADDRESS ROLE): joins the network, gets a /tmp,
# home and /run of its own, then runs its sshd or waits. Runs inside fresh network, mount, UTS and
# PID namespaces.
set -eu
name=$1 address=$2 role=$3

if [ -e "/mnt/cpu/$name/cgroup.procs" ]; then
    echo 0 >"/mnt/cpu/$name/cgroup.procs"
fi
hostname "$name"
ip link set lo up
ip address add "$address/16" broadcast + dev eth0
ip link set eth0 up
ip route add 224.0.0.0/4 dev eth0
echo cubic >/proc/sys/net/ipv4/tcp_congestion_control || true

mount --make-rprivate /
for dir in /tmp /root /run /home /srv; do
    mount -t tmpfs -o mode=0755,size=100% tmpfs "$dir"
done
chmod 1777 /tmp
chmod 0700 /root
mount --bind /mnt/setup/hosts /etc/hosts
mkdir -p /root/.ssh /run/sshd
chmod 0700 /root/.ssh

case $role in
laptop)
    cp /mnt/setup/id /root/.ssh/id_ed25519
    cp /mnt/setup/known_hosts /mnt/setup/config /root/.ssh/
    chmod 0600 /root/.ssh/*
    ;;
sshd)
    cp /mnt/setup/id.pub /root/.ssh/authorized_keys
    cp "/mnt/setup/key-$name" /run/sshd/host_key
    chmod 0600 /root/.ssh/authorized_keys /run/sshd/host_key
    # A message of the day from the shell's own start file, as careless administrators write it.
    echo 'echo "Welcome to $(hostname)! Authorised use only."' >/root/.bashrc
    exec /usr/sbin/sshd -D -e -f /mnt/setup/sshd_config
    ;;
esac
echo "Server listening: none" >&2
exec sleep infinity
