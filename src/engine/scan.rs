//! Finds what leads to a place in text that nobody here has a grammar for: configuration files, scripts, environments.
//!
//! What it finds counts; that it finds nothing proves nothing. It reads one line at a time: pairs of a key and a value by
//! what the key is about, and URLs, resource names and bucket URLs wherever they stand.

use super::endpoint::{BLANK, Endpoint, MOST, masked};
use super::gazetteer::Gazetteer;

/// Longest text that is scanned, in bytes: a config map holds no more.
const TEXT: usize = 1 << 20;

/// What the value of a key is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// A credential: only an address under its name is looked at.
    Secret,
    /// Software, not data.
    Image,
    /// A region.
    Region,
    /// Perhaps a region: counts if it is one.
    Somewhere,
    /// A host, address, URL or connection string.
    Endpoint,
    /// A bucket, or an account whose place is not in its name.
    Bucket,
    /// Anything else.
    Other,
}

/// Words of a key in lower case: `AWS_S3_region`, `s3.endpointUrl`, `--sts-region`.
fn words(key: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut small = false;
    for one in key.chars() {
        if one.is_ascii_alphanumeric() {
            if one.is_ascii_uppercase() && small {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.push(one.to_ascii_lowercase());
            }
        } else {
            words.push(String::new());
        }
        small = one.is_ascii_lowercase() || one.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

fn class(key: &str) -> Class {
    const SECRETS: [&str; 11] = [
        "secret",
        "password",
        "passwd",
        "pwd",
        "token",
        "key",
        "credential",
        "credentials",
        "passphrase",
        "secrets",
        "tokens",
    ];
    const IMAGES: [&str; 3] = ["image", "imagename", "images"];
    const REGIONS: [&str; 2] = ["region", "regions"];
    const BUCKETS: [&str; 4] = ["bucket", "buckets", "bucketname", "bucketnames"];
    const ENDPOINTS: [&str; 26] = [
        "addr",
        "address",
        "addresses",
        "baseurl",
        "bootstrap",
        "broker",
        "brokers",
        "connectionstring",
        "dsn",
        "endpoint",
        "endpoints",
        "host",
        "hostname",
        "hostnames",
        "hosts",
        "server",
        "servers",
        "site",
        "smarthost",
        "uri",
        "uris",
        "url",
        "urls",
        "hostaddr",
        "apiurl",
        "upstream",
    ];
    const ENDPOINT_ENDS: [&str; 8] = ["host", "hosts", "hostname", "url", "uri", "endpoint", "endpoints", "servers"];
    /// These count wherever they stand: `ENDPOINT_URL_S3`, `OTLP_ENDPOINT_GRPC`.
    const ANYWHERE: [&str; 3] = ["endpoint", "endpoints", "dsn"];

    let words = words(key);
    let Some(last) = words.last().map(String::as_str) else { return Class::Other };
    let before = words.len().checked_sub(2).map_or("", |at| words[at].as_str());
    if SECRETS.contains(&last) || SECRETS[..6].iter().any(|end| last.ends_with(end)) {
        return Class::Secret;
    }
    // A repository of images, or one that is named nothing else; other repositories hold data.
    let of_images = match last {
        "repository" => ["", "image"].contains(&before),
        "registry" => ["", "image", "images", "container", "docker"].contains(&before),
        other => IMAGES.contains(&other),
    };
    if of_images {
        return Class::Image;
    }
    if REGIONS.contains(&last) || (before == "region" && ["id", "name"].contains(&last)) || last.ends_with("region") {
        return Class::Region;
    }
    if ["location", "zone", "locations", "datacenter"].contains(&last) {
        return Class::Somewhere;
    }
    let account = (before, last) == ("storage", "account") || (before, last) == ("cloud", "project");
    if BUCKETS.contains(&last) || (before == "bucket" && ["name", "names"].contains(&last)) || account {
        return Class::Bucket;
    }
    // Of backups, as their tools name them; one of images is left out above.
    if ["repository", "repo"].contains(&last) && ["restic", "borg", "kopia", "backup"].contains(&before) {
        return Class::Endpoint;
    }
    let connection = before.starts_with("conn") && ["string", "str"].contains(&last);
    if ENDPOINTS.contains(&last)
        || connection
        || ENDPOINT_ENDS.iter().any(|end| last.ends_with(end))
        || words.iter().any(|word| ANYWHERE.contains(&word.as_str()))
    {
        return Class::Endpoint;
    }
    Class::Other
}

/// Whether a value under this key tells a place, rather than only the URLs and resource names in it.
pub fn is_about_places(key: &str) -> bool {
    class(key) != Class::Other
}

/// Whether a value under this key names software: an image, or where images are.
pub fn names_software(key: &str) -> bool {
    class(key) == Class::Image
}

/// Whether a URL under this key only names the language of a document: `xmlns`, `xmlns:xsi`, `xsi:schemaLocation`.
fn names_a_schema(ahead: &str, key: &str) -> bool {
    match key {
        "xmlns" => true,
        "schemaLocation" | "noNamespaceSchemaLocation" => ahead.ends_with("xsi:"),
        _ => ahead.ends_with("xmlns:"),
    }
}

/// Values that switch something on or off, or count.
fn is_plain(value: &str) -> bool {
    const WORDS: [&str; 12] = ["", "true", "false", "yes", "no", "on", "off", "null", "none", "nil", "~", "*"];
    WORDS.contains(&value.to_ascii_lowercase().as_str())
        || value.bytes().all(|one| one.is_ascii_digit())
        || ["|", ">", "|-", ">-", "{", "[", "{}", "[]", "\"\""].contains(&value)
}

impl Gazetteer {
    /// What a value says under a key, such as a variable of an environment. Of a credential only an address is; a value
    /// under a key that is about no place counts only for the URLs and resource names in it.
    pub fn named(&self, key: &str, value: &str) -> Vec<Endpoint> {
        let mut scan = Scan { gazetteer: self, found: Vec::new() };
        if value.len() > TEXT {
            return vec![Endpoint::Unknown("the text is too long to be scanned".to_owned())];
        }
        scan.named(key, value);
        scan.found
    }

    /// What leads to a place in a text of any sort: YAML, TOML, INI, properties, JSON, commands. Comments and image
    /// references are left out. Each thing that is said is returned once.
    pub fn scan(&self, text: &str) -> Vec<Endpoint> {
        if text.len() > TEXT {
            return vec![Endpoint::Unknown("the text is too long to be scanned".to_owned())];
        }
        let mut scan = Scan { gazetteer: self, found: Vec::new() };
        scan.text(text);
        scan.found
    }
}

struct Scan<'a> {
    gazetteer: &'a Gazetteer,
    found: Vec<Endpoint>,
}

/// A pair in a line: where its key begins, where its value ends.
struct Pair<'t> {
    key: &'t str,
    value: &'t str,
    end: usize,
}

impl Scan<'_> {
    fn add(&mut self, said: impl IntoIterator<Item = Endpoint>) {
        for endpoint in said {
            if self.found.len() > MOST {
                return;
            }
            if self.found.len() == MOST {
                let many = "the text holds more endpoints than are read";
                self.found.push(Endpoint::Unknown(many.to_owned()));
            } else if !self.found.contains(&endpoint) {
                self.found.push(endpoint);
            }
        }
    }

    fn named(&mut self, key: &str, value: &str) {
        let value = value.trim();
        let class = class(key);
        match class {
            Class::Image => {}
            // Whatever the name says, an address is one.
            Class::Secret => {
                if value.contains("://") {
                    self.urls(value);
                }
            }
            _ if value.contains('\n') => self.text(value),
            Class::Region | Class::Somewhere => {
                let list = value.trim_matches(['[', ']']);
                let masked = masked(list);
                for id in masked.split([',', ';']).take(MOST).map(|id| id.trim().trim_matches(['"', '\''])) {
                    if is_plain(id) {
                        continue;
                    }
                    let said = if id.contains(BLANK) {
                        Endpoint::Unknown("it is filled in later".to_owned())
                    } else {
                        self.gazetteer.region_named(None, id)
                    };
                    if class == Class::Region || matches!(said, Endpoint::Place { .. }) {
                        self.add([said]);
                    }
                }
            }
            _ if is_plain(value) => {}
            Class::Endpoint => self.add(self.gazetteer.endpoints(value)),
            Class::Bucket if value.contains("://") || value.starts_with("arn:") => {
                self.add(self.gazetteer.endpoints(value));
            }
            Class::Bucket => {
                for bucket in value.trim_matches(['[', ']']).split(',') {
                    let bucket = bucket.trim().trim_matches(['"', '\'']);
                    if masked(bucket).contains(BLANK) {
                        self.add([Endpoint::Unknown("it is filled in later".to_owned())]);
                    } else if !is_plain(bucket) {
                        self.add([self.gazetteer.bucket_named(bucket)]);
                    }
                }
            }
            Class::Other => self.urls(value),
        }
    }

    /// URLs with a scheme and resource names, wherever they stand.
    fn urls(&mut self, text: &str) {
        const ENDS: &str = "\"'`<>()|{}";
        let masked = masked(text);
        let words = masked.split(|one: char| one.is_whitespace() || ENDS.contains(one));
        for word in words {
            // key=https://..., -Dkey=https://..., [https://...], text:https://...
            let begin = word.find("://").map(|at| {
                let inner = |one: char| one.is_ascii_alphanumeric() || "+-._:".contains(one);
                word[..at].rfind(|one| !inner(one)).map_or(0, |before| before + 1)
            });
            let begin = match (begin, word.find("arn:")) {
                (Some(url), Some(arn)) => Some(url.min(arn)),
                (url, arn) => url.or(arn),
            };
            let Some(word) = begin.and_then(|at| word.get(at..)) else { continue };
            let word = word.trim_end_matches(['.', ',', ';', ']', ')', '}']);
            if word.len() > "://".len() {
                self.add(self.gazetteer.endpoints_masked(word));
            }
        }
    }

    fn text(&mut self, text: &str) {
        // The key of a list whose elements follow on lines of their own, and how far it is indented.
        let mut list: Option<(usize, String)> = None;
        // What a variable is called whose value follows.
        let mut name: Option<String> = None;
        for line in text.lines() {
            let line = without_comment(line);
            let trimmed = line.trim();
            if trimmed.is_empty() {
                continue;
            }
            let indent = line.len() - line.trim_start().len();
            let element = trimmed.strip_prefix("- ").map(str::trim);
            let closed = list.as_ref().is_some_and(|(of, _)| indent < *of || (indent == *of && element.is_none()));
            if closed {
                list = None;
            }
            if let Some((_, key)) = &list {
                let element = element.unwrap_or(trimmed).trim_matches(|one| "\"',]".contains(one));
                if next_pair(element, 0).is_none() && !element.is_empty() {
                    let key = key.clone();
                    self.named(&key, element);
                    continue;
                }
            }
            self.line(trimmed, indent, &mut list, &mut name);
        }
    }

    fn line(&mut self, line: &str, indent: usize, list: &mut Option<(usize, String)>, name: &mut Option<String>) {
        let mut rest = String::new();
        let mut at = 0;
        while let Some((start, pair)) = next_pair(line, at).map(|pair| (at, pair)) {
            let Pair { key, value, end } = pair;
            let before = line.get(start..end).unwrap_or_default();
            match key {
                "name" | "key" => *name = Some(value.to_owned()),
                "value" => {
                    if let Some(name) = name.take() {
                        self.named(&name, value);
                    } else {
                        self.urls(value);
                    }
                }
                _ if value.is_empty() || value == "[" => *list = Some((indent, key.to_owned())),
                _ => {
                    let class = class(key);
                    // What stands before the key on the line may hold URLs of its own.
                    let ahead = before.split(key).next().unwrap_or_default();
                    rest.push_str(ahead);
                    rest.push(' ');
                    match class {
                        // Nothing is sent there.
                        _ if names_a_schema(ahead, key) => {}
                        Class::Other => {
                            rest.push_str(value);
                            rest.push(' ');
                        }
                        _ => self.named(key, value),
                    }
                }
            }
            at = end;
        }
        rest.push_str(line.get(at..).unwrap_or_default());
        if at == 0 {
            // A directive: `Host es.example.com`, `server db.example.com:5432;`.
            let mut words = line.split_whitespace();
            if let (Some(key), Some(value), None) = (words.next(), words.next(), words.next())
                && class(key) != Class::Other
                && !value.contains("://")
            {
                return self.named(key, value.trim_end_matches(';'));
            }
        }
        self.urls(&rest);
    }
}

/// A line without its comment.
pub fn without_comment(line: &str) -> &str {
    let start = line.trim_start();
    if start.starts_with('#') || start.starts_with("// ") || start == "//" || start.starts_with("<!--") {
        return "";
    }
    if start.starts_with("//") && !start.contains('.') {
        return "";
    }
    let mut quote = None;
    let mut before = ' ';
    for (at, one) in line.char_indices() {
        match quote {
            Some(open) if one == open => quote = None,
            None if (one == '"' || one == '\'') && (before.is_whitespace() || ":=[{(,".contains(before)) => {
                quote = Some(one);
            }
            None if before.is_whitespace() && (one == '#' || line[at..].starts_with("// ")) => return &line[..at],
            Some(_) | None => {}
        }
        before = one;
    }
    line
}

/// The next pair from a position on: `key: value`, `"key": value`, `key = value`, `KEY=value`, `--key value`,
/// `<key>value</key>`.
fn next_pair(line: &str, from: usize) -> Option<Pair<'_>> {
    let is_key = |one: char| one.is_ascii_alphanumeric() || "_.-".contains(one);
    let mut at = from;
    while at < line.len() {
        let text = line.get(at..)?;
        let begin = at + text.find(is_key)?;
        let text = &line[begin..];
        let end = begin + text.find(|one| !is_key(one)).unwrap_or(text.len());
        let key = line[begin..end].trim_start_matches('-');
        let flag = line[begin..].starts_with("--");
        let quoted = line[..begin].ends_with(['"', '\'']);
        let tag = line[..begin].ends_with('<');
        let after = &line[end..];
        let unquoted = if quoted { after.strip_prefix(['"', '\'']) } else { Some(after) };
        let starts = unquoted.and_then(|after| {
            let offset = line.len() - after.len();
            let rest = after.trim_start();
            let blanks = after.len() - rest.len();
            if let Some(value) = rest.strip_prefix(':') {
                // Without a blank it is a port, a scheme or a time, unless the key is quoted.
                let apart = value.is_empty() || value.starts_with([' ', '\t']) || quoted || value.starts_with('"');
                return (apart && blanks < 2).then_some((offset + blanks + 1, ':'));
            }
            if let Some(value) = rest.strip_prefix('=').filter(|value| !value.starts_with(['=', '~'])) {
                let spaced = blanks > 0 && value.starts_with([' ', '\t']);
                return Some((offset + blanks + 1, if spaced { ':' } else { '=' }));
            }
            if tag && after.starts_with('>') {
                return Some((offset + 1, '>'));
            }
            (flag && blanks > 0 && !rest.starts_with('-')).then_some((offset, ' '))
        });
        if let Some((start, separator)) = starts
            && !key.is_empty()
        {
            let (value, end) = value(line, start, separator);
            return Some(Pair { key, value, end });
        }
        at = end.max(begin + 1);
    }
    None
}

/// The value from a position on, and where it ends.
fn value(line: &str, start: usize, separator: char) -> (&str, usize) {
    let text = &line[start..];
    let blanks = text.len() - text.trim_start().len();
    let begin = start + blanks;
    let text = &line[begin..];
    let until = |inner: &str, skip: usize| (begin + skip, begin + skip + inner.len());
    let (from, to, end) = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let inner = text[1..].split(quote).next().unwrap_or_default();
            let (from, to) = until(inner, 1);
            (from, to, (to + 1).min(line.len()))
        }
        Some('[') => {
            let inner = text.split_inclusive(']').next().unwrap_or_default();
            let (from, to) = until(inner, 0);
            (from, to, to)
        }
        // What is nested has pairs of its own.
        Some('{') if !text.starts_with("{{") => (begin, begin, begin + 1),
        _ => {
            let inner = match separator {
                ':' => {
                    // In braces a value ends where the next begins; they stand at the beginning of the line, or of its value.
                    const NEAR: usize = 200;
                    let front = &line.as_bytes()[..start.min(NEAR)];
                    let flow =
                        front.iter().position(|one| *one == b'{').is_some_and(|at| front.get(at + 1) != Some(&b'{'));
                    let last = |(at, _): &(usize, char)| {
                        let next = text.as_bytes().get(at + 1);
                        text.as_bytes()[*at] == b'}' || next.is_none_or(|next| b" \t\"'".contains(next))
                    };
                    let end = text.char_indices().filter(|(_, one)| *one == '}' || *one == ',').find(last);
                    end.filter(|_| flow).map_or(text, |(at, _)| &text[..at])
                }
                '>' => text.split('<').next().unwrap_or_default(),
                // A list goes on behind its commas.
                _ if blanks > 0 && separator == '=' => "",
                _ => {
                    let mut end = 0;
                    for part in text.split_inclusive(char::is_whitespace) {
                        end += part.len();
                        if !part.trim_end().ends_with(',') {
                            break;
                        }
                    }
                    &text[..end]
                }
            };
            let (from, to) = until(inner, 0);
            (from, to, to)
        }
    };
    (line[from..to].trim(), end)
}
