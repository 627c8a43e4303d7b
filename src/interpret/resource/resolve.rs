//! What the words of an object mean now: by locations, providers, clusters and the objects to which they lead.

use super::extract::leaves;
use super::path::Spot;
use super::{Content, Destination, Key, Resource, Said, Word};
use ipnet::IpNet;
use serde_json::Value;

use crate::api::v1alpha1::{FieldMeaning, Silence};
use crate::engine::data::Source;
use crate::engine::endpoint::{Endpoint, strange};
use crate::engine::facts::Act;
use crate::engine::gazetteer::{Zone, host};
use crate::engine::place::Places;
use crate::engine::scan::{is_about_places, without_comment};
use crate::interpret::objects::{is_host_with_port, is_like_region, is_public_address};
use crate::interpret::scope::{FlowScope, Labels};
use crate::interpret::world::World;

/// References are followed this far; what lies beyond is not proven.
const FARTHEST: usize = 8;
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
    /// It is understood and names no place: what it is, and whose.
    Silent(String, Option<String>),
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
                    Meaning::Silent(shown, provider) => {
                        let near = words.iter().filter(|other| program(&other.field) == program(&word.field));
                        if self.is_told(provider.as_deref(), near.chain(beside), namespace) {
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

    /// Whether other words say where a host of this provider is asked, or a bucket of nobody in particular lies.
    fn is_told<'w>(&self, provider: Option<&str>, words: impl IntoIterator<Item = &'w Word>, namespace: &str) -> bool {
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
            region || (provider.is_none() && store() && leads())
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
                    Meaning::Silent(reason, _) => {
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

    /// Whether one of several texts is an address of which the place is proven.
    fn is_proven(&self, texts: &[String]) -> bool {
        let mut all = texts.iter().flat_map(|text| self.world.gazetteer().endpoints(text));
        all.any(|endpoint| matches!(endpoint, Endpoint::Place { places, .. } if places.unproven.is_none()))
    }

    fn said(&self, resource: &Resource, said: &Said) -> Vec<Meaning> {
        let gazetteer = self.world.gazetteer();
        let namespace = &resource.key.namespace;
        let provider = said.provider.as_deref();
        let text = said.text.trim();
        let known = |places: Option<&Places>, silent: String| {
            vec![places.map_or(Meaning::Silent(silent, None), |places| Meaning::There(places.clone()))]
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
        for word in said.words.iter().filter(|word| !self.takes_any_region(word, &said.words, namespace)) {
            for meaning in self.word(word, namespace) {
                // A bucket is often named apart from what says where it lies.
                let meaning = match meaning {
                    Meaning::Silent(shown, Some(provider))
                        if said.says == FieldMeaning::Hints
                            && sends(word)
                            && !self.is_told(Some(&provider), &said.words, namespace) =>
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
            return vec![Meaning::Silent("it is free text in which anything may stand".to_owned(), None)];
        }
        all
    }

    /// Whether a region stands beside the address of a service of one's own, which takes any.
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
        all.iter().filter(near).any(|other| self.is_own(&other.text, namespace))
    }

    fn endpoint(&self, endpoint: Endpoint, namespace: &str) -> Vec<Meaning> {
        match endpoint {
            Endpoint::Local => vec![Meaning::Fine],
            Endpoint::Place { places, .. } => vec![Meaning::There(places)],
            Endpoint::Silent { shown, provider } => vec![Meaning::Silent(shown, provider)],
            Endpoint::Unknown(reason) => vec![Meaning::Unknown(reason)],
            Endpoint::Stranger { host, service } => match service {
                // What is no domain of the public name system is one of this cluster.
                Some((name, namespace))
                    if self.world.namespace(&namespace).is_some()
                        || (!host::is_domain(&namespace)
                            && !matches!(
                                self.world.gazetteer().region_named(None, &namespace),
                                Endpoint::Place { .. }
                            )) =>
                {
                    self.service(&namespace, &name)
                }
                _ => vec![Meaning::Unknown(strange(&host))],
            },
            Endpoint::Service { name, namespace: other } => {
                let namespace = other.unwrap_or_else(|| namespace.to_owned());
                self.service(&namespace, &name)
            }
        }
    }

    /// Where a service of this cluster leads: to pods, which are judged themselves, or out of it.
    fn service(&self, namespace: &str, name: &str) -> Vec<Meaning> {
        let key = |group: &str, kind: &str| Key {
            group: group.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let mut all = Vec::new();
        if let Some(service) = self.world.resource(&key("", "Service")) {
            all.extend(self.follow(service));
        }
        if let Some(endpoints) = self.world.resource(&key("", "Endpoints")) {
            all.extend(self.follow(endpoints));
        }
        for slice in self.world.slices(namespace, name) {
            all.extend(self.follow(slice));
        }
        if all.is_empty() { vec![Meaning::Fine] } else { all }
    }

    fn target(&self, key: &Key, optional: bool) -> Vec<Meaning> {
        if let Some(places) = self.declared(key) {
            return vec![Meaning::There(places)];
        }
        // A service leads where its endpoints are, wherever they are written.
        if key.group.is_empty() && key.kind == "Service" {
            return self.service(&key.namespace, &key.name);
        }
        if let Some(found) = self.world.find_resource(key) {
            return self.follow(found);
        }
        // Classes are indexed by themselves. A pod, which is judged itself, decides only among what its class allows.
        if (key.group.as_str(), key.kind.as_str()) == ("storage.k8s.io", "StorageClass")
            && let Some(class) = self.world.class(&key.name)
        {
            let open = class.places.countries.is_full() || class.places.unproven.is_some();
            return vec![if class.with_pod && open { Meaning::Fine } else { Meaning::There(class.places.clone()) }];
        }
        // So are nodes.
        if key.group.is_empty() && key.kind == "Node" && self.world.nodes().places().contains_key(&key.name) {
            return vec![Meaning::from(self.world.node(&key.name))];
        }
        if optional {
            return vec![Meaning::Apart];
        }
        let Key { kind, name, .. } = key;
        vec![Meaning::Unknown(format!("{kind} {} is not known", shown(name)))]
    }

    /// What the owner declares of an object whose content nobody here can read.
    fn declared(&self, key: &Key) -> Option<Places> {
        let namespace = Some(key.namespace.as_str()).filter(|name| !name.is_empty());
        let gazetteer = self.world.gazetteer();
        let exactly = gazetteer.object(&key.group, &key.kind, namespace, &key.name);
        // Whoever refers to a cluster-scoped object need not know that it is one.
        let anywhere = || gazetteer.object(&key.group, &key.kind, None, &key.name).filter(|_| !key.group.is_empty());
        exactly.or_else(anywhere).cloned()
    }

    /// What a referenced object says.
    fn follow(&self, resource: &Resource) -> Vec<Meaning> {
        let Key { kind, name, .. } = &resource.key;
        if self.depth >= FARTHEST {
            return vec![Meaning::Unknown(format!("{kind} {name} stands at the end of a long chain of references"))];
        }
        if let Some(places) = self.declared(&resource.key) {
            return vec![Meaning::There(places)];
        }
        let deeper = Self { world: self.world, depth: self.depth + 1 };
        let mut all: Vec<Meaning> = Vec::new();
        for Settled { field, places, .. } in deeper.resource(resource) {
            let meaning = match places {
                Places { countries, unproven: Some(reason) } if countries.is_full() => {
                    Meaning::Unknown(format!("{kind} {name}, {field}: {reason}"))
                }
                places => Meaning::There(places),
            };
            if !all.contains(&meaning) {
                all.push(meaning);
            }
        }
        if all.is_empty() {
            all.push(Meaning::Fine);
        }
        all
    }

    /// Where the content of a secret or config map leads.
    fn content(&self, key: &Key) -> Vec<Meaning> {
        let Key { kind, namespace, name, .. } = key;
        if let Some(places) = self.declared(key) {
            return vec![Meaning::There(places)];
        }
        let unknown = |why: &str| vec![Meaning::Unknown(format!("{kind} {namespace}/{name} {why}"))];
        let Some(found) = self.world.resource(key) else {
            return unknown("is not read; a Location may name it under objects");
        };
        let words = found.destinations.iter().flat_map(|one| &one.said).flat_map(|said| &said.words);
        let mut all: Vec<Meaning> = Vec::new();
        for meaning in words.flat_map(|word| self.word(word, namespace)) {
            if !matches!(meaning, Meaning::Silent(..)) && !all.contains(&meaning) {
                all.push(meaning);
            }
        }
        if all.is_empty() { unknown("names no place") } else { all }
    }

    fn cluster(&self, text: &str, namespace: &str) -> Meaning {
        const THIS: [&str; 2] = ["in-cluster", "kubernetes.default"];
        if let Some(places) = self.world.gazetteer().cluster(text) {
            return Meaning::There(places.clone());
        }
        if THIS.contains(&text) {
            return Meaning::Fine;
        }
        if text == "*" {
            return Meaning::There(Places::anywhere());
        }
        let named: Vec<&Resource> = self.world.clusters().filter(|one| one.key.name == text).collect();
        if !named.is_empty() {
            return self.all_of(&named);
        }
        if text.contains("://") {
            let server = self.world.gazetteer().endpoints(text).into_iter().next();
            return match server {
                Some(Endpoint::Service { name, namespace: Some(space) })
                    if name == "kubernetes" && space == "default" =>
                {
                    Meaning::Fine
                }
                Some(endpoint) => self.endpoint(endpoint, namespace).into_iter().next().unwrap_or(Meaning::Fine),
                None => Meaning::Unknown("it is no address".to_owned()),
            };
        }
        Meaning::Unknown(format!("no Location names cluster {}", shown(text)))
    }

    /// The clusters that carry some labels; a selector that says more than labels is not proven.
    fn clusters(&self, labels: &Labels, odd: bool) -> Vec<Meaning> {
        if odd {
            return vec![Meaning::Unknown("it selects clusters by more than labels".to_owned())];
        }
        let selected: Vec<&Resource> = self
            .world
            .clusters()
            .filter(|cluster| labels.iter().all(|(key, value)| cluster.labels.get(key) == Some(value)))
            .collect();
        if labels.is_empty() {
            return vec![Meaning::There(Places::anywhere())];
        }
        if selected.is_empty() {
            return vec![Meaning::Unknown("no known cluster carries these labels".to_owned())];
        }
        vec![self.all_of(&selected)]
    }

    fn all_of(&self, clusters: &[&Resource]) -> Meaning {
        let mut places: Option<Places> = None;
        for cluster in clusters {
            // What its owner says of it by its name, or else what the object says.
            let named = self.world.gazetteer().cluster(&cluster.key.name).cloned();
            for meaning in named.map_or_else(|| self.follow(cluster), |places| vec![Meaning::There(places)]) {
                match meaning {
                    Meaning::There(there) | Meaning::Along(_, there) => {
                        places = Some(places.map_or(there.clone(), |before| before.or(there)));
                    }
                    Meaning::Unknown(reason) | Meaning::Silent(reason, _) => return Meaning::Unknown(reason),
                    Meaning::Fine | Meaning::Apart => {}
                }
            }
        }
        places.map_or_else(|| Meaning::Unknown("the cluster says no place".to_owned()), Meaning::There)
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
