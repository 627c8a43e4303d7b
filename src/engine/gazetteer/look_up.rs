//! Look-ups of hosts, addresses, buckets, clusters, objects and ids.

use std::net::IpAddr;

use ipnet::IpNet;
use url::Url;

use super::host::{self, domain};
use super::range::is_everything;
use super::{Form, Gazetteer, Meaning, Tells, Zone, fold};
use crate::engine::endpoint::Endpoint;
use crate::engine::place::Places;

/// Scheme, host and port of a URL in their one form; a host alone is taken as that of an API server.
pub fn origin(server: &str) -> Option<String> {
    let url = if server.contains("://") { Url::parse(server) } else { Url::parse(&format!("https://{server}")) };
    let url = url.ok().filter(|url| url.username().is_empty() && url.password().is_none())?;
    let host = url.host_str()?;
    let host = host.strip_suffix('.').unwrap_or(host);
    Some(format!("{}://{host}:{}", url.scheme(), url.port_or_known_default()?))
}

/// How text that somebody wrote is repeated: short, and only what an id may be made of.
pub(in crate::engine) fn shown(text: &str) -> String {
    const LENGTH: usize = 100;
    let plain = |one: &char| one.is_ascii_alphanumeric() || "-_. ".contains(*one);
    text.chars().filter(plain).take(LENGTH).collect()
}

impl Gazetteer {
    /// Where a host stands, if a `Location` names it: the longest pattern counts.
    pub fn host(&self, host: &str) -> Option<&Places> {
        self.hosts.get(&host::name(host)?)
    }

    /// Where an address is used, if a `Location` has it: the smallest range counts.
    pub fn address(&self, address: IpAddr) -> Option<&Places> {
        self.ranges.address(address)
    }

    /// Where a range of addresses is used: in a place only if all of it is.
    pub fn range(&self, range: IpNet) -> Places {
        if is_everything(range) {
            return Places::anywhere();
        }
        self.ranges.range(range).unwrap_or_else(|| Places::unknown(format!("no Location has all of {range}")))
    }

    /// Where a bucket or container lies, if a `Location` names it.
    pub fn bucket(&self, name: &str) -> Option<&Places> {
        self.buckets.get(name)
    }

    /// Where a cluster runs, if a `Location` has its name or the URL of its API server.
    pub fn cluster(&self, name_or_server: &str) -> Option<&Places> {
        self.clusters.get(name_or_server).or_else(|| self.servers.get(&origin(name_or_server)?))
    }

    /// Where an object leads, if a `Location` declares it. The core group is empty; a kind without namespaces has none.
    pub fn object(&self, group: &str, kind: &str, namespace: Option<&str>, name: &str) -> Option<&Places> {
        // No allocation where no Location declares objects, which is the common case.
        if self.objects.is_empty() {
            return None;
        }
        self.objects.get(&(group.to_owned(), kind.to_owned(), namespace.map(str::to_owned), name.to_owned()))
    }

    /// What is said of every host below a name, as in `*.example.com`.
    pub(in crate::engine) fn hosts_below(&self, host: &str) -> Option<Places> {
        self.hosts.below(host)
    }

    /// Where the API server at a URL runs, if a `Location` has it.
    pub(in crate::engine) fn server(&self, url: &str) -> Option<&Places> {
        if self.servers.is_empty() { None } else { self.servers.get(&origin(url)?) }
    }

    /// Providers for which the host of a URL of this scheme is a bucket.
    pub(in crate::engine) fn bucket_scheme<'a>(&'a self, scheme: &'a str) -> impl Iterator<Item = &'a str> {
        let has = move |schemes: &[String]| schemes.iter().any(|one| one == scheme);
        self.providers.iter().filter(move |(_, one)| has(&one.bucket_schemes)).map(|(name, _)| name.as_str())
    }

    /// The provider of a partition of resource names.
    pub(in crate::engine) fn partition(&self, partition: &str) -> Option<&str> {
        let (name, _) = self.providers.iter().find(|(_, one)| one.arns.iter().any(|arn| arn == partition))?;
        Some(name)
    }

    /// What a resource id of another form says.
    pub(in crate::engine) fn resource_id(&self, id: &str) -> Option<Endpoint> {
        self.providers.iter().find_map(|(name, provider)| self.formed(name, &provider.resource_ids, id))
    }

    /// What a host says by the grammars of the providers; the grammar that is more exact from the right counts. The name
    /// is in its one form.
    pub(in crate::engine) fn grammar(&self, host: &str) -> Option<Endpoint> {
        let mut best: Option<(Vec<(u8, usize)>, Endpoint)> = None;
        for provider in self.domains.get(domain(host)?)? {
            let Some(known) = self.providers.get(provider) else { continue };
            for (template, meaning) in &known.hosts {
                let Some(captured) = template.read(host) else { continue };
                let exactness: Vec<_> = template.exactness().collect();
                if best.as_ref().is_some_and(|(before, _)| *before > exactness) {
                    continue;
                }
                let said = self.meant(provider, meaning, captured, host);
                let said = match &best {
                    Some((before, other)) if *before == exactness && *other != said => {
                        Endpoint::Unknown(format!("Provider objects contradict each other about {host}"))
                    }
                    _ => said,
                };
                best = Some((exactness, said));
            }
        }
        best.map(|(_, said)| said)
    }

    /// Where the region of this name lies, however it is written: capitals, blanks, hyphens and underscores do not count.
    /// Without a provider it is any of the places that providers call so.
    pub fn region_named(&self, provider: Option<&str>, id: &str) -> Endpoint {
        let id = id.trim();
        let place = |places: Places| Endpoint::Place { places, own: false, shown: shown(id) };
        let Some(provider) = provider else {
            let folded = fold(id);
            let found = self.providers.keys().filter_map(|name| self.folded.get(&(name.clone(), folded.clone())));
            let found: Vec<&Places> = found.collect();
            return match found.split_first() {
                None if self.is_anywhere(id) => place(Places::anywhere()),
                None => Endpoint::Unknown(format!("no Location names region {}", shown(id))),
                // Whichever provider is meant, it is one of those places.
                Some((first, rest)) => place(rest.iter().fold((*first).clone(), |all, one| all.or((*one).clone()))),
            };
        };
        self.region_id(provider, id, id)
    }

    /// Whether some provider takes a word for a region that may be anywhere.
    fn is_anywhere(&self, id: &str) -> bool {
        let forms = self.providers.values().flat_map(|one| &one.region_forms);
        forms.filter(|form| form.meaning.tells == Tells::Anywhere).any(|form| form.pattern.is_match(id))
    }

    /// Whether a host is one of this provider, by its grammar.
    pub fn is_host_of(&self, host: &str, provider: &str) -> bool {
        let of = domain(host).and_then(|domain| self.domains.get(domain));
        of.is_some_and(|providers| providers.iter().any(|one| one == provider))
    }

    /// A region of a provider, as it is written or in one of the other ways to write it.
    fn region_id(&self, provider: &str, id: &str, text: &str) -> Endpoint {
        let place = |places: &Places| Endpoint::Place { places: places.clone(), own: false, shown: shown(text) };
        if let Some(places) = self.region_as_written(provider, id) {
            return place(places);
        }
        let none = || Endpoint::Unknown(format!("no Location names region {} of {}", shown(id), shown(provider)));
        let forms = self.providers.get(provider).map(|known| known.region_forms.as_slice()).unwrap_or_default();
        let found = forms.iter().find_map(|form| Some((form, form.pattern.captures(id)?)));
        let Some((form, captured)) = found else { return none() };
        if form.meaning.tells == Tells::Anywhere {
            return place(&Places::anywhere());
        }
        // Not by forms again: they could go round in circles.
        let provider = form.meaning.provider.as_deref().unwrap_or(provider);
        let captured = captured.name("region").map(|found| found.as_str());
        let id = form.meaning.region.as_deref().or(captured);
        id.and_then(|id| self.region_as_written(provider, id)).map_or_else(none, place)
    }

    fn region_as_written(&self, provider: &str, id: &str) -> Option<&Places> {
        self.region_of(provider, id).or_else(|| self.folded.get(&(provider.to_owned(), fold(id))))
    }

    /// What the id of a model or of an inference profile says: nothing where it runs in the region that asks for it.
    pub fn model(&self, provider: Option<&str>, id: &str) -> Vec<Endpoint> {
        if id.starts_with("arn:") {
            return self.endpoints(id);
        }
        let asked = self.providers.iter().filter(|(name, _)| provider.is_none_or(|wanted| wanted == name.as_str()));
        asked.filter_map(|(name, known)| self.formed(name, &known.models, id.trim())).collect()
    }

    fn formed(&self, provider: &str, forms: &[Form], id: &str) -> Option<Endpoint> {
        forms.iter().find_map(|form| {
            let found = form.pattern.captures(id)?;
            let captured = found.name("region").map(|text| text.as_str());
            // A whole id may hold accounts and paths; what is captured of it may be shown.
            Some(self.meant(provider, &form.meaning, captured, captured.unwrap_or("its id")))
        })
    }

    fn meant(&self, provider: &str, meaning: &Meaning, captured: Option<&str>, text: &str) -> Endpoint {
        let provider = meaning.provider.as_deref().unwrap_or(provider);
        let place = |places: Places| Endpoint::Place { places, own: false, shown: shown(text) };
        let silent = || Endpoint::Silent { shown: shown(text), provider: Some(provider.to_owned()), is_bucket: false };
        let Some(id) = meaning.region.as_deref().or(captured) else {
            return match meaning.tells {
                Tells::Anywhere => place(Places::anywhere()),
                Tells::Nothing | Tells::Region | Tells::Zone => silent(),
            };
        };
        let region = |id: &str| self.region_id(provider, id, text);
        match meaning.tells {
            Tells::Anywhere => place(Places::anywhere()),
            Tells::Nothing => silent(),
            Tells::Region => region(id),
            Tells::Zone => match self.zone_of(provider, id) {
                Zone::Place(places) => place(places),
                Zone::Of(id) => region(&id),
                Zone::Nothing | Zone::NotUnderstood => {
                    Endpoint::Unknown(format!("nobody understands zone {} of {provider}", shown(id)))
                }
            },
        }
    }
}
