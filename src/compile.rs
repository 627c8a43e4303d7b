//! Policies that the API server evaluates by itself, compiled from the same law, policies and places as every decision: they
//! hold when every operator pod is dead, and when somebody has deleted the webhook configurations.
//!
//! ```text
//! World + exempt namespaces + now -> plan -> manifests, and what they decide completely (no client)
//! ```
//!
//! | generated policy | what it does |
//! |---|---|
//! | `domicile-pods.*` | refuses pods whose node constraints do not lead inside, literally |
//! | `domicile-pin.*` | pins pods that say nothing about places, where the API server serves mutating policies |
//! | `domicile-claims.*` | refuses claims whose class or volume is not known to lie inside |
//! | `domicile-bindings.*` | refuses bindings to nodes that are not known to be inside |
//! | `domicile-reach.*` | refuses who reaches into pods and is not known to be inside |
//! | `domicile-guard-*` | keep the labels, kinds and configurations that decide what is protected, and who approves exceptions |
//! | `domicile-sign-exceptions` | notes who has written an exception, where the API server serves mutating policies |
//!
//! Everything is written as literals, with no parameter object that could be missing. A validating policy never says yes in
//! place of the webhook: all of them must agree. Where a policy is exact (it says yes and no just as the decision does) the
//! webhook need not be asked, and `Plan::groups` says so; what is looser or stricter than the decision keeps its webhook.
//!
//! Every allowance carries its own end. On CREATE the API server stamps `metadata.creationTimestamp` itself, so that a law
//! that ends at midnight ends there with nobody alive. Bindings carry no stamp: they are held against what is allowed now,
//! which concerns only pods that were admitted while it was.

mod bindings;
pub mod cel;
pub mod claims;
mod guards;
pub mod pods;
mod reach;
mod scope;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::v1alpha1::ORIGIN_LABEL;
use crate::engine::explain;
use crate::interpret::world::World;

use scope::Scopes;
pub use scope::{Scope, Span, Spans, Ways};

/// Label that marks what the operator wrote.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "domicile");
/// Name of the webhook configurations of the operator.
pub const CONFIGURATIONS: &str = "domicile";
/// What every name of a generated object begins with.
pub const PREFIX: &str = "domicile-";
/// API version of what is generated.
pub const API_VERSION: &str = "admissionregistration.k8s.io/v1";
/// Label by which namespaces are chosen by name.
pub(crate) const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
/// More scopes than these are left to the webhooks: the API server looks at each policy for every request.
const MOST_SCOPES: usize = 200;

/// Whether an object is one that the operator generates. It removes any other that says so, and need not ask itself where its
/// own policies send data.
pub fn is_generated(object: &Value) -> bool {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (key, value) = MANAGED_BY;
    text("/apiVersion") == API_VERSION
        && Kind::ALL.iter().any(|kind| kind.name() == text("/kind"))
        && text("/metadata/name").starts_with(PREFIX)
        && object["metadata"]["labels"][key] == value
}

/// The kinds that are generated, in an order in which they can be applied and, backwards, removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "named like the kinds")]
pub enum Kind {
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
    MutatingAdmissionPolicy,
    MutatingAdmissionPolicyBinding,
}

impl Kind {
    /// Every kind, policies before their bindings, refusing before changing.
    pub const ALL: [Self; 4] = [
        Self::ValidatingAdmissionPolicy,
        Self::ValidatingAdmissionPolicyBinding,
        Self::MutatingAdmissionPolicy,
        Self::MutatingAdmissionPolicyBinding,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ValidatingAdmissionPolicy => "ValidatingAdmissionPolicy",
            Self::ValidatingAdmissionPolicyBinding => "ValidatingAdmissionPolicyBinding",
            Self::MutatingAdmissionPolicy => "MutatingAdmissionPolicy",
            Self::MutatingAdmissionPolicyBinding => "MutatingAdmissionPolicyBinding",
        }
    }

    /// Its plural.
    pub fn plural(self) -> &'static str {
        match self {
            Self::ValidatingAdmissionPolicy => "validatingadmissionpolicies",
            Self::ValidatingAdmissionPolicyBinding => "validatingadmissionpolicybindings",
            Self::MutatingAdmissionPolicy => "mutatingadmissionpolicies",
            Self::MutatingAdmissionPolicyBinding => "mutatingadmissionpolicybindings",
        }
    }

    /// Whether it changes objects, which not every API server can.
    pub fn mutates(self) -> bool {
        matches!(self, Self::MutatingAdmissionPolicy | Self::MutatingAdmissionPolicyBinding)
    }
}

/// What the plan depends on beside the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    /// Namespaces that are never judged.
    pub exempt: BTreeSet<String>,
    /// Whether the API server serves mutating policies.
    pub mutating: bool,
    /// Whom the guards let change what the operator itself keeps: its own user names.
    pub operator: Vec<String>,
    /// Whether labels, kinds and configurations are guarded.
    pub guards: bool,
}

/// A generated object.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its specification, which many hold.
    pub spec: Arc<Value>,
}

impl Generated {
    /// The whole object, as it is applied.
    pub fn manifest(&self) -> Value {
        let (key, value) = MANAGED_BY;
        json!({
            "apiVersion": API_VERSION, "kind": self.kind.name(),
            "metadata": {"name": self.name, "labels": {key: value, "app.kubernetes.io/part-of": "domicile"}},
            "spec": *self.spec,
        })
    }
}

/// Namespaces of one origin label, as far as generated policies decide for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What names end with that belong to it.
    pub id: String,
    /// The value of the origin label.
    pub value: String,
    /// Namespaces of this value in which more is to be judged than the label says.
    pub apart: BTreeSet<String>,
    /// Whether pods are decided completely that say nothing beyond where they may run.
    pub pods: bool,
    /// Keys of node labels that say something about places.
    pub keys: BTreeSet<String>,
    /// Countries and regions inside.
    pub known: pods::Known,
    /// Whether pods that say nothing about places are pinned without the webhook.
    pub pins: bool,
    /// Classes of claims that are allowed; none where claims are not decided completely.
    pub claims: Option<BTreeSet<String>>,
    /// Whether bindings are.
    pub bindings: bool,
}

/// What is not compiled, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Left {
    /// The policies concerned; none: all.
    pub policies: Vec<String>,
    /// What the webhooks alone judge.
    pub what: String,
}

/// Everything that should exist, and what it decides.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The objects, by kind and name.
    pub objects: BTreeMap<(Kind, String), Generated>,
    /// What is decided completely.
    pub groups: Vec<Group>,
    /// What is left to the webhooks.
    pub left: Vec<Left>,
    /// The first instant at which the plan has to be made again.
    pub until: Option<Timestamp>,
}

impl Plan {
    fn add(&mut self, kind: Kind, name: String, spec: Value) {
        self.objects.insert((kind, name.clone()), Generated { kind, name, spec: Arc::new(spec) });
    }

    /// Leaves to the webhooks what policies let be at places that are not proven.
    fn leave_unproven(&mut self, what: &str, scope: &Scope, policies: &[String]) {
        let what = format!("{what} with {}: places that are not proven are not refused", scope.data.via);
        self.left.push(Left { policies: policies.to_vec(), what });
    }

    /// A validating policy that its binding applies everywhere that it matches.
    fn validate(&mut self, name: String, mut spec: Value) {
        spec["failurePolicy"] = "Fail".into();
        self.add(Kind::ValidatingAdmissionPolicy, name.clone(), spec);
        let binding = json!({"policyName": name, "validationActions": ["Deny"]});
        self.add(Kind::ValidatingAdmissionPolicyBinding, name, binding);
    }

    /// The same for a policy that changes objects.
    fn mutate(&mut self, name: String, mut spec: Value) {
        spec["failurePolicy"] = "Fail".into();
        spec["reinvocationPolicy"] = "IfNeeded".into();
        self.add(Kind::MutatingAdmissionPolicy, name.clone(), spec);
        let binding = json!({"policyName": name});
        self.add(Kind::MutatingAdmissionPolicyBinding, name, binding);
    }
}

/// Adds the guard of generated policies themselves. The API server never asks policies of the cluster about policies; only
/// those that it loads from files can hold it.
pub fn guard_policies(plan: &mut Plan, inputs: &Inputs) {
    guards::policies(plan, inputs);
}

/// What should exist at `now` (no client).
pub fn plan(world: &World, inputs: &Inputs, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    if inputs.guards {
        guards::add(&mut plan, inputs);
    }
    let Scopes { made: scopes, beyond } = scope::first(MOST_SCOPES, world, inputs, now);
    if beyond > 0 {
        let what = format!("{beyond} stores beyond the first {MOST_SCOPES} labels and stores");
        plan.left.push(Left { policies: Vec::new(), what });
    }
    plan.left.extend(scope::left(world, &scopes, inputs));
    for scope in &scopes {
        pods::add(&mut plan, world, inputs, scope);
        claims::add(&mut plan, world, scope);
        bindings::add(&mut plan, scope);
        reach::add(&mut plan, world, scope);
        plan.until = [plan.until, scope.until()].into_iter().flatten().min();
        if let Some(group) = scope.group(world, inputs, &plan) {
            plan.groups.push(group);
        }
    }
    let exceptions = world.policies.exceptions().iter().flat_map(|one| [Some(one.expires), one.starts]).flatten();
    plan.until = plan.until.into_iter().chain(exceptions.filter(|at| *at > now)).min();
    let limited = |scope: &&Scope| scope.process.first().is_some() || scope.store.first().is_some();
    let enforced = scopes.iter().filter(limited).filter_map(|scope| scope.label.clone()).collect();
    guards::labels(&mut plan, inputs, &enforced);
    plan
}

/// "personal data of DE may be processed only in EEA (37 countries)": what a generated policy says when it refuses.
fn sentence(world: &World, scope: &Scope, span: &Span, verb: &str, now: Timestamp) -> String {
    let countries = explain::countries(&span.countries, &world.lawbook, now);
    let policies = span.policies.join(", ");
    format!(
        "{} may be {verb} only in {countries} (policy {policies})",
        explain::data(std::slice::from_ref(&scope.data))
    )
}

/// Namespaces with a value of the origin label, without those by name.
fn labelled(value: &str, without: &BTreeSet<String>) -> Value {
    json!({"matchExpressions": [
        {"key": ORIGIN_LABEL, "operator": "In", "values": [value]},
        {"key": NAMESPACE_NAME, "operator": "NotIn", "values": without},
    ]})
}

/// What a policy is about.
fn rules(resources: &[&str], operations: &[&str]) -> Value {
    json!([{
        "apiGroups": [""], "apiVersions": ["v1"], "operations": operations, "resources": resources, "scope": "Namespaced",
    }])
}
