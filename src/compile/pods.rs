//! Pods: refused unless their constraints lead inside by themselves, pinned where they say nothing about places.
//!
//! Where pods may not be pinned, only those are refused that say nothing about places, or name a node that is not inside: where
//! several requirements lead together the webhook tells, and a binding that follows them abroad is refused all the same.
//! What a scope does not know is whether a pod holds other data as well; as long as a policy forbids pinning, any may.
//!
//! "By themselves" is meant literally: a node selector or every required term names a label of which each value is known to
//! lead inside. Whatever leads inside in another way (two terms that only together do, a zone in which there is no node yet)
//! is pinned as well by the webhook, so that the API server can see it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::cel::{self, BOUND, EMPTY_TERM, TERMS};
use super::scope::NODE_NAMES;
use super::{Inputs, Left, Plan, Scope, Span, labelled, rules, sentence};
use crate::engine::node::{COUNTRY_LABEL, REGION_LABEL};
use crate::engine::policy::{Mode, Policy, RewritePods};
use crate::engine::rewrite::Pin;
use crate::interpret::objects::telling::{SECRET, TELLING};
use crate::interpret::world::World;

/// Name of the policies that refuse, before what tells them apart.
pub const VALIDATE: &str = "domicile-pods";
/// Name of the policies that pin.
pub const PIN: &str = "domicile-pin";
/// Pods with more terms than these are left to the webhook: each costs an expression of its own.
const MOST_TERMS: usize = 8;

/// Adds the policies of a scope.
pub fn add(plan: &mut Plan, world: &World, inputs: &Inputs, scope: &Scope) {
    let Some(first) = scope.process.first().filter(|_| scope.pods) else {
        if scope.pods {
            plan.left.push(Left {
                policies: Vec::new(),
                what: format!("pods with {}: nothing is enforced all the time", scope.data.via),
            });
        }
        return;
    };
    if !scope.process.refuse_unproven() {
        return plan.leave_unproven("pods", scope, &first.policies);
    }
    let spans = scope.process.0.iter().map(|span| {
        let mut values = span.ways.values.clone();
        values.insert(NODE_NAMES.to_owned(), span.ways.nodes.clone());
        (span.until, cel::sets(&values))
    });
    let allowed = cel::by_time(&spans.collect::<Vec<_>>(), "{}");
    let unlisted = scope.process.unlisted();
    if !unlisted.is_empty() {
        let key = |key: &String| if key == NODE_NAMES { "name" } else { key.as_str() }.to_owned();
        let keys: Vec<String> = unlisted.iter().map(key).collect();
        let what = format!("pods with {} that choose nodes by {}: too many to list", scope.data.via, keys.join(", "));
        plan.left.push(Left { policies: first.policies.clone(), what });
    }
    let (expression, loose) = expression(world, inputs, scope, first, &unlisted);
    if let Some(why) = loose {
        let what = format!("pods with {} that name places: {why}", scope.data.via);
        plan.left.push(Left { policies: first.policies.clone(), what });
    }
    let message = format!(
        "[RES-PLACE] spec.affinity.nodeAffinity: {}. To fix: choose nodes there by a node selector or by every required \
         node affinity term, by country, region, zone or name",
        sentence(world, scope, first, "processed", scope.now)
    );
    plan.validate(
        format!("{VALIDATE}.{}", scope.id),
        json!({
            "matchConstraints": {
                "resourceRules": rules(&["pods"], &["CREATE"]), "matchPolicy": "Equivalent",
                "namespaceSelector": scope.namespaces, "objectSelector": scope.objects,
            },
            "variables": [
                {"name": "allowed", "expression": allowed},
                {"name": "terms", "expression": TERMS},
            ],
            "validations": [{"expression": scope.unless_open(expression), "message": message, "reason": "Forbidden"}],
        }),
    );
    let pinned = scope.label.as_ref().zip(scope.exact_pin(world));
    if let Some((value, pin)) = pinned.filter(|_| inputs.mutating) {
        let apart: BTreeSet<String> = scope.apart.union(&inputs.exempt).cloned().collect();
        let (keys, known) = (first.keys(), known(first));
        plan.mutate(format!("{PIN}.{}", scope.id), pinning(value, &apart, &pin, &keys, &known));
    }
}

/// When a pod passes, and why that is looser than the decision, if it is.
fn expression(
    world: &World,
    inputs: &Inputs,
    scope: &Scope,
    first: &Span,
    unlisted: &BTreeSet<String>,
) -> (String, Option<&'static str>) {
    let says_where = || says_where(&first.keys(), unlisted);
    if !scope.process.may_pin() {
        return (says_where(), Some("they may not be pinned"));
    }
    let forbids = |policy: &Policy| policy.mode == Mode::Enforce && policy.rewrite_pods == RewritePods::Never;
    if !world.policies.iter().any(forbids) {
        return (inside(unlisted), None);
    }
    // A pod that holds other data as well may be one that is not pinned.
    let Some(apart) = scope.label.as_ref().map(|_| scope.apart.union(&inputs.exempt)) else {
        return (says_where(), Some("what else they hold may forbid to pin them"));
    };
    let mut alone = vec![format!("!(object.metadata.namespace in {})", cel::set(apart))];
    alone.extend(silent_about_data("object").into_iter().map(|(_, condition)| format!("({condition})")));
    let expression = format!("{} ? ({}) : ({})", cel::all(&alone), inside(unlisted), says_where());
    (expression, Some("what else some of them hold may forbid to pin them"))
}

/// Whether the constraints of a pod name only what is allowed. What is not listed is for the webhook to tell.
fn inside(unlisted: &BTreeSet<String>) -> String {
    let told = |key: &str, listed: String| {
        if unlisted.is_empty() { listed } else { format!("({key} in {} || ({listed}))", cel::set(unlisted)) }
    };
    let known = |key: &str, value: &str| told(key, listed(key, value));
    let every = |key: &str, values: &str| {
        told(key, format!("{key} in variables.allowed && {values}.all(value, value in variables.allowed[{key}])"))
    };
    let nodes = cel::text(NODE_NAMES);
    let selector = format!(
        "(has(object.spec.nodeSelector) && object.spec.nodeSelector.exists(key, {}))",
        known("key", "object.spec.nodeSelector[key]")
    );
    let expression = format!(
        "(has(term.matchExpressions) && term.matchExpressions.exists(one, one.operator == 'In' && {}))",
        every("one.key", "one.values")
    );
    let field = format!(
        "(has(term.matchFields) && term.matchFields.exists(one, one.key == 'metadata.name' && one.operator == 'In' && {}))",
        every(&nodes, "one.values")
    );
    format!(
        "{BOUND} ? ({}) : ({selector} || (size(variables.terms) > 0 && \
         variables.terms.all(term, {EMPTY_TERM} || {expression} || {field})))",
        known(&nodes, "object.spec.nodeName")
    )
}

/// Whether a value is one of those that lead inside.
fn listed(key: &str, value: &str) -> String {
    format!("{key} in variables.allowed && {value} in variables.allowed[{key}]")
}

/// Whether a pod names a node that is allowed, or anything at all that says something about places.
fn says_where(keys: &BTreeSet<String>, unlisted: &BTreeSet<String>) -> String {
    let keys = cel::set(keys);
    let nodes = cel::text(NODE_NAMES);
    let named = if unlisted.contains(NODE_NAMES) { "true".to_owned() } else { listed(&nodes, "object.spec.nodeName") };
    format!(
        "{BOUND} ? ({named}) : ((has(object.spec.nodeSelector) && object.spec.nodeSelector.exists(key, key in {keys})) || \
         (size(variables.terms) > 0 && variables.terms.all(term, {EMPTY_TERM} || has(term.matchFields) || \
         (has(term.matchExpressions) && term.matchExpressions.exists(one, one.key in {keys})))))"
    )
}

/// The policy that pins pods which say nothing about places.
fn pinning(value: &str, apart: &BTreeSet<String>, pin: &Pin, keys: &BTreeSet<String>, known: &Known) -> Value {
    let mut conditions: Vec<Value> = silent(keys, known)
        .into_iter()
        .map(|(name, expression)| json!({"name": name, "expression": expression}))
        .collect();
    // A policy that has nothing to change still makes the API server encode the object anew.
    let unpinned = format!(
        "!{} && (size({TERMS}) == 0 || {TERMS}.exists(term, !{EMPTY_TERM} && !{}))",
        selects_inside(known),
        leads_inside(known)
    );
    conditions.push(json!({"name": "is-not-pinned-yet", "expression": unpinned}));
    json!({
        "matchConstraints": {
            "resourceRules": rules(&["pods"], &["CREATE"]), "matchPolicy": "Equivalent",
            "namespaceSelector": labelled(value, apart), "objectSelector": {},
        },
        "matchConditions": conditions,
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": patch(pin, known)}}],
    })
}

/// Values of node labels that lead inside, by key, as far as they seldom change: webhook configurations name them as well, and
/// should not be written for every node that comes.
pub type Known = BTreeMap<String, BTreeSet<String>>;

/// Countries and regions that lead inside.
pub fn known(span: &Span) -> Known {
    let lasting = |key: &String| [COUNTRY_LABEL, REGION_LABEL].contains(&key.as_str());
    span.ways.values.iter().filter(|(key, _)| lasting(key)).map(|(key, values)| (key.clone(), values.clone())).collect()
}

/// Whether a requirement leads inside by itself.
fn leads(known: &Known) -> String {
    let known = cel::sets(known);
    format!("(one.operator == 'In' && one.key in {known} && one.values.all(value, value in {known}[one.key]))")
}

/// Whether a term leads inside by itself.
fn leads_inside(known: &Known) -> String {
    format!("(has(term.matchExpressions) && term.matchExpressions.exists(one, {}))", leads(known))
}

/// Whether the node selector leads inside by itself.
fn selects_inside(known: &Known) -> String {
    let known = cel::sets(known);
    format!(
        "(has(object.spec.nodeSelector) && object.spec.nodeSelector.exists(key, key in {known} && \
         object.spec.nodeSelector[key] in {known}[key]))"
    )
}

/// The patch that adds a pin wherever it is missing. Values are maps of no type: typed ones in lists make API servers panic.
fn patch(pin: &Pin, known: &Known) -> String {
    const NODE: &str = "/spec/affinity/nodeAffinity";
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    let requirement = format!(
        "{{\"key\": dyn({}), \"operator\": dyn(\"In\"), \"values\": dyn({})}}",
        cel::text(pin.key),
        cel::list(&pin.values)
    );
    let required = format!("{{\"nodeSelectorTerms\": dyn([{{\"matchExpressions\": dyn([{requirement}])}}])}}");
    let node = format!("{{\"{REQUIRED}\": dyn({required})}}");
    let affinity = format!("{{\"nodeAffinity\": dyn({node})}}");
    let add = |path: &str, value: &str| format!("[JSONPatch{{op: \"add\", path: \"{path}\", value: dyn({value})}}]");
    let each: Vec<String> = (0..MOST_TERMS)
        .map(|at| {
            let term = format!("{TERMS}[{at}]");
            let path = format!("{NODE}/{REQUIRED}/nodeSelectorTerms/{at}/matchExpressions");
            let wanted = format!("[{term}].exists(term, !{EMPTY_TERM} && !{})", leads_inside(known));
            let (append, make) = (add(&format!("{path}/-"), &requirement), add(&path, &format!("[{requirement}]")));
            format!("(size({TERMS}) > {at} && {wanted} ? (has({term}.matchExpressions) ? {append} : {make}) : [])")
        })
        .collect();
    format!(
        "!has(object.spec.affinity) ? {} : (!has(object.spec.affinity.nodeAffinity) ? {} : \
         (!has(object.spec.affinity.nodeAffinity.{REQUIRED}) ? {} : {}))",
        add("/spec/affinity", &affinity),
        add(NODE, &node),
        add(&format!("{NODE}/{REQUIRED}"), &required),
        each.join(" + ")
    )
}

/// Conditions under which all that there is to decide about a pod is where it may run, and it says nothing about that but
/// countries and regions inside: nobody else's data, no storage, nothing that it is told about where to send data.
pub fn silent(keys: &BTreeSet<String>, known: &Known) -> Vec<(&'static str, String)> {
    let mut conditions = silent_about_data("object");
    conditions.push(("names-no-other-place", silent_about_other_places(keys, known)));
    conditions
}

/// Whether a pod's constraints name no place but those that are known to be inside.
fn silent_about_other_places(keys: &BTreeSet<String>, known: &Known) -> String {
    let keys = cel::set(keys);
    let sets = cel::sets(known);
    // Most negations lead everywhere but to one place, which says nothing; of our own label they do say something.
    let says_nothing = format!(
        "(one.operator in ['Exists', 'Gt', 'Lt'] || (one.operator in ['NotIn', 'DoesNotExist'] && one.key != {}))",
        cel::text(COUNTRY_LABEL)
    );
    format!(
        "!{BOUND} && (!has(object.spec.nodeSelector) || object.spec.nodeSelector.all(key, !(key in {keys}) || \
         (key in {sets} && object.spec.nodeSelector[key] in {sets}[key]))) && \
         size({TERMS}) <= {MOST_TERMS} && {TERMS}.all(term, (!has(term.matchFields) || size(term.matchFields) == 0) && \
         (!has(term.matchExpressions) || term.matchExpressions.all(one, !(one.key in {keys}) || {says_nothing} || {})))",
        leads(known)
    )
}

/// Conditions under which a pod touches nobody's data beyond that of its namespace, keeps none, and is not told where to
/// send any. They hold only for pods of which the decision would keep nothing either: whatever may tell it something, by the
/// same tests as when a pod is read, is left to the webhook.
pub fn silent_about_data(object: &str) -> Vec<(&'static str, String)> {
    // A scratch space of the node, the account's token, and what the pod is told about itself.
    let volume = "has(volume.emptyDir) || has(volume.downwardAPI) || has(volume.hostPath) || has(volume.secret) || \
                  has(volume.image) || (has(volume.projected) && volume.projected.sources.all(source, \
                  !has(source.configMap) || source.configMap.name == 'kube-root-ca.crt'))";
    let telling = alternatives(&TELLING);
    let secret = alternatives(&SECRET);
    // Three labels with two that have letters may be a host; fewer dots are not worth telling apart here. What is made of
    // several variables shows only when they are put together.
    let plain = |value: &str| {
        format!(
            "!{value}.contains('://') && !{value}.contains('arn:') && !{value}.contains('$(') && \
             !{value}.matches('\\\\.[^.]*\\\\.')"
        )
    };
    // What has the form of a region, or of a host with a port.
    let placeless = |value: &str| {
        format!(
            "!{value}.matches('[a-zA-Z][a-zA-Z]-[a-zA-Z][a-zA-Z0-9-]*[0-9]') && !{value}.matches('\\\\.[^.]*:[0-9]')"
        )
    };
    let variable = format!(
        "(!has(one.valueFrom) || !has(one.valueFrom.configMapKeyRef)) && (!has(one.value) || one.value == '' || \
         ({} && (one.name.matches('(?i)({secret})$') || ({} && !one.name.matches('(?i)({telling})') && \
         !(one.value.matches('[=\\\\s:]') && one.value.matches('(?i)({telling})'))))))",
        plain("one.value"),
        placeless("one.value")
    );
    let word =
        format!("!one.contains('.') && {} && {} && !one.matches('(?i)({telling})')", plain("one"), placeless("one"));
    let words = |field: &str| format!("(!has(each.{field}) || each.{field}.all(one, {word}))");
    let probe = |field: &str| {
        format!(
            "(!has(each.{field}) || (!has(each.{field}.exec) && (!has(each.{field}.httpGet) || \
             !has(each.{field}.httpGet.host) || each.{field}.httpGet.host == '')))"
        )
    };
    let container = cel::all(&[
        format!("(!has(each.env) || each.env.all(one, {variable}))"),
        "(!has(each.envFrom) || each.envFrom.all(one, !has(one.configMapRef)))".to_owned(),
        words("command"),
        words("args"),
        "!has(each.lifecycle)".to_owned(),
        probe("livenessProbe"),
        probe("readinessProbe"),
        probe("startupProbe"),
    ]);
    let containers =
        |field: &str| format!("(!has({object}.spec.{field}) || {object}.spec.{field}.all(each, {container}))");
    vec![
        ("carries-no-label-of-its-own", cel::no_own_label(object)),
        ("keeps-nothing", format!("!has({object}.spec.volumes) || {object}.spec.volumes.all(volume, {volume})")),
        (
            "is-told-nothing",
            cel::all(&[
                format!("(!has({object}.spec.hostAliases) || size({object}.spec.hostAliases) == 0)"),
                format!(
                    "(!has({object}.spec.dnsConfig) || !has({object}.spec.dnsConfig.nameservers) || \
                     size({object}.spec.dnsConfig.nameservers) == 0)"
                ),
                containers("containers"),
                containers("initContainers"),
                containers("ephemeralContainers"),
            ]),
        ),
    ]
}

/// Alternatives of a regular expression. The words are letters and underscores, and need no escape.
fn alternatives(words: &[&str]) -> String {
    words.join("|")
}
