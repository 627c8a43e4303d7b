//! The webhook configurations: which requests the API server asks us about.
//!
//! Protected are namespaces with an origin label (a fixed selector, without any window), namespaces that hold a store or
//! flow (by name), and objects that carry an origin label of their own. Nothing else ever reaches the operator, so that a
//! dead one can neither stop nor slow down anything else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Client;
use kube::api::ApiResource;
use serde_json::{Value, json};

use super::events::Draft;
use super::owner::{Owner, OwnerError};
use super::types::Served;
use super::watch::chain;
use super::whole;
use crate::api::v1alpha1::{GROUP, ORIGIN_LABEL, VERSION};
use crate::compile::{self, NAMESPACE_NAME, cel};
use crate::engine::policy::RewriteStorage;
use crate::interpret::access::Way;
use crate::interpret::objects::SELECTED_NODE;
use crate::interpret::own::OwnKind;
use crate::interpret::storage::StorageKind;
use crate::interpret::workload;
use crate::state::Shared;
use crate::webhook::admit::Phase;

/// Name of both configurations.
pub const NAME: &str = crate::compile::CONFIGURATIONS;
/// System namespaces are never judged: nothing there may depend on the operator.
pub const SYSTEM: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];
/// Name of the entries for pods and claims.
const PLACEMENTS: &str = "placements";
/// The entry for bindings.
const BINDINGS: &str = "bindings";
/// The API server gives up on a review after this many seconds.
const TIMEOUT_SECONDS: i32 = 3;

/// How the API server reaches the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Outside the cluster: `https://host:port`.
    Url(String),
    /// A service in the cluster.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// Everything that the configurations depend on.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    /// How to reach the operator.
    pub address: Address,
    /// PEM of the authorities that vouch for its certificate.
    pub authority: String,
    /// Who owns them.
    pub owner: Option<OwnerReference>,
    /// The operator's own namespace.
    pub namespace: String,
    /// Namespaces that hold a store or flow.
    pub protected: Arc<BTreeSet<String>>,
    /// Namespaces with pods that carry an origin label of their own.
    pub holding: Arc<BTreeSet<String>>,
    /// Interpreted types that the cluster serves.
    pub served: Arc<BTreeSet<Served>>,
    /// Whether some policy wants fields of cloud resources replaced.
    pub rewrites_storage: bool,
    /// Whether generated policies guard labels, kinds and configurations.
    pub guards: bool,
    /// Origin labels for whose namespaces generated policies decide some requests completely.
    pub compiled: Arc<Vec<compile::Group>>,
}

impl Inputs {
    /// Before anything is known.
    pub fn new(address: Address, namespace: String, guards: bool) -> Self {
        Self {
            address,
            authority: String::new(),
            owner: None,
            namespace,
            protected: Arc::default(),
            holding: Arc::default(),
            served: Arc::default(),
            rewrites_storage: false,
            guards,
            compiled: Arc::default(),
        }
    }

    /// Namespaces that are never judged.
    pub fn exempt(&self) -> BTreeSet<String> {
        SYSTEM.iter().map(|name| (*name).to_owned()).chain([self.namespace.clone()]).collect()
    }

    fn client(&self, path: &str) -> WebhookClientConfig {
        let mut config = WebhookClientConfig {
            ca_bundle: Some(k8s_openapi::ByteString(self.authority.clone().into_bytes())),
            ..WebhookClientConfig::default()
        };
        match &self.address {
            Address::Url(url) => config.url = Some(format!("{url}{path}")),
            Address::Service { namespace, name } => {
                config.service = Some(k8s_openapi::api::admissionregistration::v1::ServiceReference {
                    namespace: namespace.clone(),
                    name: name.clone(),
                    path: Some(path.to_owned()),
                    port: None,
                });
            }
        }
        config
    }
}

/// Which objects an entry is about, and what a dead operator means for them.
#[derive(Clone)]
struct Group {
    name: &'static str,
    rules: Value,
    failure_policy: &'static str,
    conditions: Value,
}

/// Where an entry applies.
#[derive(Clone)]
struct Selection {
    name: &'static str,
    /// What tells entries of one name apart; empty where there is only one.
    part: String,
    namespaces: Value,
    objects: Value,
}

impl Group {
    /// An entry without rules matches nothing, and is left out.
    fn is_empty(&self) -> bool {
        self.rules.as_array().is_none_or(Vec::is_empty)
    }
}

/// Cluster-scoped objects that say themselves whose data they hold; a namespace selector never exempts those.
fn labelled_objects() -> Selection {
    Selection {
        name: "cluster",
        part: String::new(),
        namespaces: json!({}),
        objects: json!({"matchExpressions": [{"key": ORIGIN_LABEL, "operator": "Exists"}]}),
    }
}

fn named(operator: &str, names: &BTreeSet<String>) -> Value {
    json!({"key": NAMESPACE_NAME, "operator": operator, "values": names})
}

fn selections(inputs: &Inputs) -> Vec<Selection> {
    let exempt = inputs.exempt();
    let labelled = |operator: &str| json!({"key": ORIGIN_LABEL, "operator": operator});
    let protected: BTreeSet<String> = inputs.protected.difference(&exempt).cloned().collect();
    let apart: BTreeSet<String> = protected.union(&exempt).cloned().collect();
    let mut selections = vec![
        Selection {
            name: "labelled",
            part: String::new(),
            namespaces: json!({"matchExpressions": [labelled("Exists"), named("NotIn", &exempt)]}),
            objects: json!({}),
        },
        // Objects that say so themselves, wherever neither of the other two looks already.
        Selection {
            name: "object",
            part: String::new(),
            namespaces: json!({"matchExpressions": [labelled("DoesNotExist"), named("NotIn", &apart)]}),
            objects: json!({"matchExpressions": [labelled("Exists")]}),
        },
    ];
    if !protected.is_empty() {
        selections.push(Selection {
            name: "declared",
            part: String::new(),
            namespaces: json!({"matchExpressions": [labelled("DoesNotExist"), named("In", &protected)]}),
            objects: json!({}),
        });
    }
    selections
}

/// A group in a selection, where generated policies decide some of its requests completely: there the API server asks only
/// about the others, so that a dead operator stops nothing that could be decided without it.
fn asked(inputs: &Inputs, phase: Phase, selection: &Selection, group: &Group) -> Vec<(Selection, Group)> {
    if group.name != PLACEMENTS || selection.name != "labelled" || inputs.compiled.is_empty() {
        return vec![(selection.clone(), group.clone())];
    }
    let exempt = inputs.exempt();
    let of_label = |operator: &str, values: &BTreeSet<String>| json!({"key": ORIGIN_LABEL, "operator": operator, "values": values});
    let values: BTreeSet<String> = inputs.compiled.iter().map(|one| one.value.clone()).collect();
    let others = json!({"matchExpressions": [
        {"key": ORIGIN_LABEL, "operator": "Exists"}, of_label("NotIn", &values), named("NotIn", &exempt),
    ]});
    let mut asked = vec![(Selection { namespaces: others, ..selection.clone() }, group.clone())];
    let apart: BTreeSet<String> =
        inputs.compiled.iter().flat_map(|one| one.apart.difference(&exempt)).cloned().collect();
    if !apart.is_empty() {
        let namespaces = json!({"matchExpressions": [of_label("In", &values), named("In", &apart)]});
        asked.push((Selection { part: "-apart".to_owned(), namespaces, ..selection.clone() }, group.clone()));
    }
    for one in &*inputs.compiled {
        let without = one.apart.union(&exempt).cloned().collect();
        let value = BTreeSet::from([one.value.clone()]);
        let namespaces = json!({"matchExpressions": [of_label("In", &value), named("NotIn", &without)]});
        let mut conditions = group.conditions.as_array().cloned().unwrap_or_default();
        conditions.extend(
            undecided(one, phase).map(|expression| json!({"name": "is-not-decided", "expression": expression})),
        );
        let selection = Selection { part: format!("-{}", one.id), namespaces, ..selection.clone() };
        asked.push((selection, Group { conditions: conditions.into(), ..group.clone() }));
    }
    asked
}

/// Whether generated policies leave something about a request to us; none where they leave everything.
fn undecided(group: &compile::Group, phase: Phase) -> Option<String> {
    let all = |conditions: Vec<(&'static str, String)>| {
        conditions.into_iter().map(|(_, expression)| format!("({expression})")).collect::<Vec<_>>().join(" && ")
    };
    let pods = group.pods.then_some(phase).and_then(|phase| match phase {
        // What is not pinned by the API server is pinned by us.
        Phase::Mutate => group.pins.then(|| all(compile::pods::silent(&group.keys, &group.known))),
        Phase::Validate => Some(all(compile::pods::silent_about_data("object"))),
    });
    let pods = pods
        .map(|silent| format!("(request.resource.resource == 'pods' && request.operation == 'CREATE' && {silent})"));
    // Nothing but a label of its own could bring anything new into an existing pod's scope there.
    let updates = group.pods.then(|| {
        format!(
            "(request.resource.resource == 'pods' && request.operation == 'UPDATE' && {} && {})",
            cel::no_own_label("object"),
            cel::no_own_label("oldObject")
        )
    });
    let claims = group.claims.as_ref().map(|classes| {
        let silent = all(match phase {
            Phase::Mutate => compile::claims::allowed(classes),
            Phase::Validate => compile::claims::silent_about_data(),
        });
        format!("(request.resource.resource == 'persistentvolumeclaims' && request.operation == 'CREATE' && {silent})")
    });
    let decided: Vec<String> = [pods, updates, claims].into_iter().flatten().collect();
    (!decided.is_empty()).then(|| format!("!({})", decided.join(" || ")))
}

fn rule(group: &str, version: &str, resources: &[&str], operations: &[&str], scope: &str) -> Value {
    json!({
        "apiGroups": [group], "apiVersions": [version], "resources": resources, "operations": operations, "scope": scope
    })
}

/// An update that changes nothing of what is judged passes without asking, so that status and bookkeeping of existing
/// objects never depend on the operator.
fn changes_what_is_judged() -> Value {
    let labels = |object: &str| format!("(has({object}.metadata.labels) ? {object}.metadata.labels : {{}})");
    let node = |object: &str| {
        format!(
            "(has({object}.metadata.annotations) && '{SELECTED_NODE}' in {object}.metadata.annotations ? \
             {object}.metadata.annotations['{SELECTED_NODE}'] : '')"
        )
    };
    let expression = format!(
        "request.operation != 'UPDATE' || object.spec != oldObject.spec || {} != {} || {} != {}",
        labels("object"),
        labels("oldObject"),
        node("object"),
        node("oldObject")
    );
    json!([{"name": "changes-what-is-judged", "expression": expression}])
}

/// A template that stays as it is needs no second opinion: scaling, pausing and status pass without asking.
fn changes_the_template() -> Value {
    let part = |object: &str, field: &str| format!("(has({object}.spec.{field}) ? {object}.spec.{field} : null)");
    let same = |field: &str| format!("{} != {}", part("object", field), part("oldObject", field));
    let expression = format!("request.operation != 'UPDATE' || {} || {}", same("template"), same("jobTemplate"));
    json!([{"name": "changes-the-template", "expression": expression}])
}

/// Types whose objects are judged where they are used, or that the control plane itself must always be able to write.
pub const NOT_ASKED: [(&str, &str); 5] = [
    ("", "configmaps"),
    ("", "secrets"),
    ("", "endpoints"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
];

/// Rules for interpreted types, one for each group of versions.
fn rules_of<'a>(served: impl Iterator<Item = &'a Served>, operations: &[&str], scope: &str) -> Vec<Value> {
    let mut kinds: BTreeMap<(&str, &[String]), Vec<&str>> = BTreeMap::new();
    for one in served.filter(|one| !NOT_ASKED.contains(&(one.group.as_str(), one.plural.as_str()))) {
        kinds.entry((&one.group, &one.versions)).or_default().push(&one.plural);
    }
    let rule = |((group, versions), plurals): ((&str, &[String]), Vec<&str>)| {
        json!({
            "apiGroups": [group], "apiVersions": versions, "resources": plurals, "operations": operations, "scope": scope,
        })
    };
    kinds.into_iter().map(rule).collect()
}

/// An update of any object that leaves everything but status and bookkeeping as it is passes without asking; so does what
/// the control plane itself writes about pods.
fn changes_what_is_said() -> Value {
    let part = |object: &str, field: &str| format!("(has({object}.{field}) ? {object}.{field} : null)");
    let differs = |field: &str| format!("{} != {}", part("object", field), part("oldObject", field));
    // What lies outside a specification is read as well: the endpoints of a slice, the value of a setting.
    let changed = ["spec", "metadata.labels", "metadata.annotations"].map(differs).join(" || ");
    let expression = format!("request.operation != 'UPDATE' || !has(object.spec) || {changed}");
    let labels = "(has(object.metadata.labels) ? object.metadata.labels : {})";
    let made = format!(
        "!('endpointslice.kubernetes.io/managed-by' in {labels}) || \
         {labels}['endpointslice.kubernetes.io/managed-by'] != 'endpointslice-controller.k8s.io'"
    );
    json!([
        {"name": "changes-what-is-said", "expression": expression},
        {"name": "not-of-the-control-plane", "expression": made},
    ])
}

fn validating_groups(inputs: &Inputs) -> Vec<Group> {
    let both = ["CREATE", "UPDATE"];
    let by_group = |group: &str| -> Vec<&str> {
        workload::KINDS.iter().filter(|kind| kind.group == group).map(|kind| kind.plural).collect()
    };
    vec![
        Group {
            name: PLACEMENTS,
            rules: json!([
                rule("", "v1", &["pods", "persistentvolumeclaims"], &both, "Namespaced"),
                // Labels can be changed here as well, and with them the scope.
                rule("", "v1", &["pods/status", "persistentvolumeclaims/status"], &["UPDATE"], "Namespaced"),
            ]),
            failure_policy: "Fail",
            conditions: changes_what_is_judged(),
        },
        // Containers that are added to a running pod to debug it.
        Group {
            name: "debugging",
            rules: json!([rule("", "v1", &["pods/ephemeralcontainers"], &["UPDATE"], "Namespaced")]),
            failure_policy: "Fail",
            conditions: changes_what_is_judged(),
        },
        // A template leaks nothing by itself, and its pods are judged: a dead operator need not stop deployments.
        Group {
            name: "templates",
            rules: json!([
                rule("apps", "v1", &by_group("apps"), &both, "Namespaced"),
                rule("batch", "v1", &by_group("batch"), &both, "Namespaced"),
                rule("", "v1", &by_group(""), &both, "Namespaced"),
            ]),
            failure_policy: "Ignore",
            conditions: changes_the_template(),
        },
        Group {
            name: "interpreted",
            rules: rules_of(inputs.served.iter().filter(|one| one.namespaced), &both, "Namespaced").into(),
            failure_policy: "Fail",
            conditions: changes_what_is_said(),
        },
    ]
}

/// What reaches into a pod, or puts it somewhere, without being a pod: such an object carries no label of the pod's, so that
/// no selector on objects finds it.
fn reaching_groups() -> [Group; 2] {
    let ways: Vec<&str> = Way::ALL.iter().map(|way| way.resource).collect();
    [
        Group {
            name: "reach",
            rules: json!([rule("", "v1", &ways, &["CONNECT"], "Namespaced")]),
            failure_policy: "Fail",
            conditions: json!([]),
        },
        Group {
            name: BINDINGS,
            rules: json!([rule("", "v1", &["pods/binding", "bindings"], &["CREATE"], "Namespaced")]),
            failure_policy: "Fail",
            conditions: json!([]),
        },
    ]
}

/// Where these apply. Where a generated policy refuses bindings to all but nodes that are known to be inside, a dead operator
/// need not keep pods from being scheduled: it is asked while it lives, since it knows the evidence of this moment.
fn reaching(inputs: &Inputs) -> Vec<(Selection, Group)> {
    let exempt = inputs.exempt();
    let decided = || inputs.compiled.iter().filter(|one| one.bindings);
    let values: BTreeSet<String> = decided().map(|one| one.value.clone()).collect();
    let apart: BTreeSet<String> = decided().flat_map(|one| one.apart.difference(&exempt)).cloned().collect();
    let of_label = |operator: &str| json!({"key": ORIGIN_LABEL, "operator": operator, "values": values});
    let mut all = Vec::new();
    for selection in selections(inputs).into_iter().filter(|one| one.name != "object").chain(holding(inputs)) {
        for group in reaching_groups() {
            if group.name != BINDINGS || selection.name != "labelled" || values.is_empty() {
                all.push((selection.clone(), group));
                continue;
            }
            let mut add = |part: &str, namespaces: Vec<Value>, failure_policy| {
                let namespaces = json!({"matchExpressions": namespaces});
                let selection = Selection { part: part.to_owned(), namespaces, ..selection.clone() };
                all.push((selection, Group { failure_policy, ..group.clone() }));
            };
            let labelled = json!({"key": ORIGIN_LABEL, "operator": "Exists"});
            add("", vec![labelled, of_label("NotIn"), named("NotIn", &exempt)], "Fail");
            if !apart.is_empty() {
                add("-apart", vec![of_label("In"), named("In", &apart)], "Fail");
            }
            let without = apart.union(&exempt).cloned().collect();
            add("-decided", vec![of_label("In"), named("NotIn", &without)], "Ignore");
        }
    }
    all
}

/// Namespaces that hold no data but that of pods which say so themselves. Of other objects such a label is seen by a selector;
/// what reaches into these pods shows none. By name alone: these are not among the namespaces with stores or flows, and whoever
/// looks for those in the configuration must not find them.
fn holding(inputs: &Inputs) -> Option<Selection> {
    let elsewhere = inputs.exempt().union(&inputs.protected).cloned().collect();
    let holding: BTreeSet<String> = inputs.holding.difference(&elsewhere).cloned().collect();
    (!holding.is_empty()).then(|| Selection {
        name: "declared",
        part: "-holding".to_owned(),
        namespaces: json!({"matchExpressions": [named("In", &holding)]}),
        objects: json!({}),
    })
}

/// Volumes and classes that carry an origin label. Those without never ask, so that provisioning never depends on the
/// operator; they are judged at the claims.
fn storage() -> Group {
    let by_group = |group: &str| -> Vec<&str> {
        let kinds = StorageKind::ALL.iter().filter(|(_, of, _, _)| *of == group);
        kinds.map(|(_, _, _, plural)| *plural).collect()
    };
    // Classes have no `spec`; they hardly ever change.
    let labels = |object: &str| format!("(has({object}.metadata.labels) ? {object}.metadata.labels : {{}})");
    let expression = format!(
        "request.operation != 'UPDATE' || !has(object.spec) || object.spec != oldObject.spec || {} != {}",
        labels("object"),
        labels("oldObject")
    );
    Group {
        name: "storage",
        rules: json!([
            rule("", "v1", &by_group(""), &["CREATE", "UPDATE"], "Cluster"),
            rule("storage.k8s.io", "v1", &by_group("storage.k8s.io"), &["CREATE", "UPDATE"], "Cluster"),
        ]),
        failure_policy: "Fail",
        conditions: json!([{"name": "changes-what-is-judged", "expression": expression}]),
    }
}

/// Claims that are filled from another namespace, wherever they are: what they bring is in scope though nothing else there
/// is. Hardly any claim asks for that, so that no other ever waits for this.
fn clones() -> Group {
    let expression = "has(object.spec.dataSourceRef) && has(object.spec.dataSourceRef.namespace)";
    Group {
        name: "clones",
        rules: json!([rule("", "v1", &["persistentvolumeclaims"], &["CREATE"], "Namespaced")]),
        failure_policy: "Fail",
        conditions: json!([{"name": "comes-from-another-namespace", "expression": expression}]),
    }
}

fn entry(inputs: &Inputs, phase: &str, selection: &Selection, group: &Group) -> Value {
    json!({
        "name": format!("{}.{}{}.{GROUP}", group.name, selection.name, selection.part),
        "admissionReviewVersions": ["v1"],
        "clientConfig": inputs.client(&format!("/{phase}/{}", selection.name)),
        "failurePolicy": group.failure_policy,
        "matchConditions": group.conditions,
        "matchPolicy": "Equivalent",
        "namespaceSelector": selection.namespaces,
        "objectSelector": selection.objects,
        "rules": group.rules,
        // Events are written for real requests only.
        "sideEffects": "NoneOnDryRun",
        "timeoutSeconds": TIMEOUT_SECONDS,
    })
}

/// The labels of everything that the operator makes.
pub fn labels() -> BTreeMap<String, String> {
    [compile::MANAGED_BY, ("app.kubernetes.io/part-of", "domicile")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

fn metadata(inputs: &Inputs) -> Value {
    let mut metadata = json!({"name": NAME, "labels": labels()});
    if let Some(owner) = &inputs.owner {
        metadata["ownerReferences"] = json!([owner]);
    }
    metadata
}

/// The mutating configuration (no client).
pub fn mutating(inputs: &Inputs) -> Value {
    let group = Group {
        name: PLACEMENTS,
        rules: json!([rule("", "v1", &["pods", "persistentvolumeclaims"], &["CREATE"], "Namespaced")]),
        failure_policy: "Fail",
        conditions: json!([]),
    };
    let rewritten = |namespaced: bool| {
        let served = inputs.served.iter().filter(move |one| one.rewritten && one.namespaced == namespaced);
        rules_of(
            served.filter(|_| inputs.rewrites_storage),
            &["CREATE"],
            if namespaced { "Namespaced" } else { "Cluster" },
        )
    };
    let interpreted = |namespaced: bool| Group {
        name: "interpreted",
        rules: rewritten(namespaced).into(),
        failure_policy: "Fail",
        conditions: json!([]),
    };
    let mut webhooks: Vec<Value> = Vec::new();
    for selection in selections(inputs) {
        for group in [&group, &interpreted(true)].into_iter().filter(|group| !group.is_empty()) {
            let asked = asked(inputs, Phase::Mutate, &selection, group);
            webhooks.extend(asked.iter().map(|(selection, group)| entry(inputs, "mutate", selection, group)));
        }
    }
    let clusterwide = interpreted(false);
    if !clusterwide.is_empty() {
        webhooks.push(entry(inputs, "mutate", &labelled_objects(), &clusterwide));
    }
    for entry in &mut webhooks {
        entry["reinvocationPolicy"] = "IfNeeded".into();
    }
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": metadata(inputs), "webhooks": webhooks,
    })
}

/// The validating configuration (no client).
pub fn validating(inputs: &Inputs) -> Value {
    let groups = validating_groups(inputs);
    let mut webhooks: Vec<Value> = selections(inputs)
        .iter()
        .flat_map(|selection| {
            let asked = groups.iter().filter(|group| !group.is_empty());
            let asked = asked.flat_map(|group| self::asked(inputs, Phase::Validate, selection, group));
            asked.map(|(selection, group)| entry(inputs, "validate", &selection, &group)).collect::<Vec<_>>()
        })
        .collect();
    webhooks.extend(reaching(inputs).iter().map(|(selection, group)| entry(inputs, "validate", selection, group)));
    let clusterwide = Group {
        name: "interpreted",
        rules: rules_of(inputs.served.iter().filter(|one| !one.namespaced), &["CREATE", "UPDATE"], "Cluster").into(),
        failure_policy: "Fail",
        conditions: changes_what_is_said(),
    };
    if !clusterwide.is_empty() {
        webhooks.push(entry(inputs, "validate", &labelled_objects(), &clusterwide));
    }
    let plurals: Vec<&str> = OwnKind::ALL.iter().map(|(_, _, plural)| *plural).collect();
    let anywhere = Selection { name: "own", part: String::new(), namespaces: json!({}), objects: json!({}) };
    let own = Group {
        name: "resources",
        rules: json!([rule(GROUP, VERSION, &plurals, &["CREATE", "UPDATE"], "*")]),
        // The schema in the CRD still holds, and what cannot be read binds more, never less.
        failure_policy: "Ignore",
        conditions: json!([]),
    };
    webhooks.push(entry(inputs, "validate", &anywhere, &own));
    let labelled = Selection {
        name: "own",
        part: String::new(),
        namespaces: json!({}),
        objects: json!({"matchExpressions": [{"key": ORIGIN_LABEL, "operator": "Exists"}]}),
    };
    let namespaces = Group {
        name: "namespaces",
        rules: json!([rule("", "v1", &["namespaces"], &["CREATE", "UPDATE"], "Cluster")]),
        failure_policy: "Ignore",
        conditions: json!([]),
    };
    webhooks.push(entry(inputs, "validate", &labelled, &namespaces));
    webhooks.push(entry(inputs, "validate", &Selection { name: "object", ..labelled }, &storage()));
    // A claim may be filled from a namespace that is protected into one that is not.
    let exempt = named("NotIn", &inputs.exempt());
    let namespaces = json!({"matchExpressions": [exempt]});
    let elsewhere = Selection { name: "object", part: String::new(), namespaces, objects: json!({}) };
    webhooks.push(entry(inputs, "validate", &elsewhere, &clones()));
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": metadata(inputs), "webhooks": webhooks,
    })
}

/// Keeps both configurations as they should be (leader only), until dropped. They hold only while nobody has switched
/// enforcement off.
pub async fn run(client: Client, shared: Arc<Shared>, mut inputs: Inputs, owner: Owner) {
    const RETRY: Duration = Duration::from_secs(1);
    // Also written again from time to time: a repair that went unnoticed, or an owner that is another one now.
    const REPAIR: Duration = Duration::from_secs(30);
    let mut published = shared.published();
    let mut written: Option<(Inputs, [Option<i64>; 2])> = None;
    let mut repair = tokio::time::Instant::now();
    loop {
        inputs.authority.clone_from(&shared.trusted());
        if shared.enforcing() && !inputs.authority.is_empty() {
            {
                let index = shared.index();
                (inputs.protected, inputs.holding) = (index.protected(), index.holding());
            }
            (inputs.served, inputs.compiled) = (shared.served(), shared.compiled());
            inputs.rewrites_storage =
                shared.world().policies.iter().any(|policy| policy.rewrite_storage == RewriteStorage::OnCreate);
            let live = shared.live().map(|live| live.generations());
            // What our own writes came to is told by the watch a moment later: older versions are no news.
            let theirs = |generations: &[Option<i64>; 2]| live.is_some_and(|live| differs(&live, generations));
            let stands = match &written {
                Some((before, generations)) if *before == inputs => {
                    let theirs = theirs(generations);
                    if theirs {
                        tell(&shared);
                    }
                    !theirs
                }
                _ => false,
            };
            if !stands || repair <= tokio::time::Instant::now() {
                let reconcile = shared.metrics.turn("configuration");
                let turn = write(&client, &mut inputs, &owner).await;
                reconcile.ended(turn.is_ok());
                match turn {
                    Ok(generations) => {
                        written = Some((inputs.clone(), generations));
                        repair = tokio::time::Instant::now() + REPAIR;
                        shared.set_registered(Some(inputs.compiled.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(error = %chain(&error), "failed to write the webhook configurations");
                        tokio::time::sleep(RETRY).await;
                        continue;
                    }
                }
            }
        } else {
            written = None;
        }
        tokio::select! {
            changed = published.changed() => if changed.is_err() { return },
            () = tokio::time::sleep_until(repair.max(tokio::time::Instant::now() + RETRY)) => {}
        }
    }
}

/// Tells that somebody else changed what protects personal data.
fn tell(shared: &Shared) {
    tracing::warn!("the webhook configurations were changed by somebody else");
    shared.metrics.tampered.inc();
    let regarding = ObjectReference {
        api_version: Some("admissionregistration.k8s.io/v1".to_owned()),
        kind: Some("ValidatingWebhookConfiguration".to_owned()),
        name: Some(NAME.to_owned()),
        ..ObjectReference::default()
    };
    let note = "the webhook configurations were changed or removed by somebody else, and are put back".to_owned();
    let reason = "EnforcementTampered";
    shared.tell(Draft { regarding, related: None, warning: true, action: "Reconcile", reason, note });
}

/// Whether somebody else has written since (no client): a configuration is gone, or newer than what we wrote.
fn differs(live: &[Option<i64>; 2], written: &[Option<i64>; 2]) -> bool {
    live.iter()
        .zip(written)
        .any(|(live, written)| live.is_none_or(|live| written.is_some_and(|written| live > written)))
}

/// Why they could not be written.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Owner(#[from] OwnerError),
    #[error("the API server refused")]
    Refused(#[from] kube::Error),
}

/// Writes both (client), and tells their new versions. The validating one first: what must not pass is refused before
/// anything is changed.
async fn write(client: &Client, inputs: &mut Inputs, owner: &Owner) -> Result<[Option<i64>; 2], WriteError> {
    inputs.owner = owner.current(client).await?;
    let (validators, mutators) = (
        ApiResource::erase::<ValidatingWebhookConfiguration>(&()),
        ApiResource::erase::<MutatingWebhookConfiguration>(&()),
    );
    let validator = whole::put(client, &validators, "webhooks", validating(inputs)).await?;
    let mutator = whole::put(client, &mutators, "webhooks", mutating(inputs)).await?;
    Ok([validator.generation, mutator.generation])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_gone_or_newer_than_our_own_write_was_changed_by_somebody_else() {
        let written = [Some(3), Some(2)];
        assert!(!differs(&[Some(3), Some(2)], &written));
        // The watch has not told of our write yet.
        assert!(!differs(&[Some(2), Some(2)], &written));
        assert!(differs(&[Some(3), Some(3)], &written));
        assert!(differs(&[None, Some(2)], &written));
    }
}
