//! Texts with a scheme: what stands before and behind `://`, in the path and in the query.

use std::net::IpAddr;

use super::{BLANK, Endpoint, Found};
use crate::engine::gazetteer::{host, shown};

/// The scheme before `://`: the last of several, as in `jdbc:postgresql://`.
fn scheme(before: &str) -> Option<String> {
    let scheme = before.rsplit(':').next().unwrap_or(before);
    let inner = |one: char| one.is_ascii_alphanumeric() || "+-._".contains(one);
    let first = scheme.chars().next()?;
    (first.is_ascii_alphabetic() && scheme.chars().all(inner)).then(|| scheme.to_ascii_lowercase())
}

fn is_web(scheme: &str) -> bool {
    ["http", "https", "ws", "wss", "ftp"].contains(&scheme)
}

/// Splits before each element that has a scheme of its own: `https://a/x,https://b/y`.
pub(super) fn split_schemes(chunk: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, _) in chunk.match_indices([',', ';', '|']) {
        // Only as far as the next sign: what is read twice makes long texts slow.
        let after = &chunk[at + 1..];
        let end = after.find([',', ';', '|', '@', '/']).unwrap_or(after.len());
        let before = after[..end].strip_suffix(':').filter(|_| after[end..].starts_with("//"));
        if before.is_some_and(|before| scheme(before).is_some()) {
            parts.push(&chunk[start..at]);
            start = at + 1;
        }
    }
    parts.push(&chunk[start..]);
    parts
}

/// Whether an element behind a path can only be meant as a host.
fn is_like_host(text: &str) -> bool {
    let host = text.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = host.rsplit_once(':').map_or((host, None), |(host, port)| (host, Some(port)));
    let last = host.rsplit('.').next().unwrap_or_default();
    let ported = port.is_some_and(|port| !port.is_empty() && port.bytes().all(|one| one.is_ascii_digit()));
    let dotted = host.contains('.') && last.len() > 1 && last.bytes().all(|one| one.is_ascii_alphabetic());
    host::name(host).is_some() && (ported || dotted || host.parse::<IpAddr>().is_ok())
}

impl Found<'_> {
    /// What stands behind `://`, and what before it.
    pub(super) fn url(&mut self, before: &str, rest: &str, depth: u8) {
        if before.contains(BLANK) {
            return self.add(Endpoint::filled_later());
        }
        // `a.example,postgres://b.example`: what is before the scheme is an element of its own.
        if let Some((list, before)) = before.rsplit_once([',', ';']) {
            self.list(list);
            return self.url(before, rest, depth);
        }
        let Some(scheme) = scheme(before) else { return self.unknown("the scheme of a URL cannot be read") };
        if scheme == "unix" || scheme == "npipe" {
            return self.add(Endpoint::Local);
        }
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        // Some readers take a backslash for a slash, and some end the host at a mark only when a slash came before.
        let odd = tail.starts_with('\\')
            || (tail.starts_with(['?', '#']) && tail[1..].split(['/', '\\']).next().unwrap_or_default().contains('@'));
        if odd || authority.matches('@').count() > 1 {
            return self.add(Endpoint::ambiguous());
        }
        let (user, hosts) = authority.split_once('@').map_or((None, authority), |(user, hosts)| (Some(user), hosts));
        if scheme == "file" {
            return match hosts {
                "" => self.add(Endpoint::Local),
                host => self.host_port(host),
            };
        }
        if self.gazetteer.bucket_scheme(&scheme).next().is_some() {
            self.bucket(&scheme, user, hosts);
            return self.query(tail, Some(&scheme), depth);
        }
        if hosts.is_empty() {
            return self.without_host(&scheme, user, tail, depth);
        }
        let url = format!("{scheme}://{hosts}");
        if let Some(places) = self.gazetteer.server(&url) {
            let name = host::name(hosts.split(':').next().unwrap_or_default()).unwrap_or_default();
            return self.add(Endpoint::own(places, &name));
        }
        for part in hosts.split([',', ';', '|']).filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some((key, value)) => self.pair(key, value, depth),
                None => self.host_port(part),
            }
        }
        if !is_web(&scheme) {
            self.query(tail, None, depth);
        }
        let path = tail.split(['?', '#']).next().unwrap_or_default();
        for part in path.split([',', ';', '|']).skip(1) {
            match part.split_once('=') {
                Some((key, value)) => self.pair(key, value, depth),
                None if is_like_host(part) => self.bare(part),
                None => {}
            }
        }
    }

    /// A URL whose host is empty: the host may stand in its query, otherwise a socket of this machine is meant.
    fn without_host(&mut self, scheme: &str, user: Option<&str>, tail: &str, depth: u8) {
        if is_web(scheme) {
            return self.unknown("a URL names no host");
        }
        let before = self.all.len();
        self.query(tail, None, depth);
        if self.all.len() == before {
            self.add(match user {
                Some(_) if tail.is_empty() => Endpoint::unknown("a URL names no host"),
                _ => Endpoint::Local,
            });
        }
    }

    /// Hosts and regions in a query: what database drivers and storage clients take from there.
    fn query(&mut self, tail: &str, bucket: Option<&str>, depth: u8) {
        let query = tail.split_once('?').map_or("", |(_, query)| query);
        for (key, value) in url::form_urlencoded::parse(query.split('#').next().unwrap_or_default().as_bytes()) {
            match key.as_ref() {
                "host" | "hostaddr" | "endpoint" | "server" if value.is_empty() => {}
                "host" | "hostaddr" | "endpoint" | "server" => self.text(&value, depth + 1),
                "region" if value.contains(BLANK) => self.add(Endpoint::filled_later()),
                "region" => {
                    let provider = bucket.and_then(|scheme| self.only_provider(scheme));
                    self.add(self.gazetteer.region_named(provider.as_deref(), &value));
                }
                _ => {}
            }
        }
    }

    /// The provider of a bucket scheme, where it has only one.
    fn only_provider(&self, scheme: &str) -> Option<String> {
        let mut providers = self.gazetteer.bucket_scheme(scheme);
        providers.next().filter(|_| providers.next().is_none()).map(str::to_owned)
    }

    /// `scheme://bucket/path`, `scheme://bucket@region/path`, `scheme://container@account.host/path`.
    pub(super) fn bucket(&mut self, scheme: &str, user: Option<&str>, host: &str) {
        let bucket = user.unwrap_or(host);
        if bucket.contains(BLANK) {
            return self.add(Endpoint::filled_later());
        }
        let known = self.gazetteer.bucket(bucket).map(|places| Endpoint::own(places, &shown(bucket)));
        match user {
            None if host.is_empty() => self.unknown("a URL names no bucket"),
            None => {
                let provider = self.only_provider(scheme);
                let silent = || Endpoint::Silent { shown: shown(bucket), provider, is_bucket: true };
                self.add(known.unwrap_or_else(silent));
            }
            Some(_) if host.contains(BLANK) => self.add(Endpoint::filled_later()),
            Some(_) if host.contains('.') => {
                // What stands before a host may be a credential as well.
                self.host_port(host);
                self.all.extend(known);
            }
            Some(_) => {
                let region = self.gazetteer.region_named(self.only_provider(scheme).as_deref(), host);
                self.add(region);
                self.all.extend(known);
            }
        }
    }
}
