//! `domicile access`: who reaches personal data by what admission does not see.

use serde_json::{Value, json};

use super::{Run, domicile};

/// Support may open pods of one namespace, a monitor reads logs everywhere, an agent talks to kubelets, and somebody gathers
/// what carries a label.
const RBAC: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: cx-de, labels: {domicile.dev/origin: DE}}
---
apiVersion: v1
kind: Namespace
metadata: {name: web}
---
apiVersion: domicile.dev/v1alpha1
kind: DataStore
metadata: {name: answers, namespace: cx-fr}
spec: {origins: [FR]}
---
apiVersion: domicile.dev/v1alpha1
kind: ResidencyPolicy
metadata: {name: support}
spec:
  residence: {Access: [Law]}
  access:
  - {groups: ['oidc:support-de'], from: [DE]}
  - {groups: ['system:serviceaccounts:monitoring'], from: [DE, FR]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: support, namespace: cx-de}
rules:
- {apiGroups: [''], resources: [pods/exec], verbs: [create]}
- {apiGroups: [''], resources: [pods], verbs: ['*']}
- {apiGroups: [apps], resources: [secrets], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: support, namespace: cx-de}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: support}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: 'oidc:support-de'}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: everything, namespace: web}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: nodes}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: nobody-here}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: logs}
rules: [{apiGroups: ['*'], resources: ['*/log'], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: monitor}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: logs}
subjects: [{kind: ServiceAccount, namespace: monitoring, name: monitor}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: nodes, labels: {gather: agents}}
rules: [{apiGroups: [''], resources: [nodes/proxy], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: agents}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {gather: agents}}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: agent}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: agents}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: agent}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: agent, namespace: cx-fr}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: agents}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: only-here}]
";

fn access(arguments: &[&str], stdin: &str) -> Run {
    domicile(&[&["access", "-f", "-"], arguments].concat(), stdin.as_bytes())
}

#[test]
fn everybody_who_reaches_data_is_listed_and_nobody_else() {
    let run = access(&["-o", "json"], RBAC);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(document["kind"], "Access");
    assert_eq!(document["protected"], json!(["cx-de", "cx-fr"]));
    let holder = |kind: &str, name: &str, power: &str, namespace: Option<&str>, through: &str, from: Option<&str>| {
        json!({
            "kind": kind, "name": name, "power": power, "namespace": namespace, "through": [through], "from": from,
        })
    };
    let wanted = json!([
        holder("Group", "oidc:support-de", "pods/exec", Some("cx-de"), "RoleBinding/support Role/support", Some("DE")),
        holder(
            "ServiceAccount",
            "monitoring/monitor",
            "pods/log",
            None,
            "ClusterRoleBinding/monitor ClusterRole/logs",
            Some("DE, FR")
        ),
        // A node stands in no namespace, so that a binding in one gives nothing.
        holder("User", "agent", "nodes/proxy", None, "ClusterRoleBinding/agent ClusterRole/agents", None),
    ]);
    assert_eq!(document["holders"], wanted);
}

#[test]
fn the_table_says_where_people_are_declared_to_be() {
    let run = access(&[], RBAC);
    let rows: Vec<Vec<&str>> = run.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["SUBJECT", "MAY", "USE", "NAMESPACE", "FROM", "THROUGH"]);
    assert_eq!(rows[1][..5], ["Group", "oidc:support-de", "pods/exec", "cx-de", "DE"]);
    assert_eq!(rows[3][..5], ["User", "agent", "nodes/proxy", "*", "undeclared"]);
    assert!(run.stdout.contains("namespaces with personal data: cx-de, cx-fr"), "{}", run.stdout);
}

#[test]
fn what_cannot_be_read_is_told_by_name() {
    let broken = RBAC.replace("resources: [pods/exec]", "resources: 7");
    let run = access(&[], &broken);
    assert!(run.code == Some(65) && run.stderr.contains("Role support"), "{run:?}");
    let nobody = access(&[], "{apiVersion: v1, kind: Namespace, metadata: {name: web}}");
    assert!(nobody.code == Some(0) && nobody.stdout.contains("namespaces with personal data: none"), "{nobody:?}");
}
