//! What a piece of text says about the place to which it leads: hosts, addresses, URLs, connection strings, ARNs.
//!
//! Programs read such text in their own ways. Where two of them could be led to two hosts by one text, it leads to an
//! unknown place: this reader finds out where data goes, and does not guess which program will take it there.

mod pairs;
mod schemes;

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;

use self::schemes::split_schemes;
use super::gazetteer::{Gazetteer, host, shown};
use super::place::Places;

/// What one endpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Nothing leaves the node or pod: loopback, a socket, a path in a volume.
    Local,
    /// A service of this cluster.
    Service {
        /// Its name.
        name: String,
        /// Its namespace; none: that of whoever asks.
        namespace: Option<String>,
    },
    /// It lies there.
    Place {
        /// Where; unproven where statements contradict each other.
        places: Places,
        /// Whether a `Location` of the owner names it, rather than a provider's own grammar.
        own: bool,
        /// The host, region or bucket, as it may be shown: never credentials, paths or queries.
        shown: String,
    },
    /// It is understood and names no place by itself: the place depends on something else, such as a region field.
    Silent {
        /// The host or bucket, as it may be shown.
        shown: String,
        /// Whose host or bucket it is; none for a bucket that many providers may have.
        provider: Option<String>,
        /// Whether it is a bucket, which an address beside it may tell as well as a region of its provider.
        is_bucket: bool,
    },
    /// A host that nobody knows.
    Stranger {
        /// The host.
        host: String,
        /// The service and namespace that pods mean by it if there is such a namespace: `name.namespace`.
        service: Option<(String, String)>,
    },
    /// It leads to a place that cannot be told, for this reason.
    Unknown(String),
}

impl Endpoint {
    fn unknown(reason: &str) -> Self {
        Self::Unknown(reason.to_owned())
    }

    fn silent(shown: String) -> Self {
        Self::Silent { shown, provider: None, is_bucket: true }
    }

    fn own(places: &Places, shown: &str) -> Self {
        Self::Place { places: places.clone(), own: true, shown: shown.to_owned() }
    }

    fn filled_later() -> Self {
        Self::unknown("it is filled in later")
    }

    fn ambiguous() -> Self {
        Self::unknown("the text can be read in two ways")
    }
}

/// Longest text that is read, in bytes: an environment is no larger.
const TEXT: usize = 64 << 10;

/// Most endpoints of one text.
pub(super) const MOST: usize = 2000;

/// Stands for a part of a text that is filled in later. Text that has this control character by itself is refused.
pub(super) const BLANK: char = '\u{1a}';

/// How deep a text may hold others: a URL in a query of a URL.
const DEPTH: u8 = 3;

/// Resource names within others beyond this are made to exhaust.
const NESTED: usize = 64;

/// A web address with both slashes behind its scheme: browsers, and what reads as they do, add those that are missing.
fn both_slashes(text: &str) -> Cow<'_, str> {
    const WEB: [&str; 5] = ["https:", "http:", "wss:", "ws:", "ftp:"];
    let begins = |scheme: &&&str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    match WEB.iter().find(begins).map(|scheme| text.split_at(scheme.len())) {
        Some((scheme, rest)) if !rest.starts_with("//") && !rest.is_empty() => {
            Cow::Owned(format!("{scheme}//{}", rest.trim_start_matches('/')))
        }
        _ => Cow::Borrowed(text),
    }
}

/// Why nothing can be said of a host.
pub fn strange(host: &str) -> String {
    format!("no Location and no Provider knows the host {host}")
}

impl Endpoint {
    fn stranger(host: &str) -> Self {
        let service = host.split_once('.').filter(|(_, rest)| !rest.contains('.'));
        Self::Stranger {
            host: host.to_owned(),
            service: service.map(|(name, space)| (name.to_owned(), space.to_owned())),
        }
    }
}

impl Gazetteer {
    /// What each endpoint in a text says; a text may hold several, separated by commas, semicolons or blanks.
    pub fn endpoints(&self, text: &str) -> Vec<Endpoint> {
        if text.len() > TEXT {
            return vec![Endpoint::unknown("the text is too long to be read")];
        }
        if text.chars().any(|one| one.is_control() && !one.is_whitespace()) {
            return vec![Endpoint::unknown("the text holds control characters")];
        }
        let mut found = self.endpoints_masked(&masked(&both_slashes(text)));
        // A resource name may hold another, which is where the first one leads on to.
        for (at, _) in text.match_indices("arn:").skip(1).take(NESTED) {
            let inner = self.endpoints_masked(&masked(&text[at..]));
            for place in inner.into_iter().filter(|one| matches!(one, Endpoint::Place { .. })) {
                if !found.contains(&place) {
                    found.push(place);
                }
            }
        }
        found
    }

    /// The same for a text whose templates are blanks already.
    pub(super) fn endpoints_masked(&self, text: &str) -> Vec<Endpoint> {
        if text.len() > TEXT {
            return vec![Endpoint::unknown("the text is too long to be read")];
        }
        let mut found = Found { gazetteer: self, all: Vec::new() };
        found.text(text, 0);
        found.all
    }

    /// Where a bucket lies that is named without a URL.
    pub(super) fn bucket_named(&self, name: &str) -> Endpoint {
        self.bucket(name).map_or_else(|| Endpoint::silent(shown(name)), |places| Endpoint::own(places, &shown(name)))
    }
}

/// A text whose templates are blanks, each one character: a template may hold separators.
pub(super) fn masked(text: &str) -> String {
    const TEMPLATES: [(&str, &str); 6] =
        [("{{", "}}"), ("${{", "}}"), ("${", "}"), ("$(", ")"), ("<%", "%>"), ("[[", "]]")];
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let template = TEMPLATES.iter().filter(|(open, _)| rest.starts_with(open)).max_by_key(|(open, _)| open.len());
        if let Some((open, close)) = template {
            masked.push(BLANK);
            // One that never ends hides nothing of what follows.
            rest = &rest[open.len()..];
            rest = near(rest).find(close).map_or(rest, |at| &rest[at + close.len()..]);
            continue;
        }
        let name = |text: &str| text.find(|one: char| !one.is_ascii_alphanumeric() && one != '_').unwrap_or(text.len());
        if first == '$' && name(&rest[1..]) > 0 {
            masked.push(BLANK);
            rest = &rest[1 + name(&rest[1..])..];
            continue;
        }
        // <your-host>
        if first == '<'
            && let Some((inside, _)) = near(&rest[1..]).split_once('>')
            && !inside.contains(char::is_whitespace)
        {
            masked.push(BLANK);
            rest = &rest[1 + inside.len() + 1..];
            continue;
        }
        masked.push(first);
        rest = &rest[first.len_utf8()..];
    }
    masked
}

/// The beginning of a text, in which a template must end: what is searched again and again makes long texts slow.
fn near(text: &str) -> &str {
    const TEMPLATE: usize = 200;
    text.char_indices().nth(TEMPLATE).map_or(text, |(end, _)| &text[..end])
}

/// Collects what a text says.
struct Found<'a> {
    gazetteer: &'a Gazetteer,
    all: Vec<Endpoint>,
}

impl Found<'_> {
    fn add(&mut self, endpoint: Endpoint) {
        if self.all.len() < MOST {
            self.all.push(endpoint);
        } else if self.all.len() == MOST {
            self.all.push(Endpoint::unknown("the text holds more endpoints than are read"));
        }
    }

    fn unknown(&mut self, reason: &str) {
        self.add(Endpoint::unknown(reason));
    }

    /// A whole text.
    fn text(&mut self, text: &str, depth: u8) {
        if depth > DEPTH {
            return self.unknown("the text holds others too deep");
        }
        let text = text.trim();
        if pairs::is_pairs(text) {
            return self.pairs(text, depth);
        }
        // A list as JSON writes it; an address in brackets is none.
        let listed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let text = listed.filter(|inner| inner.contains(['"', '\'', ',', ' '])).unwrap_or(text);
        for chunk in text.split(|one: char| one.is_whitespace() || "\"'`".contains(one)) {
            if chunk.contains("://") {
                for part in split_schemes(chunk) {
                    match part.split_once("://") {
                        Some((before, rest)) => self.url(before, rest, depth),
                        None => self.list(part),
                    }
                }
            } else {
                self.list(chunk);
            }
        }
    }

    fn list(&mut self, text: &str) {
        for token in text.split([',', ';']).filter(|token| !token.is_empty()) {
            self.bare(token);
        }
    }

    /// An element without a scheme.
    fn bare(&mut self, token: &str) {
        // How an address is to be looked up stands before it: `dns+host:port`, `dnssrv+_service._tcp.host`.
        const LOOKED_UP: [&str; 3] = ["dns+", "dnssrv+", "dnssrvnoa+"];
        let token = LOOKED_UP.iter().find_map(|how| token.strip_prefix(how)).unwrap_or(token);
        if token.starts_with("arn:") {
            return self.arn(token);
        }
        if let Some(said) = self.gazetteer.resource_id(token) {
            return self.add(said);
        }
        if token == "*" {
            return self.add(Endpoint::Place { places: Places::anywhere(), own: false, shown: token.to_owned() });
        }
        if let Ok(range) = token.parse::<IpNet>() {
            return self.range(range);
        }
        if let Ok(address) = token.parse::<IpAddr>() {
            return self.address(address);
        }
        if let Some(rest) = token.strip_prefix("//") {
            return self.url("https", rest, DEPTH);
        }
        if ["/", "./", "../", "~/", "unix:"].iter().any(|local| token.starts_with(local)) {
            return self.add(Endpoint::Local);
        }
        // jdbc:oracle:thin:@host:1521:id and the like; driver@tcp(host:3306)/name.
        if let Some((_, rest)) = token.split_once(":@") {
            let rest = rest.strip_prefix("//").unwrap_or(rest);
            let mut parts = rest.split(['/', '?']).next().unwrap_or_default().split(':');
            let host = parts.next().unwrap_or_default();
            if token.starts_with("jdbc:") && !rest.contains('@') {
                self.host_port(host);
            } else {
                self.add(Endpoint::ambiguous());
            }
            return;
        }
        if let Some((before, rest)) = token.split_once('(') {
            let protocol = before.rsplit('@').next().unwrap_or_default();
            let inner = rest.split_once(')').map(|(inner, _)| inner);
            return match (protocol, inner) {
                ("unix", Some(_)) => self.add(Endpoint::Local),
                ("tcp" | "tcp4" | "tcp6", Some(inner)) if !rest.contains('@') => self.host_port(inner),
                _ => self.unknown("the text cannot be read as a host"),
            };
        }
        if token.contains('\\') {
            return self.add(Endpoint::ambiguous());
        }
        // scheme:bucket:path and scheme:host/bucket, as backup tools write them.
        if let Some((scheme, rest)) = token.split_once(':')
            && self.gazetteer.bucket_scheme(scheme).next().is_some()
            && !rest.starts_with(|one: char| one.is_ascii_digit())
        {
            let first = rest.split(['/', ':']).next().unwrap_or_default();
            return if first.contains('.') { self.host_port(first) } else { self.bucket(scheme, None, first) };
        }
        let end = token.find(['/', '?', '#']).unwrap_or(token.len());
        let (authority, tail) = token.split_at(end);
        match authority.matches('@').count() {
            0 if tail.starts_with(['?', '#']) && tail.contains('@') => self.add(Endpoint::ambiguous()),
            0 => self.host_port(authority),
            1 => self.host_port(authority.split_once('@').map_or(authority, |(_, host)| host)),
            _ => self.add(Endpoint::ambiguous()),
        }
    }

    /// `arn:partition:service:region:account:resource`.
    fn arn(&mut self, token: &str) {
        let parts: Vec<&str> = token.splitn(6, ':').collect();
        let [_, partition, _, region, account, resource] = parts[..] else {
            return self.unknown("a resource name cannot be read");
        };
        if [partition, region].iter().any(|part| part.contains(BLANK)) {
            return self.add(Endpoint::filled_later());
        }
        let Some(provider) = self.gazetteer.partition(partition).map(str::to_owned) else {
            return self.unknown("no Provider has the partition of a resource name");
        };
        if region == "*" {
            let places = Places::anywhere();
            return self.add(Endpoint::Place { places, own: false, shown: "any region".to_owned() });
        }
        if region.is_empty() {
            // A name with neither region nor account is that of a bucket, and of what is in it.
            let bucket = resource.split('/').next().unwrap_or_default();
            let known = self.gazetteer.bucket(bucket).filter(|_| account.is_empty());
            return self.add(known.map_or_else(
                || Endpoint::unknown_bucket(bucket, account),
                |places| Endpoint::own(places, &shown(bucket)),
            ));
        }
        self.add(self.gazetteer.region_named(Some(&provider), region));
        // An inference profile runs in more regions than the one in which it is asked for.
        if let Some((_, model)) = resource.rsplit_once('/')
            && !model.starts_with("arn:")
        {
            for said in self.gazetteer.model(Some(&provider), model) {
                self.add(said);
            }
        }
    }

    fn host_port(&mut self, text: &str) {
        let bracket = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (host, port) = match bracket {
            Some((inside, rest)) => (format!("[{inside}]"), rest.strip_prefix(':').unwrap_or(rest)),
            None if text.parse::<IpAddr>().is_ok() => (text.to_owned(), ""),
            None => text.split_once(':').map_or((text.to_owned(), ""), |(host, port)| (host.to_owned(), port)),
        };
        if host.contains(BLANK) {
            return self.add(Endpoint::filled_later());
        }
        // Services that are asked for by name stand below the host that has them: `_grpc._tcp.host`.
        let mut host = host.as_str();
        while let Some((_, of)) = host.split_once('.').filter(|(label, _)| label.starts_with('_')) {
            host = of;
        }
        let host = host.to_owned();
        let is_port = port.is_empty() || port.parse::<u16>().is_ok() || port.chars().all(|one| one == BLANK);
        if !is_port {
            return self.unknown("a port cannot be read");
        }
        if host.is_empty() {
            return if port.is_empty() { self.unknown("a host is empty") } else { self.add(Endpoint::Local) };
        }
        let (every, host) = match host.strip_prefix("*.").or_else(|| host.strip_prefix("**.")) {
            Some(rest) => (true, rest.to_owned()),
            None => (false, host),
        };
        if let Ok(address) = host.parse::<IpAddr>() {
            return self.address(address);
        }
        match url::Host::parse(&host) {
            Ok(url::Host::Ipv4(address)) => self.address(address.into()),
            Ok(url::Host::Ipv6(address)) => self.address(address.into()),
            Ok(url::Host::Domain(domain)) => match host::name(&domain) {
                Some(name) if every => self.hosts_below(&name),
                Some(name) => self.named_host(&name),
                None => self.unknown("a host is no name"),
            },
            Err(_) => self.unknown("a host is no name"),
        }
    }

    fn address(&mut self, address: IpAddr) {
        let address = address.to_canonical();
        if address.is_loopback() || address.is_unspecified() {
            return self.add(Endpoint::Local);
        }
        let said = self.gazetteer.address(address).map_or_else(
            || {
                let private = match address {
                    IpAddr::V4(four) => four.is_private() || four.is_link_local(),
                    IpAddr::V6(six) => six.is_unique_local() || six.is_unicast_link_local(),
                };
                let sort = if private { "the private address" } else { "the address" };
                let hint = self.gazetteer.hints.as_ref().filter(|_| !private).and_then(|hints| hints.country(address));
                // Told to whoever looks into it; the place stays as unknown as without.
                let hint = hint.map(|country| format!(", which a database believes in {country} without proof"));
                Endpoint::Unknown(format!("no Location has {sort} {address}{}", hint.unwrap_or_default()))
            },
            |places| Endpoint::own(places, &address.to_string()),
        );
        self.add(said);
    }

    fn range(&mut self, range: IpNet) {
        let places = self.gazetteer.range(range);
        let local = |address: IpAddr| address.to_canonical().is_loopback();
        if local(range.network()) && local(range.broadcast()) {
            return self.add(Endpoint::Local);
        }
        self.add(match places.unproven {
            Some(reason) if places.countries.is_full() => Endpoint::Unknown(reason),
            _ => Endpoint::Place { own: !places.countries.is_full(), places, shown: range.to_string() },
        });
    }

    /// A host by a name in its one form.
    fn named_host(&mut self, name: &str) {
        /// Names that stand for the machine itself (RFC 6761).
        const LOCAL: &str = "localhost";
        if name == LOCAL || name.ends_with(".localhost") {
            return self.add(Endpoint::Local);
        }
        let own = self.gazetteer.host(name);
        let grammar = self.gazetteer.grammar(name);
        let said = match (own, grammar) {
            // An owner may know better than a grammar, within what the grammar proves.
            (Some(places), Some(Endpoint::Place { places: proven, .. }))
                if proven.unproven.is_none() && !places.countries.is_subset(&proven.countries) =>
            {
                let unproven = Some(format!("a Location and the Provider contradict each other about {name}"));
                let places = Places { countries: places.countries.union(&proven.countries), unproven };
                Endpoint::Place { places, own: true, shown: name.to_owned() }
            }
            (Some(places), _) => Endpoint::own(places, name),
            (None, said) => service(name).or(said).unwrap_or_else(|| Endpoint::stranger(name)),
        };
        self.add(said);
    }

    /// Every host below a name.
    fn hosts_below(&mut self, name: &str) {
        let all = format!("*.{name}");
        let said = match self.gazetteer.hosts_below(name) {
            Some(places) => Endpoint::Place { places, own: true, shown: all },
            // A name that stands for all of them: a grammar must hold whatever the first label is.
            None => match self.gazetteer.grammar(&format!("any.{name}")) {
                Some(said) => said,
                None => Endpoint::Unknown(format!("no Location and no Provider knows the hosts {all}")),
            },
        };
        self.add(said);
    }
}

impl Endpoint {
    fn unknown_bucket(bucket: &str, account: &str) -> Self {
        Self::silent(if account.is_empty() { shown(bucket) } else { "a resource without a region".to_owned() })
    }
}

/// A name that only this cluster's DNS answers: `name`, `name.namespace.svc`, either with the domain of the cluster, and
/// pods of a headless service before them.
fn service(name: &str) -> Option<Endpoint> {
    let labels: Vec<&str> = name.split('.').collect();
    let of = |name: &str, namespace: Option<&str>| {
        Some(Endpoint::Service { name: name.to_owned(), namespace: namespace.map(str::to_owned) })
    };
    match labels.as_slice() {
        [name] => of(name, None),
        [.., name, namespace, "svc"] | [.., name, namespace, "svc", "cluster", "local"] => of(name, Some(namespace)),
        _ => None,
    }
}
