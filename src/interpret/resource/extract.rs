//! Objects into what they say: every field that an interpreter names, in the object's own words.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use super::path::{Path, Spot, text};
use super::{
    Concern, Condition, Content, DataForm, Destination, DestinationForm, FieldForm, Interpreter, Interpreters, Key,
    Quiet, ReferenceForm, Resource, Said, Target, Word,
};
use crate::api::v1alpha1::{ContentMeaning, DataAbsent, DataMeaning, FieldMeaning, Silence};
use crate::engine::facts::Act;
use crate::interpret::objects::{is_like_region, may_tell};
use crate::interpret::scope::Labels;

/// Objects within objects beyond this are not looked into, and are then no object that is known.
const DEEPEST: usize = 4;
/// More destinations than any object has that is not made to exhaust.
const MOST: usize = 20_000;

/// Reads an object; none if no interpreter knows its kind.
pub fn resource(interpreters: &Interpreters, object: &Value, namespace: &str, name: &str) -> Option<Resource> {
    at(interpreters, &Spot::root(object), namespace, name, 0)
}

fn str_at<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn at(interpreters: &Interpreters, spot: &Spot<'_>, namespace: &str, name: &str, depth: usize) -> Option<Resource> {
    let object = spot.value;
    let (group, version) =
        str_at(object, "/apiVersion").rsplit_once('/').unwrap_or(("", str_at(object, "/apiVersion")));
    let kind = str_at(object, "/kind");
    let known = interpreters.of(group, kind);
    if known.is_empty() {
        return None;
    }
    let fits: Vec<&Interpreter> = known.iter().map(|one| &**one).filter(|one| one.reads(version)).collect();
    let mut resource = Resource {
        key: Key { group: group.into(), kind: kind.into(), namespace: namespace.into(), name: name.into() },
        api_version: str_at(object, "/apiVersion").to_owned(),
        uid: str_at(object, "/metadata/uid").to_owned(),
        labels: labels(object.pointer("/metadata/labels")),
        unknown_version: fits.is_empty().then(|| version.to_owned()),
        destinations: Vec::new(),
        data: Vec::new(),
        contents: Vec::new(),
        is_default: false,
    };
    // What a version that nobody knows says under the same names is the best there is; that it is unknown stands beside.
    let all: Vec<&Interpreter> = if fits.is_empty() { known.iter().map(|one| &**one).collect() } else { fits };
    let decoded = decoded(group, kind, object);
    let object = decoded.as_ref().unwrap_or(object);
    let here = Spot { field: spot.field.clone(), value: object };
    for interpreter in all {
        for form in &interpreter.destinations {
            destinations(form, &here, &resource.key, &mut resource.destinations);
        }
        for form in interpreter.data.iter().filter(|form| form.when.iter().all(|one| one.holds(&here, object))) {
            concerns(form, &here, &resource.key, &mut resource.data);
        }
        for (path, says) in &interpreter.contents {
            path.visit(&here, object, &mut |found| {
                // Kubernetes runs what stands there where the specification says.
                if *says == ContentMeaning::PodSpec {
                    resource.destinations.extend(nodes(&found));
                }
                contents(interpreters, *says, &found, &resource.key, depth, &mut resource.contents);
            });
        }
        resource.is_default |= interpreter.is_default.as_ref().is_some_and(|condition| condition.holds(&here, object));
    }
    Some(resource)
}

/// A secret or config map with its encoded values readable; other objects are as they are.
fn decoded(group: &str, kind: &str, object: &Value) -> Option<Value> {
    let field = match (group, kind) {
        ("", "Secret") => "data",
        ("", "ConfigMap") => "binaryData",
        _ => return None,
    };
    let Some(Value::Object(data)) = object.get(field) else { return None };
    let plain: Map<String, Value> = data
        .iter()
        .filter_map(|(key, value)| {
            let bytes = BASE64.decode(value.as_str()?.trim()).ok()?;
            Some((key.clone(), Value::String(String::from_utf8(bytes).ok()?)))
        })
        .collect();
    let mut object = object.clone();
    *object.get_mut(field)? = Value::Object(plain);
    Some(object)
}

fn labels(value: Option<&Value>) -> Labels {
    let map = value.and_then(Value::as_object);
    map.into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect()
}

impl Condition {
    fn holds(&self, here: &Spot<'_>, root: &Value) -> bool {
        let is = match &self.matches {
            None => self.path.all(here, root).iter().any(|spot| !spot.value.is_null()),
            Some(pattern) => self.path.scalars(here, root).iter().any(|(_, text)| pattern.is_match(text)),
        };
        is != self.not
    }
}

fn destinations(form: &DestinationForm, object: &Spot<'_>, key: &Key, into: &mut Vec<Destination>) {
    let root = object.value;
    let starts = match &form.at {
        Some(path) => path.all(object, root),
        None => vec![object.clone()],
    };
    for here in starts.into_iter().filter(|here| !here.value.is_null()) {
        if into.len() >= MOST || !form.when.iter().all(|condition| condition.holds(&here, root)) {
            continue;
        }
        let mut said = Vec::new();
        for field in &form.fields {
            field.read(&here, root, key, &mut said);
        }
        let expected = form.fields.first().map(|field| join(&here.field, &field.written)).unwrap_or_default();
        let (base, silence) = (here.field, form.silence.clone());
        into.push(Destination { act: form.act, base, said, silence, expected });
    }
}

fn join(base: &str, path: &str) -> String {
    match (base, path.strip_prefix("$.")) {
        (_, Some(rooted)) => rooted.to_owned(),
        ("", None) => path.to_owned(),
        (base, None) if path.is_empty() => base.to_owned(),
        (base, None) if path.starts_with('[') => format!("{base}{path}"),
        (base, None) => format!("{base}.{path}"),
    }
}

impl FieldForm {
    fn read(&self, here: &Spot<'_>, root: &Value, key: &Key, into: &mut Vec<Said>) {
        let found = self.path.all(here, root);
        if found.is_empty() {
            return;
        }
        let provider = self.provider(here, root);
        let beside: Vec<String> =
            self.unless.iter().flat_map(|path| path.scalars(here, root)).map(|(_, text)| text).collect();
        let said = |field: String, text: String| Said {
            field,
            says: self.says,
            text,
            words: Vec::new(),
            labels: Labels::new(),
            provider: provider.clone(),
            target: None,
            beside: beside.clone(),
            rewrite: self.rewrite,
        };
        match self.says {
            FieldMeaning::Opaque | FieldMeaning::Hints => {
                for spot in found.iter().filter(|spot| !is_nothing(spot.value)) {
                    let mut words = Vec::new();
                    let settings = spot.value.as_str().filter(|_| self.says == FieldMeaning::Hints).and_then(settings);
                    match &settings {
                        Some(value) => leaves(&Spot { field: spot.field.clone(), value }, "", &mut words),
                        None => leaves(spot, "", &mut words),
                    }
                    into.push(Said { words, ..said(spot.field.clone(), String::new()) });
                }
            }
            FieldMeaning::NodeLabels | FieldMeaning::ClusterSelector => {
                for spot in found.iter().filter(|spot| spot.value.is_object()) {
                    let (all, odd) = selected(spot.value);
                    let text = if odd { "matchExpressions".to_owned() } else { String::new() };
                    into.push(Said { labels: all, ..said(spot.field.clone(), text) });
                    if self.says == FieldMeaning::NodeLabels {
                        let each = listed(spot.value).map(|label| Labels::from([label]));
                        into.extend(each.map(|one| Said { labels: one, ..said(spot.field.clone(), String::new()) }));
                    }
                }
            }
            // What counts is that something stands there.
            FieldMeaning::Replicated | FieldMeaning::Anywhere | FieldMeaning::Elsewhere if self.matches.is_none() => {
                for spot in found.iter().filter(|spot| !is_nothing(spot.value)) {
                    into.push(said(spot.field.clone(), text(spot.value).unwrap_or_default()));
                }
            }
            _ => {
                for (field, text) in self.path.scalars(here, root) {
                    let Some(text) = self.counts(text) else { continue };
                    if text.trim().is_empty() {
                        continue;
                    }
                    let target = self.target(&text, here, root, key);
                    into.push(Said { target, ..said(field, text) });
                }
            }
        }
    }

    /// The part of a value that counts.
    fn counts(&self, text: String) -> Option<String> {
        let Some(pattern) = &self.matches else { return Some(text) };
        let found = pattern.captures(&text)?;
        Some(found.name("value").map_or_else(|| text.clone(), |value| value.as_str().to_owned()))
    }

    fn provider(&self, here: &Spot<'_>, root: &Value) -> Option<String> {
        let word = self.provider_from.as_ref().and_then(|path| path.text(here, root));
        let named = word.map(|word| self.providers.get(&word).cloned().unwrap_or_else(|| word.to_lowercase()));
        named.or_else(|| self.provider.clone())
    }

    fn target(&self, name: &str, here: &Spot<'_>, root: &Value, key: &Key) -> Option<Target> {
        let own = |kind: &str| Target {
            key: Key {
                group: String::new(),
                kind: kind.to_owned(),
                namespace: key.namespace.clone(),
                name: name.into(),
            },
            optional: false,
        };
        match (&self.to, self.says) {
            (Some(form), _) => Some(form.target(name, here, root, key)),
            (None, FieldMeaning::SecretReference) => Some(own("Secret")),
            (None, FieldMeaning::ConfigReference) => Some(own("ConfigMap")),
            _ => None,
        }
    }
}

impl ReferenceForm {
    fn target(&self, name: &str, here: &Spot<'_>, root: &Value, key: &Key) -> Target {
        let word = |path: &Option<Path>| path.as_ref().and_then(|path| path.text(here, root));
        let group = word(&self.group_from).map(|group| match group.split_once('/') {
            // Some references say group and version together.
            Some((group, _)) => group.to_owned(),
            // `v1` alone is a version of the core group.
            None if group.strip_prefix('v').is_some_and(|rest| rest.starts_with(|one: char| one.is_ascii_digit())) => {
                String::new()
            }
            None => group,
        });
        let namespace = word(&self.namespace_from).or_else(|| self.to.namespace.clone());
        let key = Key {
            group: group.unwrap_or_else(|| self.to.group.clone()),
            kind: word(&self.kind_from).unwrap_or_else(|| self.to.kind.clone()),
            namespace: namespace.unwrap_or_else(|| key.namespace.clone()),
            name: name.to_owned(),
        };
        Target { key, optional: self.to.optional }
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// Labels of a selector, be it a plain map or one with `matchLabels`; and whether it says more than labels.
fn selected(value: &Value) -> (Labels, bool) {
    let Some(map) = value.as_object() else { return (Labels::new(), true) };
    let inner = map.get("labelSelector").unwrap_or(value);
    if inner.get("matchLabels").is_some() || inner.get("matchExpressions").is_some() {
        let mut all = labels(inner.get("matchLabels"));
        let mut odd = false;
        for expression in inner.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let values = expression.get("values").and_then(Value::as_array);
            match (str_at(expression, "/operator"), values.map(Vec::as_slice)) {
                ("In", Some([Value::String(one)])) => {
                    all.insert(str_at(expression, "/key").to_owned(), one.clone());
                }
                _ => odd = true,
            }
        }
        return (all, odd);
    }
    (labels(Some(value)), map.values().any(|value| value.is_object() || value.is_array()))
}

/// Every label that the expressions of a term let a node carry: pods may run on each of them.
fn listed(term: &Value) -> impl Iterator<Item = (String, String)> {
    let expressions = term.get("matchExpressions").and_then(Value::as_array).into_iter().flatten();
    expressions.filter(|one| str_at(one, "/operator") == "In").flat_map(|one| {
        let values = one.get("values").and_then(Value::as_array).into_iter().flatten();
        values.filter_map(move |value| Some((str_at(one, "/key").to_owned(), text(value)?)))
    })
}

/// Every scalar below a spot with the name under which it stands.
pub fn leaves(spot: &Spot<'_>, key: &str, into: &mut Vec<Word>) {
    if into.len() >= MOST {
        return;
    }
    match spot.value {
        Value::Object(map) => {
            // Lists of names and values are maps in another dress.
            if let (Some(Value::String(name)), Some(value)) = (map.get("name"), map.get("value")) {
                leaves(&spot.key("value", value), name, into);
            }
            for (key, value) in map.iter().filter(|(key, _)| *key != "value" || !map.contains_key("name")) {
                leaves(&spot.key(key, value), key, into);
            }
        }
        Value::Array(list) => {
            for (position, value) in list.iter().enumerate() {
                leaves(&spot.element(position, value), key, into);
            }
        }
        value => {
            let Some(text) = text(value) else { return };
            if may_say(key, &text) {
                into.push(Word { field: spot.field.clone(), key: key.to_owned(), text });
            }
        }
    }
}

/// Settings that are written as a text, as they would stand in the object itself; none where the text is anything else.
fn settings(text: &str) -> Option<Value> {
    if !text.contains('\n') {
        return None;
    }
    serde_saphyr::from_str::<Value>(text).ok().filter(Value::is_object)
}

/// Whether a text may name a place. Everything else, secrets among it, is never kept.
fn may_say(key: &str, text: &str) -> bool {
    const TOLD: [&str; 8] = ["region", "endpoint", "host", "bucket", "url", "server", "broker", "address"];
    if text.contains('\n') || key.is_empty() {
        let lower = text.to_ascii_lowercase();
        // A command may name a host or a region without saying that it is one.
        let words = || text.split(|one: char| one.is_whitespace() || "=,;\"'".contains(one));
        return lower.contains("://")
            || lower.contains("arn:")
            || TOLD.iter().any(|part| lower.contains(part))
            || (key.is_empty() && words().any(|word| word.contains('.') || is_like_region(word)));
    }
    may_tell(key, text)
}

fn concerns(form: &DataForm, here: &Spot<'_>, key: &Key, into: &mut Vec<Concern>) {
    /// Stands for every namespace.
    const EVERY: &str = "*";
    let DataForm { path, says, to, absent, except, when: _ } = form;
    let but = || except.iter().flat_map(|path| path.scalars(here, here.value)).map(|(_, name)| name).collect();
    let found = path.scalars(here, here.value);
    if found.is_empty() && *absent == DataAbsent::Everything {
        into.push(Concern::Namespaces { like: EVERY.to_owned(), but: but() });
    }
    for (_, name) in found {
        into.push(match says {
            DataMeaning::Namespace => Concern::Namespaces { like: name, but: but() },
            DataMeaning::Claim => Concern::Claim(name),
            DataMeaning::Secret => Concern::Secret(name),
            DataMeaning::Resource => {
                let Some(to) = to else { continue };
                Concern::Resource(to.target(&name, here, here.value, key).key)
            }
        });
    }
}

fn contents(
    interpreters: &Interpreters,
    says: ContentMeaning,
    found: &Spot<'_>,
    key: &Key,
    depth: usize,
    into: &mut Vec<(String, Content)>,
) {
    match says {
        ContentMeaning::PodSpec => {
            let mut words = Vec::new();
            pod_words(found, &mut words);
            if !words.is_empty() {
                into.push((found.field.clone(), Content::Words(words)));
            }
        }
        ContentMeaning::Objects if depth < DEEPEST => {
            let object = found.value;
            let namespace = str_at(object, "/metadata/namespace");
            let namespace = if namespace.is_empty() { &key.namespace } else { namespace };
            let name = str_at(object, "/metadata/name");
            let inner = at(interpreters, found, namespace, name, depth + 1);
            let mut inner = inner.unwrap_or_else(|| Resource {
                key: Key {
                    group: str_at(object, "/apiVersion").rsplit_once('/').map_or("", |(group, _)| group).to_owned(),
                    kind: str_at(object, "/kind").to_owned(),
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                },
                api_version: str_at(object, "/apiVersion").to_owned(),
                uid: String::new(),
                labels: labels(object.pointer("/metadata/labels")),
                unknown_version: None,
                destinations: Vec::new(),
                data: Vec::new(),
                contents: Vec::new(),
                is_default: false,
            });
            // Kubernetes' own workloads and pods say where they run, and their containers where they send things.
            for path in ["/spec/template/spec", "/spec/jobTemplate/spec/template/spec", "/spec"] {
                if let Some(spec) = object.pointer(path).filter(|spec| spec.get("containers").is_some()) {
                    let spec = Spot { field: format!("{}{}", found.field, path.replace('/', ".")), value: spec };
                    inner.destinations.extend(nodes(&spec));
                    contents(interpreters, ContentMeaning::PodSpec, &spec, key, depth, into);
                }
            }
            into.push((found.field.clone(), Content::Object(Box::new(inner))));
        }
        ContentMeaning::Objects => {}
    }
}

/// On which nodes the pods of a specification may only run.
fn nodes(spec: &Spot<'_>) -> Option<Destination> {
    const TERMS: &str = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[]";
    let said = |field: String, labels: Labels| Said {
        field,
        says: FieldMeaning::NodeLabels,
        text: String::new(),
        words: Vec::new(),
        labels,
        provider: None,
        target: None,
        beside: Vec::new(),
        rewrite: false,
    };
    let mut all = Vec::new();
    if let Some(selector) = spec.value.get("nodeSelector").filter(|selector| selector.is_object()) {
        all.push(said(spec.key("nodeSelector", selector).field, labels(Some(selector))));
    }
    // Every value of every term is a node on which they may run.
    let expressions = Path::parse(&format!("{TERMS}.matchExpressions[]")).unwrap_or_default();
    for expression in expressions.all(spec, spec.value) {
        let values = expression.value.get("values").and_then(Value::as_array);
        for value in values.into_iter().flatten().filter(|_| str_at(expression.value, "/operator") == "In") {
            let label = (str_at(expression.value, "/key").to_owned(), text(value).unwrap_or_default());
            all.push(said(expression.field.clone(), Labels::from([label])));
        }
    }
    let silence = Arc::new(Quiet { means: Silence::Nothing, ..Quiet::default() });
    let (base, expected) = (spec.field.clone(), spec.field.clone());
    (!all.is_empty()).then_some(Destination { act: Act::Process, base, said: all, silence, expected })
}

/// What the containers of a pod specification are told.
fn pod_words(spec: &Spot<'_>, into: &mut Vec<Word>) {
    /// Pods have lists of containers; the templates of workflows and tasks have others, or a single one.
    const LISTS: [&str; 5] = ["containers", "initContainers", "ephemeralContainers", "steps", "sidecars"];
    const SINGLE: [&str; 3] = ["container", "script", "stepTemplate"];
    const TOLD: [&str; 5] = ["env", "command", "args", "script", "source"];
    let mut read = |here: &Spot<'_>| {
        for field in TOLD {
            if let Some(value) = here.value.get(field) {
                leaves(&here.key(field, value), "", into);
            }
        }
    };
    for (list, containers) in LISTS.into_iter().filter_map(|list| Some((list, spec.value.get(list)?))) {
        let all = spec.key(list, containers);
        for (position, container) in containers.as_array().into_iter().flatten().enumerate() {
            read(&all.element(position, container));
        }
    }
    for (single, container) in SINGLE.into_iter().filter_map(|name| Some((name, spec.value.get(name)?))) {
        read(&spec.key(single, container));
    }
    // The name of a variable is no word of its own.
    into.retain(|word| word.key != "name" && !word.field.contains(".valueFrom."));
}
