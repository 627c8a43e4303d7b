//! What the words of an object mean now: by locations, providers, clusters and the objects to which they lead.

mod references;

use super::extract::leaves;
use super::path::Spot;
use super::{Content, Destination, Key, Resource, Said, Word};
use ipnet::IpNet;
use serde_json::Value;

use crate::api::v1alpha1::{FieldMeaning, Silence};
use crate::engine::data::Source;
use crate::engine::endpoint::Endpoint;
use crate::engine::facts::Act;
use crate::engine::gazetteer::Zone;
use crate::engine::place::Places;
use crate::engine::scan::{is_about_places, names_software, without_comment};
use crate::interpret::objects::{is_host_with_port, is_like_region, is_public_address};
use crate::interpret::scope::FlowScope;
use crate::interpret::world::World;

/// An object with more than this many places to say is not made for people; the rest is not proven.
const MOST: usize = 4_000;

/// What a word means.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meaning {
    /// It lies there.
    There(Places),
    /// It is an address of a flow's recipient, who is there.
    Along(Source, Places),
    /// Nothing leaves by it, or what does is judged by itself.
    Fine,
    /// It leads to something that is not known, and is judged by itself when it is.
    Apart,
    /// It is understood and names no place: what it is, whose, and whether it is a bucket.
    Silent(String, Option<String>, bool),
    /// Nobody here can tell.
    Unknown(String),
}

impl Meaning {
    /// Where that is, if it is anything to be judged.
    fn places(self) -> Option<Places> {
        match self {
            Self::There(places) | Self::Along(_, places) => Some(places),
            Self::Unknown(reason) => Some(Places::unknown(reason)),
            Self::Fine | Self::Apart | Self::Silent(..) => None,
        }
    }
}

/// One place to which an object sends data, as it is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// What happens there.
    pub act: Act,
    /// The field that says so.
    pub field: String,
    /// Where that is.
    pub places: Places,
    /// The provider whose region the field names, where it may be given another one.
    pub region_of: Option<String>,
    /// Whether it may be replaced when the object is created.
    pub rewrite: bool,
    /// The flow whose recipient is reached by it.
    pub along: Option<Source>,
}

/// Looks words up.
#[derive(Clone, Copy)]
pub struct Resolver<'a> {
    world: &'a World,
    depth: usize,
}

impl<'a> Resolver<'a> {
    /// Looks up in this world.
    pub fn new(world: &'a World) -> Self {
        Self { world, depth: 0 }
    }

    /// Every place to which an object sends data.
    pub fn resource(&self, resource: &Resource) -> Vec<Settled> {
        let mut all = Vec::new();
        self.gather(resource, "", &mut all);
        all
    }

    fn gather(&self, resource: &Resource, at: &str, into: &mut Vec<Settled>) {
        if let Some(version) = &resource.unknown_version {
            let Key { group, kind, .. } = &resource.key;
            let reason = format!("no ResourceInterpreter knows version {version} of {kind} ({group})");
            into.push(Settled {
                act: Act::Store,
                field: if at.is_empty() { "apiVersion".to_owned() } else { format!("{at}.apiVersion") },
                places: Places::unknown(reason),
                region_of: None,
                rewrite: false,
                along: None,
            });
        }
        for destination in &resource.destinations {
            if into.len() > MOST {
                let places = Places::unknown("the object names more places than are looked at");
                let field = destination.base.clone();
                into.push(Settled {
                    act: destination.act,
                    field,
                    places,
                    region_of: None,
                    rewrite: false,
                    along: None,
                });
                return;
            }
            self.destination(resource, destination, into);
        }
        for (field, content) in &resource.contents {
            match content {
                Content::Object(inner) => self.gather(inner, field, into),
                Content::Words(words) => self.words(words, &[], &resource.key.namespace, Act::Transfer, into),
            }
        }
    }

    /// Where free text that is told to programs sends data: what it names outside or cannot tell. Words in place of proof
    /// say nothing else. What names no place by itself must be told its place by other words of the same program.
    pub fn words(&self, words: &[Word], beside: &[Word], namespace: &str, act: Act, into: &mut Vec<Settled>) {
        for word in words {
            for meaning in self.word(word, namespace) {
                let meaning = match meaning {
                    Meaning::Silent(shown, provider, is_bucket) => {
                        let near = words.iter().filter(|other| program(&other.field) == program(&word.field));
                        if self.is_told(provider.as_deref(), is_bucket, near.chain(beside), namespace) {
                            continue;
                        }
                        Meaning::Unknown(silent(&shown))
                    }
                    other => other,
                };
                let Some(places) = meaning.places() else { continue };
                let settled =
                    Settled { act, field: word.field.clone(), places, region_of: None, rewrite: false, along: None };
                if !into.contains(&settled) {
                    into.push(settled);
                }
            }
        }
    }

    /// What stands in a config map, if it is known.
    pub fn words_of_config(&self, namespace: &str, name: &str) -> impl Iterator<Item = &Word> {
        let key =
            Key { group: String::new(), kind: "ConfigMap".into(), namespace: namespace.into(), name: name.into() };
        let said = self.world.resource(&key).into_iter().flat_map(|found| &found.destinations);
        said.flat_map(|one| &one.said).flat_map(|said| &said.words)
    }

    /// Whether other words say where a host of this provider is asked, or a bucket lies: by a region of whom it belongs to, or
    /// a bucket by the address of a store, since many speak the protocol of one.
    fn is_told<'w>(
        &self,
        provider: Option<&str>,
        is_bucket: bool,
        words: impl IntoIterator<Item = &'w Word>,
        namespace: &str,
    ) -> bool {
        /// Parts of names of settings that say whose bucket it is.
        const STORES: [&str; 8] = ["s3", "storage", "minio", "bucket", "endpoint", "object", "restic", "blob"];
        let gazetteer = self.world.gazetteer();
        words.into_iter().any(|word| {
            let mut parts = word.text.split(|one: char| one.is_whitespace() || "=,;\"'".contains(one));
            let region = parts.any(|part| {
                !part.is_empty() && matches!(gazetteer.region_named(provider, part), Endpoint::Place { .. })
            });
            let key = word.key.to_ascii_lowercase();
            let store = || key.is_empty() || STORES.iter().any(|part| key.contains(part));
            let leads = || {
                let said = self.word(word, namespace);
                said.iter().any(|meaning| matches!(meaning, Meaning::There(_) | Meaning::Fine))
            };
            region || (is_bucket && store() && leads())
        })
    }

    /// Where a config map that a program reads leads, as the field says that reads it.
    pub fn config(&self, namespace: &str, name: &str, field: &str, act: Act, into: &mut Vec<Settled>) {
        let key =
            Key { group: String::new(), kind: "ConfigMap".into(), namespace: namespace.into(), name: name.into() };
        let Some(found) = self.world.resource(&key) else { return };
        for meaning in self.follow(found) {
            let Some(places) = meaning.places() else { continue };
            into.push(Settled { act, field: field.to_owned(), places, region_of: None, rewrite: false, along: None });
        }
    }

    fn word(&self, word: &Word, namespace: &str) -> Vec<Meaning> {
        let Word { key, text, .. } = word;
        let gazetteer = self.world.gazetteer();
        // Settings in one variable are as many words as they hold; what stands for a key is found in the text.
        let mut inside = Vec::new();
        if text.starts_with(['{', '['])
            && let Ok(value) = serde_json::from_str::<Value>(text)
        {
            leaves(&Spot { field: word.field.clone(), value: &value }, key, &mut inside);
            inside.retain(|inner| !inner.text.starts_with(['{', '[']));
        }
        let inside: Vec<Meaning> = inside.iter().flat_map(|inner| self.word(inner, namespace)).collect();
        let free = key.is_empty() || text.contains(['\n', ' ']) || text.starts_with('-');
        // Of several variables that differ by a number each is what all of them are.
        let key = key.trim_end_matches(|one: char| one.is_ascii_digit()).trim_end_matches(['_', '-']);
        let mut found = if key.is_empty() { gazetteer.scan(text) } else { gazetteer.named(key, text) };
        let only_places = |said: &Endpoint| matches!(said, Endpoint::Place { .. });
        if free {
            if !key.is_empty() {
                found.extend(gazetteer.scan(text));
            }
            // URLs in lines are found already.
            let each = text.contains('\n') && is_about_places(key);
            for line in text.lines().take(MOST).filter(|_| each) {
                found.extend(gazetteer.named(key, line.trim()));
            }
        }
        // A host may stand anywhere in a command; one that nobody knows is not told from a file.
        // What a script does not do counts for nothing; a single line may be several arguments, of which none is a comment.
        let script = text.contains('\n');
        let done = move |line| if script { without_comment(line) } else { line };
        let words = || text.lines().map(done).flat_map(parts);
        let apart = free || !text.contains("://");
        let hosts = words().filter(|word| apart && word.contains('.') && !word.starts_with(['-', '/', '.', '$']));
        found.extend(hosts.flat_map(|word| gazetteer.endpoints(word)).filter(only_places));
        if !free && is_host_with_port(text) {
            found.extend(gazetteer.endpoints(text));
        }
        found.extend(words().filter(|word| is_public_address(word)).flat_map(|word| gazetteer.endpoints(word)));
        // A region may stand behind an option or a name that nobody here knows, and before a colon: `:s3,region=ID:bucket`.
        let before_colon = |word| str::split(word, ':').next().unwrap_or_default();
        let regions =
            words().map(before_colon).filter(|word| is_like_region(word)).map(|word| (word, gazetteer.zone(word, &[])));
        let regions = regions.filter(|(_, places)| places.unproven.is_none());
        found.extend(regions.map(|(word, places)| Endpoint::Place { places, own: false, shown: word.to_owned() }));
        let lower = key.to_ascii_lowercase();
        if lower.contains("model") || text.contains("model") {
            found.extend(words().flat_map(|word| gazetteer.model(None, word)).filter(only_places));
        }
        if lower.ends_with("location") {
            found.extend([gazetteer.region_named(None, text)].into_iter().filter(only_places));
        }
        inside.into_iter().chain(found.into_iter().flat_map(|one| self.endpoint(one, namespace))).collect()
    }

    fn destination(&self, resource: &Resource, destination: &Destination, into: &mut Vec<Settled>) {
        let start = into.len();
        let (mut fine, mut apart, mut silent) = (false, false, None::<(String, String)>);
        for said in &destination.said {
            if said.beside.iter().any(|text| self.is_own(text, &resource.key.namespace)) {
                continue;
            }
            // A client signs with some region, whoever it asks: the address decides, which is judged itself.
            if said.says == FieldMeaning::Region && self.is_of_another(said) {
                fine = true;
                continue;
            }
            for meaning in self.said(resource, said) {
                let (places, along) = match meaning {
                    Meaning::There(places) => (places, None),
                    Meaning::Along(flow, places) => (places, Some(flow)),
                    // What another provider calls a region stands beside its address, which is judged itself.
                    Meaning::Unknown(_) if said.says == FieldMeaning::Region && self.is_proven(&said.beside) => {
                        fine = true;
                        continue;
                    }
                    Meaning::Unknown(reason) => (Places::unknown(reason), None),
                    Meaning::Fine => {
                        fine = true;
                        continue;
                    }
                    Meaning::Apart => {
                        apart = true;
                        continue;
                    }
                    Meaning::Silent(reason, ..) => {
                        silent.get_or_insert((said.field.clone(), reason));
                        continue;
                    }
                };
                let region_of = said.provider.clone().filter(|_| said.says == FieldMeaning::Region);
                let (act, field, rewrite) = (destination.act, said.field.clone(), said.rewrite);
                let settled = Settled { act, field, places, region_of, rewrite, along };
                if !into[start..].contains(&settled) {
                    into.push(settled);
                }
            }
        }
        if into.len() > start || fine || (apart && silent.is_none()) {
            return;
        }
        let quiet = &destination.silence;
        let (field, said) = match &silent {
            Some((field, reason)) => (field.clone(), Some(reason)),
            None => (destination.expected.clone(), None),
        };
        let settled = |places| Settled {
            act: destination.act,
            field: field.clone(),
            places,
            region_of: None,
            rewrite: false,
            along: None,
        };
        let because = || {
            let told = said.or(quiet.because.as_ref()).cloned();
            told.unwrap_or_else(|| "nothing in it says where".to_owned())
        };
        if said.is_none()
            && let Some(annotation) = &quiet.annotation
            && let Some(namespace) = self.world.namespace(&resource.key.namespace)
            && let Some(region) = namespace.annotations.get(&annotation.name).map(|one| one.trim())
            && !region.is_empty()
        {
            let endpoint = self.world.gazetteer().region_named(Some(&annotation.provider), region);
            let meant = self.endpoint(endpoint, &namespace.name);
            into.extend(meant.into_iter().filter_map(Meaning::places).map(settled));
            return;
        }
        match quiet.means {
            // A name of which nobody knows the place is still a destination.
            Silence::Nothing if said.is_none() => {}
            Silence::Unknown | Silence::Nothing => into.push(settled(Places::unknown(because()))),
            Silence::Anywhere => into.push(settled(Places::anywhere())),
            Silence::Countries => into.push(settled(Places::known(quiet.countries))),
            Silence::Default => {
                let Key { group, kind, namespace, .. } = quiet.to.clone().unwrap_or_default();
                let namespace = if namespace.is_empty() { resource.key.namespace.clone() } else { namespace };
                let mut found = false;
                for default in self.world.default_resources(&group, &kind, &namespace) {
                    found = true;
                    into.extend(self.follow(default).into_iter().filter_map(Meaning::places).map(settled));
                }
                if !found {
                    let reason = format!("it names no {kind}, and no default one is known");
                    into.push(settled(Places::unknown(reason)));
                }
            }
        }
    }

    /// Whether a text leads to a place that its owner declares, or into this cluster.
    fn is_own(&self, text: &str, namespace: &str) -> bool {
        self.world.gazetteer().endpoints(text).into_iter().any(|endpoint| match endpoint {
            Endpoint::Place { own, .. } => own,
            service @ Endpoint::Service { .. } => self.endpoint(service, namespace) == [Meaning::Fine],
            Endpoint::Local => true,
            stranger @ Endpoint::Stranger { .. } => self.endpoint(stranger, namespace) == [Meaning::Fine],
            Endpoint::Silent { .. } | Endpoint::Unknown(_) => false,
        })
    }

    /// Whether the addresses beside a region are proven, and none of the provider whose region it would be.
    fn is_of_another(&self, said: &Said) -> bool {
        let Some(provider) = said.provider.as_deref() else { return false };
        let gazetteer = self.world.gazetteer();
        let apart = |endpoint| match endpoint {
            Endpoint::Place { places, shown, .. } => {
                places.unproven.is_none() && !gazetteer.is_host_of(&shown, provider)
            }
            _ => false,
        };
        let mut all = said.beside.iter().flat_map(|text| gazetteer.endpoints(text)).peekable();
        all.peek().is_some() && all.all(apart)
    }

    /// Whether one of several texts is an address of which the place is proven.
    fn is_proven<'t>(&self, texts: impl IntoIterator<Item = &'t String>) -> bool {
        let mut all = texts.into_iter().flat_map(|text| self.world.gazetteer().endpoints(text));
        all.any(|endpoint| matches!(endpoint, Endpoint::Place { places, .. } if places.unproven.is_none()))
    }

    fn said(&self, resource: &Resource, said: &Said) -> Vec<Meaning> {
        let gazetteer = self.world.gazetteer();
        let namespace = &resource.key.namespace;
        let provider = said.provider.as_deref();
        let text = said.text.trim();
        let known = |places: Option<&Places>, silent: String| {
            vec![places.map_or(Meaning::Silent(silent, None, true), |places| Meaning::There(places.clone()))]
        };
        match said.says {
            FieldMeaning::Region => text
                .split(',')
                .filter(|id| !id.trim().is_empty())
                .flat_map(|id| self.endpoint(gazetteer.region_named(provider, id.trim()), namespace))
                .collect(),
            FieldMeaning::Zone => text.split(',').map(|id| self.zone(provider, id.trim())).collect(),
            FieldMeaning::Endpoint => {
                let declared = self.of_recipients(text, namespace);
                if !declared.is_empty() {
                    return declared;
                }
                gazetteer.endpoints(text).into_iter().flat_map(|one| self.endpoint(one, namespace)).collect()
            }
            FieldMeaning::Bucket => {
                // Some fields take a name or a whole address.
                if text.contains("://") || text.starts_with("arn:") {
                    return gazetteer
                        .endpoints(text)
                        .into_iter()
                        .flat_map(|one| self.endpoint(one, namespace))
                        .collect();
                }
                known(gazetteer.bucket(text), format!("bucket {} is in no Location", shown(text)))
            }
            FieldMeaning::Cluster => vec![self.cluster(text, namespace)],
            FieldMeaning::ClusterSelector => self.clusters(&said.labels, !said.text.is_empty()),
            FieldMeaning::Model => {
                gazetteer.model(provider, text).into_iter().flat_map(|one| self.endpoint(one, namespace)).collect()
            }
            FieldMeaning::NodeLabels => {
                let places = said.labels.iter().filter_map(|(key, value)| {
                    self.world.nodes().labelled(key, value, gazetteer).filter(|places| places.unproven.is_none())
                });
                match places.reduce(Places::and) {
                    Some(places) if !places.countries.is_empty() => vec![Meaning::There(places)],
                    _ => vec![Meaning::Fine],
                }
            }
            FieldMeaning::Reference => said.target.iter().flat_map(|to| self.target(&to.key, to.optional)).collect(),
            FieldMeaning::SecretReference | FieldMeaning::ConfigReference => {
                said.target.iter().flat_map(|to| self.content(&to.key)).collect()
            }
            FieldMeaning::Replicated => {
                vec![Meaning::Unknown(format!(
                    "{} sends copies to another place, which it does not name",
                    quoted(text)
                ))]
            }
            FieldMeaning::Anywhere => vec![Meaning::There(Places::anywhere())],
            FieldMeaning::Elsewhere => vec![Meaning::Unknown("it leads to a place that it does not name".to_owned())],
            FieldMeaning::Opaque | FieldMeaning::Hints => self.free(said, namespace),
        }
    }

    /// What addresses mean that flows of the namespace declare for their recipients, where no `Location` has them.
    fn of_recipients(&self, text: &str, namespace: &str) -> Vec<Meaning> {
        let Ok(range) = text.parse::<IpNet>() else { return Vec::new() };
        let Some(scope) = self.world.namespace(namespace) else { return Vec::new() };
        let declares = |flow: &FlowScope| flow.addresses.iter().any(|declared| declared.contains(&range));
        let flows: Vec<&FlowScope> = scope.flows.iter().map(|flow| &**flow).filter(|flow| declares(flow)).collect();
        if flows.is_empty() || self.world.gazetteer().range(range).unproven.is_none() {
            return Vec::new();
        }
        // What goes to the recipient of a flow that makes data anonymous is none any more.
        let meaning = |flow: &FlowScope| match &flow.recipient {
            Some(places) => Meaning::Along(flow.data.via.clone(), places.clone()),
            None => Meaning::Fine,
        };
        flows.into_iter().map(meaning).collect()
    }

    fn zone(&self, provider: Option<&str>, id: &str) -> Meaning {
        let gazetteer = self.world.gazetteer();
        let Some(provider) = provider else { return Meaning::from(gazetteer.zone(id, &[])) };
        match gazetteer.zone_of(provider, id) {
            Zone::Place(places) => Meaning::from(places),
            Zone::Of(region) => match gazetteer.region_of(provider, &region) {
                Some(places) => Meaning::There(places.clone()),
                None => Meaning::Unknown(format!("no Location names region {} of {provider}", shown(&region))),
            },
            Zone::Nothing | Zone::NotUnderstood => {
                Meaning::Unknown(format!("zone {} is not understood at {provider}", shown(id)))
            }
        }
    }

    /// Free text: what is outside counts; what is inside proves nothing.
    fn free(&self, said: &Said, namespace: &str) -> Vec<Meaning> {
        let mut all: Vec<Meaning> = Vec::new();
        // Images are code, wherever they are pulled from.
        let is_image = |word: &&Word| names_software(&word.key) && !word.text.contains("://");
        let words = said.words.iter().filter(|word| !is_image(word));
        for word in words.filter(|word| !self.takes_any_region(word, &said.words, namespace)) {
            for meaning in self.word(word, namespace) {
                // A bucket is often named apart from what says where it lies.
                let meaning = match meaning {
                    Meaning::Silent(shown, Some(provider), is_bucket)
                        if said.says == FieldMeaning::Hints
                            && sends(word)
                            && !self.is_told(Some(&provider), is_bucket, &said.words, namespace) =>
                    {
                        Meaning::Unknown(silent(&shown))
                    }
                    other => other,
                };
                let doubt = || Some("it is read from free text, which proves nothing".to_owned());
                let meaning = match meaning {
                    Meaning::There(Places { countries, unproven }) if said.says == FieldMeaning::Opaque => {
                        Meaning::There(Places { countries, unproven: unproven.or_else(doubt) })
                    }
                    Meaning::Silent(..) => continue,
                    Meaning::Unknown(_) if said.says == FieldMeaning::Hints && !sends(word) => continue,
                    other => other,
                };
                if !all.contains(&meaning) {
                    all.push(meaning);
                }
            }
        }
        if all.is_empty() && said.says == FieldMeaning::Hints {
            all.push(Meaning::Fine);
        }
        if all.is_empty() {
            return vec![Meaning::Silent("it is free text in which anything may stand".to_owned(), None, false)];
        }
        all
    }

    /// Whether a region stands beside the address of a service of one's own, which takes any, or is a word of whoever is at a
    /// proven one.
    fn takes_any_region(&self, word: &Word, all: &[Word], namespace: &str) -> bool {
        fn around(field: &str) -> &str {
            field.trim_end_matches("\"]").rsplit_once(['.', '"', '_']).map_or("", |(before, _)| before)
        }
        let is = |word: &Word, part: &str| word.key.to_ascii_lowercase().ends_with(part);
        if !is(word, "region") {
            return false;
        }
        let here = around(&word.field);
        let near = |other: &&Word| {
            (is(other, "endpoint") || is(other, "url"))
                && (around(&other.field) == here || other.field.trim_end_matches("\"]") == here)
        };
        // What nobody here calls a region is one of whoever is at a proven address.
        let nowhere = || matches!(self.world.gazetteer().region_named(None, &word.text), Endpoint::Unknown(_));
        let decides =
            |other: &Word| self.is_own(&other.text, namespace) || (self.is_proven([&other.text]) && nowhere());
        all.iter().filter(near).any(decides)
    }
}

/// Whether a name in free text says that data is sent there, rather than that somebody is served under it: the host of an
/// ingress and the address of a website stand in the same maps.
fn sends(word: &Word) -> bool {
    const SENDS: [&str; 9] =
        ["endpoint", "bucket", "broker", "bootstrap", "dsn", "connection", "region", "remote", "sink"];
    /// Settings around it that say so, whatever it is called itself: `remoteWrite[0].url`, `externalDatabase.host`.
    const AROUND: [&str; 14] = [
        "remotewrite",
        "remote_write",
        "exporter",
        "output",
        "webhook",
        "database",
        "backup",
        "archive",
        "replica",
        "mirror",
        "forward",
        "smtp",
        "kafka",
        "objectstor",
    ];
    let (key, field) = (word.key.to_ascii_lowercase(), word.field.to_ascii_lowercase());
    word.text.contains('\n')
        || SENDS.iter().any(|part| key.contains(part))
        || AROUND.iter().any(|part| field.contains(part))
}

/// The program that is told a word, by the field in which it stands: each container is one.
fn program(field: &str) -> &str {
    let end = field.find("ontainers[").and_then(|at| Some(at + field[at..].find(']')?));
    end.map_or("", |end| &field[..=end])
}

/// Why a name that says no place proves nothing.
fn silent(shown: &str) -> String {
    format!("{shown} may be in any place, and nothing beside it says in which")
}

impl From<Places> for Meaning {
    fn from(places: Places) -> Self {
        match places {
            Places { countries, unproven: Some(reason) } if countries.is_full() => Self::Unknown(reason),
            places => Self::There(places),
        }
    }
}

/// A name as it may be shown: whoever wrote it may have written anything.
fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    text.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect()
}

fn quoted(text: &str) -> String {
    if text.is_empty() || text == "true" { "this".to_owned() } else { shown(text) }
}

/// What may be a host, an address or a region in a line of a command.
fn parts(line: &str) -> impl Iterator<Item = &str> {
    line.split(|one: char| one.is_whitespace() || "=,;|'\"()@<>".contains(one))
}
