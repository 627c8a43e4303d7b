//! Who reaches into pods on a real API server, where hand-written bindings may put them, and what goes out of them.

use serde_json::{Value, json};

use crate::client::{path_of, reference};
use crate::plane::{OURS, Shared, condition, pod, shared};
use crate::poll::{PATIENCE, until, yes};

/// What the API server says of a connection by somebody of this group, whom nothing but admission keeps out: the webhook, or
/// once it is in force the generated policy, each in words of its own.
fn exec(shared: &Shared, namespace: &str, name: &str, group: &str) -> String {
    let path = format!("{}/exec?command=true", path_of(&reference("v1", "Pod", namespace, name)));
    let who = ("alice", &[group, "system:masters"][..]);
    shared.plane.admin.send_as("GET", &path, &Value::Null, who).message().to_owned()
}

/// A binding of a pod to a node, by hand.
fn bind(shared: &Shared, namespace: &str, name: &str, node: &str) -> (u16, String) {
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, "namespace": namespace},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    });
    let answer = shared.plane.admin.create_part(&reference("v1", "Pod", namespace, name), "binding", &binding);
    (answer.code, answer.message().to_owned())
}

#[test]
fn only_listed_groups_reach_into_pods_with_data() {
    let shared = shared();
    // No other test knows data of Liechtenstein, so that this policy binds nothing else.
    shared.plane.namespace("access-li", &json!({"domicile.dev/origin": "LI"}));
    shared.plane.namespace("access-own", &json!({}));
    shared.plane.create(
        "
        apiVersion: domicile.dev/v1alpha1
        kind: ResidencyPolicy
        metadata: {name: access-support}
        spec:
          match: {origins: [LI]}
          residence: {Access: [Law]}
          access: [{groups: [access-support-de], from: [DE]}, {groups: [access-support-us], from: [US]}]
        ",
    );
    for (namespace, labels) in [("access-li", json!({})), ("access-own", json!({"domicile.dev/origin": "LI"}))] {
        shared.plane.admin.create(&pod(namespace, "app", &labels, json!({}))).ok();
        until("others are kept out", PATIENCE, || {
            let message = exec(shared, namespace, "app", "access-others");
            let said = [
                "[RES-UNKNOWN] pods/exec: cannot prove where",
                "[RES-UNKNOWN] nothing says from where this user looks at it",
            ];
            yes(said.iter().any(|said| message.contains(said)), message)
        });
        until("those in the country may", PATIENCE, || {
            let message = exec(shared, namespace, "app", "access-support-de");
            yes(!message.contains("domicile"), message)
        });
        let abroad = exec(shared, namespace, "app", "access-support-us");
        let said =
            ["[RES-PLACE] pods/exec: would access personal data of LI", "[RES-PLACE] this user may be elsewhere"];
        assert!(said.iter().any(|said| abroad.contains(said)), "{abroad}");
    }
    // Elsewhere nobody asks.
    shared.plane.namespace("access-elsewhere", &json!({}));
    shared.plane.admin.create(&pod("access-elsewhere", "app", &json!({}), json!({}))).ok();
    let elsewhere = exec(shared, "access-elsewhere", "app", "access-others");
    assert!(!elsewhere.contains("domicile"), "{elsewhere}");
}

#[test]
fn a_binding_by_hand_leads_to_nodes_at_home_only() {
    let shared = shared();
    shared.plane.namespace("bindings-de", &json!({"domicile.dev/origin": "DE"}));
    let by_hand = json!({"schedulerName": "somebody-else"});
    for name in ["away", "home"] {
        shared.plane.admin.create(&pod("bindings-de", name, &json!({}), by_hand.clone())).ok();
    }
    for node in ["iad-1", "liar", "nowhere"] {
        let (code, message) = bind(shared, "bindings-de", "away", node);
        assert!(code == 403 && message.contains("target.name"), "{node}: {code} {message}");
    }
    let (code, message) = bind(shared, "bindings-de", "home", "fra-1");
    assert!(code < 300, "{code} {message}");
    // The scheduler itself goes on.
    shared.plane.admin.create(&pod("bindings-de", "scheduled", &json!({}), json!({}))).ok();
    until("the scheduler binds a pod", PATIENCE, || {
        let pod = shared.plane.admin.get(&reference("v1", "Pod", "bindings-de", "scheduled")).ok_or("gone")?;
        yes(pod["spec"]["nodeName"].is_string(), &pod["status"])
    });
    let away = shared.plane.admin.get(&reference("v1", "Pod", "bindings-de", "away")).unwrap();
    assert!(away["spec"]["nodeName"].is_null(), "{away}");
}

/// What a store's network lets out, beside lookups and what stays in the cluster.
fn outside(shared: &Shared) -> Result<Vec<String>, String> {
    let policy = reference("networking.k8s.io/v1", "NetworkPolicy", "network-is", "domicile-answers");
    let policy = shared.plane.admin.get(&policy).ok_or("no policy")?;
    let rules = policy["spec"]["egress"].as_array().cloned().unwrap_or_default();
    let ranges = rules.iter().filter_map(|rule| rule["to"][0]["ipBlock"]["cidr"].as_str());
    Ok(ranges.map(str::to_owned).collect())
}

#[test]
fn the_network_of_a_store_follows_its_flows_and_goes_with_it() {
    let shared = shared();
    shared.plane.namespace("network-is", &json!({"domicile.dev/origin": "IS"}));
    shared.plane.create(
        "
        apiVersion: domicile.dev/v1alpha1
        kind: ResidencyPolicy
        metadata: {name: network-shut}
        spec: {match: {origins: [IS]}, residence: {Transfer: [EEA]}, network: Generate}
        ---
        apiVersion: domicile.dev/v1alpha1
        kind: DataStore
        metadata: {name: answers, namespace: network-is}
        spec: {origins: [IS], workloads: {selector: {matchLabels: {app: answers}}}}
        ---
        apiVersion: domicile.dev/v1alpha1
        kind: DataFlow
        metadata: {name: out, namespace: network-is}
        spec:
          from: {dataStore: {name: answers}}
          to: {recipient: {name: Vienna, place: {country: AT}, addresses: [{cidr: 198.51.100.240/28}]}}
        ---
        apiVersion: domicile.dev/v1alpha1
        kind: DataFlow
        metadata: {name: silent, namespace: network-is}
        spec: {from: {dataStore: {name: answers}}, to: {recipient: {name: Graz, place: {country: AT}}}}
        ",
    );
    let wait = |what: &str, wanted: &[&str]| {
        until(what, PATIENCE, || {
            let found = outside(shared)?;
            yes(found == wanted, format!("{found:?} instead of {wanted:?}"))
        });
    };
    wait("the flow's addresses are open", &["198.51.100.240/28"]);
    let flow = |name: &str| reference(OURS, "DataFlow", "network-is", name);
    until("the flow without addresses says so", PATIENCE, || {
        let condition = condition(&shared.plane.admin.get(&flow("silent")).ok_or("gone")?, "NetworkOpen");
        yes(condition["reason"] == "NoAddresses", condition)
    });
    let more = json!({"spec": {"to": {"recipient": {"addresses": [{"cidr": "198.51.100.224/28"}]}}}});
    shared.plane.admin.patch(&flow("silent"), &more).ok();
    wait("another is opened", &["198.51.100.224/28", "198.51.100.240/28"]);
    shared.plane.admin.delete(&flow("out")).ok();
    wait("what is not declared any more is shut", &["198.51.100.224/28"]);
    let policy = reference("networking.k8s.io/v1", "NetworkPolicy", "network-is", "domicile-answers");
    shared.plane.admin.patch(&policy, &json!({"spec": {"egress": []}})).ok();
    wait("what somebody changes is set right", &["198.51.100.224/28"]);
    shared.plane.admin.delete(&policy).ok();
    wait("what somebody deletes comes back", &["198.51.100.224/28"]);
    shared.plane.admin.delete(&reference(OURS, "DataStore", "network-is", "answers")).ok();
    until("the policy goes with the store", PATIENCE, || {
        yes(shared.plane.admin.get(&policy).is_none(), "it is still there")
    });
}
