//! What the decision lets pass, no generated policy refuses; and what is left to them alone, they refuse where it does.

use std::collections::BTreeMap;
use std::fmt::Write;

use domicile::compile::{self, Plan};
use domicile::engine::verdict::Action;
use domicile::interpret::access::Way;
use domicile::interpret::{Judgement, Operation};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::evaluate::{Asked, Policies};
use crate::builtin;
use crate::cases::{self, Case, Layer};
use crate::properties::generate::{self, NAMESPACE};
use crate::properties::{index, judge, now, patched, tries};

/// Labels of the namespace of this name, as the API server has them.
fn labels<'a>(name: &str, manifests: impl IntoIterator<Item = &'a Value>) -> BTreeMap<String, String> {
    let its_own = |manifest: &&Value| manifest["kind"] == "Namespace" && manifest["metadata"]["name"] == name;
    let manifest = manifests.into_iter().find(its_own);
    let labels = manifest.and_then(|manifest| manifest["metadata"]["labels"].as_object());
    let mut labels: BTreeMap<String, String> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect();
    labels.insert("kubernetes.io/metadata.name".to_owned(), name.to_owned());
    labels
}

/// A claim that names no class has one by the time that policies are asked: the API server adds the default one.
fn with_class<'a>(mut object: Value, manifests: impl IntoIterator<Item = &'a Value>) -> Value {
    const DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";
    if object["kind"] == "PersistentVolumeClaim" && object["spec"].get("storageClassName").is_none() {
        let by_default = |manifest: &&Value| manifest["metadata"]["annotations"][DEFAULT] == "true";
        // Of several as old as each other, the API server takes the one whose name comes first.
        let classes = manifests.into_iter().filter(|manifest| manifest["kind"] == "StorageClass").filter(by_default);
        if let Some(name) = classes.filter_map(|class| class["metadata"]["name"].as_str()).min() {
            object["spec"]["storageClassName"] = name.into();
        }
    }
    object
}

/// The resource that generated policies know something by, of the kinds that they are about.
fn resource(object: &Value, operation: Operation) -> Option<(&'static str, String)> {
    let kind = object["kind"].as_str()?;
    if operation == Operation::Connect {
        let way = Way::ALL.into_iter().find(|way| way.kind == kind)?;
        return Some(("CONNECT", way.resource.to_owned()));
    }
    let resource = match kind {
        "Pod" => "pods",
        "PersistentVolumeClaim" => "persistentvolumeclaims",
        "Binding" => "pods/binding",
        _ => return None,
    };
    (operation == Operation::Create).then(|| ("CREATE", resource.to_owned()))
}

/// What refuses a case that passes, line by line.
fn wrongly_refused(case: &Case) -> Option<String> {
    let (operation, resource) = resource(&case.object, case.operation)?;
    let (world, now, judgement) = case.judged(builtin());
    let judgement = judgement.unwrap();
    if judgement.verdict.action == Action::Refuse {
        return Some(String::new());
    }
    let plan = compile::plan(&world, &super::inputs(), now);
    let namespace = labels(case.object["metadata"]["namespace"].as_str().unwrap_or_default(), &case.world);
    let asked = Asked {
        operation,
        resource,
        object: with_class(patched(&case.object, &judgement), &case.world),
        namespace: &namespace,
        user: json!({"username": case.user.name, "groups": case.user.groups}),
        now,
    };
    let refusing = Policies::of(&plan).refusing(&asked);
    Some(refusing.into_iter().fold(String::new(), |mut lines, (name, message)| {
        writeln!(lines, "    {name}: {message}").unwrap();
        lines
    }))
}

#[test]
fn no_case_that_passes_is_refused_by_a_generated_policy() {
    let mut failures = String::new();
    let mut asked = 0;
    for case in cases::all().iter().filter(|case| case.layer != Layer::Schema) {
        let Some(refused) = wrongly_refused(case) else { continue };
        asked += 1;
        if !refused.is_empty() {
            write!(failures, "\n{}/{}: {}\n{refused}", case.topic, case.name, case.about).unwrap();
        }
    }
    assert!(asked > 300, "only {asked} cases are about what is compiled");
    assert!(failures.is_empty(), "these cases pass, and are refused all the same:\n{failures}");
}

/// A random world, what is compiled from it, and one object.
struct Meeting {
    plan: Plan,
    namespace: BTreeMap<String, String>,
    manifests: Vec<Value>,
    judgement: Judgement,
}

impl Meeting {
    fn of(manifests: &[Value], object: &Value) -> Self {
        let world = index(manifests).world();
        let plan = compile::plan(&world, &super::inputs(), now());
        let judgement = judge(&world, object);
        let namespace = labels(NAMESPACE, manifests);
        Self { plan, namespace, manifests: manifests.to_vec(), judgement }
    }

    fn asked(&self, object: Value) -> Option<Asked<'_>> {
        let (operation, resource) = resource(&object, Operation::Create)?;
        let object = with_class(object, &self.manifests);
        Some(Asked { operation, resource, object, namespace: &self.namespace, user: json!({}), now: now() })
    }

    /// Whether the webhooks are not asked to judge the object, since generated policies decide all there is to decide.
    fn is_decided(&self, policies: &mut Policies, asked: &Asked<'_>) -> bool {
        let value = self.namespace.get("domicile.dev/origin");
        let of_namespace =
            |group: &&compile::Group| Some(&group.value) == value && !group.apart.iter().any(|one| one == NAMESPACE);
        let Some(group) = self.plan.groups.iter().find(of_namespace) else { return false };
        let conditions = match asked.resource.as_str() {
            "pods" if group.pods => compile::pods::silent_about_data("object"),
            "persistentvolumeclaims" if group.claims.is_some() => compile::claims::silent_about_data(),
            _ => return false,
        };
        conditions.iter().all(|(_, expression)| policies.holds(expression, asked))
    }
}

/// Whether policies and decision agree about an object.
fn agrees(manifests: &[Value], object: &Value) -> Result<(), TestCaseError> {
    let meeting = Meeting::of(manifests, object);
    let action = meeting.judgement.verdict.action;
    let mut policies = Policies::of(&meeting.plan);
    let Some(asked) = meeting.asked(patched(object, &meeting.judgement)) else { return Ok(()) };
    let refusing = policies.refusing(&asked);
    if action != Action::Refuse {
        prop_assert!(refusing.is_empty(), "{action:?}, and refused by {refusing:#?}: {}", asked.object);
    } else if meeting.is_decided(&mut policies, &asked) {
        let findings = &meeting.judgement.verdict.findings;
        prop_assert!(!refusing.is_empty(), "nobody is asked who would refuse this: {findings:#?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(tries(300))]

    #[test]
    fn what_the_decision_lets_pass_no_generated_policy_refuses(
        world in generate::world(),
        object in generate::object(),
    ) {
        agrees(&world, &object)?;
    }

    #[test]
    fn what_generated_policies_decide_alone_they_refuse_where_the_decision_does(
        nodes in generate::nodes(),
        origins in generate::origins(),
        (_, policies) in generate::strict_policies(),
        pod in generate::pod(),
    ) {
        let mut manifests = generate::places();
        manifests.extend(nodes);
        manifests.extend(policies);
        manifests.push(generate::namespace(Some(&origins)));
        let mut pod = pod;
        // Nothing but where it may run.
        pod["spec"]["volumes"].take();
        pod["spec"]["containers"][0]["envFrom"].take();
        agrees(&manifests, &pod)?;
    }

    /// Pieces of places, of which others are made.
    #[test]
    fn what_containers_are_told_in_pieces_is_decided_alone_only_where_it_says_nothing(
        (left, right) in (select(LEFT), select(RIGHT)),
        (made, argument) in (select(MADE), option::of(select(MADE))),
    ) {
        let named = |(name, value): (&str, &str)| json!({"name": name, "value": value});
        let env: Vec<Value> = [("A", left), ("B", right), ("C", made)].map(named).into();
        let args: Vec<&str> = argument.into_iter().collect();
        let container = json!({"name": "app", "image": "example.org/app:1", "env": env, "args": args});
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app", "namespace": NAMESPACE},
            "spec": {"containers": [container]},
        });
        agrees(&[generate::namespace(Some("DE"))], &pod)?;
    }
}

const LEFT: &[&str] = &["https:/", "s3.us-", "s3.", "us-east-", "eu-central-", "--region=us-", "plain", ""];
const RIGHT: &[&str] =
    &["/attacker.example", "east-1.amazonaws.com", "amazonaws.com:443", "1", "attacker.example:443", "plain", ""];
const MADE: &[&str] = &["$(A)$(B)", "$(A)", "$(B)", "$$(A)$(B)", "$(A)-$(B)", "$(C)", "--region=$(A)$(B)", "plain"];
