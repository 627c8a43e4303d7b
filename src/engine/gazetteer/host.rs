//! Names of hosts: patterns of owners, grammars of providers. Everything is compared label by label from the right, as
//! names are delegated; a name that only contains a known one is another name.

use std::collections::BTreeMap;

use super::state;
use crate::engine::place::Places;

/// Longest name of a host and longest label of one, in octets (RFC 1035).
const NAME: usize = 253;
const LABEL: usize = 63;

/// A name in its one form: lower-case ASCII without the dot at its end. None: it is no name.
pub fn name(host: &str) -> Option<String> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let letter = |one: u8| one.is_ascii_alphanumeric() || one == b'-' || one == b'_';
    let label = |label: &str| (1..=LABEL).contains(&label.len()) && label.bytes().all(letter);
    (host.len() <= NAME && host.split('.').all(label)).then(|| host.to_ascii_lowercase())
}

/// Hosts as a `Location` lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    below: bool,
    name: String,
}

impl HostPattern {
    /// Reads `db.example.com`, or `*.example.com` for every name below it.
    ///
    /// # Errors
    ///
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (below, host) = text.strip_prefix("*.").map_or((false, text), |host| (true, host));
        match url::Host::parse(host) {
            Ok(url::Host::Domain(host)) => {
                name(&host).map(|name| Self { below, name }).ok_or("is no host and no pattern of hosts")
            }
            Ok(_) => Err("is an address"),
            Err(_) => Err("is no host and no pattern of hosts"),
        }
    }
}

/// Where hosts stand.
#[derive(Debug, Clone, Default)]
pub struct Hosts {
    exact: BTreeMap<String, Places>,
    below: BTreeMap<String, Places>,
}

impl Hosts {
    /// Notes where hosts stand.
    pub fn add(&mut self, pattern: HostPattern, places: &Places) {
        state(if pattern.below { &mut self.below } else { &mut self.exact }, pattern.name, places);
    }

    /// What the longest pattern says of a name in its one form.
    pub fn get(&self, host: &str) -> Option<&Places> {
        self.exact.get(host).or_else(|| {
            let mut rest = host;
            while let Some((_, parent)) = rest.split_once('.') {
                if let Some(places) = self.below.get(parent) {
                    return Some(places);
                }
                rest = parent;
            }
            None
        })
    }

    /// What is said of all names below a name, taken together.
    pub fn below(&self, host: &str) -> Option<Places> {
        let all = self.below.get(host).or_else(|| self.get(host).filter(|_| !self.exact.contains_key(host)))?;
        let suffix = format!(".{host}");
        let deeper = self.exact.iter().chain(&self.below).filter(|(name, _)| name.ends_with(&suffix));
        Some(deeper.fold(all.clone(), |all, (_, places)| all.or(places.clone())))
    }
}

/// How exact a label of a grammar is, the less exact first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    /// One label or more.
    Many,
    /// A label, or a part of one.
    Part { before: String, after: String, captured: bool },
    /// This label.
    Exact(String),
}

impl Label {
    fn rank(&self) -> (u8, usize) {
        match self {
            Self::Many => (0, 0),
            Self::Part { before, after, .. } => (1, before.len() + after.len()),
            Self::Exact(_) => (2, 0),
        }
    }
}

/// A grammar of hosts: `*.s3.{region}.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostTemplate {
    /// From right to left.
    labels: Vec<Label>,
    domain: String,
}

impl HostTemplate {
    /// Reads a grammar.
    ///
    /// # Errors
    ///
    /// When it is none, or its last two labels are not given as such: it would claim names of others.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const CAPTURE: &str = "{region}";
        let parts: Vec<&str> = text.split('.').rev().collect();
        let mut labels = Vec::with_capacity(parts.len());
        for (at, part) in parts.iter().enumerate() {
            let literal = |text: &str| text.is_empty() || name(text).is_some_and(|name| name == text);
            let label = if *part == "**" {
                if at + 1 != parts.len() {
                    return Err("has ** elsewhere than at its beginning");
                }
                Label::Many
            } else if let Some((before, after)) = part.split_once(CAPTURE).or_else(|| part.split_once('*')) {
                if !literal(before) || !literal(after) {
                    return Err("has a label with more than one variable part");
                }
                Label::Part { before: before.to_owned(), after: after.to_owned(), captured: part.contains(CAPTURE) }
            } else if !part.is_empty() && literal(part) {
                Label::Exact((*part).to_owned())
            } else {
                return Err("has a label that is no name in lower case");
            };
            labels.push(label);
        }
        let captures = labels.iter().filter(|label| matches!(label, Label::Part { captured: true, .. })).count();
        if captures > 1 {
            return Err("has {region} twice");
        }
        let [Label::Exact(last), Label::Exact(second), ..] = labels.as_slice() else {
            return Err("does not give its last two labels");
        };
        let domain = format!("{second}.{last}");
        Ok(Self { labels, domain })
    }

    /// Its last two labels.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether it captures a region.
    pub fn captures(&self) -> bool {
        self.labels.iter().any(|label| matches!(label, Label::Part { captured: true, .. }))
    }

    /// Reads a name in its one form: none where it is no name of this grammar, otherwise what is captured.
    pub fn read<'a>(&self, host: &'a str) -> Option<Option<&'a str>> {
        let mut parts = host.rsplit('.');
        let mut region = None;
        for label in &self.labels {
            let part = parts.next()?;
            match label {
                Label::Many => return Some(region),
                Label::Exact(wanted) if wanted == part => {}
                Label::Exact(_) => return None,
                Label::Part { before, after, captured } => {
                    let inner = part.strip_prefix(before.as_str())?.strip_suffix(after.as_str())?;
                    if inner.is_empty() {
                        return None;
                    }
                    if *captured {
                        region = Some(inner);
                    }
                }
            }
        }
        parts.next().is_none().then_some(region)
    }

    /// Whether this grammar is more exact than another, label by label from the right.
    pub fn exactness(&self) -> impl Iterator<Item = (u8, usize)> {
        self.labels.iter().map(Label::rank)
    }
}

/// Whether a label may end names that others than this cluster answer: a domain of the public name system (the Public
/// Suffix List), one that is kept for other uses (RFC 2606, RFC 6761), or one that people use inside.
pub fn is_domain(label: &str) -> bool {
    const KEPT: [&str; 18] = [
        "alt",
        "arpa",
        "corp",
        "domain",
        "example",
        "home",
        "host",
        "internal",
        "intern",
        "intranet",
        "invalid",
        "lan",
        "local",
        "localdomain",
        "mail",
        "onion",
        "private",
        "test",
    ];
    let odd = label.starts_with('-') || label.ends_with('-') || label.starts_with("xn--") || label.contains('.');
    odd || KEPT.contains(&label) || psl::suffix(label.as_bytes()).is_some_and(|suffix| suffix.is_known())
}

/// The last two labels of a name.
pub fn domain(host: &str) -> Option<&str> {
    let (rest, _) = host.rsplit_once('.')?;
    Some(rest.rsplit_once('.').map_or(host, |(before, _)| &host[before.len() + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammars_are_read_from_the_right() {
        let read = |template: &str, host: &str| {
            HostTemplate::parse(template).unwrap().read(host).map(|region| region.unwrap_or_default().to_owned())
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read("s3.{region}.example.com", "s3.x-1.example.com"), some("x-1"));
        assert_eq!(read("s3.{region}.example.com", "b.s3.x-1.example.com"), None);
        assert_eq!(read("**.s3.{region}.example.com", "a.b.s3.x-1.example.com"), some("x-1"));
        assert_eq!(read("**.s3.{region}.example.com", "s3.x-1.example.com"), None);
        assert_eq!(read("{region}-ai.example.com", "x-1-ai.example.com"), some("x-1"));
        assert_eq!(read("{region}-ai.example.com", "-ai.example.com"), None);
        assert_eq!(read("pkc-*.{region}.example.com", "pkc-1.x.example.com"), some("x"));
        assert_eq!(read("*.example.com", "example.com"), None);
        assert_eq!(read("s3.{region}.example.com", "s3.x-1.example.com.attacker.example"), None);
    }

    #[test]
    fn grammars_that_claim_too_much_are_refused() {
        for bad in [
            "*.com",
            "com",
            "{region}.com",
            "a.**.example.com",
            "{region}.{region}.example.com",
            "a..example.com",
            "A.example.com",
        ] {
            assert!(HostTemplate::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn patterns_of_owners_are_names() {
        for bad in [
            "",
            "*",
            "*.",
            "10.0.0.1",
            "a b",
            "https://a.example",
            "a.example:80",
            "*.*.example",
            "a..example",
            "[::1]",
        ] {
            assert!(HostPattern::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(HostPattern::parse("*.A.Example."), HostPattern::parse("*.a.example"));
    }

    #[test]
    fn namespaces_are_told_from_domains() {
        for domain in ["com", "cloud", "dev", "example", "internal", "xn--p1ai", "-a"] {
            assert!(is_domain(domain), "{domain}");
        }
        for namespace in ["kafka", "monitoring", "cx-de", "observability"] {
            assert!(!is_domain(namespace), "{namespace}");
        }
    }

    #[test]
    fn the_last_two_labels_are_the_domain() {
        assert_eq!(domain("a.b.c"), Some("b.c"));
        assert_eq!(domain("b.c"), Some("b.c"));
        assert_eq!(domain("c"), None);
    }
}
