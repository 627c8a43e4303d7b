//! Who may reach data by what admission never sees, or sees too late to know them: logs and secrets are read without it, and
//! whoever may use a node's proxy reaches every pod on it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject as Bound,
};
use kube::ResourceExt;
use kube::core::SelectorExt;
use serde::Serialize;

use crate::engine::place::Places;
use crate::engine::policy::Accessors;

/// A power over data: a resource of the core group, and verbs of which one is enough.
struct Power {
    resource: &'static str,
    verbs: &'static [&'static str],
    /// Whether it is about nodes, which stand in no namespace.
    is_cluster: bool,
}

/// A connection is opened by a GET or a POST.
const OPENS: &[&str] = &["get", "create"];

const POWERS: [Power; 9] = [
    Power {
        resource: "nodes/proxy",
        verbs: &["get", "create", "update", "patch", "delete", "list", "watch"],
        is_cluster: true,
    },
    Power { resource: "pods/attach", verbs: OPENS, is_cluster: false },
    Power { resource: "pods/ephemeralcontainers", verbs: &["update", "patch"], is_cluster: false },
    Power { resource: "pods/exec", verbs: OPENS, is_cluster: false },
    Power { resource: "pods/log", verbs: &["get"], is_cluster: false },
    Power { resource: "pods/portforward", verbs: OPENS, is_cluster: false },
    Power { resource: "pods/proxy", verbs: &["get", "create", "update", "patch", "delete"], is_cluster: false },
    Power { resource: "secrets", verbs: &["get", "list", "watch"], is_cluster: false },
    Power { resource: "services/proxy", verbs: &["get", "create", "update", "patch", "delete"], is_cluster: false },
];

/// Roles and who holds them.
#[derive(Debug, Default)]
pub struct Rbac {
    /// Roles of namespaces.
    pub roles: Vec<Role>,
    /// Roles of the cluster.
    pub cluster_roles: Vec<ClusterRole>,
    /// Who holds roles in a namespace.
    pub role_bindings: Vec<RoleBinding>,
    /// Who holds roles everywhere.
    pub cluster_role_bindings: Vec<ClusterRoleBinding>,
}

/// Somebody who holds a power over data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// `Group`, `User` or `ServiceAccount`.
    pub kind: String,
    /// Its name; of service accounts with the namespace in front.
    pub name: String,
    /// The resource that it may use.
    pub power: &'static str,
    /// In which namespace; none: in all of them.
    pub namespace: Option<String>,
    /// The bindings and roles that say so.
    pub through: BTreeSet<String>,
    /// From where policies declare it to look at data; none: no policy does.
    pub from: Option<String>,
}

/// Everybody who holds a power over data of these namespaces.
pub fn holders(rbac: &Rbac, protected: &BTreeSet<String>, access: &[&Accessors]) -> Vec<Holder> {
    // Kind and name of the subject, power, namespace; and through what.
    type Held = BTreeMap<(String, String, &'static str, Option<String>), BTreeSet<String>>;
    let mut found = Held::new();
    let mut note =
        |subjects: Option<&Vec<Bound>>, here: Option<&str>, through: &str, powers: &mut dyn Iterator<Item = &Power>| {
            for power in powers {
                for subject in subjects.into_iter().flatten() {
                    let (kind, name) = named(subject, here);
                    let key = (kind, name, power.resource, here.map(str::to_owned));
                    found.entry(key).or_default().insert(through.to_owned());
                }
            }
        };
    if protected.is_empty() {
        return Vec::new();
    }
    for binding in &rbac.cluster_role_bindings {
        let rules = rbac.rules(&binding.role_ref, "");
        let through = format!("ClusterRoleBinding/{} {}", binding.name_any(), role(&binding.role_ref));
        note(binding.subjects.as_ref(), None, &through, &mut POWERS.iter().filter(|power| power.is_in(&rules)));
    }
    for binding in &rbac.role_bindings {
        let namespace = binding.namespace().unwrap_or_default();
        if !protected.contains(&namespace) {
            continue;
        }
        let rules = rbac.rules(&binding.role_ref, &namespace);
        let mut here = POWERS.iter().filter(|power| !power.is_cluster && power.is_in(&rules));
        let through = format!("RoleBinding/{} {}", binding.name_any(), role(&binding.role_ref));
        note(binding.subjects.as_ref(), Some(&namespace), &through, &mut here);
    }
    let mut holders = Vec::with_capacity(found.len());
    for ((kind, name, power, namespace), through) in found {
        let from = declared(&kind, &name, access).map(|places| places.to_string());
        holders.push(Holder { kind, name, power, namespace, through, from });
    }
    holders
}

/// A subject as people write it.
fn named(subject: &Bound, here: Option<&str>) -> (String, String) {
    let name = match subject.kind.as_str() {
        "ServiceAccount" => {
            format!("{}/{}", subject.namespace.as_deref().or(here).unwrap_or_default(), subject.name)
        }
        _ => subject.name.clone(),
    };
    (subject.kind.clone(), name)
}

/// From where policies declare a subject to look at data. What is declared of the groups of an account counts for it; to what
/// groups a user belongs, nobody here knows.
fn declared(kind: &str, name: &str, access: &[&Accessors]) -> Option<Places> {
    let (user, groups) = match (kind, name.split_once('/')) {
        ("ServiceAccount", Some((namespace, account))) => (
            format!("system:serviceaccount:{namespace}:{account}"),
            vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")],
        ),
        ("Group", _) => (String::new(), vec![name.to_owned()]),
        _ => (name.to_owned(), Vec::new()),
    };
    let matching = access.iter().filter(|entry| entry.include(&user, groups.iter().map(String::as_str)));
    matching.map(|entry| entry.from.clone()).reduce(Places::or)
}

fn role(reference: &RoleRef) -> String {
    format!("{}/{}", reference.kind, reference.name)
}

impl Rbac {
    /// The rules of a role; none where it does not exist.
    fn rules(&self, reference: &RoleRef, namespace: &str) -> Vec<&PolicyRule> {
        if reference.kind == "Role" {
            let is = |role: &&Role| role.name_any() == reference.name && role.namespace().as_deref() == Some(namespace);
            return self.roles.iter().filter(is).flat_map(|role| role.rules.iter().flatten()).collect();
        }
        let mut roles: Vec<&ClusterRole> = Vec::new();
        self.aggregate(&reference.name, &mut roles);
        roles.into_iter().flat_map(|role| role.rules.iter().flatten()).collect()
    }

    /// A role with those that it gathers by their labels: in a cluster their rules are filled in, in files they are not.
    fn aggregate<'a>(&'a self, name: &str, into: &mut Vec<&'a ClusterRole>) {
        let Some(role) = self.cluster_roles.iter().find(|role| role.name_any() == name) else { return };
        if into.iter().any(|known| known.name_any() == name) {
            return;
        }
        into.push(role);
        let selectors = role.aggregation_rule.iter().flat_map(|rule| rule.cluster_role_selectors.iter().flatten());
        for selector in selectors.map(super::scope::selector) {
            for one in self.cluster_roles.iter().filter(|role| selector.matches(role.labels())) {
                self.aggregate(&one.name_any(), into);
            }
        }
    }
}

impl Power {
    /// Whether any of these rules gives it.
    fn is_in(&self, rules: &[&PolicyRule]) -> bool {
        rules.iter().any(|rule| {
            let names = |list: Option<&Vec<String>>, wanted: &dyn Fn(&str) -> bool| {
                list.into_iter().flatten().any(|one| one == "*" || wanted(one))
            };
            let part = self.resource.split_once('/').map(|(_, part)| format!("*/{part}"));
            names(rule.api_groups.as_ref(), &|group| group.is_empty())
                && names(rule.resources.as_ref(), &|one| one == self.resource || Some(one) == part.as_deref())
                && names(Some(&rule.verbs), &|verb| self.verbs.contains(&verb))
        })
    }
}
