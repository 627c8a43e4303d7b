//! Connection strings of pairs: `host=db user=app`, `Endpoint=sb://name.example/;SharedAccessKey=...`.

use super::{BLANK, Endpoint, Found};

/// Whether a text is one.
pub fn is_pairs(text: &str) -> bool {
    let Some((key, _)) = text.split_once('=') else { return false };
    let inner = |one: char| one.is_ascii_alphanumeric() || " _.-".contains(one);
    key.starts_with(|one: char| one.is_ascii_alphabetic()) && key.chars().all(inner) && key.len() < 64 && {
        // `a.example b=c` is a list, `Data Source=c` is none.
        !key.contains(' ') || is_host(&fold(key))
    }
}

fn fold(key: &str) -> String {
    key.chars().filter(char::is_ascii_alphanumeric).map(|one| one.to_ascii_lowercase()).collect()
}

/// Whether a key names a host.
fn is_host(key: &str) -> bool {
    const KEYS: [&str; 12] = [
        "addr",
        "address",
        "bootstrapservers",
        "brokers",
        "datasource",
        "failoverpartner",
        "hostaddr",
        "hosts",
        "networkaddress",
        "server",
        "servername",
        "servers",
    ];
    const ENDS: [&str; 5] = ["endpoint", "host", "hostname", "uri", "url"];
    KEYS.contains(&key) || ENDS.iter().any(|end| key.ends_with(end))
}

/// Whether a value is a credential, which is never looked at.
fn is_secret(key: &str) -> bool {
    const ENDS: [&str; 7] = ["key", "password", "pwd", "secret", "signature", "token", "passwd"];
    ENDS.iter().any(|end| key.ends_with(end))
}

impl Found<'_> {
    /// A text of pairs. One that names no host leads to a place that cannot be told.
    pub(super) fn pairs(&mut self, text: &str, depth: u8) {
        let before = self.all.len();
        let pairs: Vec<(String, &str)> = if text.contains(';') {
            text.split(';')
                .filter_map(|pair| pair.split_once('='))
                .map(|(key, value)| (fold(key), value.trim()))
                .collect()
        } else if is_host(&fold(text.split('=').next().unwrap_or_default())) && text.matches('=').count() == 1 {
            // The only pair may have blanks in its value.
            text.split_once('=').map(|(key, value)| (fold(key), value.trim())).into_iter().collect()
        } else {
            let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
            pairs.map(|(key, value)| (fold(key), value)).collect()
        };
        let value = |wanted: &str| pairs.iter().find(|(key, _)| key == wanted).map(|(_, value)| *value);
        if let (Some(account), Some(suffix)) = (value("accountname"), value("endpointsuffix")) {
            // Accounts of this form keep their blobs there; a Location may list the host.
            self.host_port(&format!("{account}.blob.{suffix}"));
        }
        for (key, value) in &pairs {
            self.pair(key, value, depth);
        }
        if self.all.len() == before {
            self.unknown("the connection text names no host");
        }
    }

    /// One pair, if its key names a host or a region.
    pub(super) fn pair(&mut self, key: &str, value: &str, depth: u8) {
        let key = fold(key);
        let value = value.trim().trim_matches(|one| "\"'{}".contains(one));
        if value.is_empty() || is_secret(&key) {
            return;
        }
        if key == "region" {
            let said =
                if value.contains(BLANK) { Endpoint::filled_later() } else { self.gazetteer.region_named(None, value) };
            return self.add(said);
        }
        if !is_host(&key) {
            if value.contains("://") {
                self.text(value, depth + 1);
            }
            return;
        }
        let value = ["tcp:", "np:", "lpc:", "admin:"].iter().find_map(|one| value.strip_prefix(one)).unwrap_or(value);
        // Host, instance and port as ODBC writes them: host\instance,1433.
        let (value, instance) = match value.rsplit_once(',') {
            Some((host, port)) if port.trim().parse::<u16>().is_ok() => (host, true),
            _ => (value, false),
        };
        let value = match value.split_once('\\') {
            Some((host, name))
                if (instance || key == "server" || key == "datasource") && super::host::name(name).is_some() =>
            {
                host
            }
            _ => value,
        };
        self.text(value, depth + 1);
    }
}
