#!/bin/bash
# After up.sh: the chart with the operator's image on a real node, one line a check; ends with 0 if all of them hold.
set -uo pipefail
. "$(dirname "$0")/env.sh"
rn_check
rn_alive || rn_die "the node is not up"
CHART=$RN_KIT/../../charts/domicile
NS=domicile-system
POLICIES=mutatingadmissionpolicies,mutatingadmissionpolicybindings,validatingadmissionpolicies,validatingadmissionpolicybindings
PASS=0 FAIL=0 OUT=$RN_STATE/log/drill.out
cd "$RN_KIT/drill" || exit 1
trap 'kill $(jobs -p) 2>/dev/null' EXIT

check() { # check WHAT COMMAND...
  local what=$1
  shift
  if "$@" >"$OUT" 2>&1; then
    PASS=$((PASS + 1))
    echo "ok   $what"
  else
    FAIL=$((FAIL + 1))
    echo "FAIL $what"
    tail -15 "$OUT" | cut -c1-1000 | sed 's/^/     /'
  fi
}
soon() { # soon COMMAND...: until it passes, for at most 90 s
  local end=$((SECONDS + 90))
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.5
  done
}
says() { # says TEXT COMMAND...: the command's output holds the text
  local want=$1 got
  shift
  got=$("$@" 2>&1)
  echo "$got"
  [[ $got == *"$want"* ]]
}
silent() { # silent COMMAND...: it passes and prints nothing
  local got
  got=$("$@" 2>&1) && [ -z "$got" ] || { echo "$got"; return 1; }
}
refused() { # refused TEXT COMMAND...: it fails, and its output holds the text
  local want=$1 got
  shift
  if got=$("$@" 2>&1); then echo "passed: $got"; return 1; fi
  echo "$got"
  [[ $got == *"$want"* ]]
}

VALUES=(--set image.repository=localhost/domicile --set image.tag=drill
  --set "networkPolicy.apiServer.cidrs={$RN_NODE_IP/32}" --set "networkPolicy.apiServer.ports={6443}"
  --set-json 'networkPolicy.metricsFrom=[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"monitoring"}}}]')
install() { helm install domicile "$CHART" -n $NS --create-namespace --wait --timeout 120s "${VALUES[@]}"; }
two_ready() { says 2/2 kubectl -n $NS get deploy domicile -o 'jsonpath={.status.readyReplicas}/{.status.replicas}'; }
running() { kubectl -n "$1" wait --for=condition=Ready "pod/$2" --timeout=60s; }

# A place that only its owner knows: a zone that a Location ties to Germany.
kubectl label node realnode topology.kubernetes.io/zone=fra-dc1 --overwrite >/dev/null
kubectl create namespace before >/dev/null
kubectl -n before apply -f probe.yaml >/dev/null
kubectl label namespace before pod-security.kubernetes.io/enforce=privileged >/dev/null
kubectl create namespace $NS >/dev/null
kubectl label namespace $NS pod-security.kubernetes.io/enforce=restricted >/dev/null

check "helm install --wait, where pods must hold to the restricted standard" install
check "two replicas are ready" two_ready
check "the API server reaches them through the Service (helm test)" soon helm test domicile -n $NS

# What it is for.
check "what is declared is taken" soon kubectl apply -f stack.yaml
COUNTRY='jsonpath={.metadata.labels.domicile\.node-restriction\.kubernetes\.io/country}'
check "the node gets its country" soon says DE kubectl get node realnode -o "$COUNTRY"
check "a pod with German data runs on the node" eval 'soon kubectl apply -f pods.yaml && running cx-de answers'
AFFINITY='jsonpath={.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution}'
check "and is pinned to countries where that is lawful" says '"DE"' kubectl -n cx-de get pod answers -o "$AFFINITY"
check "a pod abroad is refused, and told why" refused "would process personal data of DE" kubectl apply -f abroad.yaml
check "a store abroad is refused" refused RES-PLACE kubectl apply -f store-abroad.yaml
check "a namespace without personal data is left alone" silent kubectl -n before get pod probe -o "$AFFINITY"

# Who reaches into it, and what it reaches.
check "kubectl exec into a pod with German data is refused" \
  soon refused RES- kubectl -n cx-de exec answers -- /probe get http://localhost:8080/
check "and into another is not" says hello kubectl -n before exec probe -- /probe get http://localhost:8080/
asker() { kubectl -n cx-de logs asker --tail=2; }
for port in 18090 18091; do enter "$RN_BIN/probe" http "$RN_NODE_IP:$port" >/dev/null 2>&1 & done
check "a workload of the store starts" kubectl apply -f asker.yaml
check "it reaches what is not declared, as long as nobody objects" soon says "18091/ answers: 200" asker
check "the network of the store is shut" eval 'kubectl apply -f network.yaml && soon says "18091/ fails" asker'
check "but for what a lawful flow declares" says "18090/ answers: 200" asker

# Least privilege.
forbidden() { ! kubectl -n $NS logs -l app.kubernetes.io/name=domicile --tail=-1 | grep -i forbidden; }
check "nothing that the operator asked for was forbidden" forbidden
operator_ip() { kubectl -n $NS get pod -l app.kubernetes.io/name=domicile -o 'jsonpath={.items[0].status.podIP}'; }
get() { kubectl -n before exec probe -- /probe get "$1"; }
check "a stranger does not reach the metrics" refused refused get "http://$(operator_ip):8080/metrics"
check "but the webhook, by its Service" says 405 get https://domicile.$NS.svc/validate/labelled
kubectl -n $NS apply -f jail.yaml >/dev/null
running $NS jail >/dev/null
jail() { kubectl -n $NS exec jail -- /probe get "$1"; }
check "a pod of the operator reaches the API server" says 401 jail "https://$(kubectl get service kubernetes -o 'jsonpath={.spec.clusterIP}')/version"
check "and nobody else" \
  refused refused jail "http://$(kubectl -n before get pod probe -o 'jsonpath={.status.podIP}'):8080/"
kubectl -n $NS delete pod jail --grace-period=1 >/dev/null

# Upgrade, under creations that must all pass.
kubectl create namespace harmless >/dev/null
trickle() {
  probe trickle pod.yaml /api/v1/namespaces/harmless/pods pod.yaml /api/v1/namespaces/cx-de/pods >"$RN_STATE/log/trickle.out" 2>&1 &
  TRICKLE=$!
}
upgrade() { helm upgrade domicile "$CHART" -n $NS --wait --timeout 180s "${VALUES[@]}" "$@"; }
trickle
check "helm upgrade replaces both pods" upgrade --set operator.labelGraceSeconds=31
check "and back" upgrade
sleep 3
kill "$TRICKLE"
wait "$TRICKLE" 2>/dev/null
check "no creation failed meanwhile" says " 0 refused" tail -3 "$RN_STATE/log/trickle.out"
echo "     $(tail -1 "$RN_STATE/log/trickle.out")"
check "two replicas are ready again" soon two_ready

# One replica is lost.
kubectl -n $NS delete pod --grace-period=0 --force \
  "$(kubectl -n $NS get pod -l app.kubernetes.io/name=domicile -o 'jsonpath={.items[0].metadata.name}')" >/dev/null 2>&1
check "with one replica lost, pods are judged" soon refused "would process personal data of DE" kubectl apply -f abroad.yaml

# Out again.
check "helm uninstall --wait" helm uninstall domicile -n $NS --wait --timeout 120s
ours() {
  kubectl get -o name "mutatingwebhookconfigurations,validatingwebhookconfigurations,$POLICIES" | grep domicile
  kubectl get -o name networkpolicies -A -l app.kubernetes.io/managed-by=domicile | grep .
}
gone() { [ -z "$(ours)" ] || { ours; return 1; }; } # the garbage collector looks around every half minute
check "nothing is left that could refuse" soon gone
check "so a pod abroad is taken where it was refused" soon kubectl apply -f abroad.yaml
check "what was declared is still there" says answers kubectl -n cx-de get datastores -o name
check "installed anew, it takes up the definitions that stayed" install
check "and judges again" soon refused RES-PLACE kubectl apply --dry-run=server -f store-abroad.yaml

# And once more, with the operator long dead.
dead() {
  kubectl -n $NS scale deploy/domicile --replicas=0 &&
    kubectl -n $NS wait --for=delete pod -l app.kubernetes.io/name=domicile --timeout=60s
}
check "the operator dies" dead
check "what it wrote still holds" refused domicile kubectl apply --dry-run=server -f abroad-again.yaml
check "helm uninstall --wait without it" helm uninstall domicile -n $NS --wait --timeout 120s
check "nothing is left that could refuse" soon gone
check "so the pod is taken" soon kubectl apply -f abroad-again.yaml

echo "$PASS passed, $FAIL failed, $SECONDS s"
[ $FAIL = 0 ]
