//! What `domicile surface` prints: which objects are read for places, and what is not covered. Counts are those of the
//! interpreters; what no interpreter can say of itself stands in one list here.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::Arc;

use kube::core::Version;
use serde::Serialize;

use super::Format;
use crate::api::v1alpha1::{ContentMeaning, GROUP, InterpretedScope, VERSION};
use crate::controllers::configuration::NOT_ASKED;
use crate::engine::facts::Act;
use crate::engine::law::opinion::DISCLAIMER;
use crate::interpret::resource::{Interpreter, Interpreters};
use crate::interpret::storage::StorageKind;
use crate::interpret::workload;

/// What no object shows to the operator, whatever its kind.
const NOT_COVERED: [&str; 14] = [
    "kinds without an interpreter: they pass unseen",
    "kinds that are described as one of a family only (`*`): judged when they are asked for and in files; what exists already \
     is judged when it is changed, since they are not watched",
    "versions that no interpreter of their kind knows: nobody knows their fields, so that they are unproven and refused \
     where data is in scope",
    "objects in namespaces without an origin label, a store or a flow, and cluster-scoped objects without an origin label of \
     their own: admission does not ask about them, also where they concern data of elsewhere, as backups of other \
     namespaces do; label the object or its namespace",
    "system namespaces (kube-system, kube-public, kube-node-lease) and the namespace of the operator",
    "requests for config maps and endpoints: they count where something refers to them",
    "contents of secrets in a cluster: they are never read; what leads through one is unproven until a Location declares it \
     (spec.objects)",
    "webhook configurations: judged in files only, so that the control plane can always write its own",
    "reads, which never reach admission: logs, `kubectl get secret`, lists and watches; and nodes/proxy, which names no pod: \
     `domicile access` lists who may",
    "from where exec, attach, port-forward and proxy really come: a request shows no address, so that what spec.access of \
     policies declares of groups and users is believed",
    "exec, attach, port-forward, proxy and bindings of pods with an origin label of their own, in namespaces with no other \
     data, during the second or two before the API server knows that such a pod is there: no selector finds the pod from \
     the connection",
    "what is set up inside a system and in no object: replication in SQL or by `mc admin`, rules in the console of a cloud",
    "where programs send data by themselves: code, DNS, files in images and volumes",
    "image registries, on purpose: images are code",
];

/// What is covered, and what is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Surface {
    counts: Counts,
    kinds: Vec<Described>,
    built_in: Vec<BuiltIn>,
    not_covered: Vec<&'static str>,
}

/// How much an interpreter somewhere describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    groups: usize,
    kinds: usize,
    interpreters: usize,
    paths: usize,
    /// Kinds that were looked at and say no place.
    silent: usize,
    /// Kinds in which something may be replaced.
    rewritten: usize,
}

/// A kind that interpreters describe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    group: String,
    kind: String,
    plural: String,
    versions: BTreeSet<String>,
    scope: InterpretedScope,
    acts: BTreeSet<Act>,
    /// Objects inside that are judged as well.
    carries: BTreeSet<Carried>,
    /// Distinct paths that are read for places, over all versions.
    paths: usize,
    /// Whether a place may be replaced when an object is created, where a policy wants that.
    rewrites: bool,
    /// Whether admission asks about its objects.
    asked: bool,
    interpreters: Vec<String>,
    not_covered: Vec<Note>,
}

/// What is carried inside an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
enum Carried {
    Objects,
    Pods,
}

/// A way out that no field shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Note {
    versions: BTreeSet<String>,
    note: String,
}

/// A kind that is read without an interpreter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct BuiltIn {
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    versions: [&'static str; 1],
    scope: InterpretedScope,
    acts: Vec<Act>,
    rewrites: bool,
    asked: bool,
}

impl Surface {
    /// What these interpreters cover, as far as a filter asks: part of a group, a kind, a plural, or `KIND.GROUP`.
    pub fn new(interpreters: &Interpreters, filter: Option<&str>) -> Self {
        let mut by_kind: BTreeMap<(&str, &str), Vec<&Interpreter>> = BTreeMap::new();
        for one in interpreters.iter().map(Arc::as_ref) {
            let resource = &one.spec.resource;
            by_kind.entry((&resource.group, &resource.kind)).or_default().push(one);
        }
        let mut built_in = built_in();
        // Another reading of a kind that is built in would never be asked for.
        by_kind.retain(|(group, kind), _| !is_built_in(group, kind));
        by_kind.retain(|(group, kind), of| {
            let plural = of.first().map_or("", |one| one.spec.resource.plural.as_str());
            filter.is_none_or(|filter| fits(filter, group, kind, plural))
        });
        built_in.retain(|one| filter.is_none_or(|filter| fits(filter, one.group, one.kind, one.plural)));
        let groups: BTreeSet<&str> = by_kind.keys().map(|(group, _)| *group).collect();
        let kinds: Vec<Described> = by_kind.values().map(|of| Described::new(of)).collect();
        let counts = Counts {
            groups: groups.len(),
            kinds: kinds.len(),
            interpreters: by_kind.values().map(Vec::len).sum(),
            paths: kinds.iter().map(|kind| kind.paths).sum(),
            silent: kinds.iter().filter(|kind| kind.paths == 0).count(),
            rewritten: kinds.iter().filter(|kind| kind.rewrites).count(),
        };
        Self { counts, kinds, built_in, not_covered: NOT_COVERED.to_vec() }
    }

    /// Whether nothing fits the filter.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty() && self.built_in.is_empty()
    }
}

/// Whether objects of a kind are read without an interpreter.
pub fn is_built_in(group: &str, kind: &str) -> bool {
    built_in().iter().any(|one| one.group == group && one.kind == kind)
}

fn fits(filter: &str, group: &str, kind: &str, plural: &str) -> bool {
    let filter = filter.to_lowercase();
    let name = if group.is_empty() { CORE } else { group };
    let names = [kind.to_lowercase(), plural.to_owned()];
    name.contains(&filter)
        || names.contains(&filter)
        || filter.split_once('.').is_some_and(|(kind, of)| of == name && names.iter().any(|name| name == kind))
}

impl Described {
    /// What the interpreters of one kind say together; there is at least one.
    fn new(of: &[&Interpreter]) -> Self {
        let resource = &of[0].spec.resource;
        let destinations = || of.iter().flat_map(|one| &one.spec.destinations);
        let contents = || of.iter().flat_map(|one| &one.spec.contains);
        let fields = destinations().flat_map(|one| one.fields.iter().map(|field| path(one.at.as_deref(), &field.path)));
        let paths: BTreeSet<String> = fields.chain(contents().map(|one| path(None, &one.path))).collect();
        let mut notes: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for one in of {
            for note in &one.spec.not_covered {
                notes.entry(note).or_default().extend(one.spec.resource.versions.iter().cloned());
            }
        }
        Self {
            group: resource.group.clone(),
            kind: resource.kind.clone(),
            plural: resource.plural.clone(),
            versions: of.iter().flat_map(|one| one.spec.resource.versions.iter().cloned()).collect(),
            scope: resource.scope,
            acts: destinations().map(|one| one.act).collect(),
            carries: contents()
                .map(|one| match one.says {
                    ContentMeaning::Objects => Carried::Objects,
                    ContentMeaning::PodSpec => Carried::Pods,
                })
                .collect(),
            paths: paths.len(),
            rewrites: destinations().flat_map(|one| &one.fields).any(|field| field.rewrite),
            asked: !NOT_ASKED.contains(&(resource.group.as_str(), resource.plural.as_str())),
            interpreters: of.iter().map(|one| one.name.clone()).collect(),
            not_covered: notes.into_iter().map(|(note, versions)| Note { versions, note: note.to_owned() }).collect(),
        }
    }
}

/// A path from the root of the object, so that the same field counts once however it is written.
fn path(at: Option<&str>, path: &str) -> String {
    match (path.strip_prefix("$."), at) {
        (Some(path), _) => path.to_owned(),
        (None, Some(at)) if path.starts_with('[') => format!("{at}{path}"),
        (None, Some(at)) => format!("{at}.{path}"),
        (None, None) => path.to_owned(),
    }
}

/// What is read by code of its own, with what is done to data there. Namespaces and nodes are not judged for places: the
/// ones say whose data they hold, the others where they stand.
fn built_in() -> Vec<BuiltIn> {
    use InterpretedScope::{Cluster, Namespaced};
    let one = |group, kind, plural, scope, acts: &[Act], rewrites| {
        let version = if group == GROUP { VERSION } else { "v1" };
        // Where a node stands is told by what it is, not asked of whoever writes it.
        let asked = kind != "Node";
        BuiltIn { group, kind, plural, versions: [version], scope, acts: acts.to_vec(), rewrites, asked }
    };
    let pods = [Act::Store, Act::Process, Act::Transfer];
    let mut all = vec![
        one("", "Namespace", "namespaces", Cluster, &[], false),
        one("", "Node", "nodes", Cluster, &[], false),
        one("", "PersistentVolumeClaim", "persistentvolumeclaims", Namespaced, &[Act::Store], true),
        one("", "Binding", "bindings", Namespaced, &[Act::Store, Act::Process], false),
        // Who reaches into it is judged as well.
        one("", "Pod", "pods", Namespaced, &[Act::Store, Act::Process, Act::Access, Act::Transfer], true),
        one(GROUP, "DataStore", "datastores", Namespaced, &[Act::Store, Act::Access], false),
        one(
            GROUP,
            "DataFlow",
            "dataflows",
            Namespaced,
            &[Act::Collect, Act::Process, Act::Access, Act::Transfer],
            false,
        ),
    ];
    all.extend(workload::KINDS.iter().map(|kind| one(kind.group, kind.kind, kind.plural, Namespaced, &pods, false)));
    let storage = StorageKind::ALL.iter();
    all.extend(storage.map(|(_, group, kind, plural)| one(group, kind, plural, Cluster, &[Act::Store], false)));
    all.sort_by_key(|one| (one.group, one.kind));
    all
}

/// How the group without a name is called.
const CORE: &str = "core";

/// Prints the surface.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write(out: &mut dyn Write, format: Format, surface: &Surface) -> io::Result<()> {
    match format {
        Format::Table => table(out, surface),
        Format::Json => super::document(out, "Surface", surface),
    }
}

fn joined<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = all.into_iter().map(|one| one.to_string()).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(",") }
}

/// Some generated types have dozens of versions; JSON has them all.
fn few(versions: &BTreeSet<String>) -> String {
    const MANY: usize = 4;
    let more = versions.len().saturating_sub(MANY);
    let mut versions: Vec<&str> = versions.iter().map(String::as_str).collect();
    versions.sort_by_key(|version| Reverse(Version::parse(version).priority()));
    let all = joined(versions.into_iter().take(MANY));
    if more == 0 { all } else { format!("{all},+{more}") }
}

fn group(name: &str) -> &str {
    if name.is_empty() { CORE } else { name }
}

fn table(out: &mut dyn Write, surface: &Surface) -> io::Result<()> {
    let Surface { counts, kinds, built_in, not_covered } = surface;
    let yes = |it: bool| if it { "yes" } else { "no" }.to_owned();
    let heads = ["GROUP", "KIND", "VERSIONS", "SCOPE", "ACTS", "PATHS", "REWRITES", "ASKED"];
    let mut rows = vec![heads.map(str::to_owned)];
    rows.extend(kinds.iter().map(|kind| {
        let acts = kind.acts.iter().map(|act| format!("{act:?}"));
        let carried = kind.carries.iter().map(|one| format!("carries {one:?}").to_lowercase());
        [
            group(&kind.group).to_owned(),
            kind.kind.clone(),
            few(&kind.versions),
            format!("{:?}", kind.scope),
            joined(acts.chain(carried)),
            kind.paths.to_string(),
            yes(kind.rewrites),
            yes(kind.asked),
        ]
    }));
    rows.extend(built_in.iter().map(|kind| {
        [
            group(kind.group).to_owned(),
            kind.kind.to_owned(),
            joined(kind.versions),
            format!("{:?}", kind.scope),
            joined(kind.acts.iter().map(|act| format!("{act:?}"))),
            "built in".to_owned(),
            yes(kind.rewrites),
            yes(kind.asked),
        ]
    }));
    super::columns(out, &rows)?;
    let Counts { groups, kinds: interpreted, interpreters, paths, silent, rewritten } = counts;
    writeln!(
        out,
        "\n{interpreted} kinds of {groups} groups in {interpreters} interpreters, {paths} paths; {silent} of them say no place, places can \
         be rewritten in {rewritten}; {} kinds are built in",
        built_in.len()
    )?;
    writeln!(out, "\nNot covered:")?;
    for kind in kinds {
        for Note { versions, note } in &kind.not_covered {
            let only = if *versions == kind.versions { String::new() } else { format!(" ({})", joined(versions)) };
            writeln!(out, "  {}.{}{only}: {note}", kind.kind, group(&kind.group))?;
        }
    }
    for line in not_covered {
        writeln!(out, "  {line}")?;
    }
    writeln!(out, "\n{DISCLAIMER}")
}
