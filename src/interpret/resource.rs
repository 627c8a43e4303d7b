//! Resource types that interpreters describe: what an object of such a type says about places, kept apart from what those
//! words mean. Reading happens once, when the object is seen; meaning is looked up whenever it is judged, so that an edited
//! `Location` or a changed reference counts at once.

mod extract;
mod judge;
pub mod path;
mod resolve;

use std::collections::BTreeMap;
use std::sync::Arc;

use regex_lite::Regex;

use crate::api::v1alpha1::{
    DataAbsent, DataMeaning, FieldMeaning, InterpretedReference, InterpretedResource, NamespaceAnnotation,
    ResourceInterpreterSpec, Silence,
};
use crate::engine::country::CountrySet;
use crate::engine::facts::Act;

use super::read::{Problem, Reader};
use super::reads::differing;
use super::scope::Labels;
use path::Path;

pub use judge::{Unread, data, facts, judge, place};
pub use resolve::Resolver;

/// Which object.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// An object, as far as it says something about places.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Which object.
    pub key: Key,
    /// Its group and version, as it was read.
    pub api_version: String,
    /// Its uid; empty in a file.
    pub uid: String,
    /// Its labels.
    pub labels: Labels,
    /// Its version, where the interpreter does not know it.
    pub unknown_version: Option<String>,
    /// Where it sends data.
    pub destinations: Vec<Destination>,
    /// Whose data it concerns beside that of its surroundings.
    pub data: Vec<Concern>,
    /// Objects that it carries, with the field at which each stands.
    pub contents: Vec<(String, Content)>,
    /// Whether it is the one that is meant by those that name none.
    pub is_default: bool,
}

/// Something inside an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Another object.
    Object(Box<Resource>),
    /// What containers are told: names and values.
    Words(Vec<Word>),
}

/// A name and its value in free text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Where it stands.
    pub field: String,
    /// The name; empty for text without one.
    pub key: String,
    /// The value.
    pub text: String,
}

/// A place to which an object sends data, in its own words.
#[derive(Debug, Clone, PartialEq)]
pub struct Destination {
    /// What happens there.
    pub act: Act,
    /// Where in the object it stands.
    pub base: String,
    /// What its fields say.
    pub said: Vec<Said>,
    /// What silence means.
    pub silence: Arc<Quiet>,
    /// The field that would say so.
    pub expected: String,
}

/// What it means that no field says a place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Quiet {
    means: Silence,
    because: Option<String>,
    countries: CountrySet,
    to: Option<Key>,
    annotation: Option<NamespaceAnnotation>,
}

/// What one field says.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// The field.
    pub field: String,
    /// What sort of word it is.
    pub says: FieldMeaning,
    /// The word.
    pub text: String,
    /// Names and values, for free text.
    pub words: Vec<Word>,
    /// Labels, for selectors.
    pub labels: Labels,
    /// The provider whose word it is.
    pub provider: Option<String>,
    /// To what a reference leads.
    pub target: Option<Target>,
    /// Words beside which this one may say nothing.
    pub beside: Vec<String>,
    /// Whether it may be replaced when the object is created.
    pub rewrite: bool,
}

/// To what a reference leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The object; its namespace is empty where the kind may be cluster-scoped and none is named.
    pub key: Key,
    /// Whether it is no doubt when the object is not known.
    pub optional: bool,
}

/// Whose data an object concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concern {
    /// That of namespaces.
    Namespaces {
        /// Their name or a pattern of it.
        like: String,
        /// Which of them are left out, the same.
        but: Vec<String>,
    },
    /// That of a claim in the object's namespace.
    Claim(String),
    /// That of the stores to which a secret belongs.
    Secret(String),
    /// That of another object.
    Resource(Key),
}

/// A compiled interpreter.
#[derive(Debug)]
pub struct Interpreter {
    /// Its name.
    pub name: String,
    /// What it describes.
    pub spec: ResourceInterpreterSpec,
    destinations: Vec<DestinationForm>,
    data: Vec<DataForm>,
    contents: Vec<(Path, crate::api::v1alpha1::ContentMeaning)>,
    is_default: Option<Condition>,
}

impl Interpreter {
    /// Whether it knows the fields of a version.
    pub fn reads(&self, version: &str) -> bool {
        self.spec.resource.versions.iter().any(|known| known == version || known == ANY)
    }

    /// Whether it describes every kind that no other does, of a group or of all groups below a name.
    pub fn is_family(&self) -> bool {
        self.spec.resource.kind == ANY
    }
}

#[derive(Debug)]
struct DataForm {
    path: Path,
    says: DataMeaning,
    to: Option<ReferenceForm>,
    absent: DataAbsent,
    except: Option<Path>,
    when: Vec<Condition>,
}

#[derive(Debug)]
struct DestinationForm {
    act: Act,
    at: Option<Path>,
    when: Vec<Condition>,
    fields: Vec<FieldForm>,
    silence: Arc<Quiet>,
}

#[derive(Debug)]
struct Condition {
    path: Path,
    matches: Option<Regex>,
    not: bool,
}

#[derive(Debug)]
struct FieldForm {
    written: String,
    path: Path,
    says: FieldMeaning,
    provider: Option<String>,
    provider_from: Option<Path>,
    providers: BTreeMap<String, String>,
    matches: Option<Regex>,
    to: Option<ReferenceForm>,
    unless: Vec<Path>,
    rewrite: bool,
}

#[derive(Debug)]
struct ReferenceForm {
    to: InterpretedReference,
    group_from: Option<Path>,
    kind_from: Option<Path>,
    namespace_from: Option<Path>,
}

/// Stands for every kind, every version, and the first part of a group.
pub const ANY: &str = "*";

/// Every interpreter, by group and kind; of one kind there may be several, for different versions.
#[derive(Debug, Clone, Default)]
pub struct Interpreters(BTreeMap<(String, String), Vec<Arc<Interpreter>>>);

impl Interpreters {
    /// Adds an interpreter; of two with one name the later replaces the earlier.
    pub fn add(&mut self, interpreter: Arc<Interpreter>) {
        let resource = &interpreter.spec.resource;
        let kind = self.0.entry((resource.group.clone(), resource.kind.clone())).or_default();
        kind.retain(|known| known.name != interpreter.name);
        kind.push(interpreter);
    }

    /// Whether objects of this kind are read.
    pub fn knows(&self, group: &str, kind: &str) -> bool {
        !self.of(group, kind).is_empty()
    }

    /// The interpreters of a kind: its own, or else those of the nearest family that it belongs to.
    pub fn of(&self, group: &str, kind: &str) -> &[Arc<Interpreter>] {
        self.at(group, kind).or_else(|| self.family(group)).unwrap_or_default()
    }

    fn at(&self, group: &str, kind: &str) -> Option<&[Arc<Interpreter>]> {
        // A pair of borrowed texts cannot be looked up in a map of owned ones; the names are short.
        self.0.get(&(group.to_owned(), kind.to_owned())).map(Vec::as_slice)
    }

    /// Those of every other kind of the group, or of all groups below a part of its name.
    fn family(&self, group: &str) -> Option<&[Arc<Interpreter>]> {
        let below = |dot: usize| self.at(&format!("{ANY}{}", &group[dot..]), ANY);
        self.at(group, ANY).or_else(|| group.match_indices('.').find_map(|(dot, _)| below(dot)))
    }

    /// Every interpreter.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Interpreter>> {
        self.0.values().flatten()
    }
}

impl Reader {
    fn path(&mut self, field: &str, text: &str) -> Path {
        Path::parse(text).unwrap_or_else(|reason| {
            let remedy = "write a path such as spec.storages.*.s3.region";
            self.0.push(Problem::new(field, format!("{text:?} {reason}"), remedy));
            Path::default()
        })
    }

    /// Whether a family is written as one. Those of Kubernetes itself are no families.
    fn family(&mut self, resource: &InterpretedResource) {
        let InterpretedResource { group, versions, kind, plural, .. } = resource;
        let stars = [kind, plural].into_iter().chain(versions).filter(|one| *one == ANY).count();
        let is_family = stars > 0 || group.contains('*');
        let named = group.strip_prefix("*.").unwrap_or(group);
        let whole = stars == 3 && versions.len() == 1 && named.contains('.') && !named.contains('*');
        if is_family && (!whole || named.ends_with("k8s.io")) {
            let remedy = "for a family, write kind, plural and one version as \"*\", and a group such as example.org or *.example.org";
            self.0.push(Problem::new("spec.resource", "is neither a kind nor a family of kinds", remedy));
        }
    }

    fn optional(&mut self, field: &str, text: Option<&String>) -> Option<Path> {
        text.map(|text| self.path(field, text))
    }

    fn reference(&mut self, field: &str, to: &InterpretedReference) -> ReferenceForm {
        ReferenceForm {
            to: to.clone(),
            group_from: self.optional(&format!("{field}.groupFrom"), to.group_from.as_ref()),
            kind_from: self.optional(&format!("{field}.kindFrom"), to.kind_from.as_ref()),
            namespace_from: self.optional(&format!("{field}.namespaceFrom"), to.namespace_from.as_ref()),
        }
    }

    fn holds(&mut self, field: &str, condition: &crate::api::v1alpha1::InterpretedCondition) -> Condition {
        Condition {
            path: self.path(&format!("{field}.path"), &condition.path),
            matches: condition.matches.as_ref().and_then(|one| self.pattern(&format!("{field}.matches"), one)),
            not: condition.not,
        }
    }
}

/// Compiles an interpreter.
///
/// # Errors
///
/// Paths and patterns that cannot be read, countries that do not exist.
pub fn compile(name: &str, spec: &ResourceInterpreterSpec) -> Result<Interpreter, Vec<Problem>> {
    let mut compiler = Reader::default();
    compiler.family(&spec.resource);
    let destinations = spec.destinations.iter().enumerate().map(|(at, destination)| {
        let here = format!("spec.destinations[{at}]");
        let fields = destination.fields.iter().enumerate().map(|(position, field)| {
            let here = format!("{here}.fields[{position}]");
            let to = field.to.as_ref().map(|to| compiler.reference(&format!("{here}.to"), to));
            if field.says == FieldMeaning::Reference && to.is_none() {
                compiler.0.push(Problem::new(
                    format!("{here}.to"),
                    "is missing",
                    "say to what kind the reference leads",
                ));
            }
            FieldForm {
                written: field.path.clone(),
                path: compiler.path(&format!("{here}.path"), &field.path),
                says: field.says,
                provider: field.provider.clone(),
                provider_from: compiler.optional(&format!("{here}.providerFrom"), field.provider_from.as_ref()),
                providers: field.providers.clone(),
                matches: field.matches.as_ref().and_then(|one| compiler.pattern(&format!("{here}.matches"), one)),
                to,
                unless: field.unless.iter().map(|path| compiler.path(&format!("{here}.unless"), path)).collect(),
                rewrite: field.rewrite,
            }
        });
        let fields: Vec<FieldForm> = fields.collect();
        let silent = &destination.when_silent;
        let countries = compiler.countries(&format!("{here}.whenSilent.countries"), Some(&silent.countries));
        if silent.means == Silence::Countries && countries.is_empty() {
            compiler.0.push(Problem::new(format!("{here}.whenSilent.countries"), "is empty", "name the countries"));
        }
        if silent.means == Silence::Default && silent.to.is_none() {
            compiler.0.push(Problem::new(
                format!("{here}.whenSilent.to"),
                "is missing",
                "say which kind has the default",
            ));
        }
        DestinationForm {
            act: destination.act,
            at: compiler.optional(&format!("{here}.at"), destination.at.as_ref()),
            when: destination.when.iter().map(|one| compiler.holds(&format!("{here}.when"), one)).collect(),
            fields,
            silence: Arc::new(Quiet {
                means: silent.means,
                because: silent.because.clone(),
                countries,
                to: silent.to.as_ref().map(|to| Key {
                    group: to.group.clone(),
                    kind: to.kind.clone(),
                    namespace: to.namespace.clone().unwrap_or_default(),
                    name: String::new(),
                }),
                annotation: silent.annotation.clone(),
            }),
        }
    });
    let destinations = destinations.collect();
    let data = spec.data.iter().enumerate().map(|(at, one)| {
        let here = format!("spec.data[{at}]");
        if one.says == DataMeaning::Resource && one.to.is_none() {
            compiler.0.push(Problem::new(format!("{here}.to"), "is missing", "say to what kind the reference leads"));
        }
        DataForm {
            path: compiler.path(&format!("{here}.path"), &one.path),
            says: one.says,
            to: one.to.as_ref().map(|to| compiler.reference(&format!("{here}.to"), to)),
            absent: one.when_absent,
            except: compiler.optional(&format!("{here}.except"), one.except.as_ref()),
            when: one.when.iter().map(|one| compiler.holds(&format!("{here}.when"), one)).collect(),
        }
    });
    let data = data.collect();
    let contents = spec.contains.iter().enumerate();
    let contents =
        contents.map(|(at, one)| (compiler.path(&format!("spec.contains[{at}].path"), &one.path), one.says)).collect();
    let is_default = spec.is_default.as_ref().map(|one| compiler.holds("spec.isDefault", one));
    if compiler.0.is_empty() {
        Ok(Interpreter { name: name.to_owned(), spec: spec.clone(), destinations, data, contents, is_default })
    } else {
        Err(compiler.0)
    }
}

/// Reads an object; none if no interpreter knows its kind.
pub fn read(interpreters: &Interpreters, object: &serde_json::Value, namespace: &str, name: &str) -> Option<Resource> {
    extract::resource(interpreters, object, namespace, name)
}

/// Every interpreted object that is known.
#[derive(Debug, Clone, Default)]
pub struct Resources {
    all: BTreeMap<Key, Arc<Resource>>,
    /// Those that stand for clusters.
    clusters: std::collections::BTreeSet<Key>,
}

/// Group and kind of slices of endpoints.
pub(super) const SLICE: (&str, &str) = ("discovery.k8s.io", "EndpointSlice");

/// Label by which a slice says whose endpoints it holds.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

impl Resources {
    /// Notes an object as it is now; whether that says anything new.
    pub fn insert(&mut self, resource: Resource, stands_for_cluster: bool) -> bool {
        if self.all.get(&resource.key).is_some_and(|known| **known == resource) {
            return false;
        }
        if stands_for_cluster {
            self.clusters.insert(resource.key.clone());
        }
        self.all.insert(resource.key.clone(), Arc::new(resource));
        true
    }

    /// Forgets an object; whether it was known.
    pub fn remove(&mut self, key: &Key) -> bool {
        self.clusters.remove(key);
        self.all.remove(key).is_some()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Every object.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.all.values()
    }

    /// The object of exactly this name.
    pub fn get(&self, key: &Key) -> Option<&Resource> {
        self.all.get(key).map(|one| &**one)
    }

    /// Objects of a kind.
    pub fn of_kind<'a>(&'a self, group: &'a str, kind: &'a str) -> impl Iterator<Item = &'a Resource> {
        let start =
            Key { group: group.to_owned(), kind: kind.to_owned(), namespace: String::new(), name: String::new() };
        let is = move |key: &Key| key.group == group && key.kind == kind;
        self.all.range(start..).take_while(move |(key, _)| is(key)).map(|(_, one)| &**one)
    }

    /// Objects of a kind that are meant in a namespace by those that name none.
    pub fn defaults<'a>(
        &'a self,
        group: &'a str,
        kind: &'a str,
        namespace: &'a str,
    ) -> impl Iterator<Item = &'a Resource> {
        let all = move || self.of_kind(group, kind).filter(|one| one.is_default);
        let near = move |one: &&Resource| one.key.namespace.is_empty() || one.key.namespace == namespace;
        // An operator keeps its defaults where it runs.
        let found = all().any(|one| near(&one));
        all().filter(move |one| !found || near(one))
    }

    /// Objects of a kind in one namespace.
    pub fn near<'a>(&'a self, group: &str, kind: &str, namespace: &str) -> impl Iterator<Item = &'a Arc<Resource>> {
        let [group, kind, namespace] = [group, kind, namespace].map(str::to_owned);
        let start = Key { group, kind, namespace, name: String::new() };
        let like = start.clone();
        let is = move |key: &Key| (&key.group, &key.kind, &key.namespace) == (&like.group, &like.kind, &like.namespace);
        self.all.range(start..).take_while(move |(key, _)| is(key)).map(|(_, one)| one)
    }

    /// Objects that are not the same in another state.
    pub fn differing<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Key> {
        differing(&self.all, &other.all, Arc::ptr_eq)
    }

    /// Whether an object stands for a cluster.
    pub fn is_cluster(&self, key: &Key) -> bool {
        self.clusters.contains(key)
    }

    /// Objects that stand for clusters.
    pub fn clusters(&self) -> impl Iterator<Item = &Resource> {
        self.clusters.iter().filter_map(|key| self.get(key))
    }

    /// Slices of a service.
    pub fn slices<'a>(&'a self, namespace: &'a str, service: &'a str) -> impl Iterator<Item = &'a Resource> {
        let (group, kind) = SLICE;
        let slices = self.near(group, kind, namespace).map(|one| &**one);
        slices.filter(move |slice| slice.labels.get(SERVICE_NAME).is_some_and(|name| name == service))
    }
}
