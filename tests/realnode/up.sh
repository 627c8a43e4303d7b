#!/bin/bash
# Starts a one-node Kubernetes cluster in its own pid, net, mount, uts and ipc namespaces. The host's /run,
# /var/lib/{kubelet,containerd,cni}, /etc/cni and network rules stay as they are, but for one veth (rn0) and two routes,
# by which the host reaches the API server, ClusterIPs, NodePorts and pods. There is no way out of the namespaces.
set -euo pipefail
. "$(dirname "$0")/env.sh"
rn_check
S=$RN_STATE
T0=$(date +%s%N)
say() { local d=$((($(date +%s%N) - T0) / 100000000)); printf '[%3d.%d s] %s\n' $((d / 10)) $((d % 10)) "$*"; }
for b in pause etcd kube-apiserver kube-controller-manager kube-scheduler kubectl kubelet kube-proxy npd; do
  [ -x "$RN_BIN/$b" ] || rn_die "$b is not built: run cargo test --test realnode -- --prepare"
done
rn_alive && rn_die "already up (down.sh stops it)"
[ ! -e "$S/init.pid" ] || "$RN_KIT/down.sh" # left over from a node that ended by itself
! ip link show rn0 >/dev/null 2>&1 || rn_die "the link rn0 exists: another node is up, with another DOMICILE_REALNODE"
trap 'echo "up.sh: failed; see $S/log, then run down.sh" >&2' ERR
umask 022
mkdir -p "$S"/{etcd,pki,log,conf,kubelet,containerd,etc-cni/net.d,log-pods,log-containers}
chmod 700 "$S/pki" "$S/etcd"

# wait_for SECONDS WHAT COMMAND...
wait_for() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    rn_alive || rn_die "the node has ended; see $S/log"
    [ $SECONDS -lt "$end" ] || rn_die "no $what in time; see $S/log, then run down.sh"
    sleep 0.2
  done
}

# 1. the namespaces. bin/pause is their PID 1 and reaps orphans; when it ends, the kernel ends everything inside.
# The kubelet sets some sysctls that no namespace holds: note their values for down.sh.
for f in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
  echo "$f $(cat /proc/sys/$f)"
done >"$S/sysctl.saved"
setsid unshare --net --pid --mount --uts --ipc --fork --kill-child --mount-proc --propagation private "$RN_BIN/pause" </dev/null >"$S/log/init.log" 2>&1 &
U=$!
P=
for _ in $(seq 50); do
  P=$(tr -d ' ' <"/proc/$U/task/$U/children" 2>/dev/null || true)
  [ -z "$P" ] || [ "$(readlink "/proc/$P/exe")" != "$RN_BIN/pause" ] || break
  P=
  sleep 0.1
done
[ -n "$P" ] || rn_die "cannot make the namespaces: $(cat "$S/log/init.log")"
awk '{print $22}' "/proc/$P/stat" >"$S/init.start"
echo "$P" >"$S/init.pid"

# 2. mounts and network
# shellcheck disable=SC2016
enter bash -euc '
  echo realnode >/proc/sys/kernel/hostname
  mount --make-rshared /
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p /run/lock /var/lib/kubelet /var/lib/containerd /var/lib/cni /etc/cni /var/log/pods /var/log/containers
  mount -t tmpfs -o mode=755 tmpfs /var/lib/cni
  mount --bind "$0/kubelet" /var/lib/kubelet
  mount --make-rshared /var/lib/kubelet
  mount --bind "$0/containerd" /var/lib/containerd
  mount --bind "$0/etc-cni" /etc/cni
  mount --bind "$0/log-pods" /var/log/pods
  mount --bind "$0/log-containers" /var/log/containers
  ip link set lo up
  echo 1 >/proc/sys/net/ipv4/ip_forward' "$S"
ip link add rn0 type veth peer name eth0 netns "$P"
ip addr add $RN_HOST_IP/30 dev rn0
ip link set rn0 up
enter ip addr add $RN_NODE_IP/30 dev eth0
enter ip link set eth0 up
# a connection made on the node to a ClusterIP (API server to webhook) needs some route before kube-proxy's rules see it
enter ip route add $RN_SVC_CIDR via $RN_HOST_IP dev eth0 src $RN_NODE_IP
ip route add $RN_SVC_CIDR via $RN_NODE_IP dev rn0
ip route add $RN_POD_CIDR via $RN_NODE_IP dev rn0
enter nft -f - <"$RN_KIT/conf/seal.nft"
# the kubelet wants its cgroup root to exist: with cgroup v1 in every hierarchy, and a new cpuset starts empty
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p /sys/fs/cgroup/realnode
else
  for c in /sys/fs/cgroup/*/cgroup.procs; do mkdir -p "${c%/*}/realnode"; done
  for f in cpuset.cpus cpuset.mems; do cat /sys/fs/cgroup/cpuset/$f >/sys/fs/cgroup/cpuset/realnode/$f; done
fi

# 3. keys: one CA (pods verify the API server by it), serving certificates, the API server's client certificate to the kubelet
cd "$S/pki"
newkey() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "$@" 2>>"$S/log/openssl.log"; }
sign() {
  newkey -subj "$2" -keyout "$1.key" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -extfile <(echo "$3") -out "$1.crt" 2>>"$S/log/openssl.log"
}
if [ ! -e complete ]; then
  newkey -x509 -days 3650 -subj /CN=realnode-ca -keyout ca.key -out ca.crt
  sign apiserver /CN=kube-apiserver "subjectAltName=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:$RN_NODE_IP,IP:10.97.0.1"
  sign kubelet-client /O=system:masters/CN=apiserver-kubelet-client "extendedKeyUsage=clientAuth"
  sign kubelet /CN=realnode "subjectAltName=DNS:realnode,IP:$RN_NODE_IP"
  openssl genrsa -out sa.key 2048 2>>"$S/log/openssl.log"
  openssl rsa -in sa.key -pubout -out sa.pub 2>>"$S/log/openssl.log"
  TOKEN=$(openssl rand -hex 24)
  echo "$TOKEN,admin,admin,system:masters" >tokens.csv
  cat >"$S/kubeconfig" <<C
apiVersion: v1
kind: Config
clusters: [{name: realnode, cluster: {server: "https://$RN_NODE_IP:6443", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: admin, user: {token: "$TOKEN"}}]
contexts: [{name: realnode, context: {cluster: realnode, user: admin}}]
current-context: realnode
C
  chmod 600 "$S/kubeconfig"
  touch complete
fi
cd "$S"
for f in kubelet.yaml kube-proxy.yaml containerd.toml; do sed "s#@STATE@#$S#; s#@CNI_BIN@#$RN_CNI_BIN#" "$RN_KIT/conf/$f" >"conf/$f"; done
cp "$RN_KIT/conf/pods.conflist" etc-cni/net.d/10-pods.conflist

# 4. the control plane, inside too, so that the API server reaches ClusterIPs
start() {
  local n=$1
  shift
  setsid nsenter -t "$P" -p -n -m -u -i -- "$@" </dev/null >"$S/log/$n.log" 2>&1 &
  echo $! >"$S/$n.pid"
}
start etcd "$RN_BIN/etcd" --data-dir "$S/etcd" --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
  --listen-peer-urls http://127.0.0.1:2380 --unsafe-no-fsync --log-level error
start kube-apiserver "$RN_BIN/kube-apiserver" --etcd-servers http://127.0.0.1:2379 --bind-address 0.0.0.0 --secure-port 6443 --advertise-address $RN_NODE_IP \
  --service-cluster-ip-range $RN_SVC_CIDR --tls-cert-file "$S/pki/apiserver.crt" --tls-private-key-file "$S/pki/apiserver.key" --cert-dir "$S/pki/gen" \
  --service-account-issuer https://kubernetes.default.svc --service-account-key-file "$S/pki/sa.pub" --service-account-signing-key-file "$S/pki/sa.key" \
  --kubelet-client-certificate "$S/pki/kubelet-client.crt" --kubelet-client-key "$S/pki/kubelet-client.key" --kubelet-certificate-authority "$S/pki/ca.crt" \
  --kubelet-preferred-address-types InternalIP --token-auth-file "$S/pki/tokens.csv" --authorization-mode Node,RBAC --allow-privileged=true \
  --enable-admission-plugins=NodeRestriction --anonymous-auth=false
start containerd containerd --config "$S/conf/containerd.toml"
wait_for 120 "API server" kubectl get --raw /readyz
say "API server ready"
start kube-controller-manager "$RN_BIN/kube-controller-manager" --kubeconfig "$S/kubeconfig" --leader-elect=false --secure-port 0 \
  --service-account-private-key-file "$S/pki/sa.key" --root-ca-file "$S/pki/ca.crt" --use-service-account-credentials=false --controllers='*'
start kube-scheduler "$RN_BIN/kube-scheduler" --kubeconfig "$S/kubeconfig" --leader-elect=false --secure-port 0

# 5. images, kubelet, kube-proxy, NetworkPolicy, DNS
wait_for 60 containerd enter ctr version
for f in "$RN_IMG"/*.tar; do enter ctr -n k8s.io images import - <"$f" >/dev/null; done
say "containerd ready, images imported"
SINCE=$(date -u +%FT%TZ)
start kubelet "$RN_BIN/kubelet" --config "$S/conf/kubelet.yaml" --kubeconfig "$S/kubeconfig" --node-ip $RN_NODE_IP --hostname-override realnode --v=2
start kube-proxy "$RN_BIN/kube-proxy" --config "$S/conf/kube-proxy.yaml" --hostname-override realnode --v=2
start npd "$RN_BIN/npd" --kubeconfig "$S/kubeconfig"
# Ready, and said so by this kubelet rather than by one of an earlier run
node_ready() {
  local c
  c=$(kubectl get node realnode -o jsonpath='{range .status.conditions[?(@.type=="Ready")]}{.status} {.lastHeartbeatTime}{end}')
  [ "${c% *}" = True ] && [[ ! ${c#* } < $SINCE ]]
}
wait_for 180 "Ready node" node_ready
say "node Ready"
kubectl apply -f "$RN_KIT/conf/coredns.yaml" >/dev/null
kubectl -n kube-system rollout status deploy/coredns --timeout=120s >/dev/null
say "cluster DNS ready"
echo "export KUBECONFIG=$KUBECONFIG"
