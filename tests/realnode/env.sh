# shellcheck shell=bash
# What the scripts share. Source it in a shell to get kubectl, helm, KUBECONFIG and the function enter:
#   . tests/realnode/env.sh
RN_KIT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
RN_WORK=$(realpath -m -- "${DOMICILE_REALNODE:-${XDG_CACHE_HOME:-$HOME/.cache}/domicile/realnode}")
RN_BIN=$RN_WORK/bin
RN_IMG=$RN_WORK/images
RN_STATE=$RN_WORK/state
RN_HOST_IP=172.31.255.1 # the host's end of the veth pair
RN_NODE_IP=172.31.255.2 # the node's end: API server, kubelet
RN_POD_CIDR=10.244.0.0/24
RN_SVC_CIDR=10.97.0.0/16
RN_CNI_BIN=/usr/lib/cni
[ -x $RN_CNI_BIN/bridge ] || [ ! -x /opt/cni/bin/bridge ] || RN_CNI_BIN=/opt/cni/bin
case :$PATH: in *:"$RN_BIN":*) ;; *) PATH=$RN_BIN:$PATH:/usr/sbin:/sbin ;; esac
export KUBECONFIG=$RN_STATE/kubeconfig KUBERC=off
# Caches belong to one life of the cluster: an older one's API discovery at the same address would mislead kubectl and helm.
export KUBECACHEDIR=$RN_STATE/cache/kubectl HELM_CACHE_HOME=$RN_STATE/cache/helm
export HELM_CONFIG_HOME=$RN_STATE/cache/helm-config HELM_DATA_HOME=$RN_STATE/cache/helm-data
: "$RN_KIT $RN_IMG $RN_HOST_IP $RN_NODE_IP $RN_POD_CIDR $RN_SVC_CIDR $RN_CNI_BIN"

# rn_die MESSAGE: for the scripts only
rn_die() { echo "${0##*/}: $*" >&2; exit 1; }

# rn_alive: the node's PID 1 is still the process that up.sh started (same pid, same start time)
rn_alive() {
  local p
  p=$(cat "$RN_STATE/init.pid" 2>/dev/null) && [ -n "$p" ] &&
    [ "$(awk '{print $22}' "/proc/$p/stat" 2>/dev/null)" = "$(cat "$RN_STATE/init.start" 2>/dev/null)" ]
}

# enter COMMAND...: runs a command in the node's namespaces. The working directory becomes /: give absolute paths.
enter() {
  rn_alive || { echo "the node is not up" >&2; return 1; }
  nsenter -t "$(cat "$RN_STATE/init.pid")" -p -n -m -u -i -- "$@"
}

rn_check() {
  [ "$(id -u)" = 0 ] || rn_die "needs root"
  case $RN_WORK in *[!A-Za-z0-9/._-]*) rn_die "DOMICILE_REALNODE may hold only letters, digits and / . _ -: $RN_WORK" ;; esac
  case $RN_WORK/ in
  /run/* | /var/run/* | /proc/* | /sys/* | /var/lib/kubelet/* | /var/lib/containerd/* | /var/lib/cni/* | /etc/cni/* | \
    /var/log/pods/* | /var/log/containers/*)
    rn_die "DOMICILE_REALNODE lies in a folder that the node covers with its own: $RN_WORK" ;;
  esac
}
